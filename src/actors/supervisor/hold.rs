//! `hold` and `release` of one campaign. The campaign's actor keeps and stores the hold. For a campaign without an
//! actor, the supervisor stores it in the database.

use actix::prelude::*;

use super::super::answers::{of_campaign, send_reply, stored};
use super::Supervisor;
use crate::actors::campaign::{ChangeHold, ForceNow, HoldChanged};
use crate::actors::database::StoreHold;
use crate::control::{Held, Refusal, Released, Reply, SetHold};
use crate::domain::action::Trigger;
use crate::domain::ids::CampaignId;
use crate::domain::order::{Force, ForceKind};
use crate::domain::status::Hold;

impl Supervisor {
    pub(super) fn hold(&mut self, ctx: &mut Context<Self>, set: SetHold, reply: Reply<Held>) {
        let SetHold { campaign: id, hold } = set;
        let Some(actor) = self.actor_of(id) else {
            self.hold_without_actor(ctx, id, hold, reply);
            return;
        };
        let change = actor.send(ChangeHold(Some(hold.clone())));
        // The campaign is read first, and gets no request if it is stopped already.
        let pause = Force { unless_stopped: true, ..pause_by(&hold) };
        let pause = hold.pause.then(|| actor.send(ForceNow(pause)));
        actix::spawn(async move {
            let changed = of_campaign(change.await);
            let HoldChanged { before: replaced, warnings } = match changed {
                Ok(changed) => changed,
                Err(refusal) => {
                    send_reply(reply, Err(refusal));
                    return;
                }
            };
            let paused = if let Some(pause) = pause { of_campaign(pause.await).err() } else { None };
            let not_paused = paused.map(|refusal| refusal.to_string());
            send_reply(reply, Ok(Held { hold, not_paused, replaced, warnings }));
        });
    }

    /// Stores the hold of a campaign whose generator is disabled. It takes effect when the generator is enabled.
    fn hold_without_actor(&mut self, ctx: &mut Context<Self>, id: CampaignId, hold: Hold, reply: Reply<Held>) {
        if let Some(refusal) = self.refusal_without_actor(id) {
            send_reply(reply, Err(refusal));
            return;
        }
        if hold.pause {
            let refusal = Refusal::NotNow(
                "its generator is disabled, so a hold cannot keep it paused: `process --force pause` pauses it once"
                    .to_owned(),
            );
            send_reply(reply, Err(refusal));
            return;
        }
        let replaced = self.last_holds.get(&id).filter(|before| before.lasts(self.clock.now())).cloned();
        let store = self.rows.store_hold.send(StoreHold { campaign: id, hold: Some(hold.clone()) });
        ctx.spawn(store.into_actor(self).map(move |answer, actor, ctx| {
            let warnings =
                vec!["its generator is disabled: the hold takes effect when the generator is enabled".to_owned()];
            let answer = stored(id, answer).map(|()| Held { hold, not_paused: None, replaced, warnings });
            let synced = actor.synced(ctx);
            ctx.spawn(synced.into_actor(actor).map(move |_, _, _| {
                send_reply(reply, answer);
            }));
        }));
    }

    pub(super) fn release(&mut self, ctx: &mut Context<Self>, id: CampaignId, reply: Reply<Released>) {
        let now = self.clock.now();
        let still_on_hold = self.hold_all.hold.clone().filter(|hold| hold.lasts(now));
        if let Some(actor) = self.actor_of(id) {
            let change = actor.send(ChangeHold(None));
            actix::spawn(async move {
                let changed = of_campaign(change.await);
                send_reply(
                    reply,
                    changed.map(|changed| Released { released: changed.before, still_on_hold, outlook: None }),
                );
            });
            return;
        }
        if let Some(refusal) = self.refusal_without_actor(id) {
            send_reply(reply, Err(refusal));
            return;
        }
        let released = self.last_holds.get(&id).cloned();
        let store = self.rows.store_hold.send(StoreHold { campaign: id, hold: None });
        ctx.spawn(store.into_actor(self).map(move |answer, actor, ctx| {
            let answer = stored(id, answer).map(|()| Released { released, still_on_hold, outlook: None });
            let synced = actor.synced(ctx);
            ctx.spawn(synced.into_actor(actor).map(move |_, _, _| {
                send_reply(reply, answer);
            }));
        }));
    }
}

/// Returns the forced pause that a hold with a pause orders.
pub(super) fn pause_by(hold: &Hold) -> Force {
    Force {
        kind: ForceKind::Pause,
        trigger: Trigger::Operator,
        reason: format!("an operator's order, kept {}", hold.in_words()),
        by: hold.by.clone(),
        unless_stopped: false,
        once: false,
    }
}
