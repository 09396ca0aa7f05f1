//! Whose turn it is to write.
//!
//! Whoever waits for a turn waits on no thread: there are only so many on which the program may block, and reads need
//! them, too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::connection::blocking;
use super::error::Fault;

/// A write that does not get its turn within this time has failed: a pause that waits for its journal entry has to leave.
const TURN_WITHIN: Duration = Duration::from_secs(3);

/// So long after one write has failed another one counts as failing like it, without its turn. It is longer than a write
/// tries a locked database.
const FAILURE_LASTS: Duration = Duration::from_secs(5);

/// Lets so many write at a time.
pub(super) struct WriteTurns {
    free: Arc<Semaphore>,
    fate: Fate,
    /// Why the last write failed, where the next one would fail, too; and when.
    failure: Mutex<Option<(Instant, Arc<Fault>)>>,
}

/// What the failure of one write says of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// A file is locked, or its disk full, for all. While one tries again the others fail at once.
    Shared,
    /// A server may lock a row, which keeps out only those who need that row.
    OfEach,
}

impl WriteTurns {
    pub(super) fn new(at_a_time: usize, fate: Fate) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(at_a_time)), fate, failure: Mutex::default() })
    }

    /// Runs `work` on a thread that may block, when its turn has come. Dropping the future leaves it to wait and to finish.
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
        // Nobody ever closes it.
        let Ok(Ok(turn)) = turn else { return Err(Fault::Busy(TURN_WITHIN)) };
        // Whoever was before it in the queue has failed meanwhile.
        self.refuse_after_failure()?;
        Ok(turn)
    }

    fn refuse_after_failure(&self) -> Result<(), Fault> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        // An older one says nothing of now: nobody may have written since.
        let fresh = failure.as_ref().filter(|(failed_at, _)| failed_at.elapsed() < FAILURE_LASTS);
        fresh.map_or(Ok(()), |(_, failure)| Err(Fault::Shared(Arc::clone(failure))))
    }

    /// Remembers a failure that the next write would meet, too, until one does not.
    fn note_outcome<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if self.fate == Fate::OfEach {
            return outcome;
        }
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Err(fault) if fault.keeps_all_from_writing() => {
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

    /// Begins a write that ends with what is sent.
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

    /// Lets a write that was begun come to where it waits.
    async fn begun(write: &mut (impl Future<Output = Result<(), Fault>> + Unpin)) {
        assert!(write.now_or_never().is_none());
        tokio::task::yield_now().await;
    }

    #[tokio::test]
    async fn while_one_tries_again_the_others_fail_at_once_and_all_write_again_when_it_succeeds() {
        let turns = WriteTurns::new(1, Fate::Shared);
        assert!(is_replaced(&turns.write(replaced).await));
        let (end, trying) = begin(&turns).await;
        assert!(is_replaced(&turns.write(|| panic!("it has no turn")).await));
        end.send(Ok(())).unwrap();
        trying.await.unwrap().unwrap();
        turns.write(|| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn those_who_wait_for_one_that_fails_fail_with_it() {
        let turns = WriteTurns::new(1, Fate::Shared);
        let (end, first) = begin(&turns).await;
        let mut waiting = std::pin::pin!(turns.write(|| panic!("it has no turn")));
        begun(&mut waiting).await;
        end.send(replaced()).unwrap();
        assert!(is_replaced(&waiting.await));
        assert!(is_replaced(&first.await.unwrap()));
    }

    #[tokio::test]
    async fn on_a_server_one_failure_says_nothing_of_the_others() {
        let turns = WriteTurns::new(1, Fate::OfEach);
        assert!(matches!(turns.write(replaced).await, Err(Fault::Replaced)));
        let (end, first) = begin(&turns).await;
        let mut waiting = std::pin::pin!(turns.write(|| Ok(())));
        begun(&mut waiting).await;
        end.send(replaced()).unwrap();
        waiting.await.unwrap();
        assert!(first.await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_whose_turn_does_not_come_has_failed() {
        let turns = WriteTurns::new(1, Fate::Shared);
        let _turn = Arc::clone(&turns.free).try_acquire_owned().unwrap();
        assert!(matches!(turns.write(|| Ok(())).await, Err(Fault::Busy(_))));
    }
}
