//! No file needs a file that needs it in turn: the files of a room can be read from the ground up.
//!
//! A path leads to the file that defines its item, whatever module hands that on. Deliberately absent: what no path shows,
//! such as a method that one file defines and another one calls.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::paths::Target;
use crate::source::{Source, program};

/// The modules whose files lean on them and are called by them: what all of them work on stands in the file above. Files
/// beside each other still form no circle. A new module does without.
const LEANED_ON: [&str; 12] = [
    "actors::campaign",
    "actors::database",
    "actors::supervisor",
    "cli",
    "cli::top",
    "config",
    "control",
    "control::server",
    "daemon",
    "domain::explain",
    "domain::machine",
    "trafficstar::client",
];

/// That one file uses another one.
struct Edge {
    /// Where it does so first.
    line: usize,
    /// The other's module, where the one is below it.
    above: Option<String>,
}

/// By name: which files each file uses.
type Edges = BTreeMap<&'static str, BTreeMap<&'static str, Edge>>;

/// The files by their modules.
type Files = BTreeMap<Vec<&'static str>, &'static Source>;

/// The file that defines the item: the innermost module of the path, or what that has it from. Nothing for a module
/// itself: what is used of it is a path of its own.
fn home(files: &Files, path: &[String]) -> Option<&'static Source> {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    if files.contains_key(words.as_slice()) {
        return None;
    }
    let length = (1..words.len()).rev().find(|length| files.contains_key(&words[..*length]))?;
    let file = files[&words[..length]];
    let imported = file.used().iter().find(|used| used.name.as_deref() == Some(words[length]));
    match imported.map(|used| &used.target) {
        Some(Target::Here(path)) => home(files, path),
        Some(Target::Library(_)) => None,
        None => Some(file),
    }
}

fn edges() -> Edges {
    let files: Files = program().map(|source| (source.module(), source)).collect();
    let mut edges = Edges::new();
    for source in program() {
        let used_here = edges.entry(source.file.as_str()).or_default();
        for used in source.used() {
            let Some(path) = used.here() else { continue };
            let handed_on = used.name.as_ref().filter(|_| used.passed_on);
            // Who hands a name on, and does not write it again, needs nothing of it.
            if handed_on.is_some_and(|name| source.tokens.iter().filter(|token| token.text == *name).count() == 1) {
                continue;
            }
            let Some(other) = home(&files, path).filter(|other| other.file != source.file) else { continue };
            let above = source.module().starts_with(&other.module()).then(|| other.module().join("::"));
            used_here.entry(other.file.as_str()).or_insert(Edge { line: used.line, above });
        }
    }
    edges
}

/// The shortest way from each file back to it. To the listed modules no way leads up.
fn circles(edges: &Edges, leaned_on: &[&str]) -> BTreeSet<String> {
    let leads_on = |edge: &Edge| !edge.above.as_ref().is_some_and(|module| leaned_on.contains(&module.as_str()));
    let back_to = |start: &&'static str| {
        let (mut seen, mut ways) = (BTreeSet::new(), vec![vec![*start]]);
        while !ways.is_empty() {
            let mut longer = Vec::new();
            for way in ways {
                for (next, _) in edges[way[way.len() - 1]].iter().filter(|(_, edge)| leads_on(edge)) {
                    let way = [way.as_slice(), &[*next]].concat();
                    if next == start {
                        return Some(way);
                    }
                    if seen.insert(*next) {
                        longer.push(way);
                    }
                }
            }
            ways = longer;
        }
        None
    };
    // Each of its files finds the same circle: it is told from the first one on.
    let told = |mut way: Vec<&'static str>| {
        way.pop();
        let first = (0..way.len()).min_by_key(|at| way[*at]).unwrap();
        way.rotate_left(first);
        let steps = way.iter().zip(way.iter().cycle().skip(1));
        let steps = steps.map(|(from, to)| format!("{from}:{} uses {to}", edges[from][to].line));
        steps.collect::<Vec<_>>().join("\n  ")
    };
    edges.keys().filter_map(back_to).map(told).collect()
}

#[test]
fn no_room_has_a_circle_of_files() {
    let edges = edges();
    assert_none(circles(&edges, &LEANED_ON), "move what both need into a file of its own, below both");
    for module in LEANED_ON {
        let others: Vec<&str> = LEANED_ON.into_iter().filter(|other| *other != module).collect();
        assert!(!circles(&edges, &others).is_empty(), "{module} has no circle with its files: delete it above");
    }
}
