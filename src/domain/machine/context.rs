//! What one step of the machine works with: the time, the policy, and what the machine asks for so far.

use chrono::{DateTime, Utc};

use crate::domain::action::ActionKind;
use crate::domain::event::{ActionUpdate, Effect, Note};
use crate::domain::policy::Policy;

/// One step.
#[derive(Debug)]
pub(super) struct StepContext<'a> {
    pub(super) now: DateTime<Utc>,
    pub(super) policy: &'a Policy,
    /// In the order in which they are to be carried out.
    pub(super) effects: Vec<Effect>,
}

impl<'a> StepContext<'a> {
    pub(super) const fn new(now: DateTime<Utc>, policy: &'a Policy) -> Self {
        Self { now, policy, effects: Vec::new() }
    }

    pub(super) fn ask_for(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Tells the operators.
    pub(super) fn tell(&mut self, note: Note) {
        self.ask_for(Effect::Note(note));
    }

    /// Tells the operators what happened to an action.
    pub(super) fn tell_action(&mut self, kind: ActionKind, news: ActionUpdate) {
        self.tell(Note::Action { kind, news });
    }
}
