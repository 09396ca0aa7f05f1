//! Puts every input of `corpus` through its target: as it is, cut off, and damaged in ways that are the same in each
//! run. Inputs that libFuzzer found to break a rule are kept there, so that the rule stays kept.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a broken rule is a panic"
)]

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hostile::{answers, clients, config, connections, exchanges, requests, rows, values};

/// The longest time for one input.
const LONGEST: Duration = Duration::from_secs(5);

type Target = (&'static str, fn(&[u8]), usize);

/// Each target, and how many damaged forms of each input it gets. Some targets need a millisecond for one.
const TARGETS: [Target; 8] = [
    ("answers", answers::check, 400),
    ("clients", clients::check, 4),
    ("config", config::check, 100),
    ("connections", connections::check, 20),
    ("exchanges", exchanges::check, 1),
    ("requests", requests::check, 20),
    ("rows", rows::check, 12),
    ("values", values::check, 400),
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Returns the inputs of a target, by name.
fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = folder("corpus").join(target);
    names(&folder).into_iter().map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}

/// Returns the bytes cut off or damaged in the `number`th of `count` ways. Half of the ways cut, at places spread over
/// all bytes.
fn damaged(bytes: &[u8], number: usize, count: usize) -> Vec<u8> {
    const INSERTED: [&[u8]; 12] =
        [b"\0", b"\xff", b"\"", b"{", b"}", b"-", b"9", b"9223372036854775808", b"1e999", b"\n", b"\r\n\r\n", b" "];
    let mut bytes = bytes.to_vec();
    let place = bytes.len() * (number / 2 * 2 + 1) / (count + 1);
    if number.is_multiple_of(2) {
        bytes.truncate(place);
    } else {
        let kind = number / 2;
        let removed = place..(place + kind % 3).min(bytes.len());
        bytes.splice(removed, INSERTED[kind % INSERTED.len()].iter().copied());
    }
    bytes
}

/// Puts one input through a target. A broken rule is reported with the bytes that broke it.
fn run((name, check, _): Target, input: &str, bytes: &[u8]) {
    let start = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| check(bytes)));
    assert!(done.is_ok(), "{name}: a rule is broken by {input}: {:?}", String::from_utf8_lossy(bytes));
    assert!(start.elapsed() < LONGEST, "{name}: {input} took {:?}: {bytes:?}", start.elapsed());
}

fn run_corpus(name: &str) {
    let target = TARGETS.into_iter().find(|(known, ..)| *known == name).expect("a target");
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    for (input, bytes) in &corpus {
        run(target, input, bytes);
        // A short input gets fewer damaged forms: twice as many as it has bytes.
        let count = target.2.min(bytes.len() * 2);
        (0..count).for_each(|number| run(target, &format!("{input}, damaged"), &damaged(bytes, number, count)));
    }
}

#[test]
fn every_target_has_a_binary_and_a_corpus_and_there_are_no_others() {
    let known: Vec<String> = TARGETS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let binaries: Vec<String> =
        names(&folder("fuzz_targets")).iter().map(|file| file.strip_suffix(".rs").unwrap().to_owned()).collect();
    assert_eq!(binaries, known);
    assert_eq!(names(&folder("corpus")), known);
}

#[test]
fn all_that_is_read_from_an_answer_is_in_it() {
    run_corpus("answers");
}

#[test]
fn amounts_and_end_times_are_exact_or_refused() {
    run_corpus("values");
}

#[test]
fn every_exchange_with_trafficstars_ends_and_shows_no_secret() {
    run_corpus("exchanges");
}

#[test]
fn config_values_are_within_their_bounds_or_each_problem_is_named() {
    run_corpus("config");
}

#[test]
fn damaged_rows_of_one_campaign_change_no_other_campaign() {
    run_corpus("rows");
}

#[test]
fn every_request_to_the_control_api_gets_a_documented_answer() {
    run_corpus("requests");
}

#[test]
fn after_any_bytes_of_a_client_the_next_client_gets_an_answer() {
    run_corpus("connections");
}

#[test]
fn a_command_ends_with_any_answer_on_the_socket() {
    run_corpus("clients");
}
