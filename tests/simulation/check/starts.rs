//! "What must hold always", 1 and 2: the facts and states on which no activation may begin.

use chrono::Duration;
use traffic_generator::domain::action::{ActionKind, Trigger};
use traffic_generator::domain::event::Event;
use traffic_generator::domain::phase::Phase;
use traffic_generator::domain::policy::HighSpend;

use super::judge::{self, ClickClass, Remote, SpendClass};
use super::shadow::{Facts, past_day_end};
use super::world::{Place, Sent, Step, World, serves};
use super::{Checker, Findings};

fn activation<'a>(step: &Step<'a>) -> Option<Sent<'a>> {
    step.sent().find(|sent| sent.request.kind == ActionKind::Activate)
}

/// Whether an operator ordered it, by the journal or by the order that waits.
fn is_forced(place: &Place<'_>, sent: &Sent<'_>) -> bool {
    let ordered = place.forced.as_ref().is_some_and(|forced| serves(forced.force, sent.request.kind));
    ordered && sent.entry.is_none_or(|entry| entry.trigger == Trigger::Force)
}

/// Rule 1: nothing is activated on an unknown status, spend, or clicks. A force may ignore spend and clicks.
pub(super) struct UnknownStartsNothing;

impl Checker for UnknownStartsNothing {
    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let (Some(place), Some(sent)) = (world.place(step.campaign), activation(step)) else { return };
        let mut report = |text: &str| {
            found.report("unknown-starts-nothing", sent.line, format!("campaign {}: {text}", step.campaign));
        };
        let Some(seen) = step.seen.filter(|_| matches!(step.event, Event::Observed { .. })) else {
            return report("activated without a read in the same tick");
        };
        let facts = Facts::of(seen, step.wall);
        if matches!(facts.remote, Remote::Unknown { .. }) {
            report("activated on an unknown status");
        }
        if is_forced(place, &sent) {
            return;
        }
        if facts.spend == SpendClass::Unknown {
            report("activated on an unknown spend");
        }
        if facts.clicks == ClickClass::Unknown {
            report("activated on unknown clicks");
        }
    }
}

/// `limit-starts-nothing`: from the spend limit on only the policies `guard` and `top-up` activate. A force may ignore the spend.
pub(super) struct LimitStartsNothing;

impl Checker for LimitStartsNothing {
    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let (Some(place), Some(sent)) = (world.place(step.campaign), activation(step)) else { return };
        let Some(seen) = step.seen.filter(|_| !is_forced(place, &sent)) else { return };
        let amount = judge::spend(seen, step.wall);
        let policy = &seen.policy;
        if !matches!(policy.high_spend, HighSpend::Guard | HighSpend::TopUp)
            && amount.is_some_and(|amount| amount >= policy.spend_limit)
        {
            let text = format!(
                "campaign {}: activated with a spend of {amount:?}, at or above its limit, under the policy {}",
                step.campaign, policy.high_spend
            );
            found.report("limit-starts-nothing", sent.line, text);
        }
    }
}

/// With clocks five minutes apart nothing is activated. Checked by the true time, if the clock was not set since the
/// tick began.
pub(super) struct FarClockStartsNothing;

/// The precision of the measured difference: `Date` has whole seconds, and an answer takes a while.
const MEASURED_WITHIN: Duration = Duration::seconds(20);

impl Checker for FarClockStartsNothing {
    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let (Some(place), Some(sent)) = (world.place(step.campaign), activation(step)) else { return };
        let apart = step.wall.signed_duration_since(step.at).abs();
        let since = place.observing.map(|question| question.line);
        if apart >= Duration::minutes(5) + MEASURED_WITHIN && since.is_some_and(|line| !world.clock_set_since(line)) {
            let text = format!("campaign {}: activated while the clocks are {apart} apart", step.campaign);
            found.report("far-clock-starts-nothing", sent.line, text);
        }
    }
}

/// Rule 2: nothing is activated during a cool-down, on hold, blocked, disabled, or from the day end to midnight.
pub(super) struct NothingStartedWhileHeldBack;

impl Checker for NothingStartedWhileHeldBack {
    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let (Some(place), Some(sent)) = (world.place(step.campaign), activation(step)) else { return };
        let mut report = |text: &str| {
            found.report("nothing-started-while-held-back", sent.line, format!("campaign {}: {text}", step.campaign));
        };
        let forced = is_forced(place, &sent);
        if matches!(place.phase, Phase::CoolingDown { until } if step.wall < until) {
            report("activated during its cool-down");
        }
        if let Some(hold) = place.holding(step.wall) {
            report(&format!("activated while on hold: {hold:?}"));
        }
        if step.seen.is_some_and(|seen| matches!(Facts::of(seen, step.wall).remote, Remote::Blocked { .. })) {
            report("activated while blocked");
        }
        if place.disabling && !forced {
            report("activated while its generator is being disabled");
        }
        if !place.lives {
            report("activated without an actor");
        }
        let policy = step.seen.map_or(&place.row.policy, |seen| &seen.policy);
        if past_day_end(policy, step.wall) {
            report("activated between the day end and midnight");
        }
    }
}
