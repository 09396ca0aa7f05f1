//! The summary in one sentence, what the state promises, and what operators should know first.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::words::verb;
use super::{ActionProgress, ActorBackoff, Case};
use crate::domain::action::{Action, ActionKind, Step, Trigger};
use crate::domain::decision::ReachedLimit;
use crate::domain::decision_log::{Conclusion, PastDecision};
use crate::domain::lease::Leader;
use crate::domain::money::Clicks;
use crate::domain::phase::PhaseWord;
use crate::domain::policy::{ClickThresholds, HighSpend};
use crate::domain::remote::{RemoteStatus, StatusWord, StopCause};
use crate::domain::status::{CampaignStatus, Hold};
use crate::domain::text::{age, clock, date};

/// Returns what a state promises.
pub(super) const fn meaning(state: PhaseWord) -> &'static str {
    match state {
        PhaseWord::Idle => "nothing is promised: the guard watches it, and does nothing until a rule applies",
        PhaseWord::ActiveGuarded => "it runs; if anybody else stops it, the guard starts it again",
        PhaseWord::PausedGuarded => "it is stopped; if anybody else starts it, the guard pauses it again",
        PhaseWord::CoolingDown => {
            "it was paused a moment ago and stays stopped; spend and clicks decide nothing until the cool-down ends"
        }
    }
}

/// Returns what is promised now. A hold and observe mode suspend what the state promises.
pub(super) fn promise(case: &Case<'_>) -> String {
    let meaning = meaning(case.status.state);
    match &case.status.ordered.hold {
        Some(hold) if hold.pause => "it stays stopped while it is on hold".to_owned(),
        Some(_) => "none while it is on hold".to_owned(),
        None if case.observes() => format!("none in observe mode; in act mode it would be: {meaning}"),
        None if case.is_to_be_activated() => "it runs, once its activation is confirmed".to_owned(),
        None => meaning.to_owned(),
    }
}

pub(super) fn of_unguarded(now: DateTime<Utc>, status: &CampaignStatus) -> String {
    if status.ordered.generator_enabled {
        return "Its generator is enabled, but its actor is not built yet: nothing is known about it.".to_owned();
    }
    let seen = status.observed.status.zip(status.observed.status_at).map(|(word, at)| {
        let was = match word {
            StatusWord::Running => "It ran",
            StatusWord::Stopped => "It was stopped",
            StatusWord::Blocked => "It was blocked at TrafficStars",
            StatusWord::Unknown => "Whether it ran was not known",
        };
        format!(" {was}, as last seen {} ago.", age(at, now))
    });
    let seen = seen.unwrap_or_default();
    format!("Its generator is disabled: nothing checks whether it runs, and nothing is sent for it.{seen}")
}

pub(super) fn from_standby(leader: Option<&Leader>) -> String {
    let guarded = leader.map_or_else(
        || "no supervisor leads at the moment, so that none guards it".to_owned(),
        |leader| format!("the one on {} (pid {}) leads, guards it and can explain it", leader.host, leader.pid),
    );
    format!("This supervisor is on standby: {guarded}. The facts shown here are those that were stored.")
}

pub(super) fn without_actor(backoff: Option<ActorBackoff>) -> String {
    let state = backoff.map_or_else(
        || "is not guarded".to_owned(),
        |backoff| format!("has not been guarded since {}", clock(backoff.since)),
    );
    format!("It {state}: its actor died and is respawned. The facts shown here are the last that the actor knew.")
}

pub(super) fn summary(case: &Case<'_>) -> String {
    if let Some(due_at) = case.overdue_since() {
        return format!(
            "It is not guarded as it should be: the tick that was due at {} has not ended. The facts shown here are \
             older.",
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
        RemoteStatus::Unknown { .. } => "Whether it runs is unknown",
    };
    if let Some((action, waits)) = case.snapshot.action.as_ref().zip(waits(case)) {
        let done = match action.kind {
            ActionKind::Activate => "to be activated",
            ActionKind::Pause => "to be paused",
            ActionKind::SetEndTime => "to get an end time",
            ActionKind::TopUp => "to be topped up",
            ActionKind::DailyBudget => "to get its first budget of the day",
        };
        // The end time of a campaign that we paused has passed, too, but is not the reason why it is stopped.
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

/// Returns our own pause that keeps the campaign stopped. It has set the end time, too, which has passed since then.
fn own_pause<'a>(case: &Case<'a>) -> Option<&'a Action> {
    let is_promised = matches!(case.status.state, PhaseWord::PausedGuarded | PhaseWord::CoolingDown);
    let has_succeeded = |action: &&Action| matches!(action.step, Step::Accepted | Step::Confirmed);
    let pause = case.snapshot.action.as_ref().filter(|action| is_promised && action.kind == ActionKind::Pause);
    // A campaign that was adopted since then was stopped by somebody else.
    let is_adopted_since = |pause: &Action| {
        let adopted = case.snapshot.decisions.iter().filter(|decision| decision.conclusion == Conclusion::Adopt);
        adopted.map(|decision| decision.last_at).any(|at| at > pause.requested_at)
    };
    pause.filter(has_succeeded).filter(|pause| !is_adopted_since(pause))
}

/// Returns who paused it, when, and how many clicks were left then.
fn paused(case: &Case<'_>, pause: &Action) -> String {
    let who = match (&case.snapshot.action_by, pause.trigger) {
        (Some(by), _) => by.as_str(),
        (None, Trigger::Force | Trigger::Operator) => "an operator",
        (None, Trigger::Tick | Trigger::Guard | Trigger::Recovery) => "the guard",
    };
    let clicks = pause.remaining_clicks.map(|clicks| format!(", with {clicks} clicks left")).unwrap_or_default();
    format!("{who} paused it at {}{clicks}", date(pause.requested_at))
}

/// Returns what the last action waits for; `None` if it is over.
fn waits(case: &Case<'_>) -> Option<String> {
    let remote = case.trafficstar;
    let limit = format!("the account's limit of {} requests a minute", remote.requests_per_minute);
    Some(match (case.snapshot.progress, case.turn()) {
        (ActionProgress::Settled, _) => return None,
        (ActionProgress::Unstored, _) => "it waits for the database: it is sent as soon as it is stored".to_owned(),
        (ActionProgress::InFlight, Some(_)) if remote.blocked_until.is_some_and(|until| until > case.now) => {
            let until = remote.blocked_until.map(clock).unwrap_or_default();
            format!("it waits: TrafficStars has asked us to send nothing until {until}")
        }
        (ActionProgress::InFlight, Some(turn)) => {
            let leaves = turn.leaves_about.map(|at| format!("; it is sent about {}", clock(at))).unwrap_or_default();
            format!("it waits for its turn within {limit}: {} requests are before it{leaves}", Clicks(turn.before))
        }
        (ActionProgress::InFlight, None) => "it was sent, and TrafficStars has not answered yet".to_owned(),
        (ActionProgress::Postponed, _) => {
            let why = case.snapshot.action.as_ref().and_then(|action| action.error.as_deref()).unwrap_or(&limit);
            let by = remote.running_again_by;
            let by = by.map(|by| format!("; all queued activations are sent by about {}", clock(by)));
            format!("it waits: {why}; the next tick decides again{}", by.unwrap_or_default())
        }
        (ActionProgress::Awaiting, _) => "no read has confirmed it yet".to_owned(),
    })
}

/// Returns the lines that operators should read first.
pub(super) fn attention(case: &Case<'_>) -> Vec<String> {
    let (status, policy) = (case.status, &case.snapshot.policy);
    let high_spend = status.high_spend.then(|| at_limit(case));
    let unguarded = case.snapshot.unguarded.as_ref().map(|unguarded| {
        let why = &unguarded.why;
        format!("Unguarded: it runs, and the guard does not pause it: {why}. It goes on spending money.")
    });
    let observe = case.observes().then(|| {
        "Observe mode: it is read and decided about as always, but no request that changes it is sent.".to_owned()
    });
    let contested = status.contested.then(|| {
        format!(
            "Contested: others changed it more than {} times within an hour. A person or another program works against \
             the guard.",
            policy.contested_after
        )
    });
    let is_enabled = status.ordered.generator_enabled;
    let hold = status.ordered.hold.as_ref().map(|hold| on_hold(hold, is_enabled));
    let blocked = status.blocked.as_ref().map(|reason| format!("Blocked, TrafficStars will not run it: {reason}."));
    let stands_still = case.snapshot.spend_unchanged_since.filter(|_| case.snapshot.spend_stands_still).map(|since| {
        format!(
            "Its spend has not changed since {}, although the campaign runs and its clicks are used. Check at \
             TrafficStars whether the campaign is being shown.",
            date(since)
        )
    });
    let owed = (case.snapshot.end_time_owed && case.snapshot.progress == ActionProgress::Settled)
        .then(|| "Its end time is not set yet; every tick tries again.".to_owned());
    let failed = case.snapshot.action.as_ref().filter(|action| action.step == Step::Failed).map(|action| {
        let error = action.error.as_deref().unwrap_or("TrafficStars gives no reason");
        format!(
            "The last {} failed at {}: {error}.",
            verb(action.kind),
            date(action.failed_at.unwrap_or(action.requested_at))
        )
    });
    let disabling = case
        .snapshot
        .disabling
        .then(|| "Its generator is being disabled: no new action begins, and its promise ends.".to_owned());
    let all = [disabling, high_spend, unguarded, observe, contested, hold, blocked, failed, stands_still, owed];
    all.into_iter().flatten().collect()
}

/// Returns what the guard does at the spend limit that is reached. While no limit is known to be reached, it was the
/// campaign's own.
fn at_limit(case: &Case<'_>) -> String {
    let policy = &case.snapshot.policy;
    let (spent, limit, its_spend, high_spend) = match case.judged.as_ref().and_then(|judged| judged.reached.as_ref()) {
        Some(ReachedLimit::Shared(sum)) => {
            let (limit, sharers) = (sum.spend_limit, sum.sharers());
            let spent = format!("{limit} or more is spent today by {sharers} ({sum})");
            (spent, limit, format!("the spend of {sharers}"), sum.high_spend)
        }
        Some(ReachedLimit::Own(_)) | None => {
            let limit = policy.spend_limit;
            (format!("{limit} or more is spent today"), limit, "its spend".to_owned(), policy.high_spend)
        }
    };
    let ClickThresholds { activate, pause } = policy.thresholds(Some(high_spend));
    match high_spend {
        HighSpend::Observe => format!(
            "{spent}: the guard leaves it alone, and does not pause it. If it runs, it keeps running, regardless of its \
             clicks. That ends when {its_spend} is below {limit} again: at midnight UTC at the latest."
        ),
        HighSpend::Guard => format!(
            "{spent}: the guard goes on by the remaining clicks. {activate} or more run it, and {pause} or fewer pause it."
        ),
        HighSpend::TopUp => format!(
            "{spent}: its daily budget is set by the clicks left, and the guard goes on by them. {activate} or more run \
             it, and {pause} or fewer pause it."
        ),
        HighSpend::Pause => format!(
            "{spent}: it is kept paused until {its_spend} is below {limit} again, at midnight UTC at the latest."
        ),
    }
}

/// Returns a line about a hold and its effect. On a campaign that is not guarded a hold has no effect.
pub(super) fn on_hold(hold: &Hold, is_guarded: bool) -> String {
    let by = hold.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let until = hold.until.map_or_else(|| "it is released".to_owned(), date);
    let reason = hold.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let what = match (is_guarded, hold.pause) {
        (false, _) => "it has no effect while its generator is disabled",
        (true, true) => "the campaign is kept paused, and nothing else is sent",
        (true, false) => "nothing is sent",
    };
    format!("On hold{by} since {}, until {until}{reason}: {what}.", date(hold.since))
}
