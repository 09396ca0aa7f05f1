//! Future events, in the order of their time; events of one moment in the order in which they were added.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

#[derive(Debug)]
pub(crate) struct Agenda<E> {
    entries: BTreeMap<(DateTime<Utc>, u64), E>,
    last_number: u64,
    now: DateTime<Utc>,
}

impl<E> Agenda<E> {
    pub(crate) const fn new(now: DateTime<Utc>) -> Self {
        Self { entries: BTreeMap::new(), last_number: 0, now }
    }

    pub(crate) const fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Adds an event. One whose time is past happens next.
    pub(crate) fn note(&mut self, at: DateTime<Utc>, entry: E) {
        self.last_number += 1;
        self.entries.insert((at.max(self.now), self.last_number), entry);
    }

    /// Returns the next event up to `until`, and moves the time to it.
    pub(crate) fn next(&mut self, until: DateTime<Utc>) -> Option<E> {
        let due = self.entries.first_entry().filter(|entry| entry.key().0 <= until);
        if due.is_none() {
            self.now = self.now.max(until);
        }
        let entry = due?;
        self.now = entry.key().0;
        Some(entry.remove())
    }
}
