//! How many requests may leave, and which one next (behaviour.md, "What must hold always", 6 and 3). PURE.
//!
//! TrafficStars counts a request at some moment between its departure and its answer; which, nobody can see. A request
//! therefore holds its slot from the moment it leaves until 60 seconds after its answer (or time-out) came. Whatever the
//! moment of counting, no 60-second window then holds more requests than there are slots, whether the remote's window
//! slides or stands still.
//!
//! Deliberately absent: a clock, waiting, and the requests themselves. [`super::gate`] connects this to those who wait.

use std::collections::{BTreeMap, HashSet, VecDeque};

use chrono::{DateTime, Duration, Utc};

use crate::domain::status::QueueStatus;

/// The remote's window: a slot is free again this long after its answer.
pub const WINDOW: Duration = Duration::seconds(60);

/// Of the limit, at most this many slots are kept for pauses alone.
const MOST_SLOTS_FOR_PAUSES: usize = 5;

/// One request that waits or is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The classes of urgency, the most urgent first. Within a class, first come, first served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Stops money from flowing; so does the token without which nothing can leave.
    Pause,
    /// Confirms an action.
    ReadBack,
    /// Reads many campaigns at once.
    Sweep,
    /// Starts campaigns and sets their end times.
    Activate,
    /// Any other read.
    Read,
}

impl Urgency {
    /// The class as the dump and the metrics name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::ReadBack => "read_back",
            Self::Sweep => "sweep",
            Self::Activate => "activate",
            Self::Read => "read",
        }
    }
}

/// What is known of the minute before the budget was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing was sent in it.
    Quiet,
    /// A process before this one may have sent requests: half the limit counts as used for the first window.
    Cautious(DateTime<Utc>),
}

/// Grants requests within the limit, the most urgent first.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    kept_for_pauses: usize,
    waiting: BTreeMap<Urgency, VecDeque<Ticket>>,
    in_flight: HashSet<Ticket>,
    /// When the slots of answered requests are free again, the earliest first.
    free_at: VecDeque<DateTime<Utc>>,
    blocked_until: Option<DateTime<Utc>>,
}

impl Budget {
    /// A budget of `limit` requests in any 60 seconds. A limit of 0 grants nothing, ever: the config refuses it.
    #[must_use]
    pub fn new(limit: u32, start: Start) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let kept_for_pauses = if limit < 2 { 0 } else { (limit / 10).clamp(1, MOST_SLOTS_FOR_PAUSES) };
        let free_at = match start {
            Start::Quiet => VecDeque::new(),
            Start::Cautious(now) => std::iter::repeat_n(now + WINDOW, limit / 2).collect(),
        };
        Self {
            limit,
            kept_for_pauses,
            waiting: BTreeMap::new(),
            in_flight: HashSet::new(),
            free_at,
            blocked_until: None,
        }
    }

    /// Queues a request. Each ticket is asked for once.
    pub fn ask(&mut self, urgency: Urgency, ticket: Ticket) {
        self.waiting.entry(urgency).or_default().push_back(ticket);
    }

    /// The tickets whose requests may leave at `now`, the most urgent first. Each one holds a slot from here on.
    pub fn grant(&mut self, now: DateTime<Utc>) -> Vec<Ticket> {
        self.forget_the_past(now);
        let mut granted = Vec::new();
        if self.blocked_until.is_some() {
            return granted;
        }
        for (urgency, queue) in &mut self.waiting {
            let slots = slots_for(self.limit, self.kept_for_pauses, *urgency);
            while self.in_flight.len() + self.free_at.len() < slots
                && let Some(ticket) = queue.pop_front()
            {
                self.in_flight.insert(ticket);
                granted.push(ticket);
            }
        }
        debug_assert!(granted.is_empty() || self.in_flight.len() + self.free_at.len() <= self.limit);
        granted
    }

    /// The request's answer came, or nobody waits for it any more. An unknown ticket changes nothing.
    pub fn answered(&mut self, now: DateTime<Utc>, ticket: Ticket) {
        if self.in_flight.remove(&ticket) {
            let free_at = now + WINDOW;
            let position = self.free_at.partition_point(|earlier| *earlier <= free_at);
            self.free_at.insert(position, free_at);
        }
    }

    /// The request never left, and never will: it waits no longer, and holds no slot.
    pub fn cancel(&mut self, ticket: Ticket) {
        self.in_flight.remove(&ticket);
        for queue in self.waiting.values_mut() {
            queue.retain(|waiting| *waiting != ticket);
        }
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

    /// When [`Budget::grant`] has something to give, as far as time alone decides. `None`: nothing waits, or an answer
    /// has to come first.
    #[must_use]
    pub fn next_grant_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (most_urgent, _) = self.waiting.iter().find(|(_, queue)| !queue.is_empty())?;
        let slots = slots_for(self.limit, self.kept_for_pauses, *most_urgent);
        let needed = (self.used(now) + 1).saturating_sub(slots);
        let slot_at = match needed.checked_sub(1) {
            None => now,
            Some(position) => *self.free_at.iter().filter(|free_at| **free_at > now).nth(position)?,
        };
        Some(self.blocked_until(now).map_or(slot_at, |until| until.max(slot_at)))
    }

    /// How many requests count against the limit.
    #[must_use]
    pub fn used(&self, now: DateTime<Utc>) -> usize {
        self.in_flight.len() + self.free_at.iter().filter(|free_at| **free_at > now).count()
    }

    /// How many wait, by class.
    #[must_use]
    pub fn queue_lengths(&self) -> QueueStatus {
        let length = |urgency| self.waiting.get(&urgency).map_or(0, |queue| queue.len() as u64);
        QueueStatus {
            pause: length(Urgency::Pause),
            read_back: length(Urgency::ReadBack),
            sweep: length(Urgency::Sweep),
            activate: length(Urgency::Activate),
            read: length(Urgency::Read),
        }
    }

    fn forget_the_past(&mut self, now: DateTime<Utc>) {
        let past = self.free_at.partition_point(|free_at| *free_at <= now);
        self.free_at.drain(..past);
        self.blocked_until = self.blocked_until(now);
    }
}

/// A few slots are for pauses alone, so that a pause leaves at once however busy the minute was.
const fn slots_for(limit: usize, kept_for_pauses: usize, urgency: Urgency) -> usize {
    match urgency {
        Urgency::Pause => limit,
        Urgency::ReadBack | Urgency::Sweep | Urgency::Activate | Urgency::Read => limit - kept_for_pauses,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::milliseconds(milliseconds)
    }

    fn tickets(numbers: impl IntoIterator<Item = u64>) -> Vec<Ticket> {
        numbers.into_iter().map(Ticket).collect()
    }

    fn ask_all(budget: &mut Budget, urgency: Urgency, numbers: impl IntoIterator<Item = u64>) {
        for ticket in tickets(numbers) {
            budget.ask(urgency, ticket);
        }
    }

    #[test]
    fn the_most_urgent_leave_first_and_within_a_class_the_first_come() {
        let mut budget = Budget::new(100, Start::Quiet);
        let arrivals = [
            (Urgency::Read, 1),
            (Urgency::Activate, 2),
            (Urgency::Read, 3),
            (Urgency::Sweep, 4),
            (Urgency::ReadBack, 5),
            (Urgency::Pause, 6),
            (Urgency::Pause, 7),
        ];
        for (urgency, number) in arrivals {
            budget.ask(urgency, Ticket(number));
        }
        assert_eq!(budget.grant(at(0)), tickets([6, 7, 5, 4, 2, 1, 3]));
    }

    #[test]
    fn a_slot_is_free_again_sixty_seconds_after_its_answer_not_after_its_departure() {
        let mut budget = Budget::new(1, Start::Quiet);
        ask_all(&mut budget, Urgency::Read, [1, 2]);
        assert_eq!(budget.grant(at(0)), tickets([1]));
        assert_eq!(budget.next_grant_at(at(70_000)), None, "an answer has to come first");
        assert_eq!(budget.grant(at(70_000)), tickets([]));
        budget.answered(at(70_000), Ticket(1));
        assert_eq!(budget.next_grant_at(at(70_000)), Some(at(130_000)));
        assert_eq!(budget.grant(at(129_999)), tickets([]));
        assert_eq!(budget.grant(at(130_000)), tickets([2]));
    }

    #[test]
    fn slots_are_kept_for_pauses() {
        let mut budget = Budget::new(90, Start::Quiet);
        ask_all(&mut budget, Urgency::Sweep, 1..=200);
        assert_eq!(budget.grant(at(0)).len(), 85);
        ask_all(&mut budget, Urgency::Pause, 201..=210);
        assert_eq!(budget.next_grant_at(at(0)), Some(at(0)));
        assert_eq!(budget.grant(at(0)), tickets(201..=205));
        assert_eq!(budget.used(at(0)), 90);
    }

    #[test]
    fn a_cautious_start_has_half_the_limit_for_the_first_minute() {
        let mut budget = Budget::new(10, Start::Cautious(at(0)));
        ask_all(&mut budget, Urgency::Pause, 1..=10);
        assert_eq!(budget.grant(at(0)), tickets(1..=5));
        assert_eq!(budget.next_grant_at(at(0)), Some(at(60_000)));
        assert_eq!(budget.grant(at(60_000)), tickets(6..=10));
    }

    #[test]
    fn after_a_429_everything_waits_pauses_too() {
        let mut budget = Budget::new(10, Start::Quiet);
        budget.ask(Urgency::Pause, Ticket(1));
        budget.block_until(at(30_000));
        budget.block_until(at(20_000));
        assert_eq!(budget.grant(at(29_999)), tickets([]));
        assert_eq!(budget.next_grant_at(at(0)), Some(at(30_000)));
        assert_eq!(budget.blocked_until(at(0)), Some(at(30_000)));
        assert_eq!(budget.grant(at(30_000)), tickets([1]));
        assert_eq!(budget.blocked_until(at(30_000)), None);
    }

    #[test]
    fn what_never_left_holds_no_slot_and_no_place() {
        let mut budget = Budget::new(1, Start::Quiet);
        ask_all(&mut budget, Urgency::Read, [1, 2, 3]);
        assert_eq!(budget.grant(at(0)), tickets([1]));
        budget.cancel(Ticket(1));
        budget.cancel(Ticket(2));
        assert_eq!(budget.queue_lengths().read, 1);
        assert_eq!(budget.grant(at(0)), tickets([3]));
    }

    /// One thing that happens to a budget.
    #[derive(Debug, Clone)]
    enum Step {
        Wait {
            milliseconds: i64,
        },
        Ask(Urgency),
        Grant,
        /// The answer of one of those in flight, or the end of one that waits.
        Answer {
            which: prop::sample::Index,
        },
        Cancel {
            which: prop::sample::Index,
        },
        Block {
            milliseconds: i64,
        },
    }

    fn urgency() -> impl Strategy<Value = Urgency> {
        prop::sample::select(vec![Urgency::Pause, Urgency::ReadBack, Urgency::Sweep, Urgency::Activate, Urgency::Read])
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (1_i64..20_000).prop_map(|milliseconds| Step::Wait { milliseconds }),
            6 => urgency().prop_map(Step::Ask),
            4 => Just(Step::Grant),
            4 => any::<prop::sample::Index>().prop_map(|which| Step::Answer { which }),
            1 => any::<prop::sample::Index>().prop_map(|which| Step::Cancel { which }),
            1 => (1_i64..90_000).prop_map(|milliseconds| Step::Block { milliseconds }),
        ]
    }

    /// What the world sees: who waits, and when each request left and was answered.
    #[derive(Default)]
    struct World {
        now: i64,
        blocked_until: i64,
        asked: u64,
        waiting: BTreeMap<Ticket, Urgency>,
        left: BTreeMap<Ticket, i64>,
        answered: BTreeMap<Ticket, i64>,
    }

    impl World {
        fn in_flight(&self) -> Vec<Ticket> {
            self.left.keys().filter(|ticket| !self.answered.contains_key(ticket)).copied().collect()
        }

        fn live(&mut self, budget: &mut Budget, step: &Step) {
            match step {
                Step::Wait { milliseconds } => self.now += milliseconds,
                Step::Ask(urgency) => {
                    self.asked += 1;
                    self.waiting.insert(Ticket(self.asked), *urgency);
                    budget.ask(*urgency, Ticket(self.asked));
                }
                Step::Grant => self.grant(budget),
                Step::Answer { which } => {
                    let in_flight = self.in_flight();
                    if !in_flight.is_empty() {
                        let ticket = *which.get(&in_flight);
                        self.answered.insert(ticket, self.now);
                        budget.answered(at(self.now), ticket);
                    }
                }
                Step::Cancel { which } => {
                    let waiting: Vec<Ticket> = self.waiting.keys().copied().collect();
                    if !waiting.is_empty() {
                        let ticket = *which.get(&waiting);
                        self.waiting.remove(&ticket);
                        budget.cancel(ticket);
                    }
                }
                Step::Block { milliseconds } => {
                    self.blocked_until = self.blocked_until.max(self.now + milliseconds);
                    budget.block_until(at(self.now + milliseconds));
                }
            }
        }

        fn grant(&mut self, budget: &mut Budget) {
            let announced = budget.next_grant_at(at(self.now));
            let granted = budget.grant(at(self.now));
            assert_eq!(announced == Some(at(self.now)), !granted.is_empty(), "next_grant_at says when grant gives");
            assert!(granted.is_empty() || self.now >= self.blocked_until, "nothing leaves while blocked");
            for ticket in &granted {
                assert!(self.waiting.remove(ticket).is_some(), "granted only what waits, and once");
                assert!(self.left.insert(*ticket, self.now).is_none(), "nothing is granted twice");
            }
        }
    }

    proptest! {
        #[test]
        fn no_sixty_second_window_holds_more_than_the_limit_however_the_server_counts(
            limit in 1_u32..12,
            steps in prop::collection::vec(step(), 1..400),
        ) {
            let mut budget = Budget::new(limit, Start::Quiet);
            let mut world = World::default();
            for step in &steps {
                world.live(&mut budget, step);
            }
            // A server that counts anywhere between departure and answer can put into a window every request whose
            // flight touches it, and no other. The fullest windows begin where a flight ends or starts.
            let flights: Vec<(i64, i64)> = world
                .left
                .iter()
                .map(|(ticket, left)| (*left, world.answered.get(ticket).copied().unwrap_or(i64::MAX)))
                .collect();
            for begin in flights.iter().flat_map(|(left, answered)| [*left, *answered]) {
                let end = begin.saturating_add(60_000);
                let counted = flights.iter().filter(|(left, answered)| *left < end && *answered >= begin).count();
                prop_assert!(counted <= limit as usize, "{counted} in the window from {begin} ms, limit {limit}");
            }
        }

        #[test]
        fn a_pause_overtakes_every_other_waiting_request(
            limit in 1_u32..12,
            busy in prop::collection::vec(step(), 0..100),
        ) {
            let mut budget = Budget::new(limit, Start::Quiet);
            let mut world = World::default();
            for step in &busy {
                world.live(&mut budget, step);
            }
            let earlier_pauses = world.waiting.values().filter(|urgency| **urgency == Urgency::Pause).count();
            let pause = Ticket(u64::MAX);
            budget.ask(Urgency::Pause, pause);
            for ticket in world.in_flight() {
                budget.answered(at(world.now), ticket);
            }
            let mut overtaken_by = Vec::new();
            // Every answer frees its slot a window later, so each round grants at least one.
            for round in 1..=world.asked + 3 {
                let now = at(world.now + 200_000 * i64::try_from(round).unwrap());
                let granted = budget.grant(now);
                let before = granted.iter().take_while(|ticket| **ticket != pause).copied();
                overtaken_by.extend(before);
                if granted.contains(&pause) {
                    break;
                }
                for ticket in granted {
                    budget.answered(now, ticket);
                }
            }
            prop_assert_eq!(overtaken_by.len(), earlier_pauses, "only pauses that came earlier may leave before it");
        }
    }
}
