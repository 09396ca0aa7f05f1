//! The retention: deletes old history in the background. No other part waits for it or depends on it.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::error_chain::in_full;
use crate::store::{Store, StoreError};

/// The interval at which old history is deleted.
const EVERY: Duration = Duration::from_hours(1);
/// The pause between two transactions, in which other writes get their turn.
const PAUSE: Duration = Duration::from_millis(100);

/// The task that deletes old history. It ends when this is dropped.
pub(super) struct HistoryCleanup(JoinHandle<()>);

impl HistoryCleanup {
    /// Starts the task, within an actix system.
    pub(super) fn start(store: Store, keep: Duration, clock: Clock) -> Self {
        Self(actix::spawn(delete_every_hour(store, keep, clock)))
    }
}

impl Drop for HistoryCleanup {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Deletes old history now, and then every hour. A failure is logged.
async fn delete_every_hour(store: Store, keep: Duration, clock: Clock) {
    loop {
        match delete_old_history(&store, keep, &clock).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "old history was deleted"),
            Err(error) => {
                tracing::warn!(
                    reason = in_full(&error),
                    "old history could not be deleted: it is tried again in an hour"
                );
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Deletes the history that is older than `keep`. Returns the number of deleted rows.
async fn delete_old_history(store: &Store, keep: Duration, clock: &Clock) -> Result<usize, StoreError> {
    // The config allows at most a hundred years. A time that cannot be represented is older than all history.
    let horizon = chrono::Duration::from_std(keep).ok().and_then(|keep| clock.now().checked_sub_signed(keep));
    let Some(horizon) = horizon else { return Ok(0) };
    let mut rows = 0;
    loop {
        match store.forget_before(horizon).await? {
            0 => return Ok(rows),
            deleted => rows += deleted,
        }
        tokio::time::sleep(PAUSE).await;
    }
}
