//! What one tick found out.
//!
//! Each fact is dated, and says where it came from; a fact that could not be read is an error with its reason,
//! never a default. Deliberately absent: reading any of them.

use chrono::{DateTime, Utc};

use super::clock_difference::ClockDifference;
use super::failure::{DatabaseFailure, RemoteFault};
use super::money::RemainingClicks;
use super::remote::RemoteCampaign;
use super::spend::{Spend, SpendUnknown};

/// What one tick found out. An `Err` is a fact that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The campaign object, read from TrafficStars in this tick.
    pub remote: Result<RemoteCampaign, RemoteFault>,
    /// When TrafficStars answered (or did not).
    pub remote_at: DateTime<Utc>,
    /// Today's spend.
    pub spend: Result<Spend, SpendUnknown>,
    /// The remaining clicks.
    pub clicks: Result<RemainingClicks, DatabaseFailure>,
    /// How far our clock is from TrafficStars', by its last answer; none where no answer has said.
    pub clock: Option<ClockDifference>,
}
