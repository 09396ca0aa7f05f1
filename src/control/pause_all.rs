//! `pause-all` and `release-all`: the hold on all campaigns.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::ids::CampaignId;
use crate::domain::outlook::Outlook;
use crate::domain::status::Hold;

/// The answer to a hold on all campaigns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldAll {
    /// The hold.
    #[serde(flatten)]
    pub hold: Hold,
    /// The number of campaigns, those with a disabled generator included.
    pub campaigns: u64,
    /// The number of campaigns that were paused now: they ran, or their status was unknown.
    pub paused: u64,
    /// The number of campaigns that were stopped already and were sent no pause.
    #[serde(default)]
    pub stopped_already: u64,
    /// The number of campaigns in observe mode: no pause is sent for them.
    #[serde(default)]
    pub observed_only: u64,
    /// With `pause`: the campaigns that were not paused.
    pub not_paused: Vec<NotPaused>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

/// A campaign that was not paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotPaused {
    /// The campaign's database id.
    pub id: CampaignId,
    /// The campaign's name.
    pub name: String,
    /// The reason why it was not paused, for operators.
    pub reason: String,
}

/// The numbers of campaigns by what they do after the release of all, judged by their last reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutlookOfAll {
    /// The number of stopped campaigns that are activated again.
    pub start: u64,
    /// The number of campaigns that run.
    pub run: u64,
    /// The number of campaigns that stay stopped since their spend limit is reached.
    pub limit_reached: u64,
    /// The number of campaigns that stay stopped since too few clicks are left, or their number is unknown.
    pub stay_stopped: u64,
    /// The number of campaigns that have a hold of their own or are in observe mode.
    pub left_alone: u64,
    /// The number of campaigns whose next action is unknown: they were not read, or are blocked.
    pub unknown: u64,
    /// The number of campaigns whose generator is disabled: the guard does nothing.
    pub not_guarded: u64,
}

impl OutlookOfAll {
    /// Counts one more campaign.
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
