//! The facts that one tick found.
//!
//! Each fact has a time and a source. A fact that could not be read is an error with its reason, never a default.
//! Deliberately absent: the reading.

use chrono::{DateTime, NaiveDate, Utc};

use super::clock_difference::ClockDifference;
use super::failure::{DatabaseFailure, RemoteFault};
use super::money::{Money, RemainingClicks};
use super::remote::RemoteCampaign;
use super::spend::{Spend, SpendUnknown};

/// The sum of several campaigns' spends of today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpendSum {
    /// The sum. A spend that is unknown counts with its last known value of today.
    pub amount: Money,
    /// The number of campaigns.
    pub campaigns: u64,
    /// The number of those whose spend is unknown now.
    pub unknown: u64,
}

/// Today's spends of the campaigns that share limits with one campaign, as the database has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedSpends {
    /// The UTC day of the spends.
    pub day: NaiveDate,
    /// The campaign's own stored spend; 0 if none is stored.
    pub own: Money,
    /// The other campaigns of its group.
    pub group: SpendSum,
    /// All other campaigns.
    pub account: SpendSum,
}

/// The facts that one tick found. An `Err` is a fact that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The campaign object, read from TrafficStars in this tick.
    pub remote: Result<RemoteCampaign, RemoteFault>,
    /// The time (UTC) when TrafficStars answered, or failed to answer.
    pub remote_at: DateTime<Utc>,
    /// Today's spend.
    pub spend: Result<Spend, SpendUnknown>,
    /// Today's spend as it was stored before this tick; `None` if none was stored, or if it could not be read.
    pub stored_spend: Option<Money>,
    /// Today's spends of the campaigns that share limits with it; `None` if it shares none, or if they were never read.
    pub shared: Option<SharedSpends>,
    /// The remaining clicks.
    pub clicks: Result<RemainingClicks, DatabaseFailure>,
    /// The difference between our clock and TrafficStars', by its last answer; `None` if no answer has shown it.
    pub clock: Option<ClockDifference>,
}
