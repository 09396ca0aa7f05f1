//! PostgreSQL's side: diesel's synchronous face of an asynchronous connection, and the runtime that drives it.
//!
//! Deliberately absent: libpq. And, so far, encryption: [`super::DatabaseUrl`] refuses a URL that demands it.

use std::collections::HashSet;
use std::error::Error;
use std::sync::OnceLock;

use diesel::connection::TransactionManager;
use diesel::prelude::*;
use diesel::r2d2::{ManageConnection, Pool};
use diesel::upsert::excluded;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::{AsyncConnectionWrapper, BlockOn};
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Config, NoTls};

use super::error::Fault;
use super::lease::{self, Standing, Term};
use super::pool::{StoreConnection, pool_builder};
use super::readings::SpendColumns;
use super::schema::{campaigns, spends};

/// A connection for synchronous bodies. It must not be used, nor made, on a thread that runs asynchronous tasks.
pub(super) type PgConnection = AsyncConnectionWrapper<AsyncPgConnection, PgIo>;
/// A pool of connections.
pub(super) type PgPool = Pool<PgManager>;

const CONNECTIONS: u32 = 8;
/// Below what PostgreSQL can bind in one statement.
const ROWS_PER_STATEMENT: usize = 1_000;

/// One runtime drives the sockets of every connection, for as long as the process lives: a connection may outlive the
/// runtime of the caller that made it, and dropping a runtime on another one's thread panics.
static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// How the wrapper waits for its connection.
#[derive(Debug)]
pub(super) struct PgIo {
    runtime: &'static Runtime,
}

impl BlockOn for PgIo {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    #[expect(clippy::expect_used, reason = "a connection is made by `open` alone, which starts the runtime first")]
    fn get_runtime() -> Self {
        Self { runtime: RUNTIME.get().expect("`open` starts the runtime before it makes a connection") }
    }
}

fn runtime() -> std::io::Result<&'static Runtime> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("postgres-io").enable_all().build()?;
    // Of two that come at once the slower one's is shut down again; its thread has nothing to do yet.
    if let Err(spare) = RUNTIME.set(runtime) {
        spare.shutdown_background();
    }
    RUNTIME.get().ok_or_else(|| std::io::Error::other("the runtime for PostgreSQL did not start"))
}

/// Why no connection could be had, with all its causes: the pool keeps the text alone.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ConnectFailure(String);

impl ConnectFailure {
    fn new(error: &dyn Error) -> Self {
        let causes = std::iter::successors(Some(error), |error| (*error).source());
        Self(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
}

/// A connection beside the pool.
pub(super) fn open(config: &Config) -> Result<PgConnection, ConnectFailure> {
    let runtime = runtime().map_err(|error| ConnectFailure::new(&error))?;
    let connection = runtime.block_on(async {
        let (client, connection) = config.connect(NoTls).await.map_err(|error| ConnectFailure::new(&error))?;
        AsyncPgConnection::try_from_client_and_connection(client, connection)
            .await
            .map_err(|error| ConnectFailure::new(&error))
    })?;
    Ok(PgConnection::from(connection))
}

/// The pool for a server, without a connection yet.
pub(super) fn pool(config: &Config) -> PgPool {
    pool_builder(CONNECTIONS).build_unchecked(PgManager { config: config.clone() })
}

/// Makes the pool's connections.
#[derive(Debug)]
pub(super) struct PgManager {
    config: Config,
}

impl ManageConnection for PgManager {
    type Connection = PgConnection;
    type Error = ConnectFailure;

    fn connect(&self) -> Result<PgConnection, ConnectFailure> {
        open(&self.config)
    }

    fn is_valid(&self, connection: &mut PgConnection) -> Result<(), ConnectFailure> {
        diesel::sql_query("SELECT 1").execute(connection).map(drop).map_err(|error| ConnectFailure::new(&error))
    }

    /// A transaction left open, or torn: such a connection is not used again.
    fn has_broken(&self, connection: &mut PgConnection) -> bool {
        std::thread::panicking()
            || <PgConnection as Connection>::TransactionManager::is_broken_transaction_manager(connection)
    }
}

impl StoreConnection for PgConnection {
    /// READ COMMITTED: no body reads a value, thinks, and writes it back.
    fn write<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.transaction(body)
    }

    fn standing(&mut self, term: &Term) -> QueryResult<Standing> {
        lease::standing(self, term)
    }

    fn hold_campaigns(&mut self, ids: &[i64]) -> QueryResult<HashSet<i64>> {
        let held: Vec<i64> =
            campaigns::table.filter(campaigns::id.eq_any(ids)).select(campaigns::id).for_key_share().load(self)?;
        Ok(held.into_iter().collect())
    }

    /// Many at once: each statement is a journey to the server and back.
    fn upsert_spends(&mut self, rows: &[SpendColumns]) -> QueryResult<()> {
        for rows in rows.chunks(ROWS_PER_STATEMENT) {
            diesel::insert_into(spends::table)
                .values(rows)
                .on_conflict((spends::campaign_id, spends::day))
                .do_update()
                .set((
                    spends::trafficstar_id.eq(excluded(spends::trafficstar_id)),
                    spends::amount_micros.eq(excluded(spends::amount_micros)),
                    spends::source.eq(excluded(spends::source)),
                    spends::at.eq(excluded(spends::at)),
                ))
                .execute(self)?;
        }
        Ok(())
    }
}
