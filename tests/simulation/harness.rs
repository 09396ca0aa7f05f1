//! Runs storms on all cores and describes what they found: the seed, the broken rule, and the log, shortened to the
//! lines that matter.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use chrono::Duration;

use crate::check::{self, Violation};
use crate::model::log::{Line, What};
use crate::model::storm::{self, Storm};

/// How many lines before the violation are printed.
const PRINTED_LINES: usize = 60;
/// How long a finding is shortened by leaving out troubles.
const SHORTENED_FOR: std::time::Duration = std::time::Duration::from_secs(20);

/// A rule that was broken in a run, and the shortest run that breaks it.
#[derive(Debug)]
pub(crate) struct Finding {
    seed: u64,
    violation: Violation,
    /// The troubles that are needed to break the rule.
    troubles: Vec<String>,
    lines: Vec<Line>,
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The virtual time in which campaigns were guarded, summed over all of them.
    pub(crate) campaign_time: Duration,
    /// The seed, and the first rule that it broke.
    pub(crate) found: Option<(u64, Violation)>,
}

/// Runs one storm and checks every rule.
pub(crate) fn examine(seed: u64) -> Outcome {
    let (violation, lines) = run(Storm::of(seed));
    Outcome { campaign_time: campaign_time(&lines), found: violation.map(|violation| (seed, violation)) }
}

/// Returns the first rule that a storm breaks, and its log. A panic of the guard counts as a violation, without a log.
fn run(storm: Storm) -> (Option<Violation>, Vec<Line>) {
    let run = || {
        let lines = storm::run(storm);
        (check::check(&lines).into_iter().next(), lines)
    };
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("without a message").to_owned();
        (Some(Violation { checker: "panic", line: 0, text }), Vec::new())
    })
}

/// Runs these seeds on all cores, and reports each outcome, in any order.
pub(crate) fn examine_many(seeds: impl Iterator<Item = u64> + Send, report: impl Fn(Outcome) + Sync) {
    let seeds = Mutex::new(seeds);
    let next = || seeds.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = next() {
                    report(examine(seed));
                }
            });
        }
    });
}

/// Returns what these seeds found, in their order.
pub(crate) fn found_by(seeds: impl Iterator<Item = u64> + Send) -> Vec<(u64, Violation)> {
    let found = Mutex::new(Vec::new());
    let report = |outcome: Outcome| found.lock().unwrap_or_else(PoisonError::into_inner).extend(outcome.found);
    examine_many(seeds, report);
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(seed, _)| *seed);
    found
}

fn campaign_time(lines: &[Line]) -> Duration {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Duration::zero() };
    let campaigns = if let What::Begins { rows, .. } = &first.what { rows.len() } else { 0 };
    last.at.signed_duration_since(first.at) * i32::try_from(campaigns).unwrap_or(i32::MAX)
}

/// Leaves out troubles, as long as the same rule is broken.
pub(crate) fn shorten(seed: u64, violation: Violation) -> Finding {
    let checker = violation.checker;
    let breaks_it = |kept: &[usize]| {
        // A shortened run may break another rule instead.
        let (found, lines) = run(Storm::of(seed).with_troubles(kept));
        found.filter(|found| found.checker == checker).map(|found| (found, lines))
    };
    let mut kept: Vec<usize> = (0..Storm::of(seed).count_troubles()).collect();
    let mut found = breaks_it(&kept);
    let (began, mut part) = (Instant::now(), kept.len().div_ceil(2));
    while part > 0 && began.elapsed() < SHORTENED_FOR {
        let mut from = 0;
        while from < kept.len() && began.elapsed() < SHORTENED_FOR {
            let fewer: Vec<usize> = kept.iter().take(from).chain(kept.iter().skip(from + part)).copied().collect();
            if let Some(still) = breaks_it(&fewer) {
                (kept, found) = (fewer, Some(still));
            } else {
                from += part;
            }
        }
        part /= 2;
    }
    let troubles = Storm::of(seed).with_troubles(&kept).describe_troubles();
    let (violation, lines) = found.unwrap_or((violation, Vec::new()));
    Finding { seed, violation, troubles, lines }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { checker, line, text } = &self.violation;
        writeln!(f, "seed {} breaks the rule `{checker}`: {text}", self.seed)?;
        writeln!(
            f,
            "run it again: SIMULATION_SEED={} cargo test --test simulation one_seed -- --nocapture",
            self.seed
        )?;
        writeln!(f, "\nwithout these troubles the rule would not be broken:")?;
        self.troubles.iter().try_for_each(|trouble| writeln!(f, "  {trouble}"))?;
        writeln!(f, "\nwhat happened to the campaign, up to the line that breaks the rule:")?;
        let about: Vec<usize> = self.lines.get(*line).map(|line| line.what.campaigns()).unwrap_or_default();
        let before = self.lines.iter().take(line + 1).filter(|line| concerns(line, &about));
        let mut before: Vec<&Line> = before.collect();
        before.dedup_by(|later, earlier| later.what == earlier.what);
        before.iter().skip(before.len().saturating_sub(PRINTED_LINES)).try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Whether a line is about these campaigns. Lines about no campaign count, except for requests.
fn concerns(line: &Line, about: &[usize]) -> bool {
    let of = line.what.campaigns();
    if of.is_empty() {
        return !matches!(
            line.what,
            What::Left { .. } | What::Arrived { .. } | What::Ended { .. } | What::Queued { .. }
        );
    }
    about.is_empty() || of.iter().any(|campaign| about.contains(campaign))
}
