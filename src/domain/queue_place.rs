//! The place of a request in the account's queue, while it waits for its turn within the limit.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::action::ActionKind;
use super::ids::RemoteId;

/// The queue places of all queued changes, by campaign and action.
pub type QueuePlaces = HashMap<(RemoteId, ActionKind), QueuePlace>;

/// The queue place of a request that was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuePlace {
    /// The number of requests before it.
    pub before: u64,
    /// About when it is sent (UTC), as far as can be predicted. `None` for a pause: it is sent with the next free slot.
    pub leaves_about: Option<DateTime<Utc>>,
}
