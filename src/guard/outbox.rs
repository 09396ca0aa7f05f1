//! The outbox: the records that wait to be stored, in their order.
//!
//! Deliberately absent: what a record holds, which the machine decides, and what happens to a request whose record
//! cannot be stored, which the session decides.

use std::collections::VecDeque;

use chrono::Duration;

use crate::domain::action::{Action, ActionId};
use crate::domain::event::Record;
use crate::domain::failure::DatabaseFailure;
use crate::domain::journal::JournalId;
use crate::domain::order::HoldChange;
use crate::domain::phase::Promise;

/// The time after which a record is tried again after its first failure. After each further failure the time doubles.
const RETRY_FIRST: Duration = Duration::seconds(1);
/// The longest time between two tries. With a shorter one, thousands of campaigns would each fail every second.
const RETRY_LAST: Duration = Duration::seconds(8);

/// The records of one campaign that are not stored yet.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The records that are not stored yet, the oldest first.
    unstored: VecDeque<Record>,
    /// Whether the oldest record is being stored.
    is_storing: bool,
    /// The last failure; `None` if the last record was stored.
    failure: Option<Failure>,
    /// The newest stored action, and its journal entry.
    entry: Option<(ActionId, JournalId)>,
}

/// The last failure to store a record.
#[derive(Debug)]
struct Failure {
    why: DatabaseFailure,
    retry_after: Duration,
}

/// The result of storing a record.
#[derive(Debug)]
pub enum Saved {
    /// The record is stored, and its promise with it.
    Stored {
        /// The stored promise.
        promise: Promise,
        /// Whether the last try before this one failed.
        is_again: bool,
    },
    /// The record could not be stored. It is kept and tried again.
    Failed {
        /// The failure.
        failure: DatabaseFailure,
        /// Whether the last try before this one succeeded.
        is_first: bool,
        /// After which time to try again.
        retry_after: Duration,
    },
}

impl Outbox {
    /// Returns an outbox without records. `entry` is the journal entry of the action under way.
    #[must_use]
    pub fn new(entry: Option<(ActionId, JournalId)>) -> Self {
        Self { entry, ..Self::default() }
    }

    /// Queues a record. If the newest unstored record is of the same action, the new record replaces it.
    pub fn remember(&mut self, mut record: Record) {
        let action = |record: &Record| record.entry.as_ref().map(|action| action.id);
        if let Some(last) = self.unstored.pop_back_if(|last| action(last) == action(&record)) {
            if record.hold == HoldChange::Keep {
                record.hold = last.hold;
            }
            record.budget = record.budget.or(last.budget);
            record.occasions.splice(0..0, last.occasions);
        }
        self.unstored.push_back(record);
    }

    /// Returns the oldest record, to be stored now, and its journal entry if it has one already. `None` while a record
    /// is being stored, and if all are stored.
    pub fn next_save(&mut self) -> Option<(Record, Option<JournalId>)> {
        let record = self.unstored.front().filter(|_| !self.is_storing)?;
        self.is_storing = true;
        let action = record.entry.as_ref().map(|action| action.id);
        let entry = self.entry.filter(|(stored, _)| Some(*stored) == action).map(|(_, id)| id);
        Some((record.clone(), entry))
    }

    /// Takes the answer to the last [`Outbox::next_save`].
    pub fn saved(&mut self, answer: Result<Option<JournalId>, DatabaseFailure>) -> Option<Saved> {
        self.is_storing = false;
        match answer {
            Ok(id) => {
                let record = self.unstored.pop_front()?;
                let action = record.entry.map(|action| action.id);
                self.entry = action.zip(id).or(self.entry);
                Some(Saved::Stored { promise: record.promise, is_again: self.failure.take().is_some() })
            }
            Err(failure) => {
                let last = self.failure.as_ref().map(|failure| failure.retry_after);
                let retry_after = last.map_or(RETRY_FIRST, |last| (last * 2).min(RETRY_LAST));
                self.failure = Some(Failure { why: failure.clone(), retry_after });
                Some(Saved::Failed { failure, is_first: last.is_none(), retry_after })
            }
        }
    }

    /// Whether an action's journal entry is not stored, and the action was not sent without it.
    #[must_use]
    pub fn awaits_storing(&self, action: ActionId) -> bool {
        let entries = self.unstored.iter().filter_map(|record| record.entry.as_ref());
        entries.filter(|entry| entry.id == action).any(|entry| !entry.late)
    }

    /// Notes that an action is sent before its journal entry is stored. The entry is marked late.
    pub fn mark_sent_unstored(&mut self, action: ActionId) {
        for entry in self.unstored.iter_mut().filter_map(|record| record.entry.as_mut()) {
            entry.late |= entry.id == action;
        }
    }

    /// Whether a record is being stored.
    #[must_use]
    pub const fn is_storing(&self) -> bool {
        self.is_storing
    }

    /// Whether no record waits and none is being stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unstored.is_empty() && !self.is_storing
    }

    /// Returns the number of records that are not stored yet.
    #[must_use]
    pub fn unstored_count(&self) -> usize {
        self.unstored.len()
    }

    /// Whether a record exists only in memory.
    #[must_use]
    pub fn has_unstored(&self) -> bool {
        !self.unstored.is_empty()
    }

    /// Returns the action of the newest record, if that record is not stored and has a journal entry.
    #[must_use]
    pub fn newest(&self) -> Option<&Action> {
        self.unstored.back().and_then(|record| record.entry.as_ref())
    }

    /// Returns why the last record could not be stored; `None` if it was stored.
    #[must_use]
    pub fn failure(&self) -> Option<&DatabaseFailure> {
        self.failure.as_ref().map(|failure| &failure.why)
    }

    /// Returns the journal entry of the newest stored action.
    #[must_use]
    pub fn entry(&self) -> Option<JournalId> {
        self.entry.map(|(_, id)| id)
    }
}
