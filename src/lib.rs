//! x
pub mod board;
pub mod clock;
pub mod control;
pub mod domain;
