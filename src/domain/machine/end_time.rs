//! End times: an owed one, those in flight, and our own.
//!
//! Each accepted pause is followed by an end time, which is no action of its own. If that could not be set, it is owed,
//! and a later tick sets it by an action that nothing waits for.

use chrono::{DateTime, SubsecRound, Utc};

use super::Machine;
use super::actions::Due;
use super::context::StepContext;
use super::invariants::{Broken, must};
use crate::domain::action::{ActionId, ActionKind, Outcome, Trigger};
use crate::domain::decision::Judgement;
use crate::domain::event::ActionUpdate;
use crate::domain::phase::Phase;
use crate::domain::policy::Policy;
use crate::domain::remote::{EndTime, RemoteStatus, StopCause};

/// The end times of one campaign.
#[derive(Debug, Clone, Default)]
pub(super) struct EndTimes {
    owed: bool,
    /// The pauses whose end times are in flight. One may still be in flight while the next pause is sent.
    under_way: Vec<ActionId>,
    /// The end-time action that a pause has overtaken. Its request may still be queued or in flight.
    overtaken: Option<ActionId>,
    /// The pause whose end time is owed.
    last_pause: Option<ActionId>,
    /// The end time that we have set, or may have set, since the last activation.
    own: Option<DateTime<Utc>>,
}

impl EndTimes {
    pub(super) fn new(owed: bool) -> Self {
        Self { owed, ..Self::default() }
    }

    pub(super) const fn is_owed(&self) -> bool {
        self.owed
    }

    pub(super) fn owe(&mut self, owed: bool) {
        self.owed = owed;
    }

    /// Records an end time that we have set, or may have set.
    pub(super) fn set_own(&mut self, end_time: Option<DateTime<Utc>>) {
        self.own = end_time;
    }

    /// Records that a pause is sent.
    pub(super) fn pause(&mut self, id: ActionId) {
        // It is owed from the request on, so that it is set even after a crash or a lost answer.
        self.owed = true;
        self.last_pause = Some(id);
    }

    /// Records that a pause was accepted and that its end time is being sent.
    pub(super) fn follow(&mut self, id: ActionId) {
        self.under_way.push(id);
    }

    /// Records that a pause overtakes the action with this id, which sets an end time.
    pub(super) fn overtake(&mut self, id: ActionId) {
        self.overtaken = Some(id);
    }

    /// Whether this machine has sent a pause.
    pub(super) const fn has_paused(&self) -> bool {
        self.last_pause.is_some()
    }

    /// Whether an end time is in flight that is not the last action: the one after a pause, or one that a pause has
    /// overtaken.
    pub(super) fn are_under_way(&self) -> bool {
        !self.under_way.is_empty() || self.overtaken.is_some()
    }

    pub(super) fn invariants(&self, last_number: u64) -> Result<(), Broken> {
        let mut pauses: Vec<ActionId> = self.under_way.clone();
        pauses.sort_unstable();
        pauses.dedup();
        must(pauses.len() == self.under_way.len(), "one pause has two end times under way")?;
        must(pauses.last().copied() <= self.last_pause, "an end time follows a pause that was never sent")?;
        must(self.overtaken.is_none() || self.overtaken < self.last_pause, "no pause has overtaken the end time")?;
        must(self.last_pause.is_none_or(|id| id.0 <= last_number), "a pause has a number that was not given out")
    }
}

impl Machine {
    /// Whether an end time is in flight. It could stop a campaign that is activated now.
    pub(super) fn is_end_time_in_flight(&self) -> bool {
        self.last.is_setting_end_time() || self.end_times.are_under_way()
    }

    /// Sets an owed end time; each tick repeats that until it is set. Nothing else waits for it.
    pub(super) fn set_owed_end_time(&mut self, step: &mut StepContext<'_>, judged: &Judgement) {
        let (now, policy) = (step.now, step.policy);
        let is_too_late = self.has_set_too_late_an_end_time(now, policy, judged);
        let is_owed = self.end_times.owed || is_too_late;
        if !is_owed || self.end_times.are_under_way() || self.last.is_under_way() {
            return;
        }
        let promised_stopped = matches!(self.phase, Phase::PausedGuarded | Phase::CoolingDown { .. });
        let (trigger, reason, end_time) = match judged.status {
            RemoteStatus::Stopped(StopCause::SwitchedOff) if promised_stopped => {
                (Trigger::Recovery, "the end time of its last pause is not set yet", now.trunc_subsecs(0))
            }
            RemoteStatus::Running
                if self.phase == Phase::ActiveGuarded
                    && !policy.past_day_end(now)
                    && !self.readings.is_clock_far_apart() =>
            {
                let reason = if is_too_late {
                    "the end time that we set is later than today's end: our clock was ahead, or day_end was later"
                } else {
                    "it was adopted running without an end time"
                };
                (Trigger::Tick, reason, policy.day_end_on(now))
            }
            RemoteStatus::Stopped(StopCause::EndTimePassed) if promised_stopped => {
                // It is set after all: its answer was lost, or the program crashed before it was stored.
                self.end_times.owe(false);
                self.store(step);
                return;
            }
            RemoteStatus::Running
            | RemoteStatus::Stopped(_)
            | RemoteStatus::Blocked { .. }
            | RemoteStatus::Unknown { .. } => return,
        };
        let (kind, next) = (ActionKind::SetEndTime, self.phase);
        let due = Due { kind, trigger, reason: reason.to_owned(), end_time, next, by: None, budget: None };
        self.send(step, Some(judged), due);
    }

    /// Whether the end time that we set is later than today's day end: our clock was ahead, or `day_end` was later. The
    /// end time of somebody else is left alone.
    fn has_set_too_late_an_end_time(&self, now: DateTime<Utc>, policy: &Policy, judged: &Judgement) -> bool {
        let runs = self.phase == Phase::ActiveGuarded && judged.status == RemoteStatus::Running;
        let shown = self.end_times.own.filter(|own| self.readings.end_time() == Some(&EndTime::At(*own)));
        runs && shown.is_some_and(|shown| shown > policy.day_end_on(now))
    }

    /// Handles the answer to the end time that follows a pause.
    pub(super) fn end_time_set(&mut self, step: &mut StepContext<'_>, id: ActionId, outcome: &Outcome) {
        let Some(position) = self.end_times.under_way.iter().position(|&pause| pause == id) else {
            self.counters.stale_answers += 1;
            return;
        };
        self.end_times.under_way.swap_remove(position);
        // The end time may be set, even if the answer says otherwise.
        self.contest.end_time_asked_for();
        match outcome {
            // A later pause owes an end time of its own.
            _ if self.end_times.last_pause != Some(id) => {}
            Outcome::Accepted => {
                self.end_times.owe(false);
                self.store(step);
            }
            Outcome::Unclear(reason)
            | Outcome::Failed(reason)
            | Outcome::NotSent(reason)
            | Outcome::Postponed(reason) => {
                step.report_action(ActionKind::Pause, ActionUpdate::EndTimeOwed(reason.clone()))
            }
        }
    }

    /// Handles the answer to an action that is not the last one: an overtaken end time, or an older one.
    pub(super) fn overtaken_applied(&mut self, id: ActionId, outcome: &Outcome) {
        if self.end_times.overtaken.take_if(|overtaken| *overtaken == id).is_none() {
            self.counters.stale_answers += 1;
        } else if matches!(outcome, Outcome::Accepted | Outcome::Unclear(_)) {
            self.contest.end_time_asked_for();
        }
    }
}
