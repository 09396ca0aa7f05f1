//! What was seen of a campaign while the view runs, for its sparklines.
//!
//! One sample for each new reading of spend or clicks, so that a line's length follows the guard's ticks, not the view's
//! polls. Deliberately absent: anything from before the view was opened; the dump holds no history.

use std::collections::VecDeque;

use chrono::{DateTime, Duration, Utc};

use crate::domain::status::Observed;

/// How many readings are kept: an hour of ticks.
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

    /// The last readings, oldest first, at most `count`.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = u64> + Clone + '_ {
        self.readings.iter().skip(self.readings.len().saturating_sub(count)).map(|(_, value)| *value)
    }

    /// From the first of the last `count` readings to the last one.
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
    /// Adds what is new in an observation.
    pub(super) fn add(&mut self, observed: &Observed) {
        let spend = observed.spend.map(|spend| u64::try_from(spend.micros()).unwrap_or(0));
        self.spend.add(observed.spend_at, spend);
        self.clicks.add(observed.clicks_at, observed.remaining_clicks.map(|clicks| clicks.0));
    }
}
