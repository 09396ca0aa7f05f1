//! Spend counters that still count for yesterday after midnight.

use chrono::{DateTime, NaiveDate, Utc};
use traffic_generator::domain::spend::SpendReading;

use super::Remote;
use super::state::in_cents;

/// A counter that after midnight shows yesterday's spend, late clicks included, and later falls to today's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LateCounter {
    pub(crate) midnight: DateTime<Utc>,
    /// Yesterday's final spend, in millionths; `None` if it is read from the campaign at midnight.
    pub(crate) ended_with: Option<i64>,
    /// From each moment on, the counter is higher by this amount.
    pub(crate) late_clicks: Vec<(DateTime<Utc>, i64)>,
    /// When the field becomes absent, if it does.
    pub(crate) absent_from: Option<DateTime<Utc>>,
    /// When the counter falls to today's spend.
    pub(crate) falls_at: DateTime<Utc>,
}

impl LateCounter {
    fn shows(&self, now: DateTime<Utc>) -> SpendReading {
        let ended_with = in_cents(self.ended_with.unwrap_or(0));
        // Without any spend yesterday the field is absent, as on a new day, and there are no late clicks.
        if self.absent_from.is_some_and(|from| from <= now) || ended_with == SpendReading::NoValue {
            return SpendReading::NoValue;
        }
        let late: i64 = self.late_clicks.iter().filter(|(from, _)| *from <= now).map(|(_, micros)| micros).sum();
        in_cents(self.ended_with.unwrap_or(0) + late)
    }
}

impl Remote {
    /// Makes a counter late from midnight on. Call it a moment before midnight, so that yesterday's final spend is
    /// known; after midnight `late` has to contain it.
    pub(crate) fn set_late_counter(&mut self, now: DateTime<Utc>, campaign: usize, late: LateCounter) {
        let Some(found) = self.campaigns.get_mut(campaign) else { return };
        let ended_with = late.ended_with.unwrap_or_else(|| found.spent_at(now));
        found.late_counter = Some(LateCounter { ended_with: Some(ended_with), ..late });
    }

    /// Returns the counter's value, and the day that it shows.
    pub(super) fn counter(&self, now: DateTime<Utc>, campaign: usize) -> Option<(SpendReading, NaiveDate)> {
        let found = self.campaigns.get(campaign)?;
        let spend_at = self.spend_at(now);
        // A counter that is late, and answered late as well, shows the day before for longer.
        let is_late = |late: &&LateCounter| late.midnight <= now && (now < late.falls_at || spend_at < late.midnight);
        Some(match found.late_counter.as_ref().filter(is_late) {
            Some(late) => (late.shows(now), late.midnight.date_naive().pred_opt()?),
            None => (in_cents(found.spent_at(spend_at)), spend_at.date_naive()),
        })
    }
}
