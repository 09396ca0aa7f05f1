//! Plans the reads of statuses: which pages of the list and which single campaigns are read, and in which order if the
//! budget is too small for all. PURE.
//!
//! Reading a page costs one request, like reading one campaign. We read a page if at least two wanted campaigns were
//! last seen on it. Campaigns never seen are searched on all pages, if there are fewer pages than such campaigns; else
//! they are read one by one. (Pages that are read anyway do not count here.)
//!
//! An answer serves only the questions that came before its request was planned. A campaign that is no longer on its
//! page, or on no page, is unknown until it is read by itself.
//!
//! If the budget is too small, the reads that a pause or an action needs go first. The other slots are shared: half go
//! to the campaigns that have waited longest, so that none waits for more than [`Reads::ticks_needed`]. The other half
//! go to the campaigns closest to a threshold.
//!
//! We hand the scheduler only what can leave now, because a queued request cannot be re-prioritised. Exception: one
//! read needed by a pause is always queued, so it gets the next free slot. (Not if another request of this class is
//! queued already, or if such reads have used three quarters of the window: [`Room::may_wait`].)
//!
//! Deliberately absent: requests, a clock, how soon a campaign may cross a threshold (`domain::trend`), and how urgent
//! its read is (`domain::read_priority`).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};

use super::list::{List, ListSize, Place};
use crate::domain::ids::RemoteId;
use crate::domain::read_priority::{ReadQuestion, Urgency};
use crate::trafficstar::budget::Room;

/// A campaign that was not asked for in this many ticks is no longer counted.
const FORGOTTEN_AFTER_TICKS: i32 = 3;

/// The id of one question. It shares one sequence of numbers with [`ReadId`], which shows what came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequesterId(u64);

/// The id of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadId(u64);

/// The contents that one request reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReadRequest {
    /// A page of the list, from 1.
    Page(u64),
    /// One campaign by itself.
    Single(RemoteId),
}

/// A planned request, to be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedRead {
    /// The request's id.
    pub id: ReadId,
    /// The contents to read.
    pub read: ReadRequest,
    /// The request's class.
    pub urgency: Urgency,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadAnswer<T> {
    /// The answer for the campaign that was read by itself.
    Single(T),
    /// The campaigns on the page, and what the page says about the list.
    Page {
        /// The answer for each campaign on the page.
        campaigns: BTreeMap<RemoteId, T>,
        /// The list's size.
        size: ListSize,
    },
    /// The read of the page failed.
    PageFailed {
        /// The answer for the campaigns of the page.
        answer: T,
        /// Whether the page itself may be the cause. Then its campaigns are read by themselves if it fails again.
        /// Without a token, or after a 429, every other request would fail in the same way.
        of_the_page: bool,
    },
    /// The request was not sent, because reads of the list fail. Meanwhile no page is planned.
    NotSent,
    /// There is no list: each campaign is read by itself.
    NoList,
}

#[derive(Debug, Clone, Copy)]
struct Requester {
    question: ReadQuestion,
    since: DateTime<Utc>,
    /// Whether it is to be read by itself, because it was not found on a page.
    alone: bool,
}

/// One campaign for which questions wait that no request in flight will answer.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    question: ReadQuestion,
    since: DateTime<Utc>,
    alone: bool,
    newest: u64,
}

/// A request that could be sent.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    read: ReadRequest,
    urgency: Urgency,
    since: DateTime<Utc>,
    threshold_in: Duration,
}

/// The last failed read of a page.
#[derive(Debug, Clone)]
struct Failure<T> {
    request: u64,
    answer: T,
    of_the_page: bool,
}

/// The questions for statuses, the requests in flight for them, and the list as far as it is known.
#[derive(Debug)]
pub struct Reads<T> {
    tick: Duration,
    list: List,
    requesters: BTreeMap<RequesterId, Requester>,
    by_remote: BTreeMap<RemoteId, BTreeSet<RequesterId>>,
    last_number: u64,
    under_way: BTreeMap<ReadId, ReadRequest>,
    /// For each page, its last failed read.
    failed: BTreeMap<u64, Failure<T>>,
    /// The time (UTC) at which each campaign was last asked for, or still waited.
    recent: BTreeMap<RemoteId, DateTime<Utc>>,
    /// The order that chooses next if the budget is too small: by waiting time (`true`), or by closeness to a
    /// threshold.
    longest_first: bool,
}

impl<T: Clone> Reads<T> {
    /// Returns a plan without questions, which knows nothing of the list. Every campaign is asked for once in each
    /// `tick`.
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

    /// Changes how often every campaign is asked for.
    pub const fn set_tick(&mut self, tick: Duration) {
        self.tick = tick;
    }

    /// Adds a question for a campaign's status. It is read by [`Reads::plan`].
    pub fn ask(&mut self, now: DateTime<Utc>, question: ReadQuestion) -> RequesterId {
        self.recent.insert(question.remote, now);
        let id = RequesterId(self.next_number());
        self.requesters.insert(id, Requester { question, since: now, alone: false });
        self.by_remote.entry(question.remote).or_default().insert(id);
        id
    }

    /// Returns the requests to send now: at most as many as there is room for, or one that waits for a slot.
    /// `list_works` says whether pages can be read.
    pub fn plan(&mut self, now: DateTime<Utc>, room: Room, list_works: bool) -> Vec<PlannedRead> {
        let forgotten = now - self.tick * FORGOTTEN_AFTER_TICKS;
        // A campaign that has waited for longer is still asked for.
        self.recent.extend(self.by_remote.keys().map(|remote| (*remote, now)));
        self.recent.retain(|_, asked_at| *asked_at > forgotten);
        let needs_one = || self.requesters.values().any(|requester| requester.question.urgency == Urgency::Pause);
        if room.urgent == 0 && !(room.may_wait && needs_one()) {
            return Vec::new();
        }
        let wanted = self.wanted();
        let mut chosen = self.candidates(&wanted, list_works);
        if chosen.len() <= room.sweeps {
            // All of them fit into the slots that are reserved for the reads of all campaigns.
            chosen.iter_mut().for_each(Candidate::lower_page);
        } else {
            let (urgent, others): (Vec<_>, Vec<_>) =
                chosen.into_iter().partition(|candidate| candidate.urgency == Urgency::Pause);
            let (awaited, others): (Vec<_>, Vec<_>) =
                others.into_iter().partition(|candidate| candidate.urgency == Urgency::ReadBack);
            // Even urgent reads leave a quarter to the others. Otherwise, while many campaigns need urgent reads,
            // changes that another program makes to the other campaigns would stay unseen.
            let urgently = (room.urgent - room.urgent / 4).max(usize::from(room.may_wait));
            chosen = self.choose(urgent, urgently);
            chosen.extend(self.choose(awaited, room.without(chosen.len()).urgent));
            chosen.extend(self.choose(others, room.without(chosen.len()).sweeps));
        }
        chosen.into_iter().map(|candidate| self.begin(candidate)).collect()
    }

    /// Takes the answer to a request. Returns the questions that it answers, each with its answer.
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
                // A page that keeps failing has something on it that cannot be read. Its other campaigns are then read
                // by themselves.
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
            // While reads of the list fail, the plan uses no pages.
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

    /// Returns how many campaigns are asked for and not read yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.by_remote.len()
    }

    /// Returns how many requests are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Returns how many campaigns are asked for regularly.
    #[must_use]
    pub fn campaigns(&self) -> usize {
        self.recent.len()
    }

    /// Returns how many requests it takes to read every campaign once.
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

    /// Returns the number of ticks in which every campaign is read, if `requests_per_tick` requests may leave in each
    /// tick.
    #[must_use]
    pub fn ticks_needed(cost: usize, requests_per_tick: usize) -> usize {
        if cost <= requests_per_tick { 1 } else { cost.div_ceil((requests_per_tick / 2).max(1)) }
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Returns the campaigns for which a question waits that no request in flight will answer.
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

    /// Returns, for each page or campaign in flight, the number of its newest request.
    fn newest_under_way(&self) -> BTreeMap<ReadRequest, u64> {
        self.under_way.iter().map(|(id, read)| (*read, id.0)).collect()
    }

    /// Returns the fewest requests that read all these campaigns, as far as the list is known.
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

    /// Returns the pages to search. Each comes with the campaigns that were asked for after the page's last read. A
    /// page in flight counts as read. Removes from `sought` the campaigns for which no page is left: their search is
    /// under way or has failed.
    fn search(&self, sought: &mut Vec<&Wanted>) -> BTreeMap<u64, Wanted> {
        let under_way = self.newest_under_way();
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
            let coming = under_way.get(&ReadRequest::Page(page)).copied().unwrap_or(0);
            // A failure that all requests share, such as a missing token, counts as a read. Otherwise the page would be
            // asked for again at once, and fail again.
            let of_all = self.failed.get(&page).filter(|failure| !failure.of_the_page);
            let served = self.list.read_by(page).max(coming).max(of_all.map_or(0, |failure| failure.request));
            least_served = least_served.min(served);
            let first_unserved = sought.partition_point(|one| one.newest <= served);
            pages.extend(and_later.get(first_unserved).map(|those| (page, *those)));
        }
        sought.retain(|one| one.newest > least_served);
        pages
    }

    /// Chooses as many candidates as there is room for, by turns the one that has waited longest and the one closest to
    /// a threshold.
    fn choose(&mut self, candidates: Vec<Candidate>, room: usize) -> Vec<Candidate> {
        let mut by_wait: Vec<usize> = (0..candidates.len()).collect();
        let mut by_threshold = by_wait.clone();
        let of = |index: &usize| candidates.get(*index);
        // A campaign that is searched on all pages gives all pages the same waiting time. Then the page that was read
        // longest ago goes first. Otherwise the last pages would never be read.
        let read_by = |candidate: &Candidate| match candidate.read {
            ReadRequest::Page(page) => self.list.read_by(page),
            ReadRequest::Single(_) => 0,
        };
        by_wait.sort_by_key(|index| of(index).map(|one| (one.since, one.threshold_in, read_by(one))));
        by_threshold.sort_by_key(|index| of(index).map(|one| (one.threshold_in, one.since, read_by(one))));
        let (mut by_wait, mut by_threshold) = (by_wait.into_iter(), by_threshold.into_iter());
        let mut chosen = BTreeSet::new();
        while chosen.len() < room.min(candidates.len()) {
            let turn = if self.longest_first { &mut by_wait } else { &mut by_threshold };
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

    /// Answers the questions that came before the request was planned, as far as the request has answers for them.
    fn answer<'a>(&mut self, read: ReadId, answers: impl Iterator<Item = (RemoteId, &'a T)>) -> Vec<(RequesterId, T)>
    where
        T: 'a,
    {
        let mut answered = Vec::new();
        for (remote, answer) in answers {
            let requesters = self.by_remote.get(&remote).into_iter().flatten();
            let (earlier, later): (Vec<RequesterId>, Vec<RequesterId>) =
                requesters.partition(|requester| requester.0 < read.0);
            // The answer may come too late for the tick that asked for it. The next tick's question then keeps the
            // place in the order. Otherwise a campaign that is always read at a tick's end would never be read in time.
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

    /// Marks campaigns that were last seen on the page and are no longer on it: they are read by themselves.
    fn seek_alone_unless_on(&mut self, read: ReadId, page: u64, campaigns: &BTreeMap<RemoteId, T>) {
        for (id, requester) in &mut self.requesters {
            let remote = requester.question.remote;
            if id.0 < read.0 && !campaigns.contains_key(&remote) && self.list.place(remote) == Place::Page(page) {
                requester.alone = true;
                self.list.forget_page(remote);
            }
        }
    }

    /// Ends the search for campaigns that no further page can show.
    fn settle_unknown(&mut self) -> Vec<(RequesterId, T)> {
        let pages = self.under_way.iter().filter(|(_, read)| matches!(read, ReadRequest::Page(_)));
        let newest_page = pages.map(|(id, _)| id.0).max().unwrap_or(0);
        let all_read_by = self.list.all_read_by();
        for (_, requester) in
            self.requesters.iter_mut().filter(|(id, requester)| !requester.alone && id.0 < all_read_by)
        {
            if self.list.place(requester.question.remote) == Place::Unknown {
                self.list.mark_unlisted(requester.question.remote);
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

    /// Answers the questions that a failure concerns. If a pause needs the campaign, or the page failed `again`, the
    /// campaign is read by itself instead.
    fn fail(
        &mut self,
        again: bool,
        failure: impl Fn(&List, RequesterId, &ReadQuestion) -> Option<T>,
    ) -> Vec<(RequesterId, T)> {
        let mut failed = Vec::new();
        for (id, requester) in self.requesters.iter_mut().filter(|(_, requester)| !requester.alone) {
            let Some(answer) = failure(&self.list, *id, &requester.question) else { continue };
            if again || requester.question.urgency == Urgency::Pause {
                requester.alone = true;
            } else {
                failed.push((*id, answer));
            }
        }
        self.forget(&failed);
        failed
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
