//! `disable`: from then on the guard leaves the campaign alone.

use super::attention::unguarded;
use super::progress::waited;
use super::target::Target;
use super::{Arguments, CommandError};
use crate::control::client::Client;
use crate::control::{Campaign, CampaignPatch};
use crate::domain::remote::StatusWord;
use crate::domain::status::{CampaignStatus, Observed};

pub(super) async fn disable(
    arguments: &Arguments,
    target: &Target,
    pause: bool,
    leave_running: bool,
) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let patch = CampaignPatch::disable(pause, leave_running);
    let order = target.ask(&client, async |id| client.patch_campaign(id, &patch).await);
    let campaign = waited(order, "the order to take effect").await?;
    let report = of_disabled(&client, &campaign, pause).await;
    arguments.print(&campaign, || report)
}

/// Returns the result of `disable`, with `--pause` or without, in words.
pub(super) async fn of_disabled(client: &Client, campaign: &Campaign, paused: bool) -> String {
    let done = if paused { "is paused, and is no longer guarded" } else { "is no longer guarded" };
    let past = |state: &CampaignStatus| if state.unguarded { format!(" {}!", unguarded(state)) } else { String::new() };
    let state = client.campaign_state(campaign.id).await.ok();
    let left = state.map(|state| format!(" {}{}", left_as(&state.observed), past(&state))).unwrap_or_default();
    format!("Campaign {} ({}) {done}.{left}", campaign.id, campaign.name)
}

/// Returns what a campaign that is no longer guarded does at TrafficStars, in words.
fn left_as(seen: &Observed) -> String {
    match seen.status {
        Some(StatusWord::Running) => match &seen.schedule_end_time {
            Some(end) => {
                format!("It RUNS at TrafficStars until {end} UTC (its end time); the guard will not stop it before.")
            }
            None => "It RUNS at TrafficStars without an end time; the guard will not stop it.".to_owned(),
        },
        Some(StatusWord::Stopped) => "It is stopped at TrafficStars.".to_owned(),
        Some(StatusWord::Blocked) => "It is blocked at TrafficStars.".to_owned(),
        Some(StatusWord::Unknown) | None => "Its status at TrafficStars is unknown: look there.".to_owned(),
    }
}
