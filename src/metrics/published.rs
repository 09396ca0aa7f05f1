//! The published state as the gauges need it.

use chrono::{DateTime, Utc};

use crate::domain::health::Health;
use crate::domain::status::Dump;

/// The published state from which the gauges are computed.
#[derive(Debug, Clone, Copy)]
pub struct Published<'a> {
    /// The dump.
    pub dump: &'a Dump,
    /// The health.
    pub health: &'a Health,
    /// The time (UTC) of the oldest reading: for each guarded campaign its last reading counts, or the time since which it
    /// cannot be read. `None` if no campaign is guarded.
    pub oldest_reading: Option<DateTime<Utc>>,
    /// The number of journal records that wait to be stored.
    pub journal_backlog: u64,
    /// The time (UTC) when the oldest unconfirmed pause was first decided; `None` if there is none.
    pub stopping_since: Option<DateTime<Utc>>,
}
