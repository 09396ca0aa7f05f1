//! What one UTC day brought, as the database has it: the facts of the daily digest.
//!
//! Deliberately absent: the text (`alerts::digest`), and the reading (`store::digest`).

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::action::{ActionKind, Step, Trigger};
use super::ids::CampaignId;
use super::money::Money;

/// What one UTC day brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaySummary {
    /// The day.
    pub day: NaiveDate,
    /// The campaigns by id, with their names.
    pub names: BTreeMap<CampaignId, String>,
    /// The last spend of each campaign on that day.
    pub spends: Vec<(CampaignId, Money)>,
    /// The number of guarded campaigns of which no spend on that day is known.
    pub without_spend: u64,
    /// The journal entries of the day before, the oldest first: a campaign may be stopped over midnight.
    pub earlier: Vec<DayAction>,
    /// The journal entries of that day, the oldest first.
    pub actions: Vec<DayAction>,
}

/// One journal entry, as far as the digest needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayAction {
    /// The campaign.
    pub campaign: CampaignId,
    /// The kind of the action.
    pub kind: ActionKind,
    /// The trigger.
    pub trigger: Trigger,
    /// The last step that it reached.
    pub step: Step,
    /// The time (UTC) when it was decided.
    pub requested_at: DateTime<Utc>,
    /// The time (UTC) when a read confirmed it.
    pub confirmed_at: Option<DateTime<Utc>>,
}

impl DaySummary {
    /// Returns the sum of the spends.
    #[must_use]
    pub fn spend(&self) -> Money {
        self.spends.iter().fold(Money::ZERO, |sum, (_, spend)| sum.checked_add(*spend).unwrap_or(sum))
    }

    /// Returns how often an action of this kind was confirmed.
    #[must_use]
    pub fn confirmed(&self, kind: ActionKind) -> usize {
        self.actions.iter().filter(|action| action.kind == kind && action.step == Step::Confirmed).count()
    }

    /// Returns how many actions failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.actions.iter().filter(|action| action.step == Step::Failed).count()
    }

    /// Returns for how long each campaign was stopped by others on that day, from the tick that saw it to the confirmed
    /// activation, or to the end of the day. The time before that tick, at most one tick, is not known, and neither is a
    /// stop from before the day before.
    #[must_use]
    pub fn stopped_by_others(&self) -> BTreeMap<CampaignId, TimeDelta> {
        let begins = self.day.and_time(NaiveTime::MIN).and_utc();
        let ends = begins.checked_add_days(Days::new(1)).unwrap_or(begins);
        let mut stopped_since: BTreeMap<CampaignId, DateTime<Utc>> = BTreeMap::new();
        let mut stopped_for: BTreeMap<CampaignId, TimeDelta> = BTreeMap::new();
        let mut was_stopped = |id: CampaignId, since: DateTime<Utc>, until: DateTime<Utc>| {
            let (since, until) = (since.max(begins), until.min(ends));
            if since < until {
                *stopped_for.entry(id).or_default() += until - since;
            }
        };
        for action in self.earlier.iter().chain(&self.actions) {
            let id = action.campaign;
            match action.kind {
                ActionKind::Activate => {
                    if action.trigger == Trigger::Guard {
                        stopped_since.entry(id).or_insert(action.requested_at);
                    }
                    if let (Some(confirmed_at), Some(since)) = (action.confirmed_at, stopped_since.get(&id).copied()) {
                        stopped_since.remove(&id);
                        was_stopped(id, since, confirmed_at);
                    }
                }
                // From here on it is to be stopped.
                ActionKind::Pause => {
                    if let Some(since) = stopped_since.remove(&id) {
                        was_stopped(id, since, action.requested_at);
                    }
                }
                ActionKind::SetEndTime | ActionKind::TopUp | ActionKind::DailyBudget => {}
            }
        }
        for (id, since) in stopped_since {
            was_stopped(id, since, ends);
        }
        stopped_for
    }
}
