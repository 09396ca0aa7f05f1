//! A virtual world for the guard, on a virtual clock: the real rules, the real budget and the real batch against models
//! of TrafficStars and of the tracker.
//!
//! | file | holds |
//! | --- | --- |
//! | `agenda` | what happens next |
//! | `random` | numbers from a seed |
//! | `remote`, `tracker` | the models, which know when a threshold was crossed and when a pause arrived |
//! | `outside` | both, the network between, and what happens there by itself |
//! | `campaign`, `client`, `guard` | the actors' shell without actors: they carry out what the pure parts decide |
//! | `obvious` | the client that everybody would write first, to compare with |
//!
//! Deliberately absent: faults, operators, crashes, and a clock that steps.

mod agenda;
mod campaign;
mod client;
pub(crate) mod guard;
pub(crate) mod log;
pub(crate) mod obvious;
pub(crate) mod outside;
mod random;
pub(crate) mod remote;
pub(crate) mod tracker;
