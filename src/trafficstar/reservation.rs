//! The count of requests that outlives the process: requests are counted in the database in blocks, before they leave.
//! PURE.
//!
//! A block reserves a number of requests until a time, and counts as if all of them had left at that time. A process
//! that starts within a minute after this one ends therefore never exceeds the limit. It only loses the requests that
//! were reserved and not used. The next block is reserved while the current one serves, so that no request waits for
//! the database. The unused rest of an expired block is given back with the next reservation.
//!
//! A pause must not wait for the database: if a reservation is not stored within [`RESERVED_WITHIN`], the waiting
//! requests leave uncounted, and the next reservation counts them, too.
//!
//! Deliberately absent: the limit itself (`budget`), and the table (`store`).

use chrono::{DateTime, Duration, Utc};

/// The time for which a block serves.
const BLOCK_LASTS: Duration = Duration::seconds(20);
/// The longest time that requests wait for a reservation. Then they leave uncounted.
pub const RESERVED_WITHIN: Duration = Duration::milliseconds(100);
/// A block holds the limit divided by this number, and one more request for each that waits for it.
const PART_OF_LIMIT: u64 = 20;

/// A reservation for the database to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// The reservation's number, for the answer.
    pub number: u64,
    /// The number of further requests.
    pub requests: u64,
    /// The time (UTC, by the wall clock) until which they leave.
    pub by: DateTime<Utc>,
    /// An earlier block that was not used up: when it ended, and how many of its requests never left. `None` if there
    /// is nothing to give back.
    pub unused: Option<(DateTime<Utc>, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    size: u64,
    used: u64,
    by: DateTime<Utc>,
    /// The time (steady clock) until which its requests leave.
    until: DateTime<Utc>,
}

impl Block {
    const fn left(&self) -> u64 {
        self.size.saturating_sub(self.used)
    }
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    number: u64,
    block: Block,
    /// The number of requests that it counts although they left uncounted before.
    uncounted: u64,
    /// The time (steady clock) when the waiting requests leave without it.
    gives_up_at: DateTime<Utc>,
}

/// The blocks of one process.
#[derive(Debug, Default)]
pub struct Reservations {
    least: u64,
    last_number: u64,
    open: Option<Block>,
    /// The last expired block, if its unused rest is not given back yet.
    closed: Option<Block>,
    /// The reservation that the database has not answered yet.
    pending: Option<Pending>,
    /// The number of requests that left uncounted.
    uncounted: u64,
    /// Whether the waiting requests leave uncounted.
    sends_uncounted: bool,
    /// After a failed reservation: when the next one may be made in advance, without a waiting request.
    backs_off_until: Option<DateTime<Utc>>,
}

impl Reservations {
    /// Returns blocks of which none is reserved yet, for a limit of `requests_per_minute`.
    #[must_use]
    pub fn new(requests_per_minute: u32) -> Self {
        Self { least: (u64::from(requests_per_minute) / PART_OF_LIMIT).max(1), ..Self::default() }
    }

    /// Returns how many requests may leave now. `steady` is the clock that never steps, even if the wall clock is set.
    pub fn left(&mut self, steady: DateTime<Utc>) -> usize {
        if let Some(block) = self.open.take_if(|block| steady >= block.until) {
            self.close(block);
        }
        if self.sends_uncounted {
            return usize::MAX;
        }
        self.open.map_or(0, |block| usize::try_from(block.left()).unwrap_or(usize::MAX))
    }

    /// Notes that this many requests leave now.
    pub fn take(&mut self, requests: usize) {
        let requests = requests as u64;
        let counted = self.open.map_or(0, |block| block.left().min(requests));
        if let Some(block) = &mut self.open {
            block.used += counted;
        }
        self.uncounted += requests - counted;
        self.sends_uncounted = false;
    }

    /// Returns what to reserve now; `None` if nothing. `needed` requests wait for it, or will in a moment.
    pub fn ask(&mut self, wall: DateTime<Utc>, steady: DateTime<Utc>, needed: usize) -> Option<Reservation> {
        let needed = needed as u64;
        let is_enough = self.open.is_some_and(|block| {
            block.left() >= needed.saturating_add(self.least.div_ceil(2))
                && block.until.signed_duration_since(steady) > BLOCK_LASTS / 2
        });
        let backs_off = needed == 0 && self.backs_off_until.is_some_and(|until| steady < until);
        if self.pending.is_some() || is_enough || backs_off {
            return None;
        }
        self.last_number += 1;
        let uncounted = std::mem::take(&mut self.uncounted);
        let block = Block {
            size: self.least.saturating_add(needed),
            used: 0,
            by: wall + BLOCK_LASTS,
            until: steady + BLOCK_LASTS,
        };
        let number = self.last_number;
        self.pending = Some(Pending { number, block, uncounted, gives_up_at: steady + RESERVED_WITHIN });
        let unused = self.closed.take().filter(|closed| closed.left() > 0).map(|closed| (closed.by, closed.left()));
        Some(Reservation { number, requests: block.size.saturating_add(uncounted), by: block.by, unused })
    }

    /// Notes whether a reservation is durable. A late answer to a reservation that was given up is ignored: its
    /// requests count twice, which is safe.
    pub fn answered(&mut self, steady: DateTime<Utc>, number: u64, is_durable: bool) {
        let Some(pending) = self.pending.take_if(|pending| pending.number == number) else { return };
        if !is_durable {
            self.fail(steady, pending);
            return;
        }
        self.backs_off_until = None;
        if let Some(block) = self.open.replace(pending.block) {
            self.close(block);
        }
    }

    /// Gives up a reservation that takes too long.
    pub fn wake(&mut self, steady: DateTime<Utc>) {
        if let Some(pending) = self.pending.take_if(|pending| pending.gives_up_at <= steady) {
            self.fail(steady, pending);
        }
    }

    /// Returns when to call [`Reservations::wake`] next.
    #[must_use]
    pub fn wakes_at(&self) -> Option<DateTime<Utc>> {
        let renewal = || self.open.map(|block| block.until - BLOCK_LASTS / 2).max(self.backs_off_until);
        self.pending.map(|pending| pending.gives_up_at).or_else(renewal)
    }

    fn fail(&mut self, steady: DateTime<Utc>, pending: Pending) {
        self.uncounted = self.uncounted.saturating_add(pending.uncounted);
        self.sends_uncounted = true;
        self.backs_off_until = Some(steady + BLOCK_LASTS / 2);
    }

    /// Closes a block. An older one that is not given back yet stays counted in full, which is safe.
    fn close(&mut self, block: Block) {
        self.closed = Some(block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::milliseconds(milliseconds)
    }

    impl Reservations {
        fn ask_at(&mut self, milliseconds: i64, needed: usize) -> Option<(u64, Option<u64>)> {
            let asked = self.ask(at(milliseconds), at(milliseconds), needed)?;
            Some((asked.requests, asked.unused.map(|(_, unused)| unused)))
        }

        fn answer_at(&mut self, milliseconds: i64, is_durable: bool) {
            let number = self.last_number;
            self.answered(at(milliseconds), number, is_durable);
        }
    }

    #[test]
    fn a_block_is_reserved_ahead_and_another_one_while_it_serves() {
        let mut reservations = Reservations::new(100);
        assert_eq!(reservations.left(at(0)), 0);
        assert_eq!(reservations.ask_at(0, 0), Some((5, None)));
        assert_eq!(reservations.ask_at(1, 9), None, "one reservation is under way");
        reservations.answer_at(2, true);
        assert_eq!(reservations.left(at(2)), 5);
        assert_eq!(reservations.ask_at(3, 0), None);
        reservations.take(2);
        assert_eq!(reservations.ask_at(3, 0), None, "three of five are left");
        reservations.take(1);
        assert_eq!(reservations.ask_at(4, 0), Some((5, None)), "two of five are left");
        reservations.take(1);
        reservations.answer_at(5, true);
        assert_eq!(reservations.left(at(5)), 5);
        assert_eq!(reservations.ask_at(10_006, 0), Some((5, Some(1))), "half its time is over");
    }

    #[test]
    fn a_burst_waits_for_one_reservation() {
        let mut reservations = Reservations::new(100);
        assert_eq!(reservations.ask_at(0, 70), Some((75, None)));
        reservations.answer_at(1, true);
        assert_eq!(reservations.left(at(1)), 75);
    }

    #[test]
    fn the_unused_rest_of_a_block_is_given_back_when_its_time_is_over() {
        let mut reservations = Reservations::new(100);
        reservations.ask_at(0, 0);
        reservations.answer_at(1, true);
        reservations.take(2);
        assert_eq!((reservations.left(at(19_999)), reservations.left(at(20_000))), (3, 0));
        assert_eq!(reservations.ask_at(20_000, 1), Some((6, Some(3))));
        assert_eq!(reservations.left(at(20_000)), 0);
    }

    #[test]
    fn without_a_database_waiting_requests_leave_soon_and_are_counted_later() {
        for in_time in [false, true] {
            let mut reservations = Reservations::new(100);
            reservations.ask_at(0, 2);
            assert_eq!(reservations.wakes_at(), Some(at(100)));
            if in_time {
                reservations.answer_at(50, false)
            } else {
                reservations.wake(at(100))
            }
            assert_eq!(reservations.left(at(100)), usize::MAX);
            reservations.take(2);
            assert_eq!(reservations.left(at(100)), 0, "the next ones wait for a reservation again");
            assert_eq!(reservations.ask_at(101, 0), None, "no request needs one yet");
            assert_eq!(reservations.ask_at(102, 1), Some((8, None)), "it counts those that left, too");
            reservations.answer_at(103, false);
            reservations.take(1);
            assert_eq!(reservations.ask_at(104, 1), Some((9, None)));
            reservations.answer_at(105, true);
            assert_eq!(reservations.ask_at(106, 0), None);
        }
    }

    #[test]
    fn a_late_answer_reserves_nothing() {
        let mut reservations = Reservations::new(100);
        reservations.ask_at(0, 1);
        reservations.wake(at(100));
        reservations.take(1);
        reservations.answer_at(150, true);
        assert_eq!(reservations.left(at(150)), 0);
    }
}
