//! The guard from outside: the built binary, with the sandbox for TrafficStars and SQLite or PostgreSQL for a database.
//!
//! `helper` holds the harness, [`helper::World`]; each other module is a chapter of rules. A test says what is so, what
//! happens, and what is to come of it: requests in the sandbox's log, the state in the dump, entries in the journal.
//! Deliberately absent: the program's own types. What it misnames, it must not misname here too.

// Helpers are not recognised as tests by these lints.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics says which line failed"
)]

mod account;
mod admin;
mod announced;
mod away;
mod catalog;
mod check;
mod clocks;
mod completion;
mod cooldown;
mod crash;
mod databases;
mod decisions;
mod ending;
mod endpoints;
mod explain;
mod faults;
mod foreign_pages;
mod foreign_text;
mod funds;
mod guards;
mod helper;
mod history;
mod holdings;
mod late;
mod leadership;
mod limit;
mod log;
mod midnight;
mod missing;
mod modes;
mod numbers;
mod openapi;
mod orders;
mod panic_button;
mod plenty;
#[path = "../postgres/mod.rs"]
#[allow(dead_code, reason = "the store's own tests stop the server, let it hang, and let it encrypt")]
mod postgres;
mod private;
mod remote_words;
mod restart;
mod rows;
mod screens;
mod sending;
mod socket;
mod spend;
mod targets;
mod top;
mod wait;
mod watch;
