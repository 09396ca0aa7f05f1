//! What is kept of alerts: each occasion, what each receiver was told of it, and what operators ordered.
//!
//! These are the rows of the tables, and the types of `GET /v1/alerts` (control/API.md, "Alerts"). Deliberately absent:
//! what is sent and when (`alerts`), and the SQL (`store`).

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::CampaignId;
use super::occasion::{OccasionCampaign, OccasionChange, OccasionKey, Severity};
use super::text::word;

/// The key of an occasion's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct OccasionId(pub i64);

impl fmt::Display for OccasionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An occasion as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occasion {
    /// Its row; `None` while the database is away and it could not be stored.
    pub id: Option<OccasionId>,
    /// The campaign; `None` if it is not about one campaign.
    pub campaign: Option<OccasionCampaign>,
    /// Its key.
    pub key: OccasionKey,
    /// Its severity.
    pub severity: Severity,
    /// What is the case, for operators.
    pub text: String,
    /// Whether it lasts until it is resolved. Otherwise it is over when it begins.
    pub lasts: bool,
    /// The time (UTC) when it began.
    pub since: DateTime<Utc>,
    /// The time (UTC) when it ended; `None` if it is open, or does not last.
    pub resolved_at: Option<DateTime<Utc>>,
    /// The operator who has taken it over, and when (UTC).
    pub acked: Option<Ack>,
}

impl Occasion {
    /// Whether it is still the case.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.lasts && self.resolved_at.is_none()
    }

    /// Returns its key for people and programs: `contested/17`.
    #[must_use]
    pub fn full_key(&self) -> String {
        let OccasionKey { kind, detail } = &self.key;
        let campaign = self.campaign.as_ref().map(|campaign| campaign.id.to_string());
        let parts = [Some(kind.to_string()), campaign, Some(detail.clone()).filter(|detail| !detail.is_empty())];
        parts.into_iter().flatten().collect::<Vec<_>>().join("/")
    }
}

/// An operator has taken an occasion over. No reminder of it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ack {
    /// The time (UTC).
    pub at: DateTime<Utc>,
    /// The operator: uid and name; `None` if unknown.
    pub by: Option<String>,
}

/// The steps of an occasion that receivers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertStep {
    /// It began.
    Firing,
    /// It is still the case.
    Reminder,
    /// It is over.
    Resolved,
}

/// What one receiver was told of one occasion, or is about to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The last step that was put into a message.
    pub step: AlertStep,
    /// The number of reminders so far.
    pub reminders: u32,
    /// The message, which may hold other occasions, too. Each attempt to send it has this id.
    pub message_id: String,
    /// The time (UTC) when the message was made.
    pub gathered_at: DateTime<Utc>,
    /// The number of attempts to send it.
    pub attempts: u32,
    /// The time (UTC) of the last attempt.
    pub last_sent_at: Option<DateTime<Utc>>,
    /// The time (UTC) of the next attempt; `None` if it is due now, delivered or given up.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The time (UTC) when the receiver accepted it.
    pub delivered_at: Option<DateTime<Utc>>,
    /// The time (UTC) when it was given up.
    pub given_up_at: Option<DateTime<Utc>>,
    /// The failure of the last attempt, in words.
    pub error: Option<String>,
}

impl Delivery {
    /// Whether its message still has to be sent.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.delivered_at.is_none() && self.given_up_at.is_none()
    }
}

/// What is kept of one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverState {
    /// Its name in the config.
    pub name: String,
    /// The time (UTC) since which it is in the config. It is not told what was over before.
    pub since: DateTime<Utc>,
    /// The time (UTC) when it answered 410, that is, wants no more messages.
    pub disabled_at: Option<DateTime<Utc>>,
    /// The time (UTC) since which every attempt has failed.
    pub failing_since: Option<DateTime<Utc>>,
    /// The last failure, in words; `None` once a message was delivered.
    pub last_error: Option<String>,
    /// The time (UTC) of the last delivery.
    pub delivered_at: Option<DateTime<Utc>>,
    /// The number of occasions that it was never told, because its messages were given up.
    pub lost: u64,
}

impl ReceiverState {
    /// Returns the state of a receiver that is new in the config.
    #[must_use]
    pub const fn new(name: String, since: DateTime<Utc>) -> Self {
        Self { name, since, disabled_at: None, failing_since: None, last_error: None, delivered_at: None, lost: 0 }
    }
}

/// A receiver that takes no messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverTrouble {
    /// Its name in the config.
    pub name: String,
    /// The time (UTC) since which it takes none.
    pub since: DateTime<Utc>,
    /// Whether it wants none (410). Otherwise every attempt fails.
    pub is_disabled: bool,
    /// The last failure, in words.
    pub reason: String,
}

/// An operator's order to send no alerts for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mute {
    /// The campaign; `None` for all alerts.
    pub campaign: Option<CampaignId>,
    /// The time (UTC) when it was ordered.
    pub since: DateTime<Utc>,
    /// The time (UTC) when it ends.
    pub until: DateTime<Utc>,
    /// The operator's reason.
    pub reason: Option<String>,
    /// The operator: uid and name; `None` if unknown.
    pub by: Option<String>,
}

impl Mute {
    /// Whether it mutes this campaign's occasion at `now`; `None` stands for an occasion without a campaign.
    #[must_use]
    pub fn covers(&self, campaign: Option<CampaignId>, now: DateTime<Utc>) -> bool {
        now < self.until && (self.campaign.is_none() || self.campaign == campaign)
    }
}

/// All that is kept and not settled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredAlerts {
    /// The occasions, the oldest first, each with its deliveries by receiver.
    pub occasions: Vec<(Occasion, Vec<(String, Delivery)>)>,
    /// The receivers that were ever in the config.
    pub receivers: Vec<ReceiverState>,
    /// The mutes, expired ones included.
    pub mutes: Vec<Mute>,
}

/// What one transaction stores of alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertChanges {
    /// Changes of occasions that no campaign's actor stores.
    pub occasions: Vec<(Option<OccasionCampaign>, OccasionChange)>,
    /// Deliveries by occasion and receiver, as they are now.
    pub deliveries: Vec<(OccasionId, String, Delivery)>,
    /// Receivers as they are now.
    pub receivers: Vec<ReceiverState>,
    /// Occasions about which no receiver has to be told anything more.
    pub settled: Vec<OccasionId>,
    /// Occasions that an operator has taken over.
    pub acked: Vec<(OccasionId, Ack)>,
    /// Mutes as they are now. One that has ended is deleted.
    pub mutes: Vec<Mute>,
}

impl AlertChanges {
    /// Whether there is nothing to store.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let Self { occasions, deliveries, receivers, settled, acked, mutes } = self;
        occasions.is_empty()
            && deliveries.is_empty()
            && receivers.is_empty()
            && settled.is_empty()
            && acked.is_empty()
            && mutes.is_empty()
    }
}

impl fmt::Display for AlertStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&word(self))
    }
}
