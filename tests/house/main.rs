//! The house's rules: which room may import which, which files read the clock, what may panic, and whether the pages
//! agree with the code.
//!
//! | chapter | what it checks |
//! | --- | --- |
//! | `imports` | the tables in `src/lib.rs`: every room, every import between rooms, and the rooms of each library |
//! | `circles` | no file of a room needs a file that needs it |
//! | `purity` | only the files in its tables read the clock or the environment, sleep, or end the process |
//! | `failures` | the lints are on in every member, and silenced only where its table says |
//! | `dependencies` | every library of a `Cargo.toml` is used, and the tests' libraries stay out of the program |
//! | `pages` | the keys, variables, paths and metrics that pages and messages name exist in the code |
//! | `form` | the length of files and functions, module docs, no sleeps and no ignored tests |
//! | `walks` | each file and function that a page leads to exists |
//! | `words` | comments, messages, names and pages are in plain English, without the words of its table |
//!
//! `source` and `paths` read the code as tokens. Deliberately absent is what clippy checks: `Cargo.toml` has its lints,
//! `.clippy.toml` the calls that panic. Absent, too, is what other tests check better, since they run the code:
//! - the keys and defaults of config.toml: `src/config/tests.rs`;
//! - the commands: `src/cli/documents/tests.rs`;
//! - OpenAPI: the tests in `src/control/server/openapi.rs`, and `tests/it/openapi.rs`;
//! - LIFECYCLE.md: `src/domain/tests/lifecycle.rs`;
//! - the names of the metrics: `tests/it/explain.rs`.

// These lints do not recognise the helpers as tests.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics says which line failed"
)]

mod circles;
mod dependencies;
mod failures;
mod form;
mod imports;
mod pages;
mod paths;
mod purity;
mod source;
mod walks;
mod words;

/// Fails with all complaints at once, and with the advice on what to do about them.
#[track_caller]
fn assert_none(complaints: impl IntoIterator<Item = String>, advice: &str) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "{advice}:\n{}", complaints.join("\n"));
}
