//! Who may import whom, and which library is in which room: the table in `src/lib.rs` is the law.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::paths::children;
use crate::source::{Source, in_backticks, is_below, lines_with, program, read, room};

/// The rooms that a room may import; nothing where it may import every one.
type Row = Option<BTreeSet<String>>;

/// A section of the docs of `src/lib.rs`.
fn section(heading: &str) -> String {
    let text = read("src/lib.rs");
    let (_, section) = text.split_once(&format!("//! # {heading}\n")).expect("the heading");
    section.split("\n//! #").next().unwrap_or_default().to_owned()
}

/// The table of `src/lib.rs`: `room | may import | why`.
fn table() -> BTreeMap<String, Row> {
    let words = |cell: &str| in_backticks(cell).map(str::to_owned).collect::<BTreeSet<_>>();
    let mut rows = BTreeMap::new();
    for line in section("Who may import whom").lines().filter_map(|line| line.strip_prefix("//! | ")).skip(2) {
        let cells: Vec<&str> = line.trim_end_matches('|').split(" | ").map(str::trim).collect();
        let allowed = (cells[1] != "everything").then(|| words(cells[1]));
        assert_eq!(allowed.as_ref().is_some_and(BTreeSet::is_empty), cells[1] == "nobody", "{line}");
        for room in words(cells[0]) {
            assert!(rows.insert(room.clone(), allowed.clone()).is_none(), "{room} has two rows");
        }
    }
    rows
}

/// The innermost room around an item.
fn room_of(rooms: &BTreeMap<String, Row>, path: &[impl AsRef<str>]) -> Option<String> {
    let words: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
    (1..=words.len()).rev().map(|length| words[..length].join("::")).find(|room| rooms.contains_key(room))
}

/// The files of rooms, each with its room; the crate's root and `main` have none.
fn housed(rooms: &BTreeMap<String, Row>) -> Vec<(&'static Source, String)> {
    let inside = program().filter(|source| !source.module().is_empty());
    let housed = inside.map(|source| {
        let room = room_of(rooms, &source.module());
        (source, room.unwrap_or_else(|| panic!("{} is in no room of src/lib.rs", source.file)))
    });
    housed.collect()
}

/// Which room's file uses which other room's items, and where: `(from, to, place, passed on)`.
fn edges(rooms: &BTreeMap<String, Row>) -> Vec<(String, String, String, bool)> {
    let mut edges = Vec::new();
    for (source, from) in housed(rooms) {
        for used in source.used() {
            let Some(path) = used.here() else { continue };
            let place = format!("{}:{}: {}", source.file, used.line, path.join("::"));
            let to =
                room_of(rooms, path).unwrap_or_else(|| panic!("{place}: name the room, so that this test sees it"));
            if to != from {
                edges.push((from.clone(), to, place, used.passed_on));
            }
        }
    }
    edges
}

#[test]
fn each_room_imports_only_the_rooms_that_it_may() {
    let rooms = table();
    let forbidden = edges(&rooms)
        .into_iter()
        .filter(|(from, to, ..)| rooms[from].as_ref().is_some_and(|allowed| !allowed.contains(to)));
    assert_none(forbidden.map(|(from, to, place, _)| format!("{place}: {from} may not import {to}")), "see src/lib.rs");
}

#[test]
fn the_table_permits_nothing_that_nobody_needs() {
    let rooms = table();
    let needed: BTreeSet<(String, String)> = edges(&rooms).into_iter().map(|(from, to, ..)| (from, to)).collect();
    let permitted = rooms.iter().flat_map(|(room, row)| row.iter().flatten().map(move |to| (room.clone(), to.clone())));
    let dead = permitted.filter(|edge| !needed.contains(edge));
    assert_none(dead.map(|(from, to)| format!("{from} imports nothing of {to}")), "delete it in src/lib.rs");
    let inhabited: BTreeSet<String> = housed(&rooms).into_iter().map(|(_, room)| room).collect();
    assert_eq!(rooms.into_keys().collect::<BTreeSet<_>>(), inhabited, "a room without a file");
}

/// Otherwise whoever may import the one would have the other as well. What a module declares itself is its own.
#[test]
fn no_room_hands_on_what_another_room_has() {
    let rooms = table();
    let handed_on = edges(&rooms)
        .into_iter()
        .filter(|(from, to, _, passed_on)| *passed_on && !to.starts_with(&format!("{from}::")));
    assert_none(handed_on.map(|(_, _, place, _)| place), "import it where it is used");
}

#[test]
fn every_room_is_on_the_map_and_the_crate_has_no_other() {
    let map = section("The map of the house");
    let first_cells = map.lines().filter_map(|line| line.strip_prefix("//! | ")?.split(" | ").next());
    let drawn: BTreeSet<&str> = first_cells.flat_map(in_backticks).collect();
    let root = program().find(|source| source.file == "src/lib.rs").unwrap();
    assert_eq!(drawn, children(root), "the map on the left, the modules of the crate on the right");
    let code = root.tokens.iter().find(|token| ["fn", "use", "macro_rules", "{"].contains(&token.text.as_str()));
    assert_eq!(code, None, "src/lib.rs has code");
}

/// `super` and a name mean what these tests take them for only in files whose modules are files, and without globs.
#[test]
fn modules_are_files_and_nothing_is_imported_wholesale() {
    for source in program() {
        let inline = lines_with(&source.tokens, &["mod", "…", "{"]);
        assert!(inline.is_empty(), "{}:{inline:?}: make the module a file of its own", source.file);
        let globs: BTreeSet<usize> = lines_with(&source.tokens, &["…", "::", "*"]).into_iter().collect();
        let preludes: BTreeSet<usize> = lines_with(&source.tokens, &["prelude", "::", "*"]).into_iter().collect();
        assert_eq!(globs, preludes, "{}: name what is imported, a library's prelude excepted", source.file);
    }
}

/// A library that some rooms alone may use, and why.
const ONLY_IN: [(&str, &[&str]); 12] = [
    ("actix", &["actors", "daemon"]),
    ("axum", &["control::server"]),
    ("clap", &["cli"]),
    ("diesel", &["store"]),
    ("hyper", &["control::server"]),
    ("nix", &["operator"]),
    ("prometheus_client", &["metrics"]),
    ("ratatui", &["cli"]),
    ("reqwest", &["trafficstar", "control::client"]),
    ("rustls", &["store::postgres", "tls"]),
    ("tokio_postgres", &["store::postgres"]),
    ("utoipa", &["control", "domain"]),
];

#[test]
fn each_library_stays_in_its_room_and_is_needed_there() {
    let mut needed = BTreeSet::new();
    for source in program() {
        let module = source.module().join("::");
        for used in source.used() {
            let Some(path) = used.in_library() else { continue };
            let Some((library, rooms)) = ONLY_IN.iter().find(|(library, _)| *library == path[0]) else { continue };
            let room = rooms.iter().find(|room| is_below(&module, room));
            let room = room
                .unwrap_or_else(|| panic!("{}:{} uses {library}, which belongs to {rooms:?}", source.file, used.line));
            needed.insert((*library, *room));
        }
    }
    let permitted = ONLY_IN.iter().flat_map(|(library, rooms)| rooms.iter().map(move |room| (*library, *room)));
    assert_eq!(needed, permitted.collect(), "a room that needs its library no more");
}

#[test]
fn main_knows_the_commands_alone() {
    let main = program().find(|source| source.file == "src/main.rs").unwrap();
    let here = main.used().iter().filter_map(|used| Some(used.here()?.join("::")));
    assert_eq!(here.collect::<Vec<_>>(), ["cli::main"]);
}

/// The board is the way out of the actors, and no way back.
#[test]
fn actors_never_read_the_board() {
    let may_call = |name: &str| {
        name.starts_with("publish_") || ["amend_actor", "clone", "metrics", "retain_campaigns", "tell"].contains(&name)
    };
    for source in room("actors") {
        for call in source.tokens.windows(3).filter(|call| call[0].text == "board" && call[1].text == ".") {
            assert!(may_call(&call[2].text), "{}:{}: board.{}", source.file, call[2].line, call[2].text);
        }
    }
}
