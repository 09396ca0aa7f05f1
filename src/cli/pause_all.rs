//! `pause-all`, with a supervisor or without one (`--direct`), and `release-all`.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::confirm::Confirmation;
use super::order_report::OrderReport;
use super::progress::{Pausing, followed, running_in_words};
use super::{Arguments, CommandError};
use crate::clock::Clock;
use crate::config::process_environment;
use crate::control::client::ClientError;
use crate::control::{HeldAll, HoldBody, NotPaused, OutlookOfAll, Released};
use crate::daemon;
use crate::daemon::direct::PausedAll;
use crate::domain::money::Clicks;
use crate::domain::status::{Dump, Hold};
use crate::domain::text::cut;
use crate::operator;
use crate::printable::printable;

pub(super) async fn pause_all(arguments: &Arguments, reason: &str, sure: Confirmation) -> Result<(), CommandError> {
    let client = arguments.client()?;
    if sure.is_asked()
        && let Ok(dump) = client.state().await
    {
        let running = running_in_words(&dump);
        sure.ask(&format!("All campaigns are paused and stay paused until `release-all`: {running}."))?;
    }
    let body = pause_of_all(reason);
    let mut pausing = Pausing::default();
    match followed(&client, client.hold_all(&body), |dump| Some(pausing.line(dump))).await {
        Ok(held) => report_pause_of_all(arguments, &held, Keeper::Supervisor),
        Err(CommandError::Client(ClientError::NoSupervisor(socket))) => Err(CommandError::NothingPaused(socket)),
        Err(other) => Err(other),
    }
}

/// The supervisor that keeps the campaigns paused after `pause-all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeper {
    /// A running supervisor.
    Supervisor,
    /// The supervisor that is started next: it reads the hold from the database.
    NextSupervisor,
    /// No supervisor, since the hold could not be stored.
    NoSupervisor,
}

/// Returns the order of `pause-all`: a hold on all campaigns that also pauses them.
pub(super) fn pause_of_all(reason: &str) -> HoldBody {
    HoldBody { reason: Some(reason.to_owned()), pause: true, ..HoldBody::default() }
}

/// Carries out `pause-all --direct`, without a supervisor. `daemon::direct` has a runtime of its own.
pub(super) fn pause_all_direct(arguments: &Arguments, reason: &str, sure: Confirmation) -> Result<(), CommandError> {
    sure.ask("All campaigns of the database are paused, and are on hold until `release-all`.")?;
    let config = arguments.load_config()?;
    let api_key = config.api_key(&process_environment())?;
    let PausedAll { held, is_hold_stored, is_left_to_supervisor } =
        daemon::direct::pause_all(&config, api_key, hold_of_mine(reason, Clock::system().now()))?;
    let keeper = match (is_left_to_supervisor, is_hold_stored) {
        (true, _) => Keeper::Supervisor,
        (false, true) => Keeper::NextSupervisor,
        (false, false) => Keeper::NoSupervisor,
    };
    report_pause_of_all(arguments, &held, keeper)
}

/// Prints the result. Fails if at least one campaign was not paused; the others are paused all the same.
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
        (looks > 1).then(|| "waiting for the database to store the release…".to_owned())
    };
    let released = followed(&client, client.release_all(), waits).await?;
    // The dump is used for the time of the last start only: without it the release has succeeded all the same.
    let dump = client.state().await.ok();
    of_released_all(&released, dump.as_ref()).print(arguments, &released)
}

/// Returns what the campaigns do after the release, in words. Kinds without a campaign are left out.
fn outlook_in_words(outlook: &OutlookOfAll, dump: Option<&Dump>) -> String {
    let OutlookOfAll { start, run, limit_reached, stay_stopped, left_alone, unknown, not_guarded } = *outlook;
    let last = dump.and_then(|dump| last_start(start, dump)).unwrap_or_default();
    let kinds = [
        (start, "starts again", "start again", last.as_str()),
        (run, "runs", "run", ""),
        (limit_reached, "stays stopped: its spend limit is reached", "stay stopped: their spend limit is reached", ""),
        (stay_stopped, "stays stopped: too few clicks are left", "stay stopped: too few clicks are left", ""),
        (left_alone, "stays on hold or in observe mode", "stay on hold or in observe mode", ""),
        (unknown, "has an unknown status or is blocked", "have an unknown status or are blocked", ""),
        (not_guarded, "is not guarded and not started", "are not guarded and not started", ""),
    ];
    let sentences = kinds.into_iter().filter(|(number, ..)| *number > 0).map(|(number, one, many, more)| {
        let what = if number == 1 { one } else { many };
        format!("{} {what}{more}.", Clicks(number))
    });
    let sentences: Vec<String> = sentences.collect();
    if sentences.is_empty() { String::new() } else { format!("\n{}", sentences.join(" ")) }
}

/// Returns about when the last of `start` campaigns runs again, or `None` if that takes at most a minute. Each start
/// takes a request.
fn last_start(start: u64, dump: &Dump) -> Option<String> {
    let now = dump.captured_at;
    let cooled = dump.campaigns.iter().filter_map(|campaign| campaign.cooling_down_until).max();
    let per_minute = dump.trafficstar.requests_per_minute;
    let sending = i64::try_from(start.saturating_mul(60).checked_div(u64::from(per_minute))?).ok()?;
    let last = cooled.map_or(now, |cooled| cooled.max(now)) + TimeDelta::try_seconds(sending)?;
    let takes_long = start > 0 && last.signed_duration_since(now) > TimeDelta::minutes(1);
    takes_long.then(|| format!(", the last about {} UTC ({per_minute} requests a minute)", last.format("%H:%M")))
}

/// Returns the hold for `--direct`. Without a supervisor this command itself adds the operator and the time.
fn hold_of_mine(reason: &str, now: DateTime<Utc>) -> Hold {
    Hold {
        reason: Some(printable(&cut(reason))),
        since: now.trunc_subsecs(6),
        until: None,
        by: Some(operator::myself()),
        pause: true,
    }
}

/// Returns the result of `release-all`, in words, and what the campaigns do next.
pub(super) fn of_released_all(Released { released, outlook, .. }: &Released, dump: Option<&Dump>) -> OrderReport {
    let said = match released {
        Some(hold) => {
            let outlook = outlook.as_ref().map(|outlook| outlook_in_words(outlook, dump)).unwrap_or_default();
            format!("All campaigns are released: they were on hold {}.{outlook}", hold.in_words())
        }
        None => "There was no hold on all campaigns.".to_owned(),
    };
    OrderReport::new(said, Vec::new())
}

/// Returns the result of `pause-all`, in words. It says that campaigns stay paused only if a supervisor keeps them
/// paused.
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
            let observed = if *observed_only > 0 { " Campaigns in observe mode are sent nothing." } else { "" };
            format!("{on_hold}{stopped} A campaign that starts again is paused again, until `release-all`.{observed}")
        }
        Keeper::NextSupervisor => format!(
            "{on_hold}{stopped} No supervisor is running: a campaign that is started now is NOT paused again. Start \
             the supervisor: `traffic-generator run`."
        ),
        Keeper::NoSupervisor => format!(
            "{stopped} The hold could not be stored: a supervisor may activate the campaigns again. Repeat this \
             command when the database can be written."
        ),
    };
    let not_paused = not_paused
        .iter()
        .map(|NotPaused { id, name, reason }| format!("campaign {id} ({name}) was not paused: {reason}"));
    OrderReport::new(said, warnings.iter().cloned().chain(not_paused).collect())
}
