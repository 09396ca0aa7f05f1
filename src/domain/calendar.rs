//! The shared grid of ticks, and where UTC days begin.

use chrono::{DateTime, Days, Duration, NaiveTime, Utc};

/// The beginning of the UTC day that `now` is in.
pub(super) fn midnight_before(now: DateTime<Utc>) -> DateTime<Utc> {
    now.date_naive().and_time(NaiveTime::MIN).and_utc()
}

/// The beginning of the next UTC day. The calendar's last day has no next one: its own beginning stands for it.
pub(super) fn midnight_after(now: DateTime<Utc>) -> DateTime<Utc> {
    let midnight = midnight_before(now);
    midnight.checked_add_days(Days::new(1)).unwrap_or(midnight)
}

/// The number of the last grid point at `time` or before. The points are the multiples of `tick` since the Unix epoch, so
/// that all who tick with the same period tick together.
pub(super) fn grid_index(time: DateTime<Utc>, tick: Duration) -> i64 {
    time.timestamp_millis().div_euclid(milliseconds(tick))
}

/// The first grid point after `now`.
#[must_use]
pub fn next_grid_point(now: DateTime<Utc>, tick: Duration) -> DateTime<Utc> {
    let point_ms = (grid_index(now, tick) + 1).saturating_mul(milliseconds(tick));
    DateTime::from_timestamp_millis(point_ms).unwrap_or(now + tick)
}

/// A tick of less than a millisecond counts as one: there is no grid without a period.
fn milliseconds(tick: Duration) -> i64 {
    tick.num_milliseconds().max(1)
}
