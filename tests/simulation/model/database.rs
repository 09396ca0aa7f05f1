//! A model of the database: rows, promises, the journal, holds, spends and the count of requests. Stored values survive
//! every crash.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use traffic_generator::domain::action::{Action, ActionId, ActionKind, Step};
use traffic_generator::domain::budget::DayBudget;
use traffic_generator::domain::event::Record;
use traffic_generator::domain::failure::DatabaseFailure;
use traffic_generator::domain::journal::JournalId;
use traffic_generator::domain::occasion::{Finding, KnownOccasion, OccasionChange};
use traffic_generator::domain::order::HoldChange;
use traffic_generator::domain::phase::Promise;
use traffic_generator::domain::spend::{Spend, SpendHistory, StoredSpend};
use traffic_generator::domain::status::Hold;
use traffic_generator::trafficstar::reservation::Reservation;

use super::log::{Restored, Row};

#[derive(Debug, Clone)]
struct Stored {
    row: Row,
    promise: Option<Promise>,
    hold: Option<Hold>,
    budget: Option<DayBudget>,
    spends: BTreeMap<NaiveDate, StoredSpend>,
    journal: BTreeMap<JournalId, Action>,
    occasions: Vec<KnownOccasion>,
}

#[derive(Debug)]
pub(crate) struct Database {
    campaigns: Vec<Stored>,
    pub(crate) hold_on_all: Option<Hold>,
    /// The number of requests, by the end of the second in which they were sent.
    sent: BTreeMap<DateTime<Utc>, u64>,
    last_entry: JournalId,
    pub(crate) away: bool,
}

/// Changes the stored occasions as `store::occasions` does.
fn change_occasion(occasions: &mut Vec<KnownOccasion>, change: &OccasionChange) {
    match change {
        OccasionChange::Began(Finding { key, since, lasts, .. }) => {
            let is_known = |known: &KnownOccasion| known.key == *key && (known.is_open || !*lasts);
            if !occasions.iter().any(is_known) {
                occasions.push(KnownOccasion { key: key.clone(), since: *since, is_open: *lasts });
            }
        }
        OccasionChange::Ended(key, _) => occasions.retain(|known| !known.is_open || known.key != *key),
    }
}

/// Returns the failure that callers get while the database is away.
pub(crate) fn no_answer() -> DatabaseFailure {
    DatabaseFailure::Failed("the database does not answer".to_owned())
}

impl Database {
    pub(crate) const fn new() -> Self {
        Self { campaigns: Vec::new(), hold_on_all: None, sent: BTreeMap::new(), last_entry: JournalId(0), away: false }
    }

    pub(crate) fn add(&mut self, row: Row, promise: Option<Promise>) {
        let (hold, budget, spends, journal) = (None, None, BTreeMap::new(), BTreeMap::new());
        self.campaigns.push(Stored { row, promise, hold, budget, spends, journal, occasions: Vec::new() });
    }

    pub(crate) fn row(&self, campaign: usize) -> Option<&Row> {
        self.campaigns.get(campaign).map(|stored| &stored.row)
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        self.campaigns.iter().map(|stored| stored.row.clone()).collect()
    }

    pub(crate) fn change_row(&mut self, campaign: usize, row: Row) {
        if let Some(stored) = self.campaigns.get_mut(campaign) {
            stored.row = row;
        }
    }

    /// Returns the stored spend of this day and of the day before.
    pub(crate) fn spends(&self, campaign: usize, today: NaiveDate) -> SpendHistory {
        let Some(stored) = self.campaigns.get(campaign) else { return SpendHistory::default() };
        let yesterday = today.pred_opt().and_then(|day| stored.spends.get(&day));
        SpendHistory { today: stored.spends.get(&today).copied(), yesterday: yesterday.map(|last| last.amount) }
    }

    /// Stores a promise and its journal entry together. Returns the entry's number; `None` if there is no entry.
    pub(crate) fn save(&mut self, campaign: usize, record: &Record, entry: Option<JournalId>) -> Option<JournalId> {
        let stored = self.campaigns.get_mut(campaign)?;
        stored.promise = Some(record.promise);
        match &record.hold {
            HoldChange::Keep => {}
            HoldChange::Set(hold) => stored.hold = Some(hold.clone()),
            HoldChange::Release => stored.hold = None,
        }
        if let Some(budget) = &record.budget {
            stored.budget = Some(budget.clone());
        }
        for change in &record.occasions {
            change_occasion(&mut stored.occasions, change);
        }
        let action = record.entry.as_ref()?;
        // As in `store::records`: the entry is already there if its commit succeeded but the answer was lost.
        let same = |known: &Action| known.requested_at == action.requested_at && known.kind == action.kind;
        let known = stored.journal.iter().rev().find(|(_, known)| same(known) && is_unfinished(known));
        let known = known.map(|(number, _)| *number);
        let number = entry.or(known).unwrap_or(JournalId(self.last_entry.0 + 1));
        self.last_entry = self.last_entry.max(number);
        stored.journal.insert(number, action.clone());
        Some(number)
    }

    /// Ends a disabled row's promise, except for its cool-down, as `actors::supervisor::sync` does.
    pub(crate) fn end_promise(&mut self, campaign: usize, wall: DateTime<Utc>) -> Option<Record> {
        let stored = self.campaigns.get(campaign).filter(|stored| !stored.row.enabled)?;
        let promise = stored.promise?.disabled(wall)?;
        let record = Record::of(promise);
        self.save(campaign, &record, None);
        Some(record)
    }

    pub(crate) fn save_spend(&mut self, campaign: usize, spend: &Spend) {
        if let Some(stored) = self.campaigns.get_mut(campaign) {
            stored.spends.insert(spend.day, StoredSpend { amount: spend.amount, at: spend.at, source: spend.source });
        }
    }

    /// Returns what a campaign's machine is built from, and the number of its unfinished entry.
    pub(crate) fn restore(&self, campaign: usize, wall: DateTime<Utc>) -> (Restored, Option<JournalId>) {
        let stored = self.campaigns.get(campaign);
        let unfinished =
            stored.and_then(|stored| stored.journal.iter().rev().find(|(_, action)| is_unfinished(action)));
        let restored = Restored {
            campaign,
            promise: stored.and_then(|stored| stored.promise),
            // Action numbers are valid within one machine alone.
            unfinished: unfinished.map(|(_, action)| Action { id: ActionId(0), ..action.clone() }),
            newest: stored.and_then(|stored| stored.journal.values().next_back().cloned()).map(Box::new),
            hold: stored.and_then(|stored| stored.hold.clone()),
            budget: stored.and_then(|stored| stored.budget.clone()),
            hold_on_all: self.hold_on_all.clone().filter(|hold| hold.lasts(wall)),
            own_end_time: stored
                .and_then(|stored| stored.journal.values().rev().find(sets_end_time))
                .map(|last| last.end_time),
            occasions: stored.map(|stored| stored.occasions.clone()).unwrap_or_default(),
        };
        (restored, unfinished.map(|(number, _)| *number))
    }

    pub(crate) fn count_requests(&mut self, wall: DateTime<Utc>, reservation: &Reservation) {
        let second = |by: DateTime<Utc>| DateTime::from_timestamp(by.timestamp() + 1, 0).unwrap_or(by);
        if let Some((by, unused)) = reservation.unused
            && let Some(requests) = self.sent.get_mut(&second(by))
        {
            *requests = requests.saturating_sub(unused);
        }
        *self.sent.entry(second(reservation.by)).or_default() += reservation.requests;
        self.sent = self.sent.split_off(&(wall - Duration::minutes(10)));
    }

    /// Returns the latest requests: their number by the end of the second in which they were sent.
    pub(crate) fn requests_sent(&self) -> Vec<(DateTime<Utc>, u64)> {
        self.sent.iter().map(|(by, requests)| (*by, *requests)).collect()
    }
}

fn sets_end_time(action: &&Action) -> bool {
    match action.kind {
        ActionKind::Activate => action.step != Step::ObservedOnly,
        ActionKind::SetEndTime => action.step != Step::ObservedOnly && !action.step.came_to_nothing(),
        ActionKind::Pause | ActionKind::TopUp | ActionKind::DailyBudget => false,
    }
}

const fn is_unfinished(action: &Action) -> bool {
    matches!(action.step, Step::Requested | Step::Accepted)
}
