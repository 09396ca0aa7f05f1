//! `status`: what the supervisor knows, as a table.

mod table;
#[cfg(test)]
mod tests;

use ratatui::text::Line;

pub(super) use self::table::Shown;
use super::draw::paper::Paper;
use super::target::{Known, Target};
use super::{Arguments, CommandError, heading};
use crate::domain::health::{Health, HealthWord};
use crate::domain::ids::CampaignId;
use crate::domain::status::Dump;

pub(super) async fn status(arguments: &Arguments, targets: &[Target], shown: Shown) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let (mut dump, health) = (client.state().await?, client.health().await?);
    let known = dump.campaigns.iter().map(Known::from);
    let ids: Vec<CampaignId> = targets.iter().map(|target| target.among(known.clone())).collect::<Result<_, _>>()?;
    let all = dump.clone();
    dump.campaigns.retain(|campaign| ids.is_empty() || ids.contains(&campaign.id));
    arguments.draw(&dump.campaigns, |paper| lines(&all, &dump, &health, shown, paper))
}

/// Returns the lines. The heading is about `all` campaigns, the table shows the requested ones.
fn lines(all: &Dump, asked: &Dump, health: &Health, shown: Shown, paper: Paper) -> Vec<Line<'static>> {
    let mut lines = heading::lines(all, health, all.captured_at, paper);
    lines.push(Line::default());
    lines.extend(table::lines(asked, health.status == HealthWord::Ok, shown, paper));
    lines
}
