//! How the files look: short, each with a word on what is in it, without sleeping or ignored tests and without leftovers.

use std::collections::BTreeMap;

use crate::assert_none;
use crate::source::{end_of_group, everything, files_below, lines_with, program, read, root};

/// Longer files are hard to find one's way in. The aim is 500.
const MOST_LINES: usize = 600;
/// Of a function of the program. The aim is 70.
const MOST_LINES_OF_A_FUNCTION: usize = 100;
/// A table, with a line or more for each path.
const LONG_FUNCTION: &str = "operations";

#[test]
fn no_file_and_no_function_is_too_long() {
    let files = everything().iter().filter(|source| source.text.lines().count() > MOST_LINES);
    assert_none(files.map(|source| source.file.clone()), "split it");
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
    assert_none(functions, "split it");
}

#[test]
fn every_file_begins_with_what_is_in_it() {
    let silent = everything().iter().filter(|source| !source.text.starts_with("//! "));
    assert_none(silent.map(|source| source.file.clone()), "begin it with `//! ` and what is in it");
}

/// The other rules take a file for a test by its name.
#[test]
fn each_test_file_is_left_out_of_the_program() {
    for source in program() {
        let tests = source
            .tokens
            .windows(3)
            .filter(|module| module[0].text == "mod" && module[1].text.ends_with("tests") && module[2].text == ";");
        assert_none(tests.map(|module| format!("{}:{}", source.file, module[1].line)), "put #[cfg(test)] before it");
    }
}

/// A method that a test alone has is a way into the program that nobody else takes.
#[test]
fn what_only_tests_use_is_a_module_of_tests() {
    let strangers = everything().iter().filter(|source| !source.is_test()).flat_map(|source| {
        let items = source.for_tests.iter().filter(|item| !["mod", "use"].contains(&item.text.as_str()));
        items.map(|item| format!("{}:{}: {}", source.file, item.line, item.text))
    });
    assert_none(strangers, "move it into a module of tests");
}

/// Tests that wait for a time: how often, and why no condition would do. The sandbox is a program, whose delays are wanted.
const SLEEPS: [(&str, usize, &str); 15] = [
    ("src/control/server/tests.rs", 1, "longer than the grace that is to be over"),
    ("src/leadership.rs", 2, "by tokio's clock, which stands still"),
    ("src/store/tests.rs", 1, "between two looks, bounded"),
    ("src/store/tests/lease.rs", 1, "between two looks, bounded"),
    ("tests/actors/panics.rs", 1, "between two looks, bounded"),
    ("tests/actors/respawn.rs", 5, "on paused time"),
    ("tests/actors/stage/outside.rs", 1, "on paused time"),
    ("tests/actors/stage/world.rs", 2, "on paused time"),
    ("tests/it/crash.rs", 1, "between two looks, bounded"),
    ("tests/it/crash/chaos.rs", 2, "how long chaos lasts is its own choice"),
    ("tests/it/helper/fleet.rs", 3, "between two looks, bounded; a lease that has to run"),
    ("tests/it/helper/line.rs", 1, "between two looks, bounded"),
    ("tests/it/helper/mod.rs", 2, "between two looks, bounded; a date that is about to change"),
    ("tests/it/leadership.rs", 1, "nothing is to happen meanwhile"),
    ("tests/sandbox/tests/quirks/caller.rs", 1, "between two looks, bounded"),
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
        assert!(ignored.is_empty(), "{}:{ignored:?}: a test that nobody runs", source.file);
    }
    let listed = SLEEPS.map(|(file, count, _)| (file, count));
    assert_eq!(sleeps, BTreeMap::from(listed), "the code on the left, the table on the right");
}

#[test]
fn nothing_is_left_over_and_no_machine_is_named() {
    let pages = ["README.md", "Cargo.toml", "config.toml", ".ci/run"].map(|file| root().join(file));
    let mut files = [files_below(&root().join("src"), "md"), files_below(&root().join("migrations"), "sql")].concat();
    files.extend(pages);
    files.extend(everything().iter().map(|source| root().join(&source.file)));
    let files = files.iter().map(|file| file.strip_prefix(root()).unwrap().to_str().unwrap());
    let mut found = Vec::new();
    // These lines have the words that they look for.
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
    assert_none(found.into_iter().chain(temporary), "do it, or delete it");
}
