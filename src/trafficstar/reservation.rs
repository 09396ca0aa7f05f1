//! The count of requests that outlives the process: slots are counted in the database in blocks, before they are used. PURE.
//!
//! A block says "so many requests may leave until then", and counts as if all of them had left at its end. A process that
//! starts within a minute of this one's end therefore never sends more than the limit. What it loses is what was reserved and
//! not used. The next block is reserved while the last one serves, so that a request waits for no database. What a block that
//! is over has left is given back with the reservation after it.
//!
//! A pause waits for no database: where a reservation is not durable within [`RESERVED_WITHIN`], the requests that wait leave
//! uncounted, and the next reservation counts them, too.
//!
//! Deliberately absent: the limit itself (`budget`), and the table (`store`).

use chrono::{DateTime, Duration, Utc};

/// For how long a block serves.
const BLOCK_LASTS: Duration = Duration::seconds(20);
/// The longest that requests wait for a reservation. Then they leave uncounted.
pub const RESERVED_WITHIN: Duration = Duration::milliseconds(100);
/// A block holds this part of the limit, and a slot for each request that waits for it.
const PART_OF_LIMIT: u64 = 20;

/// What the database is to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// Its number, for the answer.
    pub number: u64,
    /// So many requests more.
    pub requests: u64,
    /// They leave until then, by the wall clock.
    pub by: DateTime<Utc>,
    /// An earlier block was not used up: when it ended, and how many of its requests never left.
    pub unused: Option<(DateTime<Utc>, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    size: u64,
    used: u64,
    by: DateTime<Utc>,
    /// The same by the steady clock.
    until: DateTime<Utc>,
}

impl Block {
    const fn left(&self) -> u64 {
        self.size.saturating_sub(self.used)
    }
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    number: u64,
    block: Block,
    /// So many of it left uncounted before.
    uncounted: u64,
    /// When the requests that wait for it leave without it.
    gives_up_at: DateTime<Utc>,
}

/// The blocks of one process.
#[derive(Debug, Default)]
pub struct Reservations {
    least: u64,
    last_number: u64,
    open: Option<Block>,
    /// Over, and not given back yet.
    closed: Option<Block>,
    asked: Option<Asked>,
    /// So many left uncounted.
    uncounted: u64,
    /// The requests that wait now leave uncounted.
    lets_go: bool,
    /// After a reservation that failed, none is asked for ahead of need before then.
    rests_until: Option<DateTime<Utc>>,
}

impl Reservations {
    /// Nothing is reserved yet, for a limit of so many requests a minute.
    #[must_use]
    pub fn new(requests_per_minute: u32) -> Self {
        Self { least: (u64::from(requests_per_minute) / PART_OF_LIMIT).max(1), ..Self::default() }
    }

    /// How many requests may leave now. `steady` never steps, whatever becomes of the wall clock.
    pub fn left(&mut self, steady: DateTime<Utc>) -> usize {
        if let Some(block) = self.open.take_if(|block| steady >= block.until) {
            self.close(block);
        }
        if self.lets_go {
            return usize::MAX;
        }
        self.open.map_or(0, |block| usize::try_from(block.left()).unwrap_or(usize::MAX))
    }

    /// So many requests leave now.
    pub fn take(&mut self, requests: usize) {
        let requests = requests as u64;
        let counted = self.open.map_or(0, |block| block.left().min(requests));
        if let Some(block) = &mut self.open {
            block.used += counted;
        }
        self.uncounted += requests - counted;
        self.lets_go = false;
    }

    /// What is to be reserved now. `needed` requests wait for it, or are about to.
    pub fn ask(&mut self, wall: DateTime<Utc>, steady: DateTime<Utc>, needed: usize) -> Option<Reservation> {
        let needed = needed as u64;
        let serves_on = self.open.is_some_and(|block| {
            block.left() >= needed.saturating_add(self.least.div_ceil(2))
                && block.until.signed_duration_since(steady) > BLOCK_LASTS / 2
        });
        let rests = needed == 0 && self.rests_until.is_some_and(|until| steady < until);
        if self.asked.is_some() || serves_on || rests {
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
        self.asked = Some(Asked { number, block, uncounted, gives_up_at: steady + RESERVED_WITHIN });
        let unused = self.closed.take().filter(|closed| closed.left() > 0).map(|closed| (closed.by, closed.left()));
        Some(Reservation { number, requests: block.size.saturating_add(uncounted), by: block.by, unused })
    }

    /// A reservation is durable, or could not be stored. One that is answered too late is used no more: it counts twice,
    /// which is safe.
    pub fn answered(&mut self, steady: DateTime<Utc>, number: u64, is_durable: bool) {
        let Some(asked) = self.asked.take_if(|asked| asked.number == number) else { return };
        if !is_durable {
            self.fail(steady, asked);
            return;
        }
        self.rests_until = None;
        if let Some(block) = self.open.replace(asked.block) {
            self.close(block);
        }
    }

    /// Looks at the time: a reservation that takes too long is waited for no longer.
    pub fn wake(&mut self, steady: DateTime<Utc>) {
        if let Some(asked) = self.asked.take_if(|asked| asked.gives_up_at <= steady) {
            self.fail(steady, asked);
        }
    }

    /// When to look at the time again.
    #[must_use]
    pub fn wakes_at(&self) -> Option<DateTime<Utc>> {
        let renewal = || self.open.map(|block| block.until - BLOCK_LASTS / 2).max(self.rests_until);
        self.asked.map(|asked| asked.gives_up_at).or_else(renewal)
    }

    fn fail(&mut self, steady: DateTime<Utc>, asked: Asked) {
        self.uncounted = self.uncounted.saturating_add(asked.uncounted);
        self.lets_go = true;
        self.rests_until = Some(steady + BLOCK_LASTS / 2);
    }

    /// An older block that is not given back yet stays counted in full, which is safe.
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
        assert_eq!(reservations.ask_at(1, 9), None, "one is under way");
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
    fn what_a_block_has_left_is_given_back_when_its_time_is_over() {
        let mut reservations = Reservations::new(100);
        reservations.ask_at(0, 0);
        reservations.answer_at(1, true);
        reservations.take(2);
        assert_eq!((reservations.left(at(19_999)), reservations.left(at(20_000))), (3, 0));
        assert_eq!(reservations.ask_at(20_000, 1), Some((6, Some(3))));
        assert_eq!(reservations.left(at(20_000)), 0);
    }

    #[test]
    fn without_a_database_those_who_wait_leave_soon_and_are_counted_later() {
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
            assert_eq!(reservations.ask_at(101, 0), None, "which nobody needs yet");
            assert_eq!(reservations.ask_at(102, 1), Some((8, None)), "with those that left");
            reservations.answer_at(103, false);
            reservations.take(1);
            assert_eq!(reservations.ask_at(104, 1), Some((9, None)));
            reservations.answer_at(105, true);
            assert_eq!(reservations.ask_at(106, 0), None);
        }
    }

    #[test]
    fn an_answer_that_comes_too_late_reserves_nothing() {
        let mut reservations = Reservations::new(100);
        reservations.ask_at(0, 1);
        reservations.wake(at(100));
        reservations.take(1);
        reservations.answer_at(150, true);
        assert_eq!(reservations.left(at(150)), 0);
    }
}
