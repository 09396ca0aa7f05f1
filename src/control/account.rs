//! The account's campaigns at TrafficStars, guarded or not.

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
    /// The campaign's id at TrafficStars.
    pub trafficstar_id: RemoteId,
    /// The campaign's name at TrafficStars, if it has one.
    pub name: Option<String>,
    /// The campaign's status as the guard judges it.
    pub status: StatusWord,
    /// The reason why the campaign is blocked, or why its status is unknown; `null` for any other status.
    pub reason: Option<String>,
    /// Today's spend from the campaign object; `null` if the object has none, or the account's day is not the UTC day.
    pub spent_today: Option<Money>,
    /// The time zone of the campaign's end times, as an offset in hours. The guard treats any other than 0 as blocked.
    pub schedule_timezone: Option<i64>,
    /// The campaign's database id; `null` if it has no row in the database.
    pub id: Option<CampaignId>,
    /// Whether the campaign is guarded.
    pub guarded: bool,
}

impl AccountCampaign {
    /// Combines what was read of a campaign with its row: the database id, and whether it is guarded.
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
