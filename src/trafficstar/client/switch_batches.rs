//! SwitchBatches of runs and pauses: the requests that [`Split`] plans, and what their answers say of each campaign.
//!
//! Deliberately absent: which request comes next (`batch::split`), and who goes together (`changes`).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{Client, Now, Purpose, Requester};
use crate::domain::action::{ActionKind, Outcome};
use crate::domain::ids::RemoteId;
use crate::trafficstar::batch::split::{Attempt, Ended, SetAside, Split, Way};
use crate::trafficstar::call::{Answer, Call, Switch, SwitchWay};
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::scheduler::Asking;
use crate::trafficstar::wire::SwitchAnswer;

/// A pause that met a 429 goes first when the silence is over: so often, before it is left to the next tick. TrafficStars has
/// not heard of what it answered with 429, and the facts of a pause never grow too old.
const PAUSE_ATTEMPTS: u8 = 3;

/// A campaign that is to be paused or run with others.
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
    /// The requesters whose campaigns it names.
    pub(super) requesters: Vec<Requester>,
}

impl SwitchJob {
    /// The campaigns that it names.
    pub(super) fn remotes(&self) -> impl Iterator<Item = RemoteId> {
        self.attempt.ids.iter().copied()
    }

    /// The action that it carries out for each of them.
    pub(super) const fn kind(&self) -> ActionKind {
        match self.switch {
            Switch::Run => ActionKind::Activate,
            Switch::Pause => ActionKind::Pause,
        }
    }
}

/// The rounds under way, and the campaigns that are asked for by themselves.
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
    /// Switches these campaigns together. Each is told of as soon as it is known what became of it: a 200 can hold failures,
    /// and an id that the answer does not name is unclear.
    pub(super) fn begin_batch(&mut self, now: Now, switch: Switch, requesters: Vec<Switching>) {
        let order = self.known.order(now.wall, switch.endpoint(), switch.ways().len());
        let ways = order.into_iter().filter_map(|position| Some((position, *switch.ways().get(position)?)));
        let ways: Vec<(usize, SwitchWay)> = ways.collect();
        let ids: BTreeSet<RemoteId> = requesters.iter().map(|switching| switching.remote).collect();
        let aside = self.changes.rounds.aside.entry(switch).or_default().of(now.wall, &ids);
        let kinds: Vec<Way> = ways.iter().map(|(_, way)| kind_of(switch, *way)).collect();
        let (patience, leave_by) = match switch {
            Switch::Run => (1, requesters.iter().filter_map(|switching| switching.valid_until).min()),
            Switch::Pause => (PAUSE_ATTEMPTS, None),
        };
        let split = Split::new(ids, &aside, &kinds, patience);
        self.changes.rounds.last_number += 1;
        let number = self.changes.rounds.last_number;
        self.changes.rounds.under_way.insert(number, SwitchBatch { switch, ways, requesters, leave_by, split });
        self.continue_batch(now, number);
    }

    /// A request of a batch has ended.
    pub(super) fn attempt_ended(&mut self, now: Now, job: &SwitchJob, result: Result<Answer, RemoteError>) {
        let SwitchJob { batch: number, attempt, way, .. } = job;
        if let Some(batch) = self.changes.rounds.under_way.get_mut(number) {
            let answered = result.and_then(|answer| outcomes(batch.switch, *way, &attempt.ids, answer));
            batch.split.ended(attempt.id, answered.map_or_else(|error| ended(&error), Ended::Answered));
        }
        self.continue_batch(now, *number);
    }

    /// Sends what is next, and tells what is settled.
    fn continue_batch(&mut self, now: Now, number: u64) {
        let Some(mut batch) = self.changes.rounds.under_way.remove(&number) else { return };
        while let Some(attempt) = batch.split.next_attempt() {
            let Some((_, way)) = batch.ways.get(attempt.way).copied() else { break };
            let Some(call) = call(batch.switch, way, &attempt.ids) else { break };
            let named = batch.requesters.iter().filter(|switching| attempt.ids.contains(&switching.remote));
            let requesters = named.map(|switching| switching.requester).collect();
            let asking = Asking { is_repeat: attempt.is_repeat, ..asking(batch.switch, batch.leave_by) };
            let job = SwitchJob { switch: batch.switch, batch: number, attempt, way, requesters };
            self.requests.ask(now, asking, call, Purpose::Switch(job));
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
            self.changes.rounds.under_way.insert(number, batch);
        }
    }

    /// Learns from a batch that is over. Answers what became of the campaigns for which no way was found.
    fn end_batch(&mut self, now: Now, batch: &SwitchBatch) -> Vec<(RemoteId, Outcome)> {
        let SwitchBatch { switch, split, .. } = batch;
        if let Some((position, way)) = split.working_way().and_then(|way| batch.ways.get(way)) {
            self.known.worked(now.wall, switch.endpoint(), *position, || way.line());
        }
        self.changes.rounds.aside.entry(*switch).or_default().learn(now.wall, split);
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

/// A pause is tried in every way. A run that a documented way refuses is not forced by a `PATCH`: doubt stops, never starts.
const fn kind_of(switch: Switch, way: SwitchWay) -> Way {
    match (switch, way) {
        (_, SwitchWay::Together(_)) => Way::Together,
        (Switch::Run, SwitchWay::Each) => Way::EachUnlessRefused,
        (Switch::Pause, SwitchWay::Each) => Way::Each,
    }
}

const fn asking(switch: Switch, leave_by: Option<DateTime<Utc>>) -> Asking {
    match switch {
        Switch::Run => Asking::run(leave_by),
        Switch::Pause => Asking::pause(),
    }
}

/// A request for each is planned for one campaign at a time.
fn call(switch: Switch, way: SwitchWay, ids: &BTreeSet<RemoteId>) -> Option<Call> {
    Some(match way {
        SwitchWay::Together(path) => Call::Together { switch, path, remotes: ids.clone() },
        SwitchWay::Each => Call::Each { switch, remote: *ids.first()? },
    })
}

/// What an answer of success says of the campaigns that were named.
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

/// What a failure says of the campaigns that a run or a pause named. A 3xx, a missing token or a time-out says nothing of
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
        return Ended::Silenced(error.outcome());
    }
    Ended::Else(error.outcome())
}
