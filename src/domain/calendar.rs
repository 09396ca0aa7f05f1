//! The shared grid of ticks, and the boundaries of UTC days.

use chrono::{DateTime, Days, Duration, NaiveTime, Utc};

/// Returns the beginning of the UTC day of `now`.
#[must_use]
pub fn midnight_before(now: DateTime<Utc>) -> DateTime<Utc> {
    now.date_naive().and_time(NaiveTime::MIN).and_utc()
}

/// Returns the beginning of the next UTC day. For the last day that the calendar has, it returns that day's beginning.
pub(super) fn midnight_after(now: DateTime<Utc>) -> DateTime<Utc> {
    let midnight = midnight_before(now);
    midnight.checked_add_days(Days::new(1)).unwrap_or(midnight)
}

/// Returns the number of the last grid point at or before `time`. The points are the multiples of `tick` since the Unix
/// epoch, so that all campaigns with the same period tick together.
pub(super) fn grid_index(time: DateTime<Utc>, tick: Duration) -> i64 {
    time.timestamp_millis().div_euclid(milliseconds(tick))
}

/// Returns the first grid point after `now`.
#[must_use]
pub fn next_grid_point(now: DateTime<Utc>, tick: Duration) -> DateTime<Utc> {
    let point_ms = (grid_index(now, tick) + 1).saturating_mul(milliseconds(tick));
    DateTime::from_timestamp_millis(point_ms).unwrap_or(now + tick)
}

/// Returns the period in milliseconds, at least 1, because a grid needs a period.
fn milliseconds(tick: Duration) -> i64 {
    tick.num_milliseconds().max(1)
}
