//! Everything that changes a campaign: pauses and runs are gathered, end times go one by one.
//!
//! Deliberately absent: the requests of a round of pauses or runs (`switch_batches`).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::switch_batches::{SwitchBatches, Switching};
use super::{Client, MOMENT, Now, Output, Purpose, Requester};
use crate::domain::action::{ActionKind, Outcome};
use crate::domain::ids::RemoteId;
use crate::domain::queue_place::{QueuePlace, QueuePlaces};
use crate::domain::remote::{EndTime, RemoteCampaign};
use crate::trafficstar::batch::Gathering;
use crate::trafficstar::budget::Rank;
use crate::trafficstar::call::{Answer, Call, Switch};
use crate::trafficstar::circuit::Operation;
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::scheduler::Asking;

/// An activation whose turn did not come is counted as one that waits for so many ticks.
pub(super) const POSTPONED_FOR_TICKS: i32 = 2;

/// A change of one campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Which campaign.
    pub remote: RemoteId,
    /// How.
    pub kind: ChangeKind,
    /// Which goes first where requests have to wait.
    pub rank: Rank,
    /// From then on it is too late for it to leave, by the wall clock.
    pub valid_until: Option<DateTime<Utc>>,
}

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// The end time is set, then the campaign is run: a fault in between leaves a stopped campaign.
    Activate {
        /// When it stops by itself.
        end_time: DateTime<Utc>,
    },
    /// The campaign is paused.
    Pause,
    /// The end time is set.
    SetEndTime {
        /// When it stops by itself.
        end_time: DateTime<Utc>,
    },
}

impl ChangeKind {
    /// The action that it carries out.
    const fn of_action(self) -> ActionKind {
        match self {
            Self::Activate { .. } => ActionKind::Activate,
            Self::Pause => ActionKind::Pause,
            Self::SetEndTime { .. } => ActionKind::SetEndTime,
        }
    }
}

/// A request for an end time.
#[derive(Debug)]
pub(super) struct EndTimeJob {
    pub(super) requester: Requester,
    change: Change,
    end_time: DateTime<Utc>,
}

/// The changes that wait for others, and the rounds under way.
#[derive(Debug)]
pub(super) struct Changes {
    pauses: Gathering<Switching>,
    runs: Gathering<Switching>,
    pub(super) rounds: SwitchBatches,
    /// Activations whose turn did not come, until they are asked for again or forgotten.
    postponed: BTreeMap<RemoteId, DateTime<Utc>>,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            pauses: Gathering::new(MOMENT),
            runs: Gathering::new(MOMENT),
            rounds: SwitchBatches::default(),
            postponed: BTreeMap::new(),
        }
    }

    pub(super) fn due_at(&self) -> Option<DateTime<Utc>> {
        self.pauses.due_at().into_iter().chain(self.runs.due_at()).min()
    }

    pub(super) fn postponed(&self) -> usize {
        self.postponed.len()
    }

    /// What is still due is asked for again at the next tick.
    pub(super) fn forget_postponed(&mut self, before: DateTime<Utc>) {
        self.postponed.retain(|_, since| *since > before);
    }
}

impl Client {
    /// Changes one campaign.
    pub fn change(&mut self, now: Now, change: Change) -> Requester {
        let requester = self.next_asker();
        let Change { remote, kind, valid_until, .. } = change;
        match kind {
            ChangeKind::Pause => self.changes.pauses.ask(now.steady, Switching { requester, remote, valid_until }),
            ChangeKind::SetEndTime { end_time } => self.set_end_time(now, requester, change, end_time),
            ChangeKind::Activate { end_time } => {
                self.changes.postponed.remove(&remote);
                if self.may_run(now) {
                    self.set_end_time(now, requester, change, end_time);
                } else {
                    let reason = "runs fail at TrafficStars, and its turn to try one has not come".to_owned();
                    self.activation_ended(now, requester, remote, Outcome::Postponed(reason));
                }
            }
        }
        requester
    }

    /// When the turn comes of each campaign's change that has not left.
    pub(super) fn turns(&self, now: Now) -> QueuePlaces {
        let (mut turns, mut activations, reads_of_all) = (QueuePlaces::new(), 0, self.reads_of_all());
        for (before, purpose) in self.requests.waiting().enumerate() {
            let kind = match purpose {
                Purpose::EndTime(job) => job.change.kind.of_action(),
                Purpose::Switch(job) => job.kind(),
                Purpose::Token | Purpose::Status(_) | Purpose::Spend(_) | Purpose::Account(_) => continue,
            };
            activations += usize::from(kind != ActionKind::Pause);
            let budget = self.requests.scheduler().budget();
            let leaves_about =
                (kind != ActionKind::Pause).then(|| budget.left_by(now.steady, activations, reads_of_all));
            let turn = QueuePlace { before: before as u64, leaves_about };
            match purpose {
                Purpose::EndTime(job) => drop(turns.insert((job.change.remote, kind), turn)),
                Purpose::Switch(job) => turns.extend(job.remotes().map(|remote| ((remote, kind), turn))),
                Purpose::Token | Purpose::Status(_) | Purpose::Spend(_) | Purpose::Account(_) => {}
            }
        }
        turns
    }

    /// Whether an activation, or its end time, waits for its turn.
    pub(super) fn is_activation_waiting(&self) -> bool {
        self.requests.waiting().any(|purpose| match purpose {
            Purpose::EndTime(job) => job.change.kind.of_action() == ActionKind::Activate,
            Purpose::Switch(job) => job.kind() == ActionKind::Activate,
            Purpose::Token | Purpose::Status(_) | Purpose::Spend(_) | Purpose::Account(_) => false,
        })
    }

    /// An end time without a run would cost a request at every tick and change nothing. One at a time goes all the same, and
    /// shows whether runs work again.
    fn may_run(&mut self, now: Now) -> bool {
        self.requests.scheduler().circuits().is_closed(Operation::Run) || self.begins_own_probe(now, Operation::Run)
    }

    fn set_end_time(&mut self, now: Now, requester: Requester, change: Change, end_time: DateTime<Utc>) {
        let call = Call::EndTime { remote: change.remote, at: end_time };
        let asking = Asking::end_time(change.rank, change.valid_until);
        let job = EndTimeJob { requester, change, end_time };
        self.requests.ask(now, asking, call, Purpose::EndTime(job));
        self.is_stirred = true;
    }

    pub(super) fn end_time_came(&mut self, now: Now, job: EndTimeJob, result: Result<Answer, RemoteError>) {
        let EndTimeJob { requester, change, end_time } = job;
        let outcome = match result.and_then(Answer::into_campaign) {
            Ok(campaign) => end_time_outcome(&campaign, end_time),
            Err(error) => error.outcome(),
        };
        self.end_time_ended(now, requester, change, outcome);
    }

    fn end_time_ended(&mut self, now: Now, requester: Requester, change: Change, outcome: Outcome) {
        let Change { remote, kind, valid_until, .. } = change;
        match (kind, outcome) {
            (ChangeKind::Pause | ChangeKind::SetEndTime { .. }, outcome) => {
                self.outputs.push(Output::Changed(requester, outcome));
            }
            (ChangeKind::Activate { .. }, Outcome::Accepted) => {
                self.changes.runs.ask(now.steady, Switching { requester, remote, valid_until });
            }
            // The run was never sent, so that the campaign is as it was.
            (ChangeKind::Activate { .. }, Outcome::Unclear(reason) | Outcome::Failed(reason)) => {
                let outcome = Outcome::Failed(format!("its end time could not be set: {reason}"));
                self.activation_ended(now, requester, remote, outcome);
            }
            (ChangeKind::Activate { .. }, unsent @ (Outcome::NotSent(_) | Outcome::Postponed(_))) => {
                self.activation_ended(now, requester, remote, unsent);
            }
        }
    }

    fn activation_ended(&mut self, now: Now, requester: Requester, remote: RemoteId, outcome: Outcome) {
        if matches!(outcome, Outcome::Postponed(_)) {
            self.changes.postponed.insert(remote, now.steady);
        }
        self.outputs.push(Output::Changed(requester, outcome));
    }

    pub(super) fn serve_pauses(&mut self, now: Now) {
        if let Some(requesters) = self.changes.pauses.take_due(now.steady) {
            self.begin_batch(now, Switch::Pause, requesters);
        }
    }

    /// One request for all whose end times are set; those that are about to be are waited for a little.
    pub(super) fn serve_runs(&mut self, now: Now) {
        self.changes.runs.wait_for_end_times(now.steady, self.requests.scheduler().budget());
        if let Some(requesters) = self.changes.runs.take_due(now.steady) {
            self.begin_batch(now, Switch::Run, requesters);
        }
    }

    /// What became of a campaign of a round.
    pub(super) fn switched(&mut self, now: Now, switch: Switch, switching: Switching, outcome: Outcome) {
        let unsent = |reason| format!("its end time is set, and the run was not sent: {reason}");
        match (switch, outcome) {
            (Switch::Pause, outcome) => self.outputs.push(Output::Changed(switching.requester, outcome)),
            (Switch::Run, outcome) => {
                let outcome = match outcome {
                    Outcome::NotSent(reason) => Outcome::NotSent(unsent(reason)),
                    Outcome::Postponed(reason) => Outcome::Postponed(unsent(reason)),
                    known @ (Outcome::Accepted | Outcome::Unclear(_) | Outcome::Failed(_)) => known,
                };
                self.activation_ended(now, switching.requester, switching.remote, outcome);
            }
        }
    }
}

/// The answer to an end time is the campaign itself: it has to show what was set. TrafficStars knows whole seconds alone.
fn end_time_outcome(campaign: &RemoteCampaign, wanted: DateTime<Utc>) -> Outcome {
    match &campaign.end_time {
        EndTime::At(shown) if shown.timestamp() == wanted.timestamp() => Outcome::Accepted,
        shown @ (EndTime::At(_) | EndTime::Unset | EndTime::Unreadable(_)) => {
            Outcome::Failed(format!("TrafficStars set {shown:?} instead"))
        }
    }
}
