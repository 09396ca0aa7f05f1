//! The facts of one tick, and how they were judged.
//!
//! The facts are judged once, when the tick concludes, and kept, so that operators see what the decision was based on.
//! Later callers use [`Assessment::judged_at`], because midnight or an end time may have passed, and the policy may
//! have changed.

use chrono::{DateTime, Utc};

use super::budget::{DayBudget, TopUpTerms};
use super::confirmation;
use super::decision::Judgement;
use super::failure::RemoteFault;
use super::observation::Observation;
use super::policy::{HighSpend, Policy};
use super::remote::{RemoteCampaign, RemoteStatus};

/// One observation with its judgement.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// The facts.
    pub observation: Observation,
    /// The judgement of them, by the policy of that time.
    pub judged: Judgement,
    /// What was remembered of the day's budget.
    day_budget: Option<DayBudget>,
}

impl Assessment {
    /// Judges an observation by the policy.
    #[must_use]
    pub fn new(observation: Observation, day_budget: Option<DayBudget>, policy: &Policy, now: DateTime<Utc>) -> Self {
        let judged = judge(&observation, day_budget.as_ref(), policy, now);
        Self { observation, judged, day_budget }
    }

    /// Judges the same facts at another time, by a possibly different policy.
    #[must_use]
    pub fn judged_at(&self, now: DateTime<Utc>, policy: &Policy) -> Judgement {
        judge(&self.observation, self.day_budget.as_ref(), policy, now)
    }

    /// Judges other facts at another time, with the same budget.
    #[must_use]
    pub fn judged_with(&self, observation: &Observation, now: DateTime<Utc>, policy: &Policy) -> Judgement {
        judge(observation, self.day_budget.as_ref(), policy, now)
    }

    /// Replaces the campaign by a later read, which was judged as `status`.
    pub(super) fn read_again(
        &mut self,
        now: DateTime<Utc>,
        remote: Result<RemoteCampaign, RemoteFault>,
        status: RemoteStatus,
    ) {
        (self.observation.remote, self.observation.remote_at, self.judged.status) = (remote, now, status);
    }

    /// Whether there is nothing to pause.
    pub(super) fn is_stopped_or_gone(&self) -> bool {
        confirmation::is_stopped_or_gone(&self.observation.remote, &self.judged.status)
    }
}

fn judge(observation: &Observation, day_budget: Option<&DayBudget>, policy: &Policy, now: DateTime<Utc>) -> Judgement {
    let judged = Judgement::new(observation, policy, now);
    let (HighSpend::TopUp, Ok(campaign)) = (policy.high_spend, &observation.remote) else { return judged };
    let terms = TopUpTerms::of(policy, campaign);
    let new_day = DayBudget::new(now.date_naive(), false);
    let day = day_budget.filter(|day| day.day == now.date_naive()).unwrap_or(&new_day);
    judged.at_stage(day.stage(now, terms))
}
