//! `process`, `hold` and `release`, `pause-all` and `release-all`.

use chrono::{DateTime, SubsecRound, Utc};
use serde::Serialize;

use super::render::step_word;
use super::target::Target;
use super::{Arguments, CommandError, complain};
use crate::clock::Clock;
use crate::config::process_environment;
use crate::control::client::ClientError;
use crate::control::{Held, HeldAll, HoldBody, NotPaused, ProcessBody, Processed, Released};
use crate::daemon;
use crate::daemon::direct::Pressed;
use crate::domain::ids::CampaignId;
use crate::domain::order::ForceKind;
use crate::domain::status::Hold;
use crate::domain::text::cut;
use crate::operator;
use crate::printable::printable;

/// What came of an order, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// What was done.
    pub(super) said: String,
    /// What the operator should know besides.
    pub(super) warnings: Vec<String>,
    /// Whether it did not go as asked, or will not stay so.
    pub(super) is_problem: bool,
}

impl Told {
    fn new(said: String, warnings: Vec<String>) -> Self {
        let is_problem = !warnings.is_empty();
        Self { said, warnings, is_problem }
    }

    /// Prints the result as JSON, or what is said of it.
    fn print(self, arguments: &Arguments, result: &impl Serialize) -> Result<(), CommandError> {
        arguments.print(result, || self.said)?;
        warn(&self.warnings);
        Ok(())
    }
}

pub(super) async fn process(
    arguments: &Arguments,
    target: &Target,
    force: Option<ForceKind>,
) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let processed = target.ask(&client, async |id| client.process(id, ProcessBody { force }).await).await?;
    of_processed(&processed).print(arguments, &processed)
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

pub(super) async fn hold(arguments: &Arguments, target: &Target, body: &HoldBody) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let (id, held) = target.ask(&client, async |id| Ok((id, client.hold(id, body).await?))).await?;
    of_held(id, &held).print(arguments, &held)?;
    held.not_paused.map_or(Ok(()), |why| Err(CommandError::NotPaused(why)))
}

pub(super) async fn release(arguments: &Arguments, target: &Target) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let (id, released) = target.ask(&client, async |id| Ok((id, client.release(id).await?))).await?;
    of_released(id, &released).print(arguments, &released)
}

pub(super) async fn pause_all(arguments: &Arguments, reason: &str) -> Result<(), CommandError> {
    let held = arguments.client()?.hold_all(&pause_of_all(reason)).await;
    if let Err(ClientError::NoSupervisor(socket)) = held {
        return Err(CommandError::NothingPaused(socket));
    }
    let held = held?;
    report_pause_of_all(arguments, &held, true)
}

/// A hold on all that does not pause would leave running what the operator wants stopped.
pub(super) fn pause_of_all(reason: &str) -> HoldBody {
    HoldBody { reason: Some(reason.to_owned()), pause: true, ..HoldBody::default() }
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
    of_held_all(held, is_hold_stored).print(arguments, held)?;
    if held.not_paused.is_empty() { Ok(()) } else { Err(CommandError::NotEverywhere) }
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

/// What came of a tick.
pub(super) fn of_processed(processed: &Processed) -> Told {
    let told = Told::new(sentence(processed), processed.warnings.clone());
    Told { is_problem: told.is_problem || processed.error.is_some(), ..told }
}

/// What came of a hold.
pub(super) fn of_held(id: CampaignId, Held { hold, not_paused, warnings }: &Held) -> Told {
    let kept = if hold.pause && not_paused.is_none() { ", and is kept paused" } else { "" };
    let told = Told::new(format!("Campaign {id} is on hold {}{kept}.", hold.in_words()), warnings.clone());
    Told { is_problem: told.is_problem || not_paused.is_some(), ..told }
}

/// What came of a release.
pub(super) fn of_released(id: CampaignId, Released { released, still_on_hold }: &Released) -> Told {
    let said = match released {
        Some(hold) => format!("Campaign {id} is released: it was on hold {}.", hold.in_words()),
        None => format!("Campaign {id} was not on hold by itself."),
    };
    let still = still_on_hold.iter();
    let warnings = still.map(|hold| format!("all campaigns are on hold {}: `release-all` ends that", hold.in_words()));
    Told::new(said, warnings.collect())
}

/// What came of the pause of all.
pub(super) fn of_held_all(held: &HeldAll, is_hold_stored: bool) -> Told {
    let HeldAll { hold, campaigns, paused, not_paused, warnings } = held;
    let said = if is_hold_stored {
        format!(
            "All campaigns are on hold {}.\nPaused now: {paused} of {campaigns}. Whatever is seen running is paused again, \
             until `release-all`.",
            hold.in_words()
        )
    } else {
        format!(
            "Paused now: {paused} of {campaigns}. No hold could be stored: a supervisor may run them again. Give this \
             command again when the database can be written."
        )
    };
    let not_paused = not_paused
        .iter()
        .map(|NotPaused { id, name, reason }| format!("campaign {id} ({name}) was not paused: {reason}"));
    Told::new(said, warnings.iter().cloned().chain(not_paused).collect())
}

fn sentence(processed: &Processed) -> String {
    let Processed { id, name, state, decision, action, error, .. } = processed;
    let Some(state) = state else {
        return format!("Campaign {id} ({name}): not done: {}.", error.as_deref().unwrap_or_default());
    };
    let decision = decision.as_ref().map(|decision| format!(": {decision}")).unwrap_or_default();
    let action = action.as_ref().map(|action| format!(" Last action: {} {}.", action.kind, step_word(action.step)));
    let error = error.as_ref().map(|error| format!(" Trouble: {error}."));
    format!("Campaign {id} ({name}) is {state}{decision}.{}{}", action.unwrap_or_default(), error.unwrap_or_default())
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        complain("warning", warning);
    }
}
