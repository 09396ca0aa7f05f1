//! A thousand campaigns without faults: the cost of the guard's requests, and the delay of its pauses.

use std::ops::Range;

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::phase::PhaseWord;

use crate::model::guard::Guard;
use crate::model::outside::{Outside, Scenario};

const MINUTE_MS: i64 = 60_000;
const LIMIT: u32 = 90;

fn minutes(range: Range<i64>) -> Range<i64> {
    range.start * MINUTE_MS..range.end * MINUTE_MS
}

fn morning() -> DateTime<Utc> {
    "2026-11-22T06:00:30Z".parse().unwrap()
}

/// Returns a scenario of a thousand campaigns that all stay far from the thresholds.
fn quiet(seed: u64, page_size: usize) -> Scenario {
    Scenario {
        seed,
        begins_at: morning(),
        campaigns: 1_000,
        page_size,
        strangers: 0,
        latency_ms: 50..500,
        without_spend_percent: 5,
        crosses_in_ms: minutes(10_000..20_000),
        refill_in_ms: minutes(10..20),
        refill_lasts_ms: minutes(10..60),
        endless: 0,
        endless_cross_in_ms: minutes(0..1),
    }
}

fn guard(scenario: Scenario) -> Guard {
    let begins_at = scenario.begins_at;
    Guard::new(Outside::new(scenario), LIMIT, begins_at).unwrap()
}

#[test]
fn a_thousand_campaigns_within_the_limit_and_every_used_up_one_is_paused_within_the_bound() {
    for (page_size, lasts) in [(10, Duration::minutes(17)), (100, Duration::minutes(30))] {
        let mut guard = guard(Scenario { crosses_in_ms: minutes(5..250), ..quiet(1, page_size) });
        guard.run_until(morning() + lasts);
        let (remote, tracker) = (&guard.outside.remote, &guard.outside.tracker);
        assert!(remote.busiest_minute() <= 90, "{} requests in a minute", remote.busiest_minute());
        assert!(tracker.crossings().len() > 40, "{} thresholds were crossed", tracker.crossings().len());
        // With enough requests a pause comes within a tick, and the time for a read and a pause; else within the time
        // that the dump promises.
        let within_seconds = i64::try_from(guard.reading().within_seconds).unwrap();
        assert_eq!(within_seconds, if page_size == 10 { 240 } else { 60 });
        let bound = Duration::seconds(within_seconds + 3);
        let late: Vec<_> = tracker.crossings().iter().filter(|crossing| crossing.paused_after > bound).collect();
        assert!(late.is_empty(), "{late:?}");
        assert_eq!(tracker.needless_pauses(), 0);
        let until = morning() + lasts - bound;
        assert_eq!(tracker.unanswered(morning(), until), 0, "no campaign still runs with its clicks used up");
    }
}

#[test]
fn an_undisturbed_campaign_gets_no_requests_that_change_it() {
    let mut guard = guard(quiet(2, 100));
    guard.run_until(morning() + Duration::minutes(20));
    let writes: Vec<_> = guard.outside.remote.log().iter().filter(|arrival| arrival.call.is_write()).collect();
    assert!(writes.is_empty(), "{writes:?}");
    assert!(guard.outside.remote.log().len() > 200);
    assert_eq!(guard.in_phase(PhaseWord::ActiveGuarded), 1_000);
}

#[test]
fn the_same_seed_gives_the_same_log() {
    let log = |seed| {
        let mut guard = guard(Scenario { crosses_in_ms: minutes(1..100), ..quiet(seed, 10) });
        guard.run_until(morning() + Duration::minutes(6));
        guard.outside.remote.log().to_vec()
    };
    assert_eq!(log(3), log(3));
    assert_ne!(log(3), log(4));
}
