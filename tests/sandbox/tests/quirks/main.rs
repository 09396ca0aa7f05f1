//! Tests of the sandbox over real HTTP: the shapes and quirks of the API, the control interface, and the help.

// Helpers are not recognised as tests by these lints.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics says which line failed")]

mod caller;
mod clock;
mod control;
mod fields;
mod help;
mod lists;
mod refusals;
mod reports;
mod shapes;
mod visitors;
