//! A model of the click tracker: a campaign uses clicks while it runs, each at its own speed.
//!
//! It knows to the millisecond when a running campaign falls to the pause threshold, and so how long the pause took to
//! arrive.

use chrono::{DateTime, Duration, Utc};

use super::random::Random;

/// RULES.md: with this many remaining clicks, or fewer, a campaign should be paused.
pub(crate) const PAUSE_CLICKS: i64 = 5_000;
const HOUR_MS: i64 = 3_600_000;

#[derive(Debug, Clone)]
struct Supply {
    clicks: i64,
    since: DateTime<Utc>,
    clicks_an_hour: i64,
    runs: bool,
    /// When it fell to the threshold, until a pause answers that.
    crossed_at: Option<DateTime<Utc>>,
}

/// A campaign that fell to the threshold and was paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crossing {
    pub(crate) campaign: usize,
    pub(crate) at: DateTime<Utc>,
    pub(crate) paused_after: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Tracker {
    supplies: Vec<Supply>,
    crossings: Vec<Crossing>,
    /// Pauses of campaigns that had more clicks than the threshold.
    needless_pauses: usize,
}

impl Tracker {
    /// Adds a running campaign that will fall to the threshold after this time.
    pub(crate) fn add(&mut self, now: DateTime<Utc>, crosses_in: Duration, random: &mut Random) {
        let clicks_an_hour = random.within(100..3_000);
        let clicks = PAUSE_CLICKS + clicks_an_hour.saturating_mul(crosses_in.num_milliseconds()) / HOUR_MS;
        self.supplies.push(Supply { clicks, since: now, clicks_an_hour, runs: true, crossed_at: None });
    }

    /// Returns a campaign's remaining clicks, as the database has them.
    pub(crate) fn clicks(&self, now: DateTime<Utc>, campaign: usize) -> i64 {
        self.supplies.get(campaign).map_or(0, |supply| supply.clicks_at(now))
    }

    /// Adds new URLs: the campaign then has this many clicks, which last this long.
    pub(crate) fn refill(&mut self, now: DateTime<Utc>, campaign: usize, clicks: i64, lasts: Duration) {
        let Some(supply) = self.supplies.get_mut(campaign) else { return };
        let an_hour = (clicks - PAUSE_CLICKS).saturating_mul(HOUR_MS) / lasts.num_milliseconds().max(1);
        *supply = Supply { clicks, since: now, clicks_an_hour: an_hour.max(1), runs: supply.runs, crossed_at: None };
    }

    /// Takes in that TrafficStars starts or stops a campaign. Returns whether this is the pause after a crossing.
    pub(crate) fn switch(&mut self, now: DateTime<Utc>, campaign: usize, runs: bool) -> bool {
        let Some(supply) = self.supplies.get_mut(campaign) else { return false };
        if supply.runs == runs {
            return false;
        }
        let crossed_at = supply.crossing_at().filter(|at| *at <= now);
        *supply = Supply { clicks: supply.clicks_at(now), since: now, runs, crossed_at: None, ..*supply };
        match (runs, crossed_at) {
            (true, _) => false,
            (false, Some(at)) => {
                self.crossings.push(Crossing { campaign, at, paused_after: now.signed_duration_since(at) });
                true
            }
            (false, None) => {
                self.needless_pauses += 1;
                false
            }
        }
    }

    /// Takes in that a campaign has reached its end time, which is no pause. Returns whether it ran until then.
    pub(crate) fn end(&mut self, now: DateTime<Utc>, campaign: usize) -> bool {
        let Some(supply) = self.supplies.get_mut(campaign) else { return false };
        let ran = supply.runs;
        let crossed_at = supply.crossing_at().filter(|at| *at <= now);
        *supply = Supply { clicks: supply.clicks_at(now), since: now, runs: false, crossed_at, ..*supply };
        ran
    }

    /// Adds a campaign with this many clicks and this speed.
    pub(crate) fn add_with(&mut self, now: DateTime<Utc>, clicks: i64, clicks_an_hour: i64, runs: bool) {
        self.supplies.push(Supply { clicks, since: now, clicks_an_hour, runs, crossed_at: None });
    }

    /// Adds clicks, or takes some away: URLs change, or clicks come in a burst.
    pub(crate) fn add_clicks(&mut self, now: DateTime<Utc>, campaign: usize, clicks: i64) {
        if let Some(supply) = self.supplies.get_mut(campaign) {
            let clicks = (supply.clicks_at(now) + clicks).max(0);
            *supply = Supply { clicks, since: now, crossed_at: None, ..*supply };
        }
    }

    pub(crate) fn set_speed(&mut self, now: DateTime<Utc>, campaign: usize, clicks_an_hour: i64) {
        if let Some(supply) = self.supplies.get_mut(campaign) {
            *supply = Supply { clicks: supply.clicks_at(now), since: now, clicks_an_hour, ..*supply };
        }
    }

    pub(crate) fn crossings(&self) -> &[Crossing] {
        &self.crossings
    }

    pub(crate) const fn needless_pauses(&self) -> usize {
        self.needless_pauses
    }

    /// Returns how many campaigns still run although they fell to the threshold between these moments.
    pub(crate) fn unanswered(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> usize {
        let crossed = |supply: &&Supply| supply.crossing_at().is_some_and(|at| from <= at && at < to);
        self.supplies.iter().filter(|supply| supply.runs).filter(crossed).count()
    }
}

impl Supply {
    fn clicks_at(&self, now: DateTime<Utc>) -> i64 {
        let elapsed_ms = if self.runs { now.signed_duration_since(self.since).num_milliseconds() } else { 0 };
        (self.clicks - elapsed_ms.saturating_mul(self.clicks_an_hour) / HOUR_MS).max(0)
    }

    /// Returns the first moment at which the clicks are at the threshold, if nothing changes.
    fn crossing_at(&self) -> Option<DateTime<Utc>> {
        if self.crossed_at.is_some() || !self.runs {
            return self.crossed_at;
        }
        let distance = (self.clicks - PAUSE_CLICKS).max(0);
        let elapsed_ms = distance.saturating_mul(HOUR_MS).div_ceil_to(self.clicks_an_hour);
        Some(self.since + Duration::milliseconds(elapsed_ms))
    }
}

trait DivCeilTo {
    fn div_ceil_to(self, divisor: i64) -> i64;
}

impl DivCeilTo for i64 {
    fn div_ceil_to(self, divisor: i64) -> i64 {
        (self + divisor.max(1) - 1) / divisor.max(1)
    }
}
