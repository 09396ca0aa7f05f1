//! How far the limit of requests reaches: how many reads may leave now, and within which time every campaign is read. PURE.

use chrono::{DateTime, Duration, Utc};

use super::reads::Reads;
use crate::domain::status::ReadingStatus;
use crate::trafficstar::budget::{Budget, Room, WINDOW};

/// Beside the statuses, a tick of all takes so many requests: a token, and a report of spend in its pages.
const OTHERS_PER_TICK: usize = 3;

/// How many reads may leave now. What was planned and has not come to the gate yet takes room, too; `at_the_gate` is how
/// many reads have.
pub fn room<T: Clone>(reads: &Reads<T>, budget: &mut Budget, now: DateTime<Utc>, at_the_gate: usize) -> Room {
    let on_the_way = reads.under_way().saturating_sub(at_the_gate);
    budget.room(now).without(on_the_way)
}

/// How many requests it takes to read everybody, how many are to be had, and what follows. The budget sets so many aside.
pub fn weigh<T: Clone>(reads: &Reads<T>, budget: &mut Budget, tick: Duration, list_works: bool) -> ReadingStatus {
    let cost = reads.cost(list_works);
    let tick_ms = tick.num_milliseconds().max(1).unsigned_abs();
    let window_ms = WINDOW.num_milliseconds().unsigned_abs();
    let ticks = usize::try_from(window_ms.div_ceil(tick_ms)).unwrap_or(usize::MAX);
    budget.keep_for_sweeps((cost + OTHERS_PER_TICK).saturating_mul(ticks));
    let in_a_tick = (budget.sweeps_per_window() as u64).saturating_mul(tick_ms) / window_ms;
    let in_a_tick = usize::try_from(in_a_tick).unwrap_or(usize::MAX).max(1);
    let rounds = Reads::<T>::rounds(cost, in_a_tick) as u64;
    ReadingStatus {
        campaigns: reads.campaigns() as u64,
        requests: cost as u64,
        requests_per_tick: in_a_tick as u64,
        within_seconds: rounds.saturating_mul(tick_ms).div_ceil(1_000),
        waiting: reads.waiting() as u64,
    }
}
