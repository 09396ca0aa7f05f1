//! The end of a thread of actors.

use std::time::Duration;

use actix::Arbiter;
use tokio::sync::oneshot;

/// The longest time that the daemon waits for the end of a thread. An operation of the database is not interrupted.
const THREAD_ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Ends a thread with all its actors and their futures.
pub(super) async fn end(arbiter: Arbiter) {
    arbiter.stop();
    let (ended, end) = oneshot::channel();
    // The join runs on a plain thread: the end of the runtime would wait for one of its own threads.
    std::thread::spawn(move || {
        let joined = arbiter.join();
        // The caller may no longer wait.
        let _ = ended.send(joined.is_ok());
    });
    if tokio::time::timeout(THREAD_ENDS_WITHIN, end).await.is_err() {
        tracing::warn!("an operation of the database did not end in time: the program does not wait for it");
    }
}
