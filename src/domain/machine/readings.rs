//! The facts that were read last, how they were judged, and since when a fact is unknown.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::context::StepContext;
use super::invariants::{Broken, must};
use crate::domain::assessment::Assessment;
use crate::domain::clock_difference::ClockDifference;
use crate::domain::decision::Judgement;
use crate::domain::failure::RemoteFault;
use crate::domain::phase::Phase;
use crate::domain::policy::Policy;
use crate::domain::remote::{EndTime, RemoteCampaign, RemoteStatus};

/// The readings of one campaign.
#[derive(Debug, Clone, Default)]
pub(super) struct Readings {
    /// The facts of the last tick, with the status of a later read-back. They are shared with what is published.
    pub(super) last: Option<Arc<Assessment>>,
    /// The time (UTC) since which no tick could read the status.
    pub(super) status_unknown_since: Option<DateTime<Utc>>,
    /// The time (UTC) since which no tick could read the remaining clicks.
    pub(super) clicks_unknown_since: Option<DateTime<Utc>>,
    /// The time (UTC) when the first unconfirmed pause was decided.
    pub(super) pausing_since: Option<DateTime<Utc>>,
}

impl Readings {
    /// Judges the last reading as of `now`, by the present policy.
    pub(super) fn judged_at(&self, now: DateTime<Utc>, policy: &Policy) -> Option<Judgement> {
        self.last.as_ref().map(|facts| facts.judged_at(now, policy))
    }

    /// Returns the campaign as read last; `None` if it could not be read.
    pub(super) fn campaign(&self) -> Option<&RemoteCampaign> {
        self.last.as_ref()?.observation.remote.as_ref().ok()
    }

    pub(super) fn end_time(&self) -> Option<&EndTime> {
        self.campaign().map(|campaign| &campaign.end_time)
    }

    pub(super) fn is_clock_far_apart(&self) -> bool {
        let clock = self.last.as_ref().and_then(|facts| facts.observation.clock);
        clock.is_some_and(ClockDifference::is_far_apart)
    }

    /// Records the facts of a tick: since when a fact is unknown, and whether a pause took effect after all.
    pub(super) fn saw(&mut self, step: &StepContext<'_>, facts: &Arc<Assessment>) {
        let unknown = |is_unknown: bool, since: Option<DateTime<Utc>>| is_unknown.then(|| since.unwrap_or(step.now));
        let status_unknown = matches!(facts.judged.status, RemoteStatus::Unknown { .. });
        self.status_unknown_since = unknown(status_unknown, self.status_unknown_since);
        let clicks = facts.observation.clicks.as_ref();
        let clicks_known = clicks.is_ok_and(|clicks| step.policy.clicks_doubt(clicks).is_none());
        self.clicks_unknown_since = unknown(!clicks_known, self.clicks_unknown_since);
        if facts.is_stopped_or_gone() {
            self.pausing_since = None;
        }
        self.last = Some(Arc::clone(facts));
    }

    /// Records a read-back, with its judgement.
    pub(super) fn saw_back(
        &mut self,
        now: DateTime<Utc>,
        remote: Result<RemoteCampaign, RemoteFault>,
        status: RemoteStatus,
    ) {
        if let Some(facts) = &mut self.last {
            Arc::make_mut(facts).read_again(now, remote, status);
        }
    }

    pub(super) fn invariants(&self, phase: Phase, has_paused: bool) -> Result<(), Broken> {
        let has_unknown = self.status_unknown_since.is_some() || self.clicks_unknown_since.is_some();
        must(self.last.is_some() || !has_unknown, "a fact is unknown before anything was read")?;
        let wants_stopped = matches!(phase, Phase::PausedGuarded | Phase::CoolingDown { .. });
        // An action that an earlier process has left unfinished may belong to another promise.
        let is_wanted = self.pausing_since.is_none() || wants_stopped || !has_paused;
        must(is_wanted, "a pause is awaited although none is wanted")?;
        let Some(Assessment { observation, judged, .. }) = self.last.as_deref() else { return Ok(()) };
        let is_known = matches!(judged.status, RemoteStatus::Running | RemoteStatus::Stopped(_));
        must(observation.remote.is_ok() || !is_known, "a campaign is judged running or stopped without a read")?;
        let count = observation.clicks.as_ref().ok().map(|clicks| clicks.count);
        must(count == judged.remaining, "the judged clicks differ from those that were read")
    }
}
