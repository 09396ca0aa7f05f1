//! The form of the files: short, with a first line that says what is in them, without sleeps, ignored tests or
//! leftovers.

use std::collections::BTreeMap;

use crate::assert_none;
use crate::source::{end_of_group, everything, files_below, lines_with, program, read, root};

/// The most lines of a file. In longer ones a reader does not find their way. The aim is 500.
const MOST_LINES: usize = 600;
/// The most lines of a function of the program. The aim is 70.
const MOST_LINES_OF_A_FUNCTION: usize = 100;
/// The one exception: a table with a line or more for each path.
const LONG_FUNCTION: &str = "operations";

#[test]
fn no_file_and_no_function_is_too_long() {
    let files = everything().iter().filter(|source| source.text.lines().count() > MOST_LINES);
    assert_none(
        files.map(|source| source.file.clone()),
        &format!(
            "longer than {MOST_LINES} lines: make a folder of the file's name. Move each part with its own purpose \
             into a file there, and declare it with `mod` in the first file. Tests go to tests.rs"
        ),
    );
    let mut functions = Vec::new();
    for source in program() {
        let tokens = &source.tokens;
        for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == "fn") {
            let ends = |at: &usize| ["{", ";"].contains(&tokens[*at].text.as_str());
            let Some(body) = (at..tokens.len()).find(ends).filter(|at| tokens[*at].text == "{") else { continue };
            let (name, last) = (&tokens[at + 1].text, tokens[end_of_group(tokens, body) - 1].line);
            if last - token.line >= MOST_LINES_OF_A_FUNCTION && name != LONG_FUNCTION {
                functions.push(format!("{}:{}: {name}", source.file, token.line));
            }
        }
    }
    assert_none(
        functions,
        &format!("longer than {MOST_LINES_OF_A_FUNCTION} lines: move each step into a function that is named after it"),
    );
}

#[test]
fn every_file_begins_with_a_line_that_says_what_is_in_it() {
    let silent = everything().iter().filter(|source| !source.text.starts_with("//! "));
    assert_none(silent.map(|source| source.file.clone()), "begin the file with a line `//! ` that says what is in it");
}

/// Returns the first paragraph of a file's module doc.
fn first_paragraph(text: &str) -> String {
    let doc = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    doc.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A reader of one room learns from its first lines which other room has what this one lacks.
#[test]
fn the_first_paragraph_of_each_room_says_what_it_leaves_to_others() {
    let map = read("src/lib.rs");
    let modules = map.lines().filter_map(|line| line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod "));
    let mut rooms: Vec<&str> = modules.filter_map(|name| name.strip_suffix(';')).collect();
    assert!(rooms.len() > 10, "the search finds only {rooms:?}: it expects lines `pub mod name;` in src/lib.rs");
    rooms.extend(["control/client", "control/server"]);
    let silent = rooms.into_iter().filter_map(|room| {
        let files = [format!("src/{room}.rs"), format!("src/{room}/mod.rs")];
        let file = files.into_iter().find(|file| root().join(file).exists()).expect("the room's file");
        let says =
            first_paragraph(&read(&file)).split(|letter: char| !letter.is_alphabetic()).any(|word| word == "leaves");
        (!says).then_some(file)
    });
    assert_none(
        silent,
        "write into the first paragraph of `//!` lines, in two or three sentences, what the room does and what it \
         leaves to others: `It leaves decisions to domain.`",
    );
}

/// The other rules recognise tests by the file's name.
#[test]
fn each_test_file_is_left_out_of_the_program() {
    for source in program() {
        let tests = source
            .tokens
            .windows(3)
            .filter(|module| module[0].text == "mod" && module[1].text.ends_with("tests") && module[2].text == ";");
        assert_none(
            tests.map(|module| format!("{}:{}", source.file, module[1].line)),
            "the file's name ends in `tests`: put #[cfg(test)] before its `mod`, or give it another name",
        );
    }
}

/// A method for tests alone would let tests use the program in a way that the program itself does not.
#[test]
fn items_that_only_tests_use_are_in_modules_of_tests() {
    let strangers = everything().iter().filter(|source| !source.is_test()).flat_map(|source| {
        let items = source.for_tests.iter().filter(|item| !["mod", "use"].contains(&item.text.as_str()));
        items.map(|item| format!("{}:{}: {}", source.file, item.line, item.text))
    });
    assert_none(
        strangers,
        "only tests use this item: move it into the `tests` module that uses it, or test through the program's calls",
    );
}

/// Tests that sleep: how often, and the reason. The sandbox is absent: it is a program, and its delays are features.
const SLEEPS: [(&str, usize, &str); 15] = [
    ("src/control/server/tests.rs", 1, "longer than the grace period, which has to end"),
    ("src/leadership.rs", 2, "on tokio's paused clock"),
    ("src/store/tests.rs", 1, "between two looks, with a deadline"),
    ("src/store/tests/lease.rs", 1, "between two looks, with a deadline"),
    ("tests/actors/panics.rs", 1, "between two looks, with a deadline"),
    ("tests/actors/respawn.rs", 5, "on tokio's paused clock"),
    ("tests/actors/stage/outside.rs", 1, "on tokio's paused clock"),
    ("tests/actors/stage/world.rs", 2, "on tokio's paused clock"),
    ("tests/it/crash.rs", 1, "between two looks, with a deadline"),
    ("tests/it/crash/chaos.rs", 2, "the test chooses how long its faults last"),
    ("tests/it/helper/fleet.rs", 3, "between two looks, with a deadline; until a lease has expired"),
    ("tests/it/helper/line.rs", 1, "between two looks, with a deadline"),
    ("tests/it/helper/mod.rs", 2, "between two looks, with a deadline; until the date has changed"),
    ("tests/it/leadership.rs", 1, "nothing may happen meanwhile"),
    ("tests/sandbox/tests/quirks/caller.rs", 1, "between two looks, with a deadline"),
];

#[test]
fn tests_wait_on_conditions_and_none_is_ignored() {
    let mut sleeps = BTreeMap::new();
    for source in everything().iter().filter(|source| !source.file.starts_with("tests/sandbox/src/")) {
        let calls = |tokens| lines_with(tokens, &["sleep", "("]).len();
        let in_tests = calls(&source.with_tests) - if source.is_test() { 0 } else { calls(&source.tokens) };
        if in_tests > 0 {
            sleeps.insert(source.file.as_str(), in_tests);
        }
        let ignored = lines_with(&source.with_tests, &["#", "[", "ignore"]);
        assert!(ignored.is_empty(), "{}:{ignored:?}: an ignored test never runs: repair it, or delete it", source.file);
    }
    let listed = SLEEPS.map(|(file, count, _)| (file, count));
    assert_eq!(
        sleeps,
        BTreeMap::from(listed),
        "sleeps in tests: left, the code; right, SLEEPS in tests/house/form.rs. Wait for a condition with a deadline; \
         if none can be observed, add a line with the reason"
    );
}

#[test]
fn the_files_have_no_leftovers_and_no_paths_of_one_machine() {
    let pages = ["README.md", "Cargo.toml", "config.toml", ".ci/run"].map(|file| root().join(file));
    let texts = [("src", "md"), ("tests", "md"), ("migrations", "sql")];
    let mut files = texts.map(|(folder, ending)| files_below(&root().join(folder), ending)).concat();
    files.extend(pages);
    files.extend(everything().iter().map(|source| root().join(&source.file)));
    let files = files.iter().map(|file| file.strip_prefix(root()).unwrap().to_str().unwrap());
    let mut found = Vec::new();
    // This file itself has the words that are searched.
    for file in files.filter(|file| *file != "tests/house/form.rs") {
        for (line, text) in (1..).zip(read(file).lines()) {
            let mut words = text.split(|letter: char| !letter.is_alphanumeric());
            let leftover = words.any(|word| ["TODO", "FIXME", "XXX", "HACK"].contains(&word));
            let machine = ["/home/", "/Users/", "/work/"].iter().any(|folder| text.contains(folder));
            if leftover || machine {
                found.push(format!("{file}:{line}: {}", text.trim()));
            }
        }
    }
    let temporary = program().flat_map(|source| {
        let strings = source.strings().filter(|(_, text)| text.contains("/tmp"));
        strings.map(|(line, text)| format!("{}:{line}: {text}", source.file))
    });
    assert_none(
        found.into_iter().chain(temporary),
        "finish what the line announces, or delete it; take folders from the configuration or from tempfile",
    );
}
