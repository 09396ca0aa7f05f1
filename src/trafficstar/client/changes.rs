//! All requests that change campaigns: pauses and runs are gathered into batches, end times are sent one by one.
//!
//! Deliberately absent: the requests of a switch batch (`switch_batches`).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::switch_batches::{SwitchBatches, Switching};
use super::{Client, MOMENT, Now, Output, Purpose, Requester};
use crate::domain::action::{ActionKind, Outcome};
use crate::domain::ids::RemoteId;
use crate::domain::money::Money;
use crate::domain::queue_place::{QueuePlace, QueuePlaces};
use crate::domain::remote::{EndTime, RemoteCampaign};
use crate::trafficstar::batch::Gathering;
use crate::trafficstar::budget::Rank;
use crate::trafficstar::call::{Answer, Call, Switch};
use crate::trafficstar::circuit::Operation;
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::scheduler::RequestTerms;

/// For this many ticks, an activation that was not sent in time is still counted as waiting.
pub(super) const POSTPONED_FOR_TICKS: i32 = 2;

/// A change of one campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The campaign at TrafficStars.
    pub remote: RemoteId,
    /// The kind of the change.
    pub kind: ChangeKind,
    /// The order among requests that have to wait.
    pub rank: Rank,
    /// The time (UTC, wall clock) after which the request must not leave; `None` if it may leave at any time.
    pub valid_until: Option<DateTime<Utc>>,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Sets the end time, and then runs the campaign. A failure in between leaves a stopped campaign.
    Activate {
        /// The time (UTC) when the campaign stops by itself.
        end_time: DateTime<Utc>,
    },
    /// Pauses the campaign.
    Pause,
    /// Sets the end time.
    SetEndTime {
        /// The time (UTC) when the campaign stops by itself.
        end_time: DateTime<Utc>,
    },
    /// Sets the daily budget.
    SetBudget {
        /// The new `max_daily`.
        max_daily: Money,
        /// The action: a top-up, or the first budget of the day.
        action: ActionKind,
    },
}

impl ChangeKind {
    /// Returns the action that the change carries out.
    const fn of_action(self) -> ActionKind {
        match self {
            Self::Activate { .. } => ActionKind::Activate,
            Self::Pause => ActionKind::Pause,
            Self::SetEndTime { .. } => ActionKind::SetEndTime,
            Self::SetBudget { action, .. } => action,
        }
    }
}

/// A request that edits one campaign: its end time or its daily budget.
#[derive(Debug)]
pub(super) struct EditJob {
    pub(super) requester: Requester,
    change: Change,
    edit: Edit,
}

/// The field that a request sets.
#[derive(Debug, Clone, Copy)]
enum Edit {
    EndTime(DateTime<Utc>),
    MaxDaily(Money),
}

/// The pauses and runs that are being gathered, and the batches under way.
#[derive(Debug)]
pub(super) struct Changes {
    pauses: Gathering<Switching>,
    runs: Gathering<Switching>,
    pub(super) batches: SwitchBatches,
    /// The activations that were not sent in time, each with the time (steady clock) of its failure. One is removed
    /// when it is asked for again, or after [`POSTPONED_FOR_TICKS`].
    postponed: BTreeMap<RemoteId, DateTime<Utc>>,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            pauses: Gathering::new(MOMENT),
            runs: Gathering::new(MOMENT),
            batches: SwitchBatches::default(),
            postponed: BTreeMap::new(),
        }
    }

    pub(super) fn due_at(&self) -> Option<DateTime<Utc>> {
        self.pauses.due_at().into_iter().chain(self.runs.due_at()).min()
    }

    pub(super) fn postponed(&self) -> usize {
        self.postponed.len()
    }

    /// Removes postponed activations from before this time. One that is still due is asked for again at the next tick.
    pub(super) fn forget_postponed(&mut self, before: DateTime<Utc>) {
        self.postponed.retain(|_, since| *since > before);
    }
}

impl Client {
    /// Begins to change one campaign; answered by [`Output::Changed`].
    pub fn change(&mut self, now: Now, change: Change) -> Requester {
        let requester = self.next_requester();
        let Change { remote, kind, valid_until, .. } = change;
        match kind {
            ChangeKind::Pause => self.changes.pauses.ask(now.steady, Switching { requester, remote, valid_until }),
            ChangeKind::SetEndTime { end_time } => self.edit(now, requester, change, Edit::EndTime(end_time)),
            ChangeKind::SetBudget { max_daily, .. } => self.edit(now, requester, change, Edit::MaxDaily(max_daily)),
            ChangeKind::Activate { end_time } => {
                self.changes.postponed.remove(&remote);
                if self.may_run(now) {
                    self.edit(now, requester, change, Edit::EndTime(end_time));
                } else {
                    let reason = "runs fail at TrafficStars, and the next run that tests it is not due yet".to_owned();
                    self.activation_ended(now, requester, remote, Outcome::Postponed(reason));
                }
            }
        }
        requester
    }

    /// Returns the place in the queue of each campaign's change that has not left.
    pub(super) fn queue_places(&self, now: Now) -> QueuePlaces {
        let (mut places, mut activations, reads_of_all) = (QueuePlaces::new(), 0, self.reads_of_all());
        for (before, purpose) in self.requests.waiting().enumerate() {
            let kind = match purpose {
                Purpose::Edit(job) => job.change.kind.of_action(),
                Purpose::Switch(job) => job.kind(),
                Purpose::Token | Purpose::Status(_) | Purpose::Spend(_) | Purpose::Account(_) => continue,
            };
            activations += usize::from(kind != ActionKind::Pause);
            let budget = self.requests.scheduler().budget();
            let leaves_about =
                (kind != ActionKind::Pause).then(|| budget.left_by(now.steady, activations, reads_of_all));
            let place = QueuePlace { before: before as u64, leaves_about };
            match purpose {
                Purpose::Edit(job) => drop(places.insert((job.change.remote, kind), place)),
                Purpose::Switch(job) => places.extend(job.remotes().map(|remote| ((remote, kind), place))),
                Purpose::Token | Purpose::Status(_) | Purpose::Spend(_) | Purpose::Account(_) => {}
            }
        }
        places
    }

    /// Whether an activation, or its end time, waits in the queue.
    pub(super) fn is_activation_waiting(&self) -> bool {
        self.requests.waiting().any(|purpose| match purpose {
            Purpose::Edit(job) => job.change.kind.of_action() == ActionKind::Activate,
            Purpose::Switch(job) => job.kind() == ActionKind::Activate,
            Purpose::Token | Purpose::Status(_) | Purpose::Spend(_) | Purpose::Account(_) => false,
        })
    }

    /// Whether an activation may begin. While runs fail, its end time would cost a request at every tick and have no
    /// effect. One activation at a time still begins: it tests whether runs work again.
    fn may_run(&mut self, now: Now) -> bool {
        self.requests.scheduler().circuits().is_closed(Operation::Run) || self.begins_own_probe(now, Operation::Run)
    }

    fn edit(&mut self, now: Now, requester: Requester, change: Change, edit: Edit) {
        let remote = change.remote;
        let call = match edit {
            Edit::EndTime(at) => Call::EndTime { remote, at },
            Edit::MaxDaily(max_daily) => Call::Budget { remote, max_daily },
        };
        let terms = RequestTerms::edit(call.operation(), change.rank, change.valid_until);
        let job = EditJob { requester, change, edit };
        self.requests.ask(now, terms, call, Purpose::Edit(job));
        self.is_stirred = true;
    }

    pub(super) fn edited(&mut self, now: Now, job: EditJob, result: Result<Answer, RemoteError>) {
        let EditJob { requester, change, edit } = job;
        let outcome = match (result.and_then(Answer::into_campaign), edit) {
            (Ok(campaign), Edit::EndTime(end_time)) => end_time_outcome(&campaign, end_time),
            (Ok(campaign), Edit::MaxDaily(max_daily)) => budget_outcome(&campaign, max_daily),
            (Err(error), _) => error.outcome(),
        };
        self.edit_ended(now, requester, change, outcome);
    }

    fn edit_ended(&mut self, now: Now, requester: Requester, change: Change, outcome: Outcome) {
        let Change { remote, kind, valid_until, .. } = change;
        match (kind, outcome) {
            (ChangeKind::Pause | ChangeKind::SetEndTime { .. } | ChangeKind::SetBudget { .. }, outcome) => {
                self.outputs.push(Output::Changed(requester, outcome));
            }
            (ChangeKind::Activate { .. }, Outcome::Accepted) => {
                self.changes.runs.ask(now.steady, Switching { requester, remote, valid_until });
            }
            // The run was not sent, so the campaign is unchanged and the outcome is no doubt.
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

    /// Runs all campaigns whose end times are set in one request. It waits a little for end times in flight.
    pub(super) fn serve_runs(&mut self, now: Now) {
        self.changes.runs.wait_for_end_times(now.steady, self.requests.scheduler().budget());
        if let Some(requesters) = self.changes.runs.take_due(now.steady) {
            self.begin_batch(now, Switch::Run, requesters);
        }
    }

    /// Outputs the outcome of one campaign of a switch batch.
    pub(super) fn switched(&mut self, now: Now, switch: Switch, switching: Switching, outcome: Outcome) {
        let unsent = |reason| format!("its end time is set, but the run was not sent: {reason}");
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

/// Returns the outcome of a request for an end time. The answer is the campaign itself and has to show the wanted end
/// time. TrafficStars stores whole seconds only.
fn end_time_outcome(campaign: &RemoteCampaign, wanted: DateTime<Utc>) -> Outcome {
    match &campaign.end_time {
        EndTime::At(shown) if shown.timestamp() == wanted.timestamp() => Outcome::Accepted,
        shown @ (EndTime::At(_) | EndTime::Unset | EndTime::Unreadable(_)) => {
            Outcome::Failed(format!("TrafficStars shows another end time: {shown:?}"))
        }
    }
}

/// Returns the outcome of a request for a daily budget. If the answer shows another budget, a read decides: it may show an
/// older state.
fn budget_outcome(campaign: &RemoteCampaign, wanted: Money) -> Outcome {
    match campaign.max_daily {
        Some(shown) if shown == wanted => Outcome::Accepted,
        Some(shown) => Outcome::Unclear(format!("TrafficStars shows a max_daily of {shown} instead of {wanted}")),
        None => Outcome::Unclear("TrafficStars shows no max_daily".to_owned()),
    }
}
