//! What can fail at run time is answered: the lints that see to it are on everywhere, and the program silences them nowhere
//! but in the table below. What panics without a lint of its own is disallowed in `.clippy.toml`.

use std::collections::BTreeSet;

use crate::source::{Token, end_of_group, program, read};

/// Lints that CI makes errors of.
const CLIPPY: [&str; 9] = [
    "allow_attributes_without_reason",
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
const SILENCED: [(&str, &str); 7] = [
    // Each key of a keyboard is a variant of another library's enum.
    ("src/cli/top/keys.rs", "clippy::wildcard_enum_match_arm"),
    // It turns these two on, for all but tests.
    ("src/lib.rs", "clippy::disallowed_macros"),
    ("src/lib.rs", "clippy::unreachable"),
    // Not in the build that people run: what every step of every simulation checks.
    ("src/domain/machine.rs", "clippy::disallowed_macros"),
    ("src/trafficstar/budget.rs", "clippy::disallowed_macros"),
    ("src/trafficstar/client/mod.rs", "clippy::disallowed_macros"),
    // What is not there could only be a mistake of the line before.
    ("src/store/postgres.rs", "clippy::expect_used"),
];

#[test]
fn the_lints_are_on_in_every_member_and_ci_lets_no_warning_pass() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let workspace = &manifest["workspace"];
    let level = |tool: &str, lint: &str| workspace["lints"][tool].get(lint).and_then(toml::Value::as_str);
    for lint in CLIPPY {
        assert!(matches!(level("clippy", lint), Some("warn" | "deny" | "forbid")), "clippy::{lint} is off");
    }
    for (lint, least) in [("missing_docs", "warn"), ("unreachable_pub", "warn"), ("unsafe_code", "forbid")] {
        assert_eq!(level("rust", lint), Some(least), "{lint}");
    }
    let members = manifest["workspace"]["members"].as_array().unwrap().iter().map(|member| member.as_str().unwrap());
    for member in members.map(|member| format!("{member}/Cargo.toml")).chain(["Cargo.toml".to_owned()]) {
        let manifest: toml::Table = read(&member).parse().unwrap();
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{member}");
    }
    assert!(read(".ci/run").contains("cargo clippy --workspace --all-targets --locked -- --deny warnings"));
}

/// The inside of each `#[allow(…)]`, `#[expect(…)]` and of what `cfg_attr` makes one.
fn silencings(tokens: &[Token]) -> Vec<Vec<&str>> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_attribute = at > 0 && ["[", ","].contains(&text(at - 1)) && text(at + 1) == "(";
        if is_attribute && ["allow", "expect", "warn"].contains(&token.text.as_str()) {
            found.push((at + 2..end_of_group(tokens, at + 1) - 1).map(text).collect());
        }
    }
    found
}

#[test]
fn the_program_silences_no_lint_but_those_listed() {
    let mut found = BTreeSet::new();
    for source in program() {
        for inside in silencings(&source.tokens) {
            let lints = inside.split(|text| *text == ",").map(|words| words.concat());
            let lints = lints.filter(|lint| !lint.starts_with("reason=") && !lint.is_empty());
            found.extend(lints.map(|lint| (source.file.as_str(), lint)));
        }
    }
    let listed = SILENCED.map(|(file, lint)| (file, lint.to_owned()));
    assert_eq!(found, BTreeSet::from(listed), "the code on the left, the table on the right");
}
