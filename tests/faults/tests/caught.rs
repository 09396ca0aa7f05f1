//! Shows that the simulation finds faults. Each deliberate fault is switched on in turn and put through storms until a
//! checker finds something. `CAUGHT.md` records which: `RENEW=1 cargo test -p faulty` writes it, and
//! `FAULT=its-name cargo test -p faulty -- --nocapture` prints what is found about one fault.
#![allow(clippy::unwrap_used, reason = "a test that unwraps says which line failed")]
#![allow(missing_docs, reason = "the names of tests are sentences")]

// The simulation's files use the crate `traffic_generator`; here that is the copy with the faults.
extern crate faulty as traffic_generator;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use faulty::faults;
use faulty::list::{self, Fault};
use faulty::patch;

use self::model::budgets::FIRST_SEED as FIRST_SEED_WITH_BUDGETS;
use self::model::doubts::FIRST_SEED as FIRST_SEED_WITH_DOUBTS;
use self::model::storm::{self, Storm};

#[path = "../../simulation/check/mod.rs"]
#[allow(dead_code, reason = "the simulation's own tests use more of it")]
mod check;

include!(concat!(env!("OUT_DIR"), "/tests/simulation/world.rs"));

/// The seeds of the storms. A fault is put through the storm that caught it last time, then through these, until a
/// storm has a finding that it does not have without the fault.
const SEEDS: [RangeInclusive<u64>; 3] = [
    1..=200,
    FIRST_SEED_WITH_BUDGETS..=FIRST_SEED_WITH_BUDGETS + 1_199,
    FIRST_SEED_WITH_DOUBTS..=FIRST_SEED_WITH_DOUBTS + 2_999,
];
/// Storms with more campaigns take long and find nothing more.
const MOST_CAMPAIGNS: usize = 8;
const TABLE: &str = "CAUGHT.md";
const HEAD: &str = "\
# Which checker catches which fault

Each line is a deliberate fault (`src/list`), and the rule of RULES.md that it breaks: a number is a line of \"What must
hold always\". Then come the checkers of the simulation that found it, and the first seed whose storm showed it. `panic`
is an assertion of the guard or of the simulation itself. Without the fault the same storm has no finding at all.
`RENEW=1 cargo test -p faulty` writes this page.

| fault | what it does | breaks | caught by | seed |
| --- | --- | --- | --- | --- |
";

/// The result for one fault.
enum Outcome {
    Caught {
        by: Vec<String>,
        seed: u64,
        first: String,
    },
    /// No checker found it, though the faulty code ran `reached` times.
    Escaped {
        reached: u64,
    },
}

/// Returns the checkers that find something in a storm, and the first finding; `None` without findings.
fn findings(storm: Storm) -> Option<(Vec<String>, String)> {
    let violations = match panic::catch_unwind(AssertUnwindSafe(|| check::check(&storm::run(storm)))) {
        Ok(violations) => violations,
        Err(payload) => return Some((vec![format!("panic: {}", words(payload.as_ref()))], String::new())),
    };
    let first = violations.first()?;
    let first = format!("line {}: {}", first.line, first.text);
    let mut by: Vec<String> = violations.iter().map(|violation| violation.checker.to_string()).collect();
    by.sort();
    by.dedup();
    Some((by, first))
}

/// Returns a panic's message, in a form for a cell of the table.
fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("without words").replace(['|', '\n', ','], " ");
    text.chars().take(120).collect()
}

/// The storms that have a finding without any fault, by seed. Their findings prove nothing about a fault.
#[derive(Default)]
struct Clean(Mutex<BTreeMap<u64, bool>>);

impl Clean {
    fn is_clean(&self, seed: u64) -> bool {
        let known = self.0.lock().unwrap().get(&seed).copied();
        known.unwrap_or_else(|| {
            let clean = findings(Storm::of(seed)).is_none();
            self.0.lock().unwrap().insert(seed, clean);
            clean
        })
    }
}

fn try_to_catch(fault: &Fault, last_seed: Option<u64>, clean: &Clean) -> Outcome {
    let mut reached = 0;
    for seed in last_seed.into_iter().chain(SEEDS.into_iter().flatten()) {
        let storm = Storm::of(seed);
        if storm.campaigns > MOST_CAMPAIGNS {
            continue;
        }
        let on = faults::switch_on(fault.name);
        let found = findings(storm);
        reached += on.times_reached();
        drop(on);
        if let Some((by, first)) = found
            && clean.is_clean(seed)
        {
            return Outcome::Caught { by, seed, first };
        }
    }
    Outcome::Escaped { reached }
}

/// Tries all faults, on all cores. The result is in the order of the list.
fn try_all<'a>(all: &[&'a Fault], kept: &BTreeMap<String, Kept>) -> Vec<(&'a Fault, Outcome)> {
    // Panics under a fault are caught and recorded. Their messages would hide those of the test itself.
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |about| {
        if !faults::any_is_on() {
            usual(about);
        }
    }));
    let clean = Clean::default();
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(fault) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = try_to_catch(fault, kept.get(fault.name).map(|kept| kept.seed), &clean);
                    outcomes.lock().unwrap().insert(fault.name, outcome);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    all.iter().map(|fault| (*fault, outcomes.remove(fault.name).unwrap())).collect()
}

fn escaped(outcomes: &[(&Fault, Outcome)]) -> String {
    let mut text = String::new();
    for (fault, outcome) in outcomes {
        if let Outcome::Escaped { reached } = outcome {
            let Fault { name, what, .. } = fault;
            writeln!(text, "{name} ({what}): its code was reached {reached} times, and no checker found it").unwrap();
        }
    }
    text
}

fn table(outcomes: &[(&Fault, Outcome)]) -> String {
    let mut text = HEAD.to_owned();
    for (fault, outcome) in outcomes {
        if let Outcome::Caught { by, seed, .. } = outcome {
            let Fault { name, what, breaks, .. } = fault;
            writeln!(text, "| {name} | {what} | {breaks} | {} | {seed} |", by.join(", ")).unwrap();
        }
    }
    text
}

/// The table's row of a fault.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    by: String,
    seed: u64,
}

/// Reads the table: each fault, and what caught it.
fn rows(table: &str) -> BTreeMap<String, Kept> {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let (name, by) = (cells.next()?.to_owned(), cells.nth(2)?.to_owned());
        Some((name, Kept { by, seed: cells.next()?.parse().ok()? }))
    };
    table.lines().filter_map(row).collect()
}

#[test]
fn every_fault_is_caught_and_the_table_says_by_what() {
    let only = std::env::var("FAULT").ok();
    let all: Vec<_> = list::all().filter(|fault| only.as_ref().is_none_or(|only| fault.name == only)).collect();
    assert!(!all.is_empty(), "the list has no fault of that name");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    let renews = std::env::var("RENEW").is_ok();
    let kept = if renews { String::new() } else { std::fs::read_to_string(&path).unwrap_or_default() };
    let kept = rows(&kept);
    let outcomes = try_all(&all, &kept);
    let escaped = escaped(&outcomes);
    if renews && only.is_none() {
        std::fs::write(&path, table(&outcomes)).unwrap();
    }
    assert!(escaped.is_empty(), "not caught by seeds {SEEDS:?}:\n{escaped}");
    if only.is_some() {
        for (fault, outcome) in &outcomes {
            if let Outcome::Caught { by, seed, first } = outcome {
                println!("{}: seed {seed}, {}: {first}", fault.name, by.join(", "));
            }
        }
        return;
    }
    if renews {
        return;
    }
    let found_rows = rows(&table(&outcomes));
    let differ: Vec<_> = found_rows.iter().filter(|(name, row)| kept.get(*name) != Some(*row)).collect();
    assert!(
        differ.is_empty() && kept.len() == found_rows.len(),
        "{TABLE} is out of date: `RENEW=1 cargo test -p faulty` writes it. It differs in {differ:#?}"
    );
}

/// A checker that never finds a fault proves nothing.
#[test]
fn every_checker_has_caught_a_fault() {
    let caught = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE)).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulation/check");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let code: String = files.collect();
    let quoted = code.split('"').skip(1).step_by(2);
    let is_name = |text: &str| text.contains('-') && text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let names: BTreeSet<&str> = quoted.filter(|text| is_name(text)).collect();
    assert!(names.len() > 30, "{names:?}");
    let idle: Vec<&&str> = names.iter().filter(|name| !caught.contains(**name)).collect();
    assert!(idle.is_empty(), "these checkers catch no fault: add one for each to tests/faults/src/list: {idle:?}");
}

#[test]
fn a_fault_changes_the_log_and_leaves_no_trace_once_it_is_off() {
    let log = storm::run(Storm::of(1));
    let on = faults::switch_on("last-of-a-batch-forgotten");
    assert!(storm::run(Storm::of(1)) != log && on.times_reached() > 0);
    drop(on);
    assert!(storm::run(Storm::of(1)) == log);
}

#[test]
fn every_fault_has_a_name_of_its_own_and_differs_from_the_original() {
    let mut names: Vec<_> = list::all().map(|fault| fault.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 60, "{count} faults");
    for fault in list::all() {
        assert!(!fault.original.contains(&format!("«{}»", fault.faulty)), "{} changes nothing", fault.name);
    }
}

#[test]
fn a_fault_that_no_longer_fits_the_code_is_named() {
    let fault = |original, faulty| Fault { name: "slip", what: "", breaks: "", file: "a.rs", original, faulty };
    let code = "if a <= b { stop(); }\nif a <= c { stop(); }\n";
    let piece = "if (if faulty::faults::is_on(\"slip\") { a < b } else { a <= b }) {";
    let statement = "{ if faulty::faults::is_on(\"slip\") {  } else { stop(); } }";
    let overlapping = vec![fault("a <= b", "a < b"), fault("«<=» b", ">")];
    let cases = [
        ("a piece", vec![fault("«a <= b» {", "a < b")], Ok(piece)),
        ("a statement", vec![fault("b { «stop();»", "")], Ok(statement)),
        ("the text is gone", vec![fault("a == b", "")], Err("slip: `a == b` does not occur in a.rs")),
        ("the text occurs twice", vec![fault("stop();", "")], Err("slip: `stop();` occurs more than once in a.rs")),
        ("two faults in one place", overlapping, Err("slip: it overlaps another fault in a.rs")),
    ];
    for (name, faults, expected) in cases {
        match (patch::apply("a.rs", code, faults.iter()), expected) {
            (Ok(copy), Ok(piece)) => assert!(copy.contains(piece), "{name}: {copy}"),
            (Err(misfits), Err(sentence)) => assert_eq!(misfits, [sentence], "{name}"),
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
}
