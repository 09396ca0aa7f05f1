//! The four states, and the promise that is stored for each campaign.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

/// The promise about a campaign (RULES.md, "States").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is promised: the guard watches and decides, and does nothing until a rule applies.
    Idle,
    /// The campaign runs; if anyone else stops it, that is undone.
    ActiveGuarded,
    /// The campaign is stopped; if anyone else starts it, that is undone.
    PausedGuarded,
    /// The campaign was paused a moment ago and is kept stopped; nothing else is decided until then.
    CoolingDown {
        /// The time (UTC) when the cool-down ends. It is an absolute time, so that it survives a restart.
        until: DateTime<Utc>,
    },
}

/// A [`Phase`] without its end: the words of the dump, the tables and the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseWord {
    /// [`Phase::Idle`].
    Idle,
    /// [`Phase::ActiveGuarded`].
    ActiveGuarded,
    /// [`Phase::PausedGuarded`].
    PausedGuarded,
    /// [`Phase::CoolingDown`].
    CoolingDown,
}

/// The error for a word that is not a state.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not one of: idle, active-guarded, paused-guarded, cooling-down")]
pub struct UnknownPhase(String);

impl Phase {
    /// Returns the state without its end.
    #[must_use]
    pub const fn word(self) -> PhaseWord {
        match self {
            Self::Idle => PhaseWord::Idle,
            Self::ActiveGuarded => PhaseWord::ActiveGuarded,
            Self::PausedGuarded => PhaseWord::PausedGuarded,
            Self::CoolingDown { .. } => PhaseWord::CoolingDown,
        }
    }

    /// Returns when the cool-down ends, in [`Phase::CoolingDown`].
    #[must_use]
    pub const fn cooling_down_until(self) -> Option<DateTime<Utc>> {
        match self {
            Self::CoolingDown { until } => Some(until),
            Self::Idle | Self::ActiveGuarded | Self::PausedGuarded => None,
        }
    }
}

impl PhaseWord {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Idle, Self::ActiveGuarded, Self::PausedGuarded, Self::CoolingDown];

    /// Returns the word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::ActiveGuarded => "active-guarded",
            Self::PausedGuarded => "paused-guarded",
            Self::CoolingDown => "cooling-down",
        }
    }
}

impl fmt::Display for PhaseWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for PhaseWord {
    type Err = UnknownPhase;

    fn from_str(word: &str) -> Result<Self, UnknownPhase> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word).ok_or_else(|| UnknownPhase(word.to_owned()))
    }
}

/// The state of a campaign that is stored at every change, so that a crash loses nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// The state.
    pub phase: Phase,
    /// The time (UTC) since which it is promised.
    pub since: DateTime<Utc>,
    /// Whether an end time must still be set: now, after a pause; the day end, if the campaign was adopted without one.
    pub end_time_owed: bool,
}

impl Promise {
    /// Returns the promise after the generator is disabled, if it differs: "Enabling starts from `idle`", or from the
    /// cool-down if that lasts.
    #[must_use]
    pub fn disabled(self, now: DateTime<Utc>) -> Option<Self> {
        let cools_down = self.phase.cooling_down_until().is_some_and(|until| until > now);
        let is_over = self.phase != Phase::Idle && !cools_down;
        is_over.then_some(Self { phase: Phase::Idle, since: now, end_time_owed: false })
    }
}
