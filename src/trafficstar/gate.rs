//! The gate that every request passes: those who wait ([`Gate`], `Pass`) and the one who lets them through
//! ([`Gatekeeper`]), connected by a channel.
//!
//! A request asks by its operation and its class. The keeper asks the operation's circuit first, then the budget. What
//! an open circuit stops is refused at once if it reads, so that whoever decides knows what cannot be known; a write waits
//! here, one at a time being let through as a probe.
//!
//! The keeper has no clock: the client actor tells it the time, and comes back when it says so. Deliberately absent: how
//! many may leave (`budget`), what opens a circuit (`circuit`), and the requests (`http`).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Duration, Utc};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::budget::{Budget, Rank, Ticket, Urgency, WINDOW};
use super::circuit::{CircuitNews, Circuits, Ended, Operation, Verdict};
use crate::reign::ReignEnded;

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
        Self {
            operation: Operation::Token,
            urgency: Urgency::Pause,
            rank: Rank::FIRST,
            leave_by: None,
            is_repeat: false,
        }
    }

    /// A pause never grows too old.
    #[must_use]
    pub const fn pause() -> Self {
        Self {
            operation: Operation::Pause,
            urgency: Urgency::Pause,
            rank: Rank::FIRST,
            leave_by: None,
            is_repeat: false,
        }
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

/// How long an exchange took and what came of it, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// Its class.
    pub urgency: Urgency,
    /// From asking to leaving.
    pub waited: std::time::Duration,
    /// From leaving to the answer, or to giving up.
    pub took: std::time::Duration,
    /// The status code, or in a word why there is none.
    pub answer: AnswerWord,
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

/// What those at the gate tell its keeper.
#[derive(Debug)]
pub enum GateMessage {
    /// A request wants to leave.
    Ask {
        /// Its name from here on.
        ticket: Ticket,
        /// What it is.
        asking: Asking,
        /// Lets it leave, or says why it will not.
        admit: oneshot::Sender<Result<(), NotAdmitted>>,
    },
    /// Nobody waits for that request any more, and it never left.
    GaveUp(Ticket),
    /// Its answer came, or it timed out, or nobody waits for it any more.
    Answered {
        /// Which.
        ticket: Ticket,
        /// For its operation's circuit.
        ended: Ended,
        /// For the metrics.
        exchange: Exchange,
    },
    /// TrafficStars answered 429.
    RateLimited {
        /// For how long it wants to hear nothing, if it said so.
        retry_after: Option<Duration>,
    },
}

/// Why a request never left.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAdmitted {
    /// The keeper is gone: the program is shutting down, or the client actor died.
    #[error("the queue of requests is closed")]
    Closed,
    /// Its turn did not come in time: what it was decided on is too old to act upon.
    #[error("its turn did not come in time")]
    TooLate,
    /// This supervisor does not lead any more, or not for long enough.
    #[error(transparent)]
    NotLeading(ReignEnded),
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

/// The requests' side of the gate. Clones share it.
#[derive(Debug, Clone)]
pub struct Gate {
    messages: mpsc::UnboundedSender<GateMessage>,
    last_ticket: Arc<AtomicU64>,
}

impl Gate {
    /// A gate, and what its keeper has to hear. The channel has no bound of its own: each sender waits for its pass, so
    /// that it never holds more than a few messages for each operation under way.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<GateMessage>) {
        let (messages, heard) = mpsc::unbounded_channel();
        (Self { messages, last_ticket: Arc::default() }, heard)
    }

    /// Waits until this request may leave, at the longest until its `leave_by`.
    pub(super) async fn pass(&self, asking: Asking) -> Result<Pass, NotAdmitted> {
        let asked_at = Instant::now();
        let ticket = Ticket(self.last_ticket.fetch_add(1, Ordering::Relaxed));
        let (admit, admitted) = oneshot::channel();
        self.messages.send(GateMessage::Ask { ticket, asking, admit }).map_err(|_| NotAdmitted::Closed)?;
        // Made before the wait, so that giving up while waiting is told, too.
        let mut pass = Pass { ticket, urgency: asking.urgency, asked_at, left: None, messages: self.messages.clone() };
        let admitted = match asking.leave_by {
            None => admitted.await,
            Some(leave_by) => {
                let patience = leave_by.signed_duration_since(Utc::now()).to_std().map_err(|_| NotAdmitted::TooLate)?;
                tokio::time::timeout(patience, admitted).await.map_err(|_| NotAdmitted::TooLate)?
            }
        };
        admitted.map_err(|_| NotAdmitted::Closed)??;
        pass.left = Some(Left { at: Instant::now(), ended: Ended::Untold, answer: AnswerWord::GivenUp });
        Ok(pass)
    }
}

/// The right to send one request. Dropping it says that the answer came or is no longer waited for.
#[derive(Debug)]
pub(super) struct Pass {
    ticket: Ticket,
    urgency: Urgency,
    asked_at: Instant,
    left: Option<Left>,
    messages: mpsc::UnboundedSender<GateMessage>,
}

#[derive(Debug)]
struct Left {
    at: Instant,
    ended: Ended,
    answer: AnswerWord,
}

impl Pass {
    /// Notes how the request ended; told when the pass is dropped.
    pub(super) fn ended(&mut self, ended: Ended, answer: AnswerWord) {
        if let Some(left) = &mut self.left {
            (left.ended, left.answer) = (ended, answer);
        }
    }

    /// Tells the keeper of a 429, so that all others wait as well.
    pub(super) fn rate_limited(&self, retry_at: Option<DateTime<Utc>>) {
        // As a span, since the keeper's time need not be the wall clock's.
        let retry_after = retry_at.map(|at| at.signed_duration_since(Utc::now()));
        self.tell(GateMessage::RateLimited { retry_after });
    }

    /// Without a keeper there is nobody left to tell, and no request leaves any more.
    fn tell(&self, message: GateMessage) {
        let _ = self.messages.send(message);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let message = match self.left.take() {
            None => GateMessage::GaveUp(self.ticket),
            Some(Left { at, ended, answer }) => {
                let waited = at.saturating_duration_since(self.asked_at);
                let exchange = Exchange { urgency: self.urgency, waited, took: at.elapsed(), answer };
                GateMessage::Answered { ticket: self.ticket, ended, exchange }
            }
        };
        self.tell(message);
    }
}

/// End times that have come within one burst: at a tick of many they come in the order in which their journal entries
/// were stored, which says nothing.
#[derive(Debug)]
struct Burst {
    tickets: BTreeSet<Ticket>,
    began_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
}

impl Burst {
    fn ends_at(&self, tick: Duration) -> DateTime<Utc> {
        let longest = GATHERED_AT_MOST.min(tick / GATHERED_FOR_PART_OF_TICK);
        (self.last_at + QUIET_FOR.min(longest / 2)).min(self.began_at + longest)
    }
}

#[derive(Debug)]
struct Waiter {
    asking: Asking,
    admit: oneshot::Sender<Result<(), NotAdmitted>>,
}

/// The keeper's side: connects circuits and budget with those who wait.
#[derive(Debug)]
pub struct Gatekeeper {
    tick: Duration,
    budget: Budget,
    circuits: Circuits,
    waiting: HashMap<Ticket, Waiter>,
    burst: Option<Burst>,
    /// Writes that wait for their operation's circuit to close, in the order of their arrival.
    stopped: BTreeMap<Operation, BTreeSet<Ticket>>,
    under_way: HashMap<Ticket, Asking>,
    /// Those who hold a slot and have not been let go yet.
    granted: Vec<Ticket>,
    circuit_news: Vec<CircuitNews>,
}

impl Gatekeeper {
    /// A keeper who opens by this budget, for a guard that ticks at the points of this grid.
    #[must_use]
    pub fn new(budget: Budget, tick: Duration) -> Self {
        Self {
            tick,
            budget,
            circuits: Circuits::new(tick),
            waiting: HashMap::new(),
            burst: None,
            stopped: BTreeMap::new(),
            under_way: HashMap::new(),
            granted: Vec::new(),
            circuit_news: Vec::new(),
        }
    }

    /// Takes note of a message. Nothing leaves before [`Gatekeeper::grant`].
    pub fn hear(&mut self, now: DateTime<Utc>, message: GateMessage) {
        match message {
            GateMessage::Ask { ticket, asking, admit } => {
                self.waiting.insert(ticket, Waiter { asking, admit });
                if asking.urgency == Urgency::Activate && asking.rank.depends_on_clicks() {
                    self.gather(now, ticket);
                } else {
                    self.queue(now, ticket, asking);
                }
            }
            GateMessage::GaveUp(ticket) => self.gave_up(now, ticket),
            GateMessage::Answered { ticket, ended, exchange: _ } => {
                self.budget.answered(now, ticket);
                if let Some(asking) = self.under_way.remove(&ticket) {
                    let is_news = !asking.is_repeat || ended == Ended::Answered;
                    self.ended(now, asking.operation, if is_news { ended } else { Ended::Untold });
                }
            }
            // Without a word of its own, TrafficStars is given one whole window. A word that would silence the guard for
            // longer than money may flow unwatched is not believed: it is asked again then, and may say so again.
            GateMessage::RateLimited { retry_after } => {
                self.budget.block_until(now + retry_after.unwrap_or(WINDOW).clamp(Duration::zero(), LONGEST_SILENCE));
            }
        }
    }

    /// The grid has other points from now on.
    pub const fn set_tick(&mut self, tick: Duration) {
        self.tick = tick;
        self.circuits.set_tick(tick);
    }

    /// How many requests of these operations wait or are under way.
    #[must_use]
    pub fn count(&self, operations: &[Operation]) -> usize {
        let waiting = self.waiting.values().map(|waiter| &waiter.asking);
        waiting.chain(self.under_way.values()).filter(|asking| operations.contains(&asking.operation)).count()
    }

    /// Gives a slot to everybody whom circuits and budget let leave. They are let go by [`Gatekeeper::let_go`]. Answers
    /// how many hold a slot now and wait for that.
    pub fn grant(&mut self, now: DateTime<Utc>) -> usize {
        if let Some(burst) = self.burst.take_if(|burst| burst.ends_at(self.tick) <= now) {
            for ticket in burst.tickets {
                self.requeue(now, ticket);
            }
        }
        for operation in Operation::ALL {
            let first = self.stopped.get(&operation).and_then(BTreeSet::first).copied();
            if let Some(ticket) = first
                && self.circuits.is_probe_due(now, operation)
            {
                self.stopped.entry(operation).or_default().pop_first();
                self.requeue(now, ticket);
            }
        }
        self.circuits.forget_untried(now);
        let granted = self.budget.grant(now);
        self.granted.extend(granted);
        self.make_way_for_pauses(now);
        // Who holds a slot when a 429 is heard waits the silence out with the others.
        if self.budget.blocked_until(now).is_some() { 0 } else { self.granted.len() }
    }

    /// Lets go so many of those who hold a slot, the most urgent first: whoever came while they were being counted is
    /// among them, so that no pause waits behind a read for its own count. Answers who left, and their classes.
    pub fn let_go(&mut self, now: DateTime<Utc>, requests: usize) -> Vec<(Ticket, Urgency)> {
        let may_leave = self.grant(now);
        let turn = |ticket: &Ticket| self.waiting.get(ticket).map(|waiter| (waiter.asking.urgency, waiter.asking.rank));
        self.granted.sort_by_key(turn);
        let mut left = Vec::new();
        for ticket in self.granted.drain(..requests.min(may_leave)).collect::<Vec<_>>() {
            if let Some(Waiter { asking, admit }) = self.waiting.remove(&ticket) {
                self.under_way.insert(ticket, asking);
                // Whoever is gone has sent `GaveUp`, which frees the slot.
                if admit.send(Ok(())).is_ok() {
                    left.push((ticket, asking.urgency));
                }
            }
        }
        left
    }

    /// When to grant again if nothing is heard until then.
    pub fn next_grant_at(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let stopped = self.stopped.iter().filter(|(_, tickets)| !tickets.is_empty());
        let probe = stopped.filter_map(|(operation, _)| self.circuits.probe_at(*operation)).min();
        let burst = self.burst.as_ref().map(|burst| burst.ends_at(self.tick));
        let silence = if self.granted.is_empty() { None } else { self.budget.blocked_until(now) };
        self.budget.next_grant_at(now).into_iter().chain(probe).chain(burst).chain(silence).min()
    }

    /// What became of circuits since this was last asked.
    pub fn take_circuit_news(&mut self) -> Vec<CircuitNews> {
        std::mem::take(&mut self.circuit_news)
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

    /// How many writes are being gathered, or wait for their circuit, and have not come to the budget's queue yet.
    #[must_use]
    pub fn held_back(&self) -> usize {
        let gathered = self.burst.as_ref().map_or(0, |burst| burst.tickets.len());
        gathered + self.stopped.values().map(BTreeSet::len).sum::<usize>()
    }

    /// Where no slot is free, a pause takes that of the least urgent who has not left yet; that one waits again.
    fn make_way_for_pauses(&mut self, now: DateTime<Utc>) {
        while self.budget.blocked_until(now).is_none() && self.budget.pause_waits() {
            let turn = |ticket: &Ticket| {
                let asking = self.waiting.get(ticket).map(|waiter| waiter.asking)?;
                let is_pause = (asking.urgency, asking.rank) == (Urgency::Pause, Rank::FIRST);
                (!is_pause).then_some((asking.urgency, asking.rank, *ticket))
            };
            let Some((_, _, last)) = self.granted.iter().filter_map(turn).max() else { return };
            self.granted.retain(|granted| *granted != last);
            self.budget.give_back(last);
            let granted = self.budget.grant(now);
            self.granted.extend(granted);
        }
    }

    fn gather(&mut self, now: DateTime<Utc>, ticket: Ticket) {
        let burst = self.burst.get_or_insert(Burst { tickets: BTreeSet::new(), began_at: now, last_at: now });
        burst.tickets.insert(ticket);
        burst.last_at = now;
    }

    fn forget_gathered(&mut self, gone: Ticket) {
        if let Some(burst) = &mut self.burst {
            burst.tickets.remove(&gone);
        }
        self.burst.take_if(|burst| burst.tickets.is_empty());
    }

    /// Into the budget's queue, if its circuit lets it.
    fn queue(&mut self, now: DateTime<Utc>, ticket: Ticket, asking: Asking) {
        // A pause, and what it needs, is never held back.
        if asking.urgency != Urgency::Pause
            && let Verdict::Open { probe_at, reason } = self.circuits.ask(now, asking.operation)
        {
            self.stop(ticket, asking, probe_at, reason);
        } else {
            self.budget.ask(now, asking.urgency, asking.rank, ticket);
        }
    }

    fn requeue(&mut self, now: DateTime<Utc>, ticket: Ticket) {
        if let Some(waiter) = self.waiting.get(&ticket) {
            self.queue(now, ticket, waiter.asking);
        }
    }

    fn stop(&mut self, ticket: Ticket, asking: Asking, probe_at: DateTime<Utc>, reason: String) {
        if !asking.operation.only_reads() {
            self.stopped.entry(asking.operation).or_default().insert(ticket);
        } else if let Some(waiter) = self.waiting.remove(&ticket) {
            let operation = asking.operation.as_str();
            // Whoever asked may be gone.
            let _ = waiter.admit.send(Err(NotAdmitted::CircuitOpen { operation, probe_at, reason }));
        }
    }

    fn gave_up(&mut self, now: DateTime<Utc>, ticket: Ticket) {
        self.budget.cancel(ticket);
        self.forget_gathered(ticket);
        self.granted.retain(|granted| *granted != ticket);
        for tickets in self.stopped.values_mut() {
            tickets.remove(&ticket);
        }
        let waited_for = self.waiting.remove(&ticket).map(|waiter| waiter.asking);
        if let Some(asking) = waited_for.or_else(|| self.under_way.remove(&ticket)) {
            // It may have been the probe.
            self.ended(now, asking.operation, Ended::Untold);
        }
    }

    fn ended(&mut self, now: DateTime<Utc>, operation: Operation, ended: Ended) {
        let Some(news) = self.circuits.ended(now, operation, ended) else { return };
        match &news {
            CircuitNews::Opened(_, reason) => {
                let others = |(ticket, waiter): (&Ticket, &Waiter)| {
                    let stopped = waiter.asking.operation == operation && waiter.asking.urgency != Urgency::Pause;
                    stopped.then_some((*ticket, waiter.asking))
                };
                let mut others: Vec<_> = self.waiting.iter().filter_map(others).collect();
                others.sort_by_key(|(ticket, _)| *ticket);
                others.retain(|(ticket, _)| !self.granted.contains(ticket));
                let probe_at = self.circuits.probe_at(operation).unwrap_or(now);
                for (ticket, asking) in others {
                    self.forget_gathered(ticket);
                    self.budget.cancel(ticket);
                    self.stop(ticket, asking, probe_at, reason.clone());
                }
            }
            CircuitNews::Closed(_) => {
                for ticket in self.stopped.remove(&operation).unwrap_or_default() {
                    self.requeue(now, ticket);
                }
            }
        }
        self.circuit_news.push(news);
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
