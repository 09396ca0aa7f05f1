//! The only diesel: one [`Store`] over SQLite, which is part of the program, or PostgreSQL.
//!
//! Every operation is a synchronous body that runs whole on a blocking thread: a caller that gives up waiting leaves it to
//! finish by itself, and no transaction stays open. An operation is one method, in the file named after what it is about.
//!
//! From the ground up: `values`, `schema`; `error`; `password`, `rows`; `connection`, which says what both databases do;
//! `sqlite` and `postgres`, each in its own way; `url`, which names one; `pools`, by which an operation gets a connection; then
//! the operations. No file needs one that stands above it.
//!
//! Deliberately absent: decisions and retries; the next tick is the retry. Nothing waits for ever: SQLite waits for a lock and
//! a pool for a connection within a bound, a write for its turn (`turns`), and so does PostgreSQL (its folder says how).
//! The tables that trackers write (`campaigns`, `urls`) are taken as they are: what makes no sense in them is reported by
//! [`CampaignRow::policy`] and in the reading's defect, so that one bad row never takes the others' readings with it.

mod campaigns;
mod catalog;
mod connection;
mod error;
mod hold;
mod journal;
mod lease;
mod lock;
mod migrations;
mod password;
mod pools;
mod postgres;
mod readings;
mod records;
mod requests;
mod retention;
mod rows;
mod schema;
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
pub use url::DatabaseUrl;
pub use values::BadValue;

use std::sync::Arc;

use connection::blocking;
use pools::Pools;
use write_turns::WriteTurns;

/// The database. Clones share their connections.
///
/// Each operation fails where the database does not answer in time; what was to be written is then stored whole or not at all.
#[derive(Clone)]
pub struct Store {
    url: DatabaseUrl,
    pools: Pools,
    turns: Arc<WriteTurns>,
    /// In whose name the guard's records are stored; none where nobody else can lead.
    term: Option<LeaseTerm>,
}

impl Store {
    /// Prepares the connections and makes none: the first operation does, and says what is wrong. Nothing is created and
    /// no table is changed; [`Store::migrate`] and [`Store::upgrade`] do that.
    #[must_use]
    pub fn connect(url: &DatabaseUrl) -> Self {
        let pools = Pools::new(url);
        let turns = pools.turns();
        Self { url: url.clone(), pools, turns, term: None }
    }

    /// The same for looking only, where the file system lets nothing be written; none on a server, which needs no such thing.
    #[must_use]
    pub fn only_reading(&self) -> Option<Self> {
        match &self.pools {
            Pools::Sqlite(pools) => Some(Self { pools: Pools::Sqlite(pools.only_reading()), ..self.clone() }),
            Pools::Postgres(_) => None,
        }
    }

    /// `sqlite` or `postgres`, as the dump names it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.pools {
            Pools::Sqlite(_) => "sqlite",
            Pools::Postgres(_) => "postgres",
        }
    }

    /// How large SQLite's write-ahead log is. A PostgreSQL server keeps its own house: 0.
    pub async fn log_bytes(&self) -> u64 {
        let Pools::Sqlite(pools) = self.pools.clone() else { return 0 };
        // Nobody can have panicked over it.
        blocking(move || Ok(pools.log_bytes())).await.unwrap_or(0)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.url).finish()
    }
}
