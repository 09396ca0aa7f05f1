//! Operators' changes of the tables `campaigns` and `urls`: adding, changing and removing rows.
//!
//! A change writes only the columns that it names, so that it never overwrites clicks that a tracker counts meanwhile.
//! Each statement runs in a transaction: a row that a statement returns is stored only after the commit, and an error
//! such as a full disk may occur only then. Deliberately absent: validation; the caller has checked the values.

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

/// The columns of `campaigns` to write. `None` leaves a column as it is; `Some(None)` clears an override.
#[derive(Debug, Clone, Default, PartialEq, Eq, Insertable, AsChangeset)]
#[diesel(table_name = campaigns)]
pub struct CampaignColumns {
    /// The campaign's name, for people.
    pub name: Option<String>,
    /// The id of the campaign at TrafficStars.
    pub trafficstar_id: Option<i64>,
    /// Whether the campaign is guarded.
    pub generator_enabled: Option<bool>,
    /// The campaign's own mode, `act` or `observe`.
    pub mode: Option<Option<String>>,
    /// The campaign's own daily spend limit, in millionths of the currency unit.
    pub spend_limit_micros: Option<Option<i64>>,
    /// The campaign is run when this many clicks or more remain.
    pub activate_clicks: Option<Option<i64>>,
    /// The campaign is paused when this many clicks or fewer remain.
    pub pause_clicks: Option<Option<i64>>,
    /// The length of the campaign's own cool-down, in seconds.
    pub cooldown_seconds: Option<Option<i64>>,
    /// The name of the campaign's own high-spend policy.
    pub high_spend: Option<Option<String>>,
    /// The price of a thousand clicks, in millionths of the currency unit.
    pub price_per_thousand_micros: Option<Option<i64>>,
    /// More remaining clicks than this count as unknown.
    pub implausible_clicks: Option<Option<i64>>,
    /// `activate_clicks` from the spend limit on.
    pub high_activate_clicks: Option<Option<i64>>,
    /// `pause_clicks` from the spend limit on.
    pub high_pause_clicks: Option<Option<i64>>,
    /// The most that a day may cost, in millionths of the currency unit.
    pub top_up_ceiling_micros: Option<Option<i64>>,
    /// `max_daily` is set back to it each day, in millionths of the currency unit.
    pub daily_budget_micros: Option<Option<i64>>,
    /// The name of the campaign's group.
    pub group_name: Option<Option<String>>,
}

/// A row of `urls`, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = urls)]
pub struct UrlRow {
    /// The URL's database id.
    #[diesel(deserialize_as = Id)]
    pub id: UrlId,
    /// The database id of the campaign that the URL belongs to.
    #[diesel(deserialize_as = Id)]
    pub campaign_id: CampaignId,
    /// The URL's name, for people, cut to the longest length that a name may have.
    #[diesel(deserialize_as = TrackerName)]
    pub name: String,
    /// The address to which visitors are sent.
    #[diesel(deserialize_as = TrackerText)]
    pub target_url: String,
    /// The number of clicks that are wanted.
    pub click_limit: i64,
    /// The number of clicks that were counted.
    pub clicks: i64,
    /// The URL's status. Its clicks count as remaining only if this is `active`.
    #[diesel(deserialize_as = TrackerText)]
    pub status: String,
}

/// The columns of `urls` to write. `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Insertable, AsChangeset)]
#[diesel(table_name = urls)]
pub struct UrlColumns {
    /// The URL's name, for people.
    pub name: Option<String>,
    /// The address to which visitors are sent.
    pub target_url: Option<String>,
    /// The number of clicks that are wanted.
    pub click_limit: Option<i64>,
    /// The number of clicks that were counted.
    pub clicks: Option<i64>,
    /// The URL's status, such as `active`.
    pub status: Option<String>,
}

/// The result of a change of the table `campaigns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CampaignChange {
    /// The change was made. Holds the row after the change; after a removal, the row before it.
    Done(Box<CampaignRow>),
    /// There is no such row.
    Missing,
    /// Another row has this `trafficstar_id`; nothing was changed.
    Taken,
}

impl CampaignChange {
    fn of(result: Result<CampaignRow, Fault>) -> Result<Self, Fault> {
        match result {
            Ok(row) => Ok(Self::Done(Box::new(row))),
            Err(Fault::Query(QueryError::NotFound)) => Ok(Self::Missing),
            Err(Fault::Query(QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _))) => Ok(Self::Taken),
            Err(other) => Err(other),
        }
    }
}

impl Store {
    /// Adds a campaign and, if `url` is given, its first URL. Either both are stored or neither.
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

    /// Reads a campaign's URLs, ordered by their ids. `None` if there is no such campaign.
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

    /// Reads one URL. `None` if there is no such URL.
    pub async fn url(&self, id: UrlId) -> Result<Option<UrlRow>, StoreError> {
        db!(self, move |connection| {
            Ok(urls::table.find(id.0).select(UrlRow::as_select()).first(connection).optional()?)
        })
        .map_err(StoreError::ReadUrls)
    }

    /// Adds a URL to a campaign. Returns `None` if there is no such campaign.
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
            if connection.lock_campaigns(&[campaign.0])?.is_empty() {
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

    /// Changes the named columns of a URL. Returns `None` if there is no such URL.
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

    /// Removes a URL, and returns the row as it was before. `None` if there is no such URL.
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
