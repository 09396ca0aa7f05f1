//! A TrafficStars API on loopback, with the shapes and quirks of the live one. The tests use it, and people can try the
//! Traffic Generator with it.
//!
//! - [`Sandbox`] is a running API. A test starts it by [`Sandbox::start_in_thread`], and changes it by its other
//!   methods.
//! - [`CampaignSpec`] describes a campaign, [`Options`] describe the API, and a [`Fault`] describes what goes wrong.
//! - [`RequestRecord`] is one received request. [`Sandbox::requests`] returns all of them.
//! - Below `/sandbox` on the same port is a control interface for people: [`curl_examples`].
//! - [`Tracker`] writes the guard's SQLite tables as a tracker would. Campaigns with `clicks_per_second` have visitors.
//!   Their clicks are counted there while the campaign runs.
//!
//! The sandbox contains no code of the Traffic Generator. Otherwise both could misread the API in the same way, and no
//! test would notice.
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
mod limit;
mod log;
mod options;
mod sandbox;
mod server;
mod tracker;
mod visitors;
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
