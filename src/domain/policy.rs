//! The thresholds and times by which one campaign is guarded, validated when built.
//!
//! Deliberately absent: where they come from. `config` reads the defaults; `store` reads a campaign's overrides.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Duration, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::calendar;
use super::money::{Clicks, Money, RemainingClicks};
use super::text::cut;

/// Whether decisions become requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Decide, journal, act.
    Act,
    /// Decide and journal; send nothing that changes anything.
    Observe,
}

/// What happens from the spend limit on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HighSpend {
    /// Mark it and leave it alone. The policies `guard`, `pause` and `top-up` are not there yet.
    Observe,
}

/// A word that is none of those allowed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{word}` is not one of: {allowed}")]
pub struct UnknownWord {
    word: String,
    allowed: &'static str,
}

impl UnknownWord {
    /// A word, and those that would have been right.
    #[must_use]
    pub fn new(word: &str, allowed: &'static str) -> Self {
        Self { word: cut(word), allowed }
    }
}

impl Mode {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Act, Self::Observe];

    /// The word for it, as config, tables and the API have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Observe => "observe",
        }
    }
}

impl HighSpend {
    /// Every one.
    pub const ALL: [Self; 1] = [Self::Observe];

    /// The word for it, as config, tables and the API have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for HighSpend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "act" => Ok(Self::Act),
            "observe" => Ok(Self::Observe),
            _ => Err(UnknownWord::new(word, "act, observe")),
        }
    }
}

impl FromStr for HighSpend {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "observe" => Ok(Self::Observe),
            _ => Err(UnknownWord::new(word, "observe (guard, pause and top-up are not there yet)")),
        }
    }
}

/// The rules' numbers for one campaign. Built by [`PolicyNumbers::validate`] alone, so that it always makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    numbers: PolicyNumbers,
}

/// The numbers before they were validated. The defaults are those of RULES.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyNumbers {
    /// The period of the grid on which every campaign ticks.
    pub tick: Duration,
    /// How long after an accepted pause no decision by spend or clicks is taken.
    pub cooldown: Duration,
    /// From this spend on a campaign is left alone.
    pub spend_limit: Money,
    /// With this many remaining clicks or more it should run.
    pub activate_clicks: Clicks,
    /// With this many remaining clicks or fewer it should be paused.
    pub pause_clicks: Clicks,
    /// The end time of every activation; from then to midnight (UTC) none is sent.
    pub day_end: NaiveTime,
    /// What happens from the spend limit on.
    pub high_spend: HighSpend,
    /// How long after an accepted action a read may still show the old state.
    pub confirm_within: Duration,
    /// How long TrafficStars may take to answer.
    pub answer_within: Duration,
    /// More foreign changes than this in an hour mark the campaign contested.
    pub contested_after: u32,
    /// Up to this interval activations of a contested campaign back off; never, where not set.
    pub contested_backoff: Option<Duration>,
    /// For how long a stored spend below the limit serves.
    pub stored_spend_max_age: Duration,
    /// For how long after midnight (UTC) a campaign's own counter may still be yesterday's.
    pub midnight_doubt: Duration,
    /// More remaining clicks than this are unknown: somebody has written a wrong limit. No bound, where not set.
    pub implausible_clicks: Option<Clicks>,
    /// Whether a running campaign without an end time gets one when it is adopted.
    pub adopt_sets_end_time: bool,
    /// Whether decisions become requests.
    pub mode: Mode,
}

/// Why numbers make no policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// Running and pausing at the same number of clicks would never come to rest.
    #[error("activate_clicks ({activate}) must be above pause_clicks ({pause})")]
    ThresholdsMeet {
        /// `activate_clicks` as given.
        activate: Clicks,
        /// `pause_clicks` as given.
        pause: Clicks,
    },
    /// Nothing could ever be activated.
    #[error("implausible_clicks ({implausible}) must be above activate_clicks ({activate})")]
    ImplausibleTooLow {
        /// `implausible_clicks` as given.
        implausible: Clicks,
        /// `activate_clicks` as given.
        activate: Clicks,
    },
    /// A tick of no length would never rest.
    #[error("tick must be 100ms or longer")]
    TickTooShort,
    /// A time span below zero.
    #[error("{key} must not be negative")]
    Negative {
        /// The key's name.
        key: &'static str,
    },
    /// A time span beyond a year, with which times could no longer be counted.
    #[error("{key} must not be longer than 365 days")]
    TooLong {
        /// The key's name.
        key: &'static str,
    },
}

/// A cool-down of a campaign's own that is longer than a day is a slip of the pen, and far from what a time can hold.
pub const LONGEST_OWN_COOLDOWN_SECONDS: i64 = 24 * 60 * 60;

const LONGEST_SPAN: Duration = Duration::days(365);

impl PolicyNumbers {
    /// The policy these numbers make.
    ///
    /// # Errors
    /// The first rule between the numbers that is broken.
    pub fn validate(self) -> Result<Policy, PolicyError> {
        if self.activate_clicks <= self.pause_clicks {
            return Err(PolicyError::ThresholdsMeet { activate: self.activate_clicks, pause: self.pause_clicks });
        }
        if let Some(implausible) = self.implausible_clicks.filter(|implausible| *implausible <= self.activate_clicks) {
            return Err(PolicyError::ImplausibleTooLow { implausible, activate: self.activate_clicks });
        }
        if self.tick < Duration::milliseconds(100) {
            return Err(PolicyError::TickTooShort);
        }
        let spans = [
            ("tick", Some(self.tick)),
            ("cooldown", Some(self.cooldown)),
            ("confirm_within", Some(self.confirm_within)),
            ("contested_backoff", self.contested_backoff),
            ("stored_spend_max_age", Some(self.stored_spend_max_age)),
            ("midnight_doubt", Some(self.midnight_doubt)),
        ];
        for (key, span) in spans {
            if span.is_some_and(|span| span < Duration::zero()) {
                return Err(PolicyError::Negative { key });
            }
            if span.is_some_and(|span| span > LONGEST_SPAN) {
                return Err(PolicyError::TooLong { key });
            }
        }
        Ok(Policy { numbers: self })
    }
}

impl Default for PolicyNumbers {
    fn default() -> Self {
        Self {
            tick: Duration::minutes(1),
            cooldown: Duration::minutes(2),
            spend_limit: Money::from_micros(10_000_000).unwrap_or(Money::ZERO),
            activate_clicks: Clicks(15_000),
            pause_clicks: Clicks(5_000),
            day_end: NaiveTime::from_hms_opt(23, 59, 0).unwrap_or(NaiveTime::MIN),
            high_spend: HighSpend::Observe,
            confirm_within: Duration::seconds(30),
            answer_within: Duration::seconds(15),
            contested_after: 6,
            contested_backoff: None,
            stored_spend_max_age: Duration::minutes(30),
            midnight_doubt: Duration::hours(3),
            implausible_clicks: None,
            adopt_sets_end_time: false,
            mode: Mode::Act,
        }
    }
}

impl Policy {
    /// The same, where TrafficStars may take this long to answer.
    #[must_use]
    pub fn answered_within(mut self, answer_within: Duration) -> Self {
        self.numbers.answer_within = answer_within;
        self
    }

    /// The day end of the UTC day that `now` is in.
    #[must_use]
    pub fn day_end_on(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now.date_naive().and_time(self.day_end).and_utc()
    }

    /// The same policy, acting or observing.
    #[must_use]
    pub fn in_mode(&self, mode: Mode) -> Self {
        Self { numbers: PolicyNumbers { mode, ..self.numbers.clone() } }
    }

    /// Whether an activation sent now would get an end time that has passed.
    #[must_use]
    pub fn past_day_end(&self, now: DateTime<Utc>) -> bool {
        now >= self.day_end_on(now)
    }

    /// Whether so few clicks remain that the campaign is paused.
    #[must_use]
    pub fn are_used_up(&self, clicks: Clicks) -> bool {
        clicks <= self.pause_clicks
    }

    /// Why remaining clicks are known too badly to start anything by them, if so: a row makes no sense, or they are more than
    /// can be meant.
    #[must_use]
    pub fn clicks_doubt(&self, clicks: &RemainingClicks) -> Option<String> {
        let implausible = || {
            let bound = self.implausible_clicks.filter(|bound| clicks.count > *bound)?;
            // Without their number: it changes with each click, and each new text would be another event.
            Some(format!(
                "more clicks remain than implausible_clicks ({bound}) allows: correct the click_limit of its URLs, or raise \
                 the bound"
            ))
        };
        clicks.defect.clone().or_else(implausible)
    }

    /// The first point of the shared grid after `now`.
    #[must_use]
    pub fn next_grid_point(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        calendar::next_grid_point(now, self.tick)
    }

    /// When a tick that began at `began_at` ends at the latest, with what it has by then: at the next point of the shared
    /// grid that leaves TrafficStars the time to answer. Ticks that are shorter than an answer would know nothing otherwise.
    #[must_use]
    pub fn tick_ends_by(&self, began_at: DateTime<Utc>) -> DateTime<Utc> {
        self.next_grid_point(began_at + self.answer_within)
    }

    /// How many points of the shared grid lie after `from`, up to and with `to`.
    #[must_use]
    pub fn grid_points_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> u64 {
        let passed = calendar::grid_index(to, self.tick) - calendar::grid_index(from, self.tick);
        u64::try_from(passed).unwrap_or(0)
    }
}

impl std::ops::Deref for Policy {
    type Target = PolicyNumbers;

    fn deref(&self) -> &PolicyNumbers {
        &self.numbers
    }
}
