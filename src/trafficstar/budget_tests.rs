//! Tests of the budget: the limit in every window, the order of requests, and that no request waits for ever.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

fn at(milliseconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::milliseconds(milliseconds)
}

fn request_ids(numbers: impl IntoIterator<Item = u64>) -> Vec<RequestId> {
    numbers.into_iter().map(RequestId).collect()
}

/// Queues these requests at the beginning of time, with [`Rank::ANY`].
fn ask_all(budget: &mut Budget, urgency: Urgency, numbers: impl IntoIterator<Item = u64>) {
    request_ids(numbers).into_iter().for_each(|request_id| budget.ask(at(0), urgency, Rank::ANY, request_id));
}

/// Queues these pauses at the beginning of time.
fn ask_pauses(budget: &mut Budget, numbers: impl IntoIterator<Item = u64>) {
    request_ids(numbers).into_iter().for_each(|request_id| budget.ask(at(0), Urgency::Pause, Rank::FIRST, request_id));
}

/// Grants and returns all requests that may leave at `now` (milliseconds).
fn leave(budget: &mut Budget, now: i64) -> Vec<RequestId> {
    budget.grant(at(now), usize::MAX)
}

#[test]
fn the_most_urgent_class_leaves_first_and_the_earliest_request_within_a_class() {
    let mut budget = Budget::new(100);
    let arrivals = {
        use Urgency::{Activate, Pause, Read, ReadBack, Sweep};
        [Read, Activate, Read, Sweep, ReadBack, Pause, Pause]
    };
    for (urgency, number) in arrivals.into_iter().zip(1..) {
        ask_all(&mut budget, urgency, [number]);
    }
    assert_eq!(leave(&mut budget, 0), request_ids([6, 7, 5, 4, 2, 1, 3]));
}

#[test]
fn a_slot_is_free_again_sixty_seconds_after_its_answer_not_after_its_departure() {
    let mut budget = Budget::new(1);
    ask_all(&mut budget, Urgency::Read, [1, 2]);
    assert_eq!(leave(&mut budget, 0), request_ids([1]));
    assert_eq!(budget.next_grant_at(at(70_000)), None, "an answer has to come first");
    assert_eq!(leave(&mut budget, 70_000), request_ids([]));
    budget.answered(at(70_000), RequestId(1));
    assert_eq!(budget.next_grant_at(at(70_000)), Some(at(130_000)));
    assert_eq!(leave(&mut budget, 129_999), request_ids([]));
    assert_eq!(leave(&mut budget, 130_000), request_ids([2]));
}

#[test]
fn some_slots_are_kept_for_pauses() {
    let mut budget = Budget::new(90);
    ask_all(&mut budget, Urgency::ReadBack, 1..=200);
    assert_eq!(leave(&mut budget, 0).len(), 85);
    ask_all(&mut budget, Urgency::Pause, 201..=210);
    assert_eq!(leave(&mut budget, 0), request_ids(201..=203), "reads that a pause needs leave some slots to the pause");
    ask_pauses(&mut budget, 211..=220);
    assert_eq!(budget.next_grant_at(at(0)), Some(at(0)));
    assert_eq!(leave(&mut budget, 0), request_ids(211..=212));
    assert_eq!(budget.used(at(0)), 90);
}

#[test]
fn reads_of_all_campaigns_leave_a_quarter_of_the_slots_to_other_requests() {
    let mut budget = Budget::new(90);
    assert_eq!((budget.sweeps_per_window(), budget.room(at(0)).sweeps), (63, 63));
    ask_all(&mut budget, Urgency::Sweep, 1..=200);
    assert_eq!(budget.room(at(0)).sweeps, 0);
    assert_eq!(leave(&mut budget, 0).len(), 63);
    ask_all(&mut budget, Urgency::Activate, 201..=300);
    assert_eq!(leave(&mut budget, 0).len(), 21, "one more is kept for the run");
}

#[test]
fn a_burst_of_activations_leaves_the_reads_of_all_campaigns_their_slots() {
    let mut budget = Budget::new(90);
    budget.keep_for_sweeps(10);
    ask_all(&mut budget, Urgency::Activate, 1..=1000);
    assert_eq!(leave(&mut budget, 0).len(), 74);
    assert_eq!(budget.room(at(0)).sweeps, 11);
    ask_all(&mut budget, Urgency::Sweep, 1001..=1010);
    assert_eq!(leave(&mut budget, 0), request_ids(1001..=1010));
}

#[test]
fn reads_that_a_pause_needs_use_the_slots_kept_for_the_reads_of_all() {
    let mut budget = Budget::new(12);
    budget.keep_for_sweeps(8);
    ask_all(&mut budget, Urgency::Pause, 1..=6);
    ask_all(&mut budget, Urgency::Sweep, 7..=8);
    ask_all(&mut budget, Urgency::Activate, 9..=12);
    assert_eq!(leave(&mut budget, 0), request_ids(1..=10), "two activations leave, and one slot is kept for their run");
}

#[test]
fn one_read_that_a_pause_needs_may_wait_for_a_slot_but_not_two() {
    let mut budget = Budget::new(10);
    let silent_until = at(1_000);
    budget.block_until(silent_until);
    for now in [at(0), silent_until] {
        assert!(budget.room(now).may_wait);
        assert!(!budget.room(now).without(1).may_wait, "one read is planned already");
    }
    ask_all(&mut budget, Urgency::Pause, [1]);
    assert!(!budget.room(at(0)).may_wait);
}

/// If many campaigns need such reads, the other requests in the queue must still leave at some time.
#[test]
fn reads_that_pauses_need_go_ahead_of_others_for_only_a_part_of_the_window() {
    let mut budget = Budget::new(10);
    let share = budget.sweeps_per_window() as u64;
    for read in 0..share {
        assert!(budget.room(at(0)).may_wait);
        ask_all(&mut budget, Urgency::Pause, [read]);
        assert_eq!(leave(&mut budget, 0), request_ids([read]));
    }
    assert!(!budget.room(at(0)).may_wait);
}

#[test]
fn a_run_gets_a_slot_after_a_burst_of_end_times() {
    let mut budget = Budget::new(20);
    for (number, clicks) in [(1, 20_000), (2, 90_000), (3, 15_000), (4, 90_000)] {
        budget.ask(at(0), Urgency::Activate, Rank::by_clicks(clicks), RequestId(number));
    }
    assert_eq!(leave(&mut budget, 0), request_ids([2, 4, 1, 3]), "the most remaining clicks first, then the earliest");
    ask_all(&mut budget, Urgency::Activate, 5..=40);
    assert_eq!(leave(&mut budget, 0).len(), 13);
    budget.ask(at(0), Urgency::Activate, Rank::FIRST, RequestId(41));
    assert_eq!(leave(&mut budget, 0), request_ids([41]));
    assert!(Rank::FIRST < Rank::by_clicks(u64::MAX));
}

#[test]
fn starving_requests_go_ahead_of_all_but_pauses_a_few_at_a_time() {
    let mut budget = Budget::new(20);
    ask_all(&mut budget, Urgency::ReadBack, 1..=18);
    ask_all(&mut budget, Urgency::Read, 19..=25);
    assert_eq!(leave(&mut budget, 0), request_ids(1..=18));
    assert_eq!(budget.next_grant_at(at(0)), None, "an answer has to come first");
    for request_id in request_ids(1..=18) {
        budget.answered(at(60_000), request_id);
    }
    assert_eq!(budget.next_grant_at(at(60_000)), Some(at(120_000)));
    for number in 26..=50 {
        budget.ask(at(119_999), Urgency::ReadBack, Rank::ANY, RequestId(number));
        budget.ask(at(119_999), Urgency::Pause, Rank::FIRST, RequestId(number + 100));
    }
    let granted = leave(&mut budget, 120_000);
    assert_eq!(granted, request_ids(126..=145), "pauses first");
    for request_id in granted {
        budget.answered(at(120_000), request_id);
    }
    for number in 146..=150 {
        budget.cancel(RequestId(number));
    }
    let granted = leave(&mut budget, 180_000);
    assert_eq!(granted[..4], request_ids([19, 20, 26, 27]), "two of twenty slots are for starving requests");
}

#[test]
fn the_forecast_says_when_all_activations_will_have_left() {
    let mut budget = Budget::new(90);
    budget.keep_for_sweeps(10);
    assert_eq!(budget.activations_done_at(at(0), 0, 10), None);
    let cases =
        [(1, 0, 0), (74, 0, 0), (75, 0, 1), (148, 0, 1), (149, 0, 2), (1000, 0, 13), (1000, 10, 15), (1000, 500, 26)];
    for (waiting, reads_of_all, windows) in cases {
        let by = budget.activations_done_at(at(0), waiting, reads_of_all);
        assert_eq!(by, Some(at(windows * 60_000)), "{waiting}, read back by {reads_of_all}");
    }
    budget.block_until(at(30_000));
    assert_eq!(budget.activations_done_at(at(0), 75, 0), Some(at(90_000)));
}

#[test]
fn requests_that_an_earlier_process_sent_are_counted() {
    let mut budget = Budget::new(10);
    for seconds in [20, 40, 60] {
        for _ in 0..3 {
            budget.remember(at(seconds * 1_000));
        }
    }
    ask_pauses(&mut budget, 1..=10);
    assert_eq!(leave(&mut budget, 0), request_ids([1]));
    assert_eq!(budget.next_grant_at(at(0)), Some(at(20_000)));
    assert_eq!(leave(&mut budget, 20_000), request_ids(2..=4));
    assert_eq!(leave(&mut budget, 60_000), request_ids(5..=10));
}

#[test]
fn after_a_429_all_requests_wait_pauses_too() {
    let mut budget = Budget::new(10);
    ask_all(&mut budget, Urgency::Pause, [1]);
    budget.block_until(at(30_000));
    budget.block_until(at(20_000));
    assert_eq!(leave(&mut budget, 29_999), request_ids([]));
    assert_eq!(budget.next_grant_at(at(0)), Some(at(30_000)));
    assert_eq!(budget.blocked_until(at(0)), Some(at(30_000)));
    assert_eq!(leave(&mut budget, 30_000), request_ids([1]));
    assert_eq!(budget.blocked_until(at(30_000)), None);
}

#[test]
fn a_request_that_never_left_holds_no_slot_and_no_place_in_the_queue() {
    let mut budget = Budget::new(1);
    ask_all(&mut budget, Urgency::Read, [1, 2, 3]);
    assert_eq!(leave(&mut budget, 0), request_ids([1]));
    budget.answered(at(-60_000), RequestId(1));
    budget.cancel(RequestId(2));
    assert_eq!(budget.queue_lengths().read, 1);
    assert_eq!(leave(&mut budget, 0), request_ids([3]));
}

/// One event in the life of a budget.
#[derive(Debug, Clone)]
enum Step {
    /// This many milliseconds pass.
    Wait(i64),
    Ask(Urgency, u64),
    KeepForSweeps(usize),
    Grant,
    /// One request in flight is answered.
    Answer(Index),
    Cancel(Index),
    /// Nothing leaves for this many milliseconds.
    Block(i64),
}

fn urgency() -> impl Strategy<Value = Urgency> {
    prop::sample::select(vec![Urgency::Pause, Urgency::ReadBack, Urgency::Sweep, Urgency::Activate, Urgency::Read])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_i64..20_000).prop_map(Step::Wait),
        6 => (urgency(), 0_u64..3).prop_map(|(urgency, rank)| Step::Ask(urgency, rank)),
        1 => (0_usize..20).prop_map(Step::KeepForSweeps),
        4 => Just(Step::Grant),
        4 => any::<Index>().prop_map(Step::Answer),
        1 => any::<Index>().prop_map(Step::Cancel),
        1 => (1_i64..90_000).prop_map(Step::Block),
    ]
}

/// The state outside of the budget: the requests that wait, and when each request left and was answered.
#[derive(Default)]
struct World {
    now: i64,
    blocked_until: i64,
    asked: u64,
    waiting: BTreeMap<RequestId, (Urgency, u64)>,
    left: BTreeMap<RequestId, i64>,
    answered: BTreeMap<RequestId, i64>,
}

impl World {
    fn in_flight(&self) -> Vec<RequestId> {
        self.left.keys().filter(|request_id| !self.answered.contains_key(request_id)).copied().collect()
    }

    fn apply(&mut self, budget: &mut Budget, step: &Step) {
        match step {
            Step::Wait(milliseconds) => self.now += milliseconds,
            Step::Ask(urgency, rank) => {
                self.asked += 1;
                self.waiting.insert(RequestId(self.asked), (*urgency, *rank));
                budget.ask(at(self.now), *urgency, Rank(*rank), RequestId(self.asked));
            }
            Step::KeepForSweeps(requests) => budget.keep_for_sweeps(*requests),
            Step::Grant => self.grant(budget),
            Step::Answer(which) => {
                let in_flight = self.in_flight();
                if !in_flight.is_empty() {
                    let request_id = *which.get(&in_flight);
                    self.answered.insert(request_id, self.now);
                    budget.answered(at(self.now), request_id);
                }
            }
            Step::Cancel(which) => {
                let waiting: Vec<RequestId> = self.waiting.keys().copied().collect();
                if !waiting.is_empty() {
                    let request_id = *which.get(&waiting);
                    self.waiting.remove(&request_id);
                    budget.cancel(request_id);
                }
            }
            Step::Block(milliseconds) => {
                self.blocked_until = self.blocked_until.max(self.now + milliseconds);
                budget.block_until(at(self.now + milliseconds));
            }
        }
    }

    fn grant(&mut self, budget: &mut Budget) {
        let announced = budget.next_grant_at(at(self.now));
        let granted = budget.grant(at(self.now), usize::MAX);
        assert_eq!(
            announced == Some(at(self.now)),
            !granted.is_empty(),
            "next_grant_at says when grant returns something"
        );
        assert!(granted.is_empty() || self.now >= self.blocked_until, "nothing leaves while blocked");
        for request_id in &granted {
            assert!(self.waiting.remove(request_id).is_some(), "only a waiting request is granted, and only once");
            assert!(self.left.insert(*request_id, self.now).is_none(), "no request is granted twice");
        }
    }
}

proptest! {
    #[test]
    fn no_sixty_second_window_holds_more_than_the_limit_however_the_server_counts(
        limit in 1_u32..12,
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let mut budget = Budget::new(limit);
        let mut world = World::default();
        for step in &steps {
            world.apply(&mut budget, step);
        }
        // A server counts a request at some moment between its departure and its answer. So it can count in a window
        // exactly the requests whose flight touches the window. The fullest windows begin where a flight starts or
        // ends.
        let flights: Vec<(i64, i64)> = world
            .left
            .iter()
            .map(|(request_id, left)| (*left, world.answered.get(request_id).copied().unwrap_or(i64::MAX)))
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
        let mut budget = Budget::new(limit);
        let mut world = World::default();
        for step in &busy {
            world.apply(&mut budget, step);
        }
        let earlier_pauses = world.waiting.values().filter(|waiting| **waiting == (Urgency::Pause, 0)).count();
        let pause = RequestId(u64::MAX);
        budget.ask(at(world.now), Urgency::Pause, Rank::FIRST, pause);
        for request_id in world.in_flight() {
            budget.answered(at(world.now), request_id);
        }
        let mut overtaken_by = Vec::new();
        // Every answer frees its slot one window later, so each round grants at least one request.
        for round in 1..=world.asked + 3 {
            let now = at(world.now + 200_000 * i64::try_from(round).unwrap());
            let granted = budget.grant(now, usize::MAX);
            let before = granted.iter().take_while(|request_id| **request_id != pause).copied();
            overtaken_by.extend(before);
            if granted.contains(&pause) {
                break;
            }
            for request_id in granted {
                budget.answered(now, request_id);
            }
        }
        prop_assert_eq!(overtaken_by.len(), earlier_pauses, "only pauses that came earlier may leave before it");
    }

    #[test]
    fn no_request_starves_for_ever_under_a_flood_of_others(
        limit in 1_u32..30,
        kept_for_sweeps in 0_usize..30,
        flood in prop::sample::select(vec![Urgency::ReadBack, Urgency::Sweep, Urgency::Activate]),
        waiting in urgency(),
    ) {
        let mut budget = Budget::new(limit);
        budget.keep_for_sweeps(kept_for_sweeps);
        budget.ask(at(0), waiting, Rank(u64::MAX), RequestId(0));
        let mut next = 1;
        let left_at = (0..1_000).find(|second| {
            let now = at(second * 1_000);
            for _ in 0..limit {
                budget.ask(now, flood, Rank::FIRST, RequestId(next));
                next += 1;
            }
            let granted = budget.grant(now, usize::MAX);
            for request_id in &granted {
                budget.answered(now, *request_id);
            }
            granted.contains(&RequestId(0))
        });
        prop_assert!(left_at.is_some_and(|second| second <= 180), "it left after {left_at:?} seconds");
    }
}
