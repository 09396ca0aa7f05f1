//! The files of a room form no circles: no file needs a file that needs it. So a reader can begin with the files that
//! need no others.
//!
//! A path counts as a use of the file that defines its item, also where another module re-exports it. Deliberately
//! absent: uses that no path shows, such as a call of a method that another file defines.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::paths::Target;
use crate::source::{Source, program};

/// The modules that their own files use, and that use these files: the parent file holds the items that all of them
/// share. The files beside each other still form no circle. Add no module to this list.
const SHARE_WITH_THEIR_FILES: [&str; 12] = [
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

/// One file's use of another file.
struct Edge {
    /// The line of the first use.
    line: usize,
    /// The used file's module, where the using file is below it; else `None`.
    above: Option<String>,
}

/// For each file, by name: the files that it uses.
type Edges = BTreeMap<&'static str, BTreeMap<&'static str, Edge>>;

/// The files by their modules.
type Files = BTreeMap<Vec<&'static str>, &'static Source>;

/// Returns the file that defines the item: the file of the path's innermost module, or the file that this module
/// imports the item from. `None` for a module itself, since each use of its items is a path of its own.
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
            // A file that re-exports a name, and does not write it again, does not need it.
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

/// Returns the shortest circle through each file. A use of a module in `shared` by the files below it does not count.
fn circles(edges: &Edges, shared: &[&str]) -> BTreeSet<String> {
    let counts = |edge: &Edge| !edge.above.as_ref().is_some_and(|module| shared.contains(&module.as_str()));
    let back_to = |start: &&'static str| {
        let (mut seen, mut ways) = (BTreeSet::new(), vec![vec![*start]]);
        while !ways.is_empty() {
            let mut longer = Vec::new();
            for way in ways {
                for (next, _) in edges[way[way.len() - 1]].iter().filter(|(_, edge)| counts(edge)) {
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
    // Each file of a circle finds the same circle. It is printed from the file whose name is first.
    let printed = |mut way: Vec<&'static str>| {
        way.pop();
        let first = (0..way.len()).min_by_key(|at| way[*at]).unwrap();
        way.rotate_left(first);
        let steps = way.iter().zip(way.iter().cycle().skip(1));
        let steps = steps.map(|(from, to)| format!("{from}:{} uses {to}", edges[from][to].line));
        steps.collect::<Vec<_>>().join("\n  ")
    };
    edges.keys().filter_map(back_to).map(printed).collect()
}

#[test]
fn no_room_has_a_circle_of_files() {
    let edges = edges();
    assert_none(
        circles(&edges, &SHARE_WITH_THEIR_FILES),
        "these files of one room need each other: move the items that both need into a new file that needs neither",
    );
    for module in SHARE_WITH_THEIR_FILES {
        let others: Vec<&str> = SHARE_WITH_THEIR_FILES.into_iter().filter(|other| *other != module).collect();
        assert!(
            !circles(&edges, &others).is_empty(),
            "{module} forms no circle with its files: delete it from SHARE_WITH_THEIR_FILES in tests/house/circles.rs"
        );
    }
}
