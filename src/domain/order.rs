//! What operators order of one campaign, as the machine is told (RULES.md, "Operators").
//!
//! Deliberately absent: how an order travels (`control`), and orders for all campaigns, which the supervisor hands to
//! each machine.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::action::Trigger;
use super::failure::RemoteFault;
use super::remote::{RemoteStatus, StatusDoubt};
use super::status::Hold;
use super::text::date;

/// Numbers an order within one campaign actor, so that its answer finds whoever gave it. A later one is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

/// What may be forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForceKind {
    /// Set the end time and run, whatever spend and clicks say.
    Activate,
    /// Pause, whatever anything says.
    Pause,
}

/// An action that is ordered, not decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Force {
    /// What.
    pub kind: ForceKind,
    /// What the journal calls it.
    pub trigger: Trigger,
    /// Why, in words, for the journal.
    pub reason: String,
    /// Whose order: uid and name.
    pub by: Option<String>,
    /// A pause reads first, and is not sent where the campaign is stopped already.
    pub unless_stopped: bool,
    /// The campaign's generator is disabled: what is forced is followed to its end, and nothing is guarded after it.
    pub once: bool,
}

/// Why an order that would have to send something is refused.
const OBSERVED_ONLY: &str = "it is in observe mode, in which nothing is sent: set its mode to act first";

/// Why nothing came of an ordered action.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ForceFailure {
    /// It was not sent, since it is not allowed now.
    #[error("{reason}{}", .possible_at.map(|at| format!("; possible from {} UTC", date(at))).unwrap_or_default())]
    NotNow {
        /// Why.
        reason: String,
        /// When it becomes possible, where that is known.
        possible_at: Option<DateTime<Utc>>,
    },
    /// It would have had to be sent.
    #[error("{OBSERVED_ONLY}")]
    ObserveMode,
    /// It was sent, or tried, and failed.
    #[error("{0}")]
    Failed(String),
}

/// Why a promise goes on though it was to end.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DisableRefusal {
    /// A pause was to come first.
    #[error("{OBSERVED_ONLY}")]
    ObserveMode,
    /// The pause that was to come first failed, in words.
    #[error("its pause failed: {0}")]
    PauseFailed(String),
    /// It was to end only if the campaign is stopped, which was not seen.
    #[error("{}", not_stopped(.0))]
    NotStopped(RemoteStatus),
}

impl DisableRefusal {
    /// Whether the campaign may run on if nobody guards it any more. One that is not there does not.
    #[must_use]
    pub const fn may_run_on(&self) -> bool {
        match self {
            Self::NotStopped(RemoteStatus::Unknown {
                doubt: StatusDoubt::NotRead(RemoteFault::NotFound | RemoteFault::Gone),
                ..
            }) => false,
            Self::NotStopped(RemoteStatus::Unknown { .. }) | Self::ObserveMode | Self::PauseFailed(_) => true,
            Self::NotStopped(status) => status.may_run(),
        }
    }
}

/// Why a campaign that is not seen stopped must not be left alone.
fn not_stopped(status: &RemoteStatus) -> String {
    let seen = match status {
        RemoteStatus::Running | RemoteStatus::Stopped(_) => "it runs at TrafficStars".to_owned(),
        RemoteStatus::Blocked { reason, .. } => format!("it is switched on at TrafficStars ({reason})"),
        RemoteStatus::Unknown { doubt, .. } => format!("it may run at TrafficStars ({doubt})"),
    };
    let is_missing = matches!(status, RemoteStatus::Unknown { doubt: StatusDoubt::NotRead(RemoteFault::NotFound), .. });
    let or = if is_missing { "; if its trafficstar_id is wrong, disable its generator first" } else { "" };
    format!("{seen}, and nobody would watch it any more: add --pause to have it paused first{or}")
}

impl ForceFailure {
    /// Not allowed now, and nobody can tell from when on it is.
    pub(crate) fn not_now(reason: impl Into<String>) -> Self {
        Self::NotNow { reason: reason.into(), possible_at: None }
    }
}

/// What becomes of the stored hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HoldChange {
    /// Nothing.
    #[default]
    Keep,
    /// It is stored, in place of the one before.
    Set(Hold),
    /// It is deleted.
    Release,
}

impl Hold {
    /// Whether it is in force at `now`.
    #[must_use]
    pub fn lasts(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    /// Until when, whose, and why, for a sentence that says that something is on hold.
    #[must_use]
    pub fn in_words(&self) -> String {
        let until = match self.until {
            Some(until) => format!("until {} UTC", date(until)),
            None => "until released".to_owned(),
        };
        let by = self.by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
        let reason = self.reason.as_ref().filter(|reason| !reason.trim().is_empty());
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{until}{by}{reason}")
    }
}
