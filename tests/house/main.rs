//! The house's rules: who may import whom, who reads the clock, what may panic, and whether the pages say what the code
//! does.
//!
//! | chapter | holds the code to |
//! | --- | --- |
//! | `imports` | the map in `src/lib.rs`: every room, every edge, and which library is in which room |
//! | `circles` | no file of a room needs a file that needs it in turn |
//! | `purity` | no clock, no sleep, no environment and no end of the process but where the tables say so |
//! | `failures` | the lints are on in every member, and silenced only where its table says |
//! | `dependencies` | every library of `Cargo.toml` is used, and those of the tests stay out of the program |
//! | `pages` | keys, variables, paths and metrics in pages and messages are those of the code; what is cited is there |
//! | `form` | how long files and functions are, module docs, no sleeping or ignored tests |
//!
//! `source` and `paths` read the code as tokens. Deliberately absent: what clippy holds (`Cargo.toml` has its lints,
//! `.clippy.toml` what is disallowed: what panics, and a lint silenced without a reason); what other tests hold better, since they ask the
//! code itself: config.toml's keys and defaults (`src/config/tests.rs`), commands (`src/cli/documents/tests.rs`), OpenAPI
//! (`src/control/server/openapi/tests.rs`, `tests/it/openapi.rs`), LIFECYCLE.md (`src/domain/tests/lifecycle.rs`), the
//! names of the metrics (`tests/it/explain.rs`).

// Helpers are not recognised as tests by these lints.
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

/// Fails with every complaint at once, and with what to do about them.
#[track_caller]
fn assert_none(complaints: impl IntoIterator<Item = String>, advice: &str) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "{advice}:\n{}", complaints.join("\n"));
}
