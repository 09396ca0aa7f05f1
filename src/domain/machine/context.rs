//! The data of one step of the machine: the time, the policy, and the effects so far.

use chrono::{DateTime, Utc};

use crate::domain::action::ActionKind;
use crate::domain::event::{ActionUpdate, Effect, Note};
use crate::domain::policy::Policy;

/// The data of one step.
#[derive(Debug)]
pub(super) struct StepContext<'a> {
    pub(super) now: DateTime<Utc>,
    pub(super) policy: &'a Policy,
    /// The effects, in the order in which they must be carried out.
    pub(super) effects: Vec<Effect>,
}

impl<'a> StepContext<'a> {
    pub(super) const fn new(now: DateTime<Utc>, policy: &'a Policy) -> Self {
        Self { now, policy, effects: Vec::new() }
    }

    pub(super) fn ask_for(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Reports something to the operators.
    pub(super) fn report(&mut self, note: Note) {
        self.ask_for(Effect::Note(note));
    }

    /// Reports to the operators what happened to an action.
    pub(super) fn report_action(&mut self, kind: ActionKind, update: ActionUpdate) {
        self.report(Note::Action { kind, update });
    }
}
