//! The limits for the requests of one account.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::trafficstar::budget::{Budget, WINDOW};

/// The limits for requests, and what earlier processes have sent.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `[trafficstar] requests_per_minute`.
    pub requests_per_minute: u32,
    /// `[trafficstar] timeout`.
    pub timeout: Duration,
    /// `[generator] tick`.
    pub tick: chrono::Duration,
    /// The backoff: the time after a failed fetch in which no token is fetched. A pause waits only for a part of it.
    pub token_backoff: chrono::Duration,
    /// The requests that earlier processes sent within the last [`Limits::counts_for`]: the time (UTC) until which they
    /// left, and their number.
    pub sent: Vec<(DateTime<Utc>, u64)>,
}

impl Limits {
    /// Returns how long a request of another process counts after it left: its time-out, and one window.
    #[must_use]
    pub fn counts_for(timeout: Duration) -> chrono::Duration {
        WINDOW + chrono::Duration::from_std(timeout).unwrap_or(WINDOW)
    }

    /// Returns a budget of these limits, in which the requests of earlier processes hold their slots.
    #[must_use]
    pub fn budget(&self, now: DateTime<Utc>) -> Budget {
        let mut budget = Budget::new(self.requests_per_minute);
        let counts_for = Self::counts_for(self.timeout);
        for (by, requests) in &self.sent {
            // A reservation ends a little in the future. The clock may also have been set back.
            let free_at = (*by).min(now) + counts_for;
            for _ in (0..*requests).take_while(|_| free_at > now) {
                budget.remember(free_at);
            }
        }
        budget
    }
}
