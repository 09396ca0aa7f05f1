//! The database actor: all other actors read and write the database through it.
//!
//! It combines requests. The reads of all campaigns that tick together are one query. The spends of a sweep are stored
//! in one transaction, and no decision waits for it. One query of an operator runs at a time, and two reads for new
//! actors, so that a connection stays free for the ticks.

mod alerts;
mod catalog;
mod hold;
mod log_size;
mod requests;

pub use self::alerts::{ReadAlerts, SaveAlerts};
pub use self::hold::{StoreHold, StoreHoldOnAll};
pub use self::requests::ReserveRequests;

use actix::prelude::*;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

pub(super) use self::catalog::url_columns;
pub use self::catalog::{CarryOutUrls, WriteCampaign};
use self::log_size::LogSize;
use super::answers::{Answer, send_reply};
use super::progress::{CheckProgress, Stalled};
use crate::board::Board;
use crate::clock::Clock;
use crate::domain::failure::DatabaseFailure;
use crate::domain::ids::CampaignId;
use crate::domain::journal::{JournalEntry, JournalId, JournalQuery};
use crate::domain::operator_event::{OperatorEvent, Part};
use crate::domain::status::{DatabaseStatus, Hold};
use crate::error_chain::in_full;
use crate::store::{
    BadValue, CampaignRow, Record, SpendRow, SpendSums, Store, StoreError, StoredCampaign, StoredHolds, StoredPromise,
    TickReading,
};

/// The reads for ticks that arrive within this time are one query.
const GATHER_READS: Duration = Duration::from_millis(5);
/// The spends that arrive within this time are stored in one transaction.
const GATHER_SPENDS: Duration = Duration::from_millis(250);

/// Reads one campaign's row, clicks and spend history for a tick. The answer is `None` if there is no such row.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Answer<Option<TickReading>>")]
pub struct ReadTick {
    /// The campaign's id.
    pub campaign: CampaignId,
    /// Whether to read each of its URLs.
    pub counts_urls: bool,
    /// Whether to sum up the spends of the campaigns that share limits with it. A spend that was read before this time
    /// (UTC) counts as unknown.
    pub sums_since: Option<DateTime<Utc>>,
}

/// Stores a promise and a journal entry in one transaction. The answer means that they are durable.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Answer<Option<JournalId>>")]
pub struct Save(pub Record);

/// Stores a spend that was read from TrafficStars, within a moment. There is no answer.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct SaveSpend(pub SpendRow);

/// Reads all rows of `campaigns`, all promises and all holds.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Answer<Rows>")]
pub struct ReadRows;

/// The answer to [`ReadRows`].
#[derive(Debug, Clone)]
pub struct Rows {
    /// Every row of `campaigns`.
    pub campaigns: Vec<CampaignRow>,
    /// The stored promises; `Err` if a stored value is invalid. A campaign without a promise has no entry.
    pub promises: HashMap<CampaignId, Result<StoredPromise, BadValue>>,
    /// The holds of operators.
    pub holds: StoredHolds,
}

/// Reads the stored state from which a campaign's actor is built.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Answer<Option<StoredCampaign>>")]
pub struct ReadStored(pub CampaignId);

/// Enables or disables a generator. The answer is `false` if there is no such row.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Answer<bool>")]
pub struct SetGeneratorEnabled {
    /// The campaign's id.
    pub campaign: CampaignId,
    /// Whether the generator is enabled from now on.
    pub enabled: bool,
    /// The hold that is stored with it; `None` leaves the stored one.
    pub hold: Option<Hold>,
}

/// Reads the journal for an operator.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Answer<Vec<JournalEntry>>")]
pub struct ReadJournal(pub JournalQuery);

/// Stores the spends that still wait. The answer means that this was done or has failed.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Flush;

/// The actor.
#[derive(Debug)]
pub struct DatabaseActor {
    store: Store,
    board: Board,
    clock: Clock,
    /// The reads that wait for the next query, each with its reply slot.
    waiting_reads: Vec<(ReadTick, oneshot::Sender<Answer<Option<TickReading>>>)>,
    /// The spends that wait for the next transaction.
    spends: Vec<SpendRow>,
    failures: Arc<Mutex<Failures>>,
    log_size: Arc<Mutex<LogSize>>,
    sums: Arc<Mutex<Option<ReadSums>>>,
    /// Limits the queries of operators to one at a time.
    operator_reads: Arc<Semaphore>,
    /// Limits the reads for new actors to two at a time.
    build_reads: Arc<Semaphore>,
}

impl DatabaseActor {
    /// Returns an actor that works on an open, migrated store.
    #[must_use]
    pub fn new(store: Store, board: Board, clock: Clock) -> Self {
        let [operator_reads, build_reads] = [1, 2].map(|permits| Arc::new(Semaphore::new(permits)));
        Self {
            store,
            board,
            clock,
            waiting_reads: Vec::new(),
            spends: Vec::new(),
            failures: Arc::default(),
            log_size: Arc::default(),
            sums: Arc::default(),
            operator_reads,
            build_reads,
        }
    }

    fn database(&self) -> DatabaseHandle {
        DatabaseHandle {
            store: self.store.clone(),
            board: self.board.clone(),
            clock: self.clock.clone(),
            failures: Arc::clone(&self.failures),
            log_size: Arc::clone(&self.log_size),
            sums: Arc::clone(&self.sums),
        }
    }

    fn read_gathered(&mut self) -> impl Future<Output = ()> + 'static {
        let reads = std::mem::take(&mut self.waiting_reads);
        let database = self.database();
        async move {
            let ids = reads.iter().map(|(read, _)| read.campaign).collect();
            let counted = reads.iter().filter(|(read, _)| read.counts_urls).map(|(read, _)| read.campaign).collect();
            let now = database.now();
            let readings = database.read(database.store.tick_readings(ids, counted, now.date_naive(), now).await);
            let sums = match reads.iter().find_map(|(read, _)| read.sums_since) {
                Some(since) => database.spend_sums(now, since).await,
                None => None,
            };
            for (ReadTick { campaign: id, .. }, reply) in reads {
                // The answer is cloned, since two actors of one campaign may ask in the same moment: an old and a new
                // one.
                let reading = readings.as_ref().map(|readings| readings.get(&id).cloned()).map_err(Clone::clone);
                let with_sums = |reading| TickReading { sums: sums.clone(), ..reading };
                send_reply(reply, reading.map(|reading| reading.map(with_sums)));
            }
        }
    }

    fn save_gathered(&mut self) -> impl Future<Output = ()> + 'static {
        let spends = std::mem::take(&mut self.spends);
        let database = self.database();
        async move {
            if spends.is_empty() {
                return;
            }
            if let Err(reason) = database.written(database.store.save_spends(spends).await) {
                tracing::warn!(%reason, "spends could not be stored: the next tick stores newer ones");
            }
        }
    }
}

/// The parts of the actor that an operation needs while it runs.
#[derive(Debug, Clone)]
struct DatabaseHandle {
    store: Store,
    board: Board,
    clock: Clock,
    failures: Arc<Mutex<Failures>>,
    log_size: Arc<Mutex<LogSize>>,
    sums: Arc<Mutex<Option<ReadSums>>>,
}

/// The sums of all spends, with the time (UTC) when they were read.
type ReadSums = (DateTime<Utc>, Arc<SpendSums>);

/// Sums that are at most this old serve other ticks, too. The ticks of one sweep end at different moments, and each would
/// otherwise read the spends of all campaigns.
const SUMS_SERVE_FOR: chrono::Duration = chrono::Duration::seconds(1);

/// The failures of the last read and of the last write; `None` if it succeeded. They are kept apart, because a database
/// that is locked or read-only still answers every read.
#[derive(Debug, Default)]
struct Failures {
    read: Option<DatabaseFailure>,
    write: Option<DatabaseFailure>,
    /// The time (UTC) when a write last failed because the database was busy.
    busy_at: Option<DateTime<Utc>>,
}

/// After a write failed because the database was busy, a successful write within this time does not end the failure.
/// Otherwise the failure would come and go with each write.
const BUSY_FOR: chrono::Duration = chrono::Duration::seconds(5);

impl Failures {
    fn newest(&self) -> Option<&DatabaseFailure> {
        self.read.as_ref().or(self.write.as_ref())
    }

    fn written(&mut self, now: DateTime<Utc>, failure: Option<DatabaseFailure>) {
        if matches!(failure, Some(DatabaseFailure::Busy(_))) {
            self.busy_at = Some(now);
        }
        let was_busy = self.busy_at.is_some_and(|at| now.signed_duration_since(at).abs() < BUSY_FOR);
        if failure.is_some() || !was_busy {
            self.write = failure;
        }
    }
}

fn failure_of(error: &StoreError) -> DatabaseFailure {
    let text = in_full(error);
    if error.is_busy() { DatabaseFailure::Busy(text) } else { DatabaseFailure::Failed(text) }
}

/// Whether an operation reads or writes.
#[derive(Debug, Clone, Copy)]
enum Access {
    Read,
    Write,
}

impl DatabaseHandle {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Returns the sums of today's spends; `None` if the database does not answer.
    async fn spend_sums(&self, now: DateTime<Utc>, current_since: DateTime<Utc>) -> Option<Arc<SpendSums>> {
        let known = self.sums.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let serves = |at: DateTime<Utc>| {
            at.date_naive() == now.date_naive() && now.signed_duration_since(at).abs() <= SUMS_SERVE_FOR
        };
        if let Some((_, sums)) = known.filter(|(at, _)| serves(*at)) {
            return Some(sums);
        }
        let sums = self.read(self.store.spend_sums(now.date_naive(), current_since).await).ok().map(Arc::new)?;
        *self.sums.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&sums)));
        Some(sums)
    }

    /// Publishes the outcome of a read, and returns its answer.
    fn read<T>(&self, result: Result<T, StoreError>) -> Answer<T> {
        self.report(Access::Read, result)
    }

    /// Publishes the outcome of a write, and returns its answer.
    fn written<T>(&self, result: Result<T, StoreError>) -> Answer<T> {
        self.report(Access::Write, result)
    }

    fn report<T>(&self, access: Access, result: Result<T, StoreError>) -> Answer<T> {
        let now = self.now();
        let answer = result.map_err(|error| failure_of(&error));
        let failure = answer.as_ref().err().cloned();
        if failure.is_some() {
            self.board.metrics().database_failed();
        }
        let (failed_before, last_error) = {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            let failed_before = failures.newest().is_some();
            match access {
                Access::Read => failures.read = failure,
                Access::Write => failures.written(now, failure),
            }
            (failed_before, failures.newest().map(ToString::to_string))
        };
        let kind = self.store.kind().to_owned();
        self.board.publish_database(now, DatabaseStatus { kind, last_error: last_error.clone() });
        match last_error {
            Some(reason) if !failed_before => {
                self.board.publish_event(OperatorEvent::error(now, Part::Database, &reason))
            }
            None if failed_before => self.board.publish_event(OperatorEvent::recovery(now, Part::Database)),
            Some(_) | None => {}
        }
        answer
    }

    /// Writes without a change, if the last write failed. Without this, a recovery would stay unnoticed while no
    /// campaign is guarded, since nothing else writes then.
    async fn try_writing_again(&self) {
        let failed = self.failures.lock().unwrap_or_else(PoisonError::into_inner).write.is_some();
        if failed {
            // A failure was reported and published before.
            let _ = self.written(self.store.count_requests(0, self.now(), None, self.now()).await);
        }
    }
}

impl Actor for DatabaseActor {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let status = DatabaseStatus { kind: self.store.kind().to_owned(), last_error: None };
        self.board.publish_database(self.clock.now(), status);
    }
}

impl Handler<CheckProgress> for DatabaseActor {
    type Result = ResponseFuture<Result<(), Stalled>>;

    /// Answers if a thread is free on which an operation could run. A single operation that does not end, such as a read
    /// from a disk that hangs, means that the database is away: a restart would not help.
    fn handle(&mut self, CheckProgress: CheckProgress, _: &mut Self::Context) -> Self::Result {
        Box::pin(async {
            // The thread has nothing to do, so it cannot fail.
            let _ = tokio::task::spawn_blocking(|| ()).await;
            Ok(())
        })
    }
}

impl Handler<ReadTick> for DatabaseActor {
    type Result = ResponseFuture<Answer<Option<TickReading>>>;

    fn handle(&mut self, read: ReadTick, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        self.waiting_reads.push((read, reply));
        if self.waiting_reads.len() == 1 {
            ctx.run_later(GATHER_READS, |actor, ctx| {
                let read = actor.read_gathered();
                ctx.spawn(read.into_actor(actor));
            });
        }
        Box::pin(async move { answer.await.unwrap_or(Err(DatabaseFailure::ActorGone)) })
    }
}

impl Handler<Save> for DatabaseActor {
    type Result = ResponseFuture<Answer<Option<JournalId>>>;

    fn handle(&mut self, Save(record): Save, _: &mut Self::Context) -> Self::Result {
        let database = self.database();
        let has_occasions = !record.occasions.is_empty();
        Box::pin(async move {
            let saved = database.written(database.store.save(record, database.now()).await);
            if has_occasions && saved.is_ok() {
                database.board.publish_occasions();
            }
            saved
        })
    }
}

impl Handler<SaveSpend> for DatabaseActor {
    type Result = ();

    fn handle(&mut self, SaveSpend(row): SaveSpend, ctx: &mut Self::Context) {
        self.spends.push(row);
        if self.spends.len() == 1 {
            ctx.run_later(GATHER_SPENDS, |actor, ctx| {
                let save = actor.save_gathered();
                ctx.spawn(save.into_actor(actor));
            });
        }
    }
}

impl Handler<Flush> for DatabaseActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Flush: Flush, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.save_gathered())
    }
}

impl Handler<ReadRows> for DatabaseActor {
    type Result = ResponseFuture<Answer<Rows>>;

    fn handle(&mut self, ReadRows: ReadRows, _: &mut Self::Context) -> Self::Result {
        let database = self.database();
        Box::pin(async move {
            let campaigns = database.read(database.store.campaigns().await)?;
            let promises = database.read(database.store.stored_promises().await)?;
            let holds = database.read(database.store.holds().await)?;
            database.try_writing_again().await;
            database.watch_log_size().await;
            Ok(Rows { campaigns, promises, holds })
        })
    }
}

impl Handler<ReadStored> for DatabaseActor {
    type Result = ResponseFuture<Answer<Option<StoredCampaign>>>;

    fn handle(&mut self, ReadStored(id): ReadStored, _: &mut Self::Context) -> Self::Result {
        let (database, permits) = (self.database(), Arc::clone(&self.build_reads));
        Box::pin(async move {
            // The semaphore is never closed.
            let _permit = permits.acquire().await;
            database.read(database.store.stored_campaign(id).await)
        })
    }
}

impl Handler<SetGeneratorEnabled> for DatabaseActor {
    type Result = ResponseFuture<Answer<bool>>;

    fn handle(&mut self, message: SetGeneratorEnabled, _: &mut Self::Context) -> Self::Result {
        let database = self.database();
        Box::pin(async move {
            let SetGeneratorEnabled { campaign, enabled, hold } = message;
            database.written(database.store.set_generator_enabled(campaign, enabled, hold, database.now()).await)
        })
    }
}

impl Handler<ReadJournal> for DatabaseActor {
    type Result = ResponseFuture<Answer<Vec<JournalEntry>>>;

    fn handle(&mut self, ReadJournal(query): ReadJournal, _: &mut Self::Context) -> Self::Result {
        let (database, permits) = (self.database(), Arc::clone(&self.operator_reads));
        Box::pin(async move {
            // The semaphore is never closed.
            let _permit = permits.acquire().await;
            database.read(database.store.journal(query).await)
        })
    }
}
