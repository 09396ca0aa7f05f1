//! The timers of a campaign: what it waits for, and until when.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The event at the end of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimerKind {
    /// The next tick is due: the campaign is read and a decision is made.
    NextTick,
    /// The cool-down ends: spend and clicks decide again.
    CoolDownEnd,
    /// The campaign is read back, to see whether the last action took effect.
    ReadBack,
    /// The last action counts as failed unless a read confirms it by then.
    ConfirmBy,
    /// A run that failed is tried again.
    RunBackoff,
    /// A contested campaign may be activated again.
    ContestedBackoff,
    /// A campaign that answered 404 is read again.
    NotFoundPause,
    /// The campaign is no longer contested, unless others change it again.
    ContestedEnd,
    /// The day end: from then to midnight (UTC) no activation is sent.
    DayEnd,
    /// The next UTC day begins: its spend starts at 0, and activations are sent again.
    Midnight,
    /// An operator's hold ends.
    HoldEnd,
    /// The day's budget is raised for the URLs that came later.
    TopUp,
    /// The actor died and is respawned then. In the API this has always been `rebirth`.
    #[serde(rename = "rebirth")]
    Respawn,
}

/// A timer that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Timer {
    /// The event at its end.
    pub kind: TimerKind,
    /// The time (UTC) when it ends.
    pub at: DateTime<Utc>,
}
