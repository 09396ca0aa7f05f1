//! The client of one TrafficStars account, without I/O: what is asked for and how requests end come in, the requests to send
//! and the answers to give come out. The client actor and the simulation drive the same one.
//!
//! | file | holds |
//! | --- | --- |
//! | `requests` | a request on its way: its token, the scheduler, the count that outlives the process, a repeat after a 401 |
//! | `tokens` | the access token: when it is fetched, who waits for it, what a failure means |
//! | `statuses` | reads of statuses, by the plan of `batch::reads` |
//! | `spends` | reads of spend from the reports |
//! | `account` | the whole list, for an operator |
//! | `reports` | a report's candidates and pages |
//! | `changes` | end times, and which runs and pauses go together |
//! | `switch_batches` | the requests of a round of runs or pauses, by the plan of `batch::split` |
//! | `probes` | requests that look whether an open circuit can close |
//! | `limits` | what bounds the requests |
//!
//! Deliberately absent: HTTP (`http`), timers (the client says when it wants to be woken), a clock, and retries: the next
//! tick is the retry.

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
use self::changes::{Changes, EndTimeJob};
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

/// Questions that come within this time are served together, as those of all campaigns that tick at one point of the grid.
const MOMENT: Duration = Duration::milliseconds(50);
/// A client that finds something to do so often at one moment never comes to rest.
const MOST_ROUNDS: u32 = 10_000;

/// A moment, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The wall clock: days, end times and tokens are of it. It may be set.
    pub wall: DateTime<Utc>,
    /// A time that never steps, whatever becomes of the wall clock: slots, circuits and waits are measured by it.
    pub steady: DateTime<Utc>,
}

/// Names one who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requester(pub u64);

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// A request leaves now; how it ends is told by [`Client::answered`].
    Send(Departure),
    /// Requests are to be counted in the database; told by [`Client::reserved`].
    Reserve(Reservation),
    /// The status that was asked for, and when the request left that brought it, by the steady clock; none where none left.
    Status(Requester, Option<DateTime<Utc>>, Box<Result<RemoteCampaign, RemoteFault>>),
    /// The spend that was asked for.
    Spend(Requester, SpendReading),
    /// The account's list, or why it could not be read.
    Account(Requester, Result<Account, String>),
    /// What became of a change.
    Changed(Requester, Outcome),
    /// An operation has failed.
    Failed,
    /// An event for the operators.
    Tell(OperatorEvent),
    /// A sign of another guard.
    Sign(Sign),
    /// A request waits for its turn from now on, and for whom.
    Waits {
        /// Its name.
        request_id: RequestId,
        /// Its class.
        urgency: Urgency,
        /// What it is.
        call: Call,
        /// The requesters whose changes it carries out.
        requesters: Vec<Requester>,
    },
    /// A request that waited will not leave.
    GivenUp(RequestId),
    /// TrafficStars answered 429: nothing leaves before then, by the steady clock.
    Silence(DateTime<Utc>),
}

/// What a request is for.
#[derive(Debug)]
enum Purpose {
    Token,
    Status(StatusJob),
    Spend(SpendJob),
    Account(AccountJob),
    EndTime(EndTimeJob),
    Switch(SwitchJob),
}

/// The client.
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
    last_asker: u64,
    /// Something has come since [`Client::go_on`] was called.
    is_stirred: bool,
    last_error: Option<String>,
    /// How the last request ended.
    error_before: Option<RemoteError>,
    /// What has failed since all went well.
    repeats: Repeats,
    /// The reads of statuses, which every tick needs.
    reads_failing: Option<ReadFailure>,
    outputs: Vec<Output>,
}

impl Client {
    /// A client that has sent nothing yet.
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
            last_asker: 0,
            is_stirred: true,
            last_error: None,
            error_before: None,
            repeats: Repeats::default(),
            reads_failing: None,
            outputs: Vec::new(),
        }
    }

    /// Has an access token ready before anybody asks something.
    pub fn fetch_token(&mut self, now: Now) {
        self.requests.fetch_token(now);
        self.is_stirred = true;
    }

    /// The grid has other points from now on.
    pub const fn set_tick(&mut self, tick: Duration) {
        self.tick = tick;
        self.requests.set_tick(tick);
        self.statuses.set_tick(tick);
    }

    /// A request that left has ended.
    pub fn answered(&mut self, now: Now, request_id: RequestId, result: Result<Answer, RemoteError>) {
        if let Err(RemoteError::RateLimited { .. }) = &result {
            self.note_rate_limited(now);
        }
        self.requests.answered(now, request_id, result);
        self.is_stirred = true;
    }

    /// The database has counted a reservation, or has not.
    pub fn reserved(&mut self, now: Now, number: u64, is_durable: bool) {
        self.requests.reserved(now, number, is_durable);
        self.is_stirred = true;
    }

    /// Does all that is due, until there is nothing more to do at this moment.
    #[expect(clippy::disallowed_macros, reason = "every step of every simulation checks it; a release does not")]
    pub fn go_on(&mut self, now: Now) {
        self.is_stirred = false;
        self.requests.wake(now);
        self.serve_statuses(now);
        self.serve_spends(now);
        self.serve_pauses(now);
        self.serve_runs(now);
        for rounds in 0.. {
            self.requests.admit(now, &mut self.outputs);
            self.changes.forget_postponed(now.steady - self.tick * changes::POSTPONED_FOR_TICKS);
            for news in self.requests.gate_mut().take_circuit_changes() {
                self.tell_of_circuit(now, news);
            }
            let ended = self.requests.take_ended();
            let mut is_quiet = ended.is_empty();
            for ending in ended {
                self.ended(now, ending);
            }
            self.probe_what_is_due(now);
            is_quiet &= !self.plan_further_reads(now) && !self.requests.has_asked();
            if is_quiet || rounds == MOST_ROUNDS {
                debug_assert!(is_quiet, "the client does not come to rest at {now:?}");
                // A release goes on at its next turn: a message that waits, such as a pause, comes in between.
                self.is_stirred = !is_quiet;
                break;
            }
        }
        self.outputs.extend(self.known.take_news().into_iter().map(Output::Tell));
    }

    /// What is to be done, in this order.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// When [`Client::go_on`] is to be called next, by the steady clock. `now` says at once.
    pub fn wakes_at(&mut self, now: Now) -> Option<DateTime<Utc>> {
        if self.is_stirred {
            return Some(now.steady);
        }
        let room_at = if self.statuses.waits_for_room() {
            self.requests.gate_mut().budget_mut().next_free_at(now.steady)
        } else {
            None
        };
        let probe_at = self.probes.next_at(self.statuses.last_asked(), self.requests.scheduler().circuits());
        let rounds = [self.statuses.due_at(), self.spends.due_at(), self.changes.due_at()];
        [self.requests.wakes_at(now), probe_at, room_at].into_iter().chain(rounds).flatten().min()
    }

    /// Its state, for the dump; how far our clock is from TrafficStars' is not its to say.
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
            turns: Arc::new(self.turns(now)),
        }
    }

    /// How far the limit reaches.
    #[must_use]
    pub fn reading(&self) -> ReadingStatus {
        self.statuses.status()
    }

    /// By when all activations that are due will have left. The end times of pauses, which wait among them, are none.
    #[must_use]
    pub fn running_again_by(&self, now: Now) -> Option<DateTime<Utc>> {
        let more = self.changes.postponed() + self.requests.scheduler().held_back();
        if more == 0 && !self.is_activation_waiting() {
            return None;
        }
        self.requests.scheduler().budget().activations_done_at(now.steady, more, self.reads_of_all())
    }

    /// How many requests it takes to read every campaign once.
    fn reads_of_all(&self) -> usize {
        usize::try_from(self.statuses.status().requests).unwrap_or(usize::MAX)
    }

    /// Since when statuses cannot be read, and why.
    #[must_use]
    pub const fn reads_failing(&self) -> Option<&ReadFailure> {
        self.reads_failing.as_ref()
    }

    const fn next_asker(&mut self) -> Requester {
        self.last_asker += 1;
        Requester(self.last_asker)
    }

    fn ended(&mut self, now: Now, Ending { purpose, sent_at, result }: Ending) {
        let error = result.as_ref().err().cloned();
        match purpose {
            Purpose::Token => {}
            Purpose::Status(job) => self.status_ended(now, job, sent_at, result),
            Purpose::Spend(job) => self.spend_ended(now, job, result),
            Purpose::Account(job) => self.account_page_came(now, job, result),
            Purpose::EndTime(job) => self.end_time_came(now, job, result),
            Purpose::Switch(job) => self.attempt_ended(now, &job, result),
        }
        self.error_before = error;
    }

    /// Remembers how an operation ended: the last failure is shown until one succeeds.
    fn note(&mut self, now: Now, failure: Option<String>) {
        let had_failed = std::mem::replace(&mut self.last_error, failure.clone()).is_some();
        let Some(reason) = failure else {
            if had_failed {
                self.outputs.push(Output::Tell(OperatorEvent::recovery(now.wall, Part::TrafficStar)));
            }
            self.repeats.clear();
            return;
        };
        if let Some(times) = self.repeats.count(now.wall, &reason) {
            tracing::warn!(reason, times, "a request to TrafficStars failed");
        }
        if !had_failed {
            self.outputs.push(Output::Tell(OperatorEvent::error(now.wall, Part::TrafficStar, &reason)));
        }
        self.outputs.push(Output::Failed);
    }

    /// A 429 where this program has sent fewer requests than it may: another program sends requests for the account, too.
    /// The requests that were under way beside that one are answered with 429 as well, and say nothing more.
    fn note_rate_limited(&mut self, now: Now) {
        let budget = self.requests.scheduler().budget();
        let (sent, limit) = (budget.used(now.steady), self.requests_per_minute);
        let is_first = budget.blocked_until(now.steady).is_none();
        if is_first && sent < usize::try_from(limit).unwrap_or(usize::MAX) {
            self.outputs.push(Output::Sign(Sign::RateLimited { sent, limit }));
        }
    }

    /// Other requests may succeed meanwhile; without statuses no campaign is guarded.
    fn note_reads(&mut self, now: Now, failure: Option<&str>) {
        let since = self.reads_failing.as_ref().map_or(now.wall, |failing| failing.since);
        self.reads_failing = failure.map(|reason| ReadFailure { since, reason: reason.to_owned() });
    }
}

/// Whether a request was left out since its operation fails.
const fn is_held_back(error: &RemoteError) -> bool {
    matches!(error, RemoteError::NotSent(NotAdmitted::CircuitOpen { .. }))
}

#[cfg(test)]
mod tests;
