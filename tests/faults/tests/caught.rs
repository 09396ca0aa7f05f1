//! Does the simulation catch anything? Each deliberate fault in turn is switched on and put through storms, until a
//! checker finds something. `CAUGHT.md` keeps what caught it: `RENEW=1 cargo test -p faulty` writes it anew, and
//! `FAULT=its-name cargo test -p faulty -- --nocapture` shows what is found about one.
#![allow(clippy::unwrap_used, reason = "a test that unwraps says which line failed")]
#![allow(missing_docs, reason = "the names of tests are sentences")]

// The simulation's files speak of `traffic_generator`; here that is the copy with the faults in it.
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

use self::model::doubts::FIRST_SEED as FIRST_SEED_WITH_DOUBTS;
use self::model::storm::{self, Storm};

#[path = "../../simulation/check/mod.rs"]
#[allow(dead_code, reason = "the simulation's own tests use more of it")]
mod check;

include!(concat!(env!("OUT_DIR"), "/tests/simulation/world.rs"));

/// A fault is put through the storm that caught it last time, then through those of these seeds, until something is found
/// that the same storm does not have without it.
const SEEDS: [RangeInclusive<u64>; 2] = [1..=200, FIRST_SEED_WITH_DOUBTS..=FIRST_SEED_WITH_DOUBTS + 1_099];
/// Storms over more campaigns than this take long and show nothing else.
const MOST_CAMPAIGNS: usize = 8;
const TABLE: &str = "CAUGHT.md";
const HEAD: &str = "\
# What catches which fault

Each line is a deliberate fault (`src/list`), the rule of RULES.md that it breaks (a number is a line of \"What must
hold always\"), the checkers of the simulation that found something, and the first seed in whose storm they did; `panic`
is an assertion of the guard or of the simulation itself. Without the fault the same storm has no finding at all.
Written by `RENEW=1 cargo test -p faulty`.

| fault | what it does | breaks | caught by | seed |
| --- | --- | --- | --- | --- |
";

/// What became of one fault.
enum Outcome {
    Caught {
        by: Vec<String>,
        seed: u64,
        first: String,
    },
    /// Nobody noticed, though the faulty code was reached so many times.
    Escaped {
        reached: u64,
    },
}

/// The checkers that find something in the storm of a seed, and the first finding.
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

/// What a panic says, fit for a cell of the table.
fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("without words").replace(['|', '\n', ','], " ");
    text.chars().take(120).collect()
}

/// Which storms have a finding without any fault: what is found in them says nothing about one.
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

/// All of them, on all cores, in the list's order.
fn try_all<'a>(all: &[&'a Fault], kept: &BTreeMap<String, Kept>) -> Vec<(&'a Fault, Outcome)> {
    // What panics under a fault is caught and kept; its message would only hide the others.
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
            writeln!(text, "{name} ({what}): its code was reached {reached} times, and nobody noticed").unwrap();
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

/// What the table says of a fault.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    by: String,
    seed: u64,
}

/// Each fault of the table with what caught it.
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
    assert!(!all.is_empty(), "there is no such fault");
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
        "{TABLE} says otherwise; `RENEW=1 cargo test -p faulty` writes it anew. It differs in {differ:#?}"
    );
}

/// A checker that no fault has shown to find anything proves nothing.
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
    assert!(idle.is_empty(), "plant a fault for each of {idle:?}");
}

#[test]
fn a_fault_changes_the_story_and_leaves_no_trace_when_it_is_off_again() {
    let story = storm::run(Storm::of(1));
    let on = faults::switch_on("last-of-a-batch-forgotten");
    assert!(storm::run(Storm::of(1)) != story && on.times_reached() > 0);
    drop(on);
    assert!(storm::run(Storm::of(1)) == story);
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
        assert!(!fault.original.contains(&format!("«{}»", fault.faulty)), "{} is no fault", fault.name);
    }
}

#[test]
fn a_fault_that_does_not_fit_the_code_any_more_is_named() {
    let fault = |original, faulty| Fault { name: "slip", what: "", breaks: "", file: "a.rs", original, faulty };
    let code = "if a <= b { stop(); }\nif a <= c { stop(); }\n";
    let piece = "if (if faulty::faults::is_on(\"slip\") { a < b } else { a <= b }) {";
    let statement = "{ if faulty::faults::is_on(\"slip\") {  } else { stop(); } }";
    let overlapping = vec![fault("a <= b", "a < b"), fault("«<=» b", ">")];
    let cases = [
        ("a piece", vec![fault("«a <= b» {", "a < b")], Ok(piece)),
        ("a statement", vec![fault("b { «stop();»", "")], Ok(statement)),
        ("nothing of it is left", vec![fault("a == b", "")], Err("slip: `a == b` is nowhere in a.rs")),
        ("it is there twice", vec![fault("stop();", "")], Err("slip: `stop();` is there more than once in a.rs")),
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
