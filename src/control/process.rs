//! `process`: a tick now, or a forced action.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Refusal;
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::order::{ForceFailure, ForceKind};
use crate::domain::phase::PhaseWord;
use crate::domain::status::ActionStatus;

/// The body of `POST /v1/campaigns/{id}/process` and `POST /v1/process`; it may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessBody {
    /// The action to force now, regardless of spend and clicks. Without it, a tick runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<ForceKind>,
}

/// Run a tick now, or force an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The campaign's database id.
    pub campaign: CampaignId,
    /// The action to force regardless of the decision table; `None` only runs a tick.
    pub force: Option<ForceKind>,
    /// The operator who gave the order: uid and name.
    pub by: Option<String>,
}

/// Run a tick now, or force an action, for every campaign whose generator is enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessAll {
    /// The action to force regardless of the decision table; `None` only runs a tick.
    pub force: Option<ForceKind>,
    /// The operator who gave the order: uid and name.
    pub by: Option<String>,
}

/// A campaign after a tick or a forced action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Processed {
    /// The campaign's database id.
    pub id: CampaignId,
    /// The campaign's name.
    pub name: String,
    /// The campaign's id at TrafficStars.
    pub trafficstar_id: RemoteId,
    /// The campaign's state now; `null` if its actor did not carry out the order.
    pub state: Option<PhaseWord>,
    /// The last decision, for operators.
    pub decision: Option<String>,
    /// The last action.
    pub action: Option<ActionStatus>,
    /// Warnings for the operator: above all what the next ticks will do after a forced action.
    pub warnings: Vec<String>,
    /// The error: the part that could not be read or done, for operators.
    pub error: Option<String>,
}

impl From<ForceFailure> for Refusal {
    fn from(failure: ForceFailure) -> Self {
        match failure {
            ForceFailure::NotNow { possible_at: Some(possible_at), .. } => {
                Self::NotBefore { reason: failure.to_string(), possible_at }
            }
            ForceFailure::NotNow { reason, possible_at: None } => Self::NotNow(reason),
            ForceFailure::ObserveMode => Self::NotNow(failure.to_string()),
            ForceFailure::Failed(reason) => Self::Failed(reason),
        }
    }
}
