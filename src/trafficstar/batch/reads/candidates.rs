//! The requests that would read what is wanted: pages of the list, campaigns by their ids, and single campaigns. PURE.
//!
//! Deliberately absent: how many of them may leave (`reads`).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};

use crate::domain::read_priority::{ReadQuestion, Urgency};
use crate::trafficstar::batch::by_id::ListReads;
use crate::trafficstar::batch::list::{List, Place};
use crate::trafficstar::batch::request::{Part, ReadRequest};

/// One campaign for which questions wait that no request in flight will answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) question: ReadQuestion,
    pub(super) since: DateTime<Utc>,
    pub(super) alone: bool,
    /// The number of the newest question.
    pub(super) newest: u64,
}

/// A request that could be sent.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) read: ReadRequest,
    pub(super) urgency: Urgency,
    since: DateTime<Utc>,
    threshold_in: Duration,
}

/// What is known when reads are planned.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) list: &'a List,
    /// For each page or campaign in flight, the number of its newest request.
    pub(super) under_way: BTreeMap<Part, u64>,
    /// For each page whose last read failed in a way that all requests share, the number of that request.
    pub(super) failed: BTreeMap<u64, u64>,
    /// The number of campaigns that one request reads by their ids.
    pub(super) per_request: usize,
    /// Whether a request by id is in flight.
    pub(super) reads_by_id: bool,
}

impl Known<'_> {
    /// Returns the fewest requests that read all these campaigns, as far as the list is known. If pages and reads by id
    /// cost the same, pages are read: they show how the list is.
    pub(super) fn candidates(&self, wanted: &[Wanted], list_reads: ListReads) -> Vec<Candidate> {
        let by_pages = self.by_pages(wanted, list_reads != ListReads::Fail);
        let tries = match list_reads {
            ListReads::Fail | ListReads::Pages => return by_pages,
            ListReads::Untested => true,
            ListReads::ById => false,
        };
        let mut by_id = self.by_id(wanted);
        if by_id.len() >= by_pages.len() || tries && self.reads_by_id {
            return by_pages;
        }
        if tries {
            // Only one request is wasted if the list has no such filter. The other campaigns are read as without it.
            let Some(first) = by_id.iter().position(|candidate| matches!(candidate.read, ReadRequest::ById(_))) else {
                return by_pages;
            };
            let trial = by_id.swap_remove(first);
            let is_in_trial = |one: &&Wanted| trial.read.is_of(one.question.remote);
            let others: Vec<Wanted> = wanted.iter().filter(|one| !is_in_trial(one)).copied().collect();
            by_id = self.by_pages(&others, true);
            by_id.push(trial);
        }
        by_id
    }

    /// Returns requests that read these campaigns by their ids, and by themselves those that are not in the list.
    fn by_id(&self, wanted: &[Wanted]) -> Vec<Candidate> {
        let is_unlisted = |one: &&Wanted| one.alone || self.list.place(one.question.remote) == Place::Unlisted;
        let (alone, listed): (Vec<&Wanted>, Vec<&Wanted>) = wanted.iter().partition(is_unlisted);
        let groups = groups(&listed, self.per_request);
        groups
            .iter()
            .filter_map(|group| Candidate::group(group))
            .chain(alone.into_iter().map(Candidate::single))
            .collect()
    }

    /// Returns requests that read these campaigns by pages of the list, or by themselves.
    fn by_pages(&self, wanted: &[Wanted], list_works: bool) -> Vec<Candidate> {
        let mut on_pages: BTreeMap<u64, Vec<&Wanted>> = BTreeMap::new();
        let (mut singles, mut sought) = (Vec::new(), Vec::new());
        for one in wanted {
            match self.list.place(one.question.remote) {
                _ if one.alone || !list_works => singles.push(one),
                Place::Unlisted => singles.push(one),
                Place::Page(page) => on_pages.entry(page).or_default().push(one),
                Place::Unknown => sought.push(one),
            }
        }
        let search = self.search(&mut sought);
        let further = search.keys().filter(|page| on_pages.get(page).is_none_or(|those| those.len() < 2)).count();
        let mut candidates = Vec::new();
        if further < sought.len() {
            for (page, sought) in search {
                let those = on_pages.remove(&page).unwrap_or_default();
                candidates.extend(Candidate::page(page, Wanted::all(those.into_iter().chain([&sought]))));
            }
        } else {
            singles.append(&mut sought);
        }
        for (page, those) in on_pages {
            match those.as_slice() {
                [one] => candidates.push(Candidate::single(one)),
                _ => candidates.extend(Candidate::page(page, Wanted::all(those))),
            }
        }
        candidates.extend(singles.into_iter().map(Candidate::single));
        candidates
    }

    /// Returns the pages to search. Each comes with the campaigns that were asked for after the page's last read. A
    /// page in flight counts as read. Removes from `sought` the campaigns for which no page is left: their search is
    /// under way or has failed.
    fn search(&self, sought: &mut Vec<&Wanted>) -> BTreeMap<u64, Wanted> {
        sought.sort_by_key(|one| one.newest);
        // For each campaign: the campaign joined with all that were asked for later.
        let mut and_later: Vec<Wanted> = Vec::with_capacity(sought.len());
        for one in sought.iter().rev() {
            let mut all = **one;
            if let Some(later) = and_later.last() {
                all.join(later);
            }
            and_later.push(all);
        }
        and_later.reverse();
        let mut pages = BTreeMap::new();
        let mut least_served = u64::MAX;
        for page in 1..=self.list.pages().unwrap_or(1) {
            let coming = self.under_way.get(&Part::Page(page)).copied().unwrap_or(0);
            // A failure that all requests share, such as a missing token, counts as a read. Otherwise the page would be
            // asked for again at once, and fail again.
            let failed = self.failed.get(&page).copied().unwrap_or(0);
            let served = self.list.read_by(page).max(coming).max(failed);
            least_served = least_served.min(served);
            let first_unserved = sought.partition_point(|one| one.newest <= served);
            pages.extend(and_later.get(first_unserved).map(|those| (page, *those)));
        }
        sought.retain(|one| one.newest > least_served);
        pages
    }
}

impl Wanted {
    /// Joins all of them into one.
    fn all<'a>(wanted: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        wanted.into_iter().copied().reduce(|mut all, one| {
            all.join(&one);
            all
        })
    }

    /// Joins another one into this one. The more urgent values count.
    pub(super) fn join(&mut self, other: &Self) {
        self.question.urgency = self.question.urgency.min(other.question.urgency);
        self.question.threshold_in = self.question.threshold_in.min(other.question.threshold_in);
        self.since = self.since.min(other.since);
        self.alone |= other.alone;
        self.newest = self.newest.max(other.newest);
    }
}

impl Candidate {
    fn of(read: ReadRequest, wanted: &Wanted) -> Self {
        let ReadQuestion { urgency, threshold_in, .. } = wanted.question;
        Self { read, urgency: urgency.min(Urgency::Sweep), since: wanted.since, threshold_in }
    }

    fn single(wanted: &Wanted) -> Self {
        Self::of(ReadRequest::Single(wanted.question.remote), wanted)
    }

    fn page(page: u64, wanted: Option<Wanted>) -> Option<Self> {
        wanted.map(|wanted| Self::of(ReadRequest::Page(page), &wanted))
    }

    /// Returns the request that reads these campaigns: one alone by itself, more by their ids.
    fn group(group: &[&Wanted]) -> Option<Self> {
        if let [one] = group {
            return Some(Self::single(one));
        }
        let ids = group.iter().map(|one| one.question.remote).collect();
        Wanted::all(group.iter().copied()).map(|all| Self::of(ReadRequest::ById(ids), &all))
    }

    /// Lowers the urgency of a read of several campaigns.
    pub(super) fn lower_shared(&mut self) {
        if matches!(self.read, ReadRequest::Page(_) | ReadRequest::ById(_)) {
            self.urgency = Urgency::Sweep;
        }
    }
}

/// Chooses as many candidates as there is room for, by turns the one that has waited longest and the one closest to
/// a threshold.
pub(super) fn choose(list: &List, longest_first: &mut bool, candidates: Vec<Candidate>, room: usize) -> Vec<Candidate> {
    let mut by_wait: Vec<usize> = (0..candidates.len()).collect();
    let mut by_threshold = by_wait.clone();
    let of = |index: &usize| candidates.get(*index);
    // A campaign that is searched on all pages gives all pages the same waiting time. Then the page that was read
    // longest ago goes first. Otherwise the last pages would never be read.
    let read_by = |candidate: &Candidate| match candidate.read {
        ReadRequest::Page(page) => list.read_by(page),
        ReadRequest::ById(_) | ReadRequest::Single(_) => 0,
    };
    by_wait.sort_by_key(|index| of(index).map(|one| (one.since, one.threshold_in, read_by(one))));
    by_threshold.sort_by_key(|index| of(index).map(|one| (one.threshold_in, one.since, read_by(one))));
    let (mut by_wait, mut by_threshold) = (by_wait.into_iter(), by_threshold.into_iter());
    let mut chosen = BTreeSet::new();
    while chosen.len() < room.min(candidates.len()) {
        let turn = if *longest_first { &mut by_wait } else { &mut by_threshold };
        let next = turn.find(|index| !chosen.contains(index));
        chosen.extend(next);
        *longest_first = !*longest_first;
    }
    chosen.iter().filter_map(of).cloned().collect()
}

/// Puts campaigns into groups of at most `size`: by turns those that have waited longest and those closest to a
/// threshold, the most urgent ones first. So each group that is chosen by its oldest campaign has the next oldest ones,
/// too, and none waits for longer than with pages.
fn groups<'a>(wanted: &[&'a Wanted], size: usize) -> Vec<Vec<&'a Wanted>> {
    let mut by_wait: Vec<usize> = (0..wanted.len()).collect();
    let mut by_threshold = by_wait.clone();
    let of = |index: &usize| wanted.get(*index);
    by_wait.sort_by_key(|index| of(index).map(|one| (one.question.urgency, one.since, one.question.threshold_in)));
    by_threshold.sort_by_key(|index| of(index).map(|one| (one.question.urgency, one.question.threshold_in, one.since)));
    let (mut by_wait, mut by_threshold) = (by_wait.into_iter(), by_threshold.into_iter());
    let mut grouped: BTreeSet<usize> = BTreeSet::new();
    let (mut groups, mut longest_first) = (Vec::new(), true);
    while grouped.len() < wanted.len() {
        let order = if longest_first { &mut by_wait } else { &mut by_threshold };
        let group: Vec<usize> = order.filter(|index| !grouped.contains(index)).take(size).collect();
        grouped.extend(&group);
        groups.push(group.iter().filter_map(of).copied().collect());
        longest_first = !longest_first;
    }
    groups
}
