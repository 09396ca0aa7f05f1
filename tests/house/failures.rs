//! What can fail at run time is answered: the lints that see to it are on everywhere, nothing silences them without a
//! word, and what they do not see is not there.

use std::collections::BTreeSet;

use crate::assert_none;
use crate::source::{Token, end_of_group, everything, program, read};

/// Lints that CI makes errors of.
const CLIPPY: [&str; 8] = [
    "dbg_macro",
    "expect_used",
    "indexing_slicing",
    "panic",
    "todo",
    "unimplemented",
    "unwrap_used",
    "wildcard_enum_match_arm",
];

/// Where the program silences a lint. A new line here has to be argued for, like the attribute's own reason.
const SILENCED: [(&str, &str); 2] = [
    // Each key of a keyboard is a variant of another library's enum.
    ("src/cli/top/keys.rs", "clippy::wildcard_enum_match_arm"),
    // What is not there could only be a mistake of the line before.
    ("src/store/postgres.rs", "clippy::expect_used"),
];

/// Macros that panic, and that no lint of the above sees. Those that print panic when nobody reads.
const PANICS: [&str; 12] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "eprint",
    "eprintln",
    "panic",
    "print",
    "println",
    "unreachable",
];

/// Where the program calls one of them.
const PANICKING: [(&str, &str); 3] = [
    // Not in the build that people run: what every step of every simulation checks.
    ("src/domain/machine.rs", "debug_assert_eq"),
    ("src/trafficstar/budget.rs", "debug_assert"),
    ("src/trafficstar/client/mod.rs", "debug_assert"),
];

#[test]
fn the_lints_are_on_in_every_member_of_the_workspace() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let workspace = &manifest["workspace"];
    let level = |tool: &str, lint: &str| workspace["lints"][tool].get(lint).and_then(toml::Value::as_str);
    for lint in CLIPPY {
        assert!(matches!(level("clippy", lint), Some("warn" | "deny" | "forbid")), "clippy::{lint} is off");
    }
    for (lint, least) in [("missing_docs", "warn"), ("unreachable_pub", "warn"), ("unsafe_code", "forbid")] {
        assert_eq!(level("rust", lint), Some(least), "{lint}");
    }
    let members = workspace["members"].as_array().unwrap().iter().map(|member| member.as_str().unwrap());
    for member in members.map(|member| format!("{member}/Cargo.toml")).chain(["Cargo.toml".to_owned()]) {
        let manifest: toml::Table = read(&member).parse().unwrap();
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        assert_eq!(inherits, Some(true), "{member} takes none of the workspace's lints");
    }
    let ci = read(".ci/run");
    assert!(ci.contains("cargo clippy --workspace --all-targets --locked -- --deny warnings"), "CI lets warnings pass");
}

/// The inside of each `#[allow(…)]`, `#[expect(…)]` and of what `cfg_attr` makes one, with its file and line.
fn silencings(tokens: &[Token]) -> Vec<(usize, Vec<&str>)> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_attribute = at > 0 && ["[", ","].contains(&text(at - 1)) && text(at + 1) == "(";
        if is_attribute && ["allow", "expect", "warn"].contains(&token.text.as_str()) {
            found.push((token.line, (at + 2..end_of_group(tokens, at + 1) - 1).map(text).collect()));
        }
    }
    found
}

#[test]
fn whoever_silences_a_lint_says_why() {
    let silent = everything().iter().flat_map(|source| {
        let all = silencings(&source.with_tests).into_iter();
        let silent = all.filter(|(_, inside)| !inside.windows(2).any(|pair| pair == ["reason", "="]));
        silent.map(|(line, _)| format!("{}:{line}", source.file))
    });
    assert_none(silent, "add `reason = \"…\"`");
}

#[test]
fn the_program_silences_no_lint_but_those_listed() {
    let mut found = BTreeSet::new();
    for source in program() {
        for (_, inside) in silencings(&source.tokens) {
            let lints = inside.split(|text| *text == ",").map(|words| words.concat());
            let lints = lints.filter(|lint| !lint.starts_with("reason=") && !lint.is_empty());
            found.extend(lints.map(|lint| (source.file.as_str(), lint)));
        }
    }
    let listed = SILENCED.map(|(file, lint)| (file, lint.to_owned()));
    assert_eq!(found, BTreeSet::from(listed), "the code on the left, the table on the right");
}

#[test]
fn the_program_calls_no_macro_that_panics_but_those_listed() {
    let mut found = BTreeSet::new();
    for source in program() {
        let panicking = source.macros().filter(|name| PANICS.contains(&name.text.as_str()));
        found.extend(panicking.map(|name| (source.file.as_str(), name.text.as_str())));
    }
    assert_eq!(found, BTreeSet::from(PANICKING), "the code on the left, the table on the right");
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
