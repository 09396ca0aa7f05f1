//! A generator is disabled: the promise ends once no action is in flight. If ordered, the campaign is paused first.

use super::Machine;
use super::actions::Due;
use super::context::StepContext;
use super::invariants::{Broken, must};
use super::last_action::LastAction;
use crate::domain::action::{ActionId, Trigger};
use crate::domain::event::Effect;
use crate::domain::order::DisableRefusal;
use crate::domain::phase::Phase;
use crate::domain::policy::Mode;
use crate::domain::remote::RemoteStatus;

/// The progress of a disabling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disabling {
    /// It waits only for the action in flight.
    Settle,
    /// The campaign must be read, to see whether it is stopped.
    Read {
        /// The next step if the campaign is not seen stopped.
        otherwise: Otherwise,
        /// Whether the read was requested.
        is_asked: bool,
    },
    /// The pause was sent.
    Pausing(ActionId),
    /// The campaign was read, and is stopped.
    Stopped,
    /// The promise has ended. No effect is requested from now on.
    Done,
}

/// The next step for a campaign that is not seen stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Otherwise {
    /// It is paused.
    Pause,
    /// It stays guarded.
    Refuse,
}

impl Disabling {
    /// Builds the stage in which the campaign must be read.
    pub(super) const fn unless_stopped(otherwise: Otherwise) -> Self {
        Self::Read { otherwise, is_asked: false }
    }

    /// Combines two orders: the one that requires more is followed, and one pause serves both.
    pub(super) const fn and(self, asked: Self) -> Self {
        match (self, asked) {
            (Self::Settle, Self::Read { .. })
            | (Self::Read { otherwise: Otherwise::Refuse, .. }, Self::Read { otherwise: Otherwise::Pause, .. }) => {
                asked
            }
            (present, _) => present,
        }
    }

    pub(super) fn invariants(self, last: &LastAction, is_reading_back: bool) -> Result<(), Broken> {
        match self {
            Self::Read { is_asked, .. } => {
                must(is_reading_back || !is_asked, "it waits for a read that was not requested")
            }
            Self::Pausing(id) => must(
                last.action().is_some_and(|action| action.id == id),
                "it waits for a pause that is not the last action",
            ),
            Self::Done => must(!last.is_under_way(), "its promise ended while an action is in flight"),
            Self::Settle | Self::Stopped => Ok(()),
        }
    }
}

impl Machine {
    /// Whether the promise has ended. Then no event has an effect.
    pub(super) fn is_disabled(&self) -> bool {
        self.disabling == Some(Disabling::Done)
    }

    /// Ends the promise as soon as no action is in flight.
    pub(super) fn go_on_disabling(&mut self, step: &mut StepContext<'_>) {
        let Some(disabling) = self.disabling.filter(|_| !self.last.is_under_way()) else { return };
        self.give_up_postponed(step);
        let refusal = match disabling {
            Disabling::Settle | Disabling::Stopped => None,
            Disabling::Read { otherwise: Otherwise::Pause, is_asked: false } if step.policy.mode == Mode::Observe => {
                Some(DisableRefusal::ObserveMode)
            }
            Disabling::Read { otherwise, is_asked: false } => {
                let question_id = self.questions.read_back(step.now);
                self.disabling = Some(Disabling::Read { otherwise, is_asked: true });
                return step.ask_for(Effect::ReadBack { question_id });
            }
            Disabling::Read { is_asked: true, .. } | Disabling::Done => return,
            Disabling::Pausing(id) => {
                let action = self.last.action().filter(|action| action.id == id && action.step.came_to_nothing());
                action.map(|action| DisableRefusal::PauseFailed(action.error.clone().unwrap_or_default()))
            }
        };
        if let Some(refusal) = refusal {
            return self.refuse_to_disable(step, refusal);
        }
        if self.end_times.are_under_way() {
            return;
        }
        if self.phase.cooling_down_until().is_none_or(|until| until <= step.now) {
            self.enter(step, Phase::Idle, "its generator was disabled");
        }
        self.disabling = Some(Disabling::Done);
        self.store(step);
        let stopped = matches!(disabling, Disabling::Stopped | Disabling::Pausing(_));
        step.ask_for(Effect::Disabled { stopped });
    }

    /// Goes on with the disabling after a read-back, if it has requested that.
    pub(super) fn read_to_disable(&mut self, step: &mut StepContext<'_>, stopped: bool, status: &RemoteStatus) {
        let Some(Disabling::Read { otherwise, is_asked: true }) = self.disabling else { return };
        match otherwise {
            _ if stopped => self.disabling = Some(Disabling::Stopped),
            // The mode may have changed during the read.
            Otherwise::Pause if step.policy.mode == Mode::Observe => {
                self.refuse_to_disable(step, DisableRefusal::ObserveMode);
            }
            Otherwise::Pause => {
                let due = self.pause_due(step, "an operator's order".to_owned());
                let due = Due { trigger: Trigger::Operator, ..due };
                let judged = self.readings.judged_at(step.now, step.policy);
                self.disabling = Some(Disabling::Pausing(self.send(step, judged.as_ref(), due)));
            }
            Otherwise::Refuse => self.refuse_to_disable(step, DisableRefusal::NotStopped(status.clone())),
        }
    }

    /// Refuses the order. The campaign stays guarded, as before the order.
    fn refuse_to_disable(&mut self, step: &mut StepContext<'_>, refusal: DisableRefusal) {
        self.disabling = None;
        step.ask_for(Effect::DisableRefused(refusal));
    }
}
