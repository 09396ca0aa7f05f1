//! `enable`: from then on the guard guards the campaign.

use super::progress::waited;
use super::target::Target;
use super::{Arguments, CommandError, url};
use crate::control::client::Client;
use crate::control::{Campaign, CampaignPatch, Url};
use crate::domain::money::Clicks;
use crate::domain::policy::Mode;
use crate::domain::status::CampaignStatus;
use crate::domain::text::date;

pub(super) async fn enable(
    arguments: &Arguments,
    target: &Target,
    anyway: bool,
    pause_first: Option<String>,
) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let patch = CampaignPatch::enable(anyway, pause_first);
    let order = target.ask(&client, async |id| client.patch_campaign(id, &patch).await);
    let campaign = waited(order, "the order to take effect").await?;
    let report = of_enabled(&client, &campaign).await;
    arguments.print(&campaign, || report)
}

/// Returns the result of `enable`, in words.
pub(super) async fn of_enabled(client: &Client, campaign: &Campaign) -> String {
    let warning = match client.campaign_state(campaign.id).await {
        Ok(state) => {
            let urls = client.urls(campaign.id).await.unwrap_or_default();
            paused_first(&state).unwrap_or_else(|| paused_soon(&state, &urls))
        }
        Err(_) => String::new(),
    };
    format!("Campaign {} ({}) is guarded.{warning}", campaign.id, campaign.name)
}

/// Returns until when a newly guarded campaign is kept paused; `None` if it is not on a hold with a pause.
fn paused_first(state: &CampaignStatus) -> Option<String> {
    let until = state.ordered.hold.as_ref().filter(|hold| hold.pause)?.until?;
    Some(match state.ordered.mode {
        Mode::Act => format!(" It is kept paused until {} UTC. Then the guard decides.", date(until)),
        Mode::Observe => format!(" It is on hold until {} UTC. Observe mode sends nothing.", date(until)),
    })
}

/// Returns a warning if a newly guarded campaign has so few clicks that it is paused if it runs.
fn paused_soon(state: &CampaignStatus, urls: &[Url]) -> String {
    let left = urls.iter().map(url::remaining).fold(0, i64::saturating_add);
    let left = Clicks(u64::try_from(left).unwrap_or(0));
    let too_few = state.limits.map(|limits| limits.pause_clicks).filter(|pause| left <= *pause);
    let warning =
        too_few.map(|pause| format!(" It has {left} clicks left; at {pause} or fewer it is paused if it runs."));
    warning.unwrap_or_default()
}
