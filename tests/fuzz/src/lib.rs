//! Hostile bytes: what may come in from outside, and what must hold whatever it is.
//!
//! One module for each fuzz target. Its `check` takes any bytes and panics where a rule is broken; what it expects, it
//! works out by itself, not with the program's own code. `corpus` holds the inputs: written by hand after the shapes that
//! are known, found by libFuzzer because they reach new code, or kept because they once broke a rule. `tests/corpus.rs`
//! runs them all with any compiler; the programs in `fuzz_targets` look for new ones, and need a nightly compiler:
//! `cargo +nightly fuzz run --fuzz-dir tests/fuzz --features libfuzzer --sanitizer none answers`.
//!
//! | module | the bytes are | what must hold |
//! | --- | --- | --- |
//! | [`answers`] | JSON that TrafficStars answers | nothing is made up: status, spend, ids, tokens |
//! | [`values`] | the text of an amount or an end time | exact, or refused |
//! | [`exchanges`] | all that TrafficStars' server sends over a connection | an answer or an error fit to be shown, in time |
//! | [`config`] | a config file, and variables | values within their bounds, or errors that name line and key |
//! | [`rows`] | the columns of a campaign's rows in SQLite | no other campaign suffers, doubt starts nothing |
//! | [`requests`] | one request to the control API | a documented answer; what a foreign page can have sent is refused |
//! | [`connections`] | all that a client sends to the control socket | what is answered is documented, and others are served |
//! | [`clients`] | all that answers on the control socket | a command ends, with an answer or an error |

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a broken rule is a panic"
)]

pub mod answers;
pub mod clients;
pub mod config;
pub mod connections;
pub mod exchanges;
mod expected;
mod peers;
pub mod requests;
pub mod rows;
mod served;
pub mod values;
