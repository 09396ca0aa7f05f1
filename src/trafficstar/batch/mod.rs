//! Which waiting reads and writes become which requests: as few as serve all. PURE.
//!
//! What is asked for within a short moment is served together ([`Gathering`]); [`reads`] serves the reads of statuses from
//! pages of the list and single reads, whichever costs less, and decides who is read first where the budget does not
//! reach; [`capacity`] says how far it does. Spend needs no plan: one by-campaign report serves every campaign that ticks
//! with the others ([`serves`]). [`split`] finds the bad ids of a run or a pause that is refused as a whole.
//!
//! Deliberately absent: the requests and the timers. The client actor executes the plan.

pub mod capacity;
mod list;
pub mod reads;
pub mod split;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::budget::Budget;

pub use self::list::ListSize;

/// The page size that TrafficStars uses where no other is known.
pub const SMALLEST_PAGE: u64 = 10;

/// A list of more pages than this is none that we understand: 20,000 campaigns in the smallest pages.
pub const MOST_PAGES: u64 = 2_000;

/// Runs wait this long at most for the end times that are on their way, to leave as one request.
pub const RUNS_WAIT_AT_MOST: Duration = Duration::seconds(2);

/// What is asked for within one short moment, to be served by the same request.
#[derive(Debug)]
pub struct Gathering<T> {
    moment: Duration,
    requesters: Vec<T>,
    began_at: DateTime<Utc>,
    due_at: Option<DateTime<Utc>>,
}

impl<T> Gathering<T> {
    /// Gathers for `moment` from the first who asks.
    #[must_use]
    pub const fn new(moment: Duration) -> Self {
        Self { moment, requesters: Vec::new(), began_at: DateTime::UNIX_EPOCH, due_at: None }
    }

    /// Adds one who asks.
    pub fn ask(&mut self, now: DateTime<Utc>, requester: T) {
        if self.due_at.is_none() {
            (self.began_at, self.due_at) = (now, Some(now + self.moment));
        }
        self.requesters.push(requester);
    }

    /// When the batch is to be taken.
    #[must_use]
    pub const fn due_at(&self) -> Option<DateTime<Utc>> {
        self.due_at
    }

    /// Runs gather for one more moment while end times are on their way, since those are about to ask: not past
    /// [`RUNS_WAIT_AT_MOST`] from the first who asked.
    pub fn wait_for_end_times(&mut self, now: DateTime<Utc>, budget: &Budget) {
        if budget.expects_activations(now) {
            self.wait_for_more(now);
        }
    }

    fn wait_for_more(&mut self, now: DateTime<Utc>) {
        let longer = now + self.moment;
        if self.due_at.is_some_and(|due_at| due_at <= now) && longer <= self.began_at + RUNS_WAIT_AT_MOST {
            self.due_at = Some(longer);
        }
    }

    /// The batch, if its time is over. Who asks from here on is served by a later request: a request that was sent before a
    /// tick began does not count for that tick (RULES.md, "One tick").
    pub fn take_due(&mut self, now: DateTime<Utc>) -> Option<Vec<T>> {
        self.due_at.take_if(|due_at| *due_at <= now)?;
        Some(std::mem::take(&mut self.requesters))
    }
}

/// Whether a report that was sent at `sent_at` for `day` serves a campaign whose tick began at `since`. The statuses of
/// those who tick together come page by page; a report for each page would cost more than the pages.
#[must_use]
pub fn serves(now: DateTime<Utc>, since: DateTime<Utc>, sent_at: DateTime<Utc>, day: NaiveDate) -> bool {
    // One from the future is of before the clock was set back.
    day == now.date_naive() && since < sent_at && sent_at <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::milliseconds(milliseconds)
    }

    #[test]
    fn who_asks_within_the_moment_is_served_together_and_who_asks_later_is_not() {
        let mut gathering = Gathering::new(Duration::milliseconds(50));
        gathering.ask(at(0), 1);
        gathering.ask(at(40), 2);
        assert_eq!((gathering.due_at(), gathering.take_due(at(49))), (Some(at(50)), None));
        assert_eq!(gathering.take_due(at(50)), Some(vec![1, 2]));
        gathering.ask(at(60), 3);
        assert_eq!((gathering.due_at(), gathering.take_due(at(200))), (Some(at(110)), Some(vec![3])));
        assert_eq!(gathering.take_due(at(200)), None);
    }

    #[test]
    fn a_report_serves_the_ticks_that_began_before_it_was_sent_on_its_own_day() {
        let day = at(0).date_naive();
        let cases = [
            ("sent after the tick began", serves(at(9), at(1), at(2), day), true),
            ("sent before it", serves(at(9), at(2), at(1), day), false),
            ("of yesterday", serves(at(86_400_000), at(1), at(2), day), false),
            ("from the future", serves(at(1), at(0), at(2), day), false),
        ];
        for (name, serves, expected) in cases {
            assert_eq!(serves, expected, "{name}");
        }
    }

    #[test]
    fn runs_wait_for_the_end_times_that_are_on_their_way_but_not_for_ever() {
        let mut gathering = Gathering::new(Duration::milliseconds(50));
        gathering.wait_for_more(at(0));
        assert_eq!(gathering.due_at(), None, "no run waits");
        gathering.ask(at(0), 1);
        for (now, expected) in [(50, 100), (99, 100), (100, 150), (1_950, 2_000), (2_001, 2_000)] {
            gathering.wait_for_more(at(now));
            assert_eq!(gathering.due_at(), Some(at(expected)), "at {now}");
        }
        assert_eq!(gathering.take_due(at(2_001)), Some(vec![1]));
    }
}
