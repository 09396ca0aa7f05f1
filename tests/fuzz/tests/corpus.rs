//! Every input of `corpus` through its target, as it is, cut off, and damaged in ways that do not change from run to run.
//! What libFuzzer finds is kept there, so that it is never met again.

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

/// No input is so much work.
const LONGEST: Duration = Duration::from_secs(5);

type Target = (&'static str, fn(&[u8]), usize);

/// Each target, and how many damaged inputs are made of each of its corpus's: some targets take a millisecond for one.
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

/// The inputs of a target, by name.
fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = folder("corpus").join(target);
    names(&folder).into_iter().map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}

/// The same bytes cut off or damaged, the `number`th of `count` ways: half of them are cut, at places spread over all.
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

/// One broken rule is named with the bytes that broke it.
fn meet((name, check, _): Target, input: &str, bytes: &[u8]) {
    let start = Instant::now();
    let met = catch_unwind(AssertUnwindSafe(|| check(bytes)));
    assert!(met.is_ok(), "{name}: a rule is broken by {input}: {:?}", String::from_utf8_lossy(bytes));
    assert!(start.elapsed() < LONGEST, "{name}: {input} took {:?}: {bytes:?}", start.elapsed());
}

fn meet_all(name: &str) {
    let target = TARGETS.into_iter().find(|(known, ..)| *known == name).expect("a target");
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    for (input, bytes) in &corpus {
        meet(target, input, bytes);
        // Every way for a short one, and no more than a long one has bytes.
        let count = target.2.min(bytes.len() * 2);
        (0..count).for_each(|number| meet(target, &format!("{input}, damaged"), &damaged(bytes, number, count)));
    }
}

#[test]
fn every_target_is_here_has_a_binary_and_a_corpus_and_there_is_no_other() {
    let known: Vec<String> = TARGETS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let binaries: Vec<String> =
        names(&folder("fuzz_targets")).iter().map(|file| file.strip_suffix(".rs").unwrap().to_owned()).collect();
    assert_eq!(binaries, known);
    assert_eq!(names(&folder("corpus")), known);
}

#[test]
fn nothing_that_trafficstars_answers_makes_anything_up() {
    meet_all("answers");
}

#[test]
fn amounts_and_end_times_are_exact_or_refused() {
    meet_all("values");
}

#[test]
fn whatever_trafficstars_server_sends_a_question_ends_and_no_secret_is_shown() {
    meet_all("exchanges");
}

#[test]
fn a_config_file_is_within_its_bounds_or_each_problem_is_named() {
    meet_all("config");
}

#[test]
fn one_campaigns_rows_spoil_no_others() {
    meet_all("rows");
}

#[test]
fn whatever_is_asked_of_the_control_api_a_documented_answer_comes() {
    meet_all("requests");
}

#[test]
fn whatever_a_client_sends_the_next_one_is_served() {
    meet_all("connections");
}

#[test]
fn whatever_answers_on_the_socket_a_command_ends() {
    meet_all("clients");
}
