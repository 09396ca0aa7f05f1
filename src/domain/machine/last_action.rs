//! The last action and its state. There is one at a time: a new action replaces one that has ended.

use chrono::{DateTime, Utc};

use super::invariants::{Broken, must};
use crate::domain::action::{Action, ActionId, ActionKind, Step};
use crate::domain::confirmation::Awaiting;
use crate::domain::decision::Row;
use crate::domain::event::ActionUpdate;

/// The state of the last action.
#[derive(Debug, Clone)]
enum State {
    /// There was no action, or it has ended, or it was only observed.
    Over {
        action: Option<Action>,
        /// The kind of the last action that was begun, if it had no effect, even if it was not sent. An observed action
        /// does not change this.
        failed: Option<ActionKind>,
    },
    /// It was stored, was queued for too long and was not sent. The next tick decides again. A pause is never
    /// postponed.
    Postponed(Action),
    /// Its request was sent or is queued, and is not answered.
    InFlight(Action),
    /// It was answered, and a read must confirm it.
    Awaiting(Action, Awaiting),
}

/// The end of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// A read or the answer itself confirmed it.
    Confirmed,
    /// It had no effect.
    Failed(String),
    /// It was not sent. TrafficStars is not the cause, so that no backoff follows and earlier reads stay valid.
    Unsent(String),
    /// It was no longer due before it was sent, or a newer action replaced it. That is no failure.
    Superseded(String),
}

impl Ending {
    pub(super) fn update(self) -> ActionUpdate {
        match self {
            Self::Confirmed => ActionUpdate::Confirmed,
            Self::Failed(reason) | Self::Unsent(reason) => ActionUpdate::Failed(reason),
            Self::Superseded(reason) => ActionUpdate::Superseded(reason),
        }
    }
}

/// The last action.
#[derive(Debug, Clone)]
pub(super) struct LastAction {
    state: State,
    /// The operator who ordered it: uid and name.
    pub(super) by: Option<String>,
    /// The last question asked before the last action was answered or settled. That question and earlier ones show
    /// nothing of its effect. It is a number, because the clock may be set back.
    changed_after: u64,
    /// Observe mode: the action that was journalled last, so that only changes are journalled.
    observed_only: Option<(ActionKind, Row)>,
}

impl LastAction {
    /// Builds it without an action, or with one that an earlier process has left unfinished.
    pub(super) fn new(unfinished: Option<(Action, Awaiting)>) -> Self {
        let state = match unfinished {
            Some((action, awaiting)) => State::Awaiting(action, awaiting),
            None => State::Over { action: None, failed: None },
        };
        Self { state, by: None, changed_after: 0, observed_only: None }
    }

    pub(super) const fn action(&self) -> Option<&Action> {
        match &self.state {
            State::Over { action, .. } => action.as_ref(),
            State::Postponed(action) | State::InFlight(action) | State::Awaiting(action, _) => Some(action),
        }
    }

    /// Returns the action if it was sent, or is about to be sent, and has not ended.
    pub(super) const fn under_way(&self) -> Option<&Action> {
        match &self.state {
            State::InFlight(action) | State::Awaiting(action, _) => Some(action),
            State::Over { .. } | State::Postponed(_) => None,
        }
    }

    pub(super) const fn is_under_way(&self) -> bool {
        self.under_way().is_some()
    }

    pub(super) const fn in_flight(&self) -> Option<&Action> {
        if let State::InFlight(action) = &self.state { Some(action) } else { None }
    }

    pub(super) const fn in_flight_mut(&mut self) -> Option<&mut Action> {
        if let State::InFlight(action) = &mut self.state { Some(action) } else { None }
    }

    /// Returns the action that a read must confirm.
    pub(super) const fn awaiting(&self) -> Option<(&Action, &Awaiting)> {
        if let State::Awaiting(action, awaiting) = &self.state { Some((action, awaiting)) } else { None }
    }

    pub(super) const fn awaiting_mut(&mut self) -> Option<&mut Awaiting> {
        if let State::Awaiting(_, awaiting) = &mut self.state { Some(awaiting) } else { None }
    }

    /// Whether an earlier process has left the action unfinished.
    pub(super) fn is_inherited(&self) -> bool {
        // An action of this process has a number, and so has the question before its answer.
        matches!(&self.state, State::Awaiting(_, awaiting) if awaiting.after == 0)
    }

    pub(super) const fn postponed(&self) -> Option<&Action> {
        if let State::Postponed(action) = &self.state { Some(action) } else { None }
    }

    /// Whether the action under way only sets an end time.
    pub(super) fn is_setting_end_time(&self) -> bool {
        self.under_way().is_some_and(|action| action.kind == ActionKind::SetEndTime)
    }

    /// Whether the action under way changes the daily budget.
    pub(super) fn is_changing_budget(&self) -> bool {
        self.under_way().is_some_and(|action| action.kind.changes_budget())
    }

    /// Whether a pause does not wait for the action under way.
    pub(super) fn gives_way_to_pause(&self) -> bool {
        self.is_setting_end_time() || self.is_changing_budget()
    }

    /// Whether the last action that was begun was of this kind and had no effect.
    pub(super) fn has_failed(&self, kind: ActionKind) -> bool {
        matches!(&self.state, State::Over { failed, .. } if *failed == Some(kind))
    }

    /// Whether a question with this number was asked before the action was answered or settled.
    pub(super) const fn outdates(&self, number: u64) -> bool {
        number <= self.changed_after
    }

    /// Records that the action is sent.
    pub(super) fn begin(&mut self, action: Action) {
        self.state = State::InFlight(action);
    }

    /// Records an action that observe mode does not send.
    pub(super) fn observe(&mut self, action: Action) {
        let failed = if let State::Over { failed, .. } = self.state { failed } else { None };
        self.state = State::Over { action: Some(action), failed };
    }

    /// Remembers an observed action by its row. Returns whether it differs from the last one and must be journalled.
    pub(super) fn remember_observed(&mut self, kind: ActionKind, row: Row) -> bool {
        self.observed_only.replace((kind, row)) != Some((kind, row))
    }

    /// Forgets the observed action, so that the next one is journalled.
    pub(super) const fn forget_observed(&mut self) {
        self.observed_only = None;
    }

    /// Records that the action was sent before its journal entry could be stored.
    pub(super) fn mark_late(&mut self, id: ActionId) {
        let (State::Over { action: Some(action), .. }
        | State::Postponed(action)
        | State::InFlight(action)
        | State::Awaiting(action, _)) = &mut self.state
        else {
            return;
        };
        if action.id == id {
            action.late = true;
        }
    }

    /// Records that the action was answered.
    pub(super) fn await_effect(&mut self, awaiting: Awaiting, last_number: u64) {
        self.changed_after = last_number;
        if let Some(action) = self.take() {
            self.state = State::Awaiting(action, awaiting);
        }
    }

    /// Postpones the action. Returns its kind if it was not postponed before.
    pub(super) fn postpone(&mut self, reason: &str) -> Option<ActionKind> {
        let mut action = self.take()?;
        let is_news = action.error.is_none().then_some(action.kind);
        action.error.get_or_insert_with(|| reason.to_owned());
        self.state = State::Postponed(action);
        is_news
    }

    /// Returns the postponed action if it is of this kind, and removes it.
    pub(super) fn take_postponed(&mut self, kind: ActionKind) -> Option<Action> {
        self.postponed().filter(|action| action.kind == kind)?;
        self.take()
    }

    /// Ends the action. Returns its kind; `None` if it had ended before.
    pub(super) fn end(&mut self, now: DateTime<Utc>, ending: &Ending, last_number: u64) -> Option<ActionKind> {
        if matches!(self.state, State::Over { .. }) {
            return None;
        }
        let never_left = self.postponed().is_some() || matches!(ending, Ending::Unsent(_));
        let mut action = self.take()?;
        let kind = action.kind;
        match ending {
            Ending::Confirmed => {
                action.step = Step::Confirmed;
                action.confirmed_at = Some(now);
            }
            Ending::Failed(reason) | Ending::Unsent(reason) | Ending::Superseded(reason) => {
                let is_superseded = matches!(ending, Ending::Superseded(_));
                action.step = if is_superseded { Step::Superseded } else { Step::Failed };
                action.failed_at = Some(now);
                action.error = Some(reason.clone());
            }
        }
        if kind != ActionKind::SetEndTime && !never_left {
            self.changed_after = last_number;
        }
        let failed = (*ending != Ending::Confirmed).then_some(kind);
        self.state = State::Over { action: Some(action), failed };
        Some(kind)
    }

    fn take(&mut self) -> Option<Action> {
        match std::mem::replace(&mut self.state, State::Over { action: None, failed: None }) {
            State::Over { action, .. } => action,
            State::Postponed(action) | State::InFlight(action) | State::Awaiting(action, _) => Some(action),
        }
    }

    pub(super) fn invariants(&self, last_number: u64) -> Result<(), Broken> {
        must(self.changed_after <= last_number, "a question is outdated whose number was not given out")?;
        let Some(action) = self.action() else { return Ok(()) };
        must(action.id.0 <= last_number, "an action has a number that was not given out")?;
        let is_over = matches!(action.step, Step::Confirmed | Step::ObservedOnly) || action.step.came_to_nothing();
        match &self.state {
            State::Over { failed, .. } => {
                must(is_over, "an action has ended, but its step says otherwise")?;
                let is_remembered = !action.step.came_to_nothing() || *failed == Some(action.kind);
                must(is_remembered, "an action had no effect, but is not remembered as such")?;
                let is_confirmed = action.step == Step::Confirmed;
                must(!is_confirmed || failed.is_none(), "an action is confirmed, but remembered as failed")
            }
            State::Postponed(_) => {
                must(action.kind != ActionKind::Pause, "a pause is postponed")?;
                must(
                    action.step == Step::Requested && action.error.is_some(),
                    "a postponed action was sent, or has no reason",
                )
            }
            State::InFlight(_) => must(action.step == Step::Requested, "an action in flight has a later step"),
            State::Awaiting(..) => must(!is_over, "an action waits to be confirmed, but has ended"),
        }
    }
}
