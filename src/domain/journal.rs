//! The journal as operators read it: the types of `GET /v1/journal` (control/API.md, "The journal").

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::action::{ActionKind, Step, Trigger};
use super::ids::{CampaignId, RemoteId};
use super::money::{Clicks, Money};
use super::phase::PhaseWord;
use super::remote::StatusWord;

/// The key of a journal entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalId(pub i64);

/// The most entries that are given at once.
pub const MOST_ENTRIES: u32 = 10_000;

/// Which entries are asked for: the newest of those that fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalQuery {
    /// One campaign's alone.
    pub campaign: Option<CampaignId>,
    /// Requested at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// So many at the most; never more than [`MOST_ENTRIES`].
    pub limit: u32,
}

impl Default for JournalQuery {
    fn default() -> Self {
        Self { campaign: None, since: None, limit: 100 }
    }
}

/// One entry: what was asked of TrafficStars, why, on which facts, and how far it got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JournalEntry {
    /// Its key.
    pub id: i64,
    /// Whose it is. It outlives its campaign.
    pub campaign_id: CampaignId,
    /// The campaign at TrafficStars.
    pub trafficstar_id: RemoteId,
    /// What was asked.
    pub kind: ActionKind,
    /// What made it due.
    pub trigger: Trigger,
    /// Why, in words.
    pub reason: String,
    /// The day's spend when it was decided, if known.
    pub spend: Option<Money>,
    /// The remaining clicks when it was decided, if known.
    pub remaining_clicks: Option<Clicks>,
    /// The remote status when it was decided.
    pub remote_status: StatusWord,
    /// The state before the decision.
    pub state_before: PhaseWord,
    /// The state that the decision led to.
    pub state_after: PhaseWord,
    /// How far it got.
    pub step: Step,
    /// The operator who ordered it, if one did: uid and name.
    pub by: Option<String>,
    /// It was stored after it was sent, because the database was away.
    pub late: bool,
    /// When it was decided.
    pub requested_at: DateTime<Utc>,
    /// When TrafficStars accepted it.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When a read showed it.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// When it failed, or was superseded.
    pub failed_at: Option<DateTime<Utc>>,
    /// What went wrong, in words.
    pub error: Option<String>,
}
