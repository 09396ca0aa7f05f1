//! What one tick found out, and what it was judged to be.
//!
//! It is judged once, when the tick concludes, and kept: what is shown is what was decided by. A later question is judged
//! anew by [`Assessment::judged_at`], since days and end times pass, and the policy may have changed.

use chrono::{DateTime, Utc};

use super::decision::Judgement;
use super::failure::RemoteFault;
use super::observation::Observation;
use super::policy::Policy;
use super::progress;
use super::remote::{RemoteCampaign, RemoteStatus};

/// One observation with its judgement.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// What was found out.
    pub observation: Observation,
    /// What it was judged to be, by the policy of that moment.
    pub judged: Judgement,
}

impl Assessment {
    /// Judges an observation by the policy.
    #[must_use]
    pub fn new(observation: Observation, policy: &Policy, now: DateTime<Utc>) -> Self {
        let judged = Judgement::new(&observation, policy, now);
        Self { observation, judged }
    }

    /// What the same facts are at another time, by what may be another policy.
    #[must_use]
    pub fn judged_at(&self, now: DateTime<Utc>, policy: &Policy) -> Judgement {
        Judgement::new(&self.observation, policy, now)
    }

    /// The campaign alone was read once more, and judged.
    pub(super) fn read_again(
        &mut self,
        now: DateTime<Utc>,
        remote: Result<RemoteCampaign, RemoteFault>,
        status: RemoteStatus,
    ) {
        (self.observation.remote, self.observation.remote_at, self.judged.status) = (remote, now, status);
    }

    /// Whether nothing is left to pause.
    pub(super) fn is_stopped_or_gone(&self) -> bool {
        progress::is_stopped_or_gone(&self.observation.remote, &self.judged.status)
    }
}
