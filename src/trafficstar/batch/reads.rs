//! Plans the reads of statuses: which pages of the list, which campaigns by their ids and which single campaigns are
//! read, and in which order if the budget is too small for all. PURE.
//!
//! A page, the entries of several campaigns by their ids, and one campaign cost one request each. We read a page if at
//! least two wanted campaigns were last seen on it. Campaigns never seen are searched on all pages, if there are fewer
//! pages than such campaigns; else they are read one by one. (Pages that are read anyway do not count here.) If the list
//! has a filter by id, and reads by id are fewer, these are planned instead.
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

use self::candidates::{Candidate, Known, Wanted, choose};
use super::by_id::{ListReads, PerRequest};
use super::list::{List, ListSize, Place};
use super::request::{Part, ReadRequest};
use crate::domain::ids::RemoteId;
use crate::domain::read_priority::{ReadQuestion, Urgency};
use crate::trafficstar::budget::Room;

mod candidates;

/// A campaign that was not asked for in this many ticks is no longer counted.
const FORGOTTEN_AFTER_TICKS: i32 = 3;

/// After this time a campaign that was not in an answer by id is asked for by its id again.
const LOOK_AGAIN_AFTER: Duration = Duration::minutes(15);

/// The id of one question. It shares one sequence of numbers with [`ReadId`], which shows what came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequesterId(u64);

/// The id of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadId(u64);

/// A planned request, to be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The list has no filter by id. Meanwhile no read by id is planned.
    NotFiltered,
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
    /// The number of campaigns that one request reads by their ids.
    per_request: PerRequest,
    /// Whether the last read by id failed because of what it reads.
    fails_by_id: bool,
    /// The time (UTC) of the last [`Reads::look_again`].
    looked_at: Option<DateTime<Utc>>,
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
            per_request: PerRequest::default(),
            fails_by_id: false,
            looked_at: None,
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
    pub fn plan(&mut self, now: DateTime<Utc>, room: Room, list_reads: ListReads) -> Vec<PlannedRead> {
        let forgotten = now - self.tick * FORGOTTEN_AFTER_TICKS;
        // A campaign that has waited for longer is still asked for.
        self.recent.extend(self.by_remote.keys().map(|remote| (*remote, now)));
        self.recent.retain(|_, asked_at| *asked_at > forgotten);
        self.look_again(now, list_reads);
        let needs_one = || self.requesters.values().any(|requester| requester.question.urgency == Urgency::Pause);
        if room.urgent == 0 && !(room.may_wait && needs_one()) {
            return Vec::new();
        }
        let wanted = self.wanted();
        let mut chosen = self.known().candidates(&wanted, list_reads);
        if chosen.len() <= room.sweeps {
            // All of them fit into the slots that are reserved for the reads of all campaigns.
            chosen.iter_mut().for_each(Candidate::lower_shared);
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

    /// Forgets from time to time which campaigns an answer by id did not hold. No page is read meanwhile that would show
    /// that they are in the list, and each of them costs a request of its own.
    fn look_again(&mut self, now: DateTime<Utc>, list_reads: ListReads) {
        if list_reads == ListReads::ById && now - *self.looked_at.get_or_insert(now) >= LOOK_AGAIN_AFTER {
            self.looked_at = Some(now);
            self.list.forget_unlisted();
            self.per_request.try_more();
        }
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
            (ReadRequest::ById(ids), ReadAnswer::Page { campaigns, size }) => {
                self.fails_by_id = false;
                let is_whole = self.per_request.saw(size, campaigns.len());
                if is_whole || campaigns.is_empty() {
                    self.seek_alone(id, ids.iter().filter(|remote| !campaigns.contains_key(remote)));
                }
                self.answer(id, campaigns.iter().map(|(remote, answer)| (*remote, answer)))
            }
            (ReadRequest::ById(ids), ReadAnswer::PageFailed { answer, of_the_page }) => {
                let again = of_the_page && std::mem::replace(&mut self.fails_by_id, of_the_page);
                self.fail(again, |_, requester, question| {
                    (requester.0 < id.0 && ids.contains(&question.remote)).then(|| answer.clone())
                })
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
            // The next plan does without what does not work.
            (ReadRequest::Page(_) | ReadRequest::ById(_), ReadAnswer::NotSent)
            | (ReadRequest::ById(_), ReadAnswer::NotFiltered) => Vec::new(),
            (ReadRequest::Page(_), ReadAnswer::NoList | ReadAnswer::NotFiltered | ReadAnswer::Single(_))
            | (ReadRequest::ById(_), ReadAnswer::NoList | ReadAnswer::Single(_))
            | (
                ReadRequest::Single(_),
                ReadAnswer::Page { .. }
                | ReadAnswer::PageFailed { .. }
                | ReadAnswer::NotFiltered
                | ReadAnswer::NotSent
                | ReadAnswer::NoList,
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
    pub fn cost(&self, list_reads: ListReads) -> usize {
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
        self.known().candidates(&wanted, list_reads).len()
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
                Place::Page(page) if !requester.alone => served_by(Part::Page(page)),
                Place::Page(_) | Place::Unknown | Place::Unlisted => 0,
            };
            if by_page.max(served_by(Part::Campaign(remote))) > id.0 {
                continue;
            }
            let one =
                Wanted { question: requester.question, since: requester.since, alone: requester.alone, newest: id.0 };
            wanted.entry(remote).and_modify(|wanted| wanted.join(&one)).or_insert(one);
        }
        wanted.into_values().collect()
    }

    /// Returns, for each page or campaign in flight, the number of its newest request.
    fn newest_under_way(&self) -> BTreeMap<Part, u64> {
        let parts = self.under_way.iter().flat_map(|(id, read)| read.parts().map(move |part| (part, id.0)));
        parts.collect()
    }

    fn known(&self) -> Known<'_> {
        let of_all = self.failed.iter().filter(|(_, failure)| !failure.of_the_page);
        Known {
            list: &self.list,
            under_way: self.newest_under_way(),
            failed: of_all.map(|(page, failure)| (*page, failure.request)).collect(),
            per_request: self.per_request.campaigns(),
            reads_by_id: self.under_way.values().any(|read| matches!(read, ReadRequest::ById(_))),
        }
    }

    fn choose(&mut self, candidates: Vec<Candidate>, room: usize) -> Vec<Candidate> {
        choose(&self.list, &mut self.longest_first, candidates, room)
    }

    fn begin(&mut self, Candidate { read, urgency, .. }: Candidate) -> PlannedRead {
        let id = ReadId(self.next_number());
        self.under_way.insert(id, read.clone());
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

    /// Marks campaigns that an answer by id does not hold: they are read by themselves.
    fn seek_alone<'a>(&mut self, read: ReadId, missing: impl Iterator<Item = &'a RemoteId>) {
        for remote in missing {
            self.list.mark_unlisted(*remote);
            for id in self.by_remote.get(remote).into_iter().flatten().filter(|id| id.0 < read.0) {
                if let Some(requester) = self.requesters.get_mut(id) {
                    requester.alone = true;
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

#[cfg(test)]
#[path = "reads_tests.rs"]
mod tests;
