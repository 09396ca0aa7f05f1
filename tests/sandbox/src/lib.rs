//! A TrafficStars API on loopback, with the shapes and quirks of the live one, to test and to try the Traffic Generator
//! against.
//!
//! - [`Sandbox`] is a running API: [`Sandbox::start_in_thread`], [`Sandbox::base_url`], and what a test does to it.
//! - [`CampaignSpec`] says what a campaign is; [`Options`] what the API is like; [`Fault`] what goes wrong.
//! - [`RequestRecord`] is one request as it was received: all of them are in [`Sandbox::requests`].
//! - Below `/sandbox` on the same port is a control interface for people: [`curl_examples`].
//! - [`Tracker`] writes the guard's SQLite tables as a tracker would. Campaigns with `clicks_per_second` have visitors,
//!   who click there while the campaign runs.
//!
//! Deliberately absent: any code of the Traffic Generator. What it misreads, it must not misread here too.
//!
//! ```
//! use sandbox::{CampaignSpec, Interference, Options, Sandbox};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = Sandbox::start_in_thread(Options::default())?;
//! sandbox.add_campaign(CampaignSpec::running(995_224));
//! sandbox.interfere(995_224, Interference::Stop)?;
//! assert!(!sandbox.is_running(995_224));
//! # Ok(())
//! # }
//! ```

mod amount;
mod api;
mod campaign;
mod connection;
mod control;
mod faults;
mod lengths;
mod life;
mod limit;
mod log;
mod options;
mod sandbox;
mod server;
mod tracker;
mod world;

pub use amount::{Amount, NotAnAmount};
pub use campaign::{CampaignSpec, CampaignView, SpendForm};
pub use control::curl_examples;
pub use faults::{Fault, FaultId, FaultKind};
pub use log::{Operation, RequestRecord, busiest_window};
pub use options::{IdFilter, Options, RefusedKey, RetryAfter};
pub use sandbox::{Sandbox, StartError};
pub use tracker::{Tracker, TrackerError};
pub use world::{Interference, NoSuchCampaign};

// Linked for its bundled SQLite, so that no library of the machine is needed.
use libsqlite3_sys as _;
