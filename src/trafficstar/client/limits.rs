//! What bounds the requests of an account.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::trafficstar::budget::{Budget, WINDOW};

/// What bounds the requests.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `[trafficstar] requests_per_minute`.
    pub requests_per_minute: u32,
    /// `[trafficstar] timeout`.
    pub timeout: Duration,
    /// `[generator] tick`.
    pub tick: chrono::Duration,
    /// For how long no other token is fetched after one could not be, pauses excepted.
    pub token_rest: chrono::Duration,
    /// What earlier processes sent within the last [`Limits::counts_for`]: so many requests, by then.
    pub sent: Vec<(DateTime<Utc>, u64)>,
}

impl Limits {
    /// For how long a request counts that was sent by another process: until a window after its answer or time-out.
    #[must_use]
    pub fn counts_for(timeout: Duration) -> chrono::Duration {
        WINDOW + chrono::Duration::from_std(timeout).unwrap_or(WINDOW)
    }

    /// A budget of them, in which what was sent holds its slots.
    #[must_use]
    pub fn budget(&self, now: DateTime<Utc>) -> Budget {
        let mut budget = Budget::new(self.requests_per_minute);
        let counts_for = Self::counts_for(self.timeout);
        for (by, requests) in &self.sent {
            // What is reserved ends a little ahead. The clock may have been set back as well.
            let free_at = (*by).min(now) + counts_for;
            for _ in (0..*requests).take_while(|_| free_at > now) {
                budget.remember(free_at);
            }
        }
        budget
    }
}
