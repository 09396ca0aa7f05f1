//! Which waiting reads and writes become which requests: as few as serve all. PURE.
//!
//! Whoever asks within a short moment is served together ([`Gathering`]); whether many reads become single reads or a
//! sweep of the list is [`plan_reads`]' decision. Spend needs no plan: one by-campaign report serves every campaign.
//!
//! Deliberately absent: the requests and the timers. The client actor executes the plan.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};

use crate::domain::facts::RemoteId;

/// The page size that TrafficStars uses where no other is known.
pub const SMALLEST_PAGE: u64 = 10;

/// Campaigns that are asked for within one short moment, to be served by the same requests.
#[derive(Debug)]
pub struct Gathering {
    moment: Duration,
    ids: BTreeSet<RemoteId>,
    due_at: Option<DateTime<Utc>>,
}

impl Gathering {
    /// Gathers for `moment` from the first who asks.
    #[must_use]
    pub const fn new(moment: Duration) -> Self {
        Self { moment, ids: BTreeSet::new(), due_at: None }
    }

    /// Adds a campaign. Answers when the batch is due.
    pub fn ask(&mut self, now: DateTime<Utc>, id: RemoteId) -> DateTime<Utc> {
        self.ids.insert(id);
        *self.due_at.get_or_insert(now + self.moment)
    }

    /// When the batch is due; `None` while nobody waits.
    #[must_use]
    pub const fn due_at(&self) -> Option<DateTime<Utc>> {
        self.due_at
    }

    /// The batch, if it is due. Whoever asks from here on is served by a later request: a request that was sent before
    /// a tick began does not count for that tick (behaviour.md, "One tick").
    pub fn take(&mut self, now: DateTime<Utc>) -> Option<BTreeSet<RemoteId>> {
        self.due_at.filter(|due_at| *due_at <= now)?;
        self.due_at = None;
        Some(std::mem::take(&mut self.ids))
    }
}

/// What the list's last answer said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListSize {
    /// How many campaigns the list holds.
    pub campaigns: Option<u64>,
    /// How many it gives in one page.
    pub page_size: Option<u64>,
}

/// The requests that read a set of campaigns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadPlan {
    /// Each by itself.
    Single(BTreeSet<RemoteId>),
    /// The list, from page 1 until an answer says that it was the last. What it does not name is unknown until it was
    /// read by itself: the list leaves out archived campaigns, and what moves while it is being paged.
    Sweep {
        /// How many pages are expected.
        pages: u64,
    },
}

/// Single reads or a sweep, whichever costs fewer requests; single reads where both cost the same, because they answer
/// for archived campaigns, too. An unknown list is taken for one that holds the wanted campaigns alone.
#[must_use]
pub fn plan_reads(wanted: &BTreeSet<RemoteId>, list: ListSize) -> ReadPlan {
    let singles = wanted.len() as u64;
    let campaigns = list.campaigns.unwrap_or(singles).max(1);
    let pages = campaigns.div_ceil(list.page_size.unwrap_or(SMALLEST_PAGE).max(1));
    if pages < singles { ReadPlan::Sweep { pages } } else { ReadPlan::Single(wanted.clone()) }
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
    fn the_plan_is_whichever_costs_fewer_requests() {
        let known = |campaigns, page_size| ListSize { campaigns: Some(campaigns), page_size: Some(page_size) };
        let cases = [
            ("nobody asks", 0, known(26, 10), None),
            ("one campaign is read by itself", 1, known(5, 10), None),
            ("two campaigns on one page", 2, known(10, 10), Some(1)),
            ("three pages cost as much as three reads", 3, known(26, 10), None),
            ("three pages cost less than four reads", 4, known(26, 10), Some(3)),
            ("a larger page", 2, known(26, 100), Some(1)),
            ("a few out of very many", 20, known(1000, 10), None),
            ("an unknown list", 11, ListSize::default(), Some(2)),
            ("a list that calls itself empty still costs a page", 2, known(0, 10), Some(1)),
            ("a page size of nothing divides nothing", 2, known(1, 0), Some(1)),
        ];
        for (name, wanted, list, expected_pages) in cases {
            let wanted = ids(1..=wanted);
            let expected = expected_pages.map_or(ReadPlan::Single(wanted.clone()), |pages| ReadPlan::Sweep { pages });
            assert_eq!(plan_reads(&wanted, list), expected, "{name}");
        }
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
}
