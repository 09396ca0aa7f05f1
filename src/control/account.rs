//! What the account holds at TrafficStars, guarded or not.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::failure::RemoteFault;
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::money::Money;
use crate::domain::remote::{RemoteCampaign, RemoteStatus, StatusWord, judge};
use crate::domain::spend::SpendReading;

/// A campaign of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountCampaign {
    /// Its id at TrafficStars.
    pub trafficstar_id: RemoteId,
    /// Its name there, if it has one.
    pub name: Option<String>,
    /// As the guard judges it.
    pub status: StatusWord,
    /// Why running it cannot help, or why its status is not known.
    pub reason: Option<String>,
    /// What it has spent today, by its own word; none where it says nothing, or its day is not UTC's.
    pub spent_today: Option<Money>,
    /// The offset in hours by which TrafficStars reads its end times: one other than 0 is taken for blocked.
    pub schedule_timezone: Option<i64>,
    /// The key of its row in the database; none where it has none.
    pub id: Option<CampaignId>,
    /// Whether it is guarded.
    pub guarded: bool,
}

impl AccountCampaign {
    /// What was read of it; its row's key, and whether that is guarded.
    #[must_use]
    pub fn of(
        trafficstar_id: RemoteId,
        read: &Result<RemoteCampaign, RemoteFault>,
        row: Option<(CampaignId, bool)>,
        now: DateTime<Utc>,
    ) -> Self {
        let status = judge(read, now);
        let word = status.word();
        let reason = match status {
            RemoteStatus::Unknown { doubt, .. } => Some(doubt.to_string()),
            RemoteStatus::Blocked { reason, .. } => Some(reason),
            RemoteStatus::Stopped(_) | RemoteStatus::Running => None,
        };
        let seen = read.as_ref().ok();
        let spent_today = seen.and_then(|seen| match seen.spent_today {
            SpendReading::Value(spent) => Some(spent),
            SpendReading::NoValue | SpendReading::NoSource | SpendReading::Failed(_) => None,
        });
        Self {
            trafficstar_id,
            name: seen.and_then(|seen| seen.name.clone()),
            status: word,
            reason,
            spent_today,
            schedule_timezone: seen.and_then(|seen| seen.schedule_timezone),
            id: row.map(|(id, _)| id),
            guarded: row.is_some_and(|(_, is_guarded)| is_guarded),
        }
    }
}
