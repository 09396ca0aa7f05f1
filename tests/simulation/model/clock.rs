//! The guard's clocks: the wall clock, which may be off and be set, and the one that only goes on.

use chrono::{DateTime, Duration, Utc};
use traffic_generator::trafficstar::client::Now;

/// One moment by all the clocks there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The true time.
    pub(crate) at: DateTime<Utc>,
    /// The machine's wall clock.
    pub(crate) wall: DateTime<Utc>,
    /// As the client actor counts: the wall clock at the process's start, and what has passed since.
    pub(crate) scheduler: DateTime<Utc>,
}

impl Moment {
    /// The same for the client.
    pub(crate) const fn clocks(&self) -> Now {
        Now { wall: self.wall, steady: self.scheduler }
    }

    /// The true time at which the clock that only goes on showed this.
    pub(crate) fn true_time(&self, scheduler: DateTime<Utc>) -> DateTime<Utc> {
        self.at + scheduler.signed_duration_since(self.scheduler)
    }

    /// By how much the wall clock is ahead.
    pub(crate) fn ahead_by(&self) -> Duration {
        self.wall.signed_duration_since(self.at)
    }
}

/// How long NTP smears a leap second.
const SMEARED_OVER: Duration = Duration::hours(24);

#[derive(Debug, Clone)]
pub(crate) struct Clock {
    off_by: Duration,
    /// A leap second is smeared from then on: the clock falls behind by a second in the end.
    smears_from: Option<DateTime<Utc>>,
    started_at: DateTime<Utc>,
    started_at_wall: DateTime<Utc>,
}

impl Clock {
    pub(crate) fn right(now: DateTime<Utc>) -> Self {
        Self { off_by: Duration::zero(), smears_from: None, started_at: now, started_at_wall: now }
    }

    /// The same, with a leap second that is smeared from then on.
    pub(crate) fn smearing_from(self, from: DateTime<Utc>) -> Self {
        Self { smears_from: Some(from), ..self }
    }

    /// The clock is set by so much.
    pub(crate) fn set(&mut self, by: Duration) {
        self.off_by += by;
    }

    /// The clock is right again. Answers by how much it was set.
    pub(crate) fn set_right(&mut self) -> Duration {
        -std::mem::take(&mut self.off_by)
    }

    /// A process starts.
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
