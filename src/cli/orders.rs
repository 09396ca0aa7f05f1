//! `process`, `hold` and `release`, `pause-all` and `release-all`.

use chrono::{DateTime, SubsecRound, Utc};

use super::{Arguments, CommandError, complain};
use crate::clock::Clock;
use crate::config::process_environment;
use crate::control::{Held, HeldAll, HoldBody, NotPaused, ProcessBody, Processed, Released};
use crate::daemon;
use crate::daemon::direct::Pressed;
use crate::domain::action::Step;
use crate::domain::ids::CampaignId;
use crate::domain::order::ForceKind;
use crate::domain::status::Hold;
use crate::domain::text::cut;
use crate::operator;
use crate::printable::printable;

pub(super) async fn process(arguments: &Arguments, id: i64, force: Option<ForceKind>) -> Result<(), CommandError> {
    let processed = arguments.client()?.process(CampaignId(id), ProcessBody { force }).await?;
    arguments.print(&processed, || sentence(&processed))?;
    warn(&processed.warnings);
    Ok(())
}

/// Fails where one of the campaigns refuses: the others are processed all the same.
pub(super) async fn process_all(arguments: &Arguments, force: Option<ForceKind>) -> Result<(), CommandError> {
    let all = arguments.client()?.process_all(ProcessBody { force }).await?;
    arguments.print(&all, || match all.as_slice() {
        [] => "No campaign is guarded.".to_owned(),
        all => all.iter().map(sentence).collect::<Vec<_>>().join("\n"),
    })?;
    for processed in &all {
        let named = processed.warnings.iter().map(|warning| format!("campaign {}: {warning}", processed.id));
        warn(&named.collect::<Vec<_>>());
    }
    let failed = force.is_some() && all.iter().any(|processed| processed.error.is_some());
    if failed { Err(CommandError::NotEverywhere) } else { Ok(()) }
}

pub(super) async fn hold(arguments: &Arguments, id: i64, body: &HoldBody) -> Result<(), CommandError> {
    let Held { hold, warnings } = arguments.client()?.hold(CampaignId(id), body).await?;
    arguments.print(&Held { hold: hold.clone(), warnings: warnings.clone() }, || {
        let kept = if hold.pause { ", and is kept paused" } else { "" };
        format!("Campaign {id} is on hold {}{kept}.", hold.in_words())
    })?;
    warn(&warnings);
    Ok(())
}

pub(super) async fn release(arguments: &Arguments, id: i64) -> Result<(), CommandError> {
    let released = arguments.client()?.release(CampaignId(id)).await?;
    arguments.print(&released, || match &released.released {
        Some(hold) => format!("Campaign {id} is released: it was on hold {}.", hold.in_words()),
        None => format!("Campaign {id} was not on hold by itself."),
    })?;
    if let Some(hold) = &released.still_on_hold {
        warn(&[format!("all campaigns are on hold {}: `release-all` ends that", hold.in_words())]);
    }
    Ok(())
}

pub(super) async fn pause_all(arguments: &Arguments, reason: &str) -> Result<(), CommandError> {
    let body = HoldBody { reason: Some(reason.to_owned()), pause: true, ..HoldBody::default() };
    let held = arguments.client()?.hold_all(&body).await?;
    report_pause_of_all(arguments, &held, true)
}

/// Without a supervisor, by a runtime of its own.
pub(super) fn pause_all_direct(arguments: &Arguments, reason: &str) -> Result<(), CommandError> {
    let config = arguments.load_config()?;
    let api_key = config.api_key(&process_environment())?;
    let Pressed { held, is_hold_stored } =
        daemon::direct::pause_all(&config, api_key, hold_of_mine(reason, Clock::system().now()))?;
    report_pause_of_all(arguments, &held, is_hold_stored)
}

/// Fails where a campaign was not paused: the others are all the same.
fn report_pause_of_all(arguments: &Arguments, held: &HeldAll, is_hold_stored: bool) -> Result<(), CommandError> {
    let HeldAll { hold, campaigns, paused, not_paused, warnings } = held;
    arguments.print(held, || {
        if !is_hold_stored {
            return format!(
                "Paused now: {paused} of {campaigns}. No hold could be stored: a supervisor may run them again. Give this \
                 command again when the database can be written."
            );
        }
        format!(
            "All campaigns are on hold {}.\nPaused now: {paused} of {campaigns}. Whatever is seen running is paused again, \
             until `release-all`.",
            hold.in_words()
        )
    })?;
    warn(warnings);
    for campaign in not_paused {
        let NotPaused { id, name, reason } = campaign;
        complain("warning", &format!("campaign {id} ({name}) was not paused: {reason}"));
    }
    if not_paused.is_empty() { Ok(()) } else { Err(CommandError::NotEverywhere) }
}

pub(super) async fn release_all(arguments: &Arguments) -> Result<(), CommandError> {
    let released = arguments.client()?.release_all().await?;
    let Released { released: hold, .. } = &released;
    arguments.print(&released, || match hold {
        Some(hold) => format!("All campaigns are released: they were on hold {}.", hold.in_words()),
        None => "There was no hold on all campaigns.".to_owned(),
    })
}

/// Without a supervisor nobody else says whose order it is, and since when.
fn hold_of_mine(reason: &str, now: DateTime<Utc>) -> Hold {
    Hold {
        reason: Some(printable(&cut(reason))),
        since: now.trunc_subsecs(6),
        until: None,
        by: Some(operator::myself()),
        pause: true,
    }
}

fn sentence(processed: &Processed) -> String {
    let Processed { id, name, state, decision, action, error, .. } = processed;
    let Some(state) = state else {
        return format!("Campaign {id} ({name}): not done: {}.", error.as_deref().unwrap_or_default());
    };
    let decision = decision.as_ref().map(|decision| format!(": {decision}")).unwrap_or_default();
    let action = action.as_ref().map(|action| format!(" Last action: {} {}.", action.kind, step(action.step)));
    let error = error.as_ref().map(|error| format!(" Trouble: {error}."));
    format!("Campaign {id} ({name}) is {state}{decision}.{}{}", action.unwrap_or_default(), error.unwrap_or_default())
}

const fn step(step: Step) -> &'static str {
    match step {
        Step::Requested => "requested",
        Step::Accepted => "accepted",
        Step::Confirmed => "confirmed",
        Step::Failed => "failed",
        Step::ObservedOnly => "observed only",
    }
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        complain("warning", warning);
    }
}
