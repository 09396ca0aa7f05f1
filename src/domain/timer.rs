//! What a campaign waits for, and until when.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What happens when a timer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimerKind {
    /// The next tick: it is read and decided.
    NextTick,
    /// The cool-down ends: spend and clicks decide again.
    CoolDownEnd,
    /// It is read back, to see whether the last action shows.
    ReadBack,
    /// The last action has failed unless a read shows it by then.
    ConfirmBy,
    /// A run that failed is tried again.
    RunBackoff,
    /// A contested campaign may be activated again.
    ContestedBackoff,
    /// A campaign that answered 404 is read again.
    NotFoundPause,
    /// It is contested no more, unless others change it again.
    ContestedEnd,
    /// Activations end, and none is sent until midnight (UTC).
    DayEnd,
    /// The next UTC day begins: its spend counts anew, and activations are sent again.
    Midnight,
    /// An operator's hold ends.
    HoldEnd,
    /// Its actor died and is respawned then. The API has always called it `rebirth`.
    #[serde(rename = "rebirth")]
    Respawn,
}

/// One running timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Timer {
    /// What happens then.
    pub kind: TimerKind,
    /// When.
    pub at: DateTime<Utc>,
}
