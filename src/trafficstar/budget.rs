//! Decides how many requests may leave, and which one next (RULES.md, "What must hold always", 6 and 3). PURE.
//!
//! TrafficStars counts a request at an unknown moment between its departure and its answer. A request therefore holds
//! its slot from its departure until 60 seconds after its answer (or time-out). Then no 60-second window of
//! TrafficStars holds more requests than there are slots. This is true for every such moment, and for sliding and for
//! fixed windows.
//!
//! Priority does not help once a burst has used up the window. These slots are therefore reserved:
//! - a few for pauses, and for the token that a pause needs;
//! - as many as the reads of all campaigns need, so that a thousand end times at midnight do not block these reads. So
//!   that other requests leave, too, these are at most three quarters of the slots that are not for pauses alone;
//! - one for the run that follows a burst of end times: without it they have no effect.
//!
//! A request that has waited for [`STARVING_AFTER`] goes ahead of all but pauses. A tenth of the slots can be used so.
//!
//! Deliberately absent: a clock, waiting, and the requests themselves. [`super::scheduler`] holds the waiting requests.

use std::collections::{BTreeMap, HashMap, VecDeque};

use chrono::{DateTime, Duration, Utc};

use crate::domain::read_priority::Urgency;
use crate::domain::status::QueueStatus;

/// TrafficStars' window: a slot is free again this long after the answer to its request.
pub const WINDOW: Duration = Duration::seconds(60);

/// A request that has waited this long goes ahead of more urgent ones, pauses excepted: no request starves for ever.
pub const STARVING_AFTER: Duration = Duration::seconds(120);

/// An activation that has been due for this long goes before activations with more clicks.
const DUE_LONG_ENOUGH: Duration = Duration::minutes(15);

/// At most this many slots of the limit are kept for pauses alone.
const MOST_SLOTS_FOR_PAUSES: usize = 5;

/// The id of one request that waits or is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// The order within a class: the smaller rank goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(u64);

impl Rank {
    /// Ahead of every other rank. Among activations it is the run: the end times before it have no effect without it.
    pub const FIRST: Self = Self(0);
    /// The rank of requests that have no order among each other.
    pub const ANY: Self = Self(1);

    /// After every other rank: for a request that does not change whether a campaign runs.
    pub const LAST: Self = Self(u64::MAX);

    /// Whether the rank is by remaining clicks. Then it is worth waiting for more requests before the first one leaves.
    #[must_use]
    pub fn depends_on_clicks(self) -> bool {
        ![Self::FIRST, Self::ANY, Self::LAST].contains(&self)
    }

    /// Returns the rank of an activation that has been due for `due_for`: the most remaining clicks go first. An
    /// activation that has been due for 15 minutes goes before all of them.
    #[must_use]
    pub fn of_activation(remaining_clicks: u64, due_for: Duration) -> Self {
        if due_for >= DUE_LONG_ENOUGH { Self::ANY } else { Self::by_clicks(remaining_clicks) }
    }

    /// Returns the rank by clicks, the most first: a campaign with many remaining clicks loses the most while it is
    /// stopped.
    fn by_clicks(remaining_clicks: u64) -> Self {
        // The greatest possible number still ranks behind `ANY`, and 0 clicks still rank before `LAST`.
        Self((u64::MAX - remaining_clicks).saturating_add(2).min(u64::MAX - 1))
    }
}

/// The request that holds a slot.
#[derive(Debug, Clone, Copy)]
struct Slot {
    urgency: Urgency,
    /// Whether it is a read that a pause needs.
    reads_urgently: bool,
    /// Whether it left early because it was starving.
    starved: bool,
}

impl Slot {
    const fn of(urgency: Urgency) -> Self {
        Self { urgency, reads_urgently: false, starved: false }
    }
}

/// The number of held slots, by kind of request.
#[derive(Debug, Default)]
struct HeldSlots {
    all: usize,
    sweeps: usize,
    urgent_reads: usize,
    starved: usize,
}

impl HeldSlots {
    fn add(&mut self, slot: Slot) {
        self.all += 1;
        self.sweeps += usize::from(slot.urgency == Urgency::Sweep);
        self.urgent_reads += usize::from(slot.reads_urgently);
        self.starved += usize::from(slot.starved);
    }

    fn remove(&mut self, slot: Slot) {
        self.all -= 1;
        self.sweeps -= usize::from(slot.urgency == Urgency::Sweep);
        self.urgent_reads -= usize::from(slot.reads_urgently);
        self.starved -= usize::from(slot.starved);
    }
}

/// A request's place in the queue: its class, its rank within the class, its order of arrival.
type Place = (Urgency, Rank, u64);

/// The number of further reads that could leave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// The number of reads that a pause needs.
    pub urgent: usize,
    /// The number of reads that all campaigns need. It is a part of `urgent`.
    pub sweeps: usize,
    /// Whether one read that a pause needs may be queued to wait for a slot. Without it, requests that are queued
    /// already would get every next slot.
    pub may_wait: bool,
}

impl Room {
    /// Returns the room that is left after `requests` more requests.
    #[must_use]
    pub fn without(self, requests: usize) -> Self {
        Self {
            urgent: self.urgent.saturating_sub(requests),
            sweeps: self.sweeps.saturating_sub(requests),
            may_wait: self.may_wait && requests == 0,
        }
    }
}

/// Decides within the limit which requests leave, the most urgent first.
#[derive(Debug, Default)]
pub struct Budget {
    limit: usize,
    kept_for_pauses: usize,
    kept_for_sweeps: usize,
    waiting: BTreeMap<Place, RequestId>,
    /// The number of requests that wait, by class.
    queued: [usize; 5],
    places: HashMap<RequestId, Place>,
    /// The requests that wait, pauses excepted, by their order of arrival.
    by_age: BTreeMap<u64, (RequestId, DateTime<Utc>)>,
    last_arrival: u64,
    /// The requests that left and are not answered yet.
    in_flight: HashMap<RequestId, Slot>,
    /// The times (UTC) at which the slots of answered requests are free again, the earliest first.
    free_at: VecDeque<(DateTime<Utc>, Slot)>,
    held: HeldSlots,
    blocked_until: Option<DateTime<Utc>>,
}

impl Budget {
    /// Returns a budget of `limit` requests in any 60 seconds. A limit of 0 would never grant a request; the config
    /// refuses it.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let kept_for_pauses = if limit < 2 { 0 } else { (limit / 10).clamp(1, MOST_SLOTS_FOR_PAUSES) };
        Self { limit, kept_for_pauses, ..Self::default() }
    }

    /// Counts a request that an earlier process sent: it holds its slot until `free_at`.
    pub fn remember(&mut self, free_at: DateTime<Utc>) {
        self.hold_until(free_at, Slot::of(Urgency::Read));
    }

    /// Reserves slots for the reads of all campaigns, which take `requests` requests in a window.
    pub fn keep_for_sweeps(&mut self, requests: usize) {
        self.kept_for_sweeps = requests.min(self.sweeps_per_window()).min(self.open().saturating_sub(2));
    }

    /// Queues a request. The caller never queues a `request_id` that waits or holds a slot.
    pub fn ask(&mut self, now: DateTime<Utc>, urgency: Urgency, rank: Rank, request_id: RequestId) {
        self.last_arrival += 1;
        let place = (urgency, rank, self.last_arrival);
        self.waiting.insert(place, request_id);
        self.count(urgency, |queued| queued + 1);
        self.places.insert(request_id, place);
        if urgency != Urgency::Pause {
            self.by_age.insert(self.last_arrival, (request_id, now));
        }
    }

    /// Returns the requests that leave at `now`, at most `most`, the most urgent first. Each one holds a slot from now
    /// on.
    #[expect(clippy::disallowed_macros, reason = "every step of every simulation checks it; a release does not")]
    pub fn grant(&mut self, now: DateTime<Utc>, most: usize) -> Vec<RequestId> {
        self.drop_expired(now);
        let mut granted = Vec::new();
        while granted.len() < most
            && let Some((request_id, slot)) = self.next(now)
        {
            self.forget_waiting(request_id);
            self.in_flight.insert(request_id, slot);
            self.held.add(slot);
            granted.push(request_id);
        }
        debug_assert!(granted.is_empty() || self.held.all <= self.limit);
        granted
    }

    /// Notes that the request was answered, or that the caller gave it up. An unknown `request_id` changes nothing.
    pub fn answered(&mut self, now: DateTime<Utc>, request_id: RequestId) {
        if let Some(slot) = self.in_flight.remove(&request_id) {
            self.held.remove(slot);
            self.hold_until(now + WINDOW, slot);
        }
    }

    /// Removes a request from the queue: it never leaves.
    pub fn cancel(&mut self, request_id: RequestId) {
        self.forget_waiting(request_id);
    }

    /// Grants nothing before `until`: TrafficStars answered 429. A later call with an earlier time changes nothing.
    pub fn block_until(&mut self, until: DateTime<Utc>) {
        self.blocked_until = self.blocked_until.max(Some(until));
    }

    /// Returns the time (UTC) until which nothing is granted; `None` if requests may leave.
    #[must_use]
    pub fn blocked_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.blocked_until.filter(|until| *until > now)
    }

    /// Returns when to call [`Budget::grant`] next, as far as time alone decides. `now` means that a request can leave
    /// at once. `None` means that no request waits, or that an answer has to come first.
    #[must_use]
    pub fn next_grant_at(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.drop_expired(now);
        if self.waiting.is_empty() {
            return None;
        }
        if self.blocked_until.is_some() {
            return self.blocked_until;
        }
        if self.next(now).is_some() {
            return Some(now);
        }
        let free = self.free_at.front().map(|(at, _)| *at);
        let starving = self.by_age.values().next().map(|(_, since)| *since + STARVING_AFTER);
        let starving = starving.filter(|at| *at > now && self.held.all < self.open());
        free.into_iter().chain(starving).min()
    }

    /// Returns when the next slot is free, as far as time alone decides.
    #[must_use]
    pub fn next_free_at(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.drop_expired(now);
        self.blocked_until.or_else(|| self.free_at.front().map(|(at, _)| *at))
    }

    /// Returns the number of requests that count against the limit.
    #[must_use]
    pub fn used(&self, now: DateTime<Utc>) -> usize {
        self.held.all - self.expired(now)
    }

    /// Returns the number of further reads that could leave now. Requests that wait ahead of them are taken off.
    pub fn room(&mut self, now: DateTime<Utc>) -> Room {
        self.drop_expired(now);
        let [pauses, read_backs, sweeps, _, _] = self.queued;
        // These reads go ahead of all others, but they must not fill a window: then nothing else would leave while many
        // campaigns need such reads.
        let may_wait = pauses == 0 && self.held.urgent_reads < self.sweeps_per_window();
        if self.blocked_until.is_some() {
            return Room { may_wait, ..Room::default() };
        }
        // Read-backs go ahead, but not into the slots that are reserved for sweeps.
        let free = self.open().saturating_sub(self.held.all);
        let read_backs = read_backs.min(free.saturating_sub(self.still_kept_for_sweeps()));
        let free_for_urgent = self.open_for_urgent_reads().saturating_sub(self.held.all);
        let urgent = free_for_urgent.saturating_sub(pauses);
        let open = free.saturating_sub(pauses + read_backs + sweeps);
        Room { urgent, may_wait, sweeps: open.min(self.sweeps_per_window().saturating_sub(self.held.sweeps + sweeps)) }
    }

    /// Returns by when all waiting end times, and `more` that will be queued soon, will have left. The reads of all
    /// campaigns and the read-backs use up a part of each window. Read-backs cost one request each, or `reads_of_all`
    /// together if that is less. `None` if no end time waits.
    #[must_use]
    pub fn activations_done_at(&self, now: DateTime<Utc>, more: usize, reads_of_all: usize) -> Option<DateTime<Utc>> {
        let [_, _, _, activations, _] = self.queued;
        let waiting = activations + more;
        (waiting > 0).then(|| self.left_by(now, waiting, reads_of_all))
    }

    /// Returns by when `waiting` end times will have left.
    #[must_use]
    pub fn left_by(&self, now: DateTime<Utc>, waiting: usize, reads_of_all: usize) -> DateTime<Utc> {
        let begin = self.blocked_until(now).unwrap_or(now);
        let in_a_window = self.open().saturating_sub(self.kept_for_sweeps + self.kept_for_runs());
        let in_a_window = in_a_window.saturating_sub(reads_of_all).max(in_a_window / 2).max(1);
        let kept = self.still_kept_for_sweeps() + self.kept_for_runs();
        let at_once = self.open().saturating_sub(self.used(now) + kept);
        let windows = waiting.saturating_sub(at_once).div_ceil(in_a_window);
        begin + WINDOW * i32::try_from(windows).unwrap_or(i32::MAX)
    }

    /// Returns the requests that wait, in the order in which they would leave now.
    pub fn waiting(&self) -> impl Iterator<Item = RequestId> {
        self.waiting.values().copied()
    }

    /// Returns the largest number of waiting requests that could leave at `now`; 0 if the next one may not leave.
    #[must_use]
    pub fn may_leave(&self, now: DateTime<Utc>) -> usize {
        if self.next(now).is_none() { 0 } else { self.waiting.len().min(self.free(now)) }
    }

    /// Returns the number of free slots, reserved slots included.
    #[must_use]
    pub fn free(&self, now: DateTime<Utc>) -> usize {
        self.limit.saturating_sub(self.used(now))
    }

    /// Whether activations are in flight, or could leave at `now` as soon as they are counted in the database.
    #[must_use]
    pub fn expects_activations(&self, now: DateTime<Utc>) -> bool {
        let in_flight = self.in_flight.values().any(|slot| slot.urgency == Urgency::Activate);
        in_flight || (self.queue_lengths().activate > 0 && self.may_leave(now) > 0)
    }

    /// Returns the number of requests that wait, by class.
    #[must_use]
    pub fn queue_lengths(&self) -> QueueStatus {
        let [pause, read_back, sweep, activate, read] = self.queued.map(|queued| queued as u64);
        QueueStatus { pause, read_back, sweep, activate, read }
    }

    /// Returns the number of slots that are not for pauses alone.
    const fn open(&self) -> usize {
        self.limit - self.kept_for_pauses
    }

    /// Returns the number of slots that the reads that a pause needs may use. A pause of many campaigns is one request.
    /// So half of the slots kept for pauses, at least one, is enough for the pause and its token.
    const fn open_for_urgent_reads(&self) -> usize {
        let for_pauses_alone = if self.kept_for_pauses < 2 { self.kept_for_pauses } else { self.kept_for_pauses / 2 };
        self.limit - for_pauses_alone
    }

    /// Returns how many requests that read all campaigns can leave in each window. A quarter of the open slots stays
    /// free for the changes that follow from these reads.
    #[must_use]
    pub const fn sweeps_per_window(&self) -> usize {
        let share = self.open() * 3 / 4;
        if share == 0 { 1 } else { share }
    }

    /// Returns how many of the slots reserved for the reads of all campaigns are not used yet. Reads that a pause needs
    /// are reads of these campaigns, too, and count as used.
    const fn still_kept_for_sweeps(&self) -> usize {
        self.kept_for_sweeps.saturating_sub(self.held.sweeps + self.held.urgent_reads)
    }

    const fn kept_for_runs(&self) -> usize {
        if self.open() - self.kept_for_sweeps > 1 { 1 } else { 0 }
    }

    /// Returns the request that leaves next, if one may leave.
    fn next(&self, now: DateTime<Utc>) -> Option<(RequestId, Slot)> {
        if self.blocked_until(now).is_some() {
            return None;
        }
        let ((urgency, rank, _), request_id) = self.waiting.first_key_value()?;
        if *urgency == Urgency::Pause {
            let slot = Slot { reads_urgently: *rank != Rank::FIRST, ..Slot::of(Urgency::Pause) };
            return self.has_room(Urgency::Pause, *rank).then_some((*request_id, slot));
        }
        if self.held.all >= self.open() {
            return None;
        }
        let (oldest, since) = self.by_age.values().next()?;
        let starving = now.signed_duration_since(*since) >= STARVING_AFTER;
        if starving && self.held.starved < (self.limit / 10).max(1) {
            let urgency = self.places.get(oldest)?.0;
            return Some((*oldest, Slot { starved: true, ..Slot::of(urgency) }));
        }
        let queues = Urgency::ALL.into_iter().filter_map(|urgency| {
            let mut queue = self.waiting.range((urgency, Rank(0), 0)..=(urgency, Rank(u64::MAX), u64::MAX));
            queue.next()
        });
        let mut may_leave = queues.filter(|((urgency, rank, _), _)| self.has_room(*urgency, *rank));
        may_leave.next().map(|((urgency, _, _), request_id)| (*request_id, Slot::of(*urgency)))
    }

    /// Whether one more request of this class may leave without using slots that are reserved for other classes.
    fn has_room(&self, urgency: Urgency, rank: Rank) -> bool {
        let kept_for_sweeps = self.still_kept_for_sweeps();
        let kept = match urgency {
            // The reads that a pause needs must not take all slots that are kept for the pause itself.
            Urgency::Pause if rank == Rank::FIRST => return self.held.all < self.limit,
            Urgency::Pause => return self.held.all < self.open_for_urgent_reads(),
            Urgency::Sweep => return self.held.all < self.open() && self.held.sweeps < self.sweeps_per_window(),
            Urgency::ReadBack => kept_for_sweeps,
            Urgency::Activate if rank == Rank::FIRST => kept_for_sweeps,
            Urgency::Activate | Urgency::Read => kept_for_sweeps + self.kept_for_runs(),
        };
        self.held.all + kept < self.open()
    }

    fn count(&mut self, urgency: Urgency, change: impl FnOnce(usize) -> usize) {
        if let Some(queued) = self.queued.get_mut(urgency as usize) {
            *queued = change(*queued);
        }
    }

    fn hold_until(&mut self, free_at: DateTime<Utc>, slot: Slot) {
        let position = self.free_at.partition_point(|(earlier, _)| *earlier <= free_at);
        self.free_at.insert(position, (free_at, slot));
        self.held.add(slot);
    }

    fn forget_waiting(&mut self, request_id: RequestId) {
        let Some(place) = self.places.remove(&request_id) else { return };
        let (urgency, _, arrival) = place;
        self.waiting.remove(&place);
        self.count(urgency, |queued| queued.saturating_sub(1));
        self.by_age.remove(&arrival);
    }

    fn expired(&self, now: DateTime<Utc>) -> usize {
        self.free_at.partition_point(|(free_at, _)| *free_at <= now)
    }

    fn drop_expired(&mut self, now: DateTime<Utc>) {
        let expired = self.expired(now);
        for (_, slot) in self.free_at.drain(..expired) {
            self.held.remove(slot);
        }
        self.blocked_until = self.blocked_until(now);
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
