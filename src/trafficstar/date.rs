//! The difference between our clock and TrafficStars', by the `Date` of an answer.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::clock_difference::ClockDifference;

/// The clock difference by the last answer of an account. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SeenClock(Arc<Mutex<Option<ClockDifference>>>);

impl SeenClock {
    /// Returns the difference by the last answer; `None` before the first answer with a `Date`.
    #[must_use]
    pub fn difference(&self) -> Option<ClockDifference> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an answer's `Date`. A `Date` that cannot be read is ignored.
    pub(super) fn saw(&self, date: &str, asked_at: DateTime<Utc>, answered_at: DateTime<Utc>) {
        if let Some(ahead_by) = ahead_by(date, asked_at, answered_at) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ClockDifference(ahead_by));
        }
    }
}

/// Returns by how much our clock is ahead of the clock that wrote `date`; negative if it is behind. A `Date` has whole
/// seconds, and was written at some moment between the request and its answer. A difference that this explains counts
/// as zero.
fn ahead_by(date: &str, asked_at: DateTime<Utc>, answered_at: DateTime<Utc>) -> Option<TimeDelta> {
    let earliest = DateTime::parse_from_rfc2822(date).ok()?.to_utc();
    let latest = earliest + TimeDelta::seconds(1);
    Some(if answered_at < earliest {
        answered_at - earliest
    } else if asked_at > latest {
        asked_at - latest
    } else {
        TimeDelta::zero()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_that_whole_seconds_and_the_requests_duration_explain_is_zero() {
        let date = "Sun, 22 Nov 2026 12:00:00 GMT";
        let at = |seconds: i64| "2026-11-22T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds);
        let cases =
            [(0, 0, 0), (0, 1, 0), (-5, 0, 0), (1, 9, 0), (-9, 30, 0), (421, 422, 420), (-61, -60, -60), (2, 2, 1)];
        for (asked, answered, expected) in cases {
            assert_eq!(
                ahead_by(date, at(asked), at(answered)),
                Some(TimeDelta::seconds(expected)),
                "{asked} to {answered}"
            );
        }
        assert_eq!(ahead_by("soon", at(0), at(0)), None);
    }
}
