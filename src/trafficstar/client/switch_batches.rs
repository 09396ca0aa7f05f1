//! Switch batches: the requests that [`Split`] plans for several runs or pauses, and what their answers say about each
//! campaign.
//!
//! Deliberately absent: which request comes next (`batch::split`), and which campaigns go together (`changes`).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{Client, Now, Purpose, Requester};
use crate::domain::action::{ActionKind, Outcome};
use crate::domain::ids::RemoteId;
use crate::trafficstar::batch::split::{Attempt, Ended, SetAside, Split, Way};
use crate::trafficstar::call::{Answer, Call, Switch, SwitchWay};
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::scheduler::RequestTerms;
use crate::trafficstar::wire::SwitchAnswer;

/// The number of attempts at a pause that is answered with 429, before it waits for the next tick. TrafficStars does
/// not carry out what it answers with 429, and the facts of a pause are never too old.
const PAUSE_ATTEMPTS: u8 = 3;

/// A campaign to pause or run together with others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Switching {
    pub(super) requester: Requester,
    pub(super) remote: RemoteId,
    pub(super) valid_until: Option<DateTime<Utc>>,
}

/// A request of a batch.
#[derive(Debug)]
pub(super) struct SwitchJob {
    switch: Switch,
    batch: u64,
    attempt: Attempt,
    way: SwitchWay,
    /// The requesters of its campaigns.
    pub(super) requesters: Vec<Requester>,
}

impl SwitchJob {
    /// Returns the campaigns of the request.
    pub(super) fn remotes(&self) -> impl Iterator<Item = RemoteId> {
        self.attempt.ids.iter().copied()
    }

    /// Returns the action that it carries out for each campaign.
    pub(super) const fn kind(&self) -> ActionKind {
        match self.switch {
            Switch::Run => ActionKind::Activate,
            Switch::Pause => ActionKind::Pause,
        }
    }
}

/// The batches under way, and the campaigns that are sent by themselves.
#[derive(Debug, Default)]
pub(super) struct SwitchBatches {
    under_way: BTreeMap<u64, SwitchBatch>,
    last_number: u64,
    aside: BTreeMap<Switch, SetAside>,
}

#[derive(Debug)]
struct SwitchBatch {
    switch: Switch,
    /// The ways in the order in which they are tried, each with its position among all.
    ways: Vec<(usize, SwitchWay)>,
    requesters: Vec<Switching>,
    leave_by: Option<DateTime<Utc>>,
    split: Split,
}

impl Client {
    /// Begins a batch that switches these campaigns together. Each outcome is an output as soon as it is known. A 200
    /// can hold failures. An id that the answer does not name is unclear.
    pub(super) fn begin_batch(&mut self, now: Now, switch: Switch, requesters: Vec<Switching>) {
        let order = self.known.order(now.wall, switch.endpoint(), switch.ways().len());
        let ways = order.into_iter().filter_map(|position| Some((position, *switch.ways().get(position)?)));
        let ways: Vec<(usize, SwitchWay)> = ways.collect();
        let ids: BTreeSet<RemoteId> = requesters.iter().map(|switching| switching.remote).collect();
        let aside = self.changes.batches.aside.entry(switch).or_default().of(now.wall, &ids);
        let kinds: Vec<Way> = ways.iter().map(|(_, way)| kind_of(switch, *way)).collect();
        let (patience, leave_by) = match switch {
            Switch::Run => (1, requesters.iter().filter_map(|switching| switching.valid_until).min()),
            Switch::Pause => (PAUSE_ATTEMPTS, None),
        };
        let split = Split::new(ids, &aside, &kinds, patience);
        self.changes.batches.last_number += 1;
        let number = self.changes.batches.last_number;
        self.changes.batches.under_way.insert(number, SwitchBatch { switch, ways, requesters, leave_by, split });
        self.continue_batch(now, number);
    }

    /// Notes that a request of a batch has ended.
    pub(super) fn attempt_ended(&mut self, now: Now, job: &SwitchJob, result: Result<Answer, RemoteError>) {
        let SwitchJob { batch: number, attempt, way, .. } = job;
        if let Some(batch) = self.changes.batches.under_way.get_mut(number) {
            let answered = result.and_then(|answer| outcomes(batch.switch, *way, &attempt.ids, answer));
            batch.split.ended(attempt.id, answered.map_or_else(|error| ended(&error), Ended::Answered));
        }
        self.continue_batch(now, *number);
    }

    /// Sends the next requests of a batch, and outputs what is settled.
    fn continue_batch(&mut self, now: Now, number: u64) {
        let Some(mut batch) = self.changes.batches.under_way.remove(&number) else { return };
        while let Some(attempt) = batch.split.next_attempt() {
            let Some((_, way)) = batch.ways.get(attempt.way).copied() else { break };
            let Some(call) = call(batch.switch, way, &attempt.ids) else { break };
            let named = batch.requesters.iter().filter(|switching| attempt.ids.contains(&switching.remote));
            let requesters = named.map(|switching| switching.requester).collect();
            let terms = RequestTerms { is_repeat: attempt.is_repeat, ..terms(batch.switch, batch.leave_by) };
            let job = SwitchJob { switch: batch.switch, batch: number, attempt, way, requesters };
            self.requests.ask(now, terms, call, Purpose::Switch(job));
        }
        let mut settled = batch.split.take_settled();
        let is_over = batch.split.is_over();
        if is_over {
            settled.extend(self.end_batch(now, &batch));
        }
        for (id, outcome) in settled {
            for switching in batch.requesters.iter().filter(|switching| switching.remote == id) {
                self.switched(now, batch.switch, *switching, outcome.clone());
            }
        }
        if !is_over {
            self.changes.batches.under_way.insert(number, batch);
        }
    }

    /// Learns from a batch that is over. Returns the outcomes of the campaigns for which no way was found.
    fn end_batch(&mut self, now: Now, batch: &SwitchBatch) -> Vec<(RemoteId, Outcome)> {
        let SwitchBatch { switch, split, .. } = batch;
        if let Some((position, way)) = split.working_way().and_then(|way| batch.ways.get(way)) {
            self.known.worked(now.wall, switch.endpoint(), *position, || way.line());
        }
        self.changes.batches.aside.entry(*switch).or_default().learn(now.wall, split);
        if split.unserved().is_empty() {
            self.note(now, split.failure().map(str::to_owned));
            return Vec::new();
        }
        let error =
            if split.has_no_way() { self.known.none_of(now.wall, switch.endpoint()) } else { RemoteError::NotFound };
        self.note(now, Some(error.in_full()));
        split.unserved().iter().map(|id| (*id, error.outcome())).collect()
    }
}

/// Returns how a way sends campaigns. A pause is tried in every way. A run that a documented way refuses is not forced
/// by a `PATCH`: doubt stops, never starts.
const fn kind_of(switch: Switch, way: SwitchWay) -> Way {
    match (switch, way) {
        (_, SwitchWay::Together(_)) => Way::Together,
        (Switch::Run, SwitchWay::Each) => Way::EachUnlessRefused,
        (Switch::Pause, SwitchWay::Each) => Way::Each,
    }
}

const fn terms(switch: Switch, leave_by: Option<DateTime<Utc>>) -> RequestTerms {
    match switch {
        Switch::Run => RequestTerms::run(leave_by),
        Switch::Pause => RequestTerms::pause(),
    }
}

/// Returns the request for these campaigns. [`SwitchWay::Each`] is always planned for one campaign.
fn call(switch: Switch, way: SwitchWay, ids: &BTreeSet<RemoteId>) -> Option<Call> {
    Some(match way {
        SwitchWay::Together(path) => Call::Together { switch, path, remotes: ids.clone() },
        SwitchWay::Each => Call::Each { switch, remote: *ids.first()? },
    })
}

/// Returns the outcome of each campaign of the request, by an answer of success.
fn outcomes(
    switch: Switch,
    way: SwitchWay,
    ids: &BTreeSet<RemoteId>,
    answer: Answer,
) -> Result<BTreeMap<RemoteId, Outcome>, RemoteError> {
    match way {
        SwitchWay::Together(_) => {
            let answer = answer.into_switched()?;
            Ok(ids.iter().map(|id| (*id, outcome_of(&answer, *id))).collect())
        }
        SwitchWay::Each => {
            let campaign = answer.into_campaign()?;
            let outcome = if campaign.active == Some(switch.active()) {
                Outcome::Accepted
            } else {
                Outcome::Unclear("the answer shows the campaign unchanged".to_owned())
            };
            Ok(ids.iter().map(|id| (*id, outcome.clone())).collect())
        }
    }
}

fn outcome_of(answer: &SwitchAnswer, id: RemoteId) -> Outcome {
    match (answer.success.contains(&id), answer.failed.contains(&id)) {
        (true, false) => Outcome::Accepted,
        (false, true) => {
            Outcome::Failed("TrafficStars refuses it for this campaign and gives no reason (`failed`)".to_owned())
        }
        (true, true) => Outcome::Unclear("the answer lists the campaign under both success and failed".to_owned()),
        (false, false) => Outcome::Unclear("the answer does not name the campaign".to_owned()),
    }
}

/// Returns what a failed run or pause says about its campaigns. A 3xx, a missing token or a time-out says nothing about
/// them.
fn ended(error: &RemoteError) -> Ended {
    if error.is_absence() {
        return Ended::NoSuchWay(error.in_full());
    }
    if let RemoteError::Rejected { status: 400..=499, .. } = error {
        return Ended::Refused { reason: error.in_full(), perhaps_the_way: error.is_bad_request() };
    }
    if let RemoteError::Unavailable { .. } = error {
        return Ended::Broke(error.in_full());
    }
    if let RemoteError::RateLimited { .. } = error {
        return Ended::RateLimited(error.outcome());
    }
    Ended::Other(error.outcome())
}
