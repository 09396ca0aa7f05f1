//! The rate limit: a sliding window over the accepted requests.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};

/// The times of the accepted requests within the last window.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    accepted: VecDeque<DateTime<Utc>>,
}

impl RateLimit {
    /// Accepts a request.
    ///
    /// # Errors
    /// The limit is reached. The error is the time at which there is room again.
    pub(crate) fn admit(&mut self, now: DateTime<Utc>, most: usize, window: Duration) -> Result<(), DateTime<Utc>> {
        while self.accepted.front().is_some_and(|oldest| *oldest + window <= now) {
            self.accepted.pop_front();
        }
        if self.accepted.len() < most {
            self.accepted.push_back(now);
            return Ok(());
        }
        Err(self.accepted.front().map_or(now + window, |oldest| *oldest + window))
    }
}

#[cfg(test)]
mod tests {
    use super::RateLimit;
    use chrono::DateTime;
    use std::time::Duration;

    #[test]
    fn the_window_slides() {
        let mut limit = RateLimit::default();
        let window = Duration::from_secs(60);
        let at = |second: i64| DateTime::from_timestamp(second, 0).unwrap();
        let admitted = |limit: &mut RateLimit, second| limit.admit(at(second), 2, window);
        assert_eq!(admitted(&mut limit, 0), Ok(()));
        assert_eq!(admitted(&mut limit, 30), Ok(()));
        assert_eq!(admitted(&mut limit, 59), Err(at(60)));
        assert_eq!(admitted(&mut limit, 60), Ok(()));
        assert_eq!(admitted(&mut limit, 89), Err(at(90)));
    }
}
