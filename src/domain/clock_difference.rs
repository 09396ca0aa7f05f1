//! The difference between our clock and TrafficStars' clock (RULES.md, "Clock"). Days, day ends and end times are
//! computed from our clock.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

/// A difference of this size or more degrades health.
const APART: TimeDelta = TimeDelta::minutes(1);
/// With a difference of this size or more no campaign is activated.
const FAR_APART: TimeDelta = TimeDelta::minutes(5);

/// The time by which our clock is ahead of TrafficStars' clock; negative if it is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockDifference(pub TimeDelta);

impl ClockDifference {
    /// Returns the time on TrafficStars' clock when our clock shows `now`.
    #[must_use]
    pub fn of_trafficstars(self, now: DateTime<Utc>) -> DateTime<Utc> {
        now.checked_sub_signed(self.0).unwrap_or(now)
    }

    /// The reason why an activation waits while the clocks differ too much. It contains no number, since each new text
    /// would be another event.
    pub(super) const ACTIVATES_NOTHING: &str =
        "our clock differs from TrafficStars' by five minutes or more: correct it (NTP)";

    /// Whether the clocks differ by a minute or more.
    #[must_use]
    pub fn is_apart(self) -> bool {
        self.0.abs() >= APART
    }

    /// Whether the clocks differ so much that no campaign is activated.
    #[must_use]
    pub fn is_far_apart(self) -> bool {
        self.0.abs() >= FAR_APART
    }
}

impl fmt::Display for ClockDifference {
    /// Writes, for example, `7 minutes ahead of TrafficStars'`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apart = self.0.abs();
        let (count, unit) = match apart.num_seconds() {
            ..120 => (apart.num_seconds(), "seconds"),
            120..7_200 => (apart.num_minutes(), "minutes"),
            7_200..172_800 => (apart.num_hours(), "hours"),
            _ => (apart.num_days(), "days"),
        };
        let side = if self.0 < TimeDelta::zero() { "behind" } else { "ahead of" };
        write!(f, "{count} {unit} {side} TrafficStars'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_minute_is_apart_five_minutes_are_far_apart_and_the_text_names_one_unit() {
        let cases = [
            (-59, false, false, "59 seconds behind TrafficStars'"),
            (60, true, false, "60 seconds ahead of TrafficStars'"),
            (-299, true, false, "4 minutes behind TrafficStars'"),
            (300, true, true, "5 minutes ahead of TrafficStars'"),
            (-86_400, true, true, "24 hours behind TrafficStars'"),
            (31_536_000, true, true, "365 days ahead of TrafficStars'"),
        ];
        for (seconds, is_apart, is_far_apart, words) in cases {
            let difference = ClockDifference(TimeDelta::seconds(seconds));
            let found = (difference.is_apart(), difference.is_far_apart(), difference.to_string());
            assert_eq!(found, (is_apart, is_far_apart, words.to_owned()), "{seconds}");
        }
    }
}
