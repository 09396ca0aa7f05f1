//! A campaign that says it runs and whose spend stands still: nothing may be shown to anybody, or the counter hangs.
//!
//! A counter that stands still for 70 to 100 minutes on a campaign that runs was seen live, so this is told, and nothing is
//! decided by it.

use chrono::{DateTime, Duration, Utc};

use super::decision::{Judgement, SpendLevel};
use super::money::{Clicks, Money};
use super::observation::Observation;
use super::remote::RemoteStatus;
use super::spend::SpendSource;

/// A spend that has stood still for this long is told.
const TOLD_AFTER: Duration = Duration::hours(1);

/// A value of today's spend, and since when it is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unchanged {
    amount: Money,
    since: DateTime<Utc>,
    last_clicks: Option<Clicks>,
    /// How many clicks were used meanwhile.
    clicks_used: u64,
    is_told: bool,
}

/// What is to be told of a spend that stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandsStill {
    /// The value.
    pub amount: Money,
    /// Since when it is the same.
    pub since: DateTime<Utc>,
    /// How many clicks were used meanwhile.
    pub clicks_used: u64,
}

/// Watches one campaign's spend.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UnchangedSpend(Option<Unchanged>);

impl UnchangedSpend {
    /// Takes note of a tick. Answers what is to be told, once for each value: the campaign runs below its limit, its clicks go
    /// on, and its spend has been the same for an hour.
    pub(super) fn saw(
        &mut self,
        now: DateTime<Utc>,
        observation: &Observation,
        judged: &Judgement,
    ) -> Option<StandsStill> {
        match judged.status {
            RemoteStatus::Running => {}
            // A read that failed says nothing: one time-out an hour would put the event off for ever.
            RemoteStatus::Unknown { .. } => return None,
            RemoteStatus::Stopped(_) | RemoteStatus::Blocked { .. } => {
                self.0 = None;
                return None;
            }
        }
        // What is stored or unknown says nothing of what TrafficStars shows.
        let shown = observation.spend.as_ref().ok().filter(|spend| spend.source != SpendSource::Database)?;
        if shown.day != now.date_naive() {
            self.0 = None;
            return None;
        }
        let fresh = Unchanged { amount: shown.amount, since: now, last_clicks: None, clicks_used: 0, is_told: false };
        let is_same =
            |standing: &Unchanged| standing.amount == shown.amount && standing.since.date_naive() == shown.day;
        let mut standing = self.0.filter(is_same).unwrap_or(fresh);
        standing.since = standing.since.min(now);
        if let Some(clicks) = judged.remaining {
            let used = standing.last_clicks.map_or(0, |last| last.0.saturating_sub(clicks.0));
            standing.clicks_used = standing.clicks_used.saturating_add(used);
            standing.last_clicks = Some(clicks);
        }
        let is_due = now.signed_duration_since(standing.since) >= TOLD_AFTER
            && judged.spend == SpendLevel::Below
            && standing.clicks_used > 0;
        let news = is_due && !standing.is_told;
        standing.is_told |= is_due;
        self.0 = Some(standing);
        news.then_some(StandsStill {
            amount: standing.amount,
            since: standing.since,
            clicks_used: standing.clicks_used,
        })
    }

    /// Since when the spend of a campaign that runs is the same.
    pub(super) fn since(&self) -> Option<DateTime<Utc>> {
        self.0.map(|standing| standing.since)
    }

    /// Whether it was told that it stands still.
    pub(super) fn is_told(&self) -> bool {
        self.0.is_some_and(|standing| standing.is_told)
    }
}
