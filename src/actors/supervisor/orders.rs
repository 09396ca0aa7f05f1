//! Operators' commands, and how releases end.

use actix::prelude::*;

use super::super::answers::{stored, tell};
use super::managing::{Leave, refusal_without_urls, shown};
use super::{CampaignActor, Release, ReleaseOrder, SetGeneratorEnabled, Stage, Supervisor};
use crate::actors::campaign::{Ended, ReleaseEnded, ReleaseStopped};
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
                    self.disable(ctx, campaign, Leave::ordered(pause, leave_running), reply);
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

impl Handler<ReleaseEnded> for Supervisor {
    type Result = ();

    fn handle(&mut self, message: ReleaseEnded, ctx: &mut Self::Context) {
        let ReleaseEnded { campaign: id, incarnation, result } = message;
        let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.incarnation.number == incarnation) else { return };
        let (to_stop, mut plain): (Vec<_>, Vec<_>) =
            std::mem::take(&mut slot.release_replies).into_iter().partition(|order| order.leave != Leave::AsItIs);
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
                let (let_go, refused): (Vec<_>, Vec<_>) =
                    to_stop.into_iter().partition(|order| order.leave == Leave::NotRunning && !reason.may_run_on());
                plain.extend(let_go.into_iter().map(|order| ReleaseOrder { leave: Leave::AsItIs, ..order }));
                let (not_left, refused): (Vec<_>, Vec<_>) =
                    refused.into_iter().partition(|order| order.leave == Leave::NotRunning);
                let text = format!("{} ({id}) stays guarded: {reason}", slot.row.name);
                refuse(refused, &text);
                refuse(not_left, &format!("{text}, or --leave-running"));
                let Stage::Releasing(actor) = &slot.stage else { return };
                if plain.is_empty() {
                    slot.stage = Stage::Alive(actor.clone());
                } else {
                    // Those who asked for no pause do not wait for one.
                    actor.do_send(Release { pause: false });
                    slot.release_replies = plain;
                }
            }
        }
    }
}

impl Supervisor {
    fn enable(&mut self, ctx: &mut Context<Self>, id: CampaignId, anyway: bool, reply: Reply<Campaign>) {
        let leaves = self.slots.get(&id).is_some_and(|slot| matches!(slot.stage, Stage::Releasing(_) | Stage::Leaving));
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
    pub(super) fn disable(&mut self, ctx: &mut Context<Self>, id: CampaignId, leave: Leave, reply: Reply<Campaign>) {
        let row = self.last_rows.get(&id);
        let is_enabled = row.is_some_and(|row| row.generator_enabled);
        // Of one that nobody guards nobody looks, and it is left as it is.
        let leave = if leave == Leave::NotRunning && !is_enabled { Leave::AsItIs } else { leave };
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
        match self.slots.get_mut(&id).map(|slot| (&slot.stage, &mut slot.release_replies)) {
            Some((Stage::Alive(actor) | Stage::Releasing(actor), replies)) if leave != Leave::AsItIs => {
                let actor = actor.clone();
                replies.push(ReleaseOrder { leave, reply });
                self.begin_release(id, &actor, leave);
            }
            Some((Stage::Alive(_) | Stage::Releasing(_), _)) => self.disable_row_then_release(ctx, id, reply),
            Some((Stage::Building | Stage::Leaving, _)) => {
                let refusal = "it is just being enabled or disabled: try again in a moment".to_owned();
                answer_all(vec![reply], &Err(Refusal::NotNow(refusal)));
            }
            Some((Stage::Resting, _)) | None if leave != Leave::AsItIs => answer_all(vec![reply], &Err(refusal)),
            Some((Stage::Resting, _)) | None => self.set_enabled(ctx, id, false, vec![reply]),
        }
    }

    fn begin_release(&mut self, id: CampaignId, actor: &Addr<CampaignActor>, leave: Leave) {
        // An actor that dies over it is noticed, and its orders are answered then.
        match leave {
            Leave::AsItIs => actor.do_send(Release { pause: false }),
            Leave::Paused => actor.do_send(Release { pause: true }),
            Leave::Stopped | Leave::NotRunning => actor.do_send(ReleaseStopped),
        }
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.stage = Stage::Releasing(actor.clone());
        }
    }

    fn disable_row_then_release(&mut self, ctx: &mut Context<Self>, id: CampaignId, reply: Reply<Campaign>) {
        let set = self.rows.set_generator_enabled.send(SetGeneratorEnabled { campaign: id, enabled: false });
        ctx.spawn(set.into_actor(self).map(move |answer, actor, ctx| {
            if let Some(refusal) = stored(id, answer).err() {
                answer_all(vec![reply], &Err(refusal));
                return;
            }
            if let Err(replies) = actor.release_actor(id, vec![reply]) {
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
            let resting = matches!(stage, Some(Stage::Resting));
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
                Ok(()) => match actor.release_actor(id, replies) {
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
    fn release_actor(&mut self, id: CampaignId, replies: Vec<Reply<Campaign>>) -> Result<(), Vec<Reply<Campaign>>> {
        let Some(slot) = self.slots.get_mut(&id) else { return Err(replies) };
        let (Stage::Alive(actor) | Stage::Releasing(actor)) = &slot.stage else { return Err(replies) };
        let actor = actor.clone();
        slot.release_replies.extend(replies.into_iter().map(|reply| ReleaseOrder { leave: Leave::AsItIs, reply }));
        self.begin_release(id, &actor, Leave::AsItIs);
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

fn refuse(orders: Vec<ReleaseOrder>, reason: &str) {
    answer_all(orders.into_iter().map(|order| order.reply).collect(), &Err(Refusal::NotNow(reason.to_owned())));
}

fn answer_all(replies: Vec<Reply<Campaign>>, answer: &Result<Campaign, Refusal>) {
    for reply in replies {
        tell(reply, answer.clone());
    }
}
