//! `hold` and `release` of one campaign.

use super::order_report::OrderReport;
use super::progress::waited;
use super::target::Target;
use super::{Arguments, CommandError};
use crate::control::{Held, HoldBody, Released};
use crate::domain::ids::CampaignId;

pub(super) async fn hold(arguments: &Arguments, target: &Target, body: &HoldBody) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let order = target.ask(&client, async |id| Ok((id, client.hold(id, body).await?)));
    let (id, held) = waited(order, "the hold to take effect").await?;
    of_held(id, &held).print(arguments, &held)?;
    held.not_paused.map_or(Ok(()), |reason| Err(CommandError::NotPaused(reason)))
}

pub(super) async fn release(arguments: &Arguments, target: &Target) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let (id, released) = target.ask(&client, async |id| Ok((id, client.release(id).await?))).await?;
    of_released(id, &released).print(arguments, &released)
}

/// Returns the result of `hold`, in words.
pub(super) fn of_held(id: CampaignId, Held { hold, not_paused, replaced, warnings }: &Held) -> OrderReport {
    let kept = if hold.pause && not_paused.is_none() { ", and is kept paused" } else { "" };
    let replaced = replaced.as_ref().map(|before| format!(" This replaces its hold {}.", before.in_words()));
    let said = format!("Campaign {id} is on hold {}{kept}.{}", hold.in_words(), replaced.unwrap_or_default());
    let report = OrderReport::new(said, warnings.clone());
    OrderReport { is_problem: report.is_problem || not_paused.is_some(), ..report }
}

/// Returns the result of `release`, in words.
pub(super) fn of_released(id: CampaignId, Released { released, still_on_hold, .. }: &Released) -> OrderReport {
    let said = match released {
        Some(hold) => format!("Campaign {id} is released: it was on hold {}.", hold.in_words()),
        None => format!("Campaign {id} has no hold of its own."),
    };
    let still = still_on_hold.iter();
    let warnings =
        still.map(|hold| format!("all campaigns are on hold {}: `release-all` ends that hold", hold.in_words()));
    OrderReport::new(said, warnings.collect())
}
