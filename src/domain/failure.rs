//! Why something could not be read or stored: a class for the program, which matches it, and words for operators.
//!
//! Deliberately absent: how it came to that. The rooms that talk to the database and to TrafficStars have errors of their
//! own, and turn them into these for everybody else.

use std::time::Duration;

use thiserror::Error;

use super::ids::CampaignId;

/// What a fact says that did not come before its tick ended.
const LATE: &str = "it was not read before the next tick was due";

/// Why a campaign could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RemoteFault {
    /// TrafficStars answered 404 when it was read by itself. It may be there all the same.
    #[error("TrafficStars answers 404, as if it knew no such campaign: check trafficstar_id")]
    NotFound,
    /// TrafficStars has answered 404 alone for 15 minutes (`domain::absence`).
    #[error("TrafficStars has answered 404 for 15 minutes: it knows no such campaign, check trafficstar_id")]
    Gone,
    /// Anything else, in words.
    #[error("{0}")]
    Failed(String),
    /// The same, of no campaign in particular: nobody could be read. It is told once for the account.
    #[error("{0}")]
    Shared(String),
    /// The answer did not come before the tick's end. TrafficStars may not even have been asked.
    #[error("{LATE}")]
    Late,
}

impl RemoteFault {
    /// QueuePlaces a 404 into `Gone` if one more is enough for that.
    #[must_use]
    pub fn of_campaign(self, is_gone: bool) -> Self {
        if is_gone && self == Self::NotFound { Self::Gone } else { self }
    }
}

/// Why one source of today's spend has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SourceFailure {
    /// It is a field of the campaign, which could not be read.
    #[error(transparent)]
    NoCampaign(#[from] RemoteFault),
    /// Midnight lies between the question and the answer: it is not known which day it tells of.
    #[error("it was read across midnight")]
    AcrossMidnight,
    /// The request for it failed, in words.
    #[error("{0}")]
    Failed(String),
    /// It answered something that is no amount of money, in words.
    #[error("{0}")]
    Unreadable(String),
    /// It did not answer before its tick ended.
    #[error("{LATE}")]
    Late,
}

/// Why the database did not answer, or took nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DatabaseFailure {
    /// So much is written that this did not get its turn, while others did.
    #[error("{0}")]
    Busy(String),
    /// The operation failed otherwise, in words.
    #[error("{0}")]
    Failed(String),
    /// It answered a value that makes no sense, in words.
    #[error("{0}")]
    BadValue(String),
    /// It has no such campaign any more.
    #[error("the database has no campaign {0} any more")]
    NoCampaign(CampaignId),
    /// It did not answer before the tick ended that had asked.
    #[error("{LATE}")]
    Late,
    /// It did not answer within this time.
    #[error("the database did not answer within {} seconds", .0.as_secs())]
    TimedOut(Duration),
    /// The actor died that asks the database for all.
    #[error("the database actor is gone")]
    ActorGone,
}

/// Why the actors are not as the rows of `campaigns` say.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SyncFailure {
    /// The rows could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseFailure),
    /// The supervisor died over it.
    #[error("the supervisor died over it")]
    SupervisorDied,
    /// An actor could not be built, or has not ended.
    #[error("see the supervisor's log")]
    ActorMissing,
}
