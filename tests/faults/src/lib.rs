//! A copy of the guard's pure rooms with every fault of [`list`] in it. [`faults`] switches them on, one at a time.
//!
//! | file | what is in it |
//! | --- | --- |
//! | [`list`] | the faults: the name, the text of the source that it replaces, and the replacement |
//! | [`patch`], `build.rs` | writing the faults into copies of the sources; one that no longer fits fails the build |
//! | [`faults`] | the switch |
//! | `rooms.rs.in` | the copied rooms that form this library |
//! | `tests/caught.rs` | puts each fault through the simulation; `CAUGHT.md` has the checkers that caught it |
//!
//! Deliberately absent: faults in the shipped sources. With no fault switched on, the copy behaves as they do.
#![allow(warnings, reason = "most of it is a copy: the original is checked where it is")]

// The copies call `faulty::faults`, both in this library and in the test.
extern crate self as faulty;

pub mod faults;
pub mod list;
pub mod patch;

include!(concat!(env!("OUT_DIR"), "/src/rooms.rs"));
