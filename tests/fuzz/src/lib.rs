//! Hostile bytes: the inputs from outside, and the rules that hold for every input.
//!
//! Each fuzz target has one module. Its `check` takes any bytes and panics where a rule is broken. It works out what it
//! expects by itself, without the program's code. `corpus` has the inputs: written by hand like known answers, found by
//! libFuzzer because they reach new code, or kept because they once broke a rule. `tests/corpus.rs` runs them all with
//! any compiler. The programs in `fuzz_targets` search for new ones, and need a nightly compiler: `cargo +nightly fuzz
//! run --fuzz-dir tests/fuzz --features libfuzzer --sanitizer none answers`.
//!
//! | module | the bytes are | the rule |
//! | --- | --- | --- |
//! | [`answers`] | JSON that TrafficStars answers | status, spend, ids and tokens are in the answer |
//! | [`values`] | the text of an amount or an end time | it is read exactly, or refused |
//! | [`exchanges`] | what TrafficStars' server sends over a connection | an answer or an error fit to show, in time |
//! | [`config`] | a config file, and variables | values within their bounds, or errors that name line and key |
//! | [`rows`] | the columns of a campaign's rows in SQLite | other campaigns are read as before; doubt starts nothing |
//! | [`requests`] | one request to the control API | a documented answer; requests from a foreign page are refused |
//! | [`connections`] | what a client sends to the control socket | a known status, and the next client gets an answer |
//! | [`clients`] | what a program on the control socket answers | every request of the client ends |

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
