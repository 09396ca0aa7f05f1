//! A campaign's readings since the view was opened, for its sparklines.
//!
//! There is one sample for each new reading of spend or clicks: a line grows with the guard's ticks, not with the
//! view's polls. Deliberately absent: readings from before the view was opened, since the dump has no history.

use std::collections::VecDeque;

use chrono::{DateTime, Duration, Utc};

use crate::domain::status::Observed;

/// The number of readings that are kept: an hour of ticks.
const KEPT: usize = 60;

/// Readings of one value, oldest first.
#[derive(Debug, Default)]
pub(super) struct Series {
    readings: VecDeque<(DateTime<Utc>, u64)>,
}

impl Series {
    fn add(&mut self, at: Option<DateTime<Utc>>, value: Option<u64>) {
        let (Some(at), Some(value)) = (at, value) else { return };
        if self.readings.back().is_some_and(|(last, _)| at <= *last) {
            return;
        }
        if self.readings.len() == KEPT {
            self.readings.pop_front();
        }
        self.readings.push_back((at, value));
    }

    /// Returns the last readings, at most `count`, oldest first.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = u64> + Clone + '_ {
        self.readings.iter().skip(self.readings.len().saturating_sub(count)).map(|(_, value)| *value)
    }

    /// Returns the time from the first of the last `count` readings to the last one.
    pub(super) fn covers(&self, count: usize) -> Duration {
        let first = self.readings.get(self.readings.len().saturating_sub(count));
        match (first, self.readings.back()) {
            (Some((first, _)), Some((last, _))) => *last - *first,
            (None, _) | (_, None) => Duration::zero(),
        }
    }
}

/// One campaign's readings.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Today's spend, in millionths of the currency unit.
    pub(super) spend: Series,
    /// The remaining clicks.
    pub(super) clicks: Series,
}

impl History {
    /// Adds the readings of an observation that are new.
    pub(super) fn add(&mut self, observed: &Observed) {
        let spend = observed.spend.map(|spend| u64::try_from(spend.micros()).unwrap_or(0));
        self.spend.add(observed.spend_at, spend);
        self.clicks.add(observed.clicks_at, observed.remaining_clicks.map(|clicks| clicks.0));
    }
}
