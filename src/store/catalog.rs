//! What operators change: the rows of `campaigns` and `urls`, added, changed and removed.
//!
//! A change writes the columns that it names and no others, so that clicks which a tracker counts meanwhile are never
//! lost. What a statement returns is not stored before its transaction has ended, and a full disk may show only then: each
//! stands in one. Deliberately absent: whether values make sense; whoever calls has looked.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as QueryError};

use super::Store;
use super::campaigns::CampaignRow;
use super::connection::StoreConnection;
use super::error::{Fault, StoreError};
use super::pools::{db, db_write};
use super::schema::{campaigns, urls};
use super::values::{Id, Stamp, TrackerName, TrackerText};
use crate::domain::ids::{CampaignId, UrlId};

/// Columns of `campaigns` to be written; `None` leaves one as it is, `Some(None)` clears an override.
#[derive(Debug, Clone, Default, PartialEq, Eq, Insertable, AsChangeset)]
#[diesel(table_name = campaigns)]
pub struct CampaignColumns {
    /// For people.
    pub name: Option<String>,
    /// The campaign at TrafficStars.
    pub trafficstar_id: Option<i64>,
    /// Whether the campaign is guarded.
    pub generator_enabled: Option<bool>,
    /// `act` or `observe`.
    pub mode: Option<Option<String>>,
    /// In millionths of the currency unit.
    pub spend_limit_micros: Option<Option<i64>>,
    /// From this many remaining clicks on it should run.
    pub activate_clicks: Option<Option<i64>>,
    /// Down to this many remaining clicks it may run.
    pub pause_clicks: Option<Option<i64>>,
    /// In seconds.
    pub cooldown_seconds: Option<Option<i64>>,
    /// The high-spend policy's word.
    pub high_spend: Option<Option<String>>,
    /// In millionths of the currency unit.
    pub price_per_thousand_micros: Option<Option<i64>>,
    /// More remaining clicks than this are unknown.
    pub implausible_clicks: Option<Option<i64>>,
}

/// A row of `urls`, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = urls)]
pub struct UrlRow {
    /// The key.
    #[diesel(deserialize_as = Id)]
    pub id: UrlId,
    /// Whose URL it is.
    #[diesel(deserialize_as = Id)]
    pub campaign_id: CampaignId,
    /// For people; cut where it is longer than a name may be.
    #[diesel(deserialize_as = TrackerName)]
    pub name: String,
    /// Where visitors are sent.
    #[diesel(deserialize_as = TrackerText)]
    pub target_url: String,
    /// So many clicks are wanted.
    pub click_limit: i64,
    /// So many were counted.
    pub clicks: i64,
    /// `active`, or another word, with which its clicks do not count as remaining.
    #[diesel(deserialize_as = TrackerText)]
    pub status: String,
}

/// Columns of `urls` to be written; `None` leaves one as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Insertable, AsChangeset)]
#[diesel(table_name = urls)]
pub struct UrlColumns {
    /// For people.
    pub name: Option<String>,
    /// Where visitors are sent.
    pub target_url: Option<String>,
    /// So many clicks are wanted.
    pub click_limit: Option<i64>,
    /// So many were counted.
    pub clicks: Option<i64>,
    /// The status word.
    pub status: Option<String>,
}

/// How a change of `campaigns` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CampaignChange {
    /// The row as it is now; a removed one as it was.
    Done(CampaignRow),
    /// There is no such row.
    Missing,
    /// Another row has this `trafficstar_id`; nothing was changed.
    Taken,
}

impl CampaignChange {
    fn of(result: Result<CampaignRow, Fault>) -> Result<Self, Fault> {
        match result {
            Ok(row) => Ok(Self::Done(row)),
            Err(Fault::Query(QueryError::NotFound)) => Ok(Self::Missing),
            Err(Fault::Query(QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _))) => Ok(Self::Taken),
            Err(other) => Err(other),
        }
    }
}

impl Store {
    /// Adds a campaign, with its first URL where there is one: both, or neither.
    ///
    /// # Errors
    /// The database does not answer, or the columns lack one that has no default.
    pub async fn add_campaign(
        &self,
        columns: CampaignColumns,
        url: Option<UrlColumns>,
        now: DateTime<Utc>,
    ) -> Result<CampaignChange, StoreError> {
        let changed = db_write!(self, move |connection| {
            let now = Stamp::from(now);
            let row: CampaignRow = diesel::insert_into(campaigns::table)
                .values((&columns, campaigns::created_at.eq(&now), campaigns::updated_at.eq(&now)))
                .returning(CampaignRow::as_returning())
                .get_result(connection)?;
            if let Some(url) = &url {
                let url = (urls::campaign_id.eq(row.id.0), url, urls::created_at.eq(&now), urls::updated_at.eq(&now));
                diesel::insert_into(urls::table).values(url).execute(connection)?;
            }
            Ok(row)
        });
        CampaignChange::of(changed).map_err(StoreError::WriteCampaign)
    }

    /// Changes the named columns of a campaign.
    pub async fn change_campaign(
        &self,
        id: CampaignId,
        columns: CampaignColumns,
        now: DateTime<Utc>,
    ) -> Result<CampaignChange, StoreError> {
        let changed = db_write!(self, move |connection| {
            Ok(diesel::update(campaigns::table.find(id.0))
                .set((&columns, campaigns::updated_at.eq(Stamp::from(now))))
                .returning(CampaignRow::as_returning())
                .get_result(connection)?)
        });
        CampaignChange::of(changed).map_err(StoreError::WriteCampaign)
    }

    /// Removes a campaign, with its URLs, its promise and its spends. The journal stays.
    pub async fn remove_campaign(&self, id: CampaignId) -> Result<CampaignChange, StoreError> {
        let changed = db_write!(self, move |connection| {
            Ok(diesel::delete(campaigns::table.find(id.0))
                .returning(CampaignRow::as_returning())
                .get_result(connection)?)
        });
        CampaignChange::of(changed).map_err(StoreError::WriteCampaign)
    }

    /// A campaign's URLs, by their ids. None: there is no such campaign.
    pub async fn urls(&self, campaign: CampaignId) -> Result<Option<Vec<UrlRow>>, StoreError> {
        db!(self, move |connection| {
            let rows: Vec<UrlRow> = urls::table
                .filter(urls::campaign_id.eq(campaign.0))
                .order(urls::id)
                .select(UrlRow::as_select())
                .load(connection)?;
            let found: i64 = campaigns::table.find(campaign.0).count().get_result(connection)?;
            Ok((found > 0).then_some(rows))
        })
        .map_err(StoreError::ReadUrls)
    }

    /// One URL.
    pub async fn url(&self, id: UrlId) -> Result<Option<UrlRow>, StoreError> {
        db!(self, move |connection| {
            Ok(urls::table.find(id.0).select(UrlRow::as_select()).first(connection).optional()?)
        })
        .map_err(StoreError::ReadUrls)
    }

    /// Adds a URL to a campaign. None: there is no such campaign.
    ///
    /// # Errors
    /// The database does not answer, or the columns lack one that has no default.
    pub async fn add_url(
        &self,
        campaign: CampaignId,
        columns: UrlColumns,
        now: DateTime<Utc>,
    ) -> Result<Option<UrlRow>, StoreError> {
        db_write!(self, move |connection| {
            if connection.hold_campaigns(&[campaign.0])?.is_empty() {
                return Ok(None);
            }
            let now = Stamp::from(now);
            let row = diesel::insert_into(urls::table)
                .values((
                    urls::campaign_id.eq(campaign.0),
                    &columns,
                    urls::created_at.eq(&now),
                    urls::updated_at.eq(&now),
                ))
                .returning(UrlRow::as_returning())
                .get_result(connection)?;
            Ok(Some(row))
        })
        .map_err(StoreError::WriteUrl)
    }

    /// Changes the named columns of a URL. None: there is no such URL.
    pub async fn change_url(
        &self,
        id: UrlId,
        columns: UrlColumns,
        now: DateTime<Utc>,
    ) -> Result<Option<UrlRow>, StoreError> {
        db_write!(self, move |connection| {
            Ok(diesel::update(urls::table.find(id.0))
                .set((&columns, urls::updated_at.eq(Stamp::from(now))))
                .returning(UrlRow::as_returning())
                .get_result(connection)
                .optional()?)
        })
        .map_err(StoreError::WriteUrl)
    }

    /// Removes a URL, and answers what it was. None: there is no such URL.
    pub async fn remove_url(&self, id: UrlId) -> Result<Option<UrlRow>, StoreError> {
        db_write!(self, move |connection| {
            Ok(diesel::delete(urls::table.find(id.0))
                .returning(UrlRow::as_returning())
                .get_result(connection)
                .optional()?)
        })
        .map_err(StoreError::WriteUrl)
    }
}
