//! The course of an action: begun, stored, sent, answered and ended; or postponed until its turn comes.

use chrono::{DateTime, Duration, SubsecRound, Utc};

use super::Machine;
use super::context::StepContext;
use super::last_action::Ending;
use crate::domain::action::{Action, ActionId, ActionKind, Outcome, Step, Trigger};
use crate::domain::budget::BudgetChange;
use crate::domain::confirmation::Awaiting;
use crate::domain::decision::{Judgement, Row};
use crate::domain::event::{ActionUpdate, Effect, FollowingEndTime, Note, Request};
use crate::domain::money::Money;
use crate::domain::phase::Phase;
use crate::domain::policy::Mode;
use crate::domain::remote::StatusWord;

/// A forced activation, and the end time after a pause, may be queued at least this long, even if the tick is shorter.
const LEAVES_WITHIN: Duration = Duration::seconds(10);

/// An action that a decision requires.
pub(super) struct Due {
    pub(super) kind: ActionKind,
    pub(super) trigger: Trigger,
    pub(super) reason: String,
    pub(super) end_time: DateTime<Utc>,
    pub(super) next: Phase,
    /// The operator who ordered it: uid and name.
    pub(super) by: Option<String>,
    /// The budget that it sets.
    pub(super) budget: Option<BudgetChange>,
}

impl Machine {
    pub(super) fn pause_due(&self, step: &StepContext<'_>, reason: String) -> Due {
        let promised_stopped = matches!(self.phase, Phase::PausedGuarded | Phase::CoolingDown { .. });
        Due {
            kind: ActionKind::Pause,
            trigger: if promised_stopped { Trigger::Guard } else { Trigger::Tick },
            reason,
            end_time: step.now.trunc_subsecs(0),
            next: Phase::CoolingDown { until: self.cool_down_end(step) },
            by: None,
            budget: None,
        }
    }

    /// Begins an action. In observe mode it only journals the action, if it differs from the last one.
    pub(super) fn begin(&mut self, step: &mut StepContext<'_>, judged: &Judgement, row: Row, due: Due) {
        match step.policy.mode {
            Mode::Act => {
                self.last.forget_observed();
                self.send(step, Some(judged), due);
            }
            Mode::Observe => {
                self.give_up_postponed(step);
                if self.last.remember_observed(due.kind, row) {
                    step.report_action(due.kind, ActionUpdate::ObservedOnly(due.reason.clone()));
                    let action = self.new_action(step.now, Some(judged), due, Step::ObservedOnly);
                    self.last.observe(action);
                    self.store_with_entry(step);
                }
            }
        }
    }

    /// Stores the action with its next state, then sends it.
    pub(super) fn send(&mut self, step: &mut StepContext<'_>, judged: Option<&Judgement>, due: Due) -> ActionId {
        let now = step.now;
        if self.last.gives_way_to_pause() {
            if let Some(leaves_still) = self.last.in_flight().filter(|action| action.kind == ActionKind::SetEndTime) {
                self.end_times.overtake(leaves_still.id);
            }
            self.finish(step, Ending::Superseded("overtaken by a pause".to_owned()));
        }
        let (next, reason) = (due.next, due.reason.clone());
        let action = self.take_postponed(judged, &due).unwrap_or_else(|| {
            self.give_up_postponed(step);
            step.report_action(due.kind, ActionUpdate::Requested(due.reason.clone()));
            self.new_action(now, judged, due, Step::Requested)
        });
        let (id, kind, end_time) = (action.id, action.kind, action.end_time);
        // A forced action may be ordered just before a grid point. It must not expire there.
        let is_forced = action.trigger == Trigger::Force;
        let latest =
            if is_forced { now + step.policy.tick.max(LEAVES_WITHIN) } else { step.policy.next_grid_point(now) };
        let valid_until = match kind {
            ActionKind::Activate => Some(latest.min(step.policy.day_end_on(now))),
            ActionKind::SetEndTime => Some(latest),
            ActionKind::TopUp | ActionKind::DailyBudget => Some(latest.min(step.policy.day_end_on(now))),
            ActionKind::Pause => None,
        };
        let (remaining_clicks, due_since) = (action.remaining_clicks, action.requested_at);
        let max_daily = action.budget.as_ref().map_or(Money::ZERO, |change| change.after);
        let request = Request { action: id, kind, end_time, max_daily, valid_until, remaining_clicks, due_since };
        self.enter(step, next, &reason);
        self.last.begin(action);
        match kind {
            ActionKind::Activate => {
                self.end_times.set_own(Some(end_time));
                self.end_times.owe(false);
                self.readings.pausing_since = None;
                self.contest.activated(now);
                self.run_backoff.tries(self.readings.campaign());
            }
            ActionKind::Pause => {
                self.readings.pausing_since.get_or_insert(now);
                self.end_times.pause(id);
            }
            ActionKind::SetEndTime | ActionKind::TopUp | ActionKind::DailyBudget => {}
        }
        self.store_with_entry(step);
        step.ask_for(Effect::Send(request));
        id
    }

    fn new_action(&mut self, now: DateTime<Utc>, judged: Option<&Judgement>, due: Due, step: Step) -> Action {
        self.last.by = due.by;
        Action {
            id: ActionId(self.questions.next_number()),
            kind: due.kind,
            trigger: due.trigger,
            reason: due.reason,
            spend: judged.and_then(|judged| judged.spend),
            remaining_clicks: judged.and_then(|judged| judged.remaining),
            remote_status: judged.map_or(StatusWord::Unknown, |judged| judged.status.word()),
            state_before: self.phase.word(),
            state_after: if step == Step::ObservedOnly { self.phase.word() } else { due.next.word() },
            end_time: due.end_time,
            budget: due.budget,
            step,
            late: false,
            requested_at: now,
            accepted_at: None,
            confirmed_at: None,
            failed_at: None,
            error: None,
        }
    }

    /// Handles the answer to an action's requests.
    pub(super) fn applied(&mut self, step: &mut StepContext<'_>, id: ActionId, outcome: Outcome) {
        let Some(action) = self.last.in_flight_mut().filter(|action| action.id == id) else {
            self.overtaken_applied(id, &outcome);
            return;
        };
        let sets_end_time = action.kind == ActionKind::SetEndTime;
        let may_wait = action.kind != ActionKind::Pause && action.trigger != Trigger::Force;
        if sets_end_time && matches!(outcome, Outcome::Accepted | Outcome::Unclear(_)) {
            self.end_times.set_own(Some(action.end_time));
            self.contest.end_time_asked_for();
        }
        match outcome {
            Outcome::Accepted => {
                action.error = None;
                action.step = Step::Accepted;
                action.accepted_at = Some(step.now);
                if sets_end_time {
                    // The answer is the campaign object with the new end time, so that no read has to confirm it.
                    self.finish(step, Ending::Confirmed);
                } else {
                    self.await_effect(step, ActionUpdate::Accepted);
                }
            }
            Outcome::Unclear(reason) if !sets_end_time => {
                action.error = Some(reason.clone());
                self.await_effect(step, ActionUpdate::Unclear(reason));
            }
            Outcome::Unclear(reason) | Outcome::Failed(reason) => self.finish(step, Ending::Failed(reason)),
            Outcome::Postponed(reason) if may_wait => self.postpone(step, reason),
            Outcome::NotSent(reason) | Outcome::Postponed(reason) => self.finish(step, Ending::Unsent(reason)),
        }
    }

    /// Records that the action was answered and that a read must confirm it.
    fn await_effect(&mut self, step: &mut StepContext<'_>, update: ActionUpdate) {
        let Some((id, kind, end_time)) = self.last.in_flight().map(|action| (action.id, action.kind, action.end_time))
        else {
            return;
        };
        let (now, policy) = (step.now, step.policy);
        // The end time is sent right after an accepted pause. After an unclear one a later tick sets it.
        let was_accepted = update == ActionUpdate::Accepted;
        step.report_action(kind, update);
        if kind == ActionKind::Pause {
            self.top_up_wait_counts(step);
            self.phase = Phase::CoolingDown { until: self.cool_down_end(step) };
            if was_accepted {
                self.end_times.follow(id);
                // No activation is sent while this request is in flight, so that it need not expire at the next grid
                // point.
                let valid_until = now + policy.tick.max(LEAVES_WITHIN);
                step.ask_for(Effect::SetEndTime(FollowingEndTime { action: id, end_time, valid_until }));
            }
            // A tick that is due already stays due.
            if self.next_tick_at > now {
                self.schedule(step, now);
            }
        }
        let last_number = self.questions.last_number();
        let awaiting = Awaiting::new(now, last_number, now + policy.confirm_within, policy);
        self.last.await_effect(awaiting, last_number);
        self.store_with_entry(step);
    }

    /// Ends the action: confirmed, failed, or superseded.
    pub(super) fn finish(&mut self, step: &mut StepContext<'_>, ending: Ending) {
        let last_number = self.questions.last_number();
        let has_left = self.last.postponed().is_none() && !matches!(ending, Ending::Unsent(_));
        let Some(kind) = self.last.end(step.now, &ending, last_number) else { return };
        match (&ending, kind) {
            (Ending::Confirmed, ActionKind::Activate) => self.run_backoff.reset(),
            (Ending::Confirmed, ActionKind::Pause) => {
                self.readings.pausing_since = None;
                self.top_up_wait_is_fixed();
            }
            // A read may confirm it before its answer arrives, or instead of an answer that a crash has lost.
            (Ending::Confirmed, ActionKind::SetEndTime) => self.end_times.owe(false),
            (Ending::Failed(_), ActionKind::Activate) => self.run_backoff.failed(step.now, self.readings.campaign()),
            (Ending::Confirmed, kind @ (ActionKind::TopUp | ActionKind::DailyBudget)) => {
                self.budget_confirmed(step, kind)
            }
            (_, kind @ (ActionKind::TopUp | ActionKind::DailyBudget)) => self.budget_failed(step.now, kind, has_left),
            (Ending::Failed(_) | Ending::Unsent(_) | Ending::Superseded(_), _) => {}
        }
        step.report_action(kind, ending.update());
        self.store_with_entry(step);
        self.end_force_with_action(step);
    }

    /// Postpones the action: its journal entry stays open, since nothing was sent, and the next tick decides again.
    fn postpone(&mut self, step: &mut StepContext<'_>, reason: String) {
        let Some(kind) = self.last.postpone(&reason) else { return };
        if kind == ActionKind::Activate {
            step.report(Note::Waiting(reason));
        }
        self.store_with_entry(step);
    }

    /// Returns the postponed action with the facts of this tick, if the same action is due.
    fn take_postponed(&mut self, judged: Option<&Judgement>, due: &Due) -> Option<Action> {
        if due.trigger == Trigger::Force {
            return None;
        }
        let waiting = self.last.take_postponed(due.kind)?;
        Some(Action {
            reason: due.reason.clone(),
            spend: judged.and_then(|judged| judged.spend),
            remaining_clicks: judged.and_then(|judged| judged.remaining),
            end_time: due.end_time,
            budget: due.budget.clone(),
            ..waiting
        })
    }

    /// Ends a postponed action that is no longer due.
    pub(super) fn give_up_postponed(&mut self, step: &mut StepContext<'_>) {
        if let Some(action) = self.last.postponed() {
            let reason = action.error.as_deref().unwrap_or_default();
            let reason = format!("it is no longer due, and was never sent: {reason}");
            self.finish(step, Ending::Superseded(reason));
        }
    }
}
