//! The place of a change in the account's queue, while its request waits for its turn in the limit.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::action::ActionKind;
use super::ids::RemoteId;

/// The turns of the changes that wait, by campaign and action.
pub type QueuePlaces = HashMap<(RemoteId, ActionKind), QueuePlace>;

/// A request that has not left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuePlace {
    /// How many requests are before it.
    pub before: u64,
    /// About when it leaves, as far as can be foreseen. Of a pause it is not: it leaves with the next slot.
    pub leaves_about: Option<DateTime<Utc>>,
}
