//! The reports of a campaign actor to the supervisor that built it.

use actix::prelude::*;

use crate::domain::ids::CampaignId;
use crate::domain::order::DisableRefusal;

/// The actor has ended: by a panic or in order.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Died {
    /// The campaign's id.
    pub campaign: CampaignId,
    /// The number of the actor. The supervisor ignores reports of an older one.
    pub incarnation: u64,
}

/// The result of a disable: the promise has ended, or the campaign stays guarded.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct DisableEnded {
    /// The campaign's id.
    pub campaign: CampaignId,
    /// The number of the actor that reports.
    pub incarnation: u64,
    /// `Err` holds the reason for which the campaign stays guarded.
    pub result: Result<Ended, DisableRefusal>,
}

/// A promise that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Whether the campaign was seen stopped or was paused, as the disable ordered.
    pub stopped: bool,
}
