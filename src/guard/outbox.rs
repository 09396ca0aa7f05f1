//! The records that wait for the database, in their order.
//!
//! Deliberately absent: what a record says, which the machine decides, and what becomes of a request whose record is not
//! taken, which the session decides.

use std::collections::VecDeque;

use chrono::Duration;

use crate::domain::action::{Action, ActionId};
use crate::domain::event::Record;
use crate::domain::failure::DatabaseFailure;
use crate::domain::journal::JournalId;
use crate::domain::order::HoldChange;
use crate::domain::phase::Promise;

/// How soon what could not be stored is tried again; twice as long after each failure.
const RETRY_FIRST: Duration = Duration::seconds(1);
/// No longer than this. Where thousands wait, each second would bring a failure of each.
const RETRY_LAST: Duration = Duration::seconds(8);

/// The records of one campaign that are not stored yet.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The oldest first.
    unstored: VecDeque<Record>,
    is_storing: bool,
    failure: Option<Failure>,
    /// The journal entry of the newest stored action.
    entry: Option<(ActionId, JournalId)>,
}

/// Why the last record could not be stored.
#[derive(Debug)]
struct Failure {
    why: DatabaseFailure,
    retry_after: Duration,
}

/// What has become of a record that was to be stored.
#[derive(Debug)]
pub enum Saved {
    /// This promise is stored.
    Stored {
        /// The promise.
        promise: Promise,
        /// The record before it could not be stored at first.
        is_again: bool,
    },
    /// It is kept, to be stored later.
    Failed {
        /// Why.
        failure: DatabaseFailure,
        /// The record before it was stored.
        is_first: bool,
        /// When to try again.
        retry_after: Duration,
    },
}

impl Outbox {
    /// An outbox that goes on with this journal entry.
    #[must_use]
    pub fn new(entry: Option<(ActionId, JournalId)>) -> Self {
        Self { entry, ..Self::default() }
    }

    /// Queues a record. One that an unstored, older one of the same action makes superfluous takes its place.
    pub fn remember(&mut self, mut record: Record) {
        let action = |record: &Record| record.entry.as_ref().map(|action| action.id);
        if let Some(last) = self.unstored.pop_back_if(|last| action(last) == action(&record))
            && record.hold == HoldChange::Keep
        {
            record.hold = last.hold;
        }
        self.unstored.push_back(record);
    }

    /// The oldest record, to be stored now, with its journal entry if that is there already. `None` while one is being stored,
    /// and where all are.
    pub fn next_save(&mut self) -> Option<(Record, Option<JournalId>)> {
        let record = self.unstored.front().filter(|_| !self.is_storing)?;
        self.is_storing = true;
        let action = record.entry.as_ref().map(|action| action.id);
        let entry = self.entry.filter(|(stored, _)| Some(*stored) == action).map(|(_, id)| id);
        Some((record.clone(), entry))
    }

    /// The answer to the last [`Outbox::next_save`].
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

    /// Whether an action's journal entry could not be stored, and nothing has been made of that yet.
    #[must_use]
    pub fn awaits_storing(&self, action: ActionId) -> bool {
        let entries = self.unstored.iter().filter_map(|record| record.entry.as_ref());
        entries.filter(|entry| entry.id == action).any(|entry| !entry.late)
    }

    /// An action is sent before its journal entry is stored, and the entry says so.
    pub fn is_sent_unstored(&mut self, action: ActionId) {
        for entry in self.unstored.iter_mut().filter_map(|record| record.entry.as_mut()) {
            entry.late |= entry.id == action;
        }
    }

    /// A record is being stored.
    #[must_use]
    pub const fn is_storing(&self) -> bool {
        self.is_storing
    }

    /// Nothing waits, and nothing is being stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unstored.is_empty() && !self.is_storing
    }

    /// Whether a record is kept in memory alone.
    #[must_use]
    pub fn has_unstored(&self) -> bool {
        !self.unstored.is_empty()
    }

    /// The newest journal entry that is not stored.
    #[must_use]
    pub fn newest(&self) -> Option<&Action> {
        self.unstored.back().and_then(|record| record.entry.as_ref())
    }

    /// Why the last record could not be stored; none where it could.
    #[must_use]
    pub fn failure(&self) -> Option<&DatabaseFailure> {
        self.failure.as_ref().map(|failure| &failure.why)
    }

    /// The journal entry of the newest stored action.
    #[must_use]
    pub fn entry(&self) -> Option<JournalId> {
        self.entry.map(|(_, id)| id)
    }
}
