//! The details of `explain --verbose`: the promise, the thresholds, the timers, the last action and the last decisions.

use chrono::{DateTime, Utc};
use ratatui::text::{Line, Span};

use crate::cli::draw::paper::Paper;
use crate::cli::draw::text::wrap;
use crate::cli::render::span;
use crate::domain::action::{Step, Trigger};
use crate::domain::decision_log::{Conclusion, PastDecision};
use crate::domain::explain::{ActionExplained, Explanation, Thresholds};
use crate::domain::money::Clicks;
use crate::domain::text::{clock, date};
use crate::domain::timer::{Timer, TimerKind};

/// Returns the sections that are not empty, each after an empty line.
pub(super) fn lines(explanation: &Explanation, Paper { width, theme }: Paper) -> Vec<Line<'static>> {
    let (now, promise) = (explanation.at, &explanation.promise);
    let since = format!("{} since {}: {}", promise.state, ago(promise.since, now), promise.meaning);
    let sections = [
        ("Promise", vec![since]),
        ("Thresholds", explanation.thresholds.as_ref().map(thresholds).unwrap_or_default()),
        ("Timers", explanation.timers.iter().map(|running| timer(running, now)).collect()),
        ("Last action", explanation.action.as_ref().map(action).unwrap_or_default()),
        ("Last decisions", explanation.decisions.iter().map(decision).collect()),
    ];
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(2));
    let mut lines = Vec::new();
    for (title, content) in sections.into_iter().filter(|(_, content)| !content.is_empty()) {
        lines.extend([Line::default(), Line::styled(title, theme.strong())]);
        let wrapped = content.iter().flat_map(|line| wrap(line, room));
        lines.extend(wrapped.map(|line| Line::from(vec![Span::raw("  "), Span::raw(line)])));
    }
    lines
}

fn thresholds(thresholds: &Thresholds) -> Vec<String> {
    let unknown = || "the distance is unknown".to_owned();
    let clicks = |distance: Option<Clicks>, to_go: &str| {
        distance.map_or_else(unknown, |distance| match distance {
            Clicks(0) => "reached".to_owned(),
            distance => format!("{distance} {to_go}"),
        })
    };
    let money = thresholds
        .spend_to_limit
        .map_or_else(unknown, |left| if left.micros() == 0 { "reached".to_owned() } else { format!("{left} to go") });
    vec![
        format!(
            "pause       at {} clicks or fewer: {}",
            thresholds.pause_clicks,
            clicks(thresholds.clicks_to_pause, "to go")
        ),
        format!(
            "activation  at {} clicks or more: {}",
            thresholds.activate_clicks,
            clicks(thresholds.clicks_to_activation, "missing")
        ),
        format!("spend limit at {} or more: {money}", thresholds.spend_limit),
    ]
}

fn timer(timer: &Timer, now: DateTime<Utc>) -> String {
    let what = match timer.kind {
        TimerKind::NextTick => "the next tick reads it again",
        TimerKind::CoolDownEnd => "the cool-down ends",
        TimerKind::ReadBack => "a read checks whether the last action took effect",
        TimerKind::ConfirmBy => "the last action fails, unless a read confirms it before",
        TimerKind::RunBackoff => "a failed activation is tried again",
        TimerKind::ContestedBackoff => "contested: it may be activated again",
        TimerKind::NotFoundPause => "it is gone at TrafficStars (404): it is read again",
        TimerKind::ContestedEnd => "no longer contested, unless it is changed from outside again",
        TimerKind::DayEnd => "day end: campaigns stop, and no activation is sent until midnight",
        TimerKind::Midnight => "midnight: the day's spend begins at 0, and activations are sent again",
        TimerKind::HoldEnd => "the hold ends",
        TimerKind::TopUp => "the budget is raised for the URLs that came later",
        TimerKind::Respawn => "its actor is respawned",
    };
    format!("{}: {what}", when(timer.at, now))
}

fn action(action: &ActionExplained) -> Vec<String> {
    let trigger = match action.trigger {
        Trigger::Tick => "by a tick",
        Trigger::Guard => "by the guard, to undo a change from outside",
        Trigger::Operator => "by an operator's order",
        Trigger::Force => "forced by an operator",
        Trigger::Recovery => "to finish an action after a restart",
    };
    let mut lines = vec![format!("{} {trigger}: {}", action.kind, action.reason)];
    let first = if action.step == Step::ObservedOnly { "decided, not sent: observe mode" } else { "requested" };
    let steps = [
        (first, Some(action.requested_at)),
        ("accepted by TrafficStars", action.accepted_at),
        ("confirmed by a read", action.confirmed_at),
        ("failed", action.failed_at),
    ];
    lines.extend(steps.into_iter().filter_map(|(step, at)| Some(format!("{} {step}", date(at?)))));
    let what = if action.step == Step::Superseded { "superseded" } else { "error" };
    lines.extend(action.error.as_ref().map(|error| format!("{what}: {error}")));
    lines
}

fn decision(decision: &PastDecision) -> String {
    let what = match decision.conclusion {
        Conclusion::Nothing => "nothing",
        Conclusion::Adopt => "adopt",
        Conclusion::Activate => "activate",
        Conclusion::Pause => "pause",
        Conclusion::HeldBack => "hold back",
        Conclusion::WouldActivate => "would activate",
        Conclusion::WouldPause => "would pause",
        Conclusion::SetBudget => "set budget",
        Conclusion::WouldSetBudget => "would set budget",
    };
    let times = if decision.times > 1 {
        format!(" ({} times since {})", Clicks(decision.times), clock(decision.since))
    } else {
        String::new()
    };
    // The reason is that of the last time, with its numbers.
    format!("{} {what}: {}{times}", date(decision.last_at), decision.reason)
}

pub(super) fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ({} ago)", date(at), span(at, now))
}

pub(super) fn when(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let written = if at.date_naive() == now.date_naive() { clock(at) } else { date(at) };
    if at <= now { format!("{written} (due)") } else { format!("{written} (in {})", span(now, at)) }
}
