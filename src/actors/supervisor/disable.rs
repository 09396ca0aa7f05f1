//! `enable` and `disable` of a campaign's generator.
//!
//! Deliberately absent: the pause before a disable, which the campaign's machine orders (`domain::machine`), and the
//! release of a hold (`hold`).

use actix::prelude::*;

use super::super::answers::{send_reply, stored};
use super::catalog::{DisableMode, refusal_without_urls, shown};
use super::{CampaignActor, Disable, DisableOrder, SetGeneratorEnabled, Stage, Supervisor};
use crate::actors::campaign::{DisableEnded, DisableIfStopped, Ended};
use crate::control::{Campaign, Refusal, Reply};
use crate::domain::failure::SyncFailure;
use crate::domain::ids::CampaignId;
use crate::domain::status::Hold;

impl Handler<DisableEnded> for Supervisor {
    type Result = ();

    fn handle(&mut self, message: DisableEnded, ctx: &mut Self::Context) {
        let DisableEnded { campaign: id, incarnation, result } = message;
        let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.incarnation.number == incarnation) else { return };
        let (conditional, mut unconditional): (Vec<_>, Vec<_>) = std::mem::take(&mut slot.disable_replies)
            .into_iter()
            .partition(|order| order.mode != DisableMode::LeaveAsItIs);
        match result {
            Ok(Ended { stopped }) => {
                if stopped {
                    unconditional.extend(conditional);
                } else {
                    refuse(
                        conditional,
                        "its generator was disabled before the campaign was seen stopped: enable it, then try again",
                    );
                }
                if unconditional.is_empty() {
                    // The row was disabled, removed or linked to another campaign. The sync finds out which.
                    self.slots.remove(&id);
                    self.sync_soon(ctx);
                } else {
                    slot.stage = Stage::DisablingRow;
                    self.set_enabled(
                        ctx,
                        id,
                        false,
                        None,
                        unconditional.into_iter().map(|order| order.reply).collect(),
                    );
                }
            }
            Err(reason) => {
                // An order that only forbids to leave a running campaign is carried out if the campaign cannot run.
                let (allowed, refused): (Vec<_>, Vec<_>) = conditional
                    .into_iter()
                    .partition(|order| order.mode == DisableMode::UnlessItMayRun && !reason.may_run_on());
                unconditional
                    .extend(allowed.into_iter().map(|order| DisableOrder { mode: DisableMode::LeaveAsItIs, ..order }));
                let (unless_it_may_run, others): (Vec<_>, Vec<_>) =
                    refused.into_iter().partition(|order| order.mode == DisableMode::UnlessItMayRun);
                let text = format!("{} ({id}) stays guarded: {reason}", slot.row.name);
                refuse(others, &text);
                refuse(unless_it_may_run, &format!("{text}, or --leave-running"));
                let Stage::Disabling(actor) = &slot.stage else { return };
                if unconditional.is_empty() {
                    slot.stage = Stage::Running(actor.clone());
                } else {
                    // Orders without a pause do not wait for the pause of another order.
                    actor.do_send(Disable { pause: false });
                    slot.disable_replies = unconditional;
                }
            }
        }
    }
}

impl Supervisor {
    /// Enables a campaign's generator. With `pause_first` its hold is stored together with that, so that the campaign's
    /// actor begins with it.
    pub(super) fn enable(
        &mut self,
        ctx: &mut Context<Self>,
        id: CampaignId,
        anyway: bool,
        pause_first: Option<Hold>,
        reply: Reply<Campaign>,
    ) {
        let is_being_disabled =
            self.slots.get(&id).is_some_and(|slot| matches!(slot.stage, Stage::Disabling(_) | Stage::DisablingRow));
        if is_being_disabled {
            let refusal = Refusal::NotNow("its generator is being disabled: try again when that is done".to_owned());
            return answer_all(vec![reply], &Err(refusal));
        }
        if let Some(refusal) = pause_first.as_ref().and_then(|_| self.refusal_to_pause_first(id)) {
            return answer_all(vec![reply], &Err(refusal));
        }
        if anyway || self.last_rows.get(&id).is_some_and(|row| row.generator_enabled) {
            return self.set_enabled(ctx, id, true, pause_first, vec![reply]);
        }
        let refusal = refusal_without_urls(self.rows.carry_out_urls.clone(), id);
        ctx.spawn(refusal.into_actor(self).map(move |refusal, actor, ctx| match refusal {
            Some(refusal) => answer_all(vec![reply], &Err(refusal)),
            None => actor.enable(ctx, id, true, pause_first, reply),
        }));
    }

    /// Returns why a campaign cannot be paused before its guard begins; `None` if it can.
    fn refusal_to_pause_first(&self, id: CampaignId) -> Option<Refusal> {
        if self.last_rows.get(&id).is_some_and(|row| row.generator_enabled) {
            let remedy = format!("`traffic-generator hold {id} --pause --for …` pauses it");
            return Some(Refusal::NotNow(format!("it is guarded already: {remedy}")));
        }
        if self.slots.contains_key(&id) {
            return Some(Refusal::NotNow("its actor is being built or ended: try again in a moment".to_owned()));
        }
        let hold = self.last_holds.get(&id).filter(|hold| hold.lasts(self.clock.now()))?;
        Some(Refusal::NotNow(format!("it is on hold {}: release it first", hold.in_words())))
    }

    /// Disables a campaign's generator. With [`DisableMode::LeaveAsItIs`] the row is disabled before the actor ends: if
    /// that fails, nothing has changed. With the other modes the actor must guard the campaign until it is stopped, so
    /// the row is disabled last.
    pub(super) fn disable(
        &mut self,
        ctx: &mut Context<Self>,
        id: CampaignId,
        mode: DisableMode,
        reply: Reply<Campaign>,
    ) {
        let row = self.last_rows.get(&id);
        let is_enabled = row.is_some_and(|row| row.generator_enabled);
        // A campaign that is not guarded has no actor that could read it, so it is left as it is.
        let mode = if mode == DisableMode::UnlessItMayRun && !is_enabled { DisableMode::LeaveAsItIs } else { mode };
        let refusal = match (row, is_enabled) {
            (None, _) => Refusal::UnknownCampaign(id),
            (Some(_), false) => Refusal::NotNow(format!(
                "its generator is disabled already: `traffic-generator process {id} --force pause` pauses it once"
            )),
            (Some(_), true) => Refusal::NotNow(
                "its actor does not run now, so it is unknown whether the campaign runs: try again in a moment, or add \
                 --leave-running"
                    .to_owned(),
            ),
        };
        match self.slots.get_mut(&id).map(|slot| (&slot.stage, &mut slot.disable_replies)) {
            Some((Stage::Running(actor) | Stage::Disabling(actor), replies)) if mode != DisableMode::LeaveAsItIs => {
                let actor = actor.clone();
                replies.push(DisableOrder { mode, reply });
                self.begin_disabling(id, &actor, mode);
            }
            Some((Stage::Running(_) | Stage::Disabling(_), _)) => self.disable_row_first(ctx, id, reply),
            Some((Stage::Building | Stage::DisablingRow, _)) => {
                let refusal = "its generator is being enabled or disabled: try again in a moment".to_owned();
                answer_all(vec![reply], &Err(Refusal::NotNow(refusal)));
            }
            Some((Stage::BackingOff, _)) | None if mode != DisableMode::LeaveAsItIs => {
                answer_all(vec![reply], &Err(refusal))
            }
            Some((Stage::BackingOff, _)) | None => self.set_enabled(ctx, id, false, None, vec![reply]),
        }
    }

    fn begin_disabling(&mut self, id: CampaignId, actor: &Addr<CampaignActor>, mode: DisableMode) {
        // If the actor dies meanwhile, the supervisor learns of it, and answers the orders that wait.
        match mode {
            DisableMode::LeaveAsItIs => actor.do_send(Disable { pause: false }),
            DisableMode::PauseFirst => actor.do_send(Disable { pause: true }),
            DisableMode::OnlyIfStopped | DisableMode::UnlessItMayRun => actor.do_send(DisableIfStopped),
        }
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.stage = Stage::Disabling(actor.clone());
        }
    }

    fn disable_row_first(&mut self, ctx: &mut Context<Self>, id: CampaignId, reply: Reply<Campaign>) {
        let set =
            self.rows.set_generator_enabled.send(SetGeneratorEnabled { campaign: id, enabled: false, hold: None });
        ctx.spawn(set.into_actor(self).map(move |answer, actor, ctx| {
            if let Some(refusal) = stored(id, answer).err() {
                answer_all(vec![reply], &Err(refusal));
                return;
            }
            if let Err(replies) = actor.disable_actor(id, vec![reply]) {
                // The actor ended meanwhile. Its row is disabled, so no other one is built.
                actor.answer_after_sync(ctx, id, false, replies);
            }
        }));
    }

    /// Enables or disables the row, and answers when the actors match the row.
    fn set_enabled(
        &mut self,
        ctx: &mut Context<Self>,
        id: CampaignId,
        enabled: bool,
        hold: Option<Hold>,
        replies: Vec<Reply<Campaign>>,
    ) {
        let set = self.rows.set_generator_enabled.send(SetGeneratorEnabled { campaign: id, enabled, hold });
        ctx.spawn(set.into_actor(self).map(move |answer, actor, ctx| {
            let stage = actor.slots.get(&id).map(|slot| &slot.stage);
            let has_ended = matches!(stage, Some(Stage::DisablingRow));
            let backs_off = matches!(stage, Some(Stage::BackingOff));
            if let Some(refusal) = stored(id, answer).err() {
                if has_ended {
                    // The row is still enabled, so the campaign must be guarded again.
                    actor.back_off(ctx, id);
                }
                answer_all(replies, &Err(refusal));
                return;
            }
            if !enabled && (has_ended || backs_off) {
                actor.slots.remove(&id);
            }
            actor.answer_after_sync(ctx, id, enabled, replies);
        }));
    }

    /// Answers after a sync, with the campaign or with the reason for which the change is not in effect.
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
                // A sync that read the row before the change may have built an actor meanwhile.
                Ok(()) => match actor.disable_actor(id, replies) {
                    Ok(()) => return,
                    Err(unanswered) => unanswered,
                },
                Err(failure) => return answer_all(replies, &Err(Refusal::NotInEffect(failure))),
            };
            answer_all(replies, &actor.campaign(id, enabled));
        }));
    }

    /// Ends the actor of a campaign whose row is disabled. The replies are answered when it has ended. If no actor
    /// runs, they are returned.
    fn disable_actor(&mut self, id: CampaignId, replies: Vec<Reply<Campaign>>) -> Result<(), Vec<Reply<Campaign>>> {
        let Some(slot) = self.slots.get_mut(&id) else { return Err(replies) };
        let (Stage::Running(actor) | Stage::Disabling(actor)) = &slot.stage else { return Err(replies) };
        let actor = actor.clone();
        slot.disable_replies
            .extend(replies.into_iter().map(|reply| DisableOrder { mode: DisableMode::LeaveAsItIs, reply }));
        self.begin_disabling(id, &actor, DisableMode::LeaveAsItIs);
        Ok(())
    }

    /// Returns the campaign; a refusal if its row or its actor differs from `enabled`.
    pub(super) fn campaign(&self, id: CampaignId, enabled: bool) -> Result<Campaign, Refusal> {
        let Some(row) = self.last_rows.get(&id) else { return Err(Refusal::UnknownCampaign(id)) };
        let slot = self.slots.get(&id);
        let in_effect =
            if enabled { slot.is_some_and(|slot| matches!(slot.stage, Stage::Running(_))) } else { slot.is_none() };
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
        send_reply(reply, answer.clone());
    }
}
