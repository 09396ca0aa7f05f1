//! Errors at run time are handled: the lints for this are on in every member, and the program silences them only where
//! the table below says. `.clippy.toml` disallows what panics and has no lint of its own.

use std::collections::BTreeSet;

use crate::source::{Token, end_of_group, program, read};

/// Lints that CI turns into errors.
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

/// Where the program silences a lint. Give a reason for each new line, here and in the attribute.
const SILENCED: [(&str, &str); 7] = [
    // Each key of a keyboard is a variant of another library's enum.
    ("src/cli/top/keys.rs", "clippy::wildcard_enum_match_arm"),
    // The attribute turns these two on, for all code except tests.
    ("src/lib.rs", "clippy::disallowed_macros"),
    ("src/lib.rs", "clippy::unreachable"),
    // Debug builds alone: these invariants are checked after every step of every simulation.
    ("src/domain/machine.rs", "clippy::disallowed_macros"),
    ("src/trafficstar/budget.rs", "clippy::disallowed_macros"),
    ("src/trafficstar/client/mod.rs", "clippy::disallowed_macros"),
    // The line before puts the value there, so it is always present.
    ("src/store/postgres.rs", "clippy::expect_used"),
];

#[test]
fn the_lints_are_on_in_every_member_and_ci_denies_warnings() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let workspace = &manifest["workspace"];
    let level = |tool: &str, lint: &str| workspace["lints"][tool].get(lint).and_then(toml::Value::as_str);
    for lint in CLIPPY {
        let is_on = matches!(level("clippy", lint), Some("warn" | "deny" | "forbid"));
        assert!(is_on, "switch clippy::{lint} on in [workspace.lints.clippy] of Cargo.toml");
    }
    for (lint, least) in [("missing_docs", "warn"), ("unreachable_pub", "warn"), ("unsafe_code", "forbid")] {
        assert_eq!(level("rust", lint), Some(least), "{lint} in [workspace.lints.rust] of Cargo.toml");
    }
    let members = manifest["workspace"]["members"].as_array().unwrap().iter().map(|member| member.as_str().unwrap());
    for member in members.map(|member| format!("{member}/Cargo.toml")).chain(["Cargo.toml".to_owned()]) {
        let manifest: toml::Table = read(&member).parse().unwrap();
        assert_eq!(
            manifest["lints"]["workspace"].as_bool(),
            Some(true),
            "add `[lints]` with `workspace = true` to {member}"
        );
    }
    assert!(
        read(".ci/run").contains("cargo clippy --workspace --all-targets --locked -- --deny warnings"),
        ".ci/run has to run clippy on the whole workspace with --deny warnings"
    );
}

/// Returns what is inside each `#[allow(…)]`, `#[expect(…)]` and `#[warn(…)]`, also within `cfg_attr`.
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
fn the_program_silences_only_the_lints_of_the_table() {
    let mut found = BTreeSet::new();
    for source in program() {
        for inside in silencings(&source.tokens) {
            let lints = inside.split(|text| *text == ",").map(|words| words.concat());
            let lints = lints.filter(|lint| !lint.starts_with("reason=") && !lint.is_empty());
            found.extend(lints.map(|lint| (source.file.as_str(), lint)));
        }
    }
    let listed = SILENCED.map(|(file, lint)| (file, lint.to_owned()));
    assert_eq!(
        found,
        BTreeSet::from(listed),
        "lints that the program silences: left, the code; right, SILENCED in tests/house/failures.rs. Handle the case \
         instead of silencing the lint, or add a line with the reason; delete a line without an attribute"
    );
}
