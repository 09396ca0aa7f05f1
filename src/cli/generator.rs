//! `enable` and `disable`.

use super::{Arguments, CommandError};
use crate::control::CampaignPatch;
use crate::domain::ids::CampaignId;

pub(super) async fn set_generator(arguments: &Arguments, id: i64, patch: &CampaignPatch) -> Result<(), CommandError> {
    let campaign = arguments.client()?.patch_campaign(CampaignId(id), patch).await?;
    arguments.print(&campaign, || {
        let done = match (campaign.generator_enabled, patch.pause) {
            (true, _) => "is guarded",
            (false, true) => "is paused, and is not guarded any more",
            (false, false) => "is not guarded any more",
        };
        format!("Campaign {} ({}) {done}.", campaign.id, campaign.name)
    })
}
