//! What the machine shows of itself: read by the actor that publishes it, changed by nobody.

use chrono::{DateTime, Utc};

use super::{Counters, Machine};
use crate::domain::action::Action;
use crate::domain::observation::Observation;
use crate::domain::phase::Phase;
use crate::domain::progress::Progress;

impl Machine {
    /// What is promised.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Since when.
    #[must_use]
    pub const fn since(&self) -> DateTime<Utc> {
        self.since
    }

    /// When the next tick is due.
    #[must_use]
    pub const fn next_tick_at(&self) -> DateTime<Utc> {
        self.next_tick_at
    }

    /// Today's limit is reached.
    #[must_use]
    pub const fn high_spend(&self) -> bool {
        self.high_spend_on.is_some()
    }

    /// Others change it again and again.
    #[must_use]
    pub const fn contested(&self) -> bool {
        self.contest.is_contested()
    }

    /// It runs, nothing is promised, and its clicks are used up or its limit is reached.
    #[must_use]
    pub const fn unguarded(&self) -> bool {
        self.unguarded
    }

    /// Why running it cannot help, if so.
    #[must_use]
    pub fn blocked(&self) -> Option<&str> {
        self.blocked.as_deref()
    }

    /// Since when today's spend of a campaign that runs is the same.
    #[must_use]
    pub fn spend_unchanged_since(&self) -> Option<DateTime<Utc>> {
        self.standing.since()
    }

    /// Why an activation that is due is held back, if so.
    #[must_use]
    pub fn waiting(&self) -> Option<&str> {
        self.waiting.as_deref()
    }

    /// The last action.
    #[must_use]
    pub const fn action(&self) -> Option<&Action> {
        self.action.as_ref()
    }

    /// Whether a request that changes something is on its way.
    #[must_use]
    pub fn is_action_in_flight(&self) -> bool {
        matches!(self.progress, Progress::InFlight) || self.follows_an_end_time()
    }

    /// What the last tick found out.
    #[must_use]
    pub const fn observation(&self) -> Option<&Observation> {
        self.observation.as_ref()
    }

    /// The last decision, in words, those to do nothing included.
    #[must_use]
    pub fn last_decision(&self) -> Option<&str> {
        self.decisions.last().map(|decision| decision.reason.as_str())
    }

    /// What was counted since it was built.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }
}
