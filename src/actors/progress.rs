//! Whether an actor makes progress: it takes messages, and it ends what it begins. The daemon asks the actors that all
//! others need, and tells the service manager that the program lives only if each of them makes progress.
//!
//! A failure is progress: a request that ends with a time-out has ended. So an API or a database that is away stops no
//! progress. Deliberately absent: a remedy (the service manager restarts the program), and the operations of the
//! database, since a disk that hangs ends none of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use thiserror::Error;
use tokio::time::Instant;

/// Asks an actor whether it makes progress. An actor that hangs does not answer.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), Stalled>")]
pub struct CheckProgress;

/// Work that has not ended in the longest time that it may take.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{work} has not ended in the longest time that it may take")]
pub struct Stalled {
    /// The work, as the subject of a sentence.
    pub work: &'static str,
}

/// The work that an actor has begun and not ended. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenWork(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    open: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    work: &'static str,
    began: Instant,
    longest: Duration,
}

/// One piece of work. It has ended when this is dropped, with its outcome or because its future was cancelled.
#[derive(Debug)]
#[must_use = "the work counts as ended when this is dropped"]
pub(super) struct Begun {
    number: u64,
    all: OpenWork,
}

impl OpenWork {
    /// Notes that `work` begins. After `longest` it counts as stalled.
    pub(super) fn begin(&self, work: &'static str, longest: Duration) -> Begun {
        let mut entries = self.entries();
        let number = entries.next;
        entries.next += 1;
        entries.open.insert(number, Entry { work, began: Instant::now(), longest });
        Begun { number, all: self.clone() }
    }

    /// Returns the answer to [`CheckProgress`].
    pub(super) fn check(&self) -> Result<(), Stalled> {
        let entries = self.entries();
        let stalled = entries.open.values().find(|entry| entry.began.elapsed() > entry.longest);
        stalled.map_or(Ok(()), |entry| Err(Stalled { work: entry.work }))
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.all.entries().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_is_stalled_from_its_longest_time_until_it_ends() {
        let work = OpenWork::default();
        let short = work.begin("a read", Duration::from_secs(60));
        let long = work.begin("a request", Duration::from_secs(90));
        let expect = |stalled: Option<&str>| {
            assert_eq!(work.check().err().map(|stalled| stalled.work), stalled);
        };
        tokio::time::advance(Duration::from_secs(60)).await;
        expect(None);
        tokio::time::advance(Duration::from_secs(5)).await;
        expect(Some("a read"));
        drop(short);
        expect(None);
        tokio::time::advance(Duration::from_secs(55)).await;
        expect(Some("a request"));
        drop(long);
        expect(None);
    }
}
