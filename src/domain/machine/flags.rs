//! What operators are told when it begins and when it ends, and what is shown in between. Nothing is decided by it.

use chrono::NaiveDate;

use super::context::StepContext;
use super::invariants::{Broken, must};
use crate::domain::decision::{Judgement, SpendLevel};
use crate::domain::event::Note;
use crate::domain::remote::RemoteStatus;
use crate::domain::status::Hold;
use crate::domain::unguarded::Unguarded;

/// The flags of one campaign.
#[derive(Debug, Clone, Default)]
pub(super) struct Flags {
    /// The day on which today's limit was seen reached.
    pub(super) high_spend_on: Option<NaiveDate>,
    /// It runs past a threshold, and no promise is in force.
    pub(super) unguarded: Option<Unguarded>,
    /// Why running it cannot help.
    pub(super) blocked: Option<String>,
    /// Why an activation that is due is held back.
    pub(super) waiting: Option<String>,
}

impl Flags {
    /// Keeps `high_spend` and `blocked` up to date, whatever the state.
    pub(super) fn raise(&mut self, step: &mut StepContext<'_>, judged: &Judgement) {
        let today = step.now.date_naive();
        let was_high = self.high_spend_on.is_some();
        match judged.spend {
            SpendLevel::Reached => self.high_spend_on = Some(today),
            SpendLevel::Below => self.high_spend_on = None,
            // Yesterday's limit is not today's; within a day an unknown spend takes nothing back.
            SpendLevel::Unknown => self.high_spend_on = self.high_spend_on.filter(|&day| day == today),
        }
        if self.high_spend_on.is_some() != was_high {
            step.tell(Note::HighSpend { began: !was_high });
        }
        let blocked = match &judged.status {
            RemoteStatus::Blocked { reason, .. } => Some(reason.clone()),
            // A failed read says nothing new.
            RemoteStatus::Unknown { .. } => return,
            RemoteStatus::Stopped(_) | RemoteStatus::Running => None,
        };
        if self.blocked != blocked {
            self.blocked.clone_from(&blocked);
            step.tell(Note::Blocked(blocked));
        }
    }

    /// Keeps `unguarded` up to date, after a decision.
    pub(super) fn raise_unguarded(
        &mut self,
        step: &mut StepContext<'_>,
        is_promised: bool,
        judged: &Judgement,
        hold: Option<&Hold>,
    ) {
        let earlier = self.unguarded.take().filter(|_| !is_promised);
        if !is_promised {
            self.unguarded = Unguarded::after(earlier.as_ref(), step.now, judged, step.policy, hold);
        }
        if let (None, Some(unguarded)) = (earlier, &self.unguarded) {
            step.tell(Note::Unguarded(unguarded.why.clone()));
        }
    }

    /// An activation is due and held back, for this reason.
    pub(super) fn wait(&mut self, step: &mut StepContext<'_>, why: String) {
        if self.waiting.as_ref() != Some(&why) {
            step.tell(Note::Waiting(why.clone()));
            self.waiting = Some(why);
        }
    }

    /// None is due any more.
    pub(super) fn stop_waiting(&mut self) {
        self.waiting = None;
    }

    pub(super) fn invariants(&self, is_read: bool) -> Result<(), Broken> {
        let is_raised = self.high_spend_on.is_some()
            || self.unguarded.is_some()
            || self.blocked.is_some()
            || self.waiting.is_some();
        must(is_read || !is_raised, "a flag is raised before anything was read")
    }
}
