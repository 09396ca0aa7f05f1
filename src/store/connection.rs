//! The trait that both databases' connections implement, the settings of their pools, and the blocking threads.

use std::collections::HashSet;
use std::time::Duration;

use diesel::r2d2::{Builder, ManageConnection, NopErrorHandler, Pool};
use diesel::{Connection, QueryResult};
use tokio::task::spawn_blocking;

use super::error::Fault;
use super::rows::{LeaseState, LeaseTerm, SpendColumns};

/// An operation that gets no connection within this time fails, since the tick that waits for it has a time limit
/// itself.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3);

/// Builds the settings that every pool has in common. The pool itself logs nothing: the operation that got no
/// connection reports the cause.
pub(super) fn pool_builder<M: ManageConnection>(connections: u32) -> Builder<M> {
    Pool::builder()
        .max_size(connections)
        .min_idle(Some(0))
        .connection_timeout(CONNECTION_TIMEOUT)
        .error_handler(Box::new(NopErrorHandler))
}

/// The operations that each database implements differently.
pub(super) trait StoreConnection: Connection {
    /// Runs `body` in a transaction that is opened for writing.
    fn write<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault>;

    /// Reads the state of a leadership. No other leadership can begin before the transaction ends.
    fn lease_state(&mut self, term: &LeaseTerm) -> QueryResult<LeaseState>;

    /// Returns those of `ids` that have a row in `campaigns`, and locks the rows: none of them can be deleted before
    /// the transaction ends.
    fn lock_campaigns(&mut self, ids: &[i64]) -> QueryResult<HashSet<i64>>;

    /// Inserts the rows, or replaces the rows of the same campaign and day. No two rows may have the same campaign and
    /// day.
    fn upsert_spends(&mut self, rows: &[SpendColumns]) -> QueryResult<()>;
}

/// Runs `work` on a blocking thread. If the future is dropped, the work still finishes.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    spawn_blocking(work).await?
}
