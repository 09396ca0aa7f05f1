//! The store runs all SQL: one [`Store`] over SQLite, which is compiled into the program, or PostgreSQL. No other
//! module uses diesel. It leaves decisions to `domain`, and retries to its callers: the next tick is the retry.
//!
//! Every operation is a synchronous body that runs as a whole on a blocking thread. If the caller stops waiting, the
//! operation finishes by itself, and no transaction stays open. An operation is one method, in the file named after its
//! subject.
//!
//! A file uses only files of the layers below it. The layers, from the lowest one up:
//! 1. `values`, `schema`;
//! 2. `error`;
//! 3. `password`, `rows`, `budget`, `occasions`;
//! 4. `connection`, the trait that both databases implement;
//! 5. `sqlite` and `postgres`, its implementations;
//! 6. `url`, which names a database;
//! 7. `pools`, by which an operation gets a connection;
//! 8. the operations.
//!
//! Every wait has a time limit: a wait of SQLite for a lock, of a pool for a connection, of a write for its turn
//! (`write_turns`), and of PostgreSQL (see its folder). The store takes the tables that trackers write
//! (`campaigns`, `urls`) as they are. Invalid values in them are reported by [`CampaignRow::policy`] and by the
//! reading's defect. So one bad row does not make other campaigns unreadable.

mod alerts;
mod budget;
mod campaigns;
mod catalog;
mod connection;
mod digest;
mod error;
mod hold;
mod journal;
mod lease;
mod lock;
mod migrations;
mod occasions;
mod password;
mod pools;
mod postgres;
mod readings;
mod records;
mod requests;
mod retention;
mod rows;
mod schema;
mod spend_sums;
mod sqlite;
#[cfg(test)]
mod tests;
mod url;
mod values;
mod write_probe;
mod write_turns;

pub use campaigns::{CampaignRow, OverrideError};
pub use catalog::{CampaignChange, CampaignColumns, UrlColumns, UrlRow};
pub use error::{ConnectFailure, DatabaseUrlError, Fault, StoreError};
pub use hold::StoredHolds;
pub use lease::{LeaseCandidate, LeaseStore};
pub use lock::{LockState, SupervisorLock};
pub use migrations::SchemaState;
pub use password::Password;
pub use readings::TickReading;
pub use records::{Entry, Record, StoredCampaign, StoredPromise};
pub use rows::{LeaseTerm, SpendRow};
pub use spend_sums::SpendSums;
pub use url::DatabaseUrl;
pub use values::BadValue;

use std::sync::Arc;

use connection::blocking;
use pools::Pools;
use write_turns::WriteTurns;

/// The database. Clones share their connections.
///
/// Each operation fails if the database does not answer in time. A write is then stored completely or not at all.
#[derive(Clone)]
pub struct Store {
    url: DatabaseUrl,
    pools: Pools,
    turns: Arc<WriteTurns>,
    /// The leadership under which the guard's records are stored. `None` where no other supervisor can lead.
    term: Option<LeaseTerm>,
}

impl Store {
    /// Prepares the pools and opens no connection: the first operation opens one, and returns the error if that fails.
    /// It creates no file and changes no table; [`Store::migrate`] and [`Store::upgrade`] do that.
    #[must_use]
    pub fn connect(url: &DatabaseUrl) -> Self {
        let pools = Pools::new(url);
        let turns = pools.turns();
        Self { url: url.clone(), pools, turns, term: None }
    }

    /// Returns a store that only reads, for a SQLite file on a read-only file system. `None` for a PostgreSQL server,
    /// which needs no special mode for that.
    #[must_use]
    pub fn only_reading(&self) -> Option<Self> {
        match &self.pools {
            Pools::Sqlite(pools) => Some(Self { pools: Pools::Sqlite(pools.only_reading()), ..self.clone() }),
            Pools::Postgres(_) => None,
        }
    }

    /// Returns `sqlite` or `postgres`, as in the dump.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.pools {
            Pools::Sqlite(_) => "sqlite",
            Pools::Postgres(_) => "postgres",
        }
    }

    /// Returns the size of SQLite's write-ahead log in bytes. 0 for a PostgreSQL server, which manages its log itself.
    pub async fn log_bytes(&self) -> u64 {
        let Pools::Sqlite(pools) = self.pools.clone() else { return 0 };
        // The closure cannot fail; an error means that the runtime is shutting down.
        blocking(move || Ok(pools.log_bytes())).await.unwrap_or(0)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.url).finish()
    }
}
