//! The guard's clocks: the wall clock, which may be wrong and may be set, and the steady clock.

use chrono::{DateTime, Duration, Utc};
use traffic_generator::trafficstar::client::Now;

/// One moment, by all clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The true time.
    pub(crate) at: DateTime<Utc>,
    /// The machine's wall clock.
    pub(crate) wall: DateTime<Utc>,
    /// The client actor's steady clock: the wall clock at the process's start, and the time that has passed since.
    pub(crate) scheduler: DateTime<Utc>,
}

impl Moment {
    /// Returns the moment in the client's form.
    pub(crate) const fn clocks(&self) -> Now {
        Now { wall: self.wall, steady: self.scheduler }
    }

    /// Returns the true time at which the steady clock shows this.
    pub(crate) fn true_time(&self, scheduler: DateTime<Utc>) -> DateTime<Utc> {
        self.at + scheduler.signed_duration_since(self.scheduler)
    }

    /// Returns how far the wall clock is ahead.
    pub(crate) fn ahead_by(&self) -> Duration {
        self.wall.signed_duration_since(self.at)
    }
}

/// The time over which NTP smears a leap second.
const SMEARED_OVER: Duration = Duration::hours(24);

#[derive(Debug, Clone)]
pub(crate) struct Clock {
    off_by: Duration,
    /// The start of a smeared leap second: the clock slowly falls behind, by a second in the end.
    smears_from: Option<DateTime<Utc>>,
    started_at: DateTime<Utc>,
    started_at_wall: DateTime<Utc>,
}

impl Clock {
    pub(crate) fn right(now: DateTime<Utc>) -> Self {
        Self { off_by: Duration::zero(), smears_from: None, started_at: now, started_at_wall: now }
    }

    /// Returns the clock with a leap second that is smeared from then on.
    pub(crate) fn smearing_from(self, from: DateTime<Utc>) -> Self {
        Self { smears_from: Some(from), ..self }
    }

    /// Sets the clock ahead by this.
    pub(crate) fn set(&mut self, by: Duration) {
        self.off_by += by;
    }

    /// Sets the clock right. Returns by how much it was set.
    pub(crate) fn set_right(&mut self) -> Duration {
        -std::mem::take(&mut self.off_by)
    }

    /// Notes that a process starts.
    pub(crate) fn start(&mut self, now: DateTime<Utc>) {
        (self.started_at, self.started_at_wall) = (now, self.wall(now));
    }

    pub(crate) fn moment(&self, at: DateTime<Utc>) -> Moment {
        Moment { at, wall: self.wall(at), scheduler: self.started_at_wall + at.signed_duration_since(self.started_at) }
    }

    fn wall(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let smeared_for = self.smears_from.map_or(Duration::zero(), |from| at.signed_duration_since(from));
        let smeared_ms = smeared_for.clamp(Duration::zero(), SMEARED_OVER).num_milliseconds() / 86_400;
        at + self.off_by - Duration::milliseconds(smeared_ms)
    }
}
