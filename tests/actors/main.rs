//! Tests of the real actors, in this process.
//!
//! [`panics`] runs the whole program against the sandbox and SQLite, on real time. All other tests run the real
//! supervisor and the real campaign actors on paused time. TrafficStars and the database are those of [`stage`], in
//! memory. A day passes in seconds there, and each moment is exact.
//!
//! - [`day`]: a thousand campaigns over a day, midnight included.
//! - [`hanging`]: a call that never answers.
//! - [`mailboxes`]: mailboxes that are full.
//! - [`outbox`]: a database that takes nothing for a while, and the records that wait for it.
//! - [`panics`]: a panic in one campaign's actor, in the whole program.
//! - [`respawn`]: an actor that dies: backoff, health, and the promises that outlive it.
//! - [`stopping`]: the orderly stop.
//! - [`defect`]: the artificial defect by which tests kill an actor, and the log that they read.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that unwraps says which line failed"
)]
#![allow(clippy::panic, reason = "the artificial defect is a panic")]
#![allow(missing_docs, reason = "the names of tests are sentences")]

mod day;
mod defect;
mod hanging;
mod mailboxes;
mod outbox;
mod panics;
mod respawn;
mod stage;
mod stopping;
