//! `hold` and `release` of one campaign.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::pause_all::OutlookOfAll;
use crate::domain::ids::CampaignId;
use crate::domain::status::Hold;

/// The body of `PUT /v1/campaigns/{id}/hold` and `PUT /v1/hold`; it may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldBody {
    /// The hold's duration, as text like `2h`. Without it, the hold lasts until its release.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<String>,
    /// The reason. Control characters and formatting characters of bidirectional text are replaced. Longer text than
    /// 200 characters is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether to pause the campaign first, and to keep it paused during the hold.
    #[serde(default)]
    pub pause: bool,
}

/// Put a campaign on hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetHold {
    /// The campaign's database id.
    pub campaign: CampaignId,
    /// The hold to set.
    pub hold: Hold,
}

/// The answer to a hold: the hold in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// The hold.
    #[serde(flatten)]
    pub hold: Hold,
    /// With `pause`: why the campaign was not paused; left out if it was paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_paused: Option<String>,
    /// The campaign's earlier hold, which this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Hold>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

/// The answer to a release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Released {
    /// The hold that has ended; `null` if there was no hold.
    pub released: Option<Hold>,
    /// A hold on all campaigns that is still in force.
    pub still_on_hold: Option<Hold>,
    /// After the release of all campaigns: how many campaigns do what next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlook: Option<OutlookOfAll>,
}
