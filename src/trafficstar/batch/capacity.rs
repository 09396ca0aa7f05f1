//! Computes whether the limit of requests is large enough: how many reads may leave now, and within which time every
//! campaign is read. PURE.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};

use super::ListSize;
use super::by_id::ListReads;
use super::reads::{PlannedRead, ReadAnswer, Reads};
use super::request::ReadRequest;
use crate::domain::ids::RemoteId;
use crate::domain::read_priority::ReadQuestion;
use crate::domain::status::ReadingStatus;
use crate::trafficstar::budget::{Budget, Room, WINDOW};

/// The requests that a tick of all campaigns takes in addition to the reads of statuses: a token, and the pages of a
/// report of spend.
pub const OTHERS_PER_TICK: usize = 3;

/// Returns how many reads may leave now. Planned reads that have not come to the scheduler yet take room, too.
/// `queued_requests` is the number of reads that wait in the scheduler or are in flight.
pub fn room<T: Clone>(reads: &Reads<T>, budget: &mut Budget, now: DateTime<Utc>, queued_requests: usize) -> Room {
    let not_queued_yet = reads.under_way().saturating_sub(queued_requests);
    budget.room(now).without(not_queued_yet)
}

/// Estimates how many requests it takes to read every campaign, how many requests are available, and how long it takes.
/// Also reserves these requests in the budget.
pub fn estimate<T: Clone>(
    reads: &Reads<T>,
    budget: &mut Budget,
    tick: Duration,
    list_reads: ListReads,
) -> ReadingStatus {
    let cost = reads.cost(list_reads);
    let tick_ms = tick.num_milliseconds().max(1).unsigned_abs();
    let window_ms = WINDOW.num_milliseconds().unsigned_abs();
    let ticks = usize::try_from(window_ms.div_ceil(tick_ms)).unwrap_or(usize::MAX);
    budget.keep_for_sweeps((cost + OTHERS_PER_TICK).saturating_mul(ticks));
    let in_a_tick = (budget.sweeps_per_window() as u64).saturating_mul(tick_ms) / window_ms;
    let in_a_tick = usize::try_from(in_a_tick).unwrap_or(usize::MAX).max(1);
    let ticks_needed = Reads::<T>::ticks_needed(cost, in_a_tick) as u64;
    ReadingStatus {
        campaigns: reads.campaigns() as u64,
        requests: cost as u64,
        requests_per_tick: in_a_tick as u64,
        within_seconds: ticks_needed.saturating_mul(tick_ms).div_ceil(1_000),
        waiting: reads.waiting() as u64,
    }
}

/// The list as far as it is known before the first tick: for each page, what it says of the list, and its campaigns.
#[derive(Debug, Default)]
pub struct KnownPages {
    pages: BTreeMap<u64, (ListSize, BTreeSet<RemoteId>)>,
}

impl KnownPages {
    /// Notes that page `number` (from 1) was read.
    pub fn saw(&mut self, number: u64, size: ListSize, ids: impl Iterator<Item = RemoteId>) {
        self.pages.insert(number, (size, ids.collect()));
    }

    /// Whether the list was read to its end.
    #[must_use]
    pub fn are_all_known(&self) -> bool {
        let last = self.pages.last_key_value();
        last.is_some_and(|(number, (size, ids))| ids.is_empty() || *number >= size.page_count())
    }

    /// Returns the number of campaigns that the list says it holds. If it says none, returns the number of campaigns
    /// seen on its pages, once all of them are known.
    #[must_use]
    pub fn campaigns(&self) -> Option<u64> {
        let declared = self.pages.values().next().and_then(|(size, _)| size.campaigns);
        declared.or_else(|| self.are_all_known().then(|| self.pages.values().map(|(_, ids)| ids.len() as u64).sum()))
    }

    fn answer(&self, read: &ReadRequest) -> ReadAnswer<()> {
        match read {
            ReadRequest::Single(_) => ReadAnswer::Single(()),
            ReadRequest::ById(_) => ReadAnswer::NotFiltered,
            ReadRequest::Page(number) => match self.pages.get(number) {
                Some((size, ids)) => {
                    ReadAnswer::Page { campaigns: ids.iter().map(|id| (*id, ())).collect(), size: *size }
                }
                None => ReadAnswer::PageFailed { answer: (), of_the_page: true },
            },
        }
    }
}

/// Forecasts with the plan itself what the reads of these campaigns will cost at each tick. If no page of the list is
/// known, each campaign is read by itself. It is not known yet whether the list has a filter by id. Then the reads cost
/// less.
#[must_use]
pub fn forecast(
    campaigns: &BTreeSet<RemoteId>,
    pages: &KnownPages,
    requests_per_minute: u32,
    tick: Duration,
    now: DateTime<Utc>,
) -> ReadingStatus {
    let list_reads = if pages.pages.is_empty() { ListReads::Fail } else { ListReads::Pages };
    let mut reads = Reads::new(tick);
    for remote in campaigns {
        reads.ask(now, ReadQuestion::of_read_back(*remote));
    }
    let room = Room { urgent: usize::MAX, sweeps: usize::MAX, may_wait: true };
    // Each pass serves a campaign or reads a page, so this many passes are enough.
    for _ in 0..=campaigns.len() + pages.pages.len() {
        let planned = reads.plan(now, room, list_reads);
        if planned.is_empty() {
            break;
        }
        for PlannedRead { id, read, .. } in planned {
            reads.answered(id, pages.answer(&read));
        }
    }
    estimate(&reads, &mut Budget::new(requests_per_minute), tick, list_reads)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: std::ops::RangeInclusive<i64>) -> BTreeSet<RemoteId> {
        numbers.map(RemoteId).collect()
    }

    /// Returns a list of this many campaigns in pages of 100, all of them read.
    fn list_of(campaigns: i64) -> KnownPages {
        let mut pages = KnownPages::default();
        let size = ListSize { campaigns: Some(campaigns.unsigned_abs()), page_size: Some(100), pages: None };
        for (number, first) in (1..).zip((1..=campaigns).step_by(100)) {
            pages.saw(number, size, ids(first..=campaigns.min(first + 99)).into_iter());
        }
        pages
    }

    #[test]
    fn the_cost_of_a_tick_is_forecast_before_the_first_one() {
        let cases = [
            ("all on two pages", ids(1..=200), list_of(200), 90, (2, 60)),
            ("one campaign is read by itself", ids(1..=1), list_of(200), 90, (1, 60)),
            ("two that are not on the list", ids(199..=202), list_of(200), 90, (3, 60)),
            ("no list: each by itself", ids(1..=50), KnownPages::default(), 90, (50, 60)),
            ("no list, and more than the limit allows", ids(1..=50), KnownPages::default(), 30, (50, 300)),
        ];
        let now = DateTime::UNIX_EPOCH;
        for (name, campaigns, pages, limit, expected) in cases {
            let forecast = forecast(&campaigns, &pages, limit, Duration::minutes(1), now);
            assert_eq!(forecast.campaigns, campaigns.len() as u64, "{name}");
            assert_eq!((forecast.requests, forecast.within_seconds), expected, "{name}: {forecast:?}");
        }
    }

    #[test]
    fn the_end_of_a_list_is_known_by_its_size_or_by_an_empty_page() {
        assert!(list_of(150).are_all_known());
        let unsized_pages = |pages: &[std::ops::RangeInclusive<i64>]| {
            let mut known = KnownPages::default();
            for (number, page) in (1..).zip(pages) {
                known.saw(number, ListSize { pages: Some(9), ..ListSize::default() }, ids(page.clone()).into_iter());
            }
            known
        };
        let begun = unsized_pages(&[1..=10]);
        assert_eq!((begun.are_all_known(), begun.campaigns()), (false, None));
        #[allow(clippy::reversed_empty_ranges, reason = "a page without a campaign")]
        let ended = unsized_pages(&[1..=10, 11..=14, 1..=0]);
        assert_eq!((ended.are_all_known(), ended.campaigns()), (true, Some(14)));
    }
}
