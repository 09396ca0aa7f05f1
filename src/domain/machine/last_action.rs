//! The last action, and where it stands. One at a time: what is begun takes the place of what is over.

use chrono::{DateTime, Utc};

use super::invariants::{Broken, must};
use crate::domain::action::{Action, ActionId, ActionKind, Step};
use crate::domain::decision::Row;
use crate::domain::event::ActionUpdate;
use crate::domain::progress::Awaiting;

/// Where the last action stands.
#[derive(Debug, Clone)]
enum State {
    /// There was none, or it is over, or it was only observed.
    Over {
        action: Option<Action>,
        /// The kind of the last action that was begun, if it came to nothing, unsent ones included. What was only
        /// observed changes nothing about that.
        failed: Option<ActionKind>,
    },
    /// It waits for its turn: stored, never sent, to be decided anew by the next tick. A pause never waits.
    Postponed(Action),
    /// Its request is on its way; the answer is still to come.
    InFlight(Action),
    /// It was answered; a read has to show it.
    Awaiting(Action, Awaiting),
}

/// How an action ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// A read shows it, or its answer did.
    Confirmed,
    /// It did not come about.
    Failed(String),
    /// It never left: TrafficStars has no part in it, so that no backoff follows, and no read has grown old by it.
    Unsent(String),
    /// It was not due any more before it left, or a newer action took its place: no failure at all.
    Superseded(String),
}

impl Ending {
    pub(super) fn news(self) -> ActionUpdate {
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
    /// Whose order it is.
    pub(super) by: Option<String>,
    /// The last question asked before our last action was answered or settled: it and those before it say nothing about
    /// its effect. A number, not a time, since the clock may be set back.
    changed_after: u64,
    /// In observe mode: the action that was journalled last, so that only changes are.
    observed_only: Option<(ActionKind, Row)>,
}

impl LastAction {
    /// None, or one that an earlier process has left unfinished.
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

    /// It was sent, or is about to be, and is not over.
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

    /// The action that a read has to show.
    pub(super) const fn awaiting(&self) -> Option<(&Action, &Awaiting)> {
        if let State::Awaiting(action, awaiting) = &self.state { Some((action, awaiting)) } else { None }
    }

    pub(super) const fn awaiting_mut(&mut self) -> Option<&mut Awaiting> {
        if let State::Awaiting(_, awaiting) = &mut self.state { Some(awaiting) } else { None }
    }

    /// An earlier process has left it unfinished.
    pub(super) fn is_inherited(&self) -> bool {
        // An own one has a number, and is answered after it.
        matches!(&self.state, State::Awaiting(_, awaiting) if awaiting.after == 0)
    }

    pub(super) const fn postponed(&self) -> Option<&Action> {
        if let State::Postponed(action) = &self.state { Some(action) } else { None }
    }

    /// Whether an end time alone is on its way, or waits to be shown.
    pub(super) fn is_setting_end_time(&self) -> bool {
        self.under_way().is_some_and(|action| action.kind == ActionKind::SetEndTime)
    }

    /// Whether the last action that was begun was of this kind, and came to nothing.
    pub(super) fn has_failed(&self, kind: ActionKind) -> bool {
        matches!(&self.state, State::Over { failed, .. } if *failed == Some(kind))
    }

    /// Whether a question with this number was asked before the action was answered or settled.
    pub(super) const fn outdates(&self, number: u64) -> bool {
        number <= self.changed_after
    }

    /// It is sent.
    pub(super) fn begin(&mut self, action: Action) {
        self.state = State::InFlight(action);
    }

    /// It would be sent, were it not for observe mode.
    pub(super) fn observe(&mut self, action: Action) {
        let failed = if let State::Over { failed, .. } = self.state { failed } else { None };
        self.state = State::Over { action: Some(action), failed };
    }

    /// An action by this row is only observed. Answers whether that is news, to be journalled.
    pub(super) fn remember_observed(&mut self, kind: ActionKind, row: Row) -> bool {
        self.observed_only.replace((kind, row)) != Some((kind, row))
    }

    /// What is observed next is news.
    pub(super) const fn forget_observed(&mut self) {
        self.observed_only = None;
    }

    /// It was sent before its journal entry could be stored.
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

    /// It was answered.
    pub(super) fn await_effect(&mut self, awaiting: Awaiting, last_number: u64) {
        self.changed_after = last_number;
        if let Some(action) = self.take() {
            self.state = State::Awaiting(action, awaiting);
        }
    }

    /// It waits for its turn. Answers its kind where it did not wait before.
    pub(super) fn postpone(&mut self, reason: &str) -> Option<ActionKind> {
        let mut action = self.take()?;
        let is_news = action.error.is_none().then_some(action.kind);
        action.error.get_or_insert_with(|| reason.to_owned());
        self.state = State::Postponed(action);
        is_news
    }

    /// The action that waits for its turn, if it is such a one.
    pub(super) fn take_postponed(&mut self, kind: ActionKind) -> Option<Action> {
        self.postponed().filter(|action| action.kind == kind)?;
        self.take()
    }

    /// It is over. Answers its kind, or nothing where it was over before.
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
        must(self.changed_after <= last_number, "a question to come is outdated")?;
        let Some(action) = self.action() else { return Ok(()) };
        must(action.id.0 <= last_number, "an action has a number to come")?;
        let is_over = matches!(action.step, Step::Confirmed | Step::ObservedOnly) || action.step.came_to_nothing();
        match &self.state {
            State::Over { failed, .. } => {
                must(is_over, "an action is over, and its step is not")?;
                let is_told = !action.step.came_to_nothing() || *failed == Some(action.kind);
                must(is_told, "an action came to nothing, and is not remembered as such")?;
                let is_confirmed = action.step == Step::Confirmed;
                must(!is_confirmed || failed.is_none(), "an action is confirmed, and remembered as failed")
            }
            State::Postponed(_) => {
                must(action.kind != ActionKind::Pause, "a pause waits for its turn")?;
                must(
                    action.step == Step::Requested && action.error.is_some(),
                    "what waits was sent, or waits for nothing",
                )
            }
            State::InFlight(_) => must(action.step == Step::Requested, "an action in flight has a later step"),
            State::Awaiting(..) => must(!is_over, "an action is to be shown, and is over"),
        }
    }
}
