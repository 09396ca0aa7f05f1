//! The connections, and `db!`, by which every operation gets one; `db_write!`, where it writes.

use std::sync::Arc;

use super::postgres::{self, PgPool};
use super::sqlite::{self, OpenMode, SqlitePools};
use super::url::{DatabaseUrl, Target};
use super::write_turns::{Fate, WriteTurns};

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
    pub(super) fn turns(&self) -> Arc<WriteTurns> {
        match self {
            Self::Sqlite(_) => WriteTurns::new(sqlite::WRITERS as usize, Fate::Shared),
            Self::Postgres(_) => WriteTurns::new(postgres::WRITERS, Fate::OfEach),
        }
    }
}

/// Runs a body with a connection, on a blocking thread: `db!(self, move |connection| { … Ok(value) })`. The body is
/// compiled once for each database, with that database's connection, since diesel's types differ between them.
macro_rules! db {
    ($store:expr, move |$connection:ident| $body:block) => {
        $crate::store::pools::db!(@with reader, [$crate::store::connection::blocking], $store, $connection, $body)
    };
    (@with $role:ident, [$($run:tt)*], $store:expr, $connection:ident, $body:block) => {
        match &$store.pools {
            $crate::store::pools::Pools::Sqlite(pools) => {
                let pools = pools.clone();
                $($run)*(move || {
                    pools.$role()?.run(|$connection: &mut diesel::sqlite::SqliteConnection| $body)
                })
                .await
            }
            $crate::store::pools::Pools::Postgres(pool) => {
                let pool = pool.clone();
                $($run)*(move || {
                    pool.get()?.run(|$connection: &mut $crate::store::postgres::PgConnection| $body)
                })
                .await
            }
        }
    };
}
pub(super) use db;

/// The same for a body that writes, in one transaction, when its turn has come. Those who wait for it keep no reader out.
macro_rules! db_write {
    ($store:expr, move |$connection:ident| $body:block) => {
        $crate::store::pools::db!(@with writer, [$store.turns.write], $store, $connection, {
            $crate::store::connection::StoreConnection::write($connection, |$connection| $body)
        })
    };
}
pub(super) use db_write;
