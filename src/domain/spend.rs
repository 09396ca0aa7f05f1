//! Today's spend from its sources, in the order in which they are believed (RULES.md, "Spend"):
//! 1. the campaign's `spent_today`;
//! 2. the day's report;
//! 3. a bare `spent`, if no report exists;
//! 4. the stored value.
//!
//! Deliberately absent: reading the sources, which `guard::tick` does. This file decides whether a report is needed,
//! and what the spend is.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::calendar::midnight_before;
use super::failure::{DatabaseFailure, SourceFailure};
use super::money::Money;

/// The source of a spend, in the order in which they are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SpendSource {
    /// A field of the campaign object.
    Campaign,
    /// A report, whose days are UTC days.
    Report,
    /// The value that was stored earlier this UTC day.
    Database,
    /// Every source answered, and none had a value.
    None,
}

/// The spend of one UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spend {
    /// The amount.
    pub amount: Money,
    /// The source of the amount.
    pub source: SpendSource,
    /// The day.
    pub day: NaiveDate,
    /// The time (UTC) when the source gave this amount.
    pub at: DateTime<Utc>,
}

/// The answer of one source about one campaign and day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpendReading {
    /// The source has a value.
    Value(Money),
    /// The source answered and has no value.
    NoValue,
    /// The source does not exist, or may not be used for this account. That is no failure.
    NoSource,
    /// The source could not be read.
    Failed(SourceFailure),
}

/// A spend that was stored earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSpend {
    /// The amount.
    pub amount: Money,
    /// The time (UTC) when the API gave this amount.
    pub at: DateTime<Utc>,
    /// The source of the amount.
    pub source: SpendSource,
}

/// The database's knowledge of a campaign's spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpendHistory {
    /// Today's last value.
    pub today: Option<StoredSpend>,
    /// Yesterday's last value.
    pub yesterday: Option<Money>,
}

impl SpendHistory {
    /// Whether a spend from the API should be stored: it differs from the stored one, or the stored one will soon be
    /// too old. A quarter of the maximum age is a compromise that avoids a write for every spend at every tick.
    #[must_use]
    pub fn lacks(&self, spend: &Spend, stored_max_age: Duration) -> bool {
        let Some(stored) = self.today.filter(|stored| stored.at.date_naive() == spend.day) else { return true };
        let age = spend.at.signed_duration_since(stored.at);
        let is_young = Duration::zero() <= age && age < stored_max_age / 4;
        !is_young || stored.amount != spend.amount || stored.source != spend.source
    }
}

/// A campaign's own counters of today's spend, as one read shows them. They do not show to which day they belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counters {
    /// `spent_today`.
    pub spent_today: SpendReading,
    /// A bare `spent`, which may be the spend of the campaign's lifetime.
    pub spent: SpendReading,
}

/// The value of a counter. Absent counts as less than any value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    Absent,
    Value(Money),
}

/// The values that a counter has shown since midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sighting {
    least: Shown,
    last: Shown,
    /// The least value that it showed after a larger one.
    fell_to: Option<Shown>,
}

impl Sighting {
    fn after(earlier: Option<Self>, shown: Shown) -> Self {
        let Some(Self { least, last, fell_to }) = earlier else {
            return Self { least: shown, last: shown, fell_to: None };
        };
        let falls = (shown < last).then_some(shown);
        Self { least: least.min(shown), last: shown, fell_to: fell_to.into_iter().chain(falls).min() }
    }
}

/// The values that each counter of a campaign has shown since midnight. A counter that has fallen since then counts the
/// new day. A counter that has only grown may still be yesterday's, with late clicks added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sightings {
    day: Option<NaiveDate>,
    spent_today: Option<Sighting>,
    spent: Option<Sighting>,
}

impl Sightings {
    /// Records the counters of a read on `day`.
    pub fn saw(&mut self, day: NaiveDate, counters: &Counters) {
        let shown = |answer: &SpendReading| match answer {
            SpendReading::Value(amount) => Some(Shown::Value(*amount)),
            SpendReading::NoValue => Some(Shown::Absent),
            SpendReading::NoSource | SpendReading::Failed(_) => None,
        };
        let (spent_today, spent) = (shown(&counters.spent_today), shown(&counters.spent));
        if spent_today.is_none() && spent.is_none() {
            // After a clock was set back over midnight such a read is of another day. It must not delete what was seen.
            return;
        }
        if self.day != Some(day) {
            *self = Self { day: Some(day), ..Self::default() };
        }
        for (sighting, shown) in [(&mut self.spent_today, spent_today), (&mut self.spent, spent)] {
            if let Some(shown) = shown {
                *sighting = Some(Sighting::after(*sighting, shown));
            }
        }
    }
}

/// A source of the spend, with the name that operators know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SpendField {
    /// `spent_today` of the campaign object.
    #[error("the campaign's own field")]
    SpentToday,
    /// The day's report.
    #[error("the report")]
    Report,
    /// A bare `spent` of the campaign object.
    #[error("the campaign's `spent`")]
    Spent,
}

/// The reason why a source's value is not taken for today's spend.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpendDoubt {
    /// A counter of the campaign may not have begun the new day. The text has no amount, because the amount grows with
    /// late clicks and each new text would be another event.
    #[error("the campaign's counter may still show yesterday's spend")]
    Yesterdays,
    /// A source could not be read.
    #[error("{0}: {1}")]
    Failed(SpendField, SourceFailure),
    /// The stored value could not be read.
    #[error("the database: {0}")]
    HistoryUnknown(DatabaseFailure),
    /// The stored value is too old.
    #[error("the stored {} is of {}", .0, .1.format("%H:%M"))]
    StoredIsOld(Money, DateTime<Utc>),
}

/// The reason why today's spend is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpendUnknown {
    /// No source has a reliable value.
    #[error("{}", in_words(.0, |failure| failure.to_string()))]
    Doubts(Vec<SpendDoubt>),
    /// Midnight passed before the sources had answered.
    #[error("{}", SourceFailure::AcrossMidnight)]
    AcrossMidnight,
    /// The tick ended before the sources had answered.
    #[error("{}", SourceFailure::Late)]
    Late,
}

impl SpendUnknown {
    /// Returns the reasons, for use after the text `reported`: a failure with the same text is not repeated.
    #[must_use]
    pub fn without(&self, reported: &str) -> String {
        let in_short = |failure: &SourceFailure| {
            let why = failure.to_string();
            if why == reported { "for the same reason".to_owned() } else { why }
        };
        match self {
            Self::Doubts(doubts) => in_words(doubts, in_short),
            Self::AcrossMidnight | Self::Late => self.to_string(),
        }
    }
}

fn in_words(doubts: &[SpendDoubt], failure_in_words: impl Fn(&SourceFailure) -> String) -> String {
    let texts = doubts.iter().map(|doubt| match doubt {
        SpendDoubt::Failed(field, failure) => format!("{field}: {}", failure_in_words(failure)),
        SpendDoubt::Yesterdays | SpendDoubt::HistoryUnknown(_) | SpendDoubt::StoredIsOld(..) => doubt.to_string(),
    });
    texts.collect::<Vec<_>>().join("; ")
}

/// All that is known about a campaign's spend on the day of `now`.
#[derive(Debug, Clone)]
pub struct SpendQuestion<'a> {
    /// The fields of the campaign object.
    pub counters: &'a Counters,
    /// The values that these fields have shown since midnight.
    pub sightings: &'a Sightings,
    /// The database's knowledge, or the reason why the database could not be read.
    pub history: &'a Result<SpendHistory, DatabaseFailure>,
    /// The spend limit. A stored value at or above it counts at any age.
    pub limit: Money,
    /// The time for which a stored value below the limit counts.
    pub stored_max_age: Duration,
    /// The time after midnight in which a counter may still be yesterday's.
    pub midnight_doubt: Duration,
    /// The time of the question (UTC).
    pub now: DateTime<Utc>,
}

impl SpendQuestion<'_> {
    /// Whether the campaign's `spent_today` is not enough, so that a report is needed.
    #[must_use]
    pub fn needs_report(&self) -> bool {
        let value = match self.counters.spent_today {
            SpendReading::Value(amount) => Some(amount),
            SpendReading::NoValue | SpendReading::NoSource | SpendReading::Failed(_) => None,
        };
        value.is_none_or(|amount| self.is_in_doubt(amount, self.sightings.spent_today))
    }

    /// Returns today's spend, or why it is unknown. `report` is [`SpendReading::NoSource`] if none was needed or none
    /// exists.
    ///
    /// # Errors
    /// The spend is unknown: a source failed and no later one had a value, or the only values are in doubt.
    pub fn resolve(&self, report: &SpendReading) -> Result<Spend, SpendUnknown> {
        let today = self.now.date_naive();
        let spend = |amount, source, at| Spend { amount, source, day: today, at };
        let (mut doubts, mut failures) = (Vec::new(), Vec::new());
        let of_counter = |answer: &SpendReading, sighting| match answer {
            SpendReading::Value(amount) if self.is_in_doubt(*amount, sighting) => Some(Err(SpendDoubt::Yesterdays)),
            SpendReading::Value(amount) => Some(Ok(spend(*amount, SpendSource::Campaign, self.now))),
            SpendReading::NoValue | SpendReading::NoSource | SpendReading::Failed(_) => None,
        };
        match of_counter(&self.counters.spent_today, self.sightings.spent_today) {
            Some(Ok(spend)) => return Ok(spend),
            Some(Err(doubt)) => doubts.push(doubt),
            None => failures.extend(failure(SpendField::SpentToday, &self.counters.spent_today)),
        }
        match report {
            SpendReading::Value(amount) => return Ok(spend(*amount, SpendSource::Report, self.now)),
            // The report's rows name their day: without a row for today, nothing was spent today, regardless of the
            // counters.
            SpendReading::NoValue => doubts.clear(),
            SpendReading::Failed(_) => failures.extend(failure(SpendField::Report, report)),
            SpendReading::NoSource => match of_counter(&self.counters.spent, self.sightings.spent) {
                Some(Ok(spend)) => return Ok(spend),
                Some(Err(doubt)) => doubts.push(doubt),
                None if failures.is_empty() => {
                    failures.extend(failure(SpendField::Spent, &self.counters.spent));
                }
                None => {}
            },
        }
        if !failures.is_empty() {
            match self.stored() {
                Ok(Some(stored)) => return Ok(spend(stored.amount, SpendSource::Database, stored.at)),
                Ok(None) => {}
                Err(doubt) => failures.push(doubt),
            }
        }
        doubts.append(&mut failures);
        if doubts.is_empty() {
            Ok(spend(Money::ZERO, SpendSource::None, self.now))
        } else {
            Err(SpendUnknown::Doubts(doubts))
        }
    }

    /// Returns today's stored value, if it may be used.
    fn stored(&self) -> Result<Option<StoredSpend>, SpendDoubt> {
        let history = self.history.as_ref().map_err(|failure| SpendDoubt::HistoryUnknown(failure.clone()))?;
        let Some(stored) = history.today.filter(|stored| stored.at.date_naive() == self.now.date_naive()) else {
            return Ok(None);
        };
        let age = self.now.signed_duration_since(stored.at);
        // A value from the future comes from a clock that was ahead, so that its age is not known.
        let fresh = Duration::zero() <= age && age <= self.stored_max_age;
        if stored.amount >= self.limit || fresh {
            Ok(Some(stored))
        } else {
            Err(SpendDoubt::StoredIsOld(stored.amount, stored.at))
        }
    }

    /// Whether a counter may still show yesterday's spend, with late clicks added: it is above 0, midnight is not long
    /// ago, and nothing proves that it counts the new day. A counter that was believed today is not doubted again.
    fn is_in_doubt(&self, amount: Money, sighting: Option<Sighting>) -> bool {
        let today = self.now.date_naive();
        let since_midnight = self.now.signed_duration_since(midnight_before(self.now));
        if amount == Money::ZERO || since_midnight >= self.midnight_doubt {
            return false;
        }
        let sighting = sighting.filter(|_| self.sightings.day == Some(today));
        let least = sighting.map_or(Shown::Value(amount), |sighting| sighting.least.min(Shown::Value(amount)));
        if least == Shown::Absent {
            return false;
        }
        // Without the database, yesterday's value is not known.
        let Ok(history) = self.history else { return true };
        let fell_below = |bound| {
            let fell_to = sighting.and_then(|sighting| sighting.fell_to);
            fell_to.is_some_and(|fell_to| fell_to < Shown::Value(bound))
        };
        let Some(yesterday) = history.yesterday else {
            // A low counter may be yesterday's, too. One belief in it does not prove a higher value.
            return amount >= self.limit && !fell_below(self.limit);
        };
        let believed = history
            .today
            .is_some_and(|stored| stored.source == SpendSource::Campaign && stored.at.date_naive() == today);
        least >= Shown::Value(yesterday) && !believed
    }
}

fn failure(field: SpendField, answer: &SpendReading) -> Option<SpendDoubt> {
    match answer {
        SpendReading::Failed(failure) => Some(SpendDoubt::Failed(field, failure.clone())),
        SpendReading::Value(_) | SpendReading::NoValue | SpendReading::NoSource => None,
    }
}

/// Returns the spend of a report that arrived after its tick had ended. `None` if it was requested before midnight and
/// answered after it, because the requested day is then not certain.
#[must_use]
pub fn of_late_report(report: &SpendReading, asked_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<Spend> {
    let day = now.date_naive();
    match report {
        SpendReading::Value(amount) if read_on(day, asked_at, now) => {
            Some(Spend { amount: *amount, source: SpendSource::Report, day, at: now })
        }
        SpendReading::Value(_) | SpendReading::NoValue | SpendReading::NoSource | SpendReading::Failed(_) => None,
    }
}

/// Whether a value that was requested and answered at these times belongs to `day`.
#[must_use]
pub fn read_on(day: NaiveDate, asked_at: DateTime<Utc>, answered_at: DateTime<Utc>) -> bool {
    asked_at.date_naive() == day && answered_at.date_naive() == day
}
