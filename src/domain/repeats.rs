//! Repeated failures: each kind is reported less and less often, but at least once an hour.

use std::fmt::Write as _;

use chrono::{DateTime, Duration, Utc};

/// A repeated failure is reported at least this often.
const AT_LEAST_EVERY: Duration = Duration::hours(1);
/// The number of kinds that are counted separately. An operator cannot follow more.
const KINDS: usize = 16;

/// Returns the text without its variable parts: numbers, and quotes between backticks. Two failures are of one kind if
/// their texts differ only there.
#[must_use]
pub fn kind_of(text: &str) -> String {
    let mut kind = String::with_capacity(text.len());
    let mut in_quote = false;
    for character in text.chars() {
        match character {
            '`' => in_quote = !in_quote,
            _ if in_quote => continue,
            '0'..='9' if kind.ends_with('#') => continue,
            _ => {}
        }
        kind.push(if character.is_ascii_digit() { '#' } else { character });
    }
    kind
}

/// Whether two failures are of one kind.
#[must_use]
pub fn is_same_kind(one: &str, other: &str) -> bool {
    one == other || kind_of(one) == kind_of(other)
}

/// The reported events, and the number of each kind.
#[derive(Debug, Clone, Default)]
pub struct Repeats(Vec<Repeated>);

#[derive(Debug, Clone)]
struct Repeated {
    kind: String,
    times: u64,
    reported_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
}

impl Repeats {
    /// Counts one more failure. Returns how often its kind has occurred, if that should be reported: the first, second,
    /// fourth time and so on, and once an hour. A kind that did not occur for an hour starts again.
    pub fn count(&mut self, now: DateTime<Utc>, text: &str) -> Option<u64> {
        let is_old = |since: DateTime<Utc>| now.signed_duration_since(since).abs() >= AT_LEAST_EVERY;
        self.0.retain(|repeated| !is_old(repeated.last_at));
        let kind = kind_of(text);
        let Some(repeated) = self.0.iter_mut().find(|repeated| repeated.kind == kind) else {
            if self.0.len() == KINDS {
                self.0.remove(0);
            }
            self.0.push(Repeated { kind, times: 1, reported_at: now, last_at: now });
            return Some(1);
        };
        repeated.times += 1;
        repeated.last_at = now;
        let is_reported = repeated.times.is_power_of_two() || is_old(repeated.reported_at);
        if is_reported {
            repeated.reported_at = now;
        }
        is_reported.then_some(repeated.times)
    }

    /// Forgets all kinds after a success: the next failure is new.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Adds how often it has occurred, if that is more than once.
pub fn say_times(text: &mut String, times: u64) {
    if times > 1 {
        // A write into a string cannot fail.
        let _ = write!(text, " ({times} times by now)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    #[test]
    fn numbers_and_quotations_do_not_change_the_kind() {
        let same = [
            (
                "certificate expired: verification time 1795882505 (UNIX), but it is not valid after 1578664800 \
                 (217217705 seconds ago)",
                "certificate expired: verification time 1795882515 (UNIX), but it is not valid after 1578664800 \
                 (217217715 seconds ago)",
            ),
            (
                "TrafficStars rejects the request (400): `{\"id\":\"a7\"}`",
                "TrafficStars rejects the request (400): `{}`",
            ),
            ("it took 9s", "it took 10s"),
        ];
        for (one, other) in same {
            assert!(is_same_kind(one, other), "{one} / {other}");
        }
        assert!(!is_same_kind("the connection broke", "the connection could not be made"));
        assert!(!is_same_kind("a `1` b", "a `1` c"));
    }

    #[test]
    fn each_kind_is_reported_at_its_first_second_fourth_and_eighth_time() {
        let mut repeats = Repeats::default();
        let reported: Vec<u64> =
            (1..=20).filter_map(|second| repeats.count(at(second), &format!("late by {second}"))).collect();
        assert_eq!(reported, [1, 2, 4, 8, 16]);
        assert_eq!(repeats.count(at(21), "refused"), Some(1));
        repeats.clear();
        assert_eq!(repeats.count(at(22), "late by 7"), Some(1));
    }

    #[test]
    fn a_continued_kind_is_reported_every_hour_and_one_that_returns_after_an_hour_is_new() {
        let mut repeats = Repeats::default();
        let minutes = |minute: i64| at(minute * 60);
        let reported: Vec<i64> = (0..400).filter(|minute| repeats.count(minutes(*minute), "late").is_some()).collect();
        assert_eq!(reported, [0, 1, 3, 7, 15, 31, 63, 123, 127, 187, 247, 255, 315, 375]);
        assert_eq!(repeats.count(minutes(460), "late"), Some(1));
    }

    #[test]
    fn the_number_of_remembered_kinds_is_limited() {
        let mut repeats = Repeats::default();
        for kind in 0..1_000_u32 {
            let text = "x".repeat(kind as usize);
            assert_eq!(repeats.count(at(0), &text), Some(1));
        }
        assert_eq!(repeats.0.len(), KINDS);
    }
}
