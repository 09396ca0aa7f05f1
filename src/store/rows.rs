//! The types that the store's operations pass to the database-specific code.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;

use super::schema::spends;
use super::values::Stamp;
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::lease::Epoch;
use crate::domain::spend::Spend;
use crate::domain::text::word;

/// A leadership that this supervisor has taken. Its records are stored only while the leadership lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseTerm {
    /// The number of this leadership, its fencing token.
    pub epoch: Epoch,
    /// The time (UTC, by the database's clock) when the leadership began.
    pub since: DateTime<Utc>,
    /// The holder's [`super::LeaseCandidate::name`]. The epoch alone is not enough: a server that was restored from a
    /// backup, or replaced by its replica, may give the same epoch twice.
    pub(super) holder: Arc<str>,
}

/// The state of a leadership, as a transaction reads it that keeps the next leadership from beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseState {
    /// The lease lasts.
    Lasts,
    /// The lease has expired, but no other supervisor has taken it: a heartbeat may still renew it.
    Expired,
    /// Another leadership has begun, or the lease was given up.
    Over,
}

/// The last spend of a campaign and day, to store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpendRow {
    /// The campaign's database id.
    pub campaign: CampaignId,
    /// The id of the campaign at TrafficStars that spent the money. If the row of `campaigns` is linked to another
    /// campaign later, this spend no longer counts for it.
    pub remote: RemoteId,
    /// The spend: amount, time and source.
    pub spend: Spend,
}

/// A row of `spends`.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = spends, primary_key(campaign_id, day))]
pub(super) struct SpendColumns {
    campaign_id: i64,
    day: NaiveDate,
    trafficstar_id: i64,
    amount_micros: i64,
    source: String,
    at: Stamp,
}

impl SpendColumns {
    pub(super) fn new(row: &SpendRow) -> Self {
        Self {
            campaign_id: row.campaign.0,
            day: row.spend.day,
            trafficstar_id: row.remote.0,
            amount_micros: row.spend.amount.micros(),
            source: word(row.spend.source),
            at: row.spend.at.into(),
        }
    }
}
