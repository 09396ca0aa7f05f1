//! Orders to campaigns: a tick now, a forced action, holds, and the pause of all.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Refusal;
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::order::{ForceFailure, ForceKind};
use crate::domain::outlook::Outlook;
use crate::domain::phase::PhaseWord;
use crate::domain::status::{ActionStatus, Hold};

/// The body of `POST /v1/campaigns/{id}/process` and `POST /v1/process`; it may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessBody {
    /// What to do now, whatever spend and clicks say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<ForceKind>,
}

/// The body of `PUT /v1/campaigns/{id}/hold` and `PUT /v1/hold`; it may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldBody {
    /// For how long, as people write it: `2h`; until it is released, where it is left out.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<String>,
    /// Why. Control characters and the formatting characters of bidirectional text are replaced, and what is longer than 200
    /// characters is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether to pause first, and to keep paused meanwhile.
    #[serde(default)]
    pub pause: bool,
}

/// Tick now, or act now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Which campaign.
    pub campaign: CampaignId,
    /// What to do whatever the table says; none only ticks.
    pub force: Option<ForceKind>,
    /// Whose order: uid and name.
    pub by: Option<String>,
}

/// The same, for every campaign whose generator is enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessAll {
    /// What to do whatever the table says; none only ticks.
    pub force: Option<ForceKind>,
    /// Whose order: uid and name.
    pub by: Option<String>,
}

/// A campaign after a tick or a forced action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Processed {
    /// The row's key.
    pub id: CampaignId,
    /// Its name.
    pub name: String,
    /// Its id at TrafficStars.
    pub trafficstar_id: RemoteId,
    /// The state now; none where the campaign's actor could not be asked.
    pub state: Option<PhaseWord>,
    /// The last decision, in words.
    pub decision: Option<String>,
    /// The last action.
    pub action: Option<ActionStatus>,
    /// What the operator should know: what the table will make of a forced action, above all.
    pub warnings: Vec<String>,
    /// What could not be read or done, in words.
    pub error: Option<String>,
}

/// Put a campaign on hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetHold {
    /// Which.
    pub campaign: CampaignId,
    /// How.
    pub hold: Hold,
}

/// The answer to a hold: the hold as it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// The hold.
    #[serde(flatten)]
    pub hold: Hold,
    /// With `pause`: why it was not paused, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_paused: Option<String>,
    /// The hold of its own in whose place this one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Hold>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// The answer to a hold on all campaigns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldAll {
    /// The hold.
    #[serde(flatten)]
    pub hold: Hold,
    /// How many campaigns there are, those with a disabled generator included.
    pub campaigns: u64,
    /// How many of them were paused now: those that ran, or of which nobody knew whether they did.
    pub paused: u64,
    /// How many were seen stopped already, and were sent nothing.
    #[serde(default)]
    pub stopped_already: u64,
    /// How many are in observe mode: nothing is sent for them.
    #[serde(default)]
    pub observed_only: u64,
    /// With `pause`: those that were not paused.
    pub not_paused: Vec<NotPaused>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// A campaign that the pause of all did not reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotPaused {
    /// The row's key.
    pub id: CampaignId,
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// The answer to a release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Released {
    /// The hold that has ended; none where there was none.
    pub released: Option<Hold>,
    /// A hold on all campaigns that is still in force.
    pub still_on_hold: Option<Hold>,
    /// After a hold on all: what becomes of the campaigns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlook: Option<OutlookOfAll>,
}

/// How many campaigns become what once nothing holds all of them, as they were read last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutlookOfAll {
    /// They are stopped, and are started again.
    pub start: u64,
    /// They run.
    pub run: u64,
    /// They stay stopped: their spend limit is reached.
    pub limit_reached: u64,
    /// They stay stopped: too few clicks are left, or it cannot be told how many.
    pub stay_stopped: u64,
    /// They are on hold by themselves, or in observe mode.
    pub left_alone: u64,
    /// Nobody can tell: they were not read, or are blocked.
    pub unknown: u64,
    /// Their generators are disabled: they stay as they are.
    pub not_guarded: u64,
}

impl OutlookOfAll {
    /// Counts one more.
    pub const fn add(&mut self, outlook: Outlook) {
        let count = match outlook {
            Outlook::Starts => &mut self.start,
            Outlook::Runs => &mut self.run,
            Outlook::LimitReached => &mut self.limit_reached,
            Outlook::StaysStopped => &mut self.stay_stopped,
            Outlook::LeftAlone => &mut self.left_alone,
            Outlook::Unknown => &mut self.unknown,
        };
        *count += 1;
    }
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
