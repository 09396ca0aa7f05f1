//! How far our clock is from TrafficStars' (RULES.md, "Clock"). The day, its end and each end time are read from ours.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

/// Clocks that are so far apart degrade health.
const APART: TimeDelta = TimeDelta::minutes(1);
/// By a clock that is so far away nothing is activated.
const FAR_APART: TimeDelta = TimeDelta::minutes(5);

/// By how much our clock is ahead of TrafficStars'; negative where it is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockDifference(pub TimeDelta);

impl ClockDifference {
    /// What TrafficStars' clock says when ours says `now`.
    #[must_use]
    pub fn of_trafficstars(self, now: DateTime<Utc>) -> DateTime<Utc> {
        now.checked_sub_signed(self.0).unwrap_or(now)
    }

    /// Why an activation waits for a clock that is far away. It holds no number: each new text would be another event.
    pub(super) const ACTIVATES_NOTHING: &str =
        "our clock is five minutes or more away from TrafficStars': set it right (NTP)";

    /// The clocks are a minute apart, or more.
    #[must_use]
    pub fn is_apart(self) -> bool {
        self.0.abs() >= APART
    }

    /// The clocks are so far apart that nothing is activated.
    #[must_use]
    pub fn is_far_apart(self) -> bool {
        self.0.abs() >= FAR_APART
    }
}

impl fmt::Display for ClockDifference {
    /// As in `7 minutes ahead of TrafficStars'`.
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
    fn a_minute_degrades_five_minutes_activate_nothing_and_the_words_name_one_unit() {
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
