//! The connections, and `db!`, by which every operation gets one; `db_write!`, where it writes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use diesel::r2d2::{Builder, ManageConnection, NopErrorHandler, Pool};
use diesel::{Connection, QueryResult};
use tokio::task::spawn_blocking;

use super::Store;
use super::error::Fault;
use super::lease::{Standing, Term};
use super::postgres::{self, PgPool};
use super::readings::SpendColumns;
use super::sqlite::{self, OpenMode, SqlitePools};
use super::turns::{Fate, Turns};
use super::url::{DatabaseUrl, Target};

/// An operation that gets no connection within this time has failed: the tick that waits for it has others to wait for.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3);

/// One pool for each database that the program can use.
#[derive(Clone)]
pub(super) enum Pools {
    Sqlite(SqlitePools),
    Postgres(PgPool),
}

impl Pools {
    /// The pool for `url`. It opens its first connection when it is first asked for one.
    pub(super) fn new(url: &DatabaseUrl) -> Self {
        match &url.target {
            Target::Sqlite(path) => Self::Sqlite(SqlitePools::new(path, OpenMode::ReadWrite)),
            Target::Postgres(server) => Self::Postgres(postgres::pool(server)),
        }
    }

    /// Who may write when.
    pub(super) fn turns(&self) -> Arc<Turns> {
        match self {
            Self::Sqlite(_) => Turns::new(sqlite::WRITERS as usize, Fate::Shared),
            Self::Postgres(_) => Turns::new(postgres::WRITERS, Fate::OfEach),
        }
    }
}

/// What every pool has in common. The operation that got no connection tells why; nothing is logged behind its back.
pub(super) fn pool_builder<M: ManageConnection>(connections: u32) -> Builder<M> {
    Pool::builder()
        .max_size(connections)
        .min_idle(Some(0))
        .connection_timeout(CONNECTION_TIMEOUT)
        .error_handler(Box::new(NopErrorHandler))
}

/// What both databases do, each in its own way.
pub(super) trait StoreConnection: Connection {
    /// A transaction that means to write from its beginning on.
    fn write<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault>;

    /// How a reign stands. The next one cannot begin before the transaction ends.
    fn standing(&mut self, term: &Term) -> QueryResult<Standing>;

    /// Those of `ids` that `campaigns` has; none of them can be deleted before the transaction ends.
    fn hold_campaigns(&mut self, ids: &[i64]) -> QueryResult<HashSet<i64>>;

    /// Stores the rows, in place of those of the same campaigns and days. No two may be of the same campaign and day.
    fn upsert_spends(&mut self, rows: &[SpendColumns]) -> QueryResult<()>;
}

/// Runs `work` on a thread that may block. Dropping the future leaves the work to finish.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    spawn_blocking(work).await?
}

impl Store {
    /// How large SQLite's write-ahead log is. A PostgreSQL server keeps its own house: 0.
    pub async fn log_bytes(&self) -> u64 {
        let Pools::Sqlite(pools) = self.pools.clone() else { return 0 };
        // Nobody can have panicked over it.
        blocking(move || Ok(pools.log_bytes())).await.unwrap_or(0)
    }

    /// Runs work that only reads.
    pub(super) async fn reading<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        blocking(work).await
    }

    /// Runs work that writes, when its turn has come.
    pub(super) async fn writing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.turns.write(work).await
    }
}

/// Runs a body with a connection, on a blocking thread: `db!(self, move |connection| { … Ok(value) })`. The body is
/// compiled once for each database, with that database's connection, since diesel's types differ between them.
macro_rules! db {
    ($store:expr, move |$connection:ident| $body:block) => {
        $crate::store::pool::db!(@with reader, reading, $store, $connection, $body)
    };
    (@with $role:ident, $run:ident, $store:expr, $connection:ident, $body:block) => {
        match &$store.pools {
            $crate::store::pool::Pools::Sqlite(pools) => {
                let pools = pools.clone();
                $store.$run(move || {
                    pools.$role()?.run(|$connection: &mut diesel::sqlite::SqliteConnection| $body)
                })
                .await
            }
            $crate::store::pool::Pools::Postgres(pool) => {
                let pool = pool.clone();
                $store.$run(move || {
                    pool.get()?.run(|$connection: &mut $crate::store::postgres::PgConnection| $body)
                })
                .await
            }
        }
    };
}
pub(super) use db;

/// The same for a body that writes, when its turn has come. Those who wait for it keep no reader out.
macro_rules! db_write {
    ($store:expr, move |$connection:ident| $body:block) => {
        $crate::store::pool::db!(@with writer, writing, $store, $connection, $body)
    };
}
pub(super) use db_write;
