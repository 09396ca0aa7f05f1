//! A campaign for which TrafficStars answers 404: it is missing at first, and gone after a while (RULES.md, "Words").
//!
//! One 404 may be a gateway's in a deployment, so that it proves nothing: the status is unknown, and the campaign is read
//! at every tick. Deliberately absent: what follows from that, which the decision table and the releases say.

use chrono::{DateTime, Duration, Utc};

use super::failure::RemoteFault;
use super::policy::Policy;
use super::remote::RemoteCampaign;

/// A campaign is gone after 404s alone for so long. From then on it is read once in each such interval.
const GONE_AFTER: Duration = Duration::minutes(15);
/// Ticks are late by some milliseconds; none may cost a whole tick more.
const TOLERANCE: Duration = Duration::seconds(1);

/// What the reads of a campaign say of its being there.
#[derive(Debug, Clone, Default)]
pub(super) struct Absence {
    /// When the first of an unbroken row of reads was asked for that were all answered with 404.
    missing_since: Option<DateTime<Utc>>,
    /// The same, once a read has shown that it is gone.
    gone_since: Option<DateTime<Utc>>,
    /// It is gone, and is not read before then.
    read_again_at: Option<DateTime<Utc>>,
}

impl Absence {
    /// Whether one more 404 says that it is gone.
    pub(super) fn is_gone(&self, now: DateTime<Utc>) -> bool {
        self.missing_since.is_some_and(|since| now.signed_duration_since(since) >= GONE_AFTER - TOLERANCE)
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

    /// A tick that asked for a read at `asked_at` is over. A read that failed ends the row of 404s: nothing is known of the
    /// time around it.
    pub(super) fn saw(
        &mut self,
        asked_at: DateTime<Utc>,
        policy: &Policy,
        remote: &Result<RemoteCampaign, RemoteFault>,
    ) {
        match remote {
            Ok(_) | Err(RemoteFault::Failed(_) | RemoteFault::Shared(_)) => *self = Self::default(),
            // Where requests are short, many a tick goes by without a read: a campaign that is gone stays gone meanwhile.
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

    /// It was read between two ticks.
    pub(super) fn saw_back(&mut self, remote: &Result<RemoteCampaign, RemoteFault>) {
        if remote.is_ok() {
            *self = Self::default();
        }
    }

    /// An order wants to know now whether it is there. Answers whether its next read had been put off.
    pub(super) fn look_anew(&mut self) -> bool {
        self.read_again_at.take().is_some()
    }

    /// When it is read again; `None` unless it is gone.
    pub(super) fn read_again_at(&self) -> Option<DateTime<Utc>> {
        self.read_again_at
    }

    /// Since when it has been missing, if it is gone.
    pub(super) fn gone_since(&self) -> Option<DateTime<Utc>> {
        self.gone_since
    }

    /// A clock that was set back puts nothing out of reach.
    pub(super) fn clamp_to_now(&mut self, now: DateTime<Utc>) {
        self.missing_since = self.missing_since.map(|since| since.min(now));
        self.read_again_at = self.read_again_at.map(|at| at.min(now + GONE_AFTER));
    }
}
