//! A receiver of alerts, as the config describes it: its way out, what it wants to know, and when.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use url::Url;

use super::signature::Secrets;
use super::template::Template;
use crate::domain::alert::Occasion;
use crate::domain::occasion::{OccasionKind, Severity};

/// A receiver of alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name in the config.
    pub name: String,
    /// How it is reached.
    pub way_out: WayOut,
    /// How its messages are written.
    pub template: Template,
    /// The kinds of occasions that it wants; `None` for all.
    pub kinds: Option<BTreeSet<OccasionKind>>,
    /// The severity from which on it wants them.
    pub severity: Severity,
    /// How long occasions are gathered into one message. 0: each has a message of its own.
    pub group_wait: Duration,
    /// After which time it is reminded of an occasion that is still open; `None` for never.
    pub remind_after: Option<Duration>,
    /// Whether it is told when an occasion is over.
    pub resolved: bool,
    /// The hours in which only critical occasions are sent.
    pub quiet: Option<QuietHours>,
}

/// How a receiver is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayOut {
    /// By an HTTP POST.
    Webhook {
        /// The address.
        url: HookUrl,
        /// The secrets that sign it; `None` for a receiver that checks no signature.
        secrets: Option<Secrets>,
    },
    /// By a command, which gets the message on its standard input.
    Command {
        /// The program, by its path.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

/// The address of a webhook. Its path is often a secret, so that only its host is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct HookUrl(Url);

impl HookUrl {
    /// Returns the address.
    #[must_use]
    pub const fn new(url: Url) -> Self {
        Self(url)
    }

    /// Returns the address with its secrets, to send to it.
    #[must_use]
    pub const fn exposed(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default())?;
        self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for WayOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Webhook { url, .. } => url.fmt(f),
            Self::Command { program, .. } => program.display().fmt(f),
        }
    }
}

impl Receiver {
    /// Whether it wants to be told of an occasion. The digest has no severity for this: a receiver wants it or not.
    #[must_use]
    pub fn wants(&self, occasion: &Occasion) -> bool {
        let kind = occasion.key.kind;
        let is_chosen = self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind));
        is_chosen && (kind == OccasionKind::Digest || occasion.severity >= self.severity)
    }

    /// Returns the end of the quiet hours at `now`, if they delay this occasion.
    #[must_use]
    pub fn quiet_until(&self, occasion: &Occasion, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let quiet = self.quiet.filter(|_| occasion.severity != Severity::Critical)?;
        quiet.ends_at(now, zone).filter(|_| occasion.key.kind != OccasionKind::Digest)
    }
}

/// Hours of each day, by the clock of a time zone. They may pass midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    /// Their beginning.
    pub from: NaiveTime,
    /// Their end.
    pub to: NaiveTime,
}

impl QuietHours {
    /// Returns their end (UTC) if they last at `now`.
    #[must_use]
    pub fn ends_at(self, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let local = now.with_timezone(&zone).naive_local();
        let (time, Self { from, to }) = (local.time(), self);
        let is_within = if from <= to { from <= time && time < to } else { from <= time || time < to };
        let day = if time < to { local.date() } else { local.date().succ_opt()? };
        is_within.then(|| utc_of(day.and_time(to), zone))
    }
}

/// Returns the moment of a local time. An hour that the clocks skip counts as the time after it, one that comes twice as
/// the first.
#[must_use]
pub fn utc_of(local: chrono::NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    let at = |local| zone.from_local_datetime(&local).earliest();
    let skipped = || at(local + TimeDelta::hours(1));
    at(local).or_else(skipped).map_or_else(|| local.and_utc(), |at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn quiet_hours_end_at_their_local_time_also_over_midnight_and_when_the_clocks_change() {
        let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
        let berlin = chrono_tz::Europe::Berlin;
        let cases = [
            ("22:00", "07:00", "2026-11-22T20:59:59Z", None),
            ("22:00", "07:00", "2026-11-22T21:00:00Z", Some("2026-11-23T06:00:00Z")),
            ("22:00", "07:00", "2026-11-23T05:59:59Z", Some("2026-11-23T06:00:00Z")),
            ("22:00", "07:00", "2026-11-23T06:00:00Z", None),
            ("12:00", "13:00", "2026-11-22T11:30:00Z", Some("2026-11-22T12:00:00Z")),
            ("12:00", "13:00", "2026-11-22T12:00:00Z", None),
            // The night in which the clocks go forward, and in which 02:30 does not exist.
            ("22:00", "02:30", "2026-03-28T22:00:00Z", Some("2026-03-29T01:30:00Z")),
            // The night in which the clocks go back, and in which 02:30 comes twice.
            ("22:00", "02:30", "2026-10-24T22:00:00Z", Some("2026-10-25T00:30:00Z")),
            ("00:00", "00:00", "2026-11-22T12:00:00Z", None),
        ];
        for (from, to, now, ends) in cases {
            let quiet = QuietHours { from: time(from), to: time(to) };
            assert_eq!(quiet.ends_at(at(now), berlin), ends.map(at), "{from}-{to} at {now}");
        }
    }

    #[test]
    fn an_address_is_shown_without_its_path() {
        let url = HookUrl::new("https://hooks.example:8443/services/T0/B0/secret?token=1".parse().unwrap());
        assert_eq!(url.to_string(), "https://hooks.example:8443");
        assert!(!format!("{url:?}").contains("secret"));
    }
}
