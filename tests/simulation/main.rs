//! The guard in a virtual world: domain, budget, scheduler and batch on a virtual clock, deterministic from a seed.
//!
//! `model` holds the world, `check` what must hold in it, written apart from the code. `calm` is a quiet day of a thousand
//! campaigns; in `storms` everything goes wrong at once. `harness` runs storms and says what it found.
//!
//! A seed that found something is run again, and told in full, by
//! `SIMULATION_SEED=<seed> cargo test --test simulation one_seed -- --nocapture`.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that unwraps says which line failed")]
#![allow(missing_docs, reason = "the names of tests are sentences")]

mod calm;
#[allow(dead_code, reason = "the benchmark uses more of it")]
mod check;
#[allow(dead_code, reason = "the benchmark uses more of it")]
mod harness;
#[allow(dead_code, reason = "the benchmark uses more of it")]
mod model;
mod storms;
