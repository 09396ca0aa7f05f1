//! How a campaign is, in one word: for scripts, and for the heading of `status` and `top`.
//!
//! Deliberately absent: how it is judged (`status`), the reasons (`explain`), and for how long.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One word. Where several are true, the first of this list is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It runs past a threshold, and nothing stops it.
    Unguarded,
    /// Its generator is disabled: nothing is read and nothing is sent.
    NotGuarded,
    /// An operator's hold is in force.
    OnHold,
    /// Running it cannot help until somebody puts something right at TrafficStars.
    Blocked,
    /// It is to be run, and TrafficStars has not accepted that yet.
    Queued,
    /// It was paused a moment ago and is kept stopped.
    CoolingDown,
    /// It runs.
    Running,
    /// It is stopped.
    Stopped,
    /// It was not read yet, or what was read does not tell.
    #[default]
    Unknown,
}
