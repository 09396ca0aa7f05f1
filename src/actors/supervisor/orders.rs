//! Operators' commands, and how releases end.

use actix::prelude::*;

use super::super::answers::{stored, tell};
use super::catalog::{DisableMode, refusal_without_urls, shown};
use super::{CampaignActor, DisableOrder, Release, SetGeneratorEnabled, Stage, Supervisor};
use crate::actors::campaign::{DisableEnded, DisableIfStopped, Ended};
use crate::actors::database::CarryOutUrls;
use crate::control::{Ask, Campaign, Generator, Order, Refusal, Reply, SetGenerator};
use crate::domain::failure::SyncFailure;
use crate::domain::ids::CampaignId;

/// Carries a command out; its reply slot is answered after the effect.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CarryOut(pub Order);

impl Handler<CarryOut> for Supervisor {
    type Result = ();

    fn handle(&mut self, CarryOut(order): CarryOut, ctx: &mut Self::Context) {
        if self.stopping {
            // A reply slot that is dropped is an answer.
            return;
        }
        match order {
            Order::SetGenerator(Ask { question: SetGenerator { campaign, to }, reply }) => match to {
                Generator::Enabled { anyway } => self.enable(ctx, campaign, anyway, reply),
                Generator::Disabled { pause, leave_running } => {
                    self.disable(ctx, campaign, DisableMode::ordered(pause, leave_running), reply);
                }
            },
            Order::Campaigns(order) => self.manage(ctx, order),
            Order::Urls(order) => self.rows.carry_out_urls.do_send(CarryOutUrls(order)),
            Order::ReadJournal(ask) => self.read_journal(ctx, ask),
            Order::ReadAccount(ask) => self.read_account(ctx, ask),
            Order::Process(Ask { question, reply }) => self.process(ctx, question, reply),
            Order::ProcessAll(Ask { question, reply }) => self.process_all(ctx, &question, reply),
            Order::Hold(Ask { question, reply }) => self.hold(ctx, question, reply),
            Order::Release(Ask { question, reply }) => self.release(ctx, question, reply),
            Order::HoldAll(Ask { question, reply }) => self.hold_all(ctx, question, reply),
            Order::ReleaseAll(Ask { question: (), reply }) => self.release_all(ctx, reply),
        }
    }
}

impl Handler<DisableEnded> for Supervisor {
    type Result = ();

    fn handle(&mut self, message: DisableEnded, ctx: &mut Self::Context) {
        let DisableEnded { campaign: id, incarnation, result } = message;
        let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.incarnation.number == incarnation) else { return };
        let (to_stop, mut plain): (Vec<_>, Vec<_>) =
            std::mem::take(&mut slot.disable_replies).into_iter().partition(|order| order.leave != DisableMode::AsItIs);
        match result {
            Ok(Ended { stopped }) => {
                if stopped {
                    plain.extend(to_stop);
                } else {
                    refuse(to_stop, "its guard ended before it was seen stopped: enable it, then try again");
                }
                if plain.is_empty() {
                    // The row was disabled, removed or linked to another campaign; the sync sees which.
                    self.slots.remove(&id);
                    self.sync_soon(ctx);
                } else {
                    slot.stage = Stage::Leaving;
                    self.set_enabled(ctx, id, false, plain.into_iter().map(|order| order.reply).collect());
                }
            }
            Err(reason) => {
                // Who only does not want one left running is done a favour by letting go what does not run.
                let (let_go, refused): (Vec<_>, Vec<_>) = to_stop
                    .into_iter()
                    .partition(|order| order.leave == DisableMode::NotRunning && !reason.may_run_on());
                plain.extend(let_go.into_iter().map(|order| DisableOrder { leave: DisableMode::AsItIs, ..order }));
                let (not_left, refused): (Vec<_>, Vec<_>) =
                    refused.into_iter().partition(|order| order.leave == DisableMode::NotRunning);
                let text = format!("{} ({id}) stays guarded: {reason}", slot.row.name);
                refuse(refused, &text);
                refuse(not_left, &format!("{text}, or --leave-running"));
                let Stage::Disabling(actor) = &slot.stage else { return };
                if plain.is_empty() {
                    slot.stage = Stage::Alive(actor.clone());
                } else {
                    // Those who asked for no pause do not wait for one.
                    actor.do_send(Release { pause: false });
                    slot.disable_replies = plain;
                }
            }
        }
    }
}

impl Supervisor {
    fn enable(&mut self, ctx: &mut Context<Self>, id: CampaignId, anyway: bool, reply: Reply<Campaign>) {
        let leaves = self.slots.get(&id).is_some_and(|slot| matches!(slot.stage, Stage::Disabling(_) | Stage::Leaving));
        if leaves {
            let refusal = Refusal::NotNow("it is being disabled: try again when that is done".to_owned());
            return answer_all(vec![reply], &Err(refusal));
        }
        if anyway || self.last_rows.get(&id).is_some_and(|row| row.generator_enabled) {
            return self.set_enabled(ctx, id, true, vec![reply]);
        }
        let refusal = refusal_without_urls(self.rows.carry_out_urls.clone(), id);
        ctx.spawn(refusal.into_actor(self).map(move |refusal, actor, ctx| match refusal {
            Some(refusal) => answer_all(vec![reply], &Err(refusal)),
            None => actor.enable(ctx, id, true, reply),
        }));
    }

    /// As it is, the row is disabled first: if that fails, nothing has changed. Otherwise the campaign has to be guarded
    /// until it is stopped, so that the row comes last.
    pub(super) fn disable(
        &mut self,
        ctx: &mut Context<Self>,
        id: CampaignId,
        leave: DisableMode,
        reply: Reply<Campaign>,
    ) {
        let row = self.last_rows.get(&id);
        let is_enabled = row.is_some_and(|row| row.generator_enabled);
        // Of one that nobody guards nobody looks, and it is left as it is.
        let leave = if leave == DisableMode::NotRunning && !is_enabled { DisableMode::AsItIs } else { leave };
        let refusal = match (row, is_enabled) {
            (None, _) => Refusal::UnknownCampaign(id),
            (Some(_), false) => Refusal::NotNow(format!(
                "its generator is disabled already: `traffic-generator process {id} --force pause` pauses it once"
            )),
            (Some(_), true) => Refusal::NotNow(
                "it has no actor now that could look whether it runs: try again in a moment, or add --leave-running"
                    .to_owned(),
            ),
        };
        match self.slots.get_mut(&id).map(|slot| (&slot.stage, &mut slot.disable_replies)) {
            Some((Stage::Alive(actor) | Stage::Disabling(actor), replies)) if leave != DisableMode::AsItIs => {
                let actor = actor.clone();
                replies.push(DisableOrder { leave, reply });
                self.begin_disabling(id, &actor, leave);
            }
            Some((Stage::Alive(_) | Stage::Disabling(_), _)) => self.disable_row_first(ctx, id, reply),
            Some((Stage::Building | Stage::Leaving, _)) => {
                let refusal = "it is just being enabled or disabled: try again in a moment".to_owned();
                answer_all(vec![reply], &Err(Refusal::NotNow(refusal)));
            }
            Some((Stage::BackingOff, _)) | None if leave != DisableMode::AsItIs => {
                answer_all(vec![reply], &Err(refusal))
            }
            Some((Stage::BackingOff, _)) | None => self.set_enabled(ctx, id, false, vec![reply]),
        }
    }

    fn begin_disabling(&mut self, id: CampaignId, actor: &Addr<CampaignActor>, leave: DisableMode) {
        // An actor that dies over it is noticed, and its orders are answered then.
        match leave {
            DisableMode::AsItIs => actor.do_send(Release { pause: false }),
            DisableMode::Paused => actor.do_send(Release { pause: true }),
            DisableMode::Stopped | DisableMode::NotRunning => actor.do_send(DisableIfStopped),
        }
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.stage = Stage::Disabling(actor.clone());
        }
    }

    fn disable_row_first(&mut self, ctx: &mut Context<Self>, id: CampaignId, reply: Reply<Campaign>) {
        let set = self.rows.set_generator_enabled.send(SetGeneratorEnabled { campaign: id, enabled: false });
        ctx.spawn(set.into_actor(self).map(move |answer, actor, ctx| {
            if let Some(refusal) = stored(id, answer).err() {
                answer_all(vec![reply], &Err(refusal));
                return;
            }
            if let Err(replies) = actor.disable_actor(id, vec![reply]) {
                // It died or left meanwhile: its row is disabled, and the sync sees it.
                actor.answer_after_sync(ctx, id, false, replies);
            }
        }));
    }

    /// Writes the row; answers when the actors are as the row says.
    fn set_enabled(&mut self, ctx: &mut Context<Self>, id: CampaignId, enabled: bool, replies: Vec<Reply<Campaign>>) {
        let set = self.rows.set_generator_enabled.send(SetGeneratorEnabled { campaign: id, enabled });
        ctx.spawn(set.into_actor(self).map(move |answer, actor, ctx| {
            let stage = actor.slots.get(&id).map(|slot| &slot.stage);
            let leaving = matches!(stage, Some(Stage::Leaving));
            let resting = matches!(stage, Some(Stage::BackingOff));
            if let Some(refusal) = stored(id, answer).err() {
                if leaving {
                    // Its row is enabled still: it has to be guarded on.
                    actor.rest(ctx, id);
                }
                answer_all(replies, &Err(refusal));
                return;
            }
            if !enabled && (leaving || resting) {
                actor.slots.remove(&id);
            }
            actor.answer_after_sync(ctx, id, enabled, replies);
        }));
    }

    fn answer_after_sync(
        &mut self,
        ctx: &mut Context<Self>,
        id: CampaignId,
        enabled: bool,
        replies: Vec<Reply<Campaign>>,
    ) {
        let synced = self.synced(ctx);
        ctx.spawn(synced.into_actor(self).map(move |synced, actor, _| {
            let replies = match synced.unwrap_or(Err(SyncFailure::SupervisorDied)) {
                Ok(()) if enabled => replies,
                // A sync that had read the row before the change may have built an actor since.
                Ok(()) => match actor.disable_actor(id, replies) {
                    Ok(()) => return,
                    Err(unanswered) => unanswered,
                },
                Err(failure) => return answer_all(replies, &Err(Refusal::NotInEffect(failure))),
            };
            answer_all(replies, &actor.campaign(id, enabled));
        }));
    }

    /// Ends the guard of a campaign whose row is disabled. The replies are answered when it has ended; they come back
    /// if the campaign has no actor.
    fn disable_actor(&mut self, id: CampaignId, replies: Vec<Reply<Campaign>>) -> Result<(), Vec<Reply<Campaign>>> {
        let Some(slot) = self.slots.get_mut(&id) else { return Err(replies) };
        let (Stage::Alive(actor) | Stage::Disabling(actor)) = &slot.stage else { return Err(replies) };
        let actor = actor.clone();
        slot.disable_replies
            .extend(replies.into_iter().map(|reply| DisableOrder { leave: DisableMode::AsItIs, reply }));
        self.begin_disabling(id, &actor, DisableMode::AsItIs);
        Ok(())
    }

    pub(super) fn sync_soon(&mut self, ctx: &mut Context<Self>) {
        // The receiver is dropped: nobody waits, the sync happens all the same.
        drop(self.synced(ctx));
    }

    /// What a command answers: the campaign as it stands now.
    pub(super) fn campaign(&self, id: CampaignId, enabled: bool) -> Result<Campaign, Refusal> {
        let Some(row) = self.last_rows.get(&id) else { return Err(Refusal::UnknownCampaign(id)) };
        let slot = self.slots.get(&id);
        let in_effect =
            if enabled { slot.is_some_and(|slot| matches!(slot.stage, Stage::Alive(_))) } else { slot.is_none() };
        if row.generator_enabled != enabled || !in_effect {
            return Err(Refusal::NotInEffect(SyncFailure::ActorMissing));
        }
        Ok(shown(row))
    }
}

fn refuse(orders: Vec<DisableOrder>, reason: &str) {
    answer_all(orders.into_iter().map(|order| order.reply).collect(), &Err(Refusal::NotNow(reason.to_owned())));
}

fn answer_all(replies: Vec<Reply<Campaign>>, answer: &Result<Campaign, Refusal>) {
    for reply in replies {
        tell(reply, answer.clone());
    }
}
