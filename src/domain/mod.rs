//! The domain decides what happens to each campaign: the rules, the state machine, and which spend is believed. It
//! leaves requests, storage, timers and logs to the other rooms. RULES.md, beside this file, has the rules;
//! LIFECYCLE.md has each edge and each timer.
//!
//! Deliberately absent: a clock (`now` is an argument), sockets, actors, the database, random numbers, logs. It uses
//! only std, serde, thiserror, chrono's types and utoipa's derive.
#![doc = include_str!("RULES.md")]

mod absence;
pub mod action;
pub mod alert;
pub mod another_guard;
pub mod assessment;
pub mod budget;
pub mod budget_status;
pub mod calendar;
pub mod campaign_occasions;
pub mod clock_difference;
mod confirmation;
mod contest;
pub mod decision;
pub mod decision_log;
pub mod digest;
pub mod event;
pub mod explain;
pub mod failure;
pub mod health;
pub mod ids;
pub mod journal;
pub mod lease;
pub mod machine;
pub mod money;
pub mod observation;
pub mod occasion;
pub mod operator_event;
pub mod order;
pub mod outlook;
pub mod phase;
pub mod policy;
pub mod queue_place;
pub mod read_priority;
pub mod remote;
pub mod repeats;
pub mod shared_limit;
pub mod spend;
pub mod status;
pub mod supervisor_occasions;
pub mod text;
pub mod timer;
pub mod trend;
pub mod unchanged_spend;
pub mod unguarded;
pub mod verdict;

#[cfg(test)]
mod tests;
