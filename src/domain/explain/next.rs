//! What happens next: what the decision table would decide at the next tick if no fact changed until then.

use chrono::{DateTime, Utc};

use super::words::verb;
use super::{ActionProgress, ActorBackoff, Case, NextStep};
use crate::domain::action::ActionKind;
use crate::domain::calendar::midnight_after;
use crate::domain::decision::{Decision, Judgement, ReachedLimit, Row, SpendLevel, decide};
use crate::domain::money::Money;
use crate::domain::observation::Observation;
use crate::domain::phase::{Phase, PhaseWord};
use crate::domain::policy::{ClickThresholds, HighSpend, Policy};
use crate::domain::remote::RemoteStatus;
use crate::domain::spend::{Spend, SpendSource};
use crate::domain::status::CampaignStatus;
use crate::domain::text::{clock, date};
use crate::domain::timer::TimerKind;

fn step(at: Option<DateTime<Utc>>, then: impl Into<String>) -> NextStep {
    NextStep { at, then: then.into(), unless: Vec::new() }
}

pub(super) fn of_unguarded(status: &CampaignStatus) -> NextStep {
    if status.ordered.generator_enabled {
        return step(None, "its actor is built, and reads the campaign at once");
    }
    step(None, format!("nothing, until an operator enables it: `traffic-generator enable {}`", status.id))
}

pub(super) fn from_standby() -> NextStep {
    step(None, "nothing by this supervisor; if the leader fails, this one takes over within seconds")
}

pub(super) fn respawn(backoff: Option<ActorBackoff>) -> NextStep {
    step(
        backoff.map(|backoff| backoff.until),
        "its actor is respawned from the stored promise, reads the campaign at once, and keeps the promise",
    )
}

pub(super) fn next(case: &Case<'_>) -> NextStep {
    let tick_at = case.timer(TimerKind::NextTick);
    let handling = case.status.actor.as_ref().and_then(|actor| actor.handling.as_ref());
    if let Some(handling) = handling {
        let since = clock(handling.since);
        return step(None, format!("it is being read since {since}; the decision follows when all answers arrive"));
    }
    if case.overdue_since().is_some() {
        let then = "unknown: its actor does nothing. If that goes on, see the supervisor's log and restart it; \
                    no promise is lost";
        return step(None, then);
    }
    match case.snapshot.progress {
        ActionProgress::Unstored => return step(None, format!("the {} is sent as soon as it is stored", kind(case))),
        ActionProgress::InFlight => return step(case.turn().and_then(|turn| turn.leaves_about), in_flight(case)),
        ActionProgress::Awaiting => return step(case.timer(TimerKind::ReadBack), awaiting(case)),
        ActionProgress::Settled | ActionProgress::Postponed => {}
    }
    let Some(tick_at) = tick_at else {
        return step(None, "its promise ends as soon as no request is in flight; after that nothing is sent for it");
    };
    if case.status.ordered.hold.is_some() {
        return step(Some(tick_at), "it is read again; while it is on hold, nothing is decided about it");
    }
    let Some(observation) = case.observation else {
        return step(Some(tick_at), "it is read for the first time; then the decision follows");
    };
    if let Phase::CoolingDown { until } = case.snapshot.phase
        && tick_at < until
    {
        let then = format!(
            "it is read again, and paused again if somebody has started it; spend and clicks decide from {} on",
            clock(until)
        );
        return step(Some(tick_at), then);
    }
    if let Some(until) = case.timer(TimerKind::NotFoundPause).filter(|&until| until > tick_at) {
        let then = format!(
            "its clicks are read; TrafficStars has no such campaign, and is asked again at the first tick from {} on",
            clock(until)
        );
        return step(Some(tick_at), then);
    }
    predicted(case, observation, tick_at)
}

fn kind(case: &Case<'_>) -> &'static str {
    case.snapshot.action.as_ref().map_or("request", |action| verb(action.kind))
}

fn in_flight(case: &Case<'_>) -> String {
    let kind = kind(case);
    match case.turn() {
        Some(_) => format!("the {kind} is sent when its turn comes; then a read checks whether it took effect"),
        None => {
            format!("the answer of TrafficStars to the {kind} is awaited; then a read checks whether it took effect")
        }
    }
}

fn awaiting(case: &Case<'_>) -> String {
    let kind = case.snapshot.action.as_ref().map(|action| action.kind);
    let what = kind.map_or("request", verb);
    let deadline = case.timer(TimerKind::ConfirmBy).map(|at| format!(" by {}", clock(at))).unwrap_or_default();
    let otherwise = match kind {
        Some(ActionKind::Activate) => "it has failed, and is tried again after one minute or more",
        Some(ActionKind::Pause) => "it has failed, and is tried again at the next tick",
        Some(ActionKind::TopUp | ActionKind::DailyBudget) => {
            "it has failed, and is tried again after one minute or more"
        }
        Some(ActionKind::SetEndTime) | None => "it has failed",
    };
    format!("a read checks whether the {what} took effect; if not{deadline}, {otherwise}")
}

/// Returns what the table decides at `tick_at` if no fact changes until then.
fn predicted(case: &Case<'_>, observation: &Observation, tick_at: DateTime<Utc>) -> NextStep {
    let policy = &case.snapshot.policy;
    let mut observation = observation.clone();
    let new_day = observation.spend.as_ref().is_ok_and(|spend| spend.day < tick_at.date_naive());
    if new_day {
        let day = tick_at.date_naive();
        observation.spend = Ok(Spend { amount: Money::ZERO, source: SpendSource::None, day, at: tick_at });
    }
    let judged = case.snapshot.assessment.as_ref().map_or_else(
        || Judgement::new(&observation, policy, tick_at),
        |facts| facts.judged_with(&observation, tick_at, policy),
    );
    let phase = match case.snapshot.phase {
        // The cool-down has ended by then.
        Phase::CoolingDown { .. } => PhaseWord::PausedGuarded,
        phase @ (Phase::Idle | Phase::ActiveGuarded | Phase::PausedGuarded) => phase.word(),
    };
    let decision = decide(&judged, phase);
    let day = if new_day { "a new UTC day begins, and its spend starts at 0.00; " } else { "" };
    let cooled = if case.snapshot.phase.word() == PhaseWord::CoolingDown { "the cool-down ends; " } else { "" };
    let then = format!("{day}{cooled}it is read again; if nothing has changed until then, {}", {
        outcome(case, &judged, &decision, phase, tick_at)
    });
    NextStep { at: Some(tick_at), then, unless: unless(case, &judged, &decision) }
}

fn outcome(
    case: &Case<'_>,
    judged: &Judgement,
    decision: &Decision,
    phase: PhaseWord,
    tick_at: DateTime<Utc>,
) -> String {
    let is = if case.observes() { "it would be" } else { "it is" };
    match (decision.action, decision.next) {
        (Some(ActionKind::Activate), _) => match held_back(case, tick_at) {
            Some(why) => format!("it is not activated yet: {why}"),
            None => format!("{is} activated{}", not_sent(case)),
        },
        (Some(ActionKind::TopUp | ActionKind::DailyBudget), _) => format!("{is} topped up{}", not_sent(case)),
        (Some(ActionKind::Pause | ActionKind::SetEndTime), _) => format!("{is} paused{}", not_sent(case)),
        (None, Some(next)) if next != phase && !case.observes() => {
            format!("nothing is sent, and its state becomes {next}")
        }
        (None, _) => format!("nothing is sent: {}", as_it_should(decision.row, judged)),
    }
}

fn not_sent(case: &Case<'_>) -> &'static str {
    if case.observes() { "; observe mode sends nothing" } else { "" }
}

/// Returns why an activation waits at that time; `None` if it does not.
fn held_back(case: &Case<'_>, tick_at: DateTime<Utc>) -> Option<String> {
    let policy = &case.snapshot.policy;
    if policy.past_day_end(tick_at) {
        let midnight = midnight_after(tick_at);
        return Some(format!(
            "after the day end ({}) no activation is sent; the first tick of the new day, from {} on, activates it",
            policy.day_end,
            date(midnight)
        ));
    }
    let later = |kind| case.timer(kind).filter(|&until| until > tick_at);
    if let Some(until) = later(TimerKind::RunBackoff) {
        let until = clock(until);
        return Some(format!(
            "its last run failed; it is tried again from {until} on, or as soon as TrafficStars shows a change of it"
        ));
    }
    let until = later(TimerKind::ContestedBackoff).filter(|_| case.status.contested)?;
    Some(format!("it is contested; it is tried again from {} on", clock(until)))
}

fn as_it_should(row: Row, judged: &Judgement) -> String {
    match row {
        Row::Doubt => match &judged.status {
            RemoteStatus::Blocked { .. } => "TrafficStars will not run it".to_owned(),
            RemoteStatus::Unknown { .. } | RemoteStatus::Stopped(_) | RemoteStatus::Running => {
                "while its status is unknown, nothing is decided".to_owned()
            }
        },
        Row::HighSpend => "its spend limit is reached, so that it is left alone".to_owned(),
        Row::WaitToTopUp => "it is kept stopped until its budget is computed".to_owned(),
        Row::TopUpImpossible => "its spend limit is reached, and its budget cannot be raised".to_owned(),
        Row::StoppedAtLimit => "it is stopped as it should be at its spend limit".to_owned(),
        Row::SpendUnknown => "while its spend is unknown, it is not activated".to_owned(),
        Row::ClicksUnknown => "while its clicks are unknown, it is not activated".to_owned(),
        Row::AdoptRunning => "it runs as it should".to_owned(),
        Row::AdoptStopped => "it is stopped as it should".to_owned(),
        Row::Between => "its clicks are between the thresholds, and no promise is broken".to_owned(),
        Row::ClicksUsedUp
        | Row::GuardPauseInDoubt
        | Row::GuardPauseWithoutSpend
        | Row::GuardPauseWithoutClicks
        | Row::PauseAtLimit
        | Row::PauseToTopUp
        | Row::TopUp
        | Row::EnoughClicks
        | Row::GuardActivate
        | Row::GuardPause => "it is as it should be".to_owned(),
    }
}

/// Returns the conditions under which another row of the table would fit.
fn unless(case: &Case<'_>, judged: &Judgement, decision: &Decision) -> Vec<String> {
    let (policy, phase) = (&case.snapshot.policy, case.snapshot.phase.word());
    let ClickThresholds { activate, pause } = judged.thresholds;
    let running = judged.status == RemoteStatus::Running;
    if matches!(judged.status, RemoteStatus::Blocked { .. } | RemoteStatus::Unknown { .. }) {
        let plainly = "as soon as TrafficStars shows that it runs or is stopped, spend and clicks decide".to_owned();
        let is_paused_below =
            judged.status.may_run() && decision.action.is_none() && judged.at_limit() != Some(HighSpend::Observe);
        let paused =
            is_paused_below.then(|| format!("with {pause} clicks left or fewer it is paused, because it may run"));
        return paused.into_iter().chain([plainly]).collect();
    }
    match judged.at_limit() {
        Some(HighSpend::Observe | HighSpend::Pause) => {
            let below = match &judged.reached {
                Some(ReachedLimit::Shared(sum)) => {
                    format!("once the spend of {} is below {}", sum.sharers(), sum.spend_limit)
                }
                Some(ReachedLimit::Own(_)) | None => format!("below {}", policy.spend_limit),
            };
            return vec![format!("spend and clicks decide again {below}, at midnight UTC at the latest")];
        }
        Some(HighSpend::Guard | HighSpend::TopUp) | None => {}
    }
    let mut unless = Vec::new();
    if running && decision.action != Some(ActionKind::Pause) {
        unless.push(format!("with {pause} clicks left or fewer it is paused"));
    }
    if !running && decision.action.is_none() && judged.spend_level != SpendLevel::Unknown {
        unless.push(format!("with {activate} clicks left or more it is activated"));
    }
    match phase {
        PhaseWord::ActiveGuarded if running => {
            unless.push(format!("if somebody stops it, it is started again while more than {pause} clicks are left"));
        }
        PhaseWord::PausedGuarded if !running => {
            unless
                .push(format!("if somebody starts it, it is paused again while fewer than {activate} clicks are left"));
        }
        PhaseWord::Idle | PhaseWord::ActiveGuarded | PhaseWord::PausedGuarded | PhaseWord::CoolingDown => {}
    }
    if judged.spend.is_none_or(|spend| spend < policy.spend_limit) {
        unless.push(at_limit(&format!("{} is spent today", policy.spend_limit), policy.high_spend, policy));
    }
    for sum in judged.shared.iter().flatten().filter(|sum| !sum.is_reached()) {
        let reached = format!("{} is spent today by {}", sum.spend_limit, sum.sharers());
        unless.push(at_limit(&reached, sum.high_spend, policy));
    }
    if case.observes() {
        unless.push("observe mode sends nothing".to_owned());
    }
    unless
}

/// Returns what changes once a spend limit is reached, which `reached` says in words.
fn at_limit(reached: &str, high_spend: HighSpend, policy: &Policy) -> String {
    match high_spend {
        HighSpend::Observe => format!("once {reached}, the guard stops acting altogether, including pausing"),
        HighSpend::Guard => {
            let ClickThresholds { activate, pause } = policy.thresholds(Some(high_spend));
            format!("once {reached}, {activate} clicks left or more run it, and {pause} or fewer pause it")
        }
        HighSpend::Pause => format!("once {reached}, it is paused until midnight UTC"),
        HighSpend::TopUp => {
            format!("once {reached}, it is paused, its budget is raised for the clicks left, and it goes on")
        }
    }
}
