//! The scheduler: every request waits in its queue before it leaves. PURE.
//!
//! The scheduler asks the circuit of the request's operation first, then the budget. If the circuit is open, a read is
//! refused at once, so that the decision that needs it knows what could not be read. A write waits here. One write at a
//! time may leave as a probe.
//!
//! Deliberately absent: a clock, how many requests may leave (`budget`), what opens a circuit (`circuit`), the count of
//! requests in the database (`reservation`), and the requests themselves (`client`).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Duration, Utc};
use thiserror::Error;

use super::budget::{Budget, Rank, RequestId, WINDOW};
use super::circuit::{CircuitChange, CircuitVerdict, Circuits, Ended, Operation};
use crate::domain::read_priority::Urgency;
use crate::leadership::LeadershipLost;

/// End times are gathered until none has come for this long, so that the most urgent of a burst leave first.
const QUIET_FOR: Duration = Duration::milliseconds(250);
/// End times are gathered for at most a tick divided by this number. The quiet time is at most half as long.
const GATHERED_FOR_PART_OF_TICK: i32 = 4;
/// End times are gathered for at most this long.
const GATHERED_AT_MOST: Duration = Duration::seconds(2);

/// The longest time for which a 429 stops all requests, even if it names a longer one.
const LONGEST_RATE_LIMIT: Duration = Duration::minutes(5);

/// The terms under which a request waits and leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTerms {
    /// The operation that the request carries out.
    pub operation: Operation,
    /// The request's class.
    pub urgency: Urgency,
    /// The request's rank within its class.
    pub rank: Rank,
    /// The time (UTC) after which the request must not leave; `None` if it may leave at any time.
    pub leave_by: Option<DateTime<Utc>>,
    /// Whether it repeats a failed request, for some of its campaigns or by another way. If it fails, too, this does
    /// not count against the operation. Otherwise three answers of 500 for one campaign would open the circuit for all.
    pub is_repeat: bool,
}

impl RequestTerms {
    /// Returns the terms of a read, which is as urgent as the decision that needs it.
    #[must_use]
    pub const fn read(operation: Operation, urgency: Urgency) -> Self {
        Self { operation, urgency, rank: Rank::ANY, leave_by: None, is_repeat: false }
    }

    /// Returns the terms of the report for all campaigns, which the ticks of all campaigns need.
    #[must_use]
    pub fn report_of_all(urgency: Urgency) -> Self {
        Self::read(Operation::Report, urgency.min(Urgency::Sweep))
    }

    /// Returns the terms of a token request: without a token not even a pause can leave.
    #[must_use]
    pub const fn token() -> Self {
        Self { rank: Rank::FIRST, ..Self::read(Operation::Token, Urgency::Pause) }
    }

    /// Returns the terms of a pause, which is never too old to leave.
    #[must_use]
    pub const fn pause() -> Self {
        Self { rank: Rank::FIRST, ..Self::read(Operation::Pause, Urgency::Pause) }
    }

    /// Returns the terms of a run. It goes ahead of the end times that wait, because its own end times are set.
    #[must_use]
    pub const fn run(leave_by: Option<DateTime<Utc>>) -> Self {
        Self { operation: Operation::Run, urgency: Urgency::Activate, rank: Rank::FIRST, leave_by, is_repeat: false }
    }

    /// Returns the terms of a request that edits one campaign: its end time, which is the first half of an activation or
    /// follows a pause, or its daily budget.
    #[must_use]
    pub const fn edit(operation: Operation, rank: Rank, leave_by: Option<DateTime<Utc>>) -> Self {
        Self { operation, urgency: Urgency::Activate, rank, leave_by, is_repeat: false }
    }
}

/// The end of a request, as the metrics count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnswerWord {
    /// An answer with this status code.
    Status(u16),
    /// An answer of success that cannot be read.
    Unreadable,
    /// No answer within the time-out.
    TimedOut,
    /// No connection, or a broken one.
    Connection,
    /// The request was given up before an answer came.
    GivenUp,
}

impl AnswerWord {
    /// Returns the name that the metrics use.
    #[must_use]
    pub fn word(self) -> Cow<'static, str> {
        match self {
            Self::Status(status) => status.to_string().into(),
            Self::Unreadable => "unreadable".into(),
            Self::TimedOut => "timed-out".into(),
            Self::Connection => "connection".into(),
            Self::GivenUp => "given-up".into(),
        }
    }
}

/// The reason why a request never left.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAdmitted {
    /// The request waited in the queue until the facts behind its decision were too old.
    #[error("it waited too long in the queue of requests")]
    TooLate,
    /// This supervisor no longer leads, or its lease is about to end.
    #[error(transparent)]
    NotLeading(LeadershipLost),
    /// The operation failed several times in a row. Only probes are sent until it works again.
    #[error(
        "TrafficStars keeps failing ({reason}): the next try of `{operation}` is at {}",
        .probe_at.format("%H:%M:%S")
    )]
    CircuitOpen {
        /// The operation's name in the dump.
        operation: &'static str,
        /// The time (UTC) when the next probe may leave.
        probe_at: DateTime<Utc>,
        /// The reason of the last failure.
        reason: String,
    },
}

/// The end times of one burst, which are gathered before they are queued. When many campaigns tick together, end times
/// arrive in the order in which their journal entries were stored. That order says nothing about their urgency.
#[derive(Debug)]
struct Burst {
    request_ids: BTreeSet<RequestId>,
    began_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
}

impl Burst {
    fn ends_at(&self, tick: Duration) -> DateTime<Utc> {
        let longest = GATHERED_AT_MOST.min(tick / GATHERED_FOR_PART_OF_TICK);
        (self.last_at + QUIET_FOR.min(longest / 2)).min(self.began_at + longest)
    }
}

/// The requests that wait, and the requests that left and are not answered yet.
#[derive(Debug, Default)]
pub struct RequestScheduler {
    tick: Duration,
    budget: Budget,
    circuits: Circuits,
    /// All requests that have not left: queued in the budget, gathered in the burst, or stopped by a circuit.
    waiting: HashMap<RequestId, RequestTerms>,
    /// The end times that are being gathered; `None` if none is.
    burst: Option<Burst>,
    /// The writes that wait for their operation's circuit to close, in the order of their arrival.
    stopped: BTreeMap<Operation, BTreeSet<RequestId>>,
    refused: Vec<(RequestId, NotAdmitted)>,
    in_flight: HashMap<RequestId, RequestTerms>,
    circuit_changes: Vec<CircuitChange>,
}

impl RequestScheduler {
    /// Returns a scheduler with this budget. `tick` is the distance between two points of the guard's grid.
    #[must_use]
    pub fn new(budget: Budget, tick: Duration) -> Self {
        Self { tick, budget, circuits: Circuits::new(tick), ..Self::default() }
    }

    /// Takes a request that is to leave. It leaves by [`RequestScheduler::admit`].
    pub fn ask(&mut self, now: DateTime<Utc>, request_id: RequestId, terms: RequestTerms) {
        self.waiting.insert(request_id, terms);
        if terms.urgency == Urgency::Activate && terms.rank.depends_on_clicks() {
            self.gather(now, request_id);
        } else {
            self.queue(now, request_id, terms);
        }
    }

    /// Removes a request that must no longer leave.
    pub fn give_up(&mut self, now: DateTime<Utc>, request_id: RequestId) {
        self.budget.cancel(request_id);
        self.forget_gathered(request_id);
        for request_ids in self.stopped.values_mut() {
            request_ids.remove(&request_id);
        }
        if let Some(terms) = self.waiting.remove(&request_id) {
            // It may have been the probe: then another request may probe.
            self.ended(now, terms.operation, Ended::Inconclusive);
        }
    }

    /// Notes how a request that left has ended.
    pub fn answered(&mut self, now: DateTime<Utc>, request_id: RequestId, ended: Ended) {
        self.budget.answered(now, request_id);
        if let Some(terms) = self.in_flight.remove(&request_id) {
            let counts = !terms.is_repeat || ended == Ended::Answered;
            self.ended(now, terms.operation, if counts { ended } else { Ended::Inconclusive });
        }
    }

    /// Notes a 429. Returns the time (steady clock) until which nothing leaves. A 429 without a time stops all requests
    /// for one window. A long time is cut to five minutes, because campaigns must not spend unwatched for longer. After
    /// that TrafficStars may answer 429 again.
    pub fn rate_limited(&mut self, now: DateTime<Utc>, retry_after: Option<Duration>) -> DateTime<Utc> {
        let until = now + retry_after.unwrap_or(WINDOW).clamp(Duration::zero(), LONGEST_RATE_LIMIT);
        self.budget.block_until(until);
        until
    }

    /// Changes the distance between two points of the grid.
    pub const fn set_tick(&mut self, tick: Duration) {
        self.tick = tick;
        self.circuits.set_tick(tick);
    }

    /// Returns how many requests of these operations wait or are in flight.
    #[must_use]
    pub fn count(&self, operations: &[Operation]) -> usize {
        let all = self.waiting.values().chain(self.in_flight.values());
        all.filter(|terms| operations.contains(&terms.operation)).count()
    }

    /// Returns the requests that leave now, at most `most`, the most urgent first.
    pub fn admit(&mut self, now: DateTime<Utc>, most: usize) -> Vec<RequestId> {
        if let Some(burst) = self.burst.take_if(|burst| burst.ends_at(self.tick) <= now) {
            for request_id in burst.request_ids {
                self.requeue(now, request_id);
            }
        }
        for operation in Operation::ALL {
            let first = self.stopped.get(&operation).and_then(BTreeSet::first).copied();
            if let Some(request_id) = first
                && self.circuits.is_probe_due(now, operation)
            {
                self.stopped.entry(operation).or_default().pop_first();
                self.requeue(now, request_id);
            }
        }
        self.circuits.forget_untried(now);
        let admitted = self.budget.grant(now, most);
        for request_id in &admitted {
            self.in_flight.extend(self.waiting.remove(request_id).map(|terms| (*request_id, terms)));
        }
        admitted
    }

    /// Returns when to call [`RequestScheduler::admit`] next if nothing happens until then.
    pub fn next_admission_at(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let stopped = self.stopped.iter().filter(|(_, request_ids)| !request_ids.is_empty());
        let probe = stopped.filter_map(|(operation, _)| self.circuits.probe_at(*operation)).min();
        let burst = self.burst.as_ref().map(|burst| burst.ends_at(self.tick));
        self.budget.next_grant_at(now).into_iter().chain(probe).chain(burst).min()
    }

    /// Returns the requests that were refused since the last call. They never leave.
    pub fn take_refused(&mut self) -> Vec<(RequestId, NotAdmitted)> {
        std::mem::take(&mut self.refused)
    }

    /// Returns the circuits that opened or closed since the last call.
    pub fn take_circuit_changes(&mut self) -> Vec<CircuitChange> {
        std::mem::take(&mut self.circuit_changes)
    }

    /// Returns the budget.
    #[must_use]
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Returns the budget, for calls that change it.
    pub const fn budget_mut(&mut self) -> &mut Budget {
        &mut self.budget
    }

    /// Returns the circuits.
    #[must_use]
    pub const fn circuits(&self) -> &Circuits {
        &self.circuits
    }

    /// Returns the requests that wait, in the order in which they would leave now.
    pub fn waiting(&self) -> impl Iterator<Item = RequestId> {
        let gathered = self.burst.iter().flat_map(|burst| burst.request_ids.iter().copied());
        self.budget.waiting().chain(gathered).chain(self.stopped.values().flatten().copied())
    }

    /// Returns how many writes are being gathered. They come to the budget's queue in a moment.
    #[must_use]
    pub fn gathered(&self) -> usize {
        self.burst.as_ref().map_or(0, |burst| burst.request_ids.len())
    }

    /// Returns how many writes are not in the budget's queue yet: they are being gathered, or wait for their circuit.
    #[must_use]
    pub fn held_back(&self) -> usize {
        self.gathered() + self.stopped.values().map(BTreeSet::len).sum::<usize>()
    }

    fn gather(&mut self, now: DateTime<Utc>, request_id: RequestId) {
        let burst = self.burst.get_or_insert(Burst { request_ids: BTreeSet::new(), began_at: now, last_at: now });
        burst.request_ids.insert(request_id);
        burst.last_at = now;
    }

    fn forget_gathered(&mut self, gone: RequestId) {
        if let Some(burst) = &mut self.burst {
            burst.request_ids.remove(&gone);
        }
        self.burst.take_if(|burst| burst.request_ids.is_empty());
    }

    /// Puts a request into the budget's queue, unless its circuit is open.
    fn queue(&mut self, now: DateTime<Utc>, request_id: RequestId, terms: RequestTerms) {
        // An open circuit never stops a pause, nor a read or a token that a pause needs.
        if terms.urgency != Urgency::Pause
            && let CircuitVerdict::Open { probe_at, reason } = self.circuits.ask(now, terms.operation)
        {
            self.stop(request_id, terms.operation, probe_at, reason);
        } else {
            self.budget.ask(now, terms.urgency, terms.rank, request_id);
        }
    }

    fn requeue(&mut self, now: DateTime<Utc>, request_id: RequestId) {
        if let Some(terms) = self.waiting.get(&request_id) {
            self.queue(now, request_id, *terms);
        }
    }

    /// Refuses a read whose circuit is open. A write waits until the circuit closes.
    fn stop(&mut self, request_id: RequestId, operation: Operation, probe_at: DateTime<Utc>, reason: String) {
        if !operation.only_reads() {
            self.stopped.entry(operation).or_default().insert(request_id);
        } else if self.waiting.remove(&request_id).is_some() {
            let operation = operation.as_str();
            self.refused.push((request_id, NotAdmitted::CircuitOpen { operation, probe_at, reason }));
        }
    }

    fn ended(&mut self, now: DateTime<Utc>, operation: Operation, ended: Ended) {
        let Some(change) = self.circuits.ended(now, operation, ended) else { return };
        match &change {
            CircuitChange::Opened(_, reason) => {
                let is_stopped = |terms: &RequestTerms| terms.operation == operation && terms.urgency != Urgency::Pause;
                let others = self.waiting.iter().filter(|(_, terms)| is_stopped(terms));
                let others: BTreeSet<RequestId> = others.map(|(request_id, _)| *request_id).collect();
                let probe_at = self.circuits.probe_at(operation).unwrap_or(now);
                for request_id in others {
                    self.forget_gathered(request_id);
                    self.budget.cancel(request_id);
                    self.stop(request_id, operation, probe_at, reason.clone());
                }
            }
            CircuitChange::Closed(_) => {
                for request_id in self.stopped.remove(&operation).unwrap_or_default() {
                    self.requeue(now, request_id);
                }
            }
        }
        self.circuit_changes.push(change);
    }
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
