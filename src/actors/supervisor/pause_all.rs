//! `pause-all` and `release-all`: the hold on all campaigns, and the pauses that it orders.
//!
//! Each sync reads the stored hold on all campaigns. So a hold that another program stored, such as `pause-all
//! --direct`, is in force within a tick.

use actix::prelude::*;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::super::answers::{Answer, of_database, send_reply};
use super::hold::pause_by;
use super::process::ask;
use super::{Stage, Supervisor};
use crate::actors::campaign::{AskOutlook, HoldOnAll, OutlookAnswer, PauseAllNow};
use crate::actors::database::StoreHoldOnAll;
use crate::control::{HeldAll, NotPaused, OutlookOfAll, Refusal, Released, Reply};
use crate::domain::action::ActionKind;
use crate::domain::failure::DatabaseFailure;
use crate::domain::ids::CampaignId;
use crate::domain::policy::Mode;
use crate::domain::status::{ActionStatus, Hold};

/// The hold on all campaigns.
#[derive(Debug, Default)]
pub(super) struct HoldAll {
    /// The hold in force; `None` if there is none.
    pub(super) hold: Option<Hold>,
    /// Whether the hold is in force, but not stored in the database yet.
    unstored: bool,
    /// Counts the changes. A hold that was read from the database before a change is ignored after it.
    changes: u64,
}

/// The outcome of the pauses of all campaigns.
#[derive(Debug, Default)]
pub(super) struct PauseOfAll {
    paused: u64,
    stopped_already: u64,
    not_paused: Vec<NotPaused>,
}

impl Supervisor {
    /// Puts all campaigns on hold. The hold is in force at once: the pauses do not wait for the database.
    pub(super) fn hold_all(&mut self, ctx: &mut Context<Self>, hold: Hold, reply: Reply<HeldAll>) {
        self.change_hold_all(Some(hold.clone()));
        self.hold_all.unstored = true;
        let stored = self.store_hold_all(ctx);
        let pause = self.pause_all(ctx, &hold);
        let campaigns = self.last_rows.len() as u64;
        let mode = self.defaults.mode;
        let observed_only = self.last_rows.values().filter(|row| row.mode(mode) == Mode::Observe).count() as u64;
        actix::spawn(async move {
            let PauseOfAll { paused, stopped_already, not_paused } = pause.await;
            let warning = stored.await.unwrap_or(Err(DatabaseFailure::ActorGone)).err().map(|reason| {
                format!(
                    "the hold is in force, but could not be stored yet (a restart before that would lose it): {reason}"
                )
            });
            let warnings = warning.into_iter().collect();
            let held = HeldAll { hold, campaigns, paused, stopped_already, observed_only, not_paused, warnings };
            send_reply(reply, Ok(held));
        });
    }

    /// Releases all campaigns after the release is stored. Otherwise a restart would undo it.
    pub(super) fn release_all(&mut self, ctx: &mut Context<Self>, reply: Reply<Released>) {
        let changes_then = self.hold_all.changes;
        let store = self.rows.store_hold_on_all.send(StoreHoldOnAll(None));
        ctx.spawn(store.into_actor(self).map(move |answer, actor, ctx| {
            let answer = match of_database(answer) {
                Ok(()) if actor.hold_all.changes != changes_then => {
                    // A `pause-all` that came meanwhile is the newer order: it stays in force, and is stored again.
                    actor.hold_all.unstored = true;
                    drop(actor.store_hold_all(ctx));
                    let refusal =
                        "a newer order for all campaigns came meanwhile and is in force: see status, then try again";
                    Err(Refusal::NotNow(refusal.to_owned()))
                }
                Ok(()) => {
                    let released = actor.hold_all.hold.clone();
                    actor.hold_all.unstored = false;
                    actor.change_hold_all(None);
                    let outlook = actor.outlook();
                    actix::spawn(async move {
                        send_reply(reply, Ok(Released { released, still_on_hold: None, outlook: Some(outlook.await) }));
                    });
                    return;
                }
                Err(failure) => Err(Refusal::ReleaseNotStored(failure)),
            };
            send_reply(reply, answer);
        }));
    }

    /// Returns what the guard will do with the campaigns. Each actor answers after it has handled the messages before.
    fn outlook(&self) -> impl Future<Output = OutlookOfAll> + 'static {
        // A disabled campaign may have a one-shot actor, which is not asked.
        let is_guarded = |id: &&CampaignId| self.last_rows.get(id).is_some_and(|row| row.generator_enabled);
        let actors: Vec<_> = self.slots.keys().filter(is_guarded).filter_map(|id| self.actor_of(*id)).collect();
        let not_guarded = self.last_rows.values().filter(|row| !row.generator_enabled).count() as u64;
        let guarded = self.last_rows.len() as u64 - not_guarded;
        async move {
            let answers = join_all(actors.iter().map(|actor| actor.send(AskOutlook))).await;
            let mut all = OutlookOfAll { not_guarded, ..OutlookOfAll::default() };
            answers.into_iter().flatten().for_each(|OutlookAnswer(outlook)| all.add(outlook));
            let answered = all.start + all.run + all.limit_reached + all.stay_stopped + all.left_alone + all.unknown;
            all.unknown += guarded.saturating_sub(answered);
            all
        }
    }

    /// Applies the hold that a sync has read: another program may have stored it, released it, or it has run out.
    pub(super) fn apply_stored_hold_all(&mut self, ctx: &mut Context<Self>, stored: Option<Hold>, changes_then: u64) {
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
        // At the first sync there are no actors yet. Each actor that is built then pauses its campaign if it may run.
        if let Some(hold) = stored.filter(|_| !first_sync) {
            let pause = self.pause_all(ctx, &hold);
            actix::spawn(async move { log_pause_of_all(&pause.await) });
        }
    }

    /// Returns how often the hold on all campaigns has changed, for [`Supervisor::apply_stored_hold_all`].
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
            if let Stage::Running(actor) | Stage::Disabling(actor) = &slot.stage {
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
                    // A sync that has read the row before this write must not undo the hold.
                    actor.hold_all.changes += 1;
                }
                Ok(()) => {}
                Err(reason) => tracing::error!(
                    %reason,
                    "the hold on all campaigns is in force, but could not be stored yet: the next sync tries again"
                ),
            }
            send_reply(done, answer);
        }));
        stored
    }

    /// Pauses every campaign now, if the hold orders a pause. A campaign that its actor has seen stopped is read first,
    /// and gets no request if it is still stopped. A campaign whose generator is disabled is paused once, without
    /// reading, since no actor knows whether it runs.
    fn pause_all(&mut self, ctx: &mut Context<Self>, hold: &Hold) -> impl Future<Output = PauseOfAll> + 'static {
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
            let mut outcome = PauseOfAll::default();
            for (row, paused) in join_all(pauses).await {
                match paused {
                    Ok(processed) if is_pause_since(processed.action.as_ref(), since) => outcome.paused += 1,
                    Ok(_) => outcome.stopped_already += 1,
                    Err(refusal) => {
                        outcome.not_paused.push(NotPaused { id: row.id, name: row.name, reason: refusal.to_string() });
                    }
                }
            }
            outcome
        }
    }
}

/// Whether the newest action of a campaign is a pause that was requested at `since` or later.
fn is_pause_since(action: Option<&ActionStatus>, since: DateTime<Utc>) -> bool {
    action.is_some_and(|action| action.kind == ActionKind::Pause && action.requested_at >= since)
}

fn log_pause_of_all(outcome: &PauseOfAll) {
    let stopped_already = outcome.stopped_already;
    tracing::info!(
        paused = outcome.paused,
        stopped_already,
        not_paused = outcome.not_paused.len(),
        "all campaigns were paused, as far as possible"
    );
}
