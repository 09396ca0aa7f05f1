//! Which waiting reads and writes become which requests: as few as serve all. PURE.
//!
//! Whoever asks within a short moment is served together ([`Gathering`]); [`reads`] serves the reads of statuses from
//! pages of the list and single reads, whichever costs less, and decides who is read first where the budget does not
//! reach; [`reach`] says how far it does. Spend needs no plan: one by-campaign report serves every campaign that ticks
//! with the others ([`serves`]). [`split`] finds the bad ids of a run or a pause that is refused as a whole.
//!
//! Deliberately absent: the requests and the timers. The client actor executes the plan.

mod list;
pub mod reach;
pub mod reads;
pub mod split;

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::budget::{Budget, Urgency};

use crate::domain::facts::RemoteId;

pub use self::list::ListSize;

/// The page size that TrafficStars uses where no other is known.
pub const SMALLEST_PAGE: u64 = 10;

/// A list of more pages than this is none that we understand: 20,000 campaigns in the smallest pages.
pub const MOST_PAGES: u64 = 2_000;

/// Runs wait this long at most for the end times that are on their way, to leave as one request.
pub const RUNS_WAIT_AT_MOST: Duration = Duration::seconds(2);

/// Campaigns that are asked for within one short moment, to be served by the same request.
#[derive(Debug)]
pub struct Gathering {
    moment: Duration,
    ids: BTreeSet<RemoteId>,
    began_at: Option<DateTime<Utc>>,
    due_at: Option<DateTime<Utc>>,
}

impl Gathering {
    /// Gathers for `moment` from the first who asks.
    #[must_use]
    pub const fn new(moment: Duration) -> Self {
        Self { moment, ids: BTreeSet::new(), began_at: None, due_at: None }
    }

    /// Adds a campaign. Answers when the batch is due.
    pub fn ask(&mut self, now: DateTime<Utc>, id: RemoteId) -> DateTime<Utc> {
        self.ids.insert(id);
        self.began_at.get_or_insert(now);
        *self.due_at.get_or_insert(now + self.moment)
    }

    /// When the batch is due; `None` while nobody waits.
    #[must_use]
    pub const fn due_at(&self) -> Option<DateTime<Utc>> {
        self.due_at
    }

    /// Runs gather for one more moment while end times are on their way, since those are about to ask. Answers whether
    /// they do: not past [`RUNS_WAIT_AT_MOST`] from the first who asked.
    pub fn wait_for_end_times(&mut self, now: DateTime<Utc>, budget: &Budget) -> bool {
        budget.is_under_way(Urgency::Activate) && self.wait_for_more(now)
    }

    fn wait_for_more(&mut self, now: DateTime<Utc>) -> bool {
        let waits = self.began_at.is_some_and(|began_at| now + self.moment <= began_at + RUNS_WAIT_AT_MOST);
        if waits {
            self.due_at = Some(now + self.moment);
        }
        waits
    }

    /// The batch, if it is due. Whoever asks from here on is served by a later request: a request that was sent before
    /// a tick began does not count for that tick (behaviour.md, "One tick").
    pub fn take(&mut self, now: DateTime<Utc>) -> Option<BTreeSet<RemoteId>> {
        self.due_at.filter(|due_at| *due_at <= now)?;
        (self.due_at, self.began_at) = (None, None);
        Some(std::mem::take(&mut self.ids))
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

    fn ids(numbers: impl IntoIterator<Item = i64>) -> BTreeSet<RemoteId> {
        numbers.into_iter().map(RemoteId).collect()
    }

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::milliseconds(milliseconds)
    }

    #[test]
    fn whoever_asks_within_the_moment_is_served_together_and_later_ones_are_not() {
        let mut gathering = Gathering::new(Duration::milliseconds(50));
        assert_eq!(gathering.take(at(0)), None);
        assert_eq!(gathering.ask(at(0), RemoteId(1)), at(50));
        assert_eq!(gathering.ask(at(40), RemoteId(2)), at(50));
        assert_eq!(gathering.ask(at(40), RemoteId(1)), at(50));
        assert_eq!(gathering.take(at(49)), None);
        assert_eq!(gathering.take(at(50)), Some(ids([1, 2])));
        assert_eq!(gathering.due_at(), None);
        assert_eq!(gathering.ask(at(60), RemoteId(3)), at(110));
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
        assert!(!gathering.wait_for_more(at(0)), "nobody waits");
        gathering.ask(at(0), RemoteId(1));
        assert!(gathering.wait_for_more(at(50)));
        assert_eq!(gathering.take(at(99)), None);
        gathering.ask(at(99), RemoteId(2));
        assert!(gathering.wait_for_more(at(1_950)));
        assert!(!gathering.wait_for_more(at(1_951)));
        assert_eq!(gathering.take(at(2_000)), Some(ids([1, 2])));
    }
}
