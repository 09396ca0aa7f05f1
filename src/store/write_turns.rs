//! The queue of writes: limits how many run at once.
//!
//! A write that waits for its turn occupies no thread. The number of blocking threads is limited, and reads need them,
//! too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::connection::blocking;
use super::error::Fault;

/// A write that does not get its turn within this time fails. A pause waits for its journal entry, and must be sent
/// soon.
const TURN_WITHIN: Duration = Duration::from_secs(3);

/// For this long after a failed write, a write that would have to wait fails with the same cause. It is longer than one
/// write waits for a locked database, so the failure still counts until the write that tries again has its outcome.
const FAILURE_LASTS: Duration = Duration::from_secs(5);

/// Limits how many writes run at once.
pub(super) struct WriteTurns {
    free: Arc<Semaphore>,
    scope: FailureScope,
    /// The time when the last write failed, and its cause. `None` if the last write succeeded, or failed for a cause of
    /// its own.
    failure: Mutex<Option<(Instant, Arc<Fault>)>>,
}

/// The writes that a failed write's cause concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureScope {
    /// Every write: a file is locked, or its disk is full, for all of them. While one write tries again, the others
    /// fail at once.
    EveryWrite,
    /// Only the write that failed: a server locks single rows, which stops only the writes of those rows.
    OneWrite,
}

impl WriteTurns {
    pub(super) fn new(at_a_time: usize, scope: FailureScope) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(at_a_time)), scope, failure: Mutex::default() })
    }

    /// Waits for a turn, and runs `work` on a blocking thread. If the future is dropped, the work still waits and
    /// finishes.
    pub(super) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let turns = Arc::clone(self);
        let in_turn = async move {
            let _turn = turns.turn().await?;
            let work = {
                let turns = Arc::clone(&turns);
                move || turns.note_outcome(work())
            };
            blocking(work).await
        };
        tokio::spawn(in_turn).await?
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Fault> {
        if let Ok(turn) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(turn);
        }
        self.refuse_after_failure()?;
        let turn = timeout(TURN_WITHIN, Arc::clone(&self.free).acquire_owned()).await;
        // The semaphore is never closed, so an error here is the time-out.
        let Ok(Ok(turn)) = turn else { return Err(Fault::Busy(TURN_WITHIN)) };
        // The write before this one in the queue may have failed meanwhile.
        self.refuse_after_failure()?;
        Ok(turn)
    }

    fn refuse_after_failure(&self) -> Result<(), Fault> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        // An older failure is out of date: the cause may be gone, with no write since then to notice it.
        let fresh = failure.as_ref().filter(|(failed_at, _)| failed_at.elapsed() < FAILURE_LASTS);
        fresh.map_or(Ok(()), |(_, failure)| Err(Fault::Shared(Arc::clone(failure))))
    }

    /// Remembers a failure whose cause stops every write. The next other outcome clears it.
    fn note_outcome<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if self.scope == FailureScope::OneWrite {
            return outcome;
        }
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Err(fault) if fault.stops_every_write() => {
                let fault = Arc::new(fault);
                *failure = Some((Instant::now(), Arc::clone(&fault)));
                Err(Fault::Shared(fault))
            }
            outcome => {
                *failure = None;
                outcome
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;

    fn replaced() -> Result<(), Fault> {
        Err(Fault::Replaced)
    }

    fn is_replaced(outcome: &Result<(), Fault>) -> bool {
        matches!(outcome, Err(Fault::Shared(fault)) if matches!(**fault, Fault::Replaced))
    }

    /// Begins a write that ends with the outcome that the test sends.
    async fn begin(
        turns: &Arc<WriteTurns>,
    ) -> (mpsc::Sender<Result<(), Fault>>, tokio::task::JoinHandle<Result<(), Fault>>) {
        let (end, ended) = mpsc::channel();
        let turns = Arc::clone(turns);
        let free = Arc::clone(&turns.free);
        let write = tokio::spawn(async move { turns.write(move || ended.recv().unwrap()).await });
        while free.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        (end, write)
    }

    /// Polls a write until it waits for its turn.
    async fn wait_until_queued(write: &mut (impl Future<Output = Result<(), Fault>> + Unpin)) {
        assert!(write.now_or_never().is_none());
        tokio::task::yield_now().await;
    }

    #[tokio::test]
    async fn while_one_write_tries_again_the_others_fail_at_once_and_all_write_again_when_it_succeeds() {
        let turns = WriteTurns::new(1, FailureScope::EveryWrite);
        assert!(is_replaced(&turns.write(replaced).await));
        let (end, trying) = begin(&turns).await;
        assert!(is_replaced(&turns.write(|| panic!("it has no turn")).await));
        end.send(Ok(())).unwrap();
        trying.await.unwrap().unwrap();
        turns.write(|| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn writes_that_wait_behind_a_write_that_fails_fail_with_it() {
        let turns = WriteTurns::new(1, FailureScope::EveryWrite);
        let (end, first) = begin(&turns).await;
        let mut waiting = std::pin::pin!(turns.write(|| panic!("it has no turn")));
        wait_until_queued(&mut waiting).await;
        end.send(replaced()).unwrap();
        assert!(is_replaced(&waiting.await));
        assert!(is_replaced(&first.await.unwrap()));
    }

    #[tokio::test]
    async fn on_a_server_one_failed_write_does_not_fail_the_others() {
        let turns = WriteTurns::new(1, FailureScope::OneWrite);
        assert!(matches!(turns.write(replaced).await, Err(Fault::Replaced)));
        let (end, first) = begin(&turns).await;
        let mut waiting = std::pin::pin!(turns.write(|| Ok(())));
        wait_until_queued(&mut waiting).await;
        end.send(replaced()).unwrap();
        waiting.await.unwrap();
        assert!(first.await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_gets_no_turn_in_time_fails() {
        let turns = WriteTurns::new(1, FailureScope::EveryWrite);
        let _turn = Arc::clone(&turns.free).try_acquire_owned().unwrap();
        assert!(matches!(turns.write(|| Ok(())).await, Err(Fault::Busy(_))));
    }
}
