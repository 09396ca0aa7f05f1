//! Why something could not be read or stored: a variant for the program to match, and words for operators.
//!
//! Deliberately absent: the causes. The modules for the database and for TrafficStars have their own errors, and
//! convert them into these.

use std::time::Duration;

use thiserror::Error;

use super::ids::CampaignId;

/// The text for a fact that was not read before its tick ended.
const LATE: &str = "it was not read before the next tick was due";

/// The reason why a campaign could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RemoteFault {
    /// TrafficStars answered 404 to a read of this one campaign. A single 404 does not prove that it is missing.
    #[error("TrafficStars answers 404, as if it had no such campaign: check trafficstar_id")]
    NotFound,
    /// TrafficStars has answered every read for 15 minutes with 404 (`domain::absence`).
    #[error("TrafficStars has answered 404 for 15 minutes: it has no such campaign, check trafficstar_id")]
    Gone,
    /// The read failed for another reason, given in words.
    #[error("{0}")]
    Failed(String),
    /// The read of all campaigns failed for a reason, given in words. The failure is reported once for the account.
    #[error("{0}")]
    Shared(String),
    /// The answer did not come before the tick ended. The request may not even have been sent.
    #[error("{LATE}")]
    Late,
}

impl RemoteFault {
    /// Turns `NotFound` into `Gone` if `is_gone`, that is, if one more 404 is enough for that.
    #[must_use]
    pub fn of_campaign(self, is_gone: bool) -> Self {
        if is_gone && self == Self::NotFound { Self::Gone } else { self }
    }
}

/// The reason why one source of today's spend gave no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SourceFailure {
    /// The source is a field of the campaign, and the campaign could not be read.
    #[error(transparent)]
    NoCampaign(#[from] RemoteFault),
    /// The request was sent before midnight and answered after it, so that the day of the value is not known.
    #[error("it was read across midnight")]
    AcrossMidnight,
    /// The request failed, with the reason.
    #[error("{0}")]
    Failed(String),
    /// The answer is not an amount of money; the text says what it is.
    #[error("{0}")]
    Unreadable(String),
    /// The source did not answer before the tick ended.
    #[error("{LATE}")]
    Late,
}

/// The reason why a database operation failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DatabaseFailure {
    /// The database was so busy with other writes that this operation did not get its turn.
    #[error("{0}")]
    Busy(String),
    /// The operation failed otherwise, with the reason.
    #[error("{0}")]
    Failed(String),
    /// The database returned an invalid value, described in words.
    #[error("{0}")]
    BadValue(String),
    /// The database no longer has this campaign.
    #[error("the database no longer has campaign {0}")]
    NoCampaign(CampaignId),
    /// The database did not answer before the tick ended.
    #[error("{LATE}")]
    Late,
    /// The database did not answer within this time.
    #[error("the database did not answer within {} seconds", .0.as_secs())]
    TimedOut(Duration),
    /// The actor that runs all database operations has died.
    #[error("the database actor is gone")]
    ActorGone,
}

/// The reason why the actors do not match the rows of `campaigns`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SyncFailure {
    /// The rows could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseFailure),
    /// The supervisor died while it compared them.
    #[error("the supervisor died while it did this")]
    SupervisorDied,
    /// An actor could not be built, or did not end.
    #[error("see the supervisor's log")]
    ActorMissing,
}
