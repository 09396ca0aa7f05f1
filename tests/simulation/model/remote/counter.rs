//! Counters of the day that go on as yesterday's after midnight.

use chrono::{DateTime, NaiveDate, Utc};
use traffic_generator::domain::spend::SpendReading;

use super::Remote;
use super::state::in_cents;

/// After midnight a campaign's counter shows yesterday's spend, late clicks included, then today's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LateCounter {
    pub(crate) midnight: DateTime<Utc>,
    /// What yesterday ended with, in millionths; none where the campaign is seen through midnight.
    pub(crate) ended_with: Option<i64>,
    /// From each of these moments on it is so much more.
    pub(crate) late_clicks: Vec<(DateTime<Utc>, i64)>,
    /// From then on the field is absent, if ever.
    pub(crate) absent_from: Option<DateTime<Utc>>,
    pub(crate) falls_at: DateTime<Utc>,
}

impl LateCounter {
    fn shows(&self, now: DateTime<Utc>) -> SpendReading {
        let ended_with = in_cents(self.ended_with.unwrap_or(0));
        // Where nothing was spent yesterday the field is absent, as on a new day, and no late clicks come.
        if self.absent_from.is_some_and(|from| from <= now) || ended_with == SpendReading::NoValue {
            return SpendReading::NoValue;
        }
        let late: i64 = self.late_clicks.iter().filter(|(from, _)| *from <= now).map(|(_, micros)| micros).sum();
        in_cents(self.ended_with.unwrap_or(0) + late)
    }
}

impl Remote {
    /// From midnight on its counter is late. It is told a moment before, so that what yesterday ends with is known; where
    /// midnight has passed it says so itself.
    pub(crate) fn set_late_counter(&mut self, now: DateTime<Utc>, campaign: usize, late: LateCounter) {
        let Some(found) = self.campaigns.get_mut(campaign) else { return };
        let ended_with = late.ended_with.unwrap_or_else(|| found.spent_at(now));
        found.late_counter = Some(LateCounter { ended_with: Some(ended_with), ..late });
    }

    /// What the counter of the day shows, and the day that it is of.
    pub(super) fn counter(&self, now: DateTime<Utc>, campaign: usize) -> Option<(SpendReading, NaiveDate)> {
        let found = self.campaigns.get(campaign)?;
        let told_at = self.told_at(now);
        // One that is late and old beside is of the day before for longer.
        let is_late = |late: &&LateCounter| late.midnight <= now && (now < late.falls_at || told_at < late.midnight);
        Some(match found.late_counter.as_ref().filter(is_late) {
            Some(late) => (late.shows(now), late.midnight.date_naive().pred_opt()?),
            None => (in_cents(found.spent_at(told_at)), told_at.date_naive()),
        })
    }
}
