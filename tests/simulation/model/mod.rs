//! A simulated world for the guard, on a virtual clock: the real rules, request budget and batches, with models of
//! TrafficStars, the tracker and the database.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `agenda` | future events |
//! | `random` | numbers from a seed |
//! | `clock` | the true time, the guard's wall clock, and its steady clock |
//! | `remote`, `tracker` | the models, which know when a threshold was crossed and when a pause arrived |
//! | `weather` | network and server faults, drawn for each request |
//! | `database` | what survives a crash |
//! | `outside` | TrafficStars, the tracker, the network between, and the events there |
//! | `wire` | translation between the program's types for requests and the model's |
//! | `campaign`, `guard` | delivers events to the program's sessions and client, and carries out their outputs |
//! | `urls` | the URLs of one campaign, in the storms with budgets |
//! | `storm`, `moments`, `doubts`, `high_spend`, `budgets`, `troubles` | a run in which everything goes wrong: its troubles, drawn from a seed |
//! | `log` | what happened, for the checkers |
//! | `naive` | a naive client, for comparison |
//!
//! Deliberately absent: whether what happened is right (`check`), and two supervisors at once.

mod agenda;
pub(crate) mod budgets;
mod campaign;
mod clock;
mod database;
pub(crate) mod doubts;
pub(crate) mod guard;
mod high_spend;
pub(crate) mod log;
mod moments;
pub(crate) mod naive;
pub(crate) mod outside;
mod random;
pub(crate) mod remote;
pub(crate) mod storm;
pub(crate) mod tracker;
mod troubles;
mod urls;
mod weather;
mod wire;
