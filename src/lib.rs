//! x
pub mod domain;
pub mod trafficstar;
