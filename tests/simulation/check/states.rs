//! The cool-down, and the flags beside the state.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use traffic_generator::domain::action::{ActionKind, Outcome};
use traffic_generator::domain::event::{Effect, Event, Note};
use traffic_generator::domain::phase::Phase;
use traffic_generator::domain::policy::HighSpend;

use super::judge::{ClickClass, Remote, SpendClass};
use super::shadow::Facts;
use super::world::{Place, Step, World};
use super::{Checker, Findings};
use crate::model::log::{Line, What};

/// A cool-down begins with a pause and is stored with the request. It is moved once, when the answer comes. Another
/// pause makes it start anew, and nothing ends it before its time.
#[derive(Debug, Default)]
pub(super) struct CoolDown;

impl Checker for CoolDown {
    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        let pauses = step.sent().any(|sent| sent.request.kind == ActionKind::Pause) || answers_pause(place, step);
        let spans: Vec<Duration> = step
            .seen
            .map(|seen| &seen.policy)
            .into_iter()
            .chain(place.policies())
            .flat_map(|policy| {
                let top_up = (policy.high_spend == HighSpend::TopUp).then_some(policy.top_up_wait);
                [policy.cooldown].into_iter().chain(top_up)
            })
            .collect();
        // A cool-down never lasts longer from now than its length.
        let longest = spans.iter().max().map(|span| step.wall + *span);
        if let (Phase::CoolingDown { until }, Some(longest)) = (step.phase, longest)
            && until > longest
        {
            let text = format!("campaign {}: at {} its cool-down lasts until {until}", step.campaign, step.wall);
            found.report("cool-down-is-kept", step.line, text);
        }
        let top_up = is_top_up(place, step);
        let text = match (place.phase, step.phase) {
            // While the first top-up waits, a cool-down lasts as long, also if the campaign is seen stopped.
            (_, Phase::CoolingDown { .. }) if top_up => None,
            (Phase::CoolingDown { until }, Phase::CoolingDown { until: now }) if until == now && !pauses => None,
            // A cool-down never lasts longer from now than its length, so a clock that was set back shortens it.
            (Phase::CoolingDown { until }, Phase::CoolingDown { until: now })
                if now < until && spans.iter().any(|span| now == step.wall + *span) =>
            {
                None
            }
            (_, Phase::CoolingDown { until }) if pauses => {
                let from_now = spans.iter().any(|span| until == step.wall + *span);
                (!from_now).then(|| format!("a pause at {} begins a cool-down until {until}", step.wall))
            }
            (before, Phase::CoolingDown { until }) => {
                Some(format!("from {before:?} a cool-down until {until} begins without a pause"))
            }
            (before, after) if pauses => Some(format!("a pause leads from {before:?} to {after:?}")),
            (Phase::CoolingDown { until }, after) => (step.wall < until)
                .then(|| format!("the cool-down until {until} ends early, in {after:?} at {}", step.wall)),
            (_, _) => None,
        };
        if let Some(text) = text {
            found.report("cool-down-is-kept", step.line, format!("campaign {}: {text}", step.campaign));
        }
    }
}

/// Whether the machine may have decided by the policy `top-up`.
fn is_top_up(place: &Place<'_>, step: &Step<'_>) -> bool {
    let policies = step.seen.map(|seen| &seen.policy).into_iter().chain(place.policies());
    policies.into_iter().any(|policy| policy.high_spend == HighSpend::TopUp)
}

/// Whether this step is the answer to a pause, accepted or lost. Its cool-down counts from the answer.
fn answers_pause(place: &Place<'_>, step: &Step<'_>) -> bool {
    let in_flight = place.open().filter(|doing| doing.kind == ActionKind::Pause);
    let Event::Applied { action, outcome: Outcome::Accepted | Outcome::Unclear(_) } = step.event else { return false };
    in_flight.is_some_and(|doing| doing.id == *action && doing.stage == super::world::Stage::InFlight)
}

/// A campaign's flags as they were last reported.
#[derive(Debug, Clone, Copy, Default)]
struct Reported {
    high_on: Option<NaiveDate>,
    blocked: bool,
    unguarded: bool,
}

/// The flags `high_spend`, `blocked` and `unguarded` are kept up to date in every state, on hold or not.
#[derive(Debug, Default)]
pub(super) struct Flags {
    reported: BTreeMap<usize, Reported>,
}

impl Checker for Flags {
    fn line(&mut self, _world: &World<'_>, _index: usize, line: &Line, _found: &mut Findings) {
        match &line.what {
            What::Started { .. } | What::Crashed => self.reported.clear(),
            What::Gone { campaign } => {
                self.reported.remove(campaign);
            }
            _ => {}
        }
    }

    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let (Some(place), Some(seen)) = (world.place(step.campaign), step.seen) else { return };
        let asked = |question_id| place.observing.is_some_and(|question| question.question_id == question_id);
        if !matches!(step.event, Event::Observed { question_id, .. } if asked(*question_id)) {
            return;
        }
        let facts = Facts::of(seen, step.wall);
        let reported = self.reported.entry(step.campaign).or_default();
        let mut report = |checker: &'static str, text: &str| {
            found.report(checker, step.line, format!("campaign {}: {text} ({facts:?})", step.campaign));
        };
        check_high_spend(reported, facts, step, &mut report);
        let blocked = match facts.remote {
            Remote::Blocked { .. } => true,
            Remote::Unknown { .. } => reported.blocked,
            Remote::Stopped { .. } | Remote::Running => false,
        };
        let reports = step.has(|effect| matches!(effect, Effect::Note(Note::Blocked(_))));
        if blocked != reported.blocked && !reports {
            report("blocked-is-reported", if blocked { "it is blocked" } else { "it is no longer blocked" });
        }
        reported.blocked = blocked;
        // The policy `guard` goes on above the limit, so that the limit alone is no reason.
        let is_past_limit = matches!(facts.spend, SpendClass::Reached | SpendClass::Standstill);
        let costs = facts.clicks == ClickClass::UsedUp || is_past_limit;
        // No promise is in force once the generator is disabled.
        let is_disabled = step.has(|effect| matches!(effect, Effect::Disabled { .. }));
        let is_unguarded = match facts.remote {
            Remote::Running => costs,
            // A failed read says nothing new.
            Remote::Unknown { .. } => reported.unguarded,
            Remote::Stopped { .. } | Remote::Blocked { .. } => false,
        };
        let is_left_alone = place.holding(step.wall).is_some_and(|hold| !hold.pause);
        let unguarded = is_unguarded && (step.phase == Phase::Idle || is_left_alone) && !is_disabled;
        let reports = step.has(|effect| matches!(effect, Effect::Note(Note::Unguarded(_))));
        if !is_disabled && reports != (unguarded && !reported.unguarded) {
            report(
                "unguarded-is-reported",
                if reports { "the report is repeated or wrong" } else { "it is not reported" },
            );
        }
        reported.unguarded = unguarded;
    }
}

fn check_high_spend(
    reported: &mut Reported,
    facts: Facts,
    step: &Step<'_>,
    report: &mut impl FnMut(&'static str, &str),
) {
    let today = day(step.wall);
    reported.high_on = match facts.spend {
        // Under every policy.
        SpendClass::Reached | SpendClass::Above | SpendClass::Standstill => Some(today),
        SpendClass::Below => None,
        // Yesterday's mark ends with the day; within a day an unknown spend changes nothing.
        SpendClass::Unknown => reported.high_on.filter(|day| *day == today),
    };
    if step.high_spend != reported.high_on.is_some() {
        report("high-spend-is-marked", &format!("`high_spend` is {}", step.high_spend));
    }
}

fn day(wall: DateTime<Utc>) -> NaiveDate {
    wall.date_naive()
}
