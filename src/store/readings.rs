//! Reading what a tick needs, for many campaigns at once; and storing the spend that a sweep has found.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::Store;
use super::campaigns::CampaignRow;
use super::connection::StoreConnection;
use super::error::StoreError;
use super::lease::refuse_unless_leading;
use super::pools::{db, db_write};
use super::rows::{SpendColumns, SpendRow};
use super::schema::{campaigns, spends, urls};
use super::spend_sums::SpendSums;
use super::values::{BadValue, Place, Stamp, TrackerText};
use crate::domain::ids::{CampaignId, RemoteId, UrlId};
use crate::domain::money::{Clicks, RemainingClicks, UrlCount};
use crate::domain::spend::{SpendHistory, StoredSpend};

/// One campaign's settings, clicks and spend, read from the database for one tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TickReading {
    /// The campaign's row: its settings.
    pub row: CampaignRow,
    /// The remaining clicks of the campaign's active URLs.
    pub clicks: RemainingClicks,
    /// The stored spends of today and yesterday; or the error, if a row of them is invalid.
    pub spends: Result<SpendHistory, BadValue>,
    /// Today's spends of all campaigns; `None` if they were not asked for, or could not be read.
    pub sums: Option<Arc<SpendSums>>,
}

/// Ids per query. This is far below the number of values that either database can bind in one query, and large enough
/// to read ten thousand campaigns in few queries.
const IDS_PER_QUERY: usize = 1_000;

/// The status of a URL whose clicks count.
const ACTIVE: &str = "active";

/// The remaining clicks of a campaign. An invalid row counts 0. A row counts at most a trillion, so that the sum does
/// not overflow in either database. PostgreSQL's sum of BIGINT is NUMERIC, hence the cast.
const REMAINING_CLICKS: &str = "CAST(COALESCE(SUM(CASE \
    WHEN click_limit < 0 OR clicks < 0 OR clicks >= click_limit THEN 0 \
    WHEN click_limit - clicks > 1000000000000 THEN 1000000000000 \
    ELSE click_limit - clicks END), 0) AS BIGINT)";

impl Store {
    /// Reads settings, clicks and spend of these campaigns, with a few queries in one transaction. A campaign that is
    /// not in the table is missing in the answer. Each URL is read for those in `counted`. `today` is the UTC day whose
    /// spend is read. The clicks get the time `now`.
    pub async fn tick_readings(
        &self,
        ids: Vec<CampaignId>,
        counted: Vec<CampaignId>,
        today: NaiveDate,
        now: DateTime<Utc>,
    ) -> Result<HashMap<CampaignId, TickReading>, StoreError> {
        let yesterday = today.pred_opt().unwrap_or(today);
        db!(self, move |connection| {
            connection.transaction(|connection| {
                let mut readings = Readings { today, now, by_campaign: HashMap::with_capacity(ids.len()) };
                for ids in ids.chunks(IDS_PER_QUERY) {
                    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
                    readings.add_rows(
                        campaigns::table
                            .filter(campaigns::id.eq_any(&ids))
                            .select(CampaignRow::as_select())
                            .load(connection)?,
                    );
                    readings.add_sums(
                        urls::table
                            .filter(urls::campaign_id.eq_any(&ids).and(urls::status.eq(ACTIVE)))
                            .group_by(urls::campaign_id)
                            .select((
                                urls::campaign_id,
                                diesel::dsl::sql::<BigInt>(REMAINING_CLICKS),
                                diesel::dsl::count_star(),
                            ))
                            .load(connection)?,
                    );
                    readings.add_defects(
                        urls::table
                            .filter(urls::campaign_id.eq_any(&ids).and(urls::status.eq(ACTIVE)))
                            .filter(urls::click_limit.lt(0).or(urls::clicks.lt(0)))
                            .order(urls::id)
                            .select((urls::campaign_id, urls::id, urls::click_limit, urls::clicks))
                            .load(connection)?,
                    );
                    readings.add_spends(
                        spends::table
                            .filter(spends::campaign_id.eq_any(&ids).and(spends::day.eq_any([today, yesterday])))
                            .select((
                                spends::campaign_id,
                                spends::trafficstar_id,
                                spends::day,
                                spends::amount_micros,
                                spends::source,
                                spends::at,
                            ))
                            .load(connection)?,
                    );
                }
                for ids in counted.chunks(IDS_PER_QUERY) {
                    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
                    readings.begin_urls(&ids);
                    readings.add_urls(
                        urls::table
                            .filter(urls::campaign_id.eq_any(&ids))
                            .order(urls::id)
                            .select((
                                urls::campaign_id,
                                urls::id,
                                urls::click_limit,
                                urls::clicks,
                                urls::status.eq(ACTIVE),
                            ))
                            .load(connection)?,
                    );
                }
                Ok(readings.by_campaign)
            })
        })
        .map_err(StoreError::ReadTick)
    }

    /// Stores the last spend of each campaign and day, all in one transaction. It skips a campaign whose row was
    /// deleted meanwhile.
    pub async fn save_spends(&self, rows: Vec<SpendRow>) -> Result<(), StoreError> {
        let term = self.term.clone();
        db_write!(self, move |connection| {
            refuse_unless_leading(connection, term.as_ref())?;
            let ids: Vec<i64> = rows.iter().map(|row| row.campaign.0).collect();
            let locked = connection.lock_campaigns(&ids)?;
            // Only the last spend of a campaign and day is kept: one statement must not write the same row twice.
            let last: HashMap<(CampaignId, NaiveDate), &SpendRow> = rows
                .iter()
                .filter(|row| locked.contains(&row.campaign.0))
                .map(|row| ((row.campaign, row.spend.day), row))
                .collect();
            let columns: Vec<SpendColumns> = last.into_values().map(SpendColumns::new).collect();
            connection.upsert_spends(&columns)?;
            Ok(())
        })
        .map_err(StoreError::SaveSpends)
    }
}

/// Collects the results of several queries into one reading for each campaign.
struct Readings {
    today: NaiveDate,
    now: DateTime<Utc>,
    by_campaign: HashMap<CampaignId, TickReading>,
}

impl Readings {
    fn add_rows(&mut self, rows: Vec<CampaignRow>) {
        for row in rows {
            // A campaign without an active URL has no row in the sums: 0 clicks remain.
            let clicks = RemainingClicks { count: Clicks(0), active_urls: 0, defect: None, urls: None, at: self.now };
            self.by_campaign
                .insert(row.id, TickReading { row, clicks, spends: Ok(SpendHistory::default()), sums: None });
        }
    }

    fn add_sums(&mut self, sums: Vec<(i64, i64, i64)>) {
        for (campaign, sum, active_urls) in sums {
            if let Some(reading) = self.by_campaign.get_mut(&CampaignId(campaign)) {
                reading.clicks.count = Clicks(u64::try_from(sum).unwrap_or(0));
                reading.clicks.active_urls = u64::try_from(active_urls).unwrap_or(0);
            }
        }
    }

    fn begin_urls(&mut self, campaigns: &[i64]) {
        for campaign in campaigns {
            if let Some(reading) = self.by_campaign.get_mut(&CampaignId(*campaign)) {
                reading.clicks.urls = Some(Vec::new());
            }
        }
    }

    /// Adds the URLs of campaigns, except invalid ones: no budget pays for them.
    fn add_urls(&mut self, rows: Vec<(i64, i64, i64, i64, bool)>) {
        for (campaign, url, click_limit, clicks, is_active) in rows {
            let reading = self.by_campaign.get_mut(&CampaignId(campaign));
            let (Ok(limit), Ok(clicks)) = (u64::try_from(click_limit), u64::try_from(clicks)) else { continue };
            if let Some(urls) = reading.and_then(|reading| reading.clicks.urls.as_mut()) {
                urls.push(UrlCount { id: UrlId(url), limit: Clicks(limit), clicks: Clicks(clicks), is_active });
            }
        }
    }

    /// Stores the first invalid row of a campaign as its defect. Once the operator has corrected that row, the next
    /// invalid row is reported.
    fn add_defects(&mut self, rows: Vec<(i64, i64, i64, i64)>) {
        for (campaign, url, click_limit, clicks) in rows {
            if let Some(reading) = self.by_campaign.get_mut(&CampaignId(campaign)) {
                let (column, value) = if click_limit < 0 { ("click_limit", click_limit) } else { ("clicks", clicks) };
                reading.clicks.defect.get_or_insert_with(|| format!("url {url}: {column} is {value}"));
            }
        }
    }

    fn add_spends(&mut self, rows: Vec<(i64, i64, NaiveDate, i64, TrackerText, Stamp)>) {
        for (campaign, remote, day, micros, source, at) in rows {
            let Some(reading) = self.by_campaign.get_mut(&CampaignId(campaign)) else { continue };
            if reading.row.trafficstar_id != RemoteId(remote) {
                continue;
            }
            let place = Place { table: "spends", row: campaign };
            let Ok(spends) = &mut reading.spends else { continue };
            // Only the amount of yesterday's spend is used.
            let read = place.money("amount_micros", micros).and_then(|amount| {
                if day == self.today {
                    let (at, source) = (place.time("at", at)?, place.word("source", &String::from(source))?);
                    spends.today = Some(StoredSpend { amount, at, source });
                } else {
                    spends.yesterday = Some(amount);
                }
                Ok(())
            });
            if let Err(bad) = read {
                reading.spends = Err(bad);
            }
        }
    }
}
