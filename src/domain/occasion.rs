//! Occasions: what operators are alerted of (control/API.md, "Alerts"). Each kind has its word, and says whether it
//! lasts.
//!
//! An occasion that lasts begins once and ends once; until then it is the same occasion, however often it is found.
//! Other occasions are over when they begin, such as a top-up that is done. Deliberately absent: which occasions there
//! are now (`campaign_occasions`, `supervisor_occasions`), and whom they are sent to (`alerts`).

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::ids::{CampaignId, RemoteId};
use super::text::word;

/// How urgent an occasion is. A receiver chooses from which severity on it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look at it today.
    Warning,
    /// Money is lost until somebody does something.
    Critical,
}

/// The kinds of occasions, by the words of the config and of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OccasionKind {
    /// Others change the campaign again and again.
    Contested,
    /// TrafficStars will not run the campaign, for another reason than its funds.
    Blocked,
    /// TrafficStars will not run the campaign, because the account is out of funds.
    NoFunds,
    /// The campaign runs past a threshold, and nothing pauses it.
    Unguarded,
    /// Today's spend has reached its limit.
    HighSpend,
    /// Today's spend has reached `warn_at` of its limit.
    Warned,
    /// The day's budget was raised, or cannot be.
    TopUp,
    /// A limit that campaigns share is reached or near.
    GroupLimit,
    /// The last action on the campaign failed.
    ActionFailed,
    /// No read shows the effect of a pause since two minutes.
    Unconfirmed,
    /// Another program like this one works on the account.
    AnotherGuard,
    /// TrafficStars does not answer, or wants us to wait.
    Api,
    /// The database fails.
    Database,
    /// The lease on leadership is not renewed.
    Lease,
    /// Another reason for degraded health.
    Degraded,
    /// A campaign's actor was respawned; the supervisor started or stopped.
    Restarted,
    /// The daily digest.
    Digest,
    /// A test message. It is no occasion, so that no receiver chooses it.
    Test,
}

impl OccasionKind {
    /// Every kind that a receiver can choose, in the order of the pages.
    pub const ALL: [Self; 17] = [
        Self::Contested,
        Self::Blocked,
        Self::Unguarded,
        Self::HighSpend,
        Self::Warned,
        Self::TopUp,
        Self::GroupLimit,
        Self::ActionFailed,
        Self::Unconfirmed,
        Self::NoFunds,
        Self::AnotherGuard,
        Self::Api,
        Self::Database,
        Self::Lease,
        Self::Degraded,
        Self::Restarted,
        Self::Digest,
    ];

    /// Whether the supervisor finds it even if it is about one campaign: a campaign's machine knows nothing of its actor
    /// and of health.
    #[must_use]
    pub const fn is_of_supervisor(self) -> bool {
        matches!(self, Self::Restarted | Self::Degraded)
    }
}

impl fmt::Display for OccasionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&word(self))
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&word(self))
    }
}

/// A word that names no kind of occasion.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not an occasion")]
pub struct UnknownOccasion(pub String);

impl FromStr for OccasionKind {
    type Err = UnknownOccasion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| word(kind) == text).ok_or_else(|| UnknownOccasion(text.to_owned()))
    }
}

/// A word that names no severity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a severity: write info, warning or critical")]
pub struct UnknownSeverity(String);

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Info, Self::Warning, Self::Critical];
        all.into_iter().find(|severity| word(severity) == text).ok_or_else(|| UnknownSeverity(text.to_owned()))
    }
}

/// What makes two findings the same occasion, beside the campaign: the kind and, for some kinds, a detail such as the
/// day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OccasionKey {
    /// The kind.
    pub kind: OccasionKind,
    /// The detail; empty if the kind is enough.
    pub detail: String,
}

impl OccasionKey {
    /// Returns the key of a kind that happens once at a time.
    #[must_use]
    pub const fn of(kind: OccasionKind) -> Self {
        Self { kind, detail: String::new() }
    }

    /// Returns a key with a detail.
    #[must_use]
    pub fn with(kind: OccasionKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl fmt::Display for OccasionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, "/{}", self.detail) }
    }
}

/// An occasion that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its key.
    pub key: OccasionKey,
    /// Its severity.
    pub severity: Severity,
    /// The time (UTC) when it began.
    pub since: DateTime<Utc>,
    /// What is the case, for operators: a sentence without the campaign's name.
    pub text: String,
    /// Whether it lasts until it is no longer found. Otherwise it is over when it begins.
    pub lasts: bool,
}

/// A change of the stored occasions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OccasionChange {
    /// This occasion began. If it is stored already, nothing changes.
    Began(Finding),
    /// This occasion ended at this time (UTC).
    Ended(OccasionKey, DateTime<Utc>),
}

/// An occasion that the database has stored before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownOccasion {
    /// Its key.
    pub key: OccasionKey,
    /// The time (UTC) when it began.
    pub since: DateTime<Utc>,
    /// Whether it lasts, and has not ended.
    pub is_open: bool,
}

/// The campaign of an occasion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OccasionCampaign {
    /// The campaign's database id.
    pub id: CampaignId,
    /// The campaign's name when the occasion began.
    pub name: String,
    /// The campaign's id at TrafficStars.
    pub trafficstar_id: RemoteId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_and_each_severity_is_found_by_its_word_alone() {
        for kind in OccasionKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("Contested".parse::<OccasionKind>(), Err(UnknownOccasion("Contested".to_owned())));
        for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
            assert_eq!(severity.to_string().parse(), Ok(severity));
        }
        assert!("fatal".parse::<Severity>().is_err());
    }
}
