//! Whether this process may send: asked right before a request leaves, and as long as its answer is waited for.
//!
//! Deliberately absent: taking and renewing the lease, which is the daemon's; and a difference between requests. One that
//! only reads counts against the account's limit, which is the leader's alone.

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

/// How often a request on its way is looked after, whatever the timers say: they stand still while the machine sleeps.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The right to act on the database's campaigns. Clones share it.
#[derive(Clone)]
pub struct Leadership {
    right: Right,
}

/// What the right rests on.
#[derive(Clone)]
enum Right {
    /// Nobody else can lead, or it does not matter.
    Sole,
    /// A lock that somebody may have taken away by hand: whether it is still held.
    Lock(Arc<dyn Fn() -> bool + Send + Sync>),
    Lease(watch::Receiver<Lease>),
}

/// Why there is no answer: the lease or the lock is lost, so that another supervisor may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LeadershipLost {
    /// Nothing has left.
    #[error("this supervisor's lease or lock has ended, or is about to: another one may lead")]
    Before,
    /// It was on its way, and its answer is not waited for any more.
    #[error("this supervisor's lease or lock ended before the answer came")]
    Meanwhile,
}

/// The present point of the clock by which leases are measured.
#[must_use]
pub fn moment() -> Moment {
    Moment(since_boot())
}

impl Leadership {
    /// A leadership that ends with the process: its database can have no other supervisor.
    #[must_use]
    pub const fn sole() -> Self {
        Self { right: Right::Sole }
    }

    /// A leadership that lasts as long as `is_held` says so. It is asked right before each request leaves.
    #[must_use]
    pub fn by_lock(is_held: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { right: Right::Lock(Arc::new(is_held)) }
    }

    /// A leadership that lasts as long as this lease, which is renewed through the other end.
    #[must_use]
    pub const fn by_lease(lease: watch::Receiver<Lease>) -> Self {
        Self { right: Right::Lease(lease) }
    }

    /// Whether it lasts.
    #[must_use]
    pub fn lasts(&self) -> bool {
        match &self.right {
            Right::Sole => true,
            Right::Lock(is_held) => is_held(),
            Right::Lease(lease) => lease.borrow().lasts(moment()),
        }
    }

    fn lets_leave(&self) -> bool {
        match &self.right {
            Right::Sole | Right::Lock(_) => self.lasts(),
            Right::Lease(lease) => lease.borrow().lets_leave(moment()),
        }
    }

    fn rest(&self) -> Duration {
        match &self.right {
            Right::Sole | Right::Lock(_) => Duration::MAX,
            Right::Lease(lease) => lease.borrow().rest(moment()),
        }
    }

    /// Sends a request, and waits for its answer while the leadership lasts. The lease is looked at before each step of it: a
    /// process that was frozen in the middle of making a connection sends nothing when it goes on.
    ///
    /// # Errors
    /// The lease has ended.
    pub async fn send<T>(&self, request: impl Future<Output = T>) -> Result<T, LeadershipLost> {
        if !self.lets_leave() {
            return Err(LeadershipLost::Before);
        }
        let mut request = pin!(request);
        let mut look = pin!(sleep(LOOK_EVERY.min(self.rest())));
        std::future::poll_fn(|context| {
            if !self.lasts() {
                return Poll::Ready(Err(LeadershipLost::Meanwhile));
            }
            if let Poll::Ready(answer) = request.as_mut().poll(context) {
                return Poll::Ready(Ok(answer));
            }
            while look.as_mut().poll(context).is_ready() {
                if !self.lasts() {
                    return Poll::Ready(Err(LeadershipLost::Meanwhile));
                }
                look.as_mut().reset(Instant::now() + LOOK_EVERY.min(self.rest()));
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
    use crate::domain::lease::{Epoch, LEASE, LEAST_ROOM};

    /// A leadership with so much of its lease left, and its other end.
    fn with_rest(rest: Duration) -> (Leadership, watch::Sender<Lease>) {
        let lease = Lease::granted(Epoch(1), Moment((since_boot() + rest).saturating_sub(LEASE)));
        let (sender, receiver) = watch::channel(lease);
        (Leadership::by_lease(receiver), sender)
    }

    #[tokio::test]
    async fn nothing_leaves_without_room_and_nothing_is_even_begun() {
        for rest in [Duration::ZERO, LEAST_ROOM - Duration::from_millis(1)] {
            let (leadership, _lease) = with_rest(rest);
            let begun = async { panic!("it was begun") };
            assert_eq!(leadership.send::<()>(begun).await, Err(LeadershipLost::Before));
        }
    }

    #[tokio::test]
    async fn what_is_on_its_way_is_given_up_at_the_end_and_not_before() {
        let (leadership, _lease) = with_rest(LEAST_ROOM + Duration::from_millis(200));
        let start = Instant::now();
        assert_eq!(leadership.send(std::future::pending::<()>()).await, Err(LeadershipLost::Meanwhile));
        assert!(start.elapsed() >= LEAST_ROOM && !leadership.lasts(), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn a_heartbeat_lets_it_wait_on() {
        let (leadership, lease) = with_rest(LEAST_ROOM + Duration::from_millis(100));
        let renew = async {
            sleep(LEAST_ROOM).await;
            lease.send_modify(|lease| *lease = lease.renewed(moment()));
        };
        let answer = leadership.send(async {
            sleep(LEAST_ROOM + Duration::from_millis(300)).await;
            "answered"
        });
        assert_eq!(tokio::join!(answer, renew).0, Ok("answered"));
    }

    #[tokio::test]
    async fn what_waits_for_its_connection_sends_nothing_once_the_lease_has_ended() {
        let (leadership, lease) = with_rest(LEASE);
        let mut polls = 0;
        let request = std::future::poll_fn(|context| {
            polls += 1;
            if polls == 1 {
                // As if it had been frozen here: the lease ends between two steps.
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
    async fn without_its_lock_nothing_leaves_and_nothing_is_waited_for() {
        let held = Arc::new(AtomicBool::new(true));
        let is_held = Arc::clone(&held);
        let leadership = Leadership::by_lock(move || is_held.load(SeqCst));
        assert_eq!(leadership.send(async { "sent" }).await, Ok("sent"));
        let never_answered = std::future::poll_fn(|_| {
            held.store(false, SeqCst);
            Poll::<()>::Pending
        });
        assert_eq!(leadership.send(never_answered).await, Err(LeadershipLost::Meanwhile));
        assert_eq!(leadership.send::<()>(async { panic!("it was begun") }).await, Err(LeadershipLost::Before));
    }

    #[tokio::test]
    async fn a_sole_supervisor_sends_whenever_it_likes() {
        assert!(Leadership::sole().lasts());
        assert_eq!(Leadership::sole().send(async { "sent" }).await, Ok("sent"));
    }
}
