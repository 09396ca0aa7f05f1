//! `process`: ticks and actions that operators order. For a forced action on a campaign whose generator is disabled, a
//! one-shot actor is built. It ends with that action.

use actix::prelude::*;
use futures_util::future::{LocalBoxFuture, join_all};
use tokio::sync::oneshot;

use super::super::answers::send_reply;
use super::{Incarnation, Slot, Stage, Supervisor};
use crate::actors::campaign::{CampaignActor, ForceNow, ProcessNow};
use crate::control::{Process, ProcessAll, Processed, Refusal, Reply};
use crate::domain::action::Trigger;
use crate::domain::ids::CampaignId;
use crate::domain::order::{Force, ForceKind};
use crate::store::CampaignRow;

/// A forced action on a campaign whose generator is disabled.
#[derive(Debug)]
pub(super) struct OneShot {
    /// The action and its reply slot; `None` once they were sent to the actor.
    pub(super) unsent: Option<(Force, Reply<Processed>)>,
}

impl Supervisor {
    pub(super) fn process(&mut self, ctx: &mut Context<Self>, order: Process, reply: Reply<Processed>) {
        let Process { campaign: id, force, by } = order;
        // A row that was written a moment ago is known only after the next sync.
        let synced = if self.last_rows.contains_key(&id) { None } else { Some(self.synced(ctx)) };
        let wait = async move {
            if let Some(synced) = synced {
                // An error means that the program ends: then the order below is refused.
                let _ = synced.await;
            }
        };
        ctx.spawn(wait.into_actor(self).map(move |(), actor, ctx| {
            let processed = match force {
                None => actor.tick_now(id),
                Some(kind) => actor.force(ctx, id, forced(kind, by)),
            };
            answer_later(processed, reply);
        }));
    }

    pub(super) fn process_all(&mut self, ctx: &mut Context<Self>, order: &ProcessAll, reply: Reply<Vec<Processed>>) {
        let ids: Vec<CampaignId> =
            self.last_rows.values().filter(|row| row.generator_enabled).map(|row| row.id).collect();
        let mut all = Vec::new();
        for id in ids {
            let processed = match order.force {
                None => self.tick_now(id),
                Some(kind) => self.force(ctx, id, forced(kind, order.by.clone())),
            };
            all.push(async move { (id, processed.await) });
        }
        let rows = self.last_rows.clone();
        actix::spawn(async move {
            let answers = join_all(all).await.into_iter().filter_map(|(id, answer)| match answer {
                Ok(processed) => Some(processed),
                Err(refusal) => rows.get(&id).map(|row| refused(row, &refusal)),
            });
            send_reply(reply, Ok(answers.collect()));
        });
    }

    fn tick_now(&self, id: CampaignId) -> LocalBoxFuture<'static, Result<Processed, Refusal>> {
        let Some(actor) = self.actor_of(id) else {
            let refusal = self.refusal_without_actor(id).unwrap_or_else(|| {
                Refusal::NotNow("its generator is disabled: `enable` it first, or force an action".to_owned())
            });
            return Box::pin(std::future::ready(Err(refusal)));
        };
        Box::pin(ask(actor, ProcessNow))
    }

    /// Forces an action, by the actor that guards the campaign, or by a one-shot actor.
    pub(super) fn force(
        &mut self,
        ctx: &mut Context<Self>,
        id: CampaignId,
        force: Force,
    ) -> LocalBoxFuture<'static, Result<Processed, Refusal>> {
        if let Some(actor) = self.actor_of(id) {
            return Box::pin(ask(actor, ForceNow(force)));
        }
        if let Some(refusal) = self.refusal_without_actor(id) {
            return Box::pin(std::future::ready(Err(refusal)));
        }
        let Some(row) = self.last_rows.get(&id).cloned() else {
            return Box::pin(std::future::ready(Err(Refusal::UnknownCampaign(id))));
        };
        let (reply, answer) = oneshot::channel();
        let one_shot = OneShot { unsent: Some((Force { once: true, ..force }, reply)) };
        self.slots.insert(id, Slot::new(row, self.clock.now(), Some(one_shot)));
        self.build(ctx, id);
        Box::pin(async move { answer.await.unwrap_or(Err(Refusal::ActorDied)) })
    }

    /// Returns the campaign's actor if it runs: the one that guards the campaign, or a one-shot actor.
    pub(super) fn actor_of(&self, id: CampaignId) -> Option<Addr<CampaignActor>> {
        match &self.slots.get(&id)?.stage {
            Stage::Running(actor) | Stage::Disabling(actor) => Some(actor.clone()),
            Stage::Building | Stage::DisablingRow | Stage::BackingOff => None,
        }
    }

    /// Returns the refusal of an order to a campaign whose actor does not run; `None` if its generator is disabled and
    /// no actor is being built or ended for it.
    pub(super) fn refusal_without_actor(&self, id: CampaignId) -> Option<Refusal> {
        if self.slots.contains_key(&id) {
            return Some(Refusal::NotNow(
                "the actor of the campaign is being built or ended: try again in a moment".to_owned(),
            ));
        }
        match self.last_rows.get(&id) {
            None => Some(Refusal::UnknownCampaign(id)),
            Some(row) if row.generator_enabled => {
                Some(Refusal::NotNow("the actor of the campaign is not built yet: try again in a moment".to_owned()))
            }
            Some(_) => None,
        }
    }

    /// Sends the forced action to a one-shot actor that was just built.
    pub(super) fn start_one_shot(&mut self, id: CampaignId) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let Some(one_shot) = &mut slot.one_shot else { return };
        let Stage::Running(actor) = &slot.stage else { return };
        if let Some((force, reply)) = one_shot.unsent.take() {
            answer_later(Box::pin(ask(actor.clone(), ForceNow(force))), reply);
        }
        slot.stage = Stage::Disabling(actor.clone());
    }

    /// Handles the end of a one-shot actor. It is not respawned, since its campaign is not guarded.
    pub(super) fn end_one_shot(&mut self, ctx: &mut Context<Self>, id: CampaignId) {
        self.slots.remove(&id);
        self.finish_sync(ctx);
        self.sync_soon(ctx);
    }
}

impl Slot {
    pub(super) fn new(row: CampaignRow, now: chrono::DateTime<chrono::Utc>, one_shot: Option<OneShot>) -> Self {
        Self {
            row,
            stage: Stage::Building,
            incarnation: Incarnation { number: 0, deaths: 0 },
            built_at: now,
            recent_deaths: 0,
            disable_replies: Vec::new(),
            one_shot,
        }
    }
}

/// Sends an order to a campaign actor, and waits for its answer.
pub(super) async fn ask<M>(actor: Addr<CampaignActor>, message: M) -> Result<Processed, Refusal>
where
    M: Message<Result = Result<Processed, Refusal>> + Send + 'static,
    CampaignActor: Handler<M>,
{
    actor.send(message).await.unwrap_or(Err(Refusal::ActorDied))
}

fn answer_later(answer: LocalBoxFuture<'static, Result<Processed, Refusal>>, reply: Reply<Processed>) {
    actix::spawn(async move {
        send_reply(reply, answer.await);
    });
}

fn forced(kind: ForceKind, by: Option<String>) -> Force {
    let reason = "an operator forced it".to_owned();
    Force { kind, trigger: Trigger::Force, reason, by, unless_stopped: false, once: false }
}

fn refused(row: &CampaignRow, refusal: &Refusal) -> Processed {
    Processed {
        id: row.id,
        name: row.name.clone(),
        trafficstar_id: row.trafficstar_id,
        state: None,
        decision: None,
        action: None,
        warnings: Vec::new(),
        error: Some(refusal.to_string()),
    }
}
