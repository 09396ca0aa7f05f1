//! Forgets old history in the background. Nothing waits for it, and nothing depends on it.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::error_chain::in_full;
use crate::store::{Store, StoreError};

/// How often it looks for what has become too old.
const EVERY: Duration = Duration::from_hours(1);
/// Between two transactions whoever else writes has the database to itself.
const PAUSE: Duration = Duration::from_millis(100);

/// Goes on until it is dropped.
pub(super) struct Forgetting(JoinHandle<()>);

impl Forgetting {
    /// Begins at once, within an actix system.
    pub(super) fn start(store: Store, keep: Duration, clock: Clock) -> Self {
        Self(actix::spawn(forget_old_history(store, keep, clock)))
    }
}

impl Drop for Forgetting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Now, and then every hour. What fails is logged and tried again then.
async fn forget_old_history(store: Store, keep: Duration, clock: Clock) {
    loop {
        match forget(&store, keep, &clock).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "history that is old enough was deleted"),
            Err(error) => {
                tracing::warn!(reason = in_full(&error), "old history was not deleted: tried again in an hour");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn forget(store: &Store, keep: Duration, clock: &Clock) -> Result<usize, StoreError> {
    // The config's longest is a hundred years; a time before all times would forget nothing either.
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
