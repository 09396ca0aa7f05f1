//! The condition of a campaign in one word: for scripts, and for the heading of `status` and `top`.
//!
//! Deliberately absent: how it is computed (`status`), the reasons (`explain`), and since when.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The condition in one word. If several are true, the first of this list is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It runs past a threshold, and nothing stops it.
    Unguarded,
    /// Its generator is disabled: nothing is read and nothing is sent.
    NotGuarded,
    /// An operator's hold is in force.
    OnHold,
    /// TrafficStars will not run it until something is corrected there.
    Blocked,
    /// Its activation is due, and TrafficStars has not accepted it.
    Queued,
    /// It was paused a moment ago and is kept stopped.
    CoolingDown,
    /// It runs.
    Running,
    /// It is stopped.
    Stopped,
    /// It was not read yet, or the read did not show its status.
    #[default]
    Unknown,
}
