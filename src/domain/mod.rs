//! Decides, never acts.
//!
//! Deliberately absent: a clock (`now` is an argument), sockets, actors, the database, random numbers, logs. Uses std,
//! serde, thiserror and chrono's types alone.

pub mod action;
pub mod facts;
pub mod phase;
pub mod policy;
pub mod remote;
pub mod spend;
pub mod status;
