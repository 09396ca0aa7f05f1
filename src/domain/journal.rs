//! The journal as operators read it: the types of `GET /v1/journal` (control/API.md, "The journal").

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::action::{ActionKind, Step, Trigger};
use super::budget::BudgetChange;
use super::ids::{CampaignId, RemoteId};
use super::money::{Clicks, Money};
use super::phase::PhaseWord;
use super::remote::StatusWord;

/// The key of a journal entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalId(pub i64);

/// The maximum number of entries in one answer.
pub const MOST_ENTRIES: u32 = 10_000;

/// A query for journal entries. It returns the newest matching entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalQuery {
    /// The campaign; `None` for all campaigns.
    pub campaign: Option<CampaignId>,
    /// The earliest `requested_at` (UTC); `None` for no bound.
    pub since: Option<DateTime<Utc>>,
    /// The maximum number of entries, at most [`MOST_ENTRIES`].
    pub limit: u32,
}

impl Default for JournalQuery {
    fn default() -> Self {
        Self { campaign: None, since: None, limit: 100 }
    }
}

/// One entry: a request to TrafficStars, its reason, the facts it was decided on, and its last step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JournalEntry {
    /// The entry's key.
    pub id: i64,
    /// The campaign's database id. The entry is kept when the campaign is removed.
    pub campaign_id: CampaignId,
    /// The campaign's id at TrafficStars.
    pub trafficstar_id: RemoteId,
    /// The kind of the action.
    pub kind: ActionKind,
    /// The trigger.
    pub trigger: Trigger,
    /// The reason, for operators.
    pub reason: String,
    /// The day's spend at the decision; `None` if it was unknown.
    pub spend: Option<Money>,
    /// The remaining clicks at the decision; `None` if they were unknown.
    pub remaining_clicks: Option<Clicks>,
    /// The remote status at the decision.
    pub remote_status: StatusWord,
    /// The state before the decision.
    pub state_before: PhaseWord,
    /// The state after the decision.
    pub state_after: PhaseWord,
    /// The last step that it reached.
    pub step: Step,
    /// The operator who ordered it: uid and name; `None` if no operator did.
    pub by: Option<String>,
    /// Whether the entry was stored only after the action was sent, because the database did not answer.
    pub late: bool,
    /// The change of the daily budget, with its parts; `None` for another kind.
    #[serde(default)]
    pub budget: Option<BudgetChange>,
    /// The time (UTC) when it was decided.
    pub requested_at: DateTime<Utc>,
    /// The time (UTC) when TrafficStars accepted it.
    pub accepted_at: Option<DateTime<Utc>>,
    /// The time (UTC) when a read confirmed it.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// The time (UTC) when it failed or was superseded.
    pub failed_at: Option<DateTime<Utc>>,
    /// The reason of the failure, for operators.
    pub error: Option<String>,
}
