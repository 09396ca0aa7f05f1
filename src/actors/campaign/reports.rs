//! What a campaign's actor reports to whoever has built it.

use actix::prelude::*;

use crate::domain::ids::CampaignId;
use crate::domain::order::DisableRefusal;

/// An actor is gone, whatever the way.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Died {
    /// Whose.
    pub campaign: CampaignId,
    /// Which one: news of an older one is no news.
    pub incarnation: u64,
}

/// A release came to its end: the promise has ended, or the pause before it failed.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct DisableEnded {
    /// Whose.
    pub campaign: CampaignId,
    /// Which actor says so.
    pub incarnation: u64,
    /// Why it stays guarded, if so.
    pub result: Result<Ended, DisableRefusal>,
}

/// A promise that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The campaign was seen stopped, or was paused, because the release asked for that.
    pub stopped: bool,
}
