//! `status` and `dump`: what the supervisor knows, as a table or whole.

use std::io::{IsTerminal, Write};

use super::target::{Known, Target};
use super::{Arguments, CommandError, render, to_json};
use crate::domain::ids::CampaignId;

pub(super) async fn status(arguments: &Arguments, targets: &[Target]) -> Result<(), CommandError> {
    let mut dump = arguments.client()?.state().await?;
    let known = dump.campaigns.iter().map(Known::from);
    let ids: Vec<CampaignId> = targets.iter().map(|target| target.among(known.clone())).collect::<Result<_, _>>()?;
    dump.campaigns.retain(|campaign| ids.is_empty() || ids.contains(&campaign.id));
    // A pipe gets whole lines, whatever their length.
    let fits_terminal = std::io::stdout().is_terminal();
    arguments.print(&dump.campaigns, || render::status_table(&dump, fits_terminal))
}

pub(super) async fn dump(arguments: &Arguments, target: Option<&Target>) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let printed = match target {
        Some(target) => to_json(&target.ask(&client, async |id| client.campaign_state(id).await).await?)?,
        None => to_json(&client.state().await?)?,
    };
    writeln!(std::io::stdout().lock(), "{printed}").map_err(CommandError::Print)
}
