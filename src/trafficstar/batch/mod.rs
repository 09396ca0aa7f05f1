//! Decides which waiting reads and writes go together into one request, so that few requests serve all. PURE.
//!
//! - [`Gathering`] collects what is asked for within a short moment.
//! - [`reads`] plans the reads of statuses: pages of the list or single reads, by what costs less. It also decides
//!   which campaigns are read first if the budget is too small for all.
//! - [`capacity`] says whether the budget is large enough.
//! - [`split`] finds the bad ids of a run or a pause that is refused as a whole.
//!
//! Spend needs no plan: one by-campaign report serves every campaign that ticks with the others ([`serves`]).
//!
//! Deliberately absent: the requests and the timers. `trafficstar::client` executes the plan.

pub mod by_id;
pub mod capacity;
mod list;
pub mod reads;
pub mod request;
pub mod split;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::budget::Budget;

pub use self::list::ListSize;

/// The page size that TrafficStars uses if the answer names no other.
pub const SMALLEST_PAGE: u64 = 10;

/// The most pages that a list is believed to have: 20,000 campaigns in the smallest pages. More is taken for an error.
pub const MOST_PAGES: u64 = 2_000;

/// Runs wait at most this long for end times in flight, so that all runs leave as one request.
pub const RUNS_WAIT_AT_MOST: Duration = Duration::seconds(2);

/// Collects what is asked for within one short moment, so that one request serves all of it.
#[derive(Debug)]
pub struct Gathering<T> {
    moment: Duration,
    requesters: Vec<T>,
    began_at: DateTime<Utc>,
    due_at: Option<DateTime<Utc>>,
}

impl<T> Gathering<T> {
    /// Returns an empty batch, which gathers for `moment` from its first requester on.
    #[must_use]
    pub const fn new(moment: Duration) -> Self {
        Self { moment, requesters: Vec::new(), began_at: DateTime::UNIX_EPOCH, due_at: None }
    }

    /// Adds a requester.
    pub fn ask(&mut self, now: DateTime<Utc>, requester: T) {
        if self.due_at.is_none() {
            (self.began_at, self.due_at) = (now, Some(now + self.moment));
        }
        self.requesters.push(requester);
    }

    /// Returns when to take the batch; `None` if it is empty.
    #[must_use]
    pub const fn due_at(&self) -> Option<DateTime<Utc>> {
        self.due_at
    }

    /// Gathers for one more moment while end times are in flight, because their runs come next. This ends
    /// [`RUNS_WAIT_AT_MOST`] after the first requester.
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

    /// Returns the batch if its time is over. Later requesters are served by a later request: a request that was sent
    /// before a tick began does not count for that tick (RULES.md, "One tick").
    pub fn take_due(&mut self, now: DateTime<Utc>) -> Option<Vec<T>> {
        self.due_at.take_if(|due_at| *due_at <= now)?;
        Some(std::mem::take(&mut self.requesters))
    }
}

/// Whether a report that was requested at `sent_at` for `day` serves a campaign whose tick began at `since`. The
/// statuses of campaigns that tick together come page by page. One report serves all pages, because one report for each
/// page would double the cost.
#[must_use]
pub fn serves(now: DateTime<Utc>, since: DateTime<Utc>, sent_at: DateTime<Utc>, day: NaiveDate) -> bool {
    // A report from the future was requested before the clock was set back.
    day == now.date_naive() && since < sent_at && sent_at <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::milliseconds(milliseconds)
    }

    #[test]
    fn requesters_within_the_moment_are_served_together_and_later_ones_are_not() {
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
    fn a_report_serves_the_ticks_of_its_day_that_began_before_it_was_requested() {
        let day = at(0).date_naive();
        let cases = [
            ("requested after the tick began", serves(at(9), at(1), at(2), day), true),
            ("requested before it", serves(at(9), at(2), at(1), day), false),
            ("of yesterday", serves(at(86_400_000), at(1), at(2), day), false),
            ("from the future", serves(at(1), at(0), at(2), day), false),
        ];
        for (name, serves, expected) in cases {
            assert_eq!(serves, expected, "{name}");
        }
    }

    #[test]
    fn runs_wait_for_end_times_in_flight_but_not_for_ever() {
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
