//! PostgreSQL connections: diesel's synchronous wrapper of an asynchronous connection, and the runtime that drives it.
//!
//! `server` parses the URL, `tls` decides which certificates are trusted. Deliberately absent: libpq and OpenSSL.

mod server;
mod tls;

use std::collections::HashSet;
use std::sync::OnceLock;
use std::time::Duration;

use diesel::connection::TransactionManager;
use diesel::prelude::*;
use diesel::r2d2::{ManageConnection, Pool};
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::upsert::excluded;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::{AsyncConnectionWrapper, BlockOn};
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Config, NoTls, Socket};

pub(super) use self::server::Server;

use super::connection::{StoreConnection, pool_builder};
use super::error::{ConnectFailure, Fault};
use super::rows::{LeaseState, LeaseTerm, SpendColumns};
use super::schema::{campaigns, spends};

/// A connection for synchronous code. It must neither be created nor used on a thread that runs asynchronous tasks.
pub(super) type PgConnection = AsyncConnectionWrapper<AsyncPgConnection, PgIo>;
/// A pool of connections.
pub(super) type PgPool = Pool<PgManager>;

const CONNECTIONS: u32 = 8;
/// At most this many of the connections write at a time. The others are left for reads.
pub(super) const WRITERS: usize = 5;
/// The longest time for an operation. This is longer than the server's own limit for a statement: if the server has not
/// ended the statement by then, the server hangs or cannot be reached.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest time for the check of a pooled connection.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// Rows per statement, so that a statement stays below PostgreSQL's limit of bound values.
const ROWS_PER_STATEMENT: usize = 1_000;

/// One runtime drives the sockets of every connection until the process ends. A connection may outlive the runtime of
/// the caller that created it, and dropping a runtime on another runtime's thread panics.
static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Lets the synchronous wrapper wait for its asynchronous connection.
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
    // If two threads come here at once, the slower one shuts its runtime down again. That runtime has no work yet.
    if let Err(spare) = RUNTIME.set(runtime) {
        spare.shutdown_background();
    }
    RUNTIME.get().ok_or_else(|| std::io::Error::other("the runtime for PostgreSQL did not start"))
}

/// Opens a connection outside the pool.
pub(super) fn open(server: &Server) -> Result<PgConnection, ConnectFailure> {
    connect(server).map(|lent| lent.connection)
}

fn connect(server: &Server) -> Result<PgLent, ConnectFailure> {
    let runtime = runtime().map_err(|error| ConnectFailure::new(&error))?;
    let config = server.ready().map_err(|error| ConnectFailure::new(&error))?;
    let connector =
        server.authorities().map(tls::connector).transpose().map_err(|error| ConnectFailure::new(&error))?;
    let within = server.connect_within();
    let connected = runtime.block_on(async {
        let connect = async {
            match connector {
                Some(connector) => start(&config, connector).await,
                None => start(&config, NoTls).await,
            }
        };
        timeout(within, connect).await.unwrap_or_else(|_| {
            Err(ConnectFailure(format!("the server at {} did not answer within {within:?}", server.shown())))
        })
    });
    let (connection, driver) = connected?;
    Ok(PgLent { connection: PgConnection::from(connection), driver, must_close: false })
}

async fn start<T>(config: &Config, tls: T) -> Result<(AsyncPgConnection, AbortHandle), ConnectFailure>
where
    T: MakeTlsConnect<Socket, Stream: Send + 'static> + Send,
{
    let (client, socket) = config.connect(tls).await.map_err(|error| ConnectFailure::new(&error))?;
    // The error that ends the connection is dropped here: statements that wait for an answer return it, too.
    let driver = tokio::spawn(async { drop(socket.await) }).abort_handle();
    let connection = AsyncPgConnection::try_from(client).await.map_err(|error| ConnectFailure::new(&error))?;
    Ok((connection, driver))
}

/// A connection that the pool lends.
pub(super) struct PgLent {
    connection: PgConnection,
    /// The task that moves bytes between the connection and the server. Without it every statement fails at once with
    /// "connection closed".
    driver: AbortHandle,
    /// Whether the pool must close the connection instead of lending it again.
    must_close: bool,
}

impl PgLent {
    /// Runs `body` with the connection.
    pub(super) fn run<T>(&mut self, body: impl FnOnce(&mut PgConnection) -> Result<T, Fault>) -> Result<T, Fault> {
        self.run_within(OPERATION_TIMEOUT, body)
    }

    /// Runs `body` with the connection, and cuts the connection if that takes longer than `limit`. Otherwise a server
    /// that hangs behind a working network would block the thread for ever.
    pub(super) fn run_within<T>(
        &mut self,
        limit: Duration,
        body: impl FnOnce(&mut PgConnection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let _deadline = self.deadline(limit);
        let outcome = body(&mut self.connection);
        self.must_close = outcome.as_ref().is_err_and(Fault::breaks_connection);
        outcome
    }

    /// Starts a timer that cuts the connection after this time. Dropping the timer stops it.
    fn deadline(&self, within: Duration) -> Option<Deadline> {
        let driver = self.driver.clone();
        let cut = async move {
            sleep(within).await;
            driver.abort();
        };
        RUNTIME.get().map(|runtime| Deadline(runtime.spawn(cut).abort_handle()))
    }
}

struct Deadline(AbortHandle);

impl Drop for Deadline {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Creates the pool for a server. It opens no connection yet.
pub(super) fn pool(server: &Server) -> PgPool {
    pool_builder(CONNECTIONS).build_unchecked(PgManager { server: server.clone() })
}

/// Creates and checks the pool's connections.
#[derive(Debug)]
pub(super) struct PgManager {
    server: Server,
}

impl ManageConnection for PgManager {
    type Connection = PgLent;
    type Error = ConnectFailure;

    fn connect(&self) -> Result<PgLent, ConnectFailure> {
        connect(&self.server)
    }

    fn is_valid(&self, lent: &mut PgLent) -> Result<(), ConnectFailure> {
        let _deadline = lent.deadline(CHECK_TIMEOUT);
        let answer = diesel::sql_query("SELECT 1").execute(&mut lent.connection);
        answer.map(drop).map_err(|error| ConnectFailure::new(&error))
    }

    /// Whether the connection must not be used again: its last fault says so, or its transaction was left open or
    /// broken.
    fn has_broken(&self, lent: &mut PgLent) -> bool {
        lent.must_close
            || std::thread::panicking()
            || <PgConnection as Connection>::TransactionManager::is_broken_transaction_manager(&mut lent.connection)
    }
}

/// Reads whether the lease lasts, and locks its row. The lock delays the next leadership until the transaction ends,
/// but no heartbeat. If the client freezes within the transaction, the server ends the transaction after two seconds,
/// since the lock would otherwise last for ever.
const LEASE_STATE: &str = "SELECT COALESCE(ends_at, TIMESTAMP 'epoch') > clock_timestamp() AT TIME ZONE 'utc' AS lasts, \
    set_config('idle_in_transaction_session_timeout', '2000', TRUE) AS bound \
    FROM leadership WHERE id = 1 AND epoch = $1 AND holder = $2 FOR KEY SHARE";

#[derive(QueryableByName)]
struct Lasts {
    #[diesel(sql_type = Bool)]
    lasts: bool,
}

impl StoreConnection for PgConnection {
    /// READ COMMITTED is enough: no body reads a value, changes it, and writes it back.
    fn write<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.transaction(body)
    }

    fn lease_state(&mut self, term: &LeaseTerm) -> QueryResult<LeaseState> {
        let found: Option<Lasts> = diesel::sql_query(LEASE_STATE)
            .bind::<BigInt, _>(term.epoch.0)
            .bind::<Text, _>(&*term.holder)
            .get_result(self)
            .optional()?;
        Ok(match found {
            Some(Lasts { lasts: true }) => LeaseState::Lasts,
            Some(Lasts { lasts: false }) => LeaseState::Expired,
            None => LeaseState::Over,
        })
    }

    fn lock_campaigns(&mut self, ids: &[i64]) -> QueryResult<HashSet<i64>> {
        let locked: Vec<i64> =
            campaigns::table.filter(campaigns::id.eq_any(ids)).select(campaigns::id).for_key_share().load(self)?;
        Ok(locked.into_iter().collect())
    }

    /// Writes many rows with each statement, since each statement costs a round trip to the server.
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
