//! From a judged observation to a decision, and to the reasons that delay it.

use chrono::{DateTime, Utc};

use super::Machine;
use super::actions::Due;
use super::context::StepContext;
use crate::domain::action::{ActionKind, Step, Trigger};
use crate::domain::budget::TopUpStage;
use crate::domain::clock_difference::ClockDifference;
use crate::domain::decision::{self, Decision, Judgement, Row};
use crate::domain::decision_log::Conclusion;
use crate::domain::phase::{Phase, PhaseWord};
use crate::domain::policy::Mode;
use crate::domain::remote::{EndTime, RemoteStatus, StopCause};

impl Machine {
    /// Decides by one complete reading, and begins the action that is due.
    pub(super) fn conclude(&mut self, step: &mut StepContext<'_>, asked_at: DateTime<Utc>, judged: &Judgement) {
        let now = step.now;
        // The cool-down is over only if the tick also began after its end: an earlier tick read older facts. `now`
        // counts, too, because the clock may have been set back meanwhile.
        let cools_down = self.phase.cooling_down_until().is_some_and(|until| asked_at.min(now) < until);
        if !cools_down && self.phase.cooling_down_until().is_some() {
            self.enter(step, Phase::PausedGuarded, "the cool-down has ended");
            self.store(step);
        }
        if let Some(hold) = self.hold(now).cloned() {
            self.conclude_on_hold(step, judged, &hold);
            return;
        }
        if cools_down {
            self.conclude_cooling_down(step, judged);
            return;
        }
        let decision = decision::decide(judged, self.phase.word());
        if decision.action != Some(ActionKind::Pause) && self.change_budget(step, judged, &decision) {
            return;
        }
        if let (Row::TopUpImpossible, TopUpStage::Refused(refusal)) = (decision.row, &judged.top_up) {
            self.refuse_top_up(step, refusal);
        }
        if matches!(decision.row, Row::PauseToTopUp | Row::WaitToTopUp) {
            let is_paused = decision.row == Row::WaitToTopUp || step.policy.mode == Mode::Observe;
            self.begin_top_up_wait(step, is_paused);
        }
        let mut reason = decision::reason(&decision, judged, step.policy);
        let (trigger, cause) = self.activation_cause(judged);
        if decision.action == Some(ActionKind::Activate) {
            reason.insert_str(0, cause);
        }
        let held_back = self.note_decision(step, &decision, &reason);
        if let Some(why) = held_back {
            self.hold_back(step, judged, why);
            return;
        }
        self.flags.stop_waiting();
        match decision.action {
            Some(ActionKind::Activate) => {
                let (kind, end_time) = (ActionKind::Activate, step.policy.day_end_on(now));
                let due = Due { kind, trigger, reason, end_time, next: Phase::ActiveGuarded, by: None, budget: None };
                self.begin(step, judged, decision.row, due);
            }
            Some(ActionKind::Pause) => {
                let due = self.pause_due(step, reason);
                self.begin(step, judged, decision.row, due);
            }
            // `change_budget` has begun a top-up, or has said why it waits.
            Some(ActionKind::SetEndTime | ActionKind::TopUp | ActionKind::DailyBudget) => {}
            None => {
                self.last.forget_observed();
                if step.policy.mode == Mode::Act {
                    self.adopt(step, judged, decision.next, &reason);
                }
            }
        }
    }

    fn conclude_cooling_down(&mut self, step: &mut StepContext<'_>, judged: &Judgement) {
        let last_pause_failed = self.last.has_failed(ActionKind::Pause);
        if judged.status.may_run() {
            let runs = if judged.status == RemoteStatus::Running { "it runs" } else { "it may run" };
            let (trigger, reason) = if last_pause_failed {
                (Trigger::Recovery, format!("{runs}, because its last pause failed"))
            } else {
                (Trigger::Guard, format!("{runs} during the cool-down after a pause"))
            };
            self.note_pause(step, reason.clone());
            let due = Due { trigger, ..self.pause_due(step, reason) };
            self.begin(step, judged, Row::GuardPause, due);
        } else {
            let reason = "it cools down after a pause: nothing is decided until that ends".to_owned();
            self.decisions.note(step.now, Conclusion::Nothing, None, reason);
            self.last.forget_observed();
            if step.policy.mode == Mode::Act {
                self.set_owed_end_time(step, judged);
            }
        }
    }

    /// Records that an activation is due and waits.
    fn hold_back(&mut self, step: &mut StepContext<'_>, judged: &Judgement, why: String) {
        self.flags.wait(step, why);
        if step.policy.mode == Mode::Act {
            self.last.forget_observed();
            self.set_owed_end_time(step, judged);
        }
    }

    /// Returns what made an activation due, and the words that go before its reason.
    fn activation_cause(&self, judged: &Judgement) -> (Trigger, &'static str) {
        let ended = judged.status == RemoteStatus::Stopped(StopCause::EndTimePassed);
        let waits = self.last.postponed().is_some_and(|action| action.kind == ActionKind::Activate);
        match self.phase {
            Phase::ActiveGuarded if self.last.has_failed(ActionKind::Activate) => {
                let is_superseded = self.last.action().is_some_and(|action| action.step == Step::Superseded);
                let cause = match (is_superseded, self.contest.is_stopped_by_others()) {
                    (true, true) => "somebody else stopped it: ",
                    (true, false) => "its last activation was not sent: ",
                    (false, _) => "its last activation failed: ",
                };
                (Trigger::Recovery, cause)
            }
            Phase::ActiveGuarded if waits => (Trigger::Guard, "its activation waits: "),
            Phase::ActiveGuarded if ended => (Trigger::Tick, "its end time has passed: "),
            Phase::ActiveGuarded if self.contest.is_stopped_by_others() => {
                (Trigger::Guard, "somebody else stopped it: ")
            }
            Phase::ActiveGuarded => (Trigger::Guard, "it does not run, although that was promised: "),
            Phase::Idle | Phase::PausedGuarded | Phase::CoolingDown { .. } => (Trigger::Tick, ""),
        }
    }

    /// Returns why an activation that is due may not be sent now; `None` if it may.
    fn activation_waits(&self, step: &StepContext<'_>) -> Option<String> {
        let (now, policy) = (step.now, step.policy);
        if policy.past_day_end(now) {
            return Some(format!(
                "for the next day, because its end time would be {}, which has passed",
                policy.day_end
            ));
        }
        if self.readings.is_clock_far_apart() {
            return Some(ClockDifference::ACTIVATES_NOTHING.to_owned());
        }
        if self.is_end_time_in_flight() {
            return Some("for the answer to an end time in flight, which would stop it again".to_owned());
        }
        if let Some(until) = self.run_backoff.waits_until(now) {
            return Some(format!("the last run failed; the next attempt is at {}", until.format("%H:%M:%S")));
        }
        let contested_until = self.contest.activation_waits_until(policy).filter(|&until| until > now);
        contested_until.map(|until| format!("it is contested; the next attempt is at {}", until.format("%H:%M:%S")))
    }

    /// Records the decision of the table. Returns why it waits; `None` if it does not.
    fn note_decision(&mut self, step: &StepContext<'_>, decision: &Decision, reason: &str) -> Option<String> {
        let act = step.policy.mode == Mode::Act;
        let held_back = match decision.action {
            Some(ActionKind::Activate) => self.activation_waits(step),
            Some(_) | None => None,
        };
        let conclusion = match decision.action {
            Some(ActionKind::Activate) if held_back.is_some() => Conclusion::HeldBack,
            Some(ActionKind::Activate) if act => Conclusion::Activate,
            Some(ActionKind::Activate) => Conclusion::WouldActivate,
            Some(ActionKind::Pause) if act => Conclusion::Pause,
            Some(ActionKind::Pause) => Conclusion::WouldPause,
            Some(ActionKind::SetEndTime | ActionKind::TopUp | ActionKind::DailyBudget) => Conclusion::Nothing,
            None if act && decision.next.is_some_and(|next| next != self.phase.word()) => Conclusion::Adopt,
            None => Conclusion::Nothing,
        };
        let reason = held_back.as_ref().map_or_else(|| reason.to_owned(), |why| format!("{reason}; it waits: {why}"));
        self.decisions.note(step.now, conclusion, Some(decision.row), reason);
        held_back
    }

    /// Records a pause that was decided without the table.
    pub(super) fn note_pause(&mut self, step: &StepContext<'_>, reason: String) {
        let acts = step.policy.mode == Mode::Act;
        let conclusion = if acts { Conclusion::Pause } else { Conclusion::WouldPause };
        self.decisions.note(step.now, conclusion, None, reason);
    }

    /// Carries out a row of the table that needs no request: the promise follows the present state.
    fn adopt(&mut self, step: &mut StepContext<'_>, judged: &Judgement, next: Option<PhaseWord>, reason: &str) {
        let phase = match next {
            Some(PhaseWord::Idle) => Phase::Idle,
            Some(PhaseWord::ActiveGuarded) => Phase::ActiveGuarded,
            Some(PhaseWord::PausedGuarded) => Phase::PausedGuarded,
            Some(PhaseWord::CoolingDown) => {
                self.budget.wait().map_or(self.phase, |wait| Phase::CoolingDown { until: wait.until })
            }
            None => self.phase,
        };
        if phase != self.phase {
            self.adopt_as(step, phase, reason);
        }
        self.set_owed_end_time(step, judged);
    }

    /// Promises the present state from now on.
    pub(super) fn adopt_as(&mut self, step: &mut StepContext<'_>, phase: Phase, reason: &str) {
        self.enter(step, phase, reason);
        if phase == Phase::ActiveGuarded {
            self.end_times.owe(step.policy.adopt_sets_end_time && self.readings.end_time() == Some(&EndTime::Unset));
        }
        self.store(step);
    }
}
