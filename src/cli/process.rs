//! `process`: a tick now, or a forced activation or pause.

use super::confirm::Confirmation;
use super::order_report::{OrderReport, warn};
use super::progress::{Ticking, followed, waited};
use super::render::step_word;
use super::target::Target;
use super::{Arguments, CommandError};
use crate::control::{ProcessBody, Processed};
use crate::domain::money::Clicks;
use crate::domain::order::ForceKind;

pub(super) async fn process(
    arguments: &Arguments,
    target: &Target,
    force: Option<ForceKind>,
) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let order = target.ask(&client, async |id| client.process(id, ProcessBody { force }).await);
    let processed = waited(order, "TrafficStars' answers").await?;
    let report = of_processed(&processed);
    let said = force.map_or(report.said, |force| ordered(&processed, force));
    OrderReport { said, ..report }.print(arguments, &processed)?;
    // A forced action has succeeded here; an error of the last tick does not change that.
    if force.is_none() && processed.error.is_some() { Err(CommandError::InTrouble) } else { Ok(()) }
}

/// Processes every guarded campaign. Fails if one of them refuses or has an error; the others are processed all the
/// same.
pub(super) async fn process_all(
    arguments: &Arguments,
    force: Option<ForceKind>,
    sure: Confirmation,
) -> Result<(), CommandError> {
    let client = arguments.client()?;
    if let Some(force) = force
        && sure.is_asked()
    {
        let guarded = client.state().await?.campaigns.iter().filter(|campaign| campaign.actor.is_some()).count();
        let what = match force {
            ForceKind::Activate => "activated",
            ForceKind::Pause => "paused",
        };
        let guarded = Clicks(guarded as u64);
        sure.ask(&format!("All {guarded} guarded campaigns are {what} now, regardless of their spend and clicks."))?;
    }
    let mut ticking = Ticking::default();
    let order = client.process_all(ProcessBody { force });
    let all = followed(&client, order, |dump| ticking.line(dump)).await?;
    arguments.print(&all, || match all.as_slice() {
        [] => "No campaign is guarded.".to_owned(),
        all => {
            let said = |processed| force.map_or_else(|| sentence(processed), |force| ordered(processed, force));
            all.iter().map(said).collect::<Vec<_>>().join("\n")
        }
    })?;
    for processed in &all {
        let named = processed.warnings.iter().map(|warning| format!("campaign {}: {warning}", processed.id));
        warn(&named.collect::<Vec<_>>());
    }
    // A campaign without a state has refused. With a force, an error of the last tick is no failure.
    let failed = all.iter().filter(|processed| processed.state.is_none()).count();
    match force {
        Some(_) if failed == 0 => Ok(()),
        None if all.iter().all(|processed| processed.error.is_none()) => Ok(()),
        Some(ForceKind::Activate) => {
            Err(CommandError::NotEverywhere { failed, of: all.len() as u64, done: "activated" })
        }
        Some(ForceKind::Pause) => Err(CommandError::NotEverywhere { failed, of: all.len() as u64, done: "paused" }),
        None => Err(CommandError::InTrouble),
    }
}

/// Returns the result of a tick, in words.
pub(super) fn of_processed(processed: &Processed) -> OrderReport {
    let report = OrderReport::new(sentence(processed), processed.warnings.clone());
    OrderReport { is_problem: report.is_problem || processed.error.is_some(), ..report }
}

/// Returns the result of a forced action, in words: the action itself, not the decision of the tick.
fn ordered(processed: &Processed, force: ForceKind) -> String {
    let Processed { id, name, state, action, error, .. } = processed;
    if state.is_none() {
        return sentence(processed);
    }
    let is = match force {
        ForceKind::Activate => "runs",
        ForceKind::Pause => "is paused",
    };
    let action = action.as_ref().map(|action| format!(" Last action: {} {}.", action.kind, step_word(action.step)));
    let error = error.as_ref().map(|error| format!(" Error: {error}."));
    format!("Campaign {id} ({name}) {is} as ordered.{}{}", action.unwrap_or_default(), error.unwrap_or_default())
}

fn sentence(processed: &Processed) -> String {
    let Processed { id, name, state, decision, action, error, .. } = processed;
    let Some(state) = state else {
        return format!("Campaign {id} ({name}): not done: {}.", error.as_deref().unwrap_or_default());
    };
    let decision = decision.as_ref().map(|decision| format!(": {decision}")).unwrap_or_default();
    let action = action.as_ref().map(|action| format!(" Last action: {} {}.", action.kind, step_word(action.step)));
    let error = error.as_ref().map(|error| format!(" Error: {error}."));
    format!("Campaign {id} ({name}) is {state}{decision}.{}{}", action.unwrap_or_default(), error.unwrap_or_default())
}
