//! What the guard asks of TrafficStars, and how far it got: `requested` → `accepted` → `confirmed`, or `failed`.
//!
//! An action is also what the journal stores, one entry each.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::money::{Clicks, Money};
use super::phase::PhaseWord;
use super::remote::StatusWord;

/// Numbers an action within one campaign actor, so that an answer to an older one is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(pub u64);

/// What is asked of TrafficStars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// Set the end time to the day end, then run.
    Activate,
    /// Pause, then set the end time to now.
    Pause,
    /// Set the end time alone: one that is still owed after a pause, or to a campaign adopted without one.
    SetEndTime,
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ActionKind {
    /// The word for it, as the journal and the API have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Pause => "pause",
            Self::SetEndTime => "set-end-time",
        }
    }

    /// Whether the campaign runs once it is done; `None` where it changes nothing about that.
    #[must_use]
    pub const fn wants_running(self) -> Option<bool> {
        match self {
            Self::Activate => Some(true),
            Self::Pause => Some(false),
            Self::SetEndTime => None,
        }
    }
}

/// Who or what made it due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// The facts crossed a threshold.
    Tick,
    /// Somebody else broke the promise.
    Guard,
    /// An operator forced it.
    Force,
    /// An operator's hold, or the pause of all campaigns.
    Operator,
    /// Something was left over from an earlier action.
    Recovery,
}

/// How far an action got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Stored, and on its way to TrafficStars.
    Requested,
    /// TrafficStars listed the id under `success`.
    Accepted,
    /// A later read shows it.
    Confirmed,
    /// It did not come about.
    Failed,
    /// Nobody wants it any more: it was not due before its turn came, or a newer action took its place.
    Superseded,
    /// Observe mode: decided, not sent.
    ObservedOnly,
}

impl Step {
    /// It is over, and nothing came of it.
    #[must_use]
    pub const fn came_to_nothing(self) -> bool {
        matches!(self, Self::Failed | Self::Superseded)
    }
}

/// One action: what, why, on which facts, and how far it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Its number within this campaign actor.
    pub id: ActionId,
    /// What is asked.
    pub kind: ActionKind,
    /// What made it due.
    pub trigger: Trigger,
    /// Why, in words.
    pub reason: String,
    /// Today's spend when it was decided, if known.
    pub spend: Option<Money>,
    /// The remaining clicks when it was decided, if known.
    pub remaining_clicks: Option<Clicks>,
    /// The remote status when it was decided.
    pub remote_status: StatusWord,
    /// The state before the decision.
    pub state_before: PhaseWord,
    /// The state that the decision leads to.
    pub state_after: PhaseWord,
    /// The end time that it sets: a whole second, as TrafficStars writes them, so that a read can show it.
    pub end_time: DateTime<Utc>,
    /// How far it got.
    pub step: Step,
    /// Its entry was stored after it was sent, because the database was away.
    pub late: bool,
    /// When it was decided.
    pub requested_at: DateTime<Utc>,
    /// When TrafficStars accepted it.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When a read showed it.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// When it failed, or was superseded.
    pub failed_at: Option<DateTime<Utc>>,
    /// What went wrong, or why it is not wanted any more, in words.
    pub error: Option<String>,
}

/// What became of a request that was sent for an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// TrafficStars took it.
    Accepted,
    /// The answer was lost, or named the id nowhere: only reading back can tell.
    Unclear(String),
    /// TrafficStars refused, or could not be reached before anything was changed.
    Failed(String),
    /// It never left: its journal entry could not be stored. Not TrafficStars' fault.
    NotSent(String),
    /// Its turn did not come before its facts were too old, or TrafficStars would hear of nothing at that moment. It is as
    /// good as not sent, and the next tick decides anew whether it still waits.
    Postponed(String),
}
