//! Holds: one campaign's, which its actor keeps, and the one on all, which is kept here.
//!
//! The hold on all is an order for everybody who writes the database: each sync reads it, so that one that `pause-all
//! --direct` left there is in force within a tick.

use actix::prelude::*;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::super::answers::{Answer, of_campaign, of_database, stored, tell};
use super::process::ask;
use super::{Stage, Supervisor};
use crate::actors::campaign::{AskOutlook, ChangeHold, ForceNow, HoldChanged, HoldOnAll, OutlookAnswer, PauseAllNow};
use crate::actors::database::{StoreHold, StoreHoldOnAll};
use crate::control::{Held, HeldAll, NotPaused, OutlookOfAll, Refusal, Released, Reply, SetHold};
use crate::domain::action::{ActionKind, Trigger};
use crate::domain::failure::DatabaseFailure;
use crate::domain::ids::CampaignId;
use crate::domain::order::{Force, ForceKind};
use crate::domain::policy::Mode;
use crate::domain::status::{ActionStatus, Hold};

/// The hold on all campaigns.
#[derive(Debug, Default)]
pub(super) struct HoldAll {
    pub(super) hold: Option<Hold>,
    /// It is in force here, and the database does not know of it yet.
    unstored: bool,
    /// Counts the changes, so that what was read before one is not taken for news.
    changes: u64,
}

/// What a pause of everything came to.
#[derive(Debug, Default)]
pub(super) struct Press {
    paused: u64,
    stopped_already: u64,
    not_paused: Vec<NotPaused>,
}

impl Supervisor {
    pub(super) fn hold(&mut self, ctx: &mut Context<Self>, set: SetHold, reply: Reply<Held>) {
        let SetHold { campaign: id, hold } = set;
        let Some(actor) = self.actor_of(id) else {
            self.hold_without_actor(ctx, id, hold, reply);
            return;
        };
        let change = actor.send(ChangeHold(Some(hold.clone())));
        // Read first: a campaign that is stopped already is sent nothing.
        let pause = Force { unless_stopped: true, ..pause_by(&hold) };
        let pause = hold.pause.then(|| actor.send(ForceNow(pause)));
        actix::spawn(async move {
            let changed = of_campaign(change.await);
            let HoldChanged { before: replaced, warnings } = match changed {
                Ok(changed) => changed,
                Err(refusal) => {
                    tell(reply, Err(refusal));
                    return;
                }
            };
            let paused = if let Some(pause) = pause { of_campaign(pause.await).err() } else { None };
            let not_paused = paused.map(|refusal| refusal.to_string());
            tell(reply, Ok(Held { hold, not_paused, replaced, warnings }));
        });
    }

    /// A disabled campaign's hold waits for its generator to be enabled.
    fn hold_without_actor(&mut self, ctx: &mut Context<Self>, id: CampaignId, hold: Hold, reply: Reply<Held>) {
        if let Some(refusal) = self.refusal_without_actor(id) {
            tell(reply, Err(refusal));
            return;
        }
        if hold.pause {
            let refusal = Refusal::NotNow(
                "its generator is disabled, so that nobody could keep it paused: `process --force pause` pauses it once"
                    .to_owned(),
            );
            tell(reply, Err(refusal));
            return;
        }
        let replaced = self.last_holds.get(&id).filter(|before| before.lasts(self.clock.now())).cloned();
        let store = self.rows.store_hold.send(StoreHold { campaign: id, hold: Some(hold.clone()) });
        ctx.spawn(store.into_actor(self).map(move |answer, actor, ctx| {
            let warnings = vec!["its generator is disabled: the hold is in force once it is enabled".to_owned()];
            let answer = stored(id, answer).map(|()| Held { hold, not_paused: None, replaced, warnings });
            let synced = actor.synced(ctx);
            ctx.spawn(synced.into_actor(actor).map(move |_, _, _| {
                tell(reply, answer);
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
                tell(reply, changed.map(|changed| Released { released: changed.before, still_on_hold, outlook: None }));
            });
            return;
        }
        if let Some(refusal) = self.refusal_without_actor(id) {
            tell(reply, Err(refusal));
            return;
        }
        let released = self.last_holds.get(&id).cloned();
        let store = self.rows.store_hold.send(StoreHold { campaign: id, hold: None });
        ctx.spawn(store.into_actor(self).map(move |answer, actor, ctx| {
            let answer = stored(id, answer).map(|()| Released { released, still_on_hold, outlook: None });
            let synced = actor.synced(ctx);
            ctx.spawn(synced.into_actor(actor).map(move |_, _, _| {
                tell(reply, answer);
            }));
        }));
    }

    /// Holds all campaigns: in memory first, since a pause of everything does not wait for a database.
    pub(super) fn hold_all(&mut self, ctx: &mut Context<Self>, hold: Hold, reply: Reply<HeldAll>) {
        self.change_hold_all(Some(hold.clone()));
        self.hold_all.unstored = true;
        let stored = self.store_hold_all(ctx);
        let press = self.press(ctx, &hold);
        let campaigns = self.last_rows.len() as u64;
        let mode = self.defaults.mode;
        let observed_only = self.last_rows.values().filter(|row| row.mode(mode) == Mode::Observe).count() as u64;
        actix::spawn(async move {
            let Press { paused, stopped_already, not_paused } = press.await;
            let warning = stored.await.unwrap_or(Err(DatabaseFailure::ActorGone)).err().map(|reason| {
                format!("it is in force and could not be stored yet, a restart before that would lose it: {reason}")
            });
            let warnings = warning.into_iter().collect();
            let held = HeldAll { hold, campaigns, paused, stopped_already, observed_only, not_paused, warnings };
            tell(reply, Ok(held));
        });
    }

    /// Releases all campaigns once that is stored: a release that a restart would take back is none.
    pub(super) fn release_all(&mut self, ctx: &mut Context<Self>, reply: Reply<Released>) {
        let changes_then = self.hold_all.changes;
        let store = self.rows.store_hold_on_all.send(StoreHoldOnAll(None));
        ctx.spawn(store.into_actor(self).map(move |answer, actor, ctx| {
            let answer = match of_database(answer) {
                Ok(()) if actor.hold_all.changes != changes_then => {
                    // A pause of all that came meanwhile is the newer word: it stays, and is stored over the release.
                    actor.hold_all.unstored = true;
                    drop(actor.store_hold_all(ctx));
                    let refusal =
                        "another order for all campaigns came meanwhile, and counts: see status, then try again";
                    Err(Refusal::NotNow(refusal.to_owned()))
                }
                Ok(()) => {
                    let released = actor.hold_all.hold.clone();
                    actor.hold_all.unstored = false;
                    actor.change_hold_all(None);
                    let outlook = actor.outlook();
                    actix::spawn(async move {
                        tell(reply, Ok(Released { released, still_on_hold: None, outlook: Some(outlook.await) }));
                    });
                    return;
                }
                Err(failure) => Err(Refusal::ReleaseNotStored(failure)),
            };
            tell(reply, answer);
        }));
    }

    /// What becomes of all, told by each actor in its turn: after what it was told before.
    fn outlook(&self) -> impl Future<Output = OutlookOfAll> + 'static {
        // A disabled campaign may have an actor, too, while it is paused once.
        let is_guarded = |id: &&CampaignId| self.last_rows.get(id).is_some_and(|row| row.generator_enabled);
        let actors: Vec<_> = self.slots.keys().filter(is_guarded).filter_map(|id| self.actor_of(*id)).collect();
        let not_guarded = self.last_rows.values().filter(|row| !row.generator_enabled).count() as u64;
        let guarded = self.last_rows.len() as u64 - not_guarded;
        async move {
            let answers = join_all(actors.iter().map(|actor| actor.send(AskOutlook))).await;
            let mut all = OutlookOfAll { not_guarded, ..OutlookOfAll::default() };
            answers.into_iter().flatten().for_each(|OutlookAnswer(outlook)| all.add(outlook));
            let told = all.start + all.run + all.limit_reached + all.stay_stopped + all.left_alone + all.unknown;
            all.unknown += guarded.saturating_sub(told);
            all
        }
    }

    /// What a sync has read: an order that somebody left in the database, or one that is over.
    pub(super) fn heed_stored_hold_all(&mut self, ctx: &mut Context<Self>, stored: Option<Hold>, changes_then: u64) {
        let now = self.clock.now();
        if self.hold_all.unstored {
            drop(self.store_hold_all(ctx));
            return;
        }
        if self.hold_all.changes != changes_then {
            return;
        }
        let stored = stored.filter(|hold| hold.lasts(now));
        if stored == self.hold_all.hold {
            return;
        }
        let first_sync = self.last_sync_at.is_none();
        self.change_hold_all(stored.clone());
        // At the start nobody has an actor yet; each one that is built pauses what it sees running.
        if let Some(hold) = stored.filter(|_| !first_sync) {
            let press = self.press(ctx, &hold);
            actix::spawn(async move { tell_press(&press.await) });
        }
    }

    /// How often the hold on all has changed, to be handed to [`Supervisor::heed_stored_hold_all`].
    pub(super) const fn hold_all_changes(&self) -> u64 {
        self.hold_all.changes
    }

    fn change_hold_all(&mut self, hold: Option<Hold>) {
        match &hold {
            Some(hold) => tracing::warn!("all campaigns are on hold {}", hold.in_words()),
            None => tracing::info!("the hold on all campaigns has ended"),
        }
        self.hold_all.changes += 1;
        self.hold_all.hold.clone_from(&hold);
        for slot in self.slots.values() {
            if let Stage::Alive(actor) | Stage::Disabling(actor) = &slot.stage {
                actor.do_send(HoldOnAll(hold.clone()));
            }
        }
        self.publish();
    }

    fn store_hold_all(&mut self, ctx: &mut Context<Self>) -> oneshot::Receiver<Answer<()>> {
        let (done, stored) = oneshot::channel();
        let changes_then = self.hold_all.changes;
        let store = self.rows.store_hold_on_all.send(StoreHoldOnAll(self.hold_all.hold.clone()));
        ctx.spawn(store.into_actor(self).map(move |answer, actor, _| {
            let answer = of_database(answer);
            match &answer {
                Ok(()) if actor.hold_all.changes == changes_then => {
                    actor.hold_all.unstored = false;
                    // What was read before this is not news.
                    actor.hold_all.changes += 1;
                }
                Ok(()) => {}
                Err(reason) => tracing::error!(%reason, "the hold on all campaigns could not be stored yet"),
            }
            // Nobody may be waiting.
            let _ = done.send(answer);
        }));
        stored
    }

    /// Pauses every campaign now; those with a disabled generator once, and unguarded. One that its actor has seen stopped is
    /// read first, and is sent nothing if it still is. Of a disabled one nobody knows whether it runs: it is not read first.
    fn press(&mut self, ctx: &mut Context<Self>, hold: &Hold) -> impl Future<Output = Press> + 'static {
        let mut pauses = Vec::new();
        let rows: Vec<_> = self.last_rows.values().filter(|_| hold.pause).cloned().collect();
        for row in rows {
            let pause = match self.actor_of(row.id) {
                Some(actor) => Box::pin(ask(actor, PauseAllNow(pause_by(hold)))),
                None => self.force(ctx, row.id, pause_by(hold)),
            };
            pauses.push(async move { (row, pause.await) });
        }
        let since = hold.since;
        async move {
            let mut press = Press::default();
            for (row, paused) in join_all(pauses).await {
                match paused {
                    Ok(processed) if is_pause_since(processed.action.as_ref(), since) => press.paused += 1,
                    Ok(_) => press.stopped_already += 1,
                    Err(refusal) => {
                        press.not_paused.push(NotPaused { id: row.id, name: row.name, reason: refusal.to_string() });
                    }
                }
            }
            press
        }
    }
}

/// Whether a campaign was sent a pause since then; one that was seen stopped was sent none.
fn is_pause_since(action: Option<&ActionStatus>, since: DateTime<Utc>) -> bool {
    action.is_some_and(|action| action.kind == ActionKind::Pause && action.requested_at >= since)
}

fn tell_press(press: &Press) {
    let stopped_already = press.stopped_already;
    tracing::info!(
        paused = press.paused,
        stopped_already,
        not_paused = press.not_paused.len(),
        "the pause of all was carried out"
    );
}

/// The pause that a hold orders.
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
