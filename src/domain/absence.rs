//! A campaign for which TrafficStars answers 404: it is missing at first, and gone after a while (behaviour.md, "Words").
//!
//! One 404 may be a gateway's in a deployment, so that it proves nothing: the status is unknown, and the campaign is read
//! at every tick. Deliberately absent: what follows from that, which the decision table and the releases say.

use chrono::{DateTime, Duration, Utc};

use super::policy::Policy;
use super::remote::{RemoteCampaign, RemoteFault};

/// A campaign is gone after 404s alone for so long. And so often it is read from then on.
const GONE_AFTER: Duration = Duration::minutes(15);

/// What the reads of a campaign say of its being there.
#[derive(Debug, Clone, Default)]
pub(super) struct Absence {
    /// Since when it was answered with 404, to a point of the grid: some milliseconds of delay cost no tick.
    missing_since: Option<DateTime<Utc>>,
    /// It is gone, and is not read before then.
    read_again_at: Option<DateTime<Utc>>,
}

impl Absence {
    /// Whether one more 404 says that it is gone.
    pub(super) fn is_gone(&self, now: DateTime<Utc>) -> bool {
        self.missing_since.is_some_and(|since| now.signed_duration_since(since) >= GONE_AFTER)
    }

    /// Whether a tick at `now` reads it.
    pub(super) fn is_read(&self, now: DateTime<Utc>) -> bool {
        self.read_again_at.is_none_or(|at| at <= now)
    }

    /// What a read that was asked for at `asked_at` means.
    pub(super) fn believe(
        &self,
        asked_at: DateTime<Utc>,
        remote: Result<RemoteCampaign, RemoteFault>,
    ) -> Result<RemoteCampaign, RemoteFault> {
        remote.map_err(|fault| fault.of_campaign(self.is_gone(asked_at)))
    }

    /// A tick's read that was asked for at `asked_at` came. One that failed says nothing.
    pub(super) fn saw(
        &mut self,
        asked_at: DateTime<Utc>,
        policy: &Policy,
        remote: &Result<RemoteCampaign, RemoteFault>,
    ) {
        let point = policy.next_grid_point(asked_at) - policy.tick;
        match remote {
            Ok(_) => *self = Self::default(),
            Err(RemoteFault::Failed(_)) => self.read_again_at = None,
            Err(RemoteFault::NotFound) => {
                self.missing_since.get_or_insert(point);
                self.read_again_at = None;
            }
            Err(RemoteFault::Gone) => self.read_again_at = Some(point + GONE_AFTER),
        }
    }

    /// It was read between two ticks.
    pub(super) fn saw_back(&mut self, remote: &Result<RemoteCampaign, RemoteFault>) {
        if remote.is_ok() {
            *self = Self::default();
        }
    }

    /// An order wants to know now whether it is there. Answers whether that was not to be looked at.
    pub(super) fn look_anew(&mut self) -> bool {
        self.read_again_at.take().is_some()
    }

    /// When it is read again; `None` unless it is gone.
    pub(super) fn read_again_at(&self) -> Option<DateTime<Utc>> {
        self.read_again_at
    }

    /// Since when it has been missing, if it is gone by now.
    pub(super) fn gone_since(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.missing_since.filter(|_| self.is_gone(now))
    }

    /// A clock that was set back puts nothing out of reach.
    pub(super) fn heed_clock(&mut self, now: DateTime<Utc>) {
        self.missing_since = self.missing_since.map(|since| since.min(now));
        self.read_again_at = self.read_again_at.map(|at| at.min(now + GONE_AFTER));
    }
}
