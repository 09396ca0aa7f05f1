//! Reads of several campaigns by their ids, with the filter of the list: how many fit into one request.
//! PURE.
//!
//! Deliberately absent: which campaigns go together, and whether that costs less than pages (`reads`), and how the filter is spelled (`call`).

use super::{ListSize, SMALLEST_PAGE};

/// The most campaigns that are asked for by one request. A longer address may be refused.
const MOST_IDS: usize = 100;

/// What works of the list now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListReads {
    /// Reads of the list fail: each campaign is read by itself.
    Fail,
    /// Pages can be read. The list has no filter by id.
    Pages,
    /// Pages can be read. It is unknown whether the list has a filter by id: one request tries it.
    Untested,
    /// Pages can be read, and campaigns by their ids.
    ById,
}

/// How many campaigns one request by id reads, as far as the answers have shown.
#[derive(Debug)]
pub(super) struct PerRequest {
    /// The page size that the last answer named.
    named: usize,
    /// The number of campaigns that an answer was cut to, although it named a larger page size.
    cut_to: Option<usize>,
}

impl Default for PerRequest {
    fn default() -> Self {
        let named = usize::try_from(SMALLEST_PAGE).unwrap_or(MOST_IDS);
        Self { named, cut_to: None }
    }
}

impl PerRequest {
    pub(super) fn campaigns(&self) -> usize {
        self.named.min(self.cut_to.unwrap_or(MOST_IDS)).clamp(1, MOST_IDS)
    }

    /// Takes in the answer to a request by id, which held this many campaigns. Returns whether it is whole: it holds as
    /// many as it says there are.
    pub(super) fn saw(&mut self, size: ListSize, held: usize) -> bool {
        let fits = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(named) = size.page_size {
            self.named = fits(named);
        }
        let is_whole = size.campaigns.is_none_or(|campaigns| fits(campaigns) <= held);
        if !is_whole {
            self.cut_to = Some(held.min(self.campaigns()).max(1));
        }
        is_whole
    }

    /// Forgets that an answer was cut: the list may be different now.
    pub(super) const fn try_more(&mut self) {
        self.cut_to = None;
    }
}
