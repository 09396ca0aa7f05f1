//! Alerts: what was found, who was told, and operators' orders about them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Ask;
use crate::domain::alert::{Ack, AlertStep, Delivery, Mute, Occasion, OccasionId, StoredAlerts};
use crate::domain::ids::CampaignId;
use crate::domain::occasion::{OccasionCampaign, OccasionKind, Severity};

/// An order about alerts.
#[derive(Debug)]
pub enum AlertOrder {
    /// List the occasions and the receivers.
    List(Ask<(), Alerts>),
    /// Take an occasion over: no reminder of it is sent.
    Ack(Ask<(OccasionId, Ack), AlertView>),
    /// Send no alerts for a while.
    Mute(Ask<Mute, Vec<Mute>>),
    /// Send a test message to a receiver, or to all.
    Test(Ask<TestAlert, Vec<TestResult>>),
}

/// The answer of `GET /v1/alerts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alerts {
    /// The occasions that are open or of which somebody has still to be told, and the newest others; the newest first.
    pub alerts: Vec<AlertView>,
    /// The receivers in the config.
    pub receivers: Vec<ReceiverView>,
    /// The mutes in force.
    pub mutes: Vec<Mute>,
}

/// One occasion, and who was told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertView {
    /// The number by which it is acknowledged; `null` while the database is away and it could not be stored.
    pub id: Option<OccasionId>,
    /// The kind.
    pub occasion: OccasionKind,
    /// The key: the same until it is over.
    pub key: String,
    /// The severity.
    pub severity: Severity,
    /// `firing` while it is the case, else `resolved`.
    pub state: String,
    /// The campaign; `null` if it is not about one campaign.
    pub campaign: Option<OccasionCampaign>,
    /// What is the case, in words.
    pub text: String,
    /// The time (UTC) when it began.
    pub since: DateTime<Utc>,
    /// The time (UTC) when it ended.
    pub resolved_at: Option<DateTime<Utc>>,
    /// The operator who has taken it over.
    pub acked: Option<Ack>,
    /// The receivers that were told, or are about to be told.
    pub deliveries: Vec<DeliveryView>,
}

/// What one receiver was told of one occasion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// The receiver's name.
    pub receiver: String,
    /// The last step that was put into a message.
    pub step: AlertStep,
    /// The message's id: the same at each attempt.
    pub message_id: String,
    /// The number of attempts.
    pub attempts: u32,
    /// The time (UTC) of the last attempt.
    pub last_sent_at: Option<DateTime<Utc>>,
    /// The time (UTC) when the receiver accepted it.
    pub delivered_at: Option<DateTime<Utc>>,
    /// The time (UTC) when it was given up.
    pub given_up_at: Option<DateTime<Utc>>,
    /// The failure of the last attempt, in words.
    pub error: Option<String>,
}

/// One receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiverView {
    /// Its name.
    pub name: String,
    /// Where its messages go, without secrets.
    pub way_out: String,
    /// The severity from which on it is told.
    pub severity: Severity,
    /// The number of occasions that wait for it or are being sent.
    pub waiting: u64,
    /// The number of occasions that it was never told.
    pub lost: u64,
    /// The time (UTC) of the last delivery.
    pub delivered_at: Option<DateTime<Utc>>,
    /// The time (UTC) since which every attempt has failed.
    pub failing_since: Option<DateTime<Utc>>,
    /// The time (UTC) when it answered 410: since then nothing is sent to it.
    pub disabled_at: Option<DateTime<Utc>>,
    /// The last failure, in words.
    pub last_error: Option<String>,
}

/// The body of `PUT /v1/alerts/mute`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MuteBody {
    /// The campaign whose alerts are muted. Without it all alerts are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignId>,
    /// For how long, as text like `2h`; `0s` ends a mute.
    #[serde(rename = "for")]
    pub lasts: String,
    /// The reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The body of `POST /v1/alerts/test`; it may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestAlert {
    /// The receiver's name. Without it every receiver gets a test message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// The operator who ordered it.
    #[serde(skip)]
    pub by: Option<String>,
}

/// The result of one test message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestResult {
    /// The receiver's name.
    pub receiver: String,
    /// Where the message went, without secrets.
    pub way_out: String,
    /// Whether the receiver accepted it.
    pub delivered: bool,
    /// Why it did not, in words.
    pub error: Option<String>,
}

/// The state of an occasion that is still the case.
const FIRING: &str = "firing";
/// The number of settled occasions that a list shows.
pub const NEWEST_ALERTS: u32 = 50;

impl Alerts {
    /// Returns the alerts as the leader has stored them. A standby knows nothing of the receivers' state.
    #[must_use]
    pub fn stored(stored: StoredAlerts, now: DateTime<Utc>) -> Self {
        let StoredAlerts { occasions, mutes, .. } = stored;
        let mutes = mutes.into_iter().filter(|mute| mute.until > now).collect();
        Self { alerts: Self::views(occasions), receivers: Vec::new(), mutes }
    }

    /// Returns occasions as they are shown: the open ones first, the newest first.
    #[must_use]
    pub fn views(mut occasions: Vec<(Occasion, Vec<(String, Delivery)>)>) -> Vec<AlertView> {
        occasions.sort_by_key(|(occasion, _)| std::cmp::Reverse((occasion.is_open(), occasion.since)));
        occasions.into_iter().map(|(occasion, deliveries)| AlertView::new(occasion, deliveries)).collect()
    }
}

impl AlertView {
    /// Returns an occasion as it is shown.
    #[must_use]
    pub fn new(occasion: Occasion, deliveries: Vec<(String, Delivery)>) -> Self {
        let key = occasion.full_key();
        let is_open = occasion.is_open();
        let Occasion { id, campaign, key: of, severity, text, lasts: _, since, resolved_at, acked } = occasion;
        Self {
            id,
            occasion: of.kind,
            key,
            severity,
            state: if is_open { FIRING } else { "resolved" }.to_owned(),
            campaign,
            text,
            since,
            resolved_at,
            acked,
            deliveries: deliveries.into_iter().map(DeliveryView::new).collect(),
        }
    }
}

impl AlertView {
    /// Whether it is still the case.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == FIRING
    }
}

impl DeliveryView {
    fn new((receiver, delivery): (String, Delivery)) -> Self {
        let Delivery { step, message_id, attempts, last_sent_at, delivered_at, given_up_at, error, .. } = delivery;
        Self { receiver, step, message_id, attempts, last_sent_at, delivered_at, given_up_at, error }
    }
}
