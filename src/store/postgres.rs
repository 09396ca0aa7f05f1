//! PostgreSQL's side: diesel's synchronous face of an asynchronous connection, and the runtime that drives it.
//!
//! `server` reads the URL, `tls` says whom to trust. Deliberately absent: libpq and OpenSSL.

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

/// A connection for synchronous bodies. It must not be used, nor made, on a thread that runs asynchronous tasks.
pub(super) type PgConnection = AsyncConnectionWrapper<AsyncPgConnection, PgIo>;
/// A pool of connections.
pub(super) type PgPool = Pool<PgManager>;

const CONNECTIONS: u32 = 8;
/// So many of them write at a time. The others are left for readers.
pub(super) const WRITERS: usize = 5;
/// Longer than the server lets a statement take: past it the server has not ended it, so it hangs or is out of reach.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection from the pool may take to show that it works.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
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

/// A connection beside the pool.
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
    Ok(PgLent { connection: PgConnection::from(connection), driver, is_spent: false })
}

async fn start<T>(config: &Config, tls: T) -> Result<(AsyncPgConnection, AbortHandle), ConnectFailure>
where
    T: MakeTlsConnect<Socket, Stream: Send + 'static> + Send,
{
    let (client, socket) = config.connect(tls).await.map_err(|error| ConnectFailure::new(&error))?;
    // What ends it is told to whoever waits for an answer.
    let driver = tokio::spawn(async { drop(socket.await) }).abort_handle();
    let connection = AsyncPgConnection::try_from(client).await.map_err(|error| ConnectFailure::new(&error))?;
    Ok((connection, driver))
}

/// A connection of the pool.
pub(super) struct PgLent {
    connection: PgConnection,
    /// What moves bytes between it and the server. Without it every question is answered: the connection is closed.
    driver: AbortHandle,
    is_spent: bool,
}

impl PgLent {
    /// Runs `body` with the connection.
    pub(super) fn run<T>(&mut self, body: impl FnOnce(&mut PgConnection) -> Result<T, Fault>) -> Result<T, Fault> {
        self.run_within(OPERATION_TIMEOUT, body)
    }

    /// The same, and the connection is cut when it takes longer: the network may be there and the server hang, and a
    /// thread that waits for it would be lost.
    pub(super) fn run_within<T>(
        &mut self,
        limit: Duration,
        body: impl FnOnce(&mut PgConnection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let _deadline = self.deadline(limit);
        let outcome = body(&mut self.connection);
        self.is_spent = outcome.as_ref().is_err_and(Fault::spends_connection);
        outcome
    }

    /// Cuts the connection after this time, unless it is dropped before.
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

/// The pool for a server, without a connection yet.
pub(super) fn pool(server: &Server) -> PgPool {
    pool_builder(CONNECTIONS).build_unchecked(PgManager { server: server.clone() })
}

/// Makes the pool's connections.
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

    /// A transaction left open, or torn: such a connection is not used again.
    fn has_broken(&self, lent: &mut PgLent) -> bool {
        lent.is_spent
            || std::thread::panicking()
            || <PgConnection as Connection>::TransactionManager::is_broken_transaction_manager(&mut lent.connection)
    }
}

/// Holds off the next leadership until the transaction ends, and heartbeats not at all. A transaction whose client is frozen
/// would do that for ever: the server ends it.
const STANDING: &str = "SELECT COALESCE(ends_at, TIMESTAMP 'epoch') > clock_timestamp() AT TIME ZONE 'utc' AS lasts, \
    set_config('idle_in_transaction_session_timeout', '2000', TRUE) AS bound \
    FROM leadership WHERE id = 1 AND epoch = $1 AND holder = $2 FOR KEY SHARE";

#[derive(QueryableByName)]
struct Lasts {
    #[diesel(sql_type = Bool)]
    lasts: bool,
}

impl StoreConnection for PgConnection {
    /// READ COMMITTED: no body reads a value, thinks, and writes it back.
    fn write<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.transaction(body)
    }

    fn lease_state(&mut self, term: &LeaseTerm) -> QueryResult<LeaseState> {
        let found: Option<Lasts> = diesel::sql_query(STANDING)
            .bind::<BigInt, _>(term.epoch.0)
            .bind::<Text, _>(&*term.holder)
            .get_result(self)
            .optional()?;
        Ok(match found {
            Some(Lasts { lasts: true }) => LeaseState::Lasts,
            Some(Lasts { lasts: false }) => LeaseState::RunOut,
            None => LeaseState::Over,
        })
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
