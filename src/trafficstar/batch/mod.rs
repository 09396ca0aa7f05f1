//! Which waiting reads and writes become which requests: as few as serve all. PURE.
//!
//! What is asked for within a short moment is served together ([`Gathering`]); [`reads`] serves the reads of statuses from
//! pages of the list and single reads, whichever costs less, and decides who is read first where the budget does not
//! reach; [`reach`] says how far it does. Spend needs no plan: one by-campaign report serves every campaign that ticks
//! with the others ([`serves`]). [`split`] finds the bad ids of a run or a pause that is refused as a whole.
//!
//! Deliberately absent: the requests and the timers. The client actor executes the plan.

mod list;
pub mod reach;
pub mod reads;
pub mod split;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::budget::{Budget, Urgency};

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
    askers: Vec<T>,
    began_at: Option<DateTime<Utc>>,
}

impl<T> Gathering<T> {
    /// Gathers for `moment` from the first who asks.
    #[must_use]
    pub const fn new(moment: Duration) -> Self {
        Self { moment, askers: Vec::new(), began_at: None }
    }

    /// Adds one who asks. The first is answered with how long to wait until the batch is taken.
    pub fn ask(&mut self, now: DateTime<Utc>, asker: T) -> Option<Duration> {
        self.began_at.get_or_insert(now);
        self.askers.push(asker);
        (self.askers.len() == 1).then_some(self.moment)
    }

    /// Runs gather for one more moment while end times are on their way, since those are about to ask. Answers with how
    /// long that is, as long as they do: not past [`RUNS_WAIT_AT_MOST`] from the first who asked.
    pub fn wait_for_end_times(&mut self, now: DateTime<Utc>, budget: &Budget) -> Option<Duration> {
        if budget.is_under_way(Urgency::Activate) { self.wait_for_more(now) } else { None }
    }

    fn wait_for_more(&mut self, now: DateTime<Utc>) -> Option<Duration> {
        let began_at = self.began_at?;
        (now + self.moment <= began_at + RUNS_WAIT_AT_MOST).then_some(self.moment)
    }

    /// The batch, whose time is over. Who asks from here on is served by a later request: a request that was sent before a
    /// tick began does not count for that tick (behaviour.md, "One tick").
    pub fn take(&mut self) -> Vec<T> {
        self.began_at = None;
        std::mem::take(&mut self.askers)
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
        let moment = Duration::milliseconds(50);
        let mut gathering = Gathering::new(moment);
        assert_eq!(gathering.ask(at(0), 1), Some(moment));
        assert_eq!(gathering.ask(at(40), 2), None, "the batch is taken for the first");
        assert_eq!(gathering.take(), [1, 2]);
        assert_eq!(gathering.ask(at(60), 3), Some(moment));
        assert_eq!(gathering.take(), [3]);
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
        let moment = Duration::milliseconds(50);
        let mut gathering = Gathering::new(moment);
        assert_eq!(gathering.wait_for_more(at(0)), None, "no run waits");
        gathering.ask(at(0), 1);
        assert_eq!(gathering.wait_for_more(at(50)), Some(moment));
        gathering.ask(at(99), 2);
        assert_eq!(gathering.wait_for_more(at(1_950)), Some(moment));
        assert_eq!(gathering.wait_for_more(at(1_951)), None);
        assert_eq!(gathering.take(), [1, 2]);
    }
}
