//! What is known of the list of campaigns: how long it is, and on which page each campaign was seen last. PURE.

use std::collections::{BTreeMap, BTreeSet};

use super::{MOST_PAGES, SMALLEST_PAGE};
use crate::domain::ids::RemoteId;

/// What an answer said of the list as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListSize {
    /// How many campaigns the list holds.
    pub campaigns: Option<u64>,
    /// How many it gives in one page.
    pub page_size: Option<u64>,
    /// How many pages there are.
    pub pages: Option<u64>,
}

impl ListSize {
    /// How many pages are to be read, at least one. A list that says nothing of its length is taken to end where it was
    /// read to: what it leaves out is read by itself.
    pub(super) fn page_count(self) -> u64 {
        let by_size =
            self.campaigns.map(|campaigns| campaigns.div_ceil(self.page_size.unwrap_or(SMALLEST_PAGE).max(1)));
        self.pages.or(by_size).unwrap_or(1).clamp(1, MOST_PAGES)
    }
}

/// Where a campaign was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On this page.
    Page(u64),
    /// On none, when all were read.
    Unlisted,
    /// It was not looked for yet.
    Unknown,
}

/// What is known of the list.
#[derive(Debug, Default)]
pub(super) struct List {
    pages: Option<u64>,
    page_of: BTreeMap<RemoteId, u64>,
    unlisted: BTreeSet<RemoteId>,
    /// By page, the number of the last request that read it.
    read_by: BTreeMap<u64, u64>,
    /// Set while campaigns are found where they were not: then where they were says nothing.
    moves: bool,
}

impl List {
    /// How many pages there are; `None` before the first was read.
    pub(super) const fn pages(&self) -> Option<u64> {
        self.pages
    }

    /// Where a campaign was seen last.
    pub(super) fn place(&self, id: RemoteId) -> Place {
        if self.unlisted.contains(&id) {
            return Place::Unlisted;
        }
        let page = self.page_of.get(&id).copied().filter(|page| Some(*page) <= self.pages);
        page.filter(|_| !self.moves).map_or(Place::Unknown, Place::Page)
    }

    /// A page was read by the request with this number.
    pub(super) fn saw(&mut self, page: u64, request: u64, size: ListSize, ids: impl Iterator<Item = RemoteId> + Clone) {
        let empty = ids.clone().next().is_none();
        // A page with nobody on it lies behind the last one, whatever the answer says.
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

    /// The campaign was looked for, and is nowhere.
    pub(super) fn misses(&mut self, id: RemoteId) {
        self.page_of.remove(&id);
        self.unlisted.insert(id);
    }

    /// The campaign is no longer where it was seen.
    pub(super) fn lost(&mut self, id: RemoteId) {
        self.page_of.remove(&id);
    }

    /// The number of the last request that read the page; 0 where none did.
    pub(super) fn read_by(&self, page: u64) -> u64 {
        self.read_by.get(&page).copied().unwrap_or(0)
    }

    /// Who asked before this number has had every page read since; 0 while the length is unknown.
    pub(super) fn all_read_by(&self) -> u64 {
        let pages = 1..=self.pages.unwrap_or(1);
        pages.map(|page| self.read_by(page)).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_as_long_as_it_says_and_one_that_says_nothing_ends_where_it_was_read_to() {
        let of = |campaigns, page_size, pages| ListSize { campaigns, page_size, pages }.page_count();
        let cases = [
            ("as many pages as it says", of(Some(26), Some(10), Some(3)), 3),
            ("as many as its size makes", of(Some(26), Some(10), None), 3),
            ("of the smallest size, where it names none", of(Some(26), None, None), 3),
            ("one, where it says nothing", of(None, Some(10), None), 1),
            ("one, where it calls itself empty", of(Some(0), Some(10), Some(0)), 1),
            ("a page size of nothing divides nothing", of(Some(5), Some(0), None), 5),
            ("no list is without end", of(None, None, Some(u64::MAX)), MOST_PAGES),
        ];
        for (name, pages, expected) in cases {
            assert_eq!(pages, expected, "{name}");
        }
    }

    #[test]
    fn an_empty_page_lies_behind_the_last() {
        let size = ListSize { pages: Some(9), ..ListSize::default() };
        let mut list = List::default();
        list.saw(1, 1, size, [RemoteId(1)].into_iter());
        assert_eq!(list.pages(), Some(9));
        list.saw(3, 2, size, std::iter::empty());
        assert_eq!(list.pages(), Some(2));
        assert_eq!(list.place(RemoteId(1)), Place::Page(1));
    }
}
