//! Operators' commands, and how releases end.

use actix::prelude::*;

use super::{Release, ReleaseEnded, SetGeneratorEnabled, Stage, Supervisor};
use crate::control::{Ask, Campaign, Order, Refusal, Reply, SetGenerator};
use crate::domain::facts::CampaignId;

/// Carries a command out; its reply slot is answered after the effect.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CarryOut(pub Order);

impl Handler<CarryOut> for Supervisor {
    type Result = ();

    fn handle(&mut self, CarryOut(order): CarryOut, ctx: &mut Self::Context) {
        match order {
            Order::SetGenerator(Ask { question: SetGenerator { campaign, enabled: true, .. }, reply }) => {
                self.enable(ctx, campaign, reply);
            }
            Order::SetGenerator(Ask { question: SetGenerator { campaign, enabled: false, pause }, reply }) => {
                self.disable(ctx, campaign, pause, reply);
            }
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
        let replies = std::mem::take(&mut slot.release_replies);
        match result {
            Ok(()) if replies.is_empty() => {
                // The row was disabled, removed or linked to another campaign; the sync sees which.
                self.slots.remove(&id);
                self.sync_soon(ctx);
            }
            Ok(()) => {
                slot.stage = Stage::Leaving;
                self.set_enabled(ctx, id, false, replies);
            }
            Err(reason) => {
                if let Stage::Releasing(actor) = &slot.stage {
                    slot.stage = Stage::Alive(actor.clone());
                }
                let refusal = Refusal::NotNow(format!("it stays guarded, since its pause failed: {reason}"));
                answer_all(replies, &Err(refusal));
            }
        }
    }
}

impl Supervisor {
    fn enable(&mut self, ctx: &mut Context<Self>, id: CampaignId, reply: Reply<Campaign>) {
        let leaves = self.slots.get(&id).is_some_and(|slot| matches!(slot.stage, Stage::Releasing(_) | Stage::Leaving));
        if leaves {
            let refusal = Refusal::NotNow("it is being disabled: try again when that is done".to_owned());
            answer_all(vec![reply], &Err(refusal));
        } else {
            self.set_enabled(ctx, id, true, vec![reply]);
        }
    }

    fn disable(&mut self, ctx: &mut Context<Self>, id: CampaignId, pause: bool, reply: Reply<Campaign>) {
        let slot = self.slots.get_mut(&id);
        match slot {
            Some(slot) if matches!(slot.stage, Stage::Alive(_) | Stage::Releasing(_)) => {
                slot.release_replies.push(reply);
                if let Stage::Alive(actor) = &slot.stage {
                    actor.do_send(Release { pause });
                    slot.stage = Stage::Releasing(actor.clone());
                }
            }
            _ if pause => {
                let refusal = Refusal::NotNow(
                    "it has no actor now that could pause it: enable it first, or try again in a moment".to_owned(),
                );
                answer_all(vec![reply], &Err(refusal));
            }
            _ => self.set_enabled(ctx, id, false, vec![reply]),
        }
    }

    /// Writes the row, then syncs; answers when the actors are as the row says.
    fn set_enabled(&mut self, ctx: &mut Context<Self>, id: CampaignId, enabled: bool, replies: Vec<Reply<Campaign>>) {
        let set = self.rows.set_generator_enabled.send(SetGeneratorEnabled { campaign: id, enabled });
        ctx.spawn(set.into_actor(self).map(move |answer, actor, ctx| {
            let leaving =
                actor.slots.get(&id).is_some_and(|slot| matches!(slot.stage, Stage::Leaving | Stage::Resting));
            if leaving && !enabled {
                actor.slots.remove(&id);
            }
            let refusal = match answer.unwrap_or_else(|gone| Err(format!("the database actor is gone: {gone}"))) {
                Ok(true) => None,
                Ok(false) => Some(Refusal::UnknownCampaign(id)),
                Err(reason) => Some(Refusal::Failed(format!("the change could not be stored: {reason}"))),
            };
            if let Some(refusal) = refusal {
                answer_all(replies, &Err(refusal));
                actor.sync_soon(ctx);
                return;
            }
            let synced = actor.synced(ctx);
            ctx.spawn(
                synced.into_actor(actor).map(move |_, actor, _| answer_all(replies, &actor.campaign(id, enabled))),
            );
        }));
    }

    pub(super) fn sync_soon(&mut self, ctx: &mut Context<Self>) {
        // The receiver is dropped: nobody waits, the sync happens all the same.
        drop(self.synced(ctx));
    }

    /// What a command answers: the campaign as it stands now.
    fn campaign(&self, id: CampaignId, enabled: bool) -> Result<Campaign, Refusal> {
        let Some(row) = self.last_rows.get(&id) else { return Err(Refusal::UnknownCampaign(id)) };
        let has_actor = self.slots.get(&id).is_some_and(|slot| matches!(slot.stage, Stage::Alive(_)));
        if row.generator_enabled != enabled || has_actor != enabled {
            return Err(Refusal::Failed(
                "the change is stored, and is not in effect yet: see the supervisor's log".to_owned(),
            ));
        }
        Ok(Campaign {
            id,
            name: row.name.clone(),
            trafficstar_id: row.trafficstar_id,
            generator_enabled: row.generator_enabled,
        })
    }
}

fn answer_all(replies: Vec<Reply<Campaign>>, answer: &Result<Campaign, Refusal>) {
    for reply in replies {
        // Whoever asked may be gone.
        let _ = reply.send(answer.clone());
    }
}
