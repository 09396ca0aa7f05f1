//! The scheduler that every request passes. PURE.
//!
//! A request asks by its operation and its class. The scheduler asks the operation's circuit first, then the budget. What an open
//! circuit stops is refused at once if it reads, so that a decision is told what cannot be known; a write waits here, and one
//! at a time is let through as a probe.
//!
//! Deliberately absent: a clock, how many may leave (`budget`), what opens a circuit (`circuit`), that they are counted in the
//! database before they leave (`count`), and the requests (`client`).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Duration, Utc};
use thiserror::Error;

use super::budget::{Budget, Rank, RequestId, WINDOW};
use super::circuit::{CircuitChange, CircuitVerdict, Circuits, Ended, Operation};
use crate::domain::read_priority::Urgency;
use crate::leadership::LeadershipLost;

/// End times are gathered until none has come for this long, so that the most urgent of a burst are first to leave.
const QUIET_FOR: Duration = Duration::milliseconds(250);
/// They are gathered for so many parts of a tick at the most, and each quiet time is at most half as long.
const GATHERED_FOR_PART_OF_TICK: i32 = 4;
/// And for this long at the most.
const GATHERED_AT_MOST: Duration = Duration::seconds(2);

/// However long a 429 tells us to wait, TrafficStars is asked again after this.
const LONGEST_SILENCE: Duration = Duration::minutes(5);

/// What a request is, as far as its turn is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asking {
    /// What it is for.
    pub operation: Operation,
    /// Its class.
    pub urgency: Urgency,
    /// Its place in the class.
    pub rank: Rank,
    /// When it is too late for it to leave.
    pub leave_by: Option<DateTime<Utc>>,
    /// It repeats what has failed, for some of the campaigns or by another way. Another failure is not news of the
    /// operation: three answers of 500 for one campaign would open the circuit for all.
    pub is_repeat: bool,
}

impl Asking {
    /// A read: as urgent as what needs it.
    #[must_use]
    pub const fn read(operation: Operation, urgency: Urgency) -> Self {
        Self { operation, urgency, rank: Rank::ANY, leave_by: None, is_repeat: false }
    }

    /// One report for all is a part of what the ticks of all need.
    #[must_use]
    pub fn report_of_all(urgency: Urgency) -> Self {
        Self::read(Operation::Report, urgency.min(Urgency::Sweep))
    }

    /// A token: without it not even a pause can leave.
    #[must_use]
    pub const fn token() -> Self {
        Self { rank: Rank::FIRST, ..Self::read(Operation::Token, Urgency::Pause) }
    }

    /// A pause never grows too old.
    #[must_use]
    pub const fn pause() -> Self {
        Self { rank: Rank::FIRST, ..Self::read(Operation::Pause, Urgency::Pause) }
    }

    /// A run goes ahead of the end times that wait: those that it is for are set.
    #[must_use]
    pub const fn run(leave_by: Option<DateTime<Utc>>) -> Self {
        Self { operation: Operation::Run, urgency: Urgency::Activate, rank: Rank::FIRST, leave_by, is_repeat: false }
    }

    /// An end time, be it the first half of an activation or what follows a pause.
    #[must_use]
    pub const fn end_time(rank: Rank, leave_by: Option<DateTime<Utc>>) -> Self {
        Self { operation: Operation::EndTime, urgency: Urgency::Activate, rank, leave_by, is_repeat: false }
    }
}

/// What came of a request, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnswerWord {
    /// An answer with this status code.
    Status(u16),
    /// An answer of success that makes no sense.
    Unreadable,
    /// None in time.
    TimedOut,
    /// No connection, or one that broke.
    Connection,
    /// Nobody waited for it any more.
    GivenUp,
}

impl AnswerWord {
    /// The word as the metrics name it.
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

/// Why a request never left.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAdmitted {
    /// Its turn did not come in time: what it was decided on is too old to act upon.
    #[error("its turn did not come in time")]
    TooLate,
    /// This supervisor does not lead any more, or not for long enough.
    #[error(transparent)]
    NotLeading(LeadershipLost),
    /// The operation failed again and again, and is left alone for a while.
    #[error("TrafficStars fails again and again ({reason}): {operation} is asked for again at {}", .probe_at.format("%H:%M:%S"))]
    CircuitOpen {
        /// The operation, as the dump names it.
        operation: &'static str,
        /// When one is let through to see whether it works again.
        probe_at: DateTime<Utc>,
        /// The last failure.
        reason: String,
    },
}

/// End times that have come within one burst: at a tick of many they come in the order in which their journal entries
/// were stored, which says nothing.
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

/// The requests that wait to leave, and those that left and are not answered yet.
#[derive(Debug, Default)]
pub struct RequestScheduler {
    tick: Duration,
    budget: Budget,
    circuits: Circuits,
    waiting: HashMap<RequestId, Asking>,
    burst: Option<Burst>,
    /// Writes that wait for their operation's circuit to close, in the order of their arrival.
    stopped: BTreeMap<Operation, BTreeSet<RequestId>>,
    refused: Vec<(RequestId, NotAdmitted)>,
    under_way: HashMap<RequestId, Asking>,
    circuit_changes: Vec<CircuitChange>,
}

impl RequestScheduler {
    /// A scheduler that opens by this budget, for a guard that ticks at the points of this grid.
    #[must_use]
    pub fn new(budget: Budget, tick: Duration) -> Self {
        Self { tick, budget, circuits: Circuits::new(tick), ..Self::default() }
    }

    /// A request wants to leave. Nothing leaves before [`RequestScheduler::admit`].
    pub fn ask(&mut self, now: DateTime<Utc>, request_id: RequestId, asking: Asking) {
        self.waiting.insert(request_id, asking);
        if asking.urgency == Urgency::Activate && asking.rank.depends_on_clicks() {
            self.gather(now, request_id);
        } else {
            self.queue(now, request_id, asking);
        }
    }

    /// A request is not to leave any more.
    pub fn give_up(&mut self, now: DateTime<Utc>, request_id: RequestId) {
        self.budget.cancel(request_id);
        self.forget_gathered(request_id);
        for request_ids in self.stopped.values_mut() {
            request_ids.remove(&request_id);
        }
        if let Some(asking) = self.waiting.remove(&request_id) {
            // It may have been the probe.
            self.ended(now, asking.operation, Ended::Untold);
        }
    }

    /// A request that left was answered, timed out, or broke.
    pub fn answered(&mut self, now: DateTime<Utc>, request_id: RequestId, ended: Ended) {
        self.budget.answered(now, request_id);
        if let Some(asking) = self.under_way.remove(&request_id) {
            let is_news = !asking.is_repeat || ended == Ended::Answered;
            self.ended(now, asking.operation, if is_news { ended } else { Ended::Untold });
        }
    }

    /// TrafficStars answered 429. Answers until when nothing leaves. Without a time of its own, TrafficStars is given one
    /// whole window. A time that would silence the guard for longer than money may flow unwatched is not believed:
    /// TrafficStars is asked again then, and may say so again.
    pub fn rate_limited(&mut self, now: DateTime<Utc>, retry_after: Option<Duration>) -> DateTime<Utc> {
        let until = now + retry_after.unwrap_or(WINDOW).clamp(Duration::zero(), LONGEST_SILENCE);
        self.budget.block_until(until);
        until
    }

    /// The grid has other points from now on.
    pub const fn set_tick(&mut self, tick: Duration) {
        self.tick = tick;
        self.circuits.set_tick(tick);
    }

    /// How many requests of these operations wait or are under way.
    #[must_use]
    pub fn count(&self, operations: &[Operation]) -> usize {
        let all = self.waiting.values().chain(self.under_way.values());
        all.filter(|asking| operations.contains(&asking.operation)).count()
    }

    /// The requests that leave now, at most `most`, the most urgent first.
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
            self.under_way.extend(self.waiting.remove(request_id).map(|asking| (*request_id, asking)));
        }
        admitted
    }

    /// When to admit again if nothing happens until then.
    pub fn next_admission_at(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let stopped = self.stopped.iter().filter(|(_, request_ids)| !request_ids.is_empty());
        let probe = stopped.filter_map(|(operation, _)| self.circuits.probe_at(*operation)).min();
        let burst = self.burst.as_ref().map(|burst| burst.ends_at(self.tick));
        self.budget.next_grant_at(now).into_iter().chain(probe).chain(burst).min()
    }

    /// The requests that were refused since this was last called. They never leave.
    pub fn take_refused(&mut self) -> Vec<(RequestId, NotAdmitted)> {
        std::mem::take(&mut self.refused)
    }

    /// What became of circuits since this was last asked.
    pub fn take_circuit_changes(&mut self) -> Vec<CircuitChange> {
        std::mem::take(&mut self.circuit_changes)
    }

    /// The budget.
    #[must_use]
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The budget, to be told what the guard is about to ask for.
    pub const fn budget_mut(&mut self) -> &mut Budget {
        &mut self.budget
    }

    /// The circuits.
    #[must_use]
    pub const fn circuits(&self) -> &Circuits {
        &self.circuits
    }

    /// The requests that wait, in the order in which they leave as things stand.
    pub fn waiting(&self) -> impl Iterator<Item = RequestId> {
        let gathered = self.burst.iter().flat_map(|burst| burst.request_ids.iter().copied());
        self.budget.waiting().chain(gathered).chain(self.stopped.values().flatten().copied())
    }

    /// How many writes are being gathered, and come to the budget's queue in a moment.
    #[must_use]
    pub fn gathered(&self) -> usize {
        self.burst.as_ref().map_or(0, |burst| burst.request_ids.len())
    }

    /// How many writes are being gathered, or wait for their circuit, and have not come to the budget's queue yet.
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

    /// Into the budget's queue, if its circuit lets it.
    fn queue(&mut self, now: DateTime<Utc>, request_id: RequestId, asking: Asking) {
        // A pause, and what it needs, is never held back.
        if asking.urgency != Urgency::Pause
            && let CircuitVerdict::Open { probe_at, reason } = self.circuits.ask(now, asking.operation)
        {
            self.stop(request_id, asking.operation, probe_at, reason);
        } else {
            self.budget.ask(now, asking.urgency, asking.rank, request_id);
        }
    }

    fn requeue(&mut self, now: DateTime<Utc>, request_id: RequestId) {
        if let Some(asking) = self.waiting.get(&request_id) {
            self.queue(now, request_id, *asking);
        }
    }

    fn stop(&mut self, request_id: RequestId, operation: Operation, probe_at: DateTime<Utc>, reason: String) {
        if !operation.only_reads() {
            self.stopped.entry(operation).or_default().insert(request_id);
        } else if self.waiting.remove(&request_id).is_some() {
            let operation = operation.as_str();
            self.refused.push((request_id, NotAdmitted::CircuitOpen { operation, probe_at, reason }));
        }
    }

    fn ended(&mut self, now: DateTime<Utc>, operation: Operation, ended: Ended) {
        let Some(news) = self.circuits.ended(now, operation, ended) else { return };
        match &news {
            CircuitChange::Opened(_, reason) => {
                let is_stopped = |asking: &Asking| asking.operation == operation && asking.urgency != Urgency::Pause;
                let others = self.waiting.iter().filter(|(_, asking)| is_stopped(asking));
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
        self.circuit_changes.push(news);
    }
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
