//! Runs storms for a given time, on all cores: `cargo bench --bench storms -- --for 1h [--from SEED]`.
//!
//! Prints every seed that breaks a rule, the first one with its shortened log, and the number of campaign-years
//! simulated per minute. The rules and the storms are those of `tests/simulation`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark that unwraps says which line failed")]
#![allow(missing_docs, reason = "no code imports it")]

#[path = "../simulation/check/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests use more of it")]
mod check;
#[path = "../simulation/harness.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod harness;
#[path = "../simulation/model/mod.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod model;

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;

use self::harness::{Outcome, examine_many, shorten};

/// The time between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(60);

/// Simulates storms until the time is over, and prints the seeds that broke a rule.
#[derive(Debug, Parser)]
struct Arguments {
    /// How long to run, like 10m or 1h.
    #[arg(long = "for", value_parser = humantime::parse_duration, default_value = "1m")]
    lasts: Duration,
    /// The first seed; by default a new one, from the time.
    #[arg(long)]
    from: Option<u64>,
    /// `cargo bench` passes this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Default)]
struct Tally {
    seeds: u64,
    campaign_years: f64,
    findings: u64,
    printed_at: Option<Instant>,
}

impl Tally {
    fn line(&self, began: Instant) -> String {
        let minutes = began.elapsed().as_secs_f64() / 60.0;
        let Self { seeds, campaign_years, findings, .. } = self;
        let rate = campaign_years / minutes;
        format!(
            "{seeds} seeds, {campaign_years:.1} campaign-years, {rate:.2} a minute, {findings} findings after {minutes:.1} min"
        )
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let first = arguments.from.unwrap_or(since_epoch.as_millis() as u64 * 1_000);
    println!("Storms from seed {first} on, for {}.", humantime::format_duration(arguments.lasts));
    let began = Instant::now();
    let tally = Mutex::new(Tally::default());
    let count = |Outcome { campaign_time, found }| {
        let mut tally = tally.lock().unwrap();
        tally.seeds += 1;
        tally.campaign_years += campaign_time.as_seconds_f64() / (365.25 * 24.0 * 3_600.0);
        if let Some((seed, violation)) = found {
            tally.findings += 1;
            if tally.findings == 1 {
                println!("{}", shorten(seed, violation));
            } else {
                println!("seed {seed} breaks the rule `{}`: {}", violation.checker, violation.text);
            }
        }
        if tally.printed_at.is_none_or(|printed_at| printed_at.elapsed() > PROGRESS_EVERY) {
            tally.printed_at = Some(Instant::now());
            println!("{}", tally.line(began));
        }
    };
    examine_many((first..).take_while(|_| began.elapsed() < arguments.lasts), count);
    let tally = tally.into_inner().unwrap();
    println!("{}", tally.line(began));
    if tally.findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
