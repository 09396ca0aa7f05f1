//! `status` and `dump`: what the supervisor knows, as a table or whole.

mod table;
#[cfg(test)]
mod tests;

use std::io::Write;

use ratatui::text::Line;

pub(super) use self::table::Shown;
use super::draw::paper::Paper;
use super::{Arguments, CommandError, heading, to_json};
use crate::domain::health::Health;
use crate::domain::ids::CampaignId;
use crate::domain::status::Dump;

pub(super) async fn status(arguments: &Arguments, ids: &[i64], shown: Shown) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let (mut dump, health) = (client.state().await?, client.health().await?);
    if let Some(id) = ids.iter().find(|id| dump.campaigns.iter().all(|campaign| campaign.id.0 != **id)) {
        return Err(CommandError::UnknownCampaign(CampaignId(*id)));
    }
    let all = dump.clone();
    dump.campaigns.retain(|campaign| ids.is_empty() || ids.contains(&campaign.id.0));
    arguments.draw(&dump.campaigns, |paper| lines(&all, &dump, &health, shown, paper))
}

/// The heading tells of `all` campaigns, the table of those that are asked for.
fn lines(all: &Dump, asked: &Dump, health: &Health, shown: Shown, paper: Paper) -> Vec<Line<'static>> {
    let mut lines = heading::lines(all, health, all.captured_at, paper);
    lines.push(Line::default());
    lines.extend(table::lines(asked, shown, paper));
    lines
}

pub(super) async fn dump(arguments: &Arguments, id: Option<i64>) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let printed = match id {
        Some(id) => to_json(&client.campaign_state(CampaignId(id)).await?)?,
        None => to_json(&client.state().await?)?,
    };
    writeln!(std::io::stdout().lock(), "{printed}").map_err(CommandError::Print)
}
