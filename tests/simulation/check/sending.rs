//! What may be sent: in observe mode, on hold, once a generator is disabled, without a read, and to a campaign that is
//! already as wanted. And that every forced action is done or refused.

use chrono::{Duration, SubsecRound};
use traffic_generator::domain::action::ActionKind;
use traffic_generator::domain::event::{Effect, Event};
use traffic_generator::domain::order::{ForceFailure, ForceKind, OrderId};
use traffic_generator::domain::phase::Phase;
use traffic_generator::domain::policy::Mode;

use super::judge::{self, Remote};
use super::world::{Place, Sent, Step, World, serves};
use super::{Checker, Findings};

/// `observe-mode-sends-nothing`, `hold-sends-nothing`, `disabled-sends-nothing`, `read-in-the-same-tick`,
/// `undisturbed-costs-nothing`, `end-time-is-right`.
pub(super) struct Sending;

impl Checker for Sending {
    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        for sent in step.sent() {
            let forced = ordered(place, step, sent.request.kind);
            let context = Context { place, step, sent, forced };
            context.check_mode(found);
            context.check_hold(found);
            context.check_disabling(found);
            context.check_read(found);
            context.check_need(found);
            context.check_end_time(found);
        }
    }
}

/// Whether an order that has not ended demands it: one given before, or in this step.
fn ordered(place: &Place<'_>, step: &Step<'_>, kind: ActionKind) -> bool {
    let before = place.forced.as_ref().is_some_and(|forced| serves(forced.force, kind));
    before || matches!(step.event, Event::Force { force, .. } if serves(force, kind))
}

struct Context<'a, 'b> {
    place: &'b Place<'a>,
    step: &'b Step<'a>,
    sent: Sent<'a>,
    forced: bool,
}

impl Context<'_, '_> {
    fn report(&self, checker: &'static str, text: &str, found: &mut Findings) {
        let kind = self.sent.request.kind;
        found.report(checker, self.sent.line, format!("campaign {}: {kind} is sent, {text}", self.step.campaign));
    }

    /// In observe mode no request changes anything.
    fn check_mode(&self, found: &mut Findings) {
        let observes = match self.step.seen {
            Some(seen) => seen.policy.mode == Mode::Observe,
            None => self.place.policies().all(|policy| policy.mode == Mode::Observe),
        };
        if observes {
            self.report("observe-mode-sends-nothing", "in observe mode", found);
        }
    }

    /// A hold sends nothing; with `pause` it pauses and keeps paused. A forced pause is sent during any hold, and so is
    /// the pause of an order that disables the generator.
    fn check_hold(&self, found: &mut Findings) {
        let Some(hold) = self.place.holding(self.step.wall) else { return };
        let stops = self.sent.request.kind != ActionKind::Activate;
        if !(stops && (hold.pause || self.forced || self.pauses_to_disable())) {
            self.report("hold-sends-nothing", &format!("on hold: {hold:?}"), found);
        }
    }

    /// Whether this is the pause before the generator is disabled.
    fn pauses_to_disable(&self) -> bool {
        self.place.disabling && self.sent.request.kind == ActionKind::Pause
    }

    fn check_disabling(&self, found: &mut Findings) {
        if self.place.disabling && !self.pauses_to_disable() && !self.forced {
            self.report("disabled-sends-nothing", "while its generator is being disabled", found);
        }
    }

    /// Before every activation or pause, the status has been read in the same tick.
    fn check_read(&self, found: &mut Findings) {
        let pauses = self.sent.request.kind == ActionKind::Pause;
        let at_once = self.forced && pauses;
        let disables = self.pauses_to_disable() && matches!(self.step.event, Event::ReadBack { .. });
        let reads = self.step.seen.is_some_and(|seen| seen.sent_at.is_some()) || disables;
        if !reads && !at_once {
            self.report("read-in-the-same-tick", "without a read in the same tick", found);
        }
    }

    /// A campaign that is already as wanted gets no request, except from `pause-all`.
    fn check_need(&self, found: &mut Findings) {
        let Some(seen) = self.step.seen else { return };
        let remote = judge::remote(&seen.remote, self.step.wall);
        let needed = match self.sent.request.kind {
            ActionKind::Activate => remote.is_stopped(),
            ActionKind::Pause => remote.may_run() || self.forced,
            // A budget that stands there already needs no request.
            ActionKind::TopUp | ActionKind::DailyBudget => {
                seen.remote.as_ref().is_ok_and(|campaign| campaign.max_daily != Some(self.sent.request.max_daily))
            }
            ActionKind::SetEndTime => matches!(remote, Remote::Running | Remote::Stopped { by_end_time: false }),
        };
        if !needed {
            self.report("undisturbed-costs-nothing", &format!("to a campaign that is {remote:?}"), found);
        }
    }

    /// An activation sets the end time to the day end, a pause to now.
    fn check_end_time(&self, found: &mut Findings) {
        let wall = self.step.wall;
        let end_time = self.sent.request.end_time;
        let day_ends = || {
            let seen = self.step.seen.map(|seen| seen.policy.day_end);
            seen.into_iter().chain(self.place.policies().map(|policy| policy.day_end))
        };
        let is_day_end = || day_ends().any(|day_end| end_time == wall.date_naive().and_time(day_end).and_utc());
        let is_now = end_time == wall.trunc_subsecs(0) || (end_time <= wall && wall - end_time < Duration::seconds(1));
        let right = match self.sent.request.kind {
            ActionKind::Activate => is_day_end(),
            ActionKind::Pause => is_now,
            ActionKind::SetEndTime if self.step.phase == Phase::ActiveGuarded => is_day_end(),
            ActionKind::SetEndTime | ActionKind::TopUp | ActionKind::DailyBudget => is_now,
        };
        if !right {
            self.report("end-time-is-right", &format!("with the end time {end_time} at {wall}"), found);
        }
    }
}

/// `forced-is-done-or-refused`: a forced pause is always sent; a forced activation is sent or refused.
#[derive(Debug, Default)]
pub(super) struct Forced;

impl Checker for Forced {
    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        for (line, effect) in &step.effects {
            let Effect::ForceEnded { order, result } = effect else { continue };
            if let Some(text) = wrong_end(place, step, *order, result) {
                found.report("forced-is-done-or-refused", *line, format!("campaign {}: {text}", step.campaign));
            }
        }
    }
}

fn wrong_end(place: &Place<'_>, step: &Step<'_>, order: OrderId, result: &Result<(), ForceFailure>) -> Option<String> {
    let given = match step.event {
        Event::Force { order: given, force } if *given == order => Some((force.as_ref(), None)),
        _ => {
            let waiting = place.forced.as_ref().filter(|forced| forced.order == order);
            waiting.map(|forced| (forced.force, forced.action))
        }
    };
    let Some((force, action)) = given else { return Some("an order ends that no operator gave".to_owned()) };
    let observes = place.policies().any(|policy| policy.mode == Mode::Observe);
    let overtaken = matches!(step.event, Event::Force { order: newer, .. } if *newer != order);
    let may_refuse = place.disabling
        || observes
        || overtaken
        || matches!(step.event, Event::Disable { .. } | Event::DisableIfStopped);
    match (result, force.kind) {
        (Err(ForceFailure::NotNow { .. } | ForceFailure::ObserveMode), ForceKind::Pause) if !may_refuse => {
            Some("a forced pause is refused".to_owned())
        }
        (Err(ForceFailure::Failed(_)), _) if action.is_none() => {
            Some("a forced action fails that was never sent".to_owned())
        }
        (Ok(()), ForceKind::Activate) if action.is_none() => {
            let runs = step.seen.is_some_and(|seen| judge::remote(&seen.remote, step.wall) == Remote::Running);
            (!runs).then(|| "a forced activation succeeds, but was neither sent nor seen running".to_owned())
        }
        (Ok(()), ForceKind::Pause) if action.is_none() && !force.unless_stopped => {
            Some("a forced pause succeeds, but was never sent".to_owned())
        }
        _ => None,
    }
}
