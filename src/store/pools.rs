//! The connection pools; and the macros by which every operation gets a connection: `db!` to read, `db_write!` to
//! write.

use std::sync::Arc;

use super::postgres::{self, PgPool};
use super::sqlite::{self, OpenMode, SqlitePools};
use super::url::{DatabaseUrl, Target};
use super::write_turns::{FailureScope, WriteTurns};

/// One pool for each database that the program can use.
#[derive(Clone)]
pub(super) enum Pools {
    Sqlite(SqlitePools),
    Postgres(PgPool),
}

impl Pools {
    /// Creates the pool for `url`. The pool opens its first connection when an operation first needs one.
    pub(super) fn new(url: &DatabaseUrl) -> Self {
        match &url.target {
            Target::Sqlite(path) => Self::Sqlite(SqlitePools::new(path, OpenMode::ReadWrite)),
            Target::Postgres(server) => Self::Postgres(postgres::pool(server)),
        }
    }

    /// Returns the queue of writes for this database.
    pub(super) fn turns(&self) -> Arc<WriteTurns> {
        match self {
            Self::Sqlite(_) => WriteTurns::new(sqlite::WRITERS as usize, FailureScope::EveryWrite),
            Self::Postgres(_) => WriteTurns::new(postgres::WRITERS, FailureScope::OneWrite),
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

/// Like `db!`, for a body that writes: it waits for its turn, and runs in one transaction. Writes that wait do not
/// delay reads.
macro_rules! db_write {
    ($store:expr, move |$connection:ident| $body:block) => {
        $crate::store::pools::db!(@with writer, [$store.turns.write], $store, $connection, {
            $crate::store::connection::StoreConnection::write($connection, |$connection| $body)
        })
    };
}
pub(super) use db_write;
