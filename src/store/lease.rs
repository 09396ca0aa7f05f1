//! The lease on leadership: one row, judged by the database's clock. A leader's records are stored only while its lease
//! lasts; the check for that is here, too.
//!
//! Deliberately absent: when to read, take and renew the lease, and what an answer means ([`crate::domain::lease`]).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamp};

use super::Store;
use super::connection::{StoreConnection, blocking};
use super::error::{Fault, StoreError};
use super::postgres::{self, PgConnection};
use super::rows::{LeaseState, LeaseTerm};
use super::url::{DatabaseUrl, Target};
use crate::domain::lease::{Epoch, LEASE, Leader, LeaseRow, MARGIN};

/// A statement about the lease fails if it has no answer within this time, so that several attempts fit into one lease.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The process that wants the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseCandidate {
    /// The process's unique name: no other process on any machine has it, or ever had it.
    pub name: String,
    /// The machine's name, for people.
    pub host: String,
    /// The process id on that machine.
    pub pid: u32,
}

/// Reads and changes the lease over a connection of its own, so that a heartbeat never waits behind operations that use
/// the pool. Clones share the connection.
#[derive(Clone)]
pub struct LeaseStore {
    url: DatabaseUrl,
    candidate: LeaseCandidate,
    connection: Arc<Mutex<Option<PgConnection>>>,
}

impl Store {
    /// Returns the access to the lease. `None` for SQLite, where a lock on a file decides leadership ([`Store::lock`]).
    #[must_use]
    pub fn lease_store(&self, candidate: LeaseCandidate) -> Option<LeaseStore> {
        match &self.url.target {
            Target::Sqlite(_) => None,
            Target::Postgres(_) => Some(LeaseStore { url: self.url.clone(), candidate, connection: Arc::default() }),
        }
    }

    /// Returns the same store for one leadership: it stores promises, journal entries, holds and spends while that
    /// leadership lasts, and refuses to store them afterwards.
    #[must_use]
    pub fn in_term(&self, term: LeaseTerm) -> Self {
        Self { term: Some(term), ..self.clone() }
    }
}

impl LeaseStore {
    /// Reads the lease's row.
    ///
    /// # Errors
    /// The database does not answer in time.
    pub async fn look(&self) -> Result<LeaseRow, StoreError> {
        self.run(|connection, _| {
            let row: Option<Row> = diesel::sql_query(LOOK).get_result(connection).optional()?;
            row.map(LeaseRow::from).ok_or(Fault::NoLeadership)
        })
        .await
    }

    /// Takes the lease, if the row is still as in `seen` and the lease is free by the database's clock. Returns `None`
    /// if another supervisor was faster, or the holder is alive.
    ///
    /// # Errors
    /// The database does not answer in time. The lease may have been taken nevertheless; it then expires by itself.
    pub async fn take(&self, seen: &LeaseRow) -> Result<Option<LeaseTerm>, StoreError> {
        let (Epoch(epoch), beats) = (seen.epoch, seen.beats);
        self.run(move |connection, candidate| {
            let taken: Option<Taken> = diesel::sql_query(TAKE)
                .bind::<Text, _>(&candidate.name)
                .bind::<Text, _>(&candidate.host)
                .bind::<BigInt, _>(i64::from(candidate.pid))
                .bind::<BigInt, _>(milliseconds(LEASE))
                .bind::<BigInt, _>(epoch)
                .bind::<BigInt, _>(beats)
                .bind::<BigInt, _>(milliseconds(MARGIN))
                .get_result(connection)
                .optional()?;
            Ok(taken.map(|taken| LeaseTerm {
                epoch: Epoch(taken.epoch),
                since: taken.since.and_utc(),
                holder: candidate.name.as_str().into(),
            }))
        })
        .await
    }

    /// Renews the lease. Returns false if the leadership is over, or the row is missing.
    ///
    /// # Errors
    /// The database does not answer in time. The lease may have been renewed nevertheless.
    pub async fn beat(&self, term: &LeaseTerm) -> Result<bool, StoreError> {
        let term = term.clone();
        self.run(move |connection, _| {
            let renewed = diesel::sql_query(BEAT)
                .bind::<BigInt, _>(milliseconds(LEASE))
                .bind::<BigInt, _>(term.epoch.0)
                .bind::<Text, _>(&*term.holder)
                .execute(connection)?;
            Ok(renewed > 0)
        })
        .await
    }

    /// Gives up the lease, so that a standby can take it at once. Does nothing if the leadership is already over.
    ///
    /// # Errors
    /// The database does not answer in time. The lease then expires by itself.
    pub async fn give_up(&self, term: &LeaseTerm) -> Result<(), StoreError> {
        let term = term.clone();
        self.run(move |connection, _| {
            diesel::sql_query(GIVE_UP)
                .bind::<BigInt, _>(term.epoch.0)
                .bind::<Text, _>(&*term.holder)
                .execute(connection)?;
            Ok(())
        })
        .await
    }

    /// Runs `query` over the kept connection, or over a new one. A connection that failed, or did not answer in time,
    /// is not used again.
    async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut PgConnection, &LeaseCandidate) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let kept = self.kept().take();
        let (url, candidate) = (self.url.clone(), self.candidate.clone());
        let work = blocking(move || {
            let mut connection = match kept {
                Some(connection) => connection,
                None => open(&url)?,
            };
            let answer = query(&mut connection, &candidate)?;
            Ok((answer, connection))
        });
        let answered = tokio::time::timeout(ANSWER_WITHIN, work).await;
        let (answer, connection) =
            answered.unwrap_or(Err(Fault::NoAnswer(ANSWER_WITHIN))).map_err(StoreError::Lease)?;
        *self.kept() = Some(connection);
        Ok(answer)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<PgConnection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for LeaseStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseStore").field("url", &self.url).field("candidate", &self.candidate).finish_non_exhaustive()
    }
}

fn open(url: &DatabaseUrl) -> Result<PgConnection, Fault> {
    match &url.target {
        Target::Sqlite(_) => Err(Fault::NoLeaseHere),
        Target::Postgres(server) => {
            let mut connection = postgres::open(server)?;
            diesel::sql_query(LOCK_TIMEOUT).execute(&mut connection)?;
            Ok(connection)
        }
    }
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A transaction of the last leader may still lock the row. Taking the lease then fails after this time, and the caller
/// tries again.
const LOCK_TIMEOUT: &str = "SET lock_timeout = 1000";

/// Reads the row. It uses `clock_timestamp()`, since `now()` is the beginning of the transaction, which may have waited
/// for a lock since then.
///
/// A lease whose `ends_at` is NULL counts as expired long ago.
const LOOK: &str = "SELECT epoch, beats, holder IS NOT NULL AS is_held, host, pid, since, ends_at, \
    CAST(FLOOR(EXTRACT(EPOCH FROM (clock_timestamp() AT TIME ZONE 'utc') - COALESCE(ends_at, TIMESTAMP 'epoch')) * 1000) \
    AS BIGINT) AS run_out_ms FROM leadership WHERE id = 1";

/// A lease without a holder was given up, which set `ends_at`; or somebody removed the holder from the row by hand, and
/// that supervisor may still act until `ends_at`. Either can be taken from `ends_at` on. A lease with a holder can be
/// taken only after a margin in addition.
const TAKE: &str = "UPDATE leadership SET epoch = epoch + 1, beats = 0, holder = $1, host = $2, pid = $3, \
    since = clock_timestamp() AT TIME ZONE 'utc', \
    ends_at = (clock_timestamp() AT TIME ZONE 'utc') + $4 * INTERVAL '1 millisecond' \
    WHERE id = 1 AND epoch = $5 AND beats = $6 AND COALESCE(ends_at, TIMESTAMP 'epoch') \
    + CASE WHEN holder IS NULL THEN INTERVAL '0' ELSE $7 * INTERVAL '1 millisecond' END \
    <= clock_timestamp() AT TIME ZONE 'utc' RETURNING epoch, since";

const BEAT: &str = "UPDATE leadership SET beats = beats + 1, \
    ends_at = (clock_timestamp() AT TIME ZONE 'utc') + $1 * INTERVAL '1 millisecond' \
    WHERE id = 1 AND epoch = $2 AND holder = $3";

const GIVE_UP: &str = "UPDATE leadership SET holder = NULL, ends_at = clock_timestamp() AT TIME ZONE 'utc' \
    WHERE id = 1 AND epoch = $1 AND holder = $2";

/// Restores the missing row with a lease that ends only after a whole lease and margin from now. The supervisor that
/// held the lost lease may not know yet that it is lost. The epoch continues from the newest one in the journal.
const RESTORE: &str = "INSERT INTO leadership (id, epoch, beats, ends_at) \
    SELECT 1, COALESCE(MAX(epoch), 0), 0, (clock_timestamp() AT TIME ZONE 'utc') + $1 * INTERVAL '1 millisecond' \
    FROM journal ON CONFLICT (id) DO NOTHING";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    epoch: i64,
    #[diesel(sql_type = BigInt)]
    beats: i64,
    #[diesel(sql_type = Bool)]
    is_held: bool,
    #[diesel(sql_type = Nullable<Text>)]
    host: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pid: Option<i64>,
    #[diesel(sql_type = Nullable<Timestamp>)]
    since: Option<NaiveDateTime>,
    #[diesel(sql_type = Nullable<Timestamp>)]
    ends_at: Option<NaiveDateTime>,
    #[diesel(sql_type = BigInt)]
    run_out_ms: i64,
}

impl From<Row> for LeaseRow {
    fn from(row: Row) -> Self {
        let holder = row.is_held.then(|| Leader {
            host: row.host.unwrap_or_default(),
            pid: row.pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
            since: row.since.unwrap_or_default().and_utc(),
        });
        let run_out_for = u64::try_from(row.run_out_ms).ok().map(Duration::from_millis);
        let ends_at = row.ends_at.map(|at| at.and_utc());
        Self { epoch: Epoch(row.epoch), beats: row.beats, holder, ends_at, run_out_for }
    }
}

#[derive(QueryableByName)]
struct Taken {
    #[diesel(sql_type = BigInt)]
    epoch: i64,
    #[diesel(sql_type = Timestamp)]
    since: NaiveDateTime,
}

/// Whether the row is missing, so that no supervisor can lead.
pub(super) fn is_lost(connection: &mut PgConnection) -> QueryResult<bool> {
    let found = diesel::sql_query("SELECT 1 FROM leadership WHERE id = 1").execute(connection)?;
    Ok(found == 0)
}

/// Inserts the row if it is missing. Returns whether it was missing.
pub(super) fn restore(connection: &mut PgConnection) -> QueryResult<bool> {
    let restored = diesel::sql_query(RESTORE).bind::<BigInt, _>(milliseconds(LEASE + MARGIN)).execute(connection)?;
    Ok(restored > 0)
}

/// Returns an error unless the leadership `term` lasts; without a term, nothing is checked. A transaction that writes
/// must call this first.
pub(super) fn refuse_unless_leading(
    connection: &mut impl StoreConnection,
    term: Option<&LeaseTerm>,
) -> Result<(), Fault> {
    match term.map_or(Ok(LeaseState::Lasts), |term| connection.lease_state(term))? {
        LeaseState::Lasts => Ok(()),
        LeaseState::Expired | LeaseState::Over => Err(Fault::NotLeading),
    }
}
