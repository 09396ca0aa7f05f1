//! Texts for people: the maximum length of names and reasons, and how times and words are written.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

/// The maximum length in characters. A name is part of every log line about its campaign.
pub const LONGEST_NAME: usize = 200;

/// Returns the text, or its beginning and `…` if it is too long.
#[must_use]
pub fn cut(text: &str) -> String {
    if text.chars().nth(LONGEST_NAME).is_none() {
        return text.to_owned();
    }
    text.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

/// Returns the time of day for people, in UTC.
#[must_use]
pub fn clock(at: DateTime<Utc>) -> String {
    at.format("%H:%M:%S").to_string()
}

/// Returns the date and the time of day for people, in UTC.
#[must_use]
pub fn date(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Returns how long ago something was, in one unit: `12m`.
#[must_use]
pub fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let passed = now.signed_duration_since(at);
    let (days, hours, minutes) = (passed.num_days(), passed.num_hours(), passed.num_minutes());
    if days > 0 {
        format!("{days}d")
    } else if hours > 0 {
        format!("{hours}h")
    } else if minutes > 0 {
        format!("{minutes}m")
    } else {
        format!("{}s", passed.num_seconds().max(0))
    }
}

/// Returns the word by which serde names a value, in the tables, in the API and in the journal.
pub fn word(value: impl Serialize) -> String {
    struct Word<T>(T);
    impl<T: Serialize> fmt::Display for Word<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.serialize(f)
        }
    }
    Word(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_written_in_its_largest_unit() {
        let noon: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
        for (seconds, written) in [(-5, "0s"), (59, "59s"), (60, "1m"), (3_599, "59m"), (3_600, "1h"), (86_400, "1d")] {
            assert_eq!(age(noon, noon + chrono::TimeDelta::seconds(seconds)), written);
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_and_ends_with_an_ellipsis() {
        for (text, expected) in [
            (String::new(), String::new()),
            ("ü".repeat(200), "ü".repeat(200)),
            ("ü".repeat(201), "ü".repeat(199) + "…"),
            ("x".repeat(60_000), "x".repeat(199) + "…"),
        ] {
            assert_eq!(cut(&text), expected);
        }
    }
}
