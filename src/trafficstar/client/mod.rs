//! The client of one TrafficStars account, without I/O. Its inputs are questions, changes and the answers to requests.
//! Its outputs are requests to send and answers to give. The client actor and the simulation use the same client.
//!
//! | file | holds |
//! | --- | --- |
//! | `requests` | each request: its token, the scheduler, the count that outlives the process, a repeat after a 401 |
//! | `tokens` | the access token: when it is fetched, and what a failed fetch means |
//! | `statuses` | reads of statuses, by the plan of `batch::reads` |
//! | `spends` | reads of spend from the reports |
//! | `account` | the whole list, for an operator |
//! | `reports` | a report's candidates and pages |
//! | `changes` | end times, and which runs and pauses go together |
//! | `switch_batches` | the requests of a switch batch, by the plan of `batch::split` |
//! | `probes` | requests that test whether an open circuit can close |
//! | `limits` | the limits for requests |
//!
//! Deliberately absent: HTTP (`http`), timers ([`Client::wakes_at`] says when to call the client), a clock, and
//! retries: the next tick is the retry. There are three exceptions: a request whose token was refused, a pause after a
//! 429, and the requests that follow a refusal or a 5xx within a switch batch.

mod account;
mod changes;
mod limits;
mod probes;
mod reports;
mod requests;
mod spends;
mod statuses;
mod switch_batches;
mod tokens;

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

pub use self::account::Account;
use self::account::Job as AccountJob;
pub use self::changes::{Change, ChangeKind};
use self::changes::{Changes, EditJob};
pub use self::limits::Limits;
use self::probes::Probes;
use self::reports::Job as SpendJob;
pub use self::requests::Departure;
use self::requests::{Ending, Requests};
use self::spends::Spends;
use self::statuses::{Job as StatusJob, Statuses};
use self::switch_batches::SwitchJob;
use super::budget::RequestId;
use super::call::{Answer, Call};
use super::endpoint_discovery::KnownEndpoints;
use super::error::RemoteError;
use super::reservation::Reservation;
use super::scheduler::NotAdmitted;
use crate::domain::action::Outcome;
use crate::domain::another_guard::Sign;
use crate::domain::failure::RemoteFault;
use crate::domain::health::ReadFailure;
use crate::domain::operator_event::{OperatorEvent, Part};
use crate::domain::read_priority::Urgency;
use crate::domain::remote::RemoteCampaign;
use crate::domain::repeats::Repeats;
use crate::domain::spend::SpendReading;
use crate::domain::status::{ReadingStatus, RemoteClientStatus};

/// Questions that come within this time are served together: campaigns that tick at the same point of the grid ask so.
const MOMENT: Duration = Duration::milliseconds(50);
/// A client that still finds work after this many passes at one moment is in an endless loop.
const MOST_PASSES: u32 = 10_000;

/// The current time by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The wall clock (UTC), for days, end times and tokens. It may be set.
    pub wall: DateTime<Utc>,
    /// The steady clock, for slots, circuits and waits. It never steps, even if the wall clock is set.
    pub steady: DateTime<Utc>,
}

/// The id of one question or change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requester(pub u64);

/// A task for the caller.
#[derive(Debug)]
pub enum Output {
    /// Send this request now; answered by [`Client::answered`].
    Send(Departure),
    /// Count these requests in the database; answered by [`Client::reserved`].
    Reserve(Reservation),
    /// Give the requester this status. The time (steady clock) is when the request left that read it; `None` if none
    /// left.
    Status(Requester, Option<DateTime<Utc>>, Box<Result<RemoteCampaign, RemoteFault>>),
    /// Give the requester this spend.
    Spend(Requester, SpendReading),
    /// Give the requester the account's list, or the reason why it could not be read.
    Account(Requester, Result<Account, String>),
    /// Give the requester the outcome of its change.
    Changed(Requester, Outcome),
    /// Count an operation that failed.
    Failed,
    /// Show the operators this event.
    Event(OperatorEvent),
    /// Note this sign of another guard.
    Sign(Sign),
    /// A request has joined the queue.
    Waits {
        /// The request's id.
        request_id: RequestId,
        /// The request's class.
        urgency: Urgency,
        /// The call that will be sent.
        call: Call,
        /// The requesters whose changes the request carries out.
        requesters: Vec<Requester>,
    },
    /// A queued request will not leave.
    GivenUp(RequestId),
    /// TrafficStars answered 429: no request leaves before this time (steady clock).
    RateLimited(DateTime<Utc>),
}

/// The purpose of a request.
#[derive(Debug)]
enum Purpose {
    Token,
    Status(StatusJob),
    Spend(SpendJob),
    Account(AccountJob),
    Edit(EditJob),
    Switch(SwitchJob),
}

/// The client of one account.
#[derive(Debug)]
pub struct Client {
    requests_per_minute: u32,
    tick: Duration,
    requests: Requests,
    known: KnownEndpoints,
    statuses: Statuses,
    spends: Spends,
    changes: Changes,
    probes: Probes,
    last_requester: u64,
    /// Whether an input has come since the last call of [`Client::go_on`].
    is_stirred: bool,
    /// The last failure, until an operation succeeds.
    last_error: Option<String>,
    /// The error of the last request; `None` if it succeeded.
    error_before: Option<RemoteError>,
    /// The failures since the last success, so that repeats are logged less often.
    repeats: Repeats,
    /// The time since which reads of statuses fail, and the cause; `None` if they work.
    reads_failing: Option<ReadFailure>,
    outputs: Vec<Output>,
}

impl Client {
    /// Returns a client that has sent nothing yet.
    #[must_use]
    pub fn new(now: Now, limits: &Limits) -> Self {
        Self {
            requests_per_minute: limits.requests_per_minute,
            tick: limits.tick,
            requests: Requests::new(limits.budget(now.steady), limits),
            known: KnownEndpoints::default(),
            statuses: Statuses::new(limits.tick),
            spends: Spends::new(),
            changes: Changes::new(),
            probes: Probes::default(),
            last_requester: 0,
            is_stirred: true,
            last_error: None,
            error_before: None,
            repeats: Repeats::default(),
            reads_failing: None,
            outputs: Vec::new(),
        }
    }

    /// Fetches an access token before the first request needs it.
    pub fn fetch_token(&mut self, now: Now) {
        self.requests.fetch_token(now);
        self.is_stirred = true;
    }

    /// Changes the distance between two points of the grid.
    pub const fn set_tick(&mut self, tick: Duration) {
        self.tick = tick;
        self.requests.set_tick(tick);
        self.statuses.set_tick(tick);
    }

    /// Takes the answer to a request that left.
    pub fn answered(&mut self, now: Now, request_id: RequestId, result: Result<Answer, RemoteError>) {
        if let Err(RemoteError::RateLimited { .. }) = &result {
            self.note_rate_limited(now);
        }
        self.requests.answered(now, request_id, result);
        self.is_stirred = true;
    }

    /// Notes whether the database has counted a reservation.
    pub fn reserved(&mut self, now: Now, number: u64, is_durable: bool) {
        self.requests.reserved(now, number, is_durable);
        self.is_stirred = true;
    }

    /// Does all that is due at this moment.
    #[expect(clippy::disallowed_macros, reason = "every step of every simulation checks it; a release does not")]
    pub fn go_on(&mut self, now: Now) {
        self.is_stirred = false;
        self.requests.wake(now);
        self.serve_statuses(now);
        self.serve_spends(now);
        self.serve_pauses(now);
        self.serve_runs(now);
        for passes in 0.. {
            self.requests.admit(now, &mut self.outputs);
            self.changes.forget_postponed(now.steady - self.tick * changes::POSTPONED_FOR_TICKS);
            for change in self.requests.scheduler_mut().take_circuit_changes() {
                self.report_circuit(now, change);
            }
            let ended = self.requests.take_ended();
            let mut is_quiet = ended.is_empty();
            for ending in ended {
                self.ended(now, ending);
            }
            self.probe_what_is_due(now);
            is_quiet &= !self.plan_further_reads(now) && !self.requests.take_has_queued();
            if is_quiet || passes == MOST_PASSES {
                debug_assert!(is_quiet, "the client is in an endless loop at {now:?}");
                // A release build goes on with the next call. So messages that wait, such as a pause, come in between.
                self.is_stirred = !is_quiet;
                break;
            }
        }
        self.outputs.extend(self.known.take_events().into_iter().map(Output::Event));
    }

    /// Returns what the caller has to do, in this order.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Returns when to call [`Client::go_on`] next (steady clock). `now` means at once.
    pub fn wakes_at(&mut self, now: Now) -> Option<DateTime<Utc>> {
        if self.is_stirred {
            return Some(now.steady);
        }
        let room_at = if self.statuses.waits_for_room() {
            self.requests.scheduler_mut().budget_mut().next_free_at(now.steady)
        } else {
            None
        };
        let probe_at = self.probes.next_at(self.statuses.last_asked(), self.requests.scheduler().circuits());
        let batches = [self.statuses.due_at(), self.spends.due_at(), self.changes.due_at()];
        [self.requests.wakes_at(now), probe_at, room_at].into_iter().chain(batches).flatten().min()
    }

    /// Returns the client's state for the dump, without the difference between our clock and TrafficStars'.
    #[must_use]
    pub fn status(&self, now: Now) -> RemoteClientStatus {
        let (budget, circuits) = (self.requests.scheduler().budget(), self.requests.scheduler().circuits().status());
        let open = circuits.iter().any(|circuit| circuit.since.is_some());
        RemoteClientStatus {
            circuit: if open { "open" } else { "closed" }.to_owned(),
            circuits,
            reading: self.reading(),
            running_again_by: self.running_again_by(now).filter(|at| *at > now.steady),
            token_expires_at: self.requests.token_expires_at(),
            queue: budget.queue_lengths(),
            requests_last_minute: budget.used(now.steady) as u64,
            requests_per_minute: self.requests_per_minute,
            blocked_until: budget.blocked_until(now.steady),
            last_error: self.last_error.clone(),
            endpoints: self.known.status(),
            clock_ahead_seconds: None,
            queue_places: Arc::new(self.queue_places(now)),
        }
    }

    /// Returns whether the limit of requests is large enough to read all campaigns.
    #[must_use]
    pub fn reading(&self) -> ReadingStatus {
        self.statuses.status()
    }

    /// Returns by when all due activations will have left; `None` if none is due. End times that follow a pause wait in
    /// the same queue and are no activations.
    #[must_use]
    pub fn running_again_by(&self, now: Now) -> Option<DateTime<Utc>> {
        let more = self.changes.postponed() + self.requests.scheduler().held_back();
        if more == 0 && !self.is_activation_waiting() {
            return None;
        }
        self.requests.scheduler().budget().activations_done_at(now.steady, more, self.reads_of_all())
    }

    /// Returns how many requests it takes to read every campaign once.
    fn reads_of_all(&self) -> usize {
        usize::try_from(self.statuses.status().requests).unwrap_or(usize::MAX)
    }

    /// Returns since when statuses cannot be read, and why; `None` if they can be read.
    #[must_use]
    pub const fn reads_failing(&self) -> Option<&ReadFailure> {
        self.reads_failing.as_ref()
    }

    const fn next_requester(&mut self) -> Requester {
        self.last_requester += 1;
        Requester(self.last_requester)
    }

    fn ended(&mut self, now: Now, Ending { purpose, sent_at, result }: Ending) {
        let error = result.as_ref().err().cloned();
        match purpose {
            Purpose::Token => {}
            Purpose::Status(job) => self.status_ended(now, job, sent_at, result),
            Purpose::Spend(job) => self.spend_ended(now, job, result),
            Purpose::Account(job) => self.account_page_came(now, job, result),
            Purpose::Edit(job) => self.edited(now, job, result),
            Purpose::Switch(job) => self.attempt_ended(now, &job, result),
        }
        self.error_before = error;
    }

    /// Notes how an operation ended. The last failure is shown until an operation succeeds.
    fn note(&mut self, now: Now, failure: Option<String>) {
        let had_failed = std::mem::replace(&mut self.last_error, failure.clone()).is_some();
        let Some(reason) = failure else {
            if had_failed {
                self.outputs.push(Output::Event(OperatorEvent::recovery(now.wall, Part::TrafficStar)));
            }
            self.repeats.clear();
            return;
        };
        if let Some(times) = self.repeats.count(now.wall, &reason) {
            tracing::warn!(reason, times, "a request to TrafficStars failed");
        }
        if !had_failed {
            self.outputs.push(Output::Event(OperatorEvent::error(now.wall, Part::TrafficStar, &reason)));
        }
        self.outputs.push(Output::Failed);
    }

    /// Notes a 429. If this program has sent fewer requests than it may, another program sends requests for the
    /// account, too. Only the first 429 is such a sign: requests that were in flight with it are answered with 429 as
    /// well.
    fn note_rate_limited(&mut self, now: Now) {
        let budget = self.requests.scheduler().budget();
        let (sent, limit) = (budget.used(now.steady), self.requests_per_minute);
        let is_first = budget.blocked_until(now.steady).is_none();
        if is_first && sent < usize::try_from(limit).unwrap_or(usize::MAX) {
            self.outputs.push(Output::Sign(Sign::RateLimited { sent, limit }));
        }
    }

    /// Notes whether reads of statuses work. Without statuses no campaign is guarded, even if other requests succeed.
    fn note_reads(&mut self, now: Now, failure: Option<&str>) {
        let since = self.reads_failing.as_ref().map_or(now.wall, |failing| failing.since);
        self.reads_failing = failure.map(|reason| ReadFailure { since, reason: reason.to_owned() });
    }
}

/// Whether a request was not sent because its operation's circuit is open.
const fn is_held_back(error: &RemoteError) -> bool {
    matches!(error, RemoteError::NotSent(NotAdmitted::CircuitOpen { .. }))
}

#[cfg(test)]
mod tests;
