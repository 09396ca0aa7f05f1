//! What the store's methods hand down to the SQL of one database or the other.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;

use super::schema::spends;
use super::values::Stamp;
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::lease::Epoch;
use crate::domain::spend::Spend;
use crate::domain::text::word;

/// A leadership that a supervisor was given. What it stores is stored only while the leadership lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseTerm {
    /// Which one.
    pub epoch: Epoch,
    /// Since when, by the database's clock.
    pub since: DateTime<Utc>,
    /// [`super::LeaseCandidate::name`]. An epoch alone would not do: a server that is restored from a copy, or replaced by its standby,
    /// may give the same number twice.
    pub(super) holder: Arc<str>,
}

/// How a leadership stands, as a transaction that holds off the next one finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseState {
    /// It lasts.
    Lasts,
    /// Its lease has run out, and nobody else has taken it: a heartbeat may bring it back.
    RunOut,
    /// Another one has begun, or it was given up.
    Over,
}

/// A spend to store: the last one of its campaign and day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpendRow {
    /// Whose.
    pub campaign: CampaignId,
    /// The campaign at TrafficStars that spent it: a campaign that is linked to another one has no share in it.
    pub remote: RemoteId,
    /// How much, when, and who says so.
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
