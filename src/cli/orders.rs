//! `process`, `hold` and `release`, `pause-all` and `release-all`.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::Serialize;

use super::confirm::Confirmation;
use super::progress::{Pausing, Ticking, followed, running_in_words, waited};
use super::render::step_word;
use super::target::Target;
use super::{Arguments, CommandError, complain};
use crate::clock::Clock;
use crate::config::process_environment;
use crate::control::client::ClientError;
use crate::control::{Held, HeldAll, HoldBody, NotPaused, OutlookOfAll, ProcessBody, Processed, Released};
use crate::daemon;
use crate::daemon::direct::PausedAll;
use crate::domain::ids::CampaignId;
use crate::domain::money::Clicks;
use crate::domain::order::ForceKind;
use crate::domain::status::{Dump, Hold};
use crate::domain::text::cut;
use crate::operator;
use crate::printable::printable;

/// What came of an order, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OrderReport {
    /// What was done.
    pub(super) said: String,
    /// What the operator should know besides.
    pub(super) warnings: Vec<String>,
    /// Whether it did not go as asked, or will not stay so.
    pub(super) is_problem: bool,
}

impl OrderReport {
    pub(super) fn new(said: String, warnings: Vec<String>) -> Self {
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
    let order = target.ask(&client, async |id| client.process(id, ProcessBody { force }).await);
    let processed = waited(order, "TrafficStars' answers").await?;
    let told = of_processed(&processed);
    let said = force.map_or(told.said, |force| ordered(&processed, force));
    OrderReport { said, ..told }.print(arguments, &processed)?;
    // What an operator forced has come about, whatever the last tick's trouble was.
    if force.is_none() && processed.error.is_some() { Err(CommandError::InTrouble) } else { Ok(()) }
}

/// Fails where one of the campaigns refuses, or is in trouble: the others are processed all the same.
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
        sure.ask(&format!("All {guarded} guarded campaigns are {what} now, whatever their spend and clicks say."))?;
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
    // What an operator forced has come about, whatever the last tick's trouble was.
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

pub(super) async fn hold(arguments: &Arguments, target: &Target, body: &HoldBody) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let order = target.ask(&client, async |id| Ok((id, client.hold(id, body).await?)));
    let (id, held) = waited(order, "the hold to be as ordered").await?;
    of_held(id, &held).print(arguments, &held)?;
    held.not_paused.map_or(Ok(()), |why| Err(CommandError::NotPaused(why)))
}

pub(super) async fn release(arguments: &Arguments, target: &Target) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let (id, released) = target.ask(&client, async |id| Ok((id, client.release(id).await?))).await?;
    of_released(id, &released).print(arguments, &released)
}

pub(super) async fn pause_all(arguments: &Arguments, reason: &str, sure: Confirmation) -> Result<(), CommandError> {
    let client = arguments.client()?;
    if sure.is_asked()
        && let Ok(dump) = client.state().await
    {
        let running = running_in_words(&dump);
        sure.ask(&format!("All campaigns are paused, and stay so until `release-all`: {running}."))?;
    }
    let body = pause_of_all(reason);
    let mut pausing = Pausing::default();
    match followed(&client, client.hold_all(&body), |dump| Some(pausing.line(dump))).await {
        Ok(held) => report_pause_of_all(arguments, &held, Keeper::Supervisor),
        Err(CommandError::Client(ClientError::NoSupervisor(socket))) => Err(CommandError::NothingPaused(socket)),
        Err(other) => Err(other),
    }
}

/// Who keeps paused what a pause of everything has paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeper {
    /// A supervisor that lives.
    Supervisor,
    /// The next one, which finds the order in the database.
    Next,
    /// Nobody: the order could not be stored.
    Nobody,
}

/// A hold on all that does not pause would leave running what the operator wants stopped.
pub(super) fn pause_of_all(reason: &str) -> HoldBody {
    HoldBody { reason: Some(reason.to_owned()), pause: true, ..HoldBody::default() }
}

/// Without a supervisor, by a runtime of its own.
pub(super) fn pause_all_direct(arguments: &Arguments, reason: &str, sure: Confirmation) -> Result<(), CommandError> {
    sure.ask("All campaigns of the database are paused, and are on hold until `release-all`.")?;
    let config = arguments.load_config()?;
    let api_key = config.api_key(&process_environment())?;
    let PausedAll { held, is_hold_stored, is_left_to_the_living } =
        daemon::direct::pause_all(&config, api_key, hold_of_mine(reason, Clock::system().now()))?;
    let keeper = match (is_left_to_the_living, is_hold_stored) {
        (true, _) => Keeper::Supervisor,
        (false, true) => Keeper::Next,
        (false, false) => Keeper::Nobody,
    };
    report_pause_of_all(arguments, &held, keeper)
}

/// Fails where a campaign was not paused: the others are all the same.
fn report_pause_of_all(arguments: &Arguments, held: &HeldAll, keeper: Keeper) -> Result<(), CommandError> {
    of_held_all(held, keeper).print(arguments, held)?;
    match held.not_paused.len() {
        0 => Ok(()),
        failed => Err(CommandError::NotEverywhere { failed, of: held.campaigns, done: "paused" }),
    }
}

pub(super) async fn release_all(arguments: &Arguments) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let mut looks = 0;
    let waits = |_: &Dump| {
        looks += 1;
        (looks > 1).then(|| "waiting for the database to take the release…".to_owned())
    };
    let released = followed(&client, client.release_all(), waits).await?;
    // What it says of the time is worth no failure.
    let dump = client.state().await.ok();
    of_released_all(&released, dump.as_ref()).print(arguments, &released)
}

/// What becomes of all, in words; nothing is said of what there is none of.
fn foretold(outlook: &OutlookOfAll, dump: Option<&Dump>) -> String {
    let OutlookOfAll { start, run, limit_reached, stay_stopped, left_alone, unknown, not_guarded } = *outlook;
    let last = dump.and_then(|dump| last_start(start, dump)).unwrap_or_default();
    let told = [
        (start, "starts again", "start again", last.as_str()),
        (run, "runs", "run", ""),
        (limit_reached, "stays stopped: its spend limit is reached", "stay stopped: their spend limit is reached", ""),
        (stay_stopped, "stays stopped: too few clicks are left", "stay stopped: too few clicks are left", ""),
        (left_alone, "stays on hold, or is only observed", "stay on hold, or are only observed", ""),
        (unknown, "is unknown, or blocked", "are unknown, or blocked", ""),
        (not_guarded, "is not guarded: nobody starts it", "are not guarded: nobody starts them", ""),
    ];
    let told = told.into_iter().filter(|(number, ..)| *number > 0).map(|(number, one, many, more)| {
        let what = if number == 1 { one } else { many };
        format!("{} {what}{more}.", Clicks(number))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { String::new() } else { format!("\n{}", told.join(" ")) }
}

/// About when the last of so many has been started, where that takes more than a minute: each takes a request.
fn last_start(start: u64, dump: &Dump) -> Option<String> {
    let now = dump.captured_at;
    let cooled = dump.campaigns.iter().filter_map(|campaign| campaign.cooling_down_until).max();
    let per_minute = dump.trafficstar.requests_per_minute;
    let sending = i64::try_from(start.saturating_mul(60).checked_div(u64::from(per_minute))?).ok()?;
    let last = cooled.map_or(now, |cooled| cooled.max(now)) + TimeDelta::try_seconds(sending)?;
    let takes_long = start > 0 && last.signed_duration_since(now) > TimeDelta::minutes(1);
    takes_long.then(|| format!(", the last about {} UTC ({per_minute} requests a minute)", last.format("%H:%M")))
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
pub(super) fn of_processed(processed: &Processed) -> OrderReport {
    let told = OrderReport::new(sentence(processed), processed.warnings.clone());
    OrderReport { is_problem: told.is_problem || processed.error.is_some(), ..told }
}

/// What came of a hold.
pub(super) fn of_held(id: CampaignId, Held { hold, not_paused, replaced, warnings }: &Held) -> OrderReport {
    let kept = if hold.pause && not_paused.is_none() { ", and is kept paused" } else { "" };
    let replaced = replaced.as_ref().map(|before| format!(" This replaces its hold {}.", before.in_words()));
    let said = format!("Campaign {id} is on hold {}{kept}.{}", hold.in_words(), replaced.unwrap_or_default());
    let told = OrderReport::new(said, warnings.clone());
    OrderReport { is_problem: told.is_problem || not_paused.is_some(), ..told }
}

/// What came of a release.
pub(super) fn of_released(id: CampaignId, Released { released, still_on_hold, .. }: &Released) -> OrderReport {
    let said = match released {
        Some(hold) => format!("Campaign {id} is released: it was on hold {}.", hold.in_words()),
        None => format!("Campaign {id} has no hold of its own."),
    };
    let still = still_on_hold.iter();
    let warnings = still.map(|hold| format!("all campaigns are on hold {}: `release-all` ends that", hold.in_words()));
    OrderReport::new(said, warnings.collect())
}

/// What came of the release of all, and what becomes of them.
pub(super) fn of_released_all(Released { released, outlook, .. }: &Released, dump: Option<&Dump>) -> OrderReport {
    let said = match released {
        Some(hold) => {
            let outlook = outlook.as_ref().map(|outlook| foretold(outlook, dump)).unwrap_or_default();
            format!("All campaigns are released: they were on hold {}.{outlook}", hold.in_words())
        }
        None => "There was no hold on all campaigns.".to_owned(),
    };
    OrderReport::new(said, Vec::new())
}

/// What came of the pause of all. It promises what somebody keeps, and no more.
pub(super) fn of_held_all(held: &HeldAll, keeper: Keeper) -> OrderReport {
    let HeldAll { hold, campaigns, paused, stopped_already, observed_only, not_paused, warnings } = held;
    let stopped = match stopped_already {
        0 => format!("Paused now: {} of {}.", Clicks(*paused), Clicks(*campaigns)),
        already => {
            let were = if *already == 1 { "was" } else { "were" };
            format!("Paused {}; {} {were} stopped already.", Clicks(*paused), Clicks(*already))
        }
    };
    let on_hold = format!("All campaigns are on hold {}.\n", hold.in_words());
    let said = match keeper {
        Keeper::Supervisor if campaigns == observed_only && *campaigns > 0 => {
            format!("{on_hold}{stopped} All are in observe mode: nothing is sent, and nothing is kept paused.")
        }
        Keeper::Supervisor => {
            let others = if *observed_only > 0 { "Whatever else" } else { "Whatever" };
            format!("{on_hold}{stopped} {others} is seen running is paused again, until `release-all`.")
        }
        Keeper::Next => format!(
            "{on_hold}{stopped} No supervisor is running: what somebody starts now is NOT paused again. Start it: \
             `traffic-generator run`."
        ),
        Keeper::Nobody => format!(
            "{stopped} No hold could be stored: a supervisor may run them again. Give this command again when the database \
             can be written."
        ),
    };
    let not_paused = not_paused
        .iter()
        .map(|NotPaused { id, name, reason }| format!("campaign {id} ({name}) was not paused: {reason}"));
    OrderReport::new(said, warnings.iter().cloned().chain(not_paused).collect())
}

/// What came of a forced action: the order itself, whatever the tick beside it has said.
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
    let error = error.as_ref().map(|error| format!(" Trouble: {error}."));
    format!("Campaign {id} ({name}) {is} as ordered.{}{}", action.unwrap_or_default(), error.unwrap_or_default())
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
