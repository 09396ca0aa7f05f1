//! The guard's requests to TrafficStars and the delay of its pauses, for growing numbers of campaigns, compared with a
//! naive client.
//!
//! `cargo bench --bench requests` prints it. The time is virtual (`tests/simulation/model`), so the figures are the
//! same on every machine. Both clients have the same campaigns, tracker, latencies and limit.
//!
//! A run begins with all campaigns promised to run. At first no campaign is near a threshold: this shows the steady
//! cost. Then about four campaigns a minute fall to 5,000 clicks. Each is paused, gets new URLs and is activated again.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark that unwraps says which line failed"
)]

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../simulation/model/mod.rs"]
mod model;

use std::time::Instant;

use chrono::{DateTime, Duration, Utc};

use self::model::guard::Guard;
use self::model::naive::Naive;
use self::model::outside::{Outside, Scenario};
use self::model::remote::Remote;
use self::model::tracker::Tracker;

const MINUTE_MS: i64 = 60_000;
const LIMIT: u32 = 90;
/// How many crossings of the threshold are followed to their pauses.
const CROSSINGS: usize = 200;
/// The same for the largest run, which takes long to compute.
const CROSSINGS_OF_MOST: usize = 60;
const MOST_CAMPAIGNS: usize = 10_000;
/// After this time the guard has found the remote's list and knows the campaigns that are nearest to a threshold.
const WARM_UP: Duration = Duration::minutes(35);
const STEADY: Duration = Duration::minutes(20);
/// The longest run, so that none reaches the day end.
const LONGEST: Duration = Duration::hours(17);

fn main() {
    let began = Instant::now();
    println!("{}", header());
    for page_size in [10, 100] {
        for campaigns in [10, 100, 1_000, 10_000] {
            println!("{}", row(&scenario(campaigns, page_size), LIMIT));
        }
    }
    println!("{}", row(&scenario(1_000, 10), 200));
    // A few campaigns among 900 in the list.
    println!("{}", row(&Scenario { strangers: 74, ..scenario(12, 10) }, LIMIT));
    midnight(10);
    midnight(100);
    println!("\nThe whole took {:.0?} of real time.", began.elapsed());
}

fn header() -> String {
    [
        "requests per campaign and minute (steady), the busiest 60 s, and from 5,000 clicks to the pause's arrival",
        "                                   |           the guard                        |        the naive client",
        "campaigns listed pages limit bound |   cost busiest  median     p99   worst     |   cost busiest  median     p99   worst | ratio of medians",
    ]
    .join("\n")
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn scenario(campaigns: usize, page_size: usize) -> Scenario {
    let quiet_ms = (WARM_UP + STEADY).num_milliseconds();
    let horizon_ms = (campaigns as i64 * MINUTE_MS / 4).max(20 * MINUTE_MS);
    Scenario {
        seed: 1,
        begins_at: at("2026-11-22T06:00:30Z"),
        campaigns,
        page_size,
        strangers: 0,
        latency_ms: 50..500,
        without_spend_percent: 5,
        crosses_in_ms: quiet_ms..quiet_ms + horizon_ms,
        refill_in_ms: 5 * MINUTE_MS..15 * MINUTE_MS,
        refill_lasts_ms: 5 * MINUTE_MS..5 * MINUTE_MS + horizon_ms,
        endless: 0,
        endless_cross_in_ms: 0..1,
    }
}

/// The results of a run.
struct Figures {
    cost: f64,
    busiest: usize,
    median: Duration,
    p99: Duration,
    worst: Duration,
}

impl Figures {
    fn of(scenario: &Scenario, remote: &Remote, tracker: &Tracker, until: DateTime<Utc>) -> Self {
        let from = scenario.begins_at + WARM_UP;
        let requests = remote.requests(from, from + STEADY) as f64;
        let mut delays: Vec<Duration> = tracker
            .crossings()
            .iter()
            .filter(|crossing| crossing.at < until)
            .map(|crossing| crossing.paused_after)
            .collect();
        delays.sort();
        let of_hundred = |percent: usize| *delays.get((delays.len() * percent / 100).min(delays.len() - 1)).unwrap();
        Self {
            cost: requests / scenario.campaigns as f64 / STEADY.num_minutes() as f64,
            busiest: remote.busiest_minute(),
            median: of_hundred(50),
            p99: of_hundred(99),
            worst: of_hundred(100),
        }
    }

    fn line(&self) -> String {
        let Self { cost, busiest, median, p99, worst } = self;
        format!("{cost:>6.4} {busiest:>7} {:>7} {:>7} {:>7}", span(*median), span(*p99), span(*worst))
    }
}

fn span(span: Duration) -> String {
    let seconds = span.num_milliseconds() as f64 / 1_000.0;
    if seconds < 600.0 { format!("{seconds:.1}s") } else { format!("{:.0}m", seconds / 60.0) }
}

/// Runs until enough thresholds were crossed, and then until each of those crossings led to a pause. Returns the moment
/// up to which crossings count.
fn follow<C>(
    client: &mut C,
    scenario: &Scenario,
    run: impl Fn(&mut C, DateTime<Utc>),
    tracker: impl Fn(&C) -> &Tracker,
) -> DateTime<Utc> {
    let begins_at = scenario.begins_at;
    let crossings = if scenario.campaigns < MOST_CAMPAIGNS { CROSSINGS } else { CROSSINGS_OF_MOST };
    let mut now = begins_at + WARM_UP + STEADY;
    run(client, now);
    let from = now;
    let crossed = |client: &C, now| {
        tracker(client).crossings().iter().filter(|crossing| crossing.at < now).count()
            + tracker(client).unanswered(from, now)
    };
    while crossed(client, now) < crossings && now < begins_at + LONGEST {
        now += Duration::minutes(5);
        run(client, now);
    }
    let until = now;
    while tracker(client).unanswered(from, until) > 0 && now < begins_at + LONGEST {
        now += Duration::minutes(5);
        run(client, now);
    }
    assert_eq!(tracker(client).unanswered(from, until), 0, "campaigns still run with their clicks used up");
    until
}

fn row(scenario: &Scenario, limit: u32) -> String {
    let Scenario { campaigns, page_size, strangers, .. } = *scenario;
    let listed = campaigns * (strangers + 1);
    let begins_at = scenario.begins_at;
    let mut guard = Guard::new(Outside::new(scenario.clone()), limit, begins_at).unwrap();
    let until = follow(&mut guard, scenario, Guard::run_until, |guard| &guard.outside.tracker);
    let guarded = Figures::of(scenario, &guard.outside.remote, &guard.outside.tracker, until);
    let mut naive = Naive::new(Outside::new(scenario.clone()), limit, begins_at);
    let until = follow(&mut naive, scenario, Naive::run_until, |naive| &naive.outside.tracker);
    let compared = Figures::of(scenario, &naive.outside.remote, &naive.outside.tracker, until);
    assert!(guarded.busiest <= limit as usize, "{} requests in 60 s, and {limit} are allowed", guarded.busiest);
    let bound = span(Duration::seconds(guard.reading().within_seconds as i64));
    let ratio = compared.median.num_milliseconds() as f64 / guarded.median.num_milliseconds() as f64;
    format!(
        "{campaigns:>9} {listed:>6} {page_size:>5} {limit:>5} {bound:>5} | {}     | {} | {ratio:>6.1}",
        guarded.line(),
        compared.line()
    )
}

/// Measures a midnight: a thousand end times fall due at once, while other campaigns reach the threshold.
fn midnight(page_size: usize) {
    let begins_at = at("2026-11-22T23:30:30Z");
    let midnight = at("2026-11-23T00:00:00Z");
    let scenario = Scenario {
        begins_at,
        crosses_in_ms: 1_000 * MINUTE_MS..2_000 * MINUTE_MS,
        endless: 40,
        endless_cross_in_ms: 30 * MINUTE_MS..45 * MINUTE_MS,
        ..scenario(1_000, page_size)
    };
    let mut guard = Guard::new(Outside::new(scenario), LIMIT, begins_at).unwrap();
    let is_late = |guard: &Guard, now| (0..1_000).any(|campaign| !guard.outside.remote.runs(now, campaign));
    let mut now = midnight + Duration::seconds(90);
    guard.run_until(now);
    let forecast = guard.running_again_by();
    while is_late(&guard, now) && now < midnight + Duration::hours(2) {
        now += Duration::seconds(1);
        guard.run_until(now);
    }
    let running_at = now;
    let outcome = if is_late(&guard, now) { "not all run again" } else { "all run again" };
    guard.run_until(now + Duration::minutes(5));
    let (remote, tracker) = (&guard.outside.remote, &guard.outside.tracker);
    assert!(remote.busiest_minute() <= LIMIT as usize, "{} requests in 60 s", remote.busiest_minute());
    let meanwhile = tracker.crossings().iter().filter(|crossing| midnight <= crossing.at && crossing.at < running_at);
    let mut delays: Vec<Duration> = meanwhile.map(|crossing| crossing.paused_after).collect();
    delays.sort();
    println!(
        "midnight, 1,000 end times due at once, pages of {page_size:>3}: {} by {} (forecast at 00:01:30: {}); \
         {} pauses fell due meanwhile: median {}, worst {}; busiest 60 s: {}",
        outcome,
        running_at.format("%H:%M:%S"),
        forecast.map_or_else(|| "nothing".to_owned(), |at| at.format("%H:%M:%S").to_string()),
        delays.len(),
        span(*delays.get(delays.len() / 2).unwrap()),
        span(*delays.last().unwrap()),
        remote.busiest_minute(),
    );
}
