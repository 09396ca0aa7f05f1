//! The facts that one tick found.
//!
//! Each fact has a time and a source. A fact that could not be read is an error with its reason, never a default.
//! Deliberately absent: the reading.

use chrono::{DateTime, Utc};

use super::clock_difference::ClockDifference;
use super::failure::{DatabaseFailure, RemoteFault};
use super::money::{Money, RemainingClicks};
use super::remote::RemoteCampaign;
use super::spend::{Spend, SpendUnknown};

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
    /// The remaining clicks.
    pub clicks: Result<RemainingClicks, DatabaseFailure>,
    /// The difference between our clock and TrafficStars', by its last answer; `None` if no answer has shown it.
    pub clock: Option<ClockDifference>,
}
