//! The lease on leadership: one row, judged by the database's clock. And the condition on which a leader's records are
//! stored.
//!
//! Deliberately absent: when to look, take and renew, and what an answer means ([`crate::domain::lease`]).

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

/// A question that is not answered by then has failed: the lease would not outlast many of them.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Who asks for the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseCandidate {
    /// Unlike that of any other process on any machine, earlier ones included.
    pub name: String,
    /// The machine's name, for people.
    pub host: String,
    /// The process id there.
    pub pid: u32,
}

/// Asks about the lease by a connection of its own: operations that wait for a connection of the pool do not keep a
/// heartbeat waiting. Clones share it.
#[derive(Clone)]
pub struct LeaseStore {
    url: DatabaseUrl,
    candidate: LeaseCandidate,
    connection: Arc<Mutex<Option<PgConnection>>>,
}

impl Store {
    /// Where the lease is asked for; none where leadership is a lock on a file ([`Store::lock`]).
    #[must_use]
    pub fn lease_store(&self, candidate: LeaseCandidate) -> Option<LeaseStore> {
        match &self.url.target {
            Target::Sqlite(_) => None,
            Target::Postgres(_) => Some(LeaseStore { url: self.url.clone(), candidate, connection: Arc::default() }),
        }
    }

    /// The same store for one leadership: promises, journal, holds and spends are stored while it lasts, and refused afterwards.
    #[must_use]
    pub fn in_term(&self, term: LeaseTerm) -> Self {
        Self { term: Some(term), ..self.clone() }
    }
}

impl LeaseStore {
    /// What the row says now.
    ///
    /// # Errors
    /// The database does not answer in time.
    pub async fn look(&self) -> Result<LeaseRow, StoreError> {
        self.ask(|connection, _| {
            let row: Option<Row> = diesel::sql_query(LOOK).get_result(connection).optional()?;
            row.map(LeaseRow::from).ok_or(Fault::NoLeadership)
        })
        .await
    }

    /// Takes the lease, if it is as `seen` says, and free by the database's clock. None: somebody was faster, or is alive.
    ///
    /// # Errors
    /// The database does not answer in time. It may have been taken all the same: it runs out then.
    pub async fn take(&self, seen: &LeaseRow) -> Result<Option<LeaseTerm>, StoreError> {
        let (Epoch(epoch), beats) = (seen.epoch, seen.beats);
        self.ask(move |connection, candidate| {
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

    /// Renews the lease. False: the leadership is over, or the row is lost.
    ///
    /// # Errors
    /// The database does not answer in time. It may have been renewed all the same.
    pub async fn beat(&self, term: &LeaseTerm) -> Result<bool, StoreError> {
        let term = term.clone();
        self.ask(move |connection, _| {
            let beaten = diesel::sql_query(BEAT)
                .bind::<BigInt, _>(milliseconds(LEASE))
                .bind::<BigInt, _>(term.epoch.0)
                .bind::<Text, _>(&*term.holder)
                .execute(connection)?;
            Ok(beaten > 0)
        })
        .await
    }

    /// Gives the lease up, so that a standby takes it at once. Nothing happens where the leadership is over.
    ///
    /// # Errors
    /// The database does not answer in time: the lease runs out by itself.
    pub async fn give_up(&self, term: &LeaseTerm) -> Result<(), StoreError> {
        let term = term.clone();
        self.ask(move |connection, _| {
            diesel::sql_query(GIVE_UP)
                .bind::<BigInt, _>(term.epoch.0)
                .bind::<Text, _>(&*term.holder)
                .execute(connection)?;
            Ok(())
        })
        .await
    }

    /// Asks by the kept connection, or by a new one. One that failed, or does not answer in time, is not used again.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut PgConnection, &LeaseCandidate) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let kept = self.kept().take();
        let (url, candidate) = (self.url.clone(), self.candidate.clone());
        let work = blocking(move || {
            let mut connection = match kept {
                Some(connection) => connection,
                None => open(&url)?,
            };
            let answer = question(&mut connection, &candidate)?;
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
            diesel::sql_query(WAIT_FOR_NOBODY).execute(&mut connection)?;
            Ok(connection)
        }
    }
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Whoever is still storing something in the name of the last leadership holds off the next one: it is tried again.
const WAIT_FOR_NOBODY: &str = "SET lock_timeout = 1000";

/// Not `now()`, which is when the transaction began: it may have waited for a lock since.
///
/// Without `ends_at` nothing is waited for: it has run out long ago.
const LOOK: &str = "SELECT epoch, beats, holder IS NOT NULL AS is_held, host, pid, since, ends_at, \
    CAST(FLOOR(EXTRACT(EPOCH FROM (clock_timestamp() AT TIME ZONE 'utc') - COALESCE(ends_at, TIMESTAMP 'epoch')) * 1000) \
    AS BIGINT) AS run_out_ms FROM leadership WHERE id = 1";

/// A lease without a holder was given up, which ends it; or somebody has taken the holder out by hand, who may still act until
/// the lease ends.
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

/// As if the last leadership known had just ended with its lease and all that it had sent: whoever held the lost row may not know
/// of it yet.
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

/// Whether the row is not there, so that nobody can lead.
pub(super) fn is_lost(connection: &mut PgConnection) -> QueryResult<bool> {
    let found = diesel::sql_query("SELECT 1 FROM leadership WHERE id = 1").execute(connection)?;
    Ok(found == 0)
}

/// Makes the row again, where it is lost; whether it was.
pub(super) fn restore(connection: &mut PgConnection) -> QueryResult<bool> {
    let restored = diesel::sql_query(RESTORE).bind::<BigInt, _>(milliseconds(LEASE + MARGIN)).execute(connection)?;
    Ok(restored > 0)
}

/// Refuses what is written in the name of a leadership that does not last. To be asked first in its transaction.
pub(super) fn refuse_unless_leading(
    connection: &mut impl StoreConnection,
    term: Option<&LeaseTerm>,
) -> Result<(), Fault> {
    match term.map_or(Ok(LeaseState::Lasts), |term| connection.lease_state(term))? {
        LeaseState::Lasts => Ok(()),
        LeaseState::RunOut | LeaseState::Over => Err(Fault::NotLeading),
    }
}
