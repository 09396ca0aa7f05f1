//! The imports between rooms, and the rooms of each library, as the tables in `src/lib.rs` and below permit them.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::paths::children;
use crate::source::{Source, in_backticks, is_below, lines_with, program, read, room};

/// The rooms that a room may import; `None` where it may import all.
type Row = Option<BTreeSet<String>>;

/// Returns a section of the docs of `src/lib.rs`.
fn section(heading: &str) -> String {
    let text = read("src/lib.rs");
    let (_, section) = text.split_once(&format!("//! # {heading}\n")).unwrap_or_else(|| {
        panic!("src/lib.rs has no section `{heading}`: this test reads the map and the table of imports there")
    });
    section.split("\n//! #").next().unwrap_or_default().to_owned()
}

/// Reads the table of `src/lib.rs`: `room | may import`.
fn table() -> BTreeMap<String, Row> {
    let words = |cell: &str| in_backticks(cell).map(str::to_owned).collect::<BTreeSet<_>>();
    let mut rows = BTreeMap::new();
    for line in section("Who may import whom").lines().filter_map(|line| line.strip_prefix("//! | ")).skip(2) {
        let cells: Vec<&str> = line.trim_end_matches('|').split(" | ").map(str::trim).collect();
        let allowed = (cells[1] != "everything").then(|| words(cells[1]));
        assert_eq!(
            allowed.as_ref().is_some_and(BTreeSet::is_empty),
            cells[1] == "nothing",
            "src/lib.rs: write the rooms in backticks, or `nothing`: {line}"
        );
        for room in words(cells[0]) {
            let before = rows.insert(room.clone(), allowed.clone());
            assert!(before.is_none(), "{room} has two rows in the table of src/lib.rs: merge them");
        }
    }
    rows
}

/// Returns the innermost room around an item.
fn room_of(rooms: &BTreeMap<String, Row>, path: &[impl AsRef<str>]) -> Option<String> {
    let words: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
    (1..=words.len()).rev().map(|length| words[..length].join("::")).find(|room| rooms.contains_key(room))
}

/// Returns the files of rooms, each with its room. The crate's root and `main` have no room.
fn housed(rooms: &BTreeMap<String, Row>) -> Vec<(&'static Source, String)> {
    let inside = program().filter(|source| !source.module().is_empty());
    let housed = inside.map(|source| {
        let room = room_of(rooms, &source.module());
        let advice = "add a row for its room to the table of imports there, or move the file into a room";
        (source, room.unwrap_or_else(|| panic!("{} is in no room of src/lib.rs: {advice}", source.file)))
    });
    housed.collect()
}

/// Returns each use of another room's items: `(from, to, place, re-exported)`.
fn edges(rooms: &BTreeMap<String, Row>) -> Vec<(String, String, String, bool)> {
    let mut edges = Vec::new();
    for (source, from) in housed(rooms) {
        for used in source.used() {
            let Some(path) = used.here() else { continue };
            let place = format!("{}:{}: {}", source.file, used.line, path.join("::"));
            let advice = "write the path with its room, so that this test sees it";
            let to = room_of(rooms, path).unwrap_or_else(|| panic!("{place}: {advice}"));
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
    assert_none(
        forbidden.map(|(from, to, place, _)| format!("{place}: {from} may not import {to}")),
        "the table of imports in src/lib.rs does not permit this. Move the code to a room that may import both, or \
         pass the value in as an argument. The map in src/lib.rs says what is in each room",
    );
}

#[test]
fn the_table_permits_no_import_that_no_file_has() {
    let rooms = table();
    let needed: BTreeSet<(String, String)> = edges(&rooms).into_iter().map(|(from, to, ..)| (from, to)).collect();
    let permitted = rooms.iter().flat_map(|(room, row)| row.iter().flatten().map(move |to| (room.clone(), to.clone())));
    let dead = permitted.filter(|edge| !needed.contains(edge));
    assert_none(
        dead.map(|(from, to)| format!("{from} imports nothing of {to}")),
        "no file needs this permission: delete it from the table of imports in src/lib.rs",
    );
    let inhabited: BTreeSet<String> = housed(&rooms).into_iter().map(|(_, room)| room).collect();
    assert_eq!(
        rooms.into_keys().collect::<BTreeSet<_>>(),
        inhabited,
        "left, the rooms of the table of src/lib.rs; right, those with a file: delete a row without files"
    );
}

/// With a re-export, every room that may import the one would get the other as well. A module may re-export its
/// children.
#[test]
fn no_room_reexports_the_items_of_another_room() {
    let rooms = table();
    let handed_on = edges(&rooms)
        .into_iter()
        .filter(|(from, to, _, passed_on)| *passed_on && !to.starts_with(&format!("{from}::")));
    assert_none(
        handed_on.map(|(_, _, place, _)| place),
        "a room may not re-export another room's items: delete the `pub`, and import the item where it is used",
    );
}

#[test]
fn every_room_is_on_the_map_and_every_module_is_a_room() {
    let map = section("Where things are");
    let first_cells = map.lines().filter_map(|line| line.strip_prefix("//! | ")?.split(" | ").next());
    let drawn: BTreeSet<&str> = first_cells.flat_map(in_backticks).collect();
    let root = program().find(|source| source.file == "src/lib.rs").unwrap();
    assert_eq!(
        drawn,
        children(root),
        "left, the map in src/lib.rs; right, the crate's modules: describe a new room in the map, and delete the row \
         of a room that no longer exists"
    );
    let code = root.tokens.iter().find(|token| ["fn", "use", "macro_rules", "{"].contains(&token.text.as_str()));
    assert_eq!(code, None, "src/lib.rs declares modules alone: move the code into the room that it belongs to");
}

/// These tests resolve `super` and names only where every module is a file and no import has a `*`.
#[test]
fn modules_are_files_and_imports_name_each_item() {
    for source in program() {
        let inline = lines_with(&source.tokens, &["mod", "…", "{"]);
        assert!(inline.is_empty(), "{}:{inline:?}: move the module into a file of its own", source.file);
        let globs: BTreeSet<usize> = lines_with(&source.tokens, &["…", "::", "*"]).into_iter().collect();
        let preludes: BTreeSet<usize> = lines_with(&source.tokens, &["prelude", "::", "*"]).into_iter().collect();
        assert_eq!(globs, preludes, "{}: name each imported item; only a library's prelude may have `*`", source.file);
    }
}

/// The libraries that only some rooms may use, with these rooms.
const ONLY_IN: [(&str, &[&str]); 15] = [
    ("actix", &["actors", "daemon"]),
    ("axum", &["control::server"]),
    ("clap", &["cli"]),
    ("diesel", &["store"]),
    ("hyper", &["control::server"]),
    ("nix", &["operator"]),
    ("prometheus_client", &["metrics"]),
    ("ratatui", &["cli"]),
    ("minijinja", &["alerts::template"]),
    ("reqwest", &["alerts::webhook", "trafficstar", "control::client", "daemon"]),
    ("ring", &["alerts::signature"]),
    ("rustls", &["store::postgres", "tls"]),
    ("sd_notify", &["daemon"]),
    ("tokio_postgres", &["store::postgres"]),
    ("utoipa", &["control", "domain"]),
];

#[test]
fn each_library_is_used_in_its_rooms_alone_and_in_each_of_them() {
    let mut needed = BTreeSet::new();
    for source in program() {
        let module = source.module().join("::");
        for used in source.used() {
            let Some(path) = used.in_library() else { continue };
            let Some((library, rooms)) = ONLY_IN.iter().find(|(library, _)| *library == path[0]) else { continue };
            let room = rooms.iter().find(|room| is_below(&module, room));
            let room = room.unwrap_or_else(|| {
                panic!(
                    "{}:{} uses {library}: move the code to {rooms:?} (ONLY_IN of tests/house/imports.rs)",
                    source.file, used.line
                )
            });
            needed.insert((*library, *room));
        }
    }
    let permitted = ONLY_IN.iter().flat_map(|(library, rooms)| rooms.iter().map(move |room| (*library, *room)));
    assert_eq!(
        needed,
        permitted.collect(),
        "left, the rooms that use a library; right, ONLY_IN of tests/house/imports.rs: delete rooms that do not"
    );
}

#[test]
fn main_calls_the_cli_alone() {
    let main = program().find(|source| source.file == "src/main.rs").unwrap();
    let here = main.used().iter().filter_map(|used| Some(used.here()?.join("::")));
    assert_eq!(here.collect::<Vec<_>>(), ["cli::main"], "src/main.rs calls cli::main alone: move the rest to src/cli");
}

/// Actors write to the board and never read it, so that what it shows cannot change what they do.
#[test]
fn actors_never_read_the_board() {
    let may_call = |name: &str| {
        name.starts_with("publish_") || ["amend_actor", "clone", "metrics", "retain_campaigns"].contains(&name)
    };
    for source in room("actors") {
        for call in source.tokens.windows(3).filter(|call| call[0].text == "board" && call[1].text == ".") {
            assert!(
                may_call(&call[2].text),
                "{}:{}: board.{}: actors only write to the board: ask the actor that owns the value",
                source.file,
                call[2].line,
                call[2].text
            );
        }
    }
}
