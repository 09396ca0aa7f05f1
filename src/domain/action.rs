//! An action that the guard requests from TrafficStars. Its steps: `requested` → `accepted` → `confirmed`, or `failed`.
//!
//! The journal stores each action as one entry.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::budget::BudgetChange;
use super::money::{Clicks, Money};
use super::phase::PhaseWord;
use super::remote::StatusWord;

/// The action's number within one campaign actor. By it, an answer to an older action is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(pub u64);

/// The kind of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// Set the end time to the day end, then run the campaign.
    Activate,
    /// Pause the campaign, then set its end time to now.
    Pause,
    /// Set only the end time: an owed one after a pause, or one for a campaign that was adopted without any.
    SetEndTime,
    /// Set the day's budget to what is spent and the price of what is left to deliver.
    TopUp,
    /// Set the budget back to the first one of a day.
    DailyBudget,
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ActionKind {
    /// Returns the kind's word in the journal and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Pause => "pause",
            Self::SetEndTime => "set-end-time",
            Self::TopUp => "top-up",
            Self::DailyBudget => "daily-budget",
        }
    }

    /// Whether the action changes the daily budget.
    #[must_use]
    pub const fn changes_budget(self) -> bool {
        matches!(self, Self::TopUp | Self::DailyBudget)
    }

    /// Returns whether the campaign runs after the action; `None` if the action does not change that.
    #[must_use]
    pub const fn wants_running(self) -> Option<bool> {
        match self {
            Self::Activate => Some(true),
            Self::Pause => Some(false),
            Self::SetEndTime | Self::TopUp | Self::DailyBudget => None,
        }
    }
}

/// The trigger of an action: the fact or order that made it due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A fact crossed a threshold.
    Tick,
    /// Somebody else changed the campaign against the promise.
    Guard,
    /// An operator forced the action.
    Force,
    /// An operator ordered a pause: by a hold, by a pause of all campaigns, or before a disabling or a removal.
    Operator,
    /// An earlier action was left unfinished.
    Recovery,
}

/// The progress of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The action is stored, and is being sent to TrafficStars.
    Requested,
    /// TrafficStars listed the campaign's id under `success`.
    Accepted,
    /// A later read shows the result of the action.
    Confirmed,
    /// The action had no effect.
    Failed,
    /// The action is no longer needed: it was not due by the time it could be sent, or a newer action replaced it.
    Superseded,
    /// Observe mode: the action was decided and not sent.
    ObservedOnly,
}

impl Step {
    /// Whether the action is over without effect.
    #[must_use]
    pub const fn came_to_nothing(self) -> bool {
        matches!(self, Self::Failed | Self::Superseded)
    }
}

/// One action: its kind, the reason, the facts it was decided on, and its step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The action's number within this campaign actor.
    pub id: ActionId,
    /// The kind of the action.
    pub kind: ActionKind,
    /// The trigger.
    pub trigger: Trigger,
    /// The reason, for operators.
    pub reason: String,
    /// Today's spend at the decision; `None` if it was unknown.
    pub spend: Option<Money>,
    /// The remaining clicks at the decision; `None` if they were unknown.
    pub remaining_clicks: Option<Clicks>,
    /// The remote status at the decision.
    pub remote_status: StatusWord,
    /// The state before the decision.
    pub state_before: PhaseWord,
    /// The state after the decision.
    pub state_after: PhaseWord,
    /// The end time that the action sets. It is a whole second, as TrafficStars stores it, so that a read can match it.
    pub end_time: DateTime<Utc>,
    /// The budget that the action sets; `None` if it sets none.
    pub budget: Option<BudgetChange>,
    /// The last step that the action reached.
    pub step: Step,
    /// Whether the journal entry was stored only after the action was sent, because the database did not answer.
    pub late: bool,
    /// The time (UTC) when the action was decided.
    pub requested_at: DateTime<Utc>,
    /// The time (UTC) when TrafficStars accepted it.
    pub accepted_at: Option<DateTime<Utc>>,
    /// The time (UTC) when a read confirmed it.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// The time (UTC) when it failed or was superseded.
    pub failed_at: Option<DateTime<Utc>>,
    /// The reason of the failure, or the reason why the action is no longer needed, for operators.
    pub error: Option<String>,
}

/// The result of a request that was sent for an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// TrafficStars accepted the request.
    Accepted,
    /// The answer was lost, or did not mention the campaign's id. Only a read-back shows whether the request worked.
    Unclear(String),
    /// TrafficStars refused the request, or could not be reached before anything was changed.
    Failed(String),
    /// The request was not sent, because its journal entry could not be stored. TrafficStars is not at fault.
    NotSent(String),
    /// TrafficStars did not carry it out: its facts became too old while it was queued, its circuit is open, or the
    /// answer was 429. The next tick decides again whether the action is due.
    Postponed(String),
}
