//! Holds: a hold exists beside the state. The ticks go on reading and showing, and decide nothing.

use chrono::{DateTime, Utc};

use super::Machine;
use super::actions::Due;
use super::context::StepContext;
use crate::domain::action::Trigger;
use crate::domain::decision::{Judgement, Row};
use crate::domain::decision_log::Conclusion;
use crate::domain::event::Note;
use crate::domain::order::{HoldChange, OrderId};
use crate::domain::phase::Phase;
use crate::domain::policy::Mode;
use crate::domain::remote::RemoteStatus;
use crate::domain::status::Hold;
use crate::domain::trend::Intent;

/// The holds that apply to one campaign.
#[derive(Debug, Clone, Default)]
pub(super) struct Holds {
    own: Option<Hold>,
    /// The hold on all campaigns. The supervisor keeps it.
    all: Option<Hold>,
    /// The order that is answered as soon as no action is in flight.
    pub(super) unanswered: Option<OrderId>,
}

impl Holds {
    /// Returns the hold in force: of the campaign's own and the one on all, the one with a pause first.
    pub(super) fn in_force(&self, now: DateTime<Utc>) -> Option<&Hold> {
        let lasting = || [&self.all, &self.own].into_iter().flatten().filter(|hold| hold.lasts(now));
        lasting().find(|hold| hold.pause).or_else(|| lasting().next())
    }
}

impl Machine {
    /// Returns the machine with the holds that were stored.
    #[must_use]
    pub fn on_hold(mut self, own: Option<Hold>, all: Option<Hold>) -> Self {
        (self.holds.own, self.holds.all) = (own, all);
        self
    }

    /// Returns the hold in force: of the campaign's own and the one on all, the one with a pause first.
    #[must_use]
    pub fn hold(&self, now: DateTime<Utc>) -> Option<&Hold> {
        self.holds.in_force(now)
    }

    /// Returns the campaign's own hold, in force or not.
    #[must_use]
    pub const fn own_hold(&self) -> Option<&Hold> {
        self.holds.own.as_ref()
    }

    /// Returns what the machine would do about used-up clicks.
    #[must_use]
    pub fn intent(&self, now: DateTime<Utc>) -> Intent {
        let hold = self.hold(now);
        let promised_to_run = self.phase == Phase::ActiveGuarded && hold.is_none();
        Intent { promised_to_run, on_hold: hold.is_some_and(|hold| !hold.pause) }
    }

    pub(super) fn set_hold(&mut self, step: &mut StepContext<'_>, order: OrderId, hold: Option<Hold>) {
        step.report(Note::Hold(hold.as_ref().map(Hold::in_words)));
        self.absence.read_at_next_tick();
        self.change_hold(step, hold);
        if self.holds.own.is_none() {
            self.hasten_tick(step.now);
        }
        self.holds.unanswered = Some(order);
    }

    pub(super) fn set_hold_on_all(&mut self, now: DateTime<Utc>, hold: Option<Hold>) {
        self.holds.all = hold;
        self.absence.read_at_next_tick();
        self.hasten_tick(now);
    }

    /// Ends a hold at the first tick after its end.
    pub(super) fn end_hold_in_time(&mut self, step: &mut StepContext<'_>) {
        if self.holds.own.as_ref().is_some_and(|hold| !hold.lasts(step.now)) {
            step.report(Note::Hold(None));
            self.change_hold(step, None);
        }
    }

    fn change_hold(&mut self, step: &mut StepContext<'_>, hold: Option<Hold>) {
        let change = hold.clone().map_or(HoldChange::Release, HoldChange::Set);
        self.holds.own = hold;
        self.last.forget_observed();
        self.store_record(step, false, change);
    }

    /// Concludes a tick of a campaign on hold.
    pub(super) fn conclude_on_hold(&mut self, step: &mut StepContext<'_>, judged: &Judgement, hold: &Hold) {
        self.flags.stop_waiting();
        let why = hold.in_words();
        if hold.pause && judged.status.may_run() {
            let runs = if judged.status == RemoteStatus::Running { "it runs" } else { "it may run" };
            let reason = format!("{runs}, but must be kept paused {why}");
            self.note_pause(step, reason.clone());
            let due = self.pause_due(step, reason);
            let trigger = if due.trigger == Trigger::Guard { Trigger::Guard } else { Trigger::Operator };
            let due = Due { trigger, by: hold.by.clone(), ..due };
            self.begin(step, judged, Row::GuardPause, due);
            return;
        }
        self.last.forget_observed();
        self.decisions.note(step.now, Conclusion::Nothing, None, format!("it is on hold {why}"));
        if hold.pause && step.policy.mode == Mode::Act {
            self.set_owed_end_time(step, judged);
        }
    }
}
