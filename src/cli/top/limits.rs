//! The thresholds that the view knows of.

use std::path::PathBuf;

use crate::domain::money::{Clicks, Money};
use crate::domain::policy::PolicyNumbers;

/// The thresholds that bars are drawn against. A campaign's own overrides are not in the dump, so these are everybody's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// From this spend on a campaign is left alone.
    pub(super) spend: Money,
    /// From this many clicks on it is run.
    pub(super) activate: Clicks,
    /// With this many or fewer it is paused.
    pub(super) pause: Clicks,
    /// The config file that they are from; the program's defaults where none could be read.
    pub(super) config: Option<PathBuf>,
}

impl Limits {
    pub(super) fn new(numbers: &PolicyNumbers, config: Option<PathBuf>) -> Self {
        Self { spend: numbers.spend_limit, activate: numbers.activate_clicks, pause: numbers.pause_clicks, config }
    }
}
