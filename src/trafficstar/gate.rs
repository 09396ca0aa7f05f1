//! The gate that every request passes before it leaves, token requests and repeats included.
//!
//! [`RemoteClient`](super::http::RemoteClient) asks through a [`Gate`]; the client actor owns the [`Gatekeeper`], hears
//! the messages and opens the gate by the [`Budget`]. Deliberately absent: a clock and a timer, which are the actor's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Duration, Utc};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::budget::{Budget, Ticket, Urgency, WINDOW};
use crate::reign::ReignEnded;

/// However long a 429 tells us to wait, TrafficStars is asked again after this.
const LONGEST_SILENCE: Duration = Duration::minutes(5);

/// What those at the gate tell its keeper.
#[derive(Debug)]
pub enum GateMessage {
    /// A request wants to leave.
    Ask {
        /// Its name from here on.
        ticket: Ticket,
        /// Its class.
        urgency: Urgency,
        /// Lets it leave.
        admit: oneshot::Sender<()>,
    },
    /// Nobody waits for that request any more, and it never left.
    GaveUp(Ticket),
    /// Its answer came, or it timed out, or nobody waits for it any more.
    Answered(Ticket),
    /// TrafficStars answered 429.
    RateLimited {
        /// For how long it wants to hear nothing, if it said so.
        retry_after: Option<Duration>,
    },
}

/// Why a request never left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAdmitted {
    /// The keeper is gone: the program is shutting down, or the client actor died.
    #[error("the queue of requests is closed")]
    Closed,
    /// Its turn did not come in time: what it was decided on is too old to act upon.
    #[error("its turn did not come in time")]
    TooLate,
    /// This supervisor does not lead any more, or not for long enough.
    #[error(transparent)]
    NotLeading(ReignEnded),
}

/// The requests' side of the gate. Clones share it.
#[derive(Debug, Clone)]
pub struct Gate {
    messages: mpsc::UnboundedSender<GateMessage>,
    last_ticket: Arc<AtomicU64>,
}

impl Gate {
    /// A gate, and what its keeper has to hear. The channel has no bound of its own: each sender waits for its pass, so
    /// that it never holds more than a few messages for each operation under way.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<GateMessage>) {
        let (messages, heard) = mpsc::unbounded_channel();
        (Self { messages, last_ticket: Arc::default() }, heard)
    }

    /// Waits until a request of this class may leave, at the longest until `leave_by`.
    pub(super) async fn pass(&self, urgency: Urgency, leave_by: Option<DateTime<Utc>>) -> Result<Pass, NotAdmitted> {
        let ticket = Ticket(self.last_ticket.fetch_add(1, Ordering::Relaxed));
        let (admit, admitted) = oneshot::channel();
        self.messages.send(GateMessage::Ask { ticket, urgency, admit }).map_err(|_| NotAdmitted::Closed)?;
        // Made before the wait, so that giving up while waiting is told, too.
        let mut pass = Pass { ticket, left: false, messages: self.messages.clone() };
        let admitted = match leave_by {
            None => admitted.await,
            Some(leave_by) => {
                let patience = leave_by.signed_duration_since(Utc::now()).to_std().map_err(|_| NotAdmitted::TooLate)?;
                tokio::time::timeout(patience, admitted).await.map_err(|_| NotAdmitted::TooLate)?
            }
        };
        admitted.map_err(|_| NotAdmitted::Closed)?;
        pass.left = true;
        Ok(pass)
    }
}

/// The right to send one request. Dropping it says that the answer came or is no longer waited for.
#[derive(Debug)]
pub(super) struct Pass {
    ticket: Ticket,
    left: bool,
    messages: mpsc::UnboundedSender<GateMessage>,
}

impl Pass {
    /// Tells the keeper of a 429, so that all others wait as well.
    pub(super) fn rate_limited(&self, retry_at: Option<DateTime<Utc>>) {
        // As a span, since the keeper's time need not be the wall clock's.
        let retry_after = retry_at.map(|at| at.signed_duration_since(Utc::now()));
        self.tell(GateMessage::RateLimited { retry_after });
    }

    /// Without a keeper there is nobody left to tell, and no request leaves any more.
    fn tell(&self, message: GateMessage) {
        let _ = self.messages.send(message);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.tell(if self.left { GateMessage::Answered(self.ticket) } else { GateMessage::GaveUp(self.ticket) });
    }
}

/// The keeper's side: connects the budget with those who wait.
#[derive(Debug)]
pub struct Gatekeeper {
    budget: Budget,
    waiting: HashMap<Ticket, (Urgency, oneshot::Sender<()>)>,
    admitted: BTreeMap<Urgency, u64>,
}

impl Gatekeeper {
    /// A keeper who opens by this budget.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        Self { budget, waiting: HashMap::new(), admitted: BTreeMap::new() }
    }

    /// Takes note of a message. Nothing leaves before [`Gatekeeper::open`].
    pub fn hear(&mut self, now: DateTime<Utc>, message: GateMessage) {
        match message {
            GateMessage::Ask { ticket, urgency, admit } => {
                self.waiting.insert(ticket, (urgency, admit));
                self.budget.ask(urgency, ticket);
            }
            GateMessage::GaveUp(ticket) => {
                self.waiting.remove(&ticket);
                self.budget.cancel(ticket);
            }
            GateMessage::Answered(ticket) => self.budget.answered(now, ticket),
            // Without a word of its own, TrafficStars is given one whole window. A word that would silence the guard for
            // longer than money may flow unwatched is not believed: it is asked again then, and may say so again.
            GateMessage::RateLimited { retry_after } => {
                self.budget.block_until(now + retry_after.unwrap_or(WINDOW).clamp(Duration::zero(), LONGEST_SILENCE));
            }
        }
    }

    /// Lets everybody leave whom the budget grants. Answers when to open again if nothing is heard until then.
    pub fn open(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        for ticket in self.budget.grant(now) {
            if let Some((urgency, admit)) = self.waiting.remove(&ticket) {
                // Whoever is gone has sent `GaveUp`, which frees the slot.
                if admit.send(()).is_ok() {
                    *self.admitted.entry(urgency).or_default() += 1;
                }
            }
        }
        self.budget.next_grant_at(now)
    }

    /// How many requests were let go since this was last asked, by class.
    pub fn take_admitted(&mut self) -> BTreeMap<Urgency, u64> {
        std::mem::take(&mut self.admitted)
    }

    /// The budget, for the dump.
    #[must_use]
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::trafficstar::budget::Start;

    fn hear_all(
        keeper: &mut Gatekeeper,
        heard: &mut mpsc::UnboundedReceiver<GateMessage>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        while let Ok(message) = heard.try_recv() {
            keeper.hear(now, message);
        }
        keeper.open(now)
    }

    #[test]
    fn a_request_waits_for_its_slot_and_its_answer_counts_for_a_minute() {
        let now = DateTime::UNIX_EPOCH;
        let (gate, mut heard) = Gate::new();
        let mut keeper = Gatekeeper::new(Budget::new(1, Start::Quiet));
        let mut first = Box::pin(gate.pass(Urgency::Read, None));
        let mut second = Box::pin(gate.pass(Urgency::Read, None));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        hear_all(&mut keeper, &mut heard, now);
        let pass = first.now_or_never().unwrap().unwrap();
        assert!(second.as_mut().now_or_never().is_none());
        drop(pass);
        assert_eq!(hear_all(&mut keeper, &mut heard, now), Some(now + WINDOW));
        assert!(second.as_mut().now_or_never().is_none());
        hear_all(&mut keeper, &mut heard, now + WINDOW);
        assert!(second.now_or_never().is_some());
    }

    #[test]
    fn whoever_gives_up_before_leaving_holds_no_slot_even_if_just_admitted() {
        let now = DateTime::UNIX_EPOCH;
        let (gate, mut heard) = Gate::new();
        let mut keeper = Gatekeeper::new(Budget::new(1, Start::Quiet));
        let mut leaver = Box::pin(gate.pass(Urgency::Read, None));
        assert!(leaver.as_mut().now_or_never().is_none());
        hear_all(&mut keeper, &mut heard, now);
        drop(leaver);
        hear_all(&mut keeper, &mut heard, now);
        assert_eq!(keeper.budget().used(now), 0);
    }

    #[tokio::test]
    async fn whoever_is_too_late_leaves_no_more_and_holds_no_place() {
        let (gate, mut heard) = Gate::new();
        let mut keeper = Gatekeeper::new(Budget::new(1, Start::Quiet));
        let soon = Utc::now() + chrono::Duration::milliseconds(20);
        for leave_by in [soon, soon - chrono::Duration::hours(1)] {
            assert_eq!(gate.pass(Urgency::Activate, Some(leave_by)).await.unwrap_err(), NotAdmitted::TooLate);
        }
        hear_all(&mut keeper, &mut heard, DateTime::UNIX_EPOCH);
        assert_eq!(keeper.budget().queue_lengths().activate, 0);
        assert_eq!(keeper.budget().used(DateTime::UNIX_EPOCH), 0);
    }

    #[test]
    fn a_429_blocks_for_a_window_where_it_names_no_time_and_for_minutes_at_the_most() {
        let now = DateTime::UNIX_EPOCH;
        let mut keeper = Gatekeeper::new(Budget::new(1, Start::Quiet));
        keeper.hear(now, GateMessage::RateLimited { retry_after: None });
        assert_eq!(keeper.budget().blocked_until(now), Some(now + WINDOW));
        keeper.hear(now, GateMessage::RateLimited { retry_after: Some(Duration::days(50_000)) });
        assert_eq!(keeper.budget().blocked_until(now), Some(now + LONGEST_SILENCE));
    }

    #[test]
    fn without_a_keeper_nothing_leaves() {
        let (gate, heard) = Gate::new();
        drop(heard);
        assert_eq!(gate.pass(Urgency::Pause, None).now_or_never().unwrap().unwrap_err(), NotAdmitted::Closed);
    }
}
