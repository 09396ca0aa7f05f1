//! x
pub mod actors;
pub mod board;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod domain;
pub mod error_chain;
pub mod store;
pub mod telemetry;
mod tls;
pub mod trafficstar;
