//! What both databases do, each in its own way; what their pools have in common; and the threads that may block.

use std::collections::HashSet;
use std::time::Duration;

use diesel::r2d2::{Builder, ManageConnection, NopErrorHandler, Pool};
use diesel::{Connection, QueryResult};
use tokio::task::spawn_blocking;

use super::error::Fault;
use super::rows::{LeaseState, LeaseTerm, SpendColumns};

/// An operation that gets no connection within this time has failed: the tick that waits for it has others to wait for.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3);

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

    /// How a leadership stands. The next one cannot begin before the transaction ends.
    fn lease_state(&mut self, term: &LeaseTerm) -> QueryResult<LeaseState>;

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
