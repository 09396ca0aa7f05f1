//! The list of campaigns as far as it is known: its length, and the page on which each campaign was seen last. PURE.

use std::collections::{BTreeMap, BTreeSet};

use super::{MOST_PAGES, SMALLEST_PAGE};
use crate::domain::ids::RemoteId;

/// The facts about the whole list that an answer contained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListSize {
    /// The number of campaigns in the list; `None` if the answer did not say it.
    pub campaigns: Option<u64>,
    /// The number of campaigns on one page; `None` if the answer did not say it.
    pub page_size: Option<u64>,
    /// The number of pages; `None` if the answer did not say it.
    pub pages: Option<u64>,
}

impl ListSize {
    /// Returns how many pages to read, at least one. A list that does not say its length counts as one page. Campaigns
    /// that are not on it are read by themselves.
    pub(super) fn page_count(self) -> u64 {
        let by_size =
            self.campaigns.map(|campaigns| campaigns.div_ceil(self.page_size.unwrap_or(SMALLEST_PAGE).max(1)));
        self.pages.or(by_size).unwrap_or(1).clamp(1, MOST_PAGES)
    }
}

/// The place in the list where a campaign was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On this page, from 1.
    Page(u64),
    /// On no page, although all pages were read.
    Unlisted,
    /// Not known: it was not searched for yet, or is no longer on its page.
    Unknown,
}

/// The list as far as it is known.
#[derive(Debug, Default)]
pub(super) struct List {
    pages: Option<u64>,
    /// The page on which each campaign was seen last.
    page_of: BTreeMap<RemoteId, u64>,
    /// The campaigns that are on no page.
    unlisted: BTreeSet<RemoteId>,
    /// For each page, the number of the last request that read it.
    read_by: BTreeMap<u64, u64>,
    /// Whether most campaigns of the last page were on other pages before. Then no campaign's last page is trusted.
    moves: bool,
}

impl List {
    /// Returns the number of pages; `None` before the first page was read.
    pub(super) const fn pages(&self) -> Option<u64> {
        self.pages
    }

    /// Returns where a campaign was seen last.
    pub(super) fn place(&self, id: RemoteId) -> Place {
        if self.unlisted.contains(&id) {
            return Place::Unlisted;
        }
        let page = self.page_of.get(&id).copied().filter(|page| Some(*page) <= self.pages);
        page.filter(|_| !self.moves).map_or(Place::Unknown, Place::Page)
    }

    /// Notes that the request with this number has read a page.
    pub(super) fn saw(&mut self, page: u64, request: u64, size: ListSize, ids: impl Iterator<Item = RemoteId> + Clone) {
        let empty = ids.clone().next().is_none();
        // An empty page is behind the last one, even if the answer says something else.
        self.pages = Some(if empty { page.saturating_sub(1).max(1) } else { size.page_count() });
        self.read_by.retain(|page, _| Some(*page) <= self.pages);
        self.read_by.insert(page, request);
        let (mut seen_before, mut on_this_page) = (0_usize, 0_usize);
        for id in ids {
            self.unlisted.remove(&id);
            if let Some(before) = self.page_of.insert(id, page) {
                seen_before += 1;
                on_this_page += usize::from(before == page);
            }
        }
        if seen_before > 0 {
            self.moves = on_this_page * 2 <= seen_before;
        }
    }

    /// Notes that the campaign is on no page.
    pub(super) fn mark_unlisted(&mut self, id: RemoteId) {
        self.page_of.remove(&id);
        self.unlisted.insert(id);
    }

    /// Forgets which campaigns are on no page.
    pub(super) fn forget_unlisted(&mut self) {
        self.unlisted.clear();
    }

    /// Notes that the campaign is no longer on the page where it was seen.
    pub(super) fn forget_page(&mut self, id: RemoteId) {
        self.page_of.remove(&id);
    }

    /// Returns the number of the last request that read the page; 0 if none did.
    pub(super) fn read_by(&self, page: u64) -> u64 {
        self.read_by.get(&page).copied().unwrap_or(0)
    }

    /// Returns the smallest of the pages' last request numbers: every page was read after each question with a smaller
    /// number. 0 if a page was never read.
    pub(super) fn all_read_by(&self) -> u64 {
        let pages = 1..=self.pages.unwrap_or(1);
        pages.map(|page| self.read_by(page)).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_as_long_as_it_says_and_one_that_says_nothing_has_one_page() {
        let of = |campaigns, page_size, pages| ListSize { campaigns, page_size, pages }.page_count();
        let cases = [
            ("the pages that it says", of(Some(26), Some(10), Some(3)), 3),
            ("the pages that its size makes", of(Some(26), Some(10), None), 3),
            ("pages of the smallest size if it names none", of(Some(26), None, None), 3),
            ("one page if it says nothing", of(None, Some(10), None), 1),
            ("one page if it says that it is empty", of(Some(0), Some(10), Some(0)), 1),
            ("a page size of 0 counts as 1", of(Some(5), Some(0), None), 5),
            ("no list has more pages than are believed", of(None, None, Some(u64::MAX)), MOST_PAGES),
        ];
        for (name, pages, expected) in cases {
            assert_eq!(pages, expected, "{name}");
        }
    }

    #[test]
    fn an_empty_page_is_behind_the_last_one() {
        let size = ListSize { pages: Some(9), ..ListSize::default() };
        let mut list = List::default();
        list.saw(1, 1, size, [RemoteId(1)].into_iter());
        assert_eq!(list.pages(), Some(9));
        list.saw(3, 2, size, std::iter::empty());
        assert_eq!(list.pages(), Some(2));
        assert_eq!(list.place(RemoteId(1)), Place::Page(1));
    }
}
