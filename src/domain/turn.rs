//! The place of a change in the account's queue, while its request waits for its turn in the limit.

use chrono::{DateTime, Utc};

/// A request that has not left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// How many requests are before it.
    pub before: u64,
    /// About when it leaves, as far as can be foreseen.
    pub leaves_about: DateTime<Utc>,
}
