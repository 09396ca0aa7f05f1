//! The orders of operators for one campaign, as the machine receives them (RULES.md, "Operators").
//!
//! Deliberately absent: how an order is transmitted (`control`), and orders for all campaigns, which the supervisor
//! passes to each machine.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::action::Trigger;
use super::failure::RemoteFault;
use super::remote::{RemoteStatus, StatusDoubt};
use super::status::Hold;
use super::text::date;

/// The order's number within one campaign actor. The answer to an order carries it. A later order has a larger number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

/// The actions that an operator can force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForceKind {
    /// Set the end time and run the campaign, regardless of spend and clicks.
    Activate,
    /// Pause the campaign, regardless of all facts.
    Pause,
}

/// An action that an operator orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Force {
    /// The kind of the action.
    pub kind: ForceKind,
    /// The trigger that the journal entry names.
    pub trigger: Trigger,
    /// The reason, for the journal.
    pub reason: String,
    /// The operator who gave the order: uid and name.
    pub by: Option<String>,
    /// Whether a pause reads the campaign first and is not sent if the campaign is stopped.
    pub unless_stopped: bool,
    /// Whether the campaign's generator is disabled. Then the action is followed to its end, and nothing is guarded
    /// afterwards.
    pub once: bool,
}

/// The refusal of an order that would send a request in observe mode.
const OBSERVED_ONLY: &str = "it is in observe mode, in which nothing is sent: set its mode to act first";

/// The reason why an ordered action had no effect.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ForceFailure {
    /// The action was not sent, because it is not allowed now.
    #[error("{reason}{}", .possible_at.map(|at| format!("; possible from {} UTC", date(at))).unwrap_or_default())]
    NotNow {
        /// The reason, for operators.
        reason: String,
        /// The time (UTC) when the action becomes possible; `None` if that is not known.
        possible_at: Option<DateTime<Utc>>,
    },
    /// The action needs a request, and observe mode sends none.
    #[error("{OBSERVED_ONLY}")]
    ObserveMode,
    /// The action failed, with the reason.
    #[error("{0}")]
    Failed(String),
}

/// The reason why a generator stays enabled although an operator disabled it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DisableRefusal {
    /// The pause that had to come first needs a request, and observe mode sends none.
    #[error("{OBSERVED_ONLY}")]
    ObserveMode,
    /// The pause that had to come first failed, with the reason.
    #[error("its pause failed: {0}")]
    PauseFailed(String),
    /// The order was to disable only a stopped campaign, and the campaign was not seen stopped.
    #[error("{}", not_stopped(.0))]
    NotStopped(RemoteStatus),
}

impl DisableRefusal {
    /// Whether the campaign may go on running unguarded. A campaign that TrafficStars does not know cannot run.
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

/// Returns why a campaign that is not seen stopped must stay guarded.
fn not_stopped(status: &RemoteStatus) -> String {
    let seen = match status {
        RemoteStatus::Running | RemoteStatus::Stopped(_) => "it runs at TrafficStars".to_owned(),
        RemoteStatus::Blocked { reason, .. } => format!("it is switched on at TrafficStars ({reason})"),
        RemoteStatus::Unknown { doubt, .. } => format!("it may run at TrafficStars ({doubt})"),
    };
    let is_missing = matches!(status, RemoteStatus::Unknown { doubt: StatusDoubt::NotRead(RemoteFault::NotFound), .. });
    let or = if is_missing { "; if its trafficstar_id is wrong, disable its generator first" } else { "" };
    format!("{seen}, and nothing would guard it: add --pause to pause it first{or}")
}

impl ForceFailure {
    /// Builds a refusal without the time from which the action is possible.
    pub(crate) fn not_now(reason: impl Into<String>) -> Self {
        Self::NotNow { reason: reason.into(), possible_at: None }
    }
}

/// The change of the stored hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HoldChange {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is replaced by this hold.
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

    /// Returns until when the hold lasts, who ordered it, and why, as the end of a sentence such as "it is on hold …".
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
