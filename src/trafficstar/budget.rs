//! How many requests may leave, and which one next (RULES.md, "What must hold always", 6 and 3). PURE.
//!
//! TrafficStars counts a request at some moment between its departure and its answer; which, nobody can see. A request
//! therefore holds its slot from the moment it leaves until 60 seconds after its answer (or time-out) came. Whatever the
//! moment of counting, no 60-second window then holds more requests than there are slots, whether the remote's window
//! slides or stands still.
//!
//! To overtake is worth nothing once a burst has spent the window, so some slots are set aside:
//! - a few for pauses alone, and for the token without which they cannot leave;
//! - as many as the reads of all campaigns need, so that a thousand end times at midnight blind nobody; but never so many
//!   that nothing else leaves;
//! - one for the run that makes a burst of end times worth its slots;
//! - and whoever has waited for [`STARVING_AFTER`] gets one of a few slots ahead of all but pauses.
//!
//! Deliberately absent: a clock, waiting, and the requests themselves. [`super::scheduler`] connects this to those who wait.

use std::collections::{BTreeMap, HashMap, VecDeque};

use chrono::{DateTime, Duration, Utc};

use crate::domain::read_priority::Urgency;
use crate::domain::status::QueueStatus;

/// The remote's window: a slot is free again this long after its answer.
pub const WINDOW: Duration = Duration::seconds(60);

/// Whoever has waited this long goes ahead of the more urgent, pauses excepted: nothing starves for ever.
pub const STARVING_AFTER: Duration = Duration::seconds(120);

/// An activation that is due for this long goes before those with more clicks.
const DUE_LONG_ENOUGH: Duration = Duration::minutes(15);

/// Of the limit, at most this many slots are kept for pauses alone.
const MOST_SLOTS_FOR_PAUSES: usize = 5;

/// One request that waits or is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Who goes first within a class: the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(u64);

impl Rank {
    /// Ahead of every other: among activations, the run behind whose end times everything waits.
    pub const FIRST: Self = Self(0);
    /// As good as any.
    pub const ANY: Self = Self(1);

    /// After every other: what changes nothing about whether a campaign runs.
    pub const LAST: Self = Self(u64::MAX);

    /// Whether it is one among many by their clicks, so that it is worth waiting for the others to be told.
    #[must_use]
    pub fn depends_on_clicks(self) -> bool {
        ![Self::FIRST, Self::ANY, Self::LAST].contains(&self)
    }

    /// An activation that is due for so long: the most remaining clicks first, but whoever has waited long enough goes
    /// before more clicks.
    #[must_use]
    pub fn of_activation(remaining_clicks: u64, due_for: Duration) -> Self {
        if due_for >= DUE_LONG_ENOUGH { Self::ANY } else { Self::by_clicks(remaining_clicks) }
    }

    /// The most remaining clicks first: a campaign with many has the most to lose by standing still.
    fn by_clicks(remaining_clicks: u64) -> Self {
        // Even the greatest number of all stays behind `ANY`, and none comes after `LAST`.
        Self((u64::MAX - remaining_clicks).saturating_add(2).min(u64::MAX - 1))
    }
}

/// What holds a slot.
#[derive(Debug, Clone, Copy)]
struct Slot {
    urgency: Urgency,
    /// It is a read that a pause needs.
    reads_urgently: bool,
    /// It left because it was starving.
    starved: bool,
}

impl Slot {
    const fn of(urgency: Urgency) -> Self {
        Self { urgency, reads_urgently: false, starved: false }
    }
}

/// How many slots are held, by what.
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

/// Its place in the queue: the rank within its class, then the order of arrival.
type Place = (Urgency, Rank, u64);

/// How many more reads could leave at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// Such as a pause needs.
    pub urgent: usize,
    /// Of these, such as all campaigns need.
    pub sweeps: usize,
    /// One that a pause needs may wait for the next slot, which else goes to who waits already.
    pub may_wait: bool,
}

impl Room {
    /// The same with so many requests less.
    #[must_use]
    pub fn without(self, requests: usize) -> Self {
        Self {
            urgent: self.urgent.saturating_sub(requests),
            sweeps: self.sweeps.saturating_sub(requests),
            may_wait: self.may_wait && requests == 0,
        }
    }
}

/// Grants requests within the limit, the most urgent first.
#[derive(Debug, Default)]
pub struct Budget {
    limit: usize,
    kept_for_pauses: usize,
    kept_for_sweeps: usize,
    waiting: BTreeMap<Place, RequestId>,
    /// How many wait, by class.
    queued: [usize; 5],
    places: HashMap<RequestId, Place>,
    /// All but the pauses, by their order of arrival.
    by_age: BTreeMap<u64, (RequestId, DateTime<Utc>)>,
    last_arrival: u64,
    /// What holds a slot and is not answered yet.
    in_flight: HashMap<RequestId, Slot>,
    /// When the slots of answered requests are free again, the earliest first.
    free_at: VecDeque<(DateTime<Utc>, Slot)>,
    held: HeldSlots,
    blocked_until: Option<DateTime<Utc>>,
}

impl Budget {
    /// A budget of `limit` requests in any 60 seconds. A limit of 0 grants nothing, ever: the config refuses it.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let kept_for_pauses = if limit < 2 { 0 } else { (limit / 10).clamp(1, MOST_SLOTS_FOR_PAUSES) };
        Self { limit, kept_for_pauses, ..Self::default() }
    }

    /// Counts a request that was sent before this budget was made: it holds its slot until `free_at`.
    pub fn remember(&mut self, free_at: DateTime<Utc>) {
        self.hold_until(free_at, Slot::of(Urgency::Read));
    }

    /// Sets slots aside for the reads of all campaigns: so many requests do they take in a window.
    pub fn keep_for_sweeps(&mut self, requests: usize) {
        self.kept_for_sweeps = requests.min(self.sweeps_per_window()).min(self.open().saturating_sub(2));
    }

    /// Queues a request. A request_id that waits or holds a slot is not asked for again.
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

    /// The request_ids whose requests leave at `now`, at most so many, the most urgent first. Each one holds a slot from here on.
    #[expect(clippy::disallowed_macros, reason = "every step of every simulation checks it; a release does not")]
    pub fn grant(&mut self, now: DateTime<Utc>, most: usize) -> Vec<RequestId> {
        self.forget_the_past(now);
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

    /// The request's answer came, or nobody waits for it any more. An unknown request_id changes nothing.
    pub fn answered(&mut self, now: DateTime<Utc>, request_id: RequestId) {
        if let Some(slot) = self.in_flight.remove(&request_id) {
            self.held.remove(slot);
            self.hold_until(now + WINDOW, slot);
        }
    }

    /// The request that waits will never leave.
    pub fn cancel(&mut self, request_id: RequestId) {
        self.forget_waiting(request_id);
    }

    /// Nothing is granted before `until`: TrafficStars answered 429. An earlier end never shortens a later one.
    pub fn block_until(&mut self, until: DateTime<Utc>) {
        self.blocked_until = self.blocked_until.max(Some(until));
    }

    /// Until when nothing is granted, if so.
    #[must_use]
    pub fn blocked_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.blocked_until.filter(|until| *until > now)
    }

    /// When [`Budget::grant`] is to be asked again, as far as time alone decides. `now` says that it has something to
    /// give; `None` that nothing waits, or that an answer has to come first.
    #[must_use]
    pub fn next_grant_at(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.forget_the_past(now);
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

    /// When the next slot is free, as far as time alone decides.
    #[must_use]
    pub fn next_free_at(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.forget_the_past(now);
        self.blocked_until.or_else(|| self.free_at.front().map(|(at, _)| *at))
    }

    /// How many requests count against the limit.
    #[must_use]
    pub fn used(&self, now: DateTime<Utc>) -> usize {
        self.held.all - self.past(now)
    }

    /// How many more reads could leave at once, beside those that wait ahead of them.
    pub fn room(&mut self, now: DateTime<Utc>) -> Room {
        self.forget_the_past(now);
        let [pauses, read_backs, sweeps, _, _] = self.queued;
        // Ahead of all others, but not for the whole of a window: nothing else would leave while many are in doubt.
        let may_wait = pauses == 0 && self.held.urgent_reads < self.sweeps_per_window();
        if self.blocked_until.is_some() {
            return Room { may_wait, ..Room::default() };
        }
        // What reads back goes ahead, but not into the slots that are set aside for sweeps.
        let free = self.open().saturating_sub(self.held.all);
        let read_backs = read_backs.min(free.saturating_sub(self.still_kept_for_sweeps()));
        let free_for_urgent = self.open_for_urgent_reads().saturating_sub(self.held.all);
        let urgent = free_for_urgent.saturating_sub(pauses);
        let open = free.saturating_sub(pauses + read_backs + sweeps);
        Room { urgent, may_wait, sweeps: open.min(self.sweeps_per_window().saturating_sub(self.held.sweeps + sweeps)) }
    }

    /// By when all end times that wait, and `more` that are about to, will have left: as many leave in each window as
    /// the reads of all campaigns let, and the reads back, which cost one each, or no more than `reads_of_all` together.
    /// `None` where there are none.
    #[must_use]
    pub fn activations_done_at(&self, now: DateTime<Utc>, more: usize, reads_of_all: usize) -> Option<DateTime<Utc>> {
        let [_, _, _, activations, _] = self.queued;
        let waiting = activations + more;
        (waiting > 0).then(|| self.left_by(now, waiting, reads_of_all))
    }

    /// By when so many end times will have left.
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

    /// The requests that wait, in the order in which they leave as things stand.
    pub fn waiting(&self) -> impl Iterator<Item = RequestId> {
        self.waiting.values().copied()
    }

    /// How many of the waiting requests could leave at `now`, at most; 0 where the next one may not.
    #[must_use]
    pub fn may_leave(&self, now: DateTime<Utc>) -> usize {
        if self.next(now).is_none() { 0 } else { self.waiting.len().min(self.free(now)) }
    }

    /// How many slots are free, those that are set aside among them.
    #[must_use]
    pub fn free(&self, now: DateTime<Utc>) -> usize {
        self.limit.saturating_sub(self.used(now))
    }

    /// Whether activations are under way, or could leave at `now` but for the count.
    #[must_use]
    pub fn expects_activations(&self, now: DateTime<Utc>) -> bool {
        let under_way = self.in_flight.values().any(|slot| slot.urgency == Urgency::Activate);
        under_way || (self.queue_lengths().activate > 0 && self.may_leave(now) > 0)
    }

    /// How many wait, by class.
    #[must_use]
    pub fn queue_lengths(&self) -> QueueStatus {
        let [pause, read_back, sweep, activate, read] = self.queued.map(|queued| queued as u64);
        QueueStatus { pause, read_back, sweep, activate, read }
    }

    /// The slots that are not for pauses alone.
    const fn open(&self) -> usize {
        self.limit - self.kept_for_pauses
    }

    /// One pause of many is one request: half of what is kept for pauses, at least one, is enough for it and a token.
    const fn open_for_urgent_reads(&self) -> usize {
        let for_pauses_alone = if self.kept_for_pauses < 2 { self.kept_for_pauses } else { self.kept_for_pauses / 2 };
        self.limit - for_pauses_alone
    }

    /// How many requests that read all campaigns can leave in each window, however many wait: they leave a quarter to what they
    /// are read for.
    #[must_use]
    pub const fn sweeps_per_window(&self) -> usize {
        let share = self.open() * 3 / 4;
        if share == 0 { 1 } else { share }
    }

    /// What is set aside for the reads of all and not used yet. Those of them that a pause needs have used their share, too.
    const fn still_kept_for_sweeps(&self) -> usize {
        self.kept_for_sweeps.saturating_sub(self.held.sweeps + self.held.urgent_reads)
    }

    const fn kept_for_runs(&self) -> usize {
        if self.open() - self.kept_for_sweeps > 1 { 1 } else { 0 }
    }

    /// Who leaves next, if anybody may.
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

    /// Whether one more of this class leaves what is set aside for others alone.
    fn has_room(&self, urgency: Urgency, rank: Rank) -> bool {
        let kept_for_sweeps = self.still_kept_for_sweeps();
        let kept = match urgency {
            // What a pause needs must not take all that is kept for the pause itself.
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

    fn past(&self, now: DateTime<Utc>) -> usize {
        self.free_at.partition_point(|(free_at, _)| *free_at <= now)
    }

    fn forget_the_past(&mut self, now: DateTime<Utc>) {
        let past = self.past(now);
        for (_, slot) in self.free_at.drain(..past) {
            self.held.remove(slot);
        }
        self.blocked_until = self.blocked_until(now);
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
