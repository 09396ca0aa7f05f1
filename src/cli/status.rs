//! `status` and `dump`: what the supervisor knows, as a table or whole.

use std::io::{IsTerminal, Write};

use super::{Arguments, CommandError, render, to_json};
use crate::domain::ids::CampaignId;

pub(super) async fn status(arguments: &Arguments, ids: &[i64]) -> Result<(), CommandError> {
    let mut dump = arguments.client()?.state().await?;
    if let Some(id) = ids.iter().find(|id| dump.campaigns.iter().all(|campaign| campaign.id.0 != **id)) {
        return Err(CommandError::UnknownCampaign(CampaignId(*id)));
    }
    dump.campaigns.retain(|campaign| ids.is_empty() || ids.contains(&campaign.id.0));
    // A pipe gets whole lines, whatever their length.
    let fits_terminal = std::io::stdout().is_terminal();
    arguments.print(&dump.campaigns, || render::status_table(&dump, fits_terminal))
}

pub(super) async fn dump(arguments: &Arguments, id: Option<i64>) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let printed = match id {
        Some(id) => to_json(&client.campaign_state(CampaignId(id)).await?)?,
        None => to_json(&client.state().await?)?,
    };
    writeln!(std::io::stdout().lock(), "{printed}").map_err(CommandError::Print)
}
