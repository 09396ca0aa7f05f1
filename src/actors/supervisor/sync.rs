//! The sync: compares the rows with the actors, starts and stops actors, and publishes the disabled campaigns.

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{CampaignRow, Disable, LONGEST_SYNC, ReadRows, Rows, Save, Slot, Stage, Supervisor, SyncStage, answered};
use crate::actors::answers::send_reply;
use crate::actors::campaign::without_actor;
use crate::domain::event::Note;
use crate::domain::failure::SyncFailure;
use crate::domain::ids::CampaignId;
use crate::domain::operator_event::OperatorEvent;
use crate::domain::order::HoldChange;
use crate::domain::phase::PhaseWord;
use crate::store::{Record, StoredPromise};

impl Supervisor {
    /// Begins a sync, unless one is under way. If requesters wait for a later one, the sync under way is followed by
    /// another.
    pub(super) fn sync(&mut self, ctx: &mut Context<Self>) {
        if self.sync_stage != SyncStage::Idle || self.stopping {
            return;
        }
        self.sync_stage = SyncStage::Comparing;
        self.sync_begun = Some(self.work.begin("the comparison of the actors with the database's rows", LONGEST_SYNC));
        let [current, next] = &mut self.sync_waiters;
        current.append(next);
        let read = answered(self.rows.read_rows.send(ReadRows));
        let hold_changes = self.hold_all_changes();
        ctx.spawn(read.into_actor(self).map(move |answer, actor, ctx| {
            actor.sync_builds.clear();
            match answer {
                Ok(mut rows) => {
                    actor.sync_failure = None;
                    let hold_all = rows.holds.all.take();
                    actor.apply_stored_hold_all(ctx, hold_all, hold_changes);
                    actor.compare(ctx, rows);
                }
                Err(failure) => {
                    tracing::error!(
                        reason = %failure,
                        "the rows of the campaigns cannot be read: the campaigns that are guarded already stay guarded"
                    );
                    actor.sync_failure = Some(failure.into());
                }
            }
            actor.sync_stage = SyncStage::Building;
            actor.finish_sync(ctx);
        }));
    }

    /// Resolves when a sync that begins after this call has ended.
    pub(super) fn synced(&mut self, ctx: &mut Context<Self>) -> oneshot::Receiver<Result<(), SyncFailure>> {
        let (done, synced) = oneshot::channel();
        let [_, next] = &mut self.sync_waiters;
        next.push(done);
        self.sync(ctx);
        synced
    }

    fn compare(&mut self, ctx: &mut Context<Self>, Rows { campaigns, promises, holds }: Rows) {
        self.handle_dead_actors(ctx);
        self.last_holds = holds.by_campaign;
        for row in &campaigns {
            let promise = promises.get(&row.id).and_then(|promise| promise.as_ref().ok());
            if row.generator_enabled {
                self.ensure_actor(ctx, row);
            } else {
                self.publish_disabled(row, promise);
            }
        }
        let rows: std::collections::BTreeMap<CampaignId, &CampaignRow> =
            campaigns.iter().map(|row| (row.id, row)).collect();
        for (id, slot) in &mut self.slots {
            let wanted = rows.get(id).is_some_and(|row| {
                // A row with another trafficstar_id counts as a removal and an addition.
                row.generator_enabled && row.trafficstar_id == slot.row.trafficstar_id
            });
            if !wanted && let Stage::Running(actor) = &slot.stage {
                actor.do_send(Disable { pause: false });
                slot.stage = Stage::Disabling(actor.clone());
            }
        }
        self.slots.retain(|id, slot| rows.contains_key(id) || !matches!(slot.stage, Stage::BackingOff));
        let slots = &self.slots;
        self.board.retain_campaigns(|id| rows.contains_key(&id) || slots.contains_key(&id));
        let building = self.slots.iter().filter(|(_, slot)| matches!(slot.stage, Stage::Building));
        self.sync_builds = building.map(|(id, slot)| (*id, slot.incarnation.number)).collect();
        self.last_sync_at = Some(self.clock.now());
        self.last_rows = campaigns.into_iter().map(|row| (row.id, row)).collect();
    }

    /// Finds actors that ended without a report, and handles their death.
    fn handle_dead_actors(&mut self, ctx: &mut Context<Self>) {
        let is_dead = |slot: &Slot| match &slot.stage {
            Stage::Running(actor) | Stage::Disabling(actor) => !actor.connected(),
            Stage::Building | Stage::DisablingRow | Stage::BackingOff => false,
        };
        let dead: Vec<CampaignId> = self.slots.iter().filter(|(_, slot)| is_dead(slot)).map(|(id, _)| *id).collect();
        for id in dead {
            self.actor_died(ctx, id);
        }
    }

    /// Builds an actor for an enabled row that has none.
    fn ensure_actor(&mut self, ctx: &mut Context<Self>, row: &CampaignRow) {
        if let Some(slot) = self.slots.get_mut(&row.id) {
            if matches!(slot.stage, Stage::BackingOff) {
                slot.row = row.clone();
            }
            return;
        }
        self.slots.insert(row.id, Slot::new(row.clone(), self.clock.now(), None));
        self.build(ctx, row.id);
    }

    /// Publishes a row whose generator is disabled. If a promise is still stored, it is ended, but for a cool-down that
    /// lasts: `enable` starts from `idle`, or from the cool-down.
    fn publish_disabled(&mut self, row: &CampaignRow, stored: Option<&StoredPromise>) {
        if self.slots.get(&row.id).is_some_and(|slot| !matches!(slot.stage, Stage::BackingOff)) {
            return;
        }
        self.slots.remove(&row.id);
        let now = self.clock.now();
        let mut shown = stored.copied();
        let mut ended = None;
        if let Some(stored) = &mut shown
            && let Some(promise) = stored.promise.disabled(now)
        {
            ended = Some(Note::Transition {
                from: stored.promise.phase.word(),
                to: PhaseWord::Idle,
                reason: "its generator is disabled".to_owned(),
            });
            stored.promise = promise;
            let record = Record {
                campaign: row.id,
                remote: row.trafficstar_id,
                promise,
                entry: None,
                hold: HoldChange::Keep,
                budget: None,
                name: row.name.clone(),
                // The alerts end the occasions of a campaign without an actor.
                occasions: Vec::new(),
            };
            // If this fails, the next sync does it again.
            self.rows.save.do_send(Save(record));
        }
        let holds = [self.hold_all.hold.as_ref(), self.last_holds.get(&row.id)];
        let hold = holds.into_iter().flatten().find(|hold| hold.lasts(now)).cloned();
        self.board.publish_campaign(without_actor(row, &self.defaults, shown.as_ref(), hold, now));
        if let Some(note) = ended {
            tracing::info!(campaign = %row.id, name = row.name, "{note}");
            self.board.publish_event(OperatorEvent::note(now, &note).about(row.id, &row.name));
        }
    }

    /// Ends the sync when no actor is being built, and sets the timer of the next one.
    pub(super) fn finish_sync(&mut self, ctx: &mut Context<Self>) {
        let is_building = |(id, incarnation): &(CampaignId, u64)| {
            let slot = self.slots.get(id).filter(|slot| slot.incarnation.number == *incarnation);
            slot.is_some_and(|slot| matches!(slot.stage, Stage::Building))
        };
        let building = self.sync_builds.iter().any(is_building);
        if self.sync_stage != SyncStage::Building || building {
            return;
        }
        self.sync_stage = SyncStage::Idle;
        self.sync_begun = None;
        self.publish();
        let [current, next] = &mut self.sync_waiters;
        for waiter in current.drain(..) {
            send_reply(waiter, self.sync_failure.clone().map_or(Ok(()), Err));
        }
        if !next.is_empty() {
            self.sync(ctx);
            return;
        }
        let now = self.clock.now();
        let wait = self.defaults.next_grid_point(now).signed_duration_since(now).to_std().unwrap_or_default();
        if let Some(timer) = self.sync_timer.take() {
            ctx.cancel_future(timer);
        }
        self.sync_timer = Some(ctx.run_later(wait, |actor, ctx| {
            actor.sync_timer = None;
            actor.sync(ctx);
        }));
    }

    /// Asks for a sync that begins after this call, and does not wait for it.
    pub(super) fn sync_soon(&mut self, ctx: &mut Context<Self>) {
        // The receiver is dropped, since this caller does not wait for the sync.
        drop(self.synced(ctx));
    }
}
