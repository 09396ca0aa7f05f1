//! Real actors in this process.
//!
//! [`panics`] runs the whole program against the sandbox and SQLite. All others run the real supervisor and the real
//! campaign actors on paused time, with [`stage`]'s TrafficStars and database behind their ports: a day passes in seconds,
//! and each moment is exact.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that unwraps says which line failed"
)]
#![allow(clippy::panic, reason = "a defect on purpose is a panic")]
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
