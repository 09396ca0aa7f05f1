//! Forced actions: an operator decides instead of the table. Afterwards the campaign is guarded as after any other
//! action.

use chrono::{DateTime, Utc};

use super::Machine;
use super::actions::Due;
use super::context::StepContext;
use super::disable::Disabling;
use super::invariants::{Broken, must};
use super::last_action::{Ending, LastAction};
use super::questions::Question;
use crate::domain::action::{Action, ActionId, ActionKind, Step};
use crate::domain::assessment::Assessment;
use crate::domain::calendar::midnight_after;
use crate::domain::clock_difference::ClockDifference;
use crate::domain::decision::{self, Judgement};
use crate::domain::decision_log::Conclusion;
use crate::domain::event::Effect;
use crate::domain::order::{Force, ForceFailure, ForceKind, OrderId};
use crate::domain::phase::{Phase, PhaseWord};
use crate::domain::policy::{Mode, Policy};
use crate::domain::remote::{RemoteStatus, StopCause};

/// A forced action that is not answered.
#[derive(Debug, Clone)]
pub(super) struct Forcing {
    order: OrderId,
    force: Force,
    stage: Stage,
}

/// The progress of a forced action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It waits for a tick that begins after the question with this number.
    AwaitTick { after: u64 },
    /// It is sent without a read, as soon as nothing is in flight.
    AtOnce,
    /// It was sent.
    Acting(ActionId),
}

impl Forcing {
    fn new(order: OrderId, force: Force, last_number: u64) -> Self {
        let at_once = force.kind == ForceKind::Pause && !force.unless_stopped;
        let stage = if at_once { Stage::AtOnce } else { Stage::AwaitTick { after: last_number } };
        Self { order, force, stage }
    }

    pub(super) const fn is_acting(&self) -> bool {
        matches!(self.stage, Stage::Acting(_))
    }

    pub(super) const fn awaits_tick(&self) -> bool {
        matches!(self.stage, Stage::AwaitTick { .. })
    }

    pub(super) fn invariants(&self, last: &LastAction, last_number: u64) -> Result<(), Broken> {
        let is_pause = self.force.kind == ForceKind::Pause;
        match self.stage {
            Stage::AwaitTick { after } => {
                must(after <= last_number, "a forced action waits for a tick after a number that was not given out")?;
                must(!is_pause || self.force.unless_stopped, "a forced pause waits for a tick without a reason")
            }
            Stage::AtOnce => {
                must(is_pause && !self.force.unless_stopped, "a forced action that needs a read is sent without one")?;
                let waits = last.in_flight().is_some_and(|action| action.kind == ActionKind::Activate);
                must(waits, "a forced pause waits although nothing is in flight")
            }
            Stage::Acting(id) => must(
                last.under_way().is_some_and(|action| action.id == id),
                "an action has ended, but its order has not",
            ),
        }
    }
}

impl Machine {
    /// Returns what the table will decide after a forced action, if that undoes it or leaves the campaign unguarded.
    #[must_use]
    pub fn force_warning(&self, now: DateTime<Utc>, policy: &Policy, kind: ForceKind) -> Option<String> {
        let judged = self.readings.judged_at(now, policy)?;
        if self.hold(now).is_some() {
            return None;
        }
        let (status, phase) = match kind {
            ForceKind::Activate => (RemoteStatus::Running, Phase::ActiveGuarded),
            ForceKind::Pause => (RemoteStatus::Stopped(StopCause::SwitchedOff), Phase::PausedGuarded),
        };
        let judged = Judgement { status, ..judged };
        let decision = decision::decide(&judged, phase.word());
        let why = decision::reason(&decision, &judged, policy);
        match (decision.action, decision.next) {
            (Some(ActionKind::Pause), _) => Some(format!("the next tick pauses it again: {why}")),
            (Some(ActionKind::Activate), _) => {
                Some(format!("after the cool-down it is activated again: {why}; `hold` with --pause keeps it paused"))
            }
            (_, Some(PhaseWord::Idle)) => Some(format!("nothing guards it from the next decision on: {why}")),
            (Some(ActionKind::SetEndTime | ActionKind::TopUp | ActionKind::DailyBudget) | None, _) => None,
        }
    }

    /// Accepts an order to act, or refuses it. A pause overtakes any earlier forced action.
    pub(super) fn force(&mut self, step: &mut StepContext<'_>, order: OrderId, mut force: Force) {
        // The order requires a new read: a 404 of up to 15 minutes ago neither refuses nor fulfils it.
        let absence_is_old = self.absence.read_at_next_tick();
        let refusal = match force.kind {
            _ if self.disabling.is_some() => Some(ForceFailure::not_now("its generator is being disabled: try again")),
            _ if step.policy.mode == Mode::Observe => Some(ForceFailure::ObserveMode),
            ForceKind::Activate if self.forcing.is_some() => {
                Some(ForceFailure::not_now("another order for it is under way: try again"))
            }
            ForceKind::Activate if absence_is_old => None,
            ForceKind::Activate => self.activation_refusal(step, None),
            ForceKind::Pause => None,
        };
        if let Some(refusal) = refusal {
            step.ask_for(Effect::ForceEnded { order, result: Err(refusal) });
            if force.once && self.forcing.is_none() {
                self.disabling.get_or_insert(Disabling::Settle);
            }
            return;
        }
        if let Some(overtaken) = self.forcing.take() {
            // A one-shot actor also ends after the order that replaces its own.
            force.once |= overtaken.force.once;
            let result = Err(ForceFailure::not_now("a later order to pause has overtaken it"));
            step.ask_for(Effect::ForceEnded { order: overtaken.order, result });
        }
        self.forcing = Some(Forcing::new(order, force, self.questions.last_number()));
    }

    /// Whether the tick of this question is the one that a forced action waits for.
    pub(super) fn is_forced_at(&self, question: Question) -> bool {
        let stage = self.forcing.as_ref().map(|forcing| forcing.stage);
        matches!(stage, Some(Stage::AwaitTick { after }) if question.is_after(after))
    }

    /// Carries the forced action out instead of the table's decision.
    pub(super) fn force_at_tick(&mut self, step: &mut StepContext<'_>, facts: &Assessment) {
        let Some(force) = self.forcing.as_ref().map(|forcing| forcing.force.clone()) else { return };
        let judged = &facts.judged;
        match force.kind {
            ForceKind::Activate => {
                if let Some(refusal) = self.activation_refusal(step, Some(&judged.status)) {
                    self.end_force(step, Err(refusal));
                } else if judged.status == RemoteStatus::Running {
                    // A campaign that is promised to run already keeps the end time that it is owed.
                    if self.phase != Phase::ActiveGuarded {
                        self.adopt_as(step, Phase::ActiveGuarded, &force.reason);
                    }
                    self.end_force(step, Ok(()));
                } else if !self.is_end_time_in_flight() && !self.last.is_changing_budget() {
                    self.send_forced(step, Some(judged), force);
                }
            }
            ForceKind::Pause if step.policy.mode == Mode::Observe => {
                self.end_force(step, Err(ForceFailure::ObserveMode));
            }
            ForceKind::Pause if facts.is_stopped_or_gone() => self.end_force(step, Ok(())),
            ForceKind::Pause => self.send_forced(step, Some(judged), force),
        }
    }

    /// Sends a forced pause. It waits only for the answer to an activation in flight.
    pub(super) fn go_on_forcing(&mut self, step: &mut StepContext<'_>) {
        let at_once = self.forcing.as_ref().filter(|forcing| forcing.stage == Stage::AtOnce);
        let Some(force) = at_once.map(|forcing| forcing.force.clone()) else { return };
        if step.policy.mode == Mode::Observe {
            // The mode was changed while the pause waited.
            return self.end_force(step, Err(ForceFailure::ObserveMode));
        }
        let in_flight = self.last.in_flight().is_some();
        match self.last.under_way() {
            // The ordered pause is under way already, or TrafficStars has accepted it.
            Some(&Action { kind: ActionKind::Pause, id, accepted_at, .. })
                if in_flight || is_own(id) && accepted_at.is_some() =>
            {
                return self.acts(id);
            }
            Some(Action { kind: ActionKind::Activate, .. }) if in_flight => return,
            // A pause may have had no effect if its answer was lost or an earlier process sent it.
            Some(Action { kind: ActionKind::Activate | ActionKind::Pause, .. }) => {
                self.finish(step, Ending::Superseded("overtaken by a pause".to_owned()));
            }
            Some(Action { kind: ActionKind::SetEndTime | ActionKind::TopUp | ActionKind::DailyBudget, .. }) | None => {}
        }
        let judged = self.readings.judged_at(step.now, step.policy);
        self.send_forced(step, judged.as_ref(), force);
    }

    fn send_forced(&mut self, step: &mut StepContext<'_>, judged: Option<&Judgement>, force: Force) {
        let (trigger, by) = (force.trigger, force.by);
        let (conclusion, due) = match force.kind {
            ForceKind::Activate => {
                let (reason, end_time) = (force.reason, step.policy.day_end_on(step.now));
                let (kind, next) = (ActionKind::Activate, Phase::ActiveGuarded);
                (Conclusion::Activate, Due { kind, trigger, reason, end_time, next, by, budget: None })
            }
            ForceKind::Pause => (Conclusion::Pause, Due { trigger, by, ..self.pause_due(step, force.reason) }),
        };
        self.decisions.note(step.now, conclusion, None, due.reason.clone());
        let id = self.send(step, judged, due);
        self.acts(id);
    }

    const fn acts(&mut self, id: ActionId) {
        if let Some(forcing) = &mut self.forcing {
            forcing.stage = Stage::Acting(id);
        }
    }

    /// Ends the order of a forced action when that action has ended.
    pub(super) fn end_force_with_action(&mut self, step: &mut StepContext<'_>) {
        let Some(action) = self.last.action() else { return };
        let forced = self.forcing.as_ref().is_some_and(|forcing| forcing.stage == Stage::Acting(action.id));
        if forced {
            let result = match action.step {
                Step::Confirmed => Ok(()),
                Step::Requested | Step::Accepted | Step::Failed | Step::Superseded | Step::ObservedOnly => {
                    let error = action.error.as_deref().unwrap_or_default();
                    Err(ForceFailure::Failed(format!("its {} failed: {error}", action.kind)))
                }
            };
            self.end_force(step, result);
        }
    }

    fn end_force(&mut self, step: &mut StepContext<'_>, result: Result<(), ForceFailure>) {
        let Some(Forcing { order, force, .. }) = self.forcing.take() else { return };
        step.ask_for(Effect::ForceEnded { order, result });
        if force.once {
            self.disabling.get_or_insert(Disabling::Settle);
        }
    }

    /// Begins to disable the generator. A one-shot action ends the promise by itself; another forced action that still
    /// waits for its tick is refused.
    pub(super) fn disable_after_force(&mut self, step: &mut StepContext<'_>, disabling: Disabling) {
        // A forced pause is always sent: if it waits for an action in flight, the disabling waits for it.
        if let Some(forcing) = self.forcing.as_mut().filter(|forcing| forcing.stage == Stage::AtOnce) {
            forcing.force.once = true;
        }
        let forcing = self.forcing.as_ref();
        if forcing.is_some_and(|forcing| forcing.force.once) {
            return;
        }
        if forcing.is_some_and(Forcing::awaits_tick) {
            let failure = ForceFailure::not_now("its generator was disabled in the meantime");
            self.end_force(step, Err(failure));
        }
        self.disabling = Some(self.disabling.map_or(disabling, |present| present.and(disabling)));
    }

    /// Returns why a forced activation is not allowed now. Spend and clicks do not matter for it.
    fn activation_refusal(&self, step: &StepContext<'_>, status: Option<&RemoteStatus>) -> Option<ForceFailure> {
        let (now, policy) = (step.now, step.policy);
        let not_now = |reason: String, possible_at| Some(ForceFailure::NotNow { reason, possible_at });
        if policy.mode == Mode::Observe {
            return Some(ForceFailure::ObserveMode);
        }
        if let Some(hold) = self.hold(now) {
            return not_now(format!("it is on hold {}: release it first", hold.in_words()), hold.until);
        }
        if let Some(until) = self.phase.cooling_down_until().filter(|&until| until > now) {
            let seconds = until.signed_duration_since(now).num_seconds() + 1;
            return not_now(format!("it cools down after a pause: try again in {seconds} s"), Some(until));
        }
        if self.readings.is_clock_far_apart() {
            return not_now(ClockDifference::ACTIVATES_NOTHING.to_owned(), None);
        }
        if policy.past_day_end(now) {
            let until = Some(midnight_after(now));
            return not_now(format!("from {} to midnight (UTC) nothing is activated", policy.day_end), until);
        }
        match status {
            Some(RemoteStatus::Blocked { reason, .. }) => {
                let reason =
                    format!("TrafficStars will not run it: {reason}; possible as soon as that is corrected there");
                not_now(reason, None)
            }
            Some(RemoteStatus::Unknown { doubt, .. }) => {
                not_now(format!("its status is unknown: {doubt}; possible as soon as it can be read"), None)
            }
            Some(RemoteStatus::Running | RemoteStatus::Stopped(_)) | None => None,
        }
    }
}

/// Whether this machine began the action. Actions of an earlier process have the number 0.
const fn is_own(id: ActionId) -> bool {
    id.0 > 0
}
