//! Read-backs: reads of one campaign, and what a read shows about the last action.

use super::Machine;
use super::context::StepContext;
use super::last_action::Ending;
use super::questions::Question;
use crate::domain::action::ActionKind;
use crate::domain::confirmation::{ReadBackVerdict, is_stopped_or_gone, verdict};
use crate::domain::failure::RemoteFault;
use crate::domain::remote::{RemoteCampaign, RemoteStatus, judge};

impl Machine {
    pub(super) fn read_back(
        &mut self,
        step: &mut StepContext<'_>,
        question: Question,
        remote: Result<RemoteCampaign, RemoteFault>,
    ) {
        let remote = self.absence.believe(question.asked_at, remote);
        self.absence.saw_back(&remote);
        let status = judge(&remote, step.now);
        let stopped = is_stopped_or_gone(&remote, &status);
        self.settle(step, question, &remote, &status);
        if let Some(awaiting) = self.last.awaiting_mut() {
            *awaiting = awaiting.again(step.now);
        }
        self.readings.saw_back(step.now, remote, status.clone());
        self.read_to_disable(step, stopped, &status);
    }

    /// Compares a read with the action that waits to be confirmed.
    pub(super) fn settle(
        &mut self,
        step: &mut StepContext<'_>,
        question: Question,
        remote: &Result<RemoteCampaign, RemoteFault>,
        status: &RemoteStatus,
    ) {
        let Some((action, awaiting)) = self.last.awaiting() else { return };
        if !question.is_after(awaiting.after) {
            return;
        }
        match verdict(action, awaiting, question.asked_at, remote, status) {
            ReadBackVerdict::NotYet => {}
            ReadBackVerdict::Shown => {
                if let (Ok(campaign), Some(running)) = (remote, action.kind.wants_running()) {
                    self.contest.caused(step.now, running, &campaign.end_time);
                }
                self.finish(step, Ending::Confirmed);
            }
            ReadBackVerdict::Failed(reason) => {
                let activates = action.kind == ActionKind::Activate;
                self.finish(step, Ending::Failed(reason));
                if let (true, RemoteStatus::Blocked { .. }, Ok(campaign)) = (activates, status, remote) {
                    self.run_backoff.blocked(campaign);
                }
            }
        }
    }
}
