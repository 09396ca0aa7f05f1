//! Campaigns for which TrafficStars answers 404: first they count as missing, after a while as gone (RULES.md,
//! "Words").
//!
//! A single 404 proves nothing, since a gateway may send it during a deployment: the status is then unknown, and the
//! campaign is read at every tick. Deliberately absent: the consequences. They are in the decision table and in
//! `machine::disable`.

use chrono::{DateTime, Duration, Utc};

use super::failure::RemoteFault;
use super::policy::Policy;
use super::remote::RemoteCampaign;

/// A campaign is gone after only 404s for this long. From then on it is read once per such interval.
const GONE_AFTER: Duration = Duration::minutes(15);
/// Ticks may be some milliseconds late. This tolerance avoids a wait for one more tick.
const TOLERANCE: Duration = Duration::seconds(1);

/// The signs of a campaign's existence in its reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Absence {
    /// The time (UTC) when the first read of an unbroken series of answers of 404 was sent.
    missing_since: Option<DateTime<Utc>>,
    /// A copy of `missing_since`, once a read has shown that the campaign is gone.
    gone_since: Option<DateTime<Utc>>,
    /// The campaign is gone, and is not read before this time (UTC).
    read_again_at: Option<DateTime<Utc>>,
}

impl Absence {
    /// Whether one more 404 means that the campaign is gone.
    pub(super) fn is_gone(&self, now: DateTime<Utc>) -> bool {
        self.missing_since.is_some_and(|since| now.signed_duration_since(since) >= GONE_AFTER - TOLERANCE)
    }

    /// Whether a tick at `now` reads the campaign.
    pub(super) fn is_read(&self, now: DateTime<Utc>) -> bool {
        self.read_again_at.is_none_or(|at| at <= now)
    }

    /// Interprets a read that was sent at `asked_at`: a 404 becomes `Gone` if it has lasted long enough.
    pub(super) fn believe(
        &self,
        asked_at: DateTime<Utc>,
        remote: Result<RemoteCampaign, RemoteFault>,
    ) -> Result<RemoteCampaign, RemoteFault> {
        remote.map_err(|fault| fault.of_campaign(self.is_gone(asked_at)))
    }

    /// Records the read of a tick that was sent at `asked_at`. A failed read ends the series of 404s, because nothing
    /// is known about the time around it.
    pub(super) fn saw(
        &mut self,
        asked_at: DateTime<Utc>,
        policy: &Policy,
        remote: &Result<RemoteCampaign, RemoteFault>,
    ) {
        match remote {
            Ok(_) | Err(RemoteFault::Failed(_) | RemoteFault::Shared(_)) => *self = Self::default(),
            // With a small request budget many ticks pass without a read. A campaign that is gone stays gone meanwhile.
            Err(RemoteFault::Late) => {}
            Err(RemoteFault::NotFound) => {
                self.missing_since.get_or_insert(asked_at);
                self.read_again_at = None;
            }
            Err(RemoteFault::Gone) => {
                self.gone_since = self.missing_since;
                let point = policy.next_grid_point(asked_at) - policy.tick;
                self.read_again_at = Some(point + GONE_AFTER);
            }
        }
    }

    /// Records a read between two ticks.
    pub(super) fn saw_back(&mut self, remote: &Result<RemoteCampaign, RemoteFault>) {
        if remote.is_ok() {
            *self = Self::default();
        }
    }

    /// Makes the next tick read the campaign, because an order needs its present state. Returns whether the read had
    /// been postponed.
    pub(super) fn read_at_next_tick(&mut self) -> bool {
        self.read_again_at.take().is_some()
    }

    /// Returns when the campaign is read again; `None` unless it is gone.
    pub(super) fn read_again_at(&self) -> Option<DateTime<Utc>> {
        self.read_again_at
    }

    /// Returns since when the campaign has been missing; `None` unless it is gone.
    pub(super) fn gone_since(&self) -> Option<DateTime<Utc>> {
        self.gone_since
    }

    /// Moves times closer after a clock was set back, so that no time lies too far ahead.
    pub(super) fn clamp_to_now(&mut self, now: DateTime<Utc>) {
        self.missing_since = self.missing_since.map(|since| since.min(now));
        self.read_again_at = self.read_again_at.map(|at| at.min(now + GONE_AFTER));
    }
}
