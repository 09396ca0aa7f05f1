//! Reads of statuses: which pages of the list and which single campaigns are read for those who ask, and in which order
//! where the budget does not reach for all. PURE.
//!
//! A page costs as much as a single read and answers for all campaigns on it, so a page is read for whoever was seen on it
//! last, where that is more than one; who was seen nowhere yet is looked for on all pages, where they are fewer than those
//! who are looked for. An answer serves those alone who asked before its request was planned. A campaign that is not
//! where it was, or on no page, is unknown until it was read by itself.
//!
//! Where the budget does not reach, what a pause or an action waits for goes first; of the rest, half goes to whoever waits
//! longest, so that nobody waits beyond [`Reads::rounds`], and half to whoever is nearest to a threshold. No more is
//! planned than may leave at once, since who waits here can become urgent, who waits at the scheduler can not; but one read that
//! a pause needs waits there, or those who wait there already would get every slot that falls free.
//!
//! Deliberately absent: requests, a clock, and why a campaign is near to a threshold (`domain::nearness`), and how
//! urgent its read is (`domain::read_priority`).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};

use super::list::{List, ListSize, Place};
use crate::domain::ids::RemoteId;
use crate::domain::read_priority::{ReadQuestion, Urgency};
use crate::trafficstar::budget::Room;

/// Whoever has not asked for so many ticks is not counted any more.
const FORGOTTEN_AFTER_TICKS: i32 = 3;

/// Names one who asks. Drawn from one sequence with [`ReadId`], so that it is known which came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequesterId(u64);

/// Names one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadId(u64);

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReadRequest {
    /// A page of the list, from 1.
    Page(u64),
    /// One campaign by itself.
    Single(RemoteId),
}

/// A request that is to leave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedRead {
    /// Its name.
    pub id: ReadId,
    /// What is read.
    pub read: ReadRequest,
    /// Its class.
    pub urgency: Urgency,
}

/// What a request brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadAnswer<T> {
    /// The campaign's own.
    Single(T),
    /// The campaigns on the page, and what it says of the list.
    Page {
        /// Each campaign on it.
        campaigns: BTreeMap<RemoteId, T>,
        /// The list's size.
        size: ListSize,
    },
    /// The page failed; this is what those hear whom it was to serve.
    PageFailed {
        /// Their answer.
        answer: T,
        /// It may be the page's own fault, so that its campaigns are read by themselves if it fails again. Without a token,
        /// or after a 429, every other request fails alike.
        of_the_page: bool,
    },
    /// The request was not sent, since the list fails: while it does, nobody is to be served by it.
    NotSent,
    /// There is no list: each is read by itself.
    NoList,
}

#[derive(Debug, Clone, Copy)]
struct Requester {
    question: ReadQuestion,
    since: DateTime<Utc>,
    /// It was not where it should be: read it by itself.
    alone: bool,
}

/// All who ask for one campaign and are not being served.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    question: ReadQuestion,
    since: DateTime<Utc>,
    alone: bool,
    newest: u64,
}

/// A request that would serve some.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    read: ReadRequest,
    urgency: Urgency,
    since: DateTime<Utc>,
    threshold_in: Duration,
}

/// The last request that failed to read a page.
#[derive(Debug, Clone)]
struct Failure<T> {
    request: u64,
    answer: T,
    of_the_page: bool,
}

/// Those who ask, what is under way for them, and what is known of the list.
#[derive(Debug)]
pub struct Reads<T> {
    tick: Duration,
    list: List,
    requesters: BTreeMap<RequesterId, Requester>,
    by_remote: BTreeMap<RemoteId, BTreeSet<RequesterId>>,
    last_number: u64,
    under_way: BTreeMap<ReadId, ReadRequest>,
    /// By page, the last request that failed to read it, and what is to be said of it.
    failed: BTreeMap<u64, Failure<T>>,
    /// When each campaign was asked for last, or waited still.
    recent: BTreeMap<RemoteId, DateTime<Utc>>,
    /// Whose turn it is where the budget does not reach: who waits longest, or who is nearest.
    longest_first: bool,
}

impl<T: Clone> Reads<T> {
    /// Nobody asks, and nothing is known of the list. `tick` is how often everybody asks.
    #[must_use]
    pub fn new(tick: Duration) -> Self {
        Self {
            tick,
            list: List::default(),
            requesters: BTreeMap::new(),
            by_remote: BTreeMap::new(),
            last_number: 0,
            under_way: BTreeMap::new(),
            failed: BTreeMap::new(),
            recent: BTreeMap::new(),
            longest_first: true,
        }
    }

    /// Everybody asks that often from now on.
    pub const fn set_tick(&mut self, tick: Duration) {
        self.tick = tick;
    }

    /// Asks for a campaign. Nothing is read before [`Reads::plan`].
    pub fn ask(&mut self, now: DateTime<Utc>, question: ReadQuestion) -> RequesterId {
        self.recent.insert(question.remote, now);
        let id = RequesterId(self.next_number());
        self.requesters.insert(id, Requester { question, since: now, alone: false });
        self.by_remote.entry(question.remote).or_default().insert(id);
        id
    }

    /// The requests that are to leave now: no more than there is room for, or one that waits for room. `list_works` says
    /// whether pages can be had.
    pub fn plan(&mut self, now: DateTime<Utc>, room: Room, list_works: bool) -> Vec<PlannedRead> {
        let forgotten = now - self.tick * FORGOTTEN_AFTER_TICKS;
        // Who waits for longer than that asks still.
        self.recent.extend(self.by_remote.keys().map(|remote| (*remote, now)));
        self.recent.retain(|_, asked_at| *asked_at > forgotten);
        let needs_one = || self.requesters.values().any(|requester| requester.question.urgency == Urgency::Pause);
        if room.urgent == 0 && !(room.may_wait && needs_one()) {
            return Vec::new();
        }
        let wanted = self.wanted();
        let mut chosen = self.candidates(&wanted, list_works);
        if chosen.len() <= room.sweeps {
            // They need no other slots than those that are set aside for the reads of all.
            chosen.iter_mut().for_each(Candidate::lower_page);
        } else {
            let (urgent, others): (Vec<_>, Vec<_>) =
                chosen.into_iter().partition(|candidate| candidate.urgency == Urgency::Pause);
            let (awaited, others): (Vec<_>, Vec<_>) =
                others.into_iter().partition(|candidate| candidate.urgency == Urgency::ReadBack);
            // Even these leave some to the others: where many are in doubt for long, a foreign hand is seen nowhere else.
            let urgently = (room.urgent - room.urgent / 4).max(usize::from(room.may_wait));
            chosen = self.choose(urgent, urgently);
            chosen.extend(self.choose(awaited, room.without(chosen.len()).urgent));
            chosen.extend(self.choose(others, room.without(chosen.len()).sweeps));
        }
        chosen.into_iter().map(|candidate| self.begin(candidate)).collect()
    }

    /// What a request brought: who is answered by it, and with what.
    pub fn answered(&mut self, id: ReadId, answer: ReadAnswer<T>) -> Vec<(RequesterId, T)> {
        let Some(read) = self.under_way.remove(&id) else { return Vec::new() };
        match (read, answer) {
            (ReadRequest::Single(remote), ReadAnswer::Single(answer)) => {
                self.answer(id, std::iter::once((remote, &answer)))
            }
            (ReadRequest::Page(page), ReadAnswer::Page { campaigns, size }) => {
                self.seek_alone_unless_on(id, page, &campaigns);
                self.list.saw(page, id.0, size, campaigns.keys().copied());
                self.failed.remove(&page);
                let mut answers = self.answer(id, campaigns.iter().map(|(remote, answer)| (*remote, answer)));
                answers.extend(self.settle_unknown());
                answers
            }
            (ReadRequest::Page(page), ReadAnswer::PageFailed { answer, of_the_page }) => {
                // A page that fails again and again has something on it that cannot be read: it must blind no others.
                let failure = Failure { request: id.0, answer: answer.clone(), of_the_page };
                let before = self.failed.insert(page, failure);
                let again = of_the_page && before.is_some_and(|before| before.of_the_page);
                let mut answers = self.fail(again, |list, requester, question| {
                    let on_it = list.place(question.remote) == Place::Page(page);
                    (requester.0 < id.0 && on_it).then(|| answer.clone())
                });
                answers.extend(self.settle_unknown());
                answers
            }
            // While the list fails the plan leaves it out.
            (ReadRequest::Page(_), ReadAnswer::NotSent) => Vec::new(),
            (ReadRequest::Page(_), ReadAnswer::NoList | ReadAnswer::Single(_))
            | (
                ReadRequest::Single(_),
                ReadAnswer::Page { .. } | ReadAnswer::PageFailed { .. } | ReadAnswer::NotSent | ReadAnswer::NoList,
            ) => {
                for (_, requester) in self.requesters.iter_mut().filter(|(requester, _)| requester.0 < id.0) {
                    requester.alone = true;
                }
                Vec::new()
            }
        }
    }

    /// How many campaigns are asked for and have not been read since.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.by_remote.len()
    }

    /// How many requests are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// How many campaigns are asked for.
    #[must_use]
    pub fn campaigns(&self) -> usize {
        self.recent.len()
    }

    /// How many requests it takes to read every campaign once.
    #[must_use]
    pub fn cost(&self, list_works: bool) -> usize {
        let wanted: Vec<Wanted> = self
            .recent
            .iter()
            .map(|(remote, asked_at)| Wanted {
                question: ReadQuestion { remote: *remote, urgency: Urgency::Sweep, threshold_in: Duration::zero() },
                since: *asked_at,
                alone: false,
                newest: u64::MAX,
            })
            .collect();
        self.candidates(&wanted, list_works).len()
    }

    /// Within how many ticks everybody is read, if so many requests may leave in each: one, where they reach.
    #[must_use]
    pub fn rounds(cost: usize, requests_per_tick: usize) -> usize {
        if cost <= requests_per_tick { 1 } else { cost.div_ceil((requests_per_tick / 2).max(1)) }
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Those whom nothing will serve that is under way to them alone, by campaign.
    fn wanted(&self) -> Vec<Wanted> {
        let under_way = self.newest_under_way();
        let served_by = |read| under_way.get(&read).copied().unwrap_or(0);
        let mut wanted: BTreeMap<RemoteId, Wanted> = BTreeMap::new();
        for (id, requester) in &self.requesters {
            let remote = requester.question.remote;
            let by_page = match self.list.place(remote) {
                Place::Page(page) if !requester.alone => served_by(ReadRequest::Page(page)),
                Place::Page(_) | Place::Unknown | Place::Unlisted => 0,
            };
            if by_page.max(served_by(ReadRequest::Single(remote))) > id.0 {
                continue;
            }
            let one =
                Wanted { question: requester.question, since: requester.since, alone: requester.alone, newest: id.0 };
            wanted.entry(remote).and_modify(|wanted| wanted.join(&one)).or_insert(one);
        }
        wanted.into_values().collect()
    }

    /// By what is read, the newest request under way for it.
    fn newest_under_way(&self) -> BTreeMap<ReadRequest, u64> {
        self.under_way.iter().map(|(id, read)| (*read, id.0)).collect()
    }

    /// The fewest requests that serve them all, as far as the list is known.
    fn candidates(&self, wanted: &[Wanted], list_works: bool) -> Vec<Candidate> {
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

    /// The pages on which these may be, each with those for whom it was not read, and is not being read, since they
    /// asked. Whoever is on none of them is left out of `sought`: all that can be done is under way, or fails by now.
    fn search(&self, sought: &mut Vec<&Wanted>) -> BTreeMap<u64, Wanted> {
        let under_way = self.newest_under_way();
        sought.sort_by_key(|one| one.newest);
        // From each one on, all who asked later with it.
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
            let coming = under_way.get(&ReadRequest::Page(page)).copied().unwrap_or(0);
            // What every request fails by alike, as without a token, would fail at once again, and again.
            let of_all = self.failed.get(&page).filter(|failure| !failure.of_the_page);
            let served = self.list.read_by(page).max(coming).max(of_all.map_or(0, |failure| failure.request));
            least_served = least_served.min(served);
            let first_unserved = sought.partition_point(|one| one.newest <= served);
            pages.extend(and_later.get(first_unserved).map(|those| (page, *those)));
        }
        sought.retain(|one| one.newest > least_served);
        pages
    }

    /// As many as there is room for: by turns the one who waits longest and the one who is nearest to a threshold.
    fn choose(&mut self, candidates: Vec<Candidate>, room: usize) -> Vec<Candidate> {
        let mut by_wait: Vec<usize> = (0..candidates.len()).collect();
        let mut by_nearness = by_wait.clone();
        let of = |index: &usize| candidates.get(*index);
        // Those who are looked for on all pages make all pages wait for as long: then the page comes first that was read
        // longest ago, or the last pages would never be read.
        let read_by = |candidate: &Candidate| match candidate.read {
            ReadRequest::Page(page) => self.list.read_by(page),
            ReadRequest::Single(_) => 0,
        };
        by_wait.sort_by_key(|index| of(index).map(|one| (one.since, one.threshold_in, read_by(one))));
        by_nearness.sort_by_key(|index| of(index).map(|one| (one.threshold_in, one.since, read_by(one))));
        let (mut by_wait, mut by_nearness) = (by_wait.into_iter(), by_nearness.into_iter());
        let mut chosen = BTreeSet::new();
        while chosen.len() < room.min(candidates.len()) {
            let turn = if self.longest_first { &mut by_wait } else { &mut by_nearness };
            let next = turn.find(|index| !chosen.contains(index));
            chosen.extend(next);
            self.longest_first = !self.longest_first;
        }
        chosen.iter().filter_map(of).copied().collect()
    }

    fn begin(&mut self, Candidate { read, urgency, .. }: Candidate) -> PlannedRead {
        let id = ReadId(self.next_number());
        self.under_way.insert(id, read);
        PlannedRead { id, read, urgency }
    }

    /// Answers those who asked before the request was planned, and for whom it has an answer.
    fn answer<'a>(&mut self, read: ReadId, answers: impl Iterator<Item = (RemoteId, &'a T)>) -> Vec<(RequesterId, T)>
    where
        T: 'a,
    {
        let mut answered = Vec::new();
        for (remote, answer) in answers {
            let asking = self.by_remote.get(&remote).into_iter().flatten();
            let (earlier, later): (Vec<RequesterId>, Vec<RequesterId>) =
                asking.partition(|requester| requester.0 < read.0);
            // The answer may come too late for the tick that asked for it. The next tick's question then has its place in
            // the order, or a campaign that is read at each tick's end would never be read in time.
            let since = earlier
                .iter()
                .filter_map(|requester| self.requesters.get(requester))
                .map(|requester| requester.since)
                .min();
            for requester in later {
                if let (Some(requester), Some(since)) = (self.requesters.get_mut(&requester), since) {
                    requester.since = requester.since.min(since);
                }
            }
            answered.extend(earlier.into_iter().map(|requester| (requester, answer.clone())));
        }
        self.forget(&answered);
        answered
    }

    fn forget(&mut self, answered: &[(RequesterId, T)]) {
        for (id, _) in answered {
            let Some(requester) = self.requesters.remove(id) else { continue };
            if let Some(others) = self.by_remote.get_mut(&requester.question.remote) {
                others.remove(id);
                if others.is_empty() {
                    self.by_remote.remove(&requester.question.remote);
                }
            }
        }
    }

    /// Those who were seen on the page last, and are not on it now, are read by themselves.
    fn seek_alone_unless_on(&mut self, read: ReadId, page: u64, campaigns: &BTreeMap<RemoteId, T>) {
        for (id, requester) in &mut self.requesters {
            let remote = requester.question.remote;
            if id.0 < read.0 && !campaigns.contains_key(&remote) && self.list.place(remote) == Place::Page(page) {
                requester.alone = true;
                self.list.lost(remote);
            }
        }
    }

    /// Ends the search for those whom no page can show any more.
    fn settle_unknown(&mut self) -> Vec<(RequesterId, T)> {
        let pages = self.under_way.iter().filter(|(_, read)| matches!(read, ReadRequest::Page(_)));
        let newest_page = pages.map(|(id, _)| id.0).max().unwrap_or(0);
        let all_read_by = self.list.all_read_by();
        for (_, requester) in
            self.requesters.iter_mut().filter(|(id, requester)| !requester.alone && id.0 < all_read_by)
        {
            if self.list.place(requester.question.remote) == Place::Unknown {
                self.list.misses(requester.question.remote);
                requester.alone = true;
            }
        }
        let newest_failure = self.failed.values().max_by_key(|failure| failure.request).cloned();
        let Some(Failure { request, answer, .. }) = newest_failure else { return Vec::new() };
        self.fail(false, |list, requester, question| {
            let waits = newest_page > requester.0 || list.place(question.remote) != Place::Unknown;
            (!waits && request > requester.0).then(|| answer.clone())
        })
    }

    /// Tells those whom a failure concerns; but what a pause needs, or what failed `again`, is read by itself instead.
    fn fail(
        &mut self,
        again: bool,
        failure: impl Fn(&List, RequesterId, &ReadQuestion) -> Option<T>,
    ) -> Vec<(RequesterId, T)> {
        let mut told = Vec::new();
        for (id, requester) in self.requesters.iter_mut().filter(|(_, requester)| !requester.alone) {
            let Some(answer) = failure(&self.list, *id, &requester.question) else { continue };
            if again || requester.question.urgency == Urgency::Pause {
                requester.alone = true;
            } else {
                told.push((*id, answer));
            }
        }
        self.forget(&told);
        told
    }
}

impl Wanted {
    /// All of them as one.
    fn all<'a>(wanted: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        wanted.into_iter().copied().reduce(|mut all, one| {
            all.join(&one);
            all
        })
    }

    /// Asked for once more: what is more urgent counts.
    fn join(&mut self, other: &Self) {
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

    fn lower_page(&mut self) {
        if matches!(self.read, ReadRequest::Page(_)) {
            self.urgency = Urgency::Sweep;
        }
    }
}

#[cfg(test)]
#[path = "reads_tests.rs"]
mod tests;
