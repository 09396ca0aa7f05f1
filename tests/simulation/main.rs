//! The guard in a simulated world: domain, request budget, scheduler and batches on a virtual clock. The same seed
//! gives the same run.
//!
//! `model` has the world, and `check` the rules that must hold in it, written without a look at the code. `calm` is a
//! quiet day of a thousand campaigns; in `storms` everything goes wrong at once. `harness` runs storms and describes
//! what they find.
//!
//! To run a seed again that broke a rule, and print its log:
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
