//! Finds campaigns that run and whose spend does not change: their ads may not be shown, or TrafficStars' counter is
//! stuck.
//!
//! A counter that did not change for 70 to 100 minutes was seen on a live campaign. So this is only reported, and
//! decides nothing.

use chrono::{DateTime, Duration, Utc};

use super::decision::{Judgement, SpendLevel};
use super::money::{Clicks, Money};
use super::observation::Observation;
use super::remote::RemoteStatus;
use super::spend::SpendSource;

/// A spend that is unchanged for this long is reported.
const REPORTED_AFTER: Duration = Duration::hours(1);

/// An amount of today's spend, and since when it is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unchanged {
    amount: Money,
    since: DateTime<Utc>,
    last_clicks: Option<Clicks>,
    /// The number of clicks used since then.
    clicks_used: u64,
    is_reported: bool,
}

/// The report of an unchanged spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandsStill {
    /// The amount.
    pub amount: Money,
    /// The time (UTC) since which it is unchanged.
    pub since: DateTime<Utc>,
    /// The number of clicks used since then.
    pub clicks_used: u64,
}

/// Watches one campaign's spend.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UnchangedSpend(Option<Unchanged>);

impl UnchangedSpend {
    /// Records the facts of a tick. Returns a report, once for each amount, if the campaign runs below its limit, its
    /// clicks are used, and its spend has been the same for an hour.
    pub(super) fn saw(
        &mut self,
        now: DateTime<Utc>,
        observation: &Observation,
        judged: &Judgement,
    ) -> Option<StandsStill> {
        match judged.status {
            RemoteStatus::Running => {}
            // A failed read gives no information. If it ended the watch, one time-out an hour would prevent the report
            // for ever.
            RemoteStatus::Unknown { .. } => return None,
            RemoteStatus::Stopped(_) | RemoteStatus::Blocked { .. } => {
                self.0 = None;
                return None;
            }
        }
        // A stored or unknown spend shows nothing of TrafficStars' counter.
        let shown = observation.spend.as_ref().ok().filter(|spend| spend.source != SpendSource::Database)?;
        if shown.day != now.date_naive() {
            self.0 = None;
            return None;
        }
        let (amount, since) = (shown.amount, now);
        let fresh = Unchanged { amount, since, last_clicks: None, clicks_used: 0, is_reported: false };
        let is_same =
            |unchanged: &Unchanged| unchanged.amount == shown.amount && unchanged.since.date_naive() == shown.day;
        let mut unchanged = self.0.filter(is_same).unwrap_or(fresh);
        unchanged.since = unchanged.since.min(now);
        if let Some(clicks) = judged.remaining {
            let used = unchanged.last_clicks.map_or(0, |last| last.0.saturating_sub(clicks.0));
            unchanged.clicks_used = unchanged.clicks_used.saturating_add(used);
            unchanged.last_clicks = Some(clicks);
        }
        let is_due = now.signed_duration_since(unchanged.since) >= REPORTED_AFTER
            && judged.spend_level == SpendLevel::Below
            && unchanged.clicks_used > 0;
        let is_new = is_due && !unchanged.is_reported;
        unchanged.is_reported |= is_due;
        self.0 = Some(unchanged);
        is_new.then_some(StandsStill {
            amount: unchanged.amount,
            since: unchanged.since,
            clicks_used: unchanged.clicks_used,
        })
    }

    /// Returns since when the spend is unchanged, while the campaign runs.
    pub(super) fn since(&self) -> Option<DateTime<Utc>> {
        self.0.map(|unchanged| unchanged.since)
    }

    /// Whether the unchanged spend was reported.
    pub(super) fn is_reported(&self) -> bool {
        self.0.is_some_and(|unchanged| unchanged.is_reported)
    }
}
