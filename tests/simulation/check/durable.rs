//! What a crash must not lose, and what has to be stored before a request is sent.

use std::collections::{BTreeMap, BTreeSet};

use traffic_generator::domain::action::{Action, ActionId, ActionKind, Step as ActionStep};
use traffic_generator::domain::event::{Event, Record};
use traffic_generator::domain::order::HoldChange;
use traffic_generator::domain::phase::{Phase, Promise};
use traffic_generator::domain::status::Hold;
use traffic_generator::trafficstar::budget::RequestId;

use super::world::{Step, World};
use super::{Checker, Findings};
use crate::model::log::{Carried, Line, Restored, What};

/// Rule 9: every request that changes something has a journal entry, stored before the request is sent. The one
/// exception is a pause while the database is away: its entry is stored late, and marked so.
#[derive(Debug, Default)]
pub(super) struct JournalBeforeSending {
    stored: BTreeSet<(usize, ActionId)>,
    /// The campaigns with a record that could not be stored, until the next one is stored.
    refused: BTreeSet<usize>,
    queued_requests: BTreeMap<RequestId, Vec<Carried>>,
    /// Actions that may be sent without a stored entry, since the database is away.
    excused: BTreeSet<(usize, ActionId)>,
    /// Actions that were sent without a stored entry.
    unstored: BTreeSet<(usize, ActionId)>,
}

impl Checker for JournalBeforeSending {
    fn line(&mut self, _world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        match &line.what {
            What::Stored { campaign, record } => self.take(index, *campaign, record, found),
            What::NotStored { campaign } => {
                self.refused.insert(*campaign);
            }
            What::Queued { request_id, call, carries, .. } if call.is_write() => {
                self.queued_requests.insert(*request_id, carries.clone());
            }
            What::GaveUp { request_id } => {
                self.queued_requests.remove(request_id);
            }
            What::Left { request_id } => {
                for carried in self.queued_requests.remove(request_id).unwrap_or_default() {
                    self.left(index, carried, found);
                }
            }
            What::Crashed | What::Started { .. } => *self = Self::default(),
            _ => {}
        }
    }

    fn step(&mut self, world: &World<'_>, step: &Step<'_>, _found: &mut Findings) {
        if let Event::SentUnstored { action } = step.event
            && (world.database_away || self.refused.contains(&step.campaign))
        {
            self.excused.insert((step.campaign, *action));
        }
    }
}

impl JournalBeforeSending {
    fn take(&mut self, index: usize, campaign: usize, record: &Record, found: &mut Findings) {
        self.refused.remove(&campaign);
        let Some(entry) = &record.entry else { return };
        self.stored.insert((campaign, entry.id));
        if self.unstored.remove(&(campaign, entry.id)) && !entry.late {
            let text = format!("campaign {campaign}: {entry:?} was sent before it was stored, and is not marked late");
            found.report("journal-before-sending", index, text);
        }
    }

    fn left(&mut self, index: usize, carried: Carried, found: &mut Findings) {
        let key = (carried.campaign, carried.action);
        if self.stored.contains(&key) {
            return;
        }
        if carried.kind == ActionKind::Pause && self.excused.contains(&key) {
            self.unstored.insert(key);
        } else {
            found.report("journal-before-sending", index, format!("{carried:?} is sent without a stored entry"));
        }
    }
}

/// What the database has about one campaign.
#[derive(Debug, Clone, Default)]
struct Durable {
    promise: Option<Promise>,
    hold: Option<Hold>,
    /// In the order of their first writes.
    entries: Vec<Action>,
}

/// Rule 7: a crash loses no promise, no cool-down, no hold, and no journal entry of a request that was sent.
#[derive(Debug, Default)]
pub(super) struct CrashLosesNothing {
    durable: BTreeMap<usize, Durable>,
    /// The stored hold on all. One that was set while the database was away may be lost, so it does not count.
    hold_on_all: Option<Hold>,
}

impl Checker for CrashLosesNothing {
    fn line(&mut self, _world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        match &line.what {
            What::Stored { campaign, record } => self.durable.entry(*campaign).or_default().take(record),
            What::HoldOnAllStored { hold } => self.hold_on_all.clone_from(hold),
            What::Started { campaigns } => {
                for restored in campaigns {
                    self.compare(index, line, restored, found);
                    self.durable.entry(restored.campaign).or_default().begin(restored);
                }
            }
            What::Enabled(restored) => {
                self.check_enabled(index, line, restored, found);
                self.durable.entry(restored.campaign).or_default().begin(restored);
            }
            _ => {}
        }
    }

    /// A change of the promise or of a hold is stored in the step that makes it.
    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        let last = step.records().last();
        let stored = last.map(|(_, record)| record.promise.phase);
        let kept = if step.phase == place.phase {
            stored.is_none_or(|stored| stored == step.phase)
        } else {
            stored == Some(step.phase)
        };
        if !kept {
            let text = format!("campaign {}: its state is {:?}, but {stored:?} is stored", step.campaign, step.phase);
            found.report("crash-loses-nothing", step.line, text);
        }
        if let Event::Hold { hold, .. } = step.event {
            let change = step.records().map(|(_, record)| &record.hold).find(|change| **change != HoldChange::Keep);
            let stores = match (hold, change) {
                (Some(hold), Some(HoldChange::Set(stored))) => hold == stored,
                (None, Some(HoldChange::Release)) => true,
                (Some(_) | None, _) => false,
            };
            if !stores {
                let text = format!("campaign {}: the hold {hold:?} is not stored; stored is {change:?}", step.campaign);
                found.report("crash-loses-nothing", step.line, text);
            }
        }
    }
}

impl CrashLosesNothing {
    fn compare(&self, index: usize, line: &Line, restored: &Restored, found: &mut Findings) {
        let campaign = restored.campaign;
        let Some(durable) = self.durable.get(&campaign) else {
            // The database had this campaign before the run began.
            return;
        };
        let mut report = |what: &str, stored: &dyn std::fmt::Debug, found_now: &dyn std::fmt::Debug| {
            let text =
                format!("campaign {campaign}: {what} was stored as {stored:?}, and is restored as {found_now:?}");
            found.report("crash-loses-nothing", index, text);
        };
        let promise = |promise: Option<Promise>| {
            let promise = promise.filter(|promise| promise.phase != Phase::Idle || promise.end_time_owed);
            promise.map(|promise| (promise.phase, promise.since, promise.end_time_owed))
        };
        if promise(durable.promise) != promise(restored.promise) {
            report("its promise", &durable.promise, &restored.promise);
        }
        let lasting =
            |hold: &Option<Hold>| hold.clone().filter(|hold| hold.until.is_none_or(|until| line.wall < until));
        if lasting(&durable.hold) != lasting(&restored.hold) {
            report("its hold", &durable.hold, &restored.hold);
        }
        if lasting(&self.hold_on_all) != lasting(&restored.hold_on_all) {
            report("the hold on all", &self.hold_on_all, &restored.hold_on_all);
        }
        let newest = durable.entries.last();
        let open = newest.filter(|entry| matches!(entry.step, ActionStep::Requested | ActionStep::Accepted));
        let same = match (open, &restored.unfinished) {
            (None, None) => true,
            (Some(open), Some(restored)) => is_same(open, restored) && open.step == restored.step,
            // An older entry may still be open.
            (None, Some(restored)) => durable.entries.iter().any(|entry| is_same(entry, restored)),
            (Some(_), None) => false,
        };
        if !same {
            report("its unfinished entry", &open, &restored.unfinished);
        }
    }

    /// Enabling starts from `idle`, or from the rest of the cool-down.
    fn check_enabled(&self, index: usize, line: &Line, restored: &Restored, found: &mut Findings) {
        let stored = self.durable.get(&restored.campaign).and_then(|durable| durable.promise);
        let cools = |promise: Option<Promise>| {
            promise.and_then(|promise| match promise.phase {
                Phase::CoolingDown { until } => Some(until).filter(|until| line.wall < *until),
                Phase::Idle | Phase::ActiveGuarded | Phase::PausedGuarded => None,
            })
        };
        let promised = restored
            .promise
            .is_some_and(|promise| matches!(promise.phase, Phase::ActiveGuarded | Phase::PausedGuarded));
        if promised || (stored.is_some() && cools(stored) != cools(restored.promise)) {
            let text = format!(
                "campaign {}: it is enabled in {:?}, but {stored:?} was stored",
                restored.campaign, restored.promise
            );
            found.report("enabled-starts-from-idle", index, text);
        }
    }
}

impl Durable {
    /// Takes the state that a process begins with.
    fn begin(&mut self, restored: &Restored) {
        self.promise = restored.promise;
        self.hold.clone_from(&restored.hold);
        // Only the newest entries can matter again.
        let old = self.entries.len().saturating_sub(8);
        self.entries.drain(..old);
    }

    fn take(&mut self, record: &Record) {
        self.promise = Some(record.promise);
        match &record.hold {
            HoldChange::Keep => {}
            HoldChange::Set(hold) => self.hold = Some(hold.clone()),
            HoldChange::Release => self.hold = None,
        }
        let Some(entry) = &record.entry else { return };
        // Compared without the number: a late write of one process may arrive after the next process has begun.
        let known = self.entries.iter_mut().rev().take(8).find(|known| is_same(known, entry));
        match known {
            Some(known) => *known = entry.clone(),
            None if entry.step == ActionStep::ObservedOnly => {}
            None => self.entries.push(entry.clone()),
        }
    }
}

/// Whether both are the same journal entry. Their numbers may differ.
fn is_same(one: &Action, other: &Action) -> bool {
    one.kind == other.kind && one.requested_at == other.requested_at
}
