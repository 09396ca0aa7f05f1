//! This room answers whether this process may send requests. The answer is checked right before each request is sent,
//! and while the process waits for the answer to it. It leaves taking and renewing the lease to the daemon.
//!
//! Deliberately absent: a distinction between requests. A request that only reads counts against the account's limit,
//! too, and only the leader may use that limit.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::clock::since_boot;
use crate::domain::lease::{Lease, Moment};

/// The interval at which leadership is checked while a request is in flight. One timer for the rest of the lease is not
/// enough, since timers stop while the machine sleeps.
const CHECK_EVERY: Duration = Duration::from_millis(250);

/// The right to act on the database's campaigns. Clones share it.
#[derive(Clone)]
pub struct Leadership {
    basis: Basis,
}

/// The basis of the right to act.
#[derive(Clone)]
enum Basis {
    /// No other supervisor can lead, or it does not matter.
    Sole,
    /// A lock on a file, which somebody may have removed by hand. The function returns whether the lock is still held.
    Lock(Arc<dyn Fn() -> bool + Send + Sync>),
    /// A lease, which the daemon renews through the other end of the channel.
    Lease(watch::Receiver<Lease>),
}

/// The reason why a request has no answer: the lease or the lock is lost, so another supervisor may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LeadershipLost {
    /// The request was not sent.
    #[error(
        "this supervisor's lease or lock has ended or is about to end, so the request was not sent: another supervisor may \
         lead"
    )]
    Before,
    /// The request was in flight, and the process no longer waits for its answer.
    #[error("this supervisor's lease or lock ended before the answer came")]
    Meanwhile,
}

/// Returns the present time of the clock with which leases are measured.
#[must_use]
pub fn moment() -> Moment {
    Moment(since_boot())
}

impl Leadership {
    /// Returns a leadership that lasts until the process ends, for a process whose database can have no other
    /// supervisor.
    #[must_use]
    pub const fn sole() -> Self {
        Self { basis: Basis::Sole }
    }

    /// Returns a leadership that lasts while `is_held` returns true.
    #[must_use]
    pub fn by_lock(is_held: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { basis: Basis::Lock(Arc::new(is_held)) }
    }

    /// Returns a leadership that lasts as long as this lease, which is renewed through the other end of the channel.
    #[must_use]
    pub const fn by_lease(lease: watch::Receiver<Lease>) -> Self {
        Self { basis: Basis::Lease(lease) }
    }

    /// Whether the leadership lasts.
    #[must_use]
    pub fn lasts(&self) -> bool {
        match &self.basis {
            Basis::Sole => true,
            Basis::Lock(is_held) => is_held(),
            Basis::Lease(lease) => lease.borrow().lasts(moment()),
        }
    }

    /// Whether a request may be sent now.
    fn may_send(&self) -> bool {
        match &self.basis {
            Basis::Sole | Basis::Lock(_) => self.lasts(),
            Basis::Lease(lease) => lease.borrow().may_send(moment()),
        }
    }

    /// Returns how long the leadership lasts if it is not renewed.
    fn left(&self) -> Duration {
        match &self.basis {
            Basis::Sole | Basis::Lock(_) => Duration::MAX,
            Basis::Lease(lease) => lease.borrow().left(moment()),
        }
    }

    /// Sends a request, and waits for its answer while the leadership lasts. Leadership is checked before each step of
    /// the request: a process that was frozen while it connected sends nothing once it continues after the lease has
    /// ended.
    ///
    /// # Errors
    /// The lease has ended, or the lock is lost.
    pub async fn send<T>(&self, request: impl Future<Output = T>) -> Result<T, LeadershipLost> {
        if !self.may_send() {
            return Err(LeadershipLost::Before);
        }
        let mut request = pin!(request);
        let mut check = pin!(sleep(CHECK_EVERY.min(self.left())));
        std::future::poll_fn(|context| {
            if !self.lasts() {
                return Poll::Ready(Err(LeadershipLost::Meanwhile));
            }
            if let Poll::Ready(answer) = request.as_mut().poll(context) {
                return Poll::Ready(Ok(answer));
            }
            while check.as_mut().poll(context).is_ready() {
                if !self.lasts() {
                    return Poll::Ready(Err(LeadershipLost::Meanwhile));
                }
                check.as_mut().reset(Instant::now() + CHECK_EVERY.min(self.left()));
            }
            Poll::Pending
        })
        .await
    }
}

impl fmt::Debug for Leadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leadership").field("lasts", &self.lasts()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::SeqCst;

    use super::*;
    use crate::domain::lease::{Epoch, LEASE, LEAST_LEFT};

    /// Returns a leadership whose lease lasts this long from now, and the sender that can renew it.
    fn with_left(left: Duration) -> (Leadership, watch::Sender<Lease>) {
        let lease = Lease::granted(Epoch(1), Moment((since_boot() + left).saturating_sub(LEASE)));
        let (sender, receiver) = watch::channel(lease);
        (Leadership::by_lease(receiver), sender)
    }

    #[tokio::test]
    async fn no_request_is_begun_shortly_before_the_lease_ends() {
        for left in [Duration::ZERO, LEAST_LEFT - Duration::from_millis(1)] {
            let (leadership, _lease) = with_left(left);
            let begun = async { panic!("the request was begun") };
            assert_eq!(leadership.send::<()>(begun).await, Err(LeadershipLost::Before));
        }
    }

    #[tokio::test]
    async fn a_request_in_flight_is_given_up_when_the_lease_ends_and_not_before() {
        let (leadership, _lease) = with_left(LEAST_LEFT + Duration::from_millis(200));
        let start = Instant::now();
        assert_eq!(leadership.send(std::future::pending::<()>()).await, Err(LeadershipLost::Meanwhile));
        assert!(start.elapsed() >= LEAST_LEFT && !leadership.lasts(), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn after_a_heartbeat_the_request_may_wait_longer() {
        let (leadership, lease) = with_left(LEAST_LEFT + Duration::from_millis(100));
        let renew = async {
            sleep(LEAST_LEFT).await;
            lease.send_modify(|lease| *lease = lease.renewed(moment()));
        };
        let answer = leadership.send(async {
            sleep(LEAST_LEFT + Duration::from_millis(300)).await;
            "answered"
        });
        assert_eq!(tokio::join!(answer, renew).0, Ok("answered"));
    }

    #[tokio::test]
    async fn a_request_that_still_connects_when_the_lease_ends_is_not_sent() {
        let (leadership, lease) = with_left(LEASE);
        let mut polls = 0;
        let request = std::future::poll_fn(|context| {
            polls += 1;
            if polls == 1 {
                // The lease ends between two steps, as if the process had been frozen here.
                lease.send_replace(Lease::granted(Epoch(1), Moment(Duration::ZERO)));
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready("sent")
        });
        assert_eq!(leadership.send(request).await, Err(LeadershipLost::Meanwhile));
        assert_eq!(polls, 1);
    }

    #[tokio::test]
    async fn without_its_lock_a_supervisor_sends_nothing_and_waits_for_no_answer() {
        let held = Arc::new(AtomicBool::new(true));
        let is_held = Arc::clone(&held);
        let leadership = Leadership::by_lock(move || is_held.load(SeqCst));
        assert_eq!(leadership.send(async { "sent" }).await, Ok("sent"));
        let never_answered = std::future::poll_fn(|_| {
            held.store(false, SeqCst);
            Poll::<()>::Pending
        });
        assert_eq!(leadership.send(never_answered).await, Err(LeadershipLost::Meanwhile));
        assert_eq!(leadership.send::<()>(async { panic!("the request was begun") }).await, Err(LeadershipLost::Before));
    }

    #[tokio::test]
    async fn a_sole_supervisor_may_always_send() {
        assert!(Leadership::sole().lasts());
        assert_eq!(Leadership::sole().send(async { "sent" }).await, Ok("sent"));
    }
}
