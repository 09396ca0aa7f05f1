//! A virtual world for the guard, on a virtual clock: the real rules, the real budget and the real batch against models
//! of TrafficStars, of the tracker and of the database.
//!
//! | file | holds |
//! | --- | --- |
//! | `agenda` | what happens next |
//! | `random` | numbers from a seed |
//! | `clock` | the true time, the guard's clock, and the one that only goes on |
//! | `remote`, `tracker` | the models, which know when a threshold was crossed and when a pause arrived |
//! | `weather` | what becomes of a request on its way |
//! | `database` | what outlives a crash |
//! | `outside` | TrafficStars, the tracker, the network between, and what happens there by itself |
//! | `wire` | between the program's words for requests and the world's |
//! | `campaign`, `guard` | the driver: hands what happens to the program's own sessions and client, and carries out what they ask for |
//! | `storm`, `moments`, `doubts`, `troubles` | a run in which everything goes wrong: its kind drawn from a seed, and what strikes |
//! | `log` | what happened, for checkers that know nothing else |
//! | `obvious` | the client that everybody would write first, to compare with |
//!
//! Deliberately absent: whether what happened is right (`check`), and two supervisors at once.

mod agenda;
mod campaign;
mod clock;
mod database;
pub(crate) mod doubts;
pub(crate) mod guard;
pub(crate) mod log;
mod moments;
pub(crate) mod obvious;
pub(crate) mod outside;
mod random;
pub(crate) mod remote;
pub(crate) mod storm;
pub(crate) mod tracker;
mod troubles;
mod weather;
mod wire;
