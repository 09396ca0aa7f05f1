//! The guard drives the state machine of one campaign, without I/O. Its inputs are what was read, stored and answered.
//! Its outputs are what to read, store and send next. It leaves decisions to `domain`, and carrying the outputs out to
//! the campaign actor or the simulation.
//!
//! [`session`] is the whole guard, [`tick`] the reads of one tick, [`outbox`] the records that wait to be stored.
//! Deliberately absent: decisions (`domain::machine`), timers, mailboxes, and the client of an account.
//!
//! # One tick
//!
#![doc = include_str!("ONE_TICK.md")]

pub mod outbox;
pub mod session;
pub mod tick;
