//! The guard's pure rooms once more, with every fault of [`list`] in them, to be switched on one at a time ([`faults`]).
//!
//! | file | holds |
//! | --- | --- |
//! | [`list`] | the faults: what each is, and which piece of which file it replaces by what |
//! | [`patch`], `build.rs` | writing them into copies of the sources; a fault that does not fit any more fails the build |
//! | [`faults`] | the switch |
//! | `rooms.rs.in` | which copied rooms make this library |
//! | `tests/caught.rs` | each fault in turn against the simulation; `CAUGHT.md` has what caught it |
//!
//! Deliberately absent: anything of this in the sources that are shipped. With no fault switched on the copy does what
//! they do.
#![allow(warnings, reason = "most of it is a copy: the original is held to the rules where it stands")]

// The copies call `faulty::faults`, in this library and in the test alike.
extern crate self as faulty;

pub mod faults;
pub mod list;
pub mod patch;

include!(concat!(env!("OUT_DIR"), "/src/rooms.rs"));
