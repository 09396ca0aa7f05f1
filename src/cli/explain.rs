//! `explain`: why a campaign is (not) running, and what happens next, for a person at three in the morning.
//!
//! [`explanation`] is pure, and made of the API's answer alone: text and JSON say the same. All times are UTC.

use chrono::{DateTime, Utc};

use super::render::span;
use super::target::Target;
use super::{Arguments, CommandError};
use crate::domain::action::{Step, Trigger};
use crate::domain::decided::{Conclusion, PastDecision};
use crate::domain::explain::{
    ActionExplained, ClicksFact, EndTimeFact, Explanation, SpendFact, StatusFact, Thresholds,
};
use crate::domain::money::Clicks;
use crate::domain::spend::SpendSource;
use crate::domain::text::{clock, date};
use crate::domain::timer::{Timer, TimerKind};

pub(super) async fn explain(arguments: &Arguments, target: &Target) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let answer = target.ask(&client, async |id| client.explain(id).await).await?;
    arguments.print(&answer, || explanation(&answer))
}

/// An explanation as text: the answer first, then what it rests on.
#[must_use]
pub fn explanation(explanation: &Explanation) -> String {
    let now = explanation.at;
    let mut lines = vec![
        format!(
            "Campaign {} ({}), TrafficStars {}, at {} UTC",
            explanation.id,
            explanation.name,
            explanation.trafficstar_id,
            date(now)
        ),
        String::new(),
        explanation.summary.clone(),
    ];
    lines.extend(explanation.attention.iter().map(|line| format!("! {line}")));
    section(&mut lines, "Next", next(explanation));
    let promise = &explanation.promise;
    let since = format!("{} since {}: {}", promise.state, ago(promise.since, now), promise.meaning);
    section(&mut lines, "Promise", vec![since]);
    section(&mut lines, "Facts", facts(explanation));
    section(&mut lines, "Thresholds", explanation.thresholds.as_ref().map(thresholds).unwrap_or_default());
    section(&mut lines, "Timers", explanation.timers.iter().map(|running| timer(running, now)).collect());
    section(&mut lines, "Last action", explanation.action.as_ref().map(action).unwrap_or_default());
    section(&mut lines, "Last decisions", explanation.decisions.iter().map(decision).collect());
    lines.join("\n")
}

fn section(lines: &mut Vec<String>, title: &str, content: Vec<String>) {
    if content.is_empty() {
        return;
    }
    lines.extend([String::new(), title.to_owned()]);
    lines.extend(content.into_iter().map(|line| format!("  {line}")));
}

fn next(explanation: &Explanation) -> Vec<String> {
    let next = &explanation.next;
    let then = match next.at {
        Some(at) => format!("{}: {}", when(at, explanation.at), next.then),
        None => next.then.clone(),
    };
    std::iter::once(then).chain(next.unless.iter().map(|unless| format!("- {unless}"))).collect()
}

fn facts(explanation: &Explanation) -> Vec<String> {
    let now = explanation.at;
    let facts = &explanation.facts;
    let lines = [
        status(&facts.status, now),
        end_time(&facts.end_time, now),
        spend(&facts.spend, now),
        clicks(&facts.clicks, now),
    ];
    lines.into_iter().flatten().collect()
}

fn status(fact: &StatusFact, now: DateTime<Utc>) -> Option<String> {
    let judged = fact.judged?;
    let said = [
        ("status", fact.remote_status.clone()),
        ("active", fact.remote_active.map(|active| active.to_string())),
        ("approved", fact.remote_approved.clone()),
        ("stopped", fact.remote_stopped.clone()),
    ];
    let said: Vec<String> = said.into_iter().filter_map(|(field, value)| Some(format!("{field} {}", value?))).collect();
    let said = if said.is_empty() { String::new() } else { format!("; TrafficStars says: {}", said.join(", ")) };
    let reason = fact.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
    let unknown = fact.unknown_since.map(|at| format!("; not known since {}", ago(at, now))).unwrap_or_default();
    Some(format!("status     {}{reason}{said}{}{unknown}", judged.as_str(), read_at(fact.at, now)))
}

fn end_time(fact: &EndTimeFact, now: DateTime<Utc>) -> Option<String> {
    let owed = if fact.owed { "; still to be set by the guard" } else { "" };
    let end = match fact.end_time {
        Some(at) if at <= now => format!("{}, which has passed", date(at)),
        Some(at) => format!("{}, in {}", date(at), span(now, at)),
        None if fact.unset => "none".to_owned(),
        None if fact.owed => "unknown".to_owned(),
        None => return None,
    };
    Some(format!("end time   {end}{owed}{}", read_at(fact.at, now)))
}

fn spend(fact: &SpendFact, now: DateTime<Utc>) -> Option<String> {
    let doubt = fact.doubt.as_ref();
    let Some((amount, source)) = fact.amount.zip(fact.source) else {
        return doubt.map(|doubt| format!("spend      unknown: {doubt}"));
    };
    let source = match source {
        SpendSource::Campaign => "from the campaign itself",
        SpendSource::Report => "from the reports",
        SpendSource::Database => "stored earlier, since TrafficStars could not tell",
        SpendSource::None => "every source answered, and none has a value",
    };
    let doubt = doubt.map(|doubt| format!("; {doubt}")).unwrap_or_default();
    let unchanged = fact.unchanged_since.filter(|since| *since < now);
    let unchanged = unchanged.map(|since| format!("; unchanged since {}", ago(since, now))).unwrap_or_default();
    Some(format!("spend      {amount}, {source}{}{doubt}{unchanged}", read_at(fact.at, now)))
}

fn clicks(fact: &ClicksFact, now: DateTime<Utc>) -> Option<String> {
    let since = fact.unknown_since.map(|at| format!(", since {}", ago(at, now))).unwrap_or_default();
    match (fact.remaining, &fact.doubt) {
        (Some(remaining), None) => {
            Some(format!("clicks     {remaining} left, from the database{}", read_at(fact.at, now)))
        }
        (Some(remaining), Some(doubt)) => {
            Some(format!("clicks     {remaining} counted, in doubt: {doubt}{since}{}", read_at(fact.at, now)))
        }
        (None, Some(doubt)) => Some(format!("clicks     unknown: {doubt}{since}")),
        (None, None) => None,
    }
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
        format!("left alone  from {} spent today on: {money}", thresholds.spend_limit),
    ]
}

fn timer(timer: &Timer, now: DateTime<Utc>) -> String {
    let what = match timer.kind {
        TimerKind::NextTick => "next tick: it is read again",
        TimerKind::CoolDownEnd => "the cool-down ends",
        TimerKind::ReadBack => "read-back of the last action",
        TimerKind::ConfirmBy => "the last action has failed unless a read shows it by then",
        TimerKind::RunBackoff => "a run that failed is tried again",
        TimerKind::ContestedBackoff => "contested: it may be activated again",
        TimerKind::NotFoundPause => "it is gone at TrafficStars (404): it is asked for again",
        TimerKind::ContestedEnd => "contested no more, unless others change it again",
        TimerKind::DayEnd => "day end: activations end, and none is sent until midnight",
        TimerKind::Midnight => "midnight: a new spend, and activations again",
        TimerKind::HoldEnd => "the hold ends",
        TimerKind::Rebirth => "its actor is built anew",
    };
    format!("{}: {what}", when(timer.at, now))
}

fn action(action: &ActionExplained) -> Vec<String> {
    let trigger = match action.trigger {
        Trigger::Tick => "by a tick",
        Trigger::Guard => "by the guard, against somebody's change",
        Trigger::Operator => "by an operator's order",
        Trigger::Force => "forced by an operator",
        Trigger::Recovery => "to finish what was left over",
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
    };
    let times = if decision.times > 1 {
        format!(" ({} times since {})", Clicks(decision.times), clock(decision.since))
    } else {
        String::new()
    };
    // The reason is the last time's, with that time's numbers.
    format!("{} {what}: {}{times}", date(decision.last_at), decision.reason)
}

fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ({} ago)", date(at), span(at, now))
}

fn when(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let written = if at.date_naive() == now.date_naive() { clock(at) } else { date(at) };
    if at <= now { format!("{written} (due)") } else { format!("{written} (in {})", span(now, at)) }
}

fn read_at(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
    at.map(|at| format!(" ({}, {} ago)", clock(at), span(at, now))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn example() -> Explanation {
        let at = |time: &str| format!("2026-11-22T{time}Z");
        let explanation = json!({
            "id": 1, "name": "Autumn", "trafficstar_id": 995_224, "at": at("12:03:10"),
            "summary": "It is stopped. Last decision: 16,000 clicks left.",
            "promise": {
                "state": "active-guarded", "since": at("12:00:00"),
                "meaning": "it runs; if anybody stops it, it is started again",
            },
            "attention": ["The last activation failed."],
            "facts": {
                "status": {
                    "judged": "stopped", "reason": "it is switched off", "remote_status": "paused",
                    "remote_active": false, "remote_approved": "approved", "at": at("12:03:00"),
                },
                "end_time": {"end_time": at("23:59:00"), "unset": false, "owed": false, "at": at("12:03:00")},
                "spend": {"doubt": "the report: 502"},
                "clicks": {"remaining": 16_000, "at": at("12:03:00")},
            },
            "thresholds": {
                "pause_clicks": 5_000, "clicks_to_pause": 11_000, "activate_clicks": 15_000, "clicks_to_activation": 0,
                "spend_limit": "10.00",
            },
            "timers": [{"kind": "next-tick", "at": at("12:04:00")}],
            "decisions": [{
                "conclusion": "held-back", "reason": "16,000 clicks left", "since": at("12:01:00"),
                "last_at": at("12:03:00"), "times": 3,
            }],
            "action": {
                "kind": "activate", "trigger": "tick", "reason": "enough clicks", "step": "failed",
                "requested_at": at("12:00:00"), "failed_at": at("12:00:01"), "error": "TrafficStars answered 500",
            },
            "next": {
                "at": at("12:04:00"), "then": "it is read again",
                "unless": ["with 5,000 clicks left or fewer it is paused"],
            },
        });
        serde_json::from_value(explanation).unwrap()
    }

    #[test]
    fn the_answer_comes_first_and_every_part_has_its_section() {
        let expected = "\
Campaign 1 (Autumn), TrafficStars 995224, at 2026-11-22 12:03:10 UTC

It is stopped. Last decision: 16,000 clicks left.
! The last activation failed.

Next
  12:04:00 (in 50s): it is read again
  - with 5,000 clicks left or fewer it is paused

Promise
  active-guarded since 2026-11-22 12:00:00 (3m 10s ago): it runs; if anybody stops it, it is started again

Facts
  status     stopped, it is switched off; TrafficStars says: status paused, active false, approved approved (12:03:00, 10s ago)
  end time   2026-11-22 23:59:00, in 11h 55m 50s (12:03:00, 10s ago)
  spend      unknown: the report: 502
  clicks     16,000 left, from the database (12:03:00, 10s ago)

Thresholds
  pause       at 5,000 clicks or fewer: 11,000 to go
  activation  at 15,000 clicks or more: reached
  left alone  from 10.00 spent today on: the distance is unknown

Timers
  12:04:00 (in 50s): next tick: it is read again

Last action
  activate by a tick: enough clicks
  2026-11-22 12:00:00 requested
  2026-11-22 12:00:01 failed
  error: TrafficStars answered 500

Last decisions
  2026-11-22 12:03:00 hold back: 16,000 clicks left (3 times since 12:01:00)";
        assert_eq!(explanation(&example()), expected);
    }

    #[test]
    fn text_is_made_of_what_json_says() {
        let json = serde_json::to_string(&example()).unwrap();
        let read: Explanation = serde_json::from_str(&json).unwrap();
        assert_eq!(explanation(&read), explanation(&example()));
    }
}
