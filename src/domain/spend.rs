//! Today's spend out of three sources, in the order in which they are believed (behaviour.md, "Spend").
//!
//! Deliberately absent: asking the sources. The campaign actor asks; this file says whether a report is needed, and what
//! the answers amount to.

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Utc};

use super::facts::{Money, Spend, SpendSource};

/// What one source answered about one campaign and day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceAnswer {
    /// It has a value.
    Value(Money),
    /// It answered, and has none on record.
    NoValue,
    /// It does not exist, or may not be used for this account: no source, and no failure.
    NoSource,
    /// It could not be read, in words.
    Failed(String),
}

/// A spend that was stored earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSpend {
    /// How much.
    pub amount: Money,
    /// When the API said so.
    pub at: DateTime<Utc>,
}

/// What the database remembers of a campaign's spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpendHistory {
    /// Today's last value.
    pub today: Option<StoredSpend>,
    /// Yesterday's last value.
    pub yesterday: Option<Money>,
}

/// For how long after midnight a counter that still shows yesterday's value is not believed.
const MIDNIGHT_LAG: Duration = Duration::minutes(30);

/// All that is known about a campaign's spend on the day of `now`.
#[derive(Debug, Clone)]
pub struct SpendQuestion<'a> {
    /// The campaign object's own field.
    pub campaign: &'a SourceAnswer,
    /// The database's memory, or why it could not be read.
    pub history: &'a Result<SpendHistory, String>,
    /// The limit: a stored value at or above it counts at any age.
    pub limit: Money,
    /// For how long a stored value below the limit serves.
    pub stored_max_age: Duration,
    /// The moment of the question.
    pub now: DateTime<Utc>,
}

impl SpendQuestion<'_> {
    /// Whether the campaign's own field does not suffice, so that a report has to be asked for.
    #[must_use]
    pub fn needs_report(&self) -> bool {
        !matches!(self.campaign, SourceAnswer::Value(amount) if !self.may_be_yesterdays(*amount))
    }

    /// Today's spend; or, in words, why it is unknown. `report` is [`SourceAnswer::NoSource`] where none was needed.
    ///
    /// # Errors
    /// The spend is unknown: a source failed and no later one had a value, or the only values are in doubt.
    pub fn resolve(&self, report: &SourceAnswer) -> Result<Spend, String> {
        let today = self.now.date_naive();
        let spend = |amount, source, at| Spend { amount, source, day: today, at };
        let mut doubts = Vec::new();
        match self.campaign {
            SourceAnswer::Value(amount) if self.may_be_yesterdays(*amount) => {
                doubts.push(format!("the campaign's counter may still show yesterday's {amount}"));
            }
            SourceAnswer::Value(amount) => return Ok(spend(*amount, SpendSource::Campaign, self.now)),
            SourceAnswer::Failed(reason) => doubts.push(format!("the campaign's own field: {reason}")),
            SourceAnswer::NoValue | SourceAnswer::NoSource => {}
        }
        match report {
            SourceAnswer::Value(amount) => return Ok(spend(*amount, SpendSource::Report, self.now)),
            SourceAnswer::Failed(reason) => doubts.push(format!("the report: {reason}")),
            SourceAnswer::NoValue | SourceAnswer::NoSource => {}
        }
        match self.history {
            Ok(SpendHistory { today: Some(stored), .. }) if stored.at.date_naive() == today => {
                let fresh = self.now.signed_duration_since(stored.at) <= self.stored_max_age;
                if stored.amount >= self.limit || fresh {
                    return Ok(spend(stored.amount, SpendSource::Database, stored.at));
                }
                doubts.push(format!("the stored {} is of {}", stored.amount, stored.at.format("%H:%M")));
            }
            Ok(_) => {}
            Err(reason) => doubts.push(format!("the database: {reason}")),
        }
        if doubts.is_empty() { Ok(spend(Money::ZERO, SpendSource::None, self.now)) } else { Err(doubts.join("; ")) }
    }

    /// After midnight a counter that stands where yesterday's ended may simply not have been reset yet; where nobody knows
    /// where it ended, any may. A value that was believed today already is not doubted again.
    fn may_be_yesterdays(&self, amount: Money) -> bool {
        let today = self.now.date_naive();
        let since_midnight = self.now.signed_duration_since(today.and_time(NaiveTime::MIN).and_utc());
        let believed_today =
            |history: &SpendHistory| history.today.is_some_and(|stored| stored.at.date_naive() == today);
        let may_be = |history: &SpendHistory| history.yesterday == Some(amount) && !believed_today(history);
        amount > Money::ZERO && since_midnight < MIDNIGHT_LAG && self.history.as_ref().map_or(true, may_be)
    }
}

/// Whether a value that was read between these two moments may be called `day`'s.
#[must_use]
pub fn read_on(day: NaiveDate, asked_at: DateTime<Utc>, answered_at: DateTime<Utc>) -> bool {
    asked_at.date_naive() == day && answered_at.date_naive() == day
}
