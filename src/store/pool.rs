//! The connections, and `db!`, by which every operation gets one.

use std::time::Duration;

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Error as R2d2Error, NopErrorHandler, Pool};
use diesel::sqlite::SqliteConnection;
use tokio::task::spawn_blocking;

use super::error::Fault;
use super::url::{DatabaseUrl, OpenMode, Target, sqlite_uri};

/// An operation that gets no connection within this time has failed: the tick that waits for it has others to wait for.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3);
/// SQLite has one writer at a time; a few more connections let operators read meanwhile.
const CONNECTIONS: u32 = 4;

/// The waiting time comes first, since the others may have to wait. FULL, because a journal entry must outlive a power cut
/// once it is stored: it says that a request was sent. The write-ahead log is no setting of a connection but of the file:
/// `migrate` sets it, and merely connecting changes no file.
const SQLITE_PRAGMAS: [&str; 3] =
    ["PRAGMA busy_timeout = 5000", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"];

/// One pool for each database that the program can use.
#[derive(Clone)]
pub(super) enum Pools {
    Sqlite(Pool<ConnectionManager<SqliteConnection>>),
}

impl Pools {
    /// The pool for `url`. It opens its first connection when it is first asked for one.
    pub(super) fn new(url: &DatabaseUrl) -> Result<Self, Fault> {
        match &url.target {
            Target::Sqlite(path) => Ok(Self::Sqlite(
                Pool::builder()
                    .max_size(CONNECTIONS)
                    .min_idle(Some(0))
                    .connection_timeout(CONNECTION_TIMEOUT)
                    .error_handler(Box::new(NopErrorHandler))
                    .connection_customizer(Box::new(SqliteSettings))
                    .build_unchecked(ConnectionManager::new(sqlite_uri(path, OpenMode::ReadWrite))),
            )),
            Target::Postgres => Err(Fault::NotSupported),
        }
    }
}

#[derive(Debug)]
struct SqliteSettings;

impl CustomizeConnection<SqliteConnection, R2d2Error> for SqliteSettings {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), R2d2Error> {
        set_up_sqlite(connection).map_err(R2d2Error::QueryError)
    }
}

/// A connection beside the pool.
pub(super) fn open_sqlite(uri: &str) -> Result<SqliteConnection, Fault> {
    let mut connection = SqliteConnection::establish(uri)?;
    set_up_sqlite(&mut connection)?;
    Ok(connection)
}

fn set_up_sqlite(connection: &mut SqliteConnection) -> diesel::QueryResult<()> {
    SQLITE_PRAGMAS.iter().try_for_each(|pragma| connection.batch_execute(pragma))
}

/// What both databases do, each in its own way.
pub(super) trait StoreConnection: Connection {
    /// A transaction that means to write from its beginning on.
    fn write<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault>;
}

impl StoreConnection for SqliteConnection {
    /// Immediate: a deferred one that starts to write while another writes fails at once instead of waiting.
    fn write<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.immediate_transaction(body)
    }
}

/// Runs `work` on a thread that may block. Dropping the future leaves the work to finish.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    spawn_blocking(work).await?
}

/// Runs a body with a connection, on a blocking thread: `db!(self, move |connection| { … Ok(value) })`. The body is
/// compiled once for each database, with that database's connection, since diesel's types differ between them.
macro_rules! db {
    ($store:expr, move |$connection:ident| $body:block) => {
        match &$store.pools {
            $crate::store::pool::Pools::Sqlite(pool) => {
                let pool = pool.clone();
                $crate::store::pool::blocking(move || {
                    let mut pooled = pool.get()?;
                    let $connection: &mut diesel::sqlite::SqliteConnection = &mut pooled;
                    $body
                })
                .await
            }
        }
    };
}
pub(super) use db;
