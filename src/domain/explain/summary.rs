//! The answer in a sentence, what the state promises, and what a person should know first.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::words::verb;
use super::{ActionProgress, ActorBackoff, Case};
use crate::domain::action::{Action, ActionKind, Step, Trigger};
use crate::domain::decision_log::{Conclusion, PastDecision};
use crate::domain::lease::Leader;
use crate::domain::money::Clicks;
use crate::domain::phase::PhaseWord;
use crate::domain::remote::{RemoteStatus, StatusWord, StopCause};
use crate::domain::status::{CampaignStatus, Hold};
use crate::domain::text::{age, clock, date};

/// What a state promises.
pub(super) const fn meaning(state: PhaseWord) -> &'static str {
    match state {
        PhaseWord::Idle => "nothing is promised: it is watched, and left as it is until a rule fires",
        PhaseWord::ActiveGuarded => "it runs; if anybody stops it, it is started again",
        PhaseWord::PausedGuarded => "it is stopped; if anybody starts it, it is paused again",
        PhaseWord::CoolingDown => {
            "it was paused a moment ago and is kept stopped; spend and clicks decide nothing until the cool-down ends"
        }
    }
}

/// What is promised now: a hold and observe mode suspend what the state promises.
pub(super) fn promise(case: &Case<'_>) -> String {
    let meaning = meaning(case.status.state);
    match &case.status.ordered.hold {
        Some(hold) if hold.pause => "it is kept stopped while it is on hold".to_owned(),
        Some(_) => "none while it is on hold".to_owned(),
        None if case.observes() => format!("none in observe mode; in act mode it would be: {meaning}"),
        None if case.is_to_be_activated() => "it is to run, once its activation has come about".to_owned(),
        None => meaning.to_owned(),
    }
}

pub(super) fn of_the_unguarded(now: DateTime<Utc>, status: &CampaignStatus) -> String {
    if status.ordered.generator_enabled {
        return "Its generator is enabled, and its actor is not built yet: nothing is known of it.".to_owned();
    }
    let seen = status.observed.status.zip(status.observed.status_at).map(|(word, at)| {
        let was = match word {
            StatusWord::Running => "It ran",
            StatusWord::Stopped => "It was stopped",
            StatusWord::Blocked => "It was blocked at TrafficStars",
            StatusWord::Unknown => "Whether it ran could not be told",
        };
        format!(" {was}, as last seen {} ago.", age(at, now))
    });
    let seen = seen.unwrap_or_default();
    format!("Its generator is disabled: nobody looks whether it runs, and nothing is sent for it.{seen}")
}

pub(super) fn from_standby(leader: Option<&Leader>) -> String {
    let guarded = leader.map_or_else(
        || "nobody leads at the moment, so that nobody guards it".to_owned(),
        |leader| format!("the one on {} (pid {}) leads, guards it and can explain it", leader.host, leader.pid),
    );
    format!("This supervisor stands by: {guarded}. What is shown is what was stored.")
}

pub(super) fn of_the_dead(rest: Option<ActorBackoff>) -> String {
    let since = rest.map(|rest| format!(" since {}", clock(rest.since))).unwrap_or_default();
    format!("Nobody guards it{since}: its actor died. What is shown is what that actor knew last.")
}

pub(super) fn summary(case: &Case<'_>) -> String {
    if let Some(due_at) = case.overdue_since() {
        return format!(
            "It is not being guarded as it should: the tick that was due at {} has not ended. What is shown is what was \
             known before.",
            clock(due_at)
        );
    }
    let Some(judged) = &case.judged else {
        return "It has not been read yet since its actor was built.".to_owned();
    };
    let seen = match judged.status {
        RemoteStatus::Running => "It runs",
        RemoteStatus::Stopped(StopCause::SwitchedOff) => "It is stopped",
        RemoteStatus::Stopped(StopCause::EndTimePassed) => "It is stopped, since its end time has passed",
        RemoteStatus::Blocked { .. } => "It is blocked at TrafficStars",
        RemoteStatus::Unknown { .. } => "Whether it runs is not known",
    };
    if let Some((action, waits)) = case.snapshot.action.as_ref().zip(waits(case)) {
        let done = match action.kind {
            ActionKind::Activate => "to be activated",
            ActionKind::Pause => "to be paused",
            ActionKind::SetEndTime => "to get an end time",
        };
        // The end time of one that we paused has passed, too, and is not why it is stopped.
        let seen = if matches!(judged.status, RemoteStatus::Stopped(_)) { "It is stopped" } else { seen };
        return format!("{seen}, as last read, and is {done} since {}; {waits}.", clock(action.requested_at));
    }
    let is_stopped = matches!(judged.status, RemoteStatus::Stopped(_));
    match (own_pause(case).filter(|_| is_stopped), case.snapshot.decisions.first().map(Arc::as_ref)) {
        (Some(pause), Some(PastDecision { conclusion: Conclusion::Pause, .. }) | None) => {
            format!("It is stopped: {}.", paused(case, pause))
        }
        (Some(pause), Some(decision)) => {
            format!("It is stopped: {}. Last decision: {}.", paused(case, pause), decision.reason)
        }
        (None, Some(decision)) => format!("{seen}. Last decision: {}.", decision.reason),
        (None, None) => format!("{seen}. Nothing has been decided yet."),
    }
}

/// The pause of ours that keeps it stopped. It has set the end time, too, which then has passed.
fn own_pause<'a>(case: &Case<'a>) -> Option<&'a Action> {
    let is_promised = matches!(case.status.state, PhaseWord::PausedGuarded | PhaseWord::CoolingDown);
    let has_come_about = |action: &&Action| matches!(action.step, Step::Accepted | Step::Confirmed);
    let pause = case.snapshot.action.as_ref().filter(|action| is_promised && action.kind == ActionKind::Pause);
    // What was adopted since then was stopped by somebody else.
    let is_adopted_since = |pause: &Action| {
        let adopted = case.snapshot.decisions.iter().filter(|decision| decision.conclusion == Conclusion::Adopt);
        adopted.map(|decision| decision.last_at).any(|at| at > pause.requested_at)
    };
    pause.filter(has_come_about).filter(|pause| !is_adopted_since(pause))
}

/// Whose pause it was, when, and what was left then.
fn paused(case: &Case<'_>, pause: &Action) -> String {
    let who = match (&case.snapshot.action_by, pause.trigger) {
        (Some(by), _) => by.as_str(),
        (None, Trigger::Force | Trigger::Operator) => "an operator",
        (None, Trigger::Tick | Trigger::Guard | Trigger::Recovery) => "the guard",
    };
    let clicks = pause.remaining_clicks.map(|clicks| format!(", with {clicks} clicks left")).unwrap_or_default();
    format!("{who} paused it at {}{clicks}", date(pause.requested_at))
}

/// What the last action waits for, if it is not over.
fn waits(case: &Case<'_>) -> Option<String> {
    let remote = case.trafficstar;
    let limit = format!("the account's limit of {} requests a minute", remote.requests_per_minute);
    Some(match (case.snapshot.progress, case.turn()) {
        (ActionProgress::Settled, _) => return None,
        (ActionProgress::Unstored, _) => {
            "it waits for the database: nothing is started before it is written down".to_owned()
        }
        (ActionProgress::InFlight, Some(_)) if remote.blocked_until.is_some_and(|until| until > case.now) => {
            let until = remote.blocked_until.map(clock).unwrap_or_default();
            format!("it waits: TrafficStars has told us to send nothing until {until}")
        }
        (ActionProgress::InFlight, Some(turn)) => {
            let leaves = turn.leaves_about.map(|at| format!(", and it leaves about {}", clock(at))).unwrap_or_default();
            format!("it waits for its turn in {limit}: {} requests are before it{leaves}", Clicks(turn.before))
        }
        (ActionProgress::InFlight, None) => "it was sent, and TrafficStars has not answered yet".to_owned(),
        (ActionProgress::Postponed, _) => {
            let why = case.snapshot.action.as_ref().and_then(|action| action.error.as_deref()).unwrap_or(&limit);
            let by = remote.running_again_by.map(|by| format!("; all that wait have left about {}", clock(by)));
            format!("it waits: {why}; the next tick decides anew{}", by.unwrap_or_default())
        }
        (ActionProgress::Awaiting, _) => "no read has shown it yet".to_owned(),
    })
}

/// What a person should know before anything else.
pub(super) fn attention(case: &Case<'_>) -> Vec<String> {
    let (status, policy) = (case.status, &case.snapshot.policy);
    let high_spend = status.high_spend.then(|| {
        format!(
            "{limit} or more is spent today: it is left alone, running or stopped. The guard that stops it is released, \
             too: if it runs, it runs on, whatever its clicks, until its spend is below {limit} again, at midnight UTC \
             at the latest.",
            limit = policy.spend_limit
        )
    });
    let unguarded = case.snapshot.unguarded.as_ref().map(|unguarded| {
        let why = &unguarded.why;
        format!("Unguarded: it runs, and nothing pauses it: {why}. It spends money that nobody watches.")
    });
    let observe = case.observes().then(|| {
        "Observe mode: it is read and decided about as always, and nothing that changes anything is sent.".to_owned()
    });
    let contested = status.contested.then(|| {
        format!(
            "Contested: others changed it more than {} times within an hour. Somebody, or another program, works against \
             the guard.",
            policy.contested_after
        )
    });
    let is_enabled = status.ordered.generator_enabled;
    let hold = status.ordered.hold.as_ref().map(|hold| on_hold(hold, is_enabled));
    let blocked = status.blocked.as_ref().map(|reason| format!("Blocked, running it cannot help: {reason}."));
    let stands_still = case.snapshot.spend_unchanged_since.filter(|_| case.snapshot.spend_stands_still).map(|since| {
        format!(
            "Its spend stands still: it is the same since {}, although the campaign runs and its clicks go on. Check at \
             TrafficStars whether the campaign is being shown.",
            date(since)
        )
    });
    let owed = (case.snapshot.end_time_owed && case.snapshot.progress == ActionProgress::Settled)
        .then(|| "Its end time could not be set yet; it is tried again at every tick.".to_owned());
    let failed = case.snapshot.action.as_ref().filter(|action| action.step == Step::Failed).map(|action| {
        let error = action.error.as_deref().unwrap_or("TrafficStars does not say why");
        format!(
            "The last {} failed at {}: {error}.",
            verb(action.kind),
            date(action.failed_at.unwrap_or(action.requested_at))
        )
    });
    let disabling = case
        .snapshot
        .disabling
        .then(|| "Its generator is being disabled: nothing new is begun, and its promise ends.".to_owned());
    let all = [disabling, high_spend, unguarded, observe, contested, hold, blocked, failed, stands_still, owed];
    all.into_iter().flatten().collect()
}

/// A hold, and what comes of it: nobody keeps to it where the campaign is not guarded.
pub(super) fn on_hold(hold: &Hold, is_guarded: bool) -> String {
    let by = hold.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let until = hold.until.map_or_else(|| "released".to_owned(), date);
    let reason = hold.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let what = match (is_guarded, hold.pause) {
        (false, _) => "nobody keeps it so, since its generator is disabled",
        (true, true) => "it is kept paused, and nothing else is sent",
        (true, false) => "nothing is sent",
    };
    format!("On hold{by} since {}, until {until}{reason}: {what}.", date(hold.since))
}
