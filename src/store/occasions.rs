//! Occasions of alerts: their rows, and the changes that a transaction makes to them.
//!
//! A campaign's occasions are changed in the transaction that stores its promise and journal entry (`records`), the
//! others in one with the deliveries (`alerts`).

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::schema::occasions;
use super::values::{BadValue, OptionalTrackerText, Place, Stamp, TrackerText};
use crate::domain::alert::{Ack, Occasion, OccasionId};
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::occasion::{Finding, KnownOccasion, OccasionCampaign, OccasionChange, OccasionKey};
use crate::domain::text::word;

/// The `campaign_id` of an occasion that is not about one campaign. A NULL would be equal to nothing.
pub(super) const NO_CAMPAIGN: i64 = 0;

/// A row of `occasions`, without its key.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = occasions)]
pub(super) struct OccasionRow {
    campaign_id: i64,
    #[diesel(deserialize_as = OptionalTrackerText)]
    campaign_name: Option<String>,
    trafficstar_id: Option<i64>,
    #[diesel(deserialize_as = TrackerText)]
    kind: String,
    #[diesel(deserialize_as = TrackerText)]
    detail: String,
    #[diesel(deserialize_as = TrackerText)]
    severity: String,
    #[diesel(deserialize_as = TrackerText)]
    text: String,
    lasts: bool,
    since: Stamp,
    resolved_at: Option<Stamp>,
    acked_at: Option<Stamp>,
    #[diesel(deserialize_as = OptionalTrackerText)]
    acked_by: Option<String>,
}

impl OccasionRow {
    fn new(campaign: Option<&OccasionCampaign>, finding: &Finding) -> Self {
        let Finding { key, severity, since, text, lasts } = finding;
        Self {
            campaign_id: campaign_key(campaign),
            campaign_name: campaign.map(|campaign| storable(&campaign.name)),
            trafficstar_id: campaign.map(|campaign| campaign.trafficstar_id.0),
            kind: word(key.kind),
            detail: storable(&key.detail),
            severity: word(severity),
            text: storable(text),
            lasts: *lasts,
            since: (*since).into(),
            resolved_at: None,
            acked_at: None,
            acked_by: None,
        }
    }

    pub(super) fn read(self, row: i64) -> Result<Occasion, BadValue> {
        let place = Place { table: "occasions", row };
        let campaign = (self.campaign_id != NO_CAMPAIGN).then(|| OccasionCampaign {
            id: CampaignId(self.campaign_id),
            name: self.campaign_name.unwrap_or_default(),
            trafficstar_id: RemoteId(self.trafficstar_id.unwrap_or_default()),
        });
        let acked_at = place.time_if_any("acked_at", self.acked_at)?;
        Ok(Occasion {
            id: Some(OccasionId(row)),
            campaign,
            key: OccasionKey { kind: place.word("kind", &self.kind)?, detail: self.detail },
            severity: place.word("severity", &self.severity)?,
            text: self.text,
            lasts: self.lasts,
            since: place.time("since", self.since)?,
            resolved_at: place.time_if_any("resolved_at", self.resolved_at)?,
            acked: acked_at.map(|at| Ack { at, by: self.acked_by }),
        })
    }
}

/// Returns the `campaign_id` of an occasion's row.
pub(super) fn campaign_key(campaign: Option<&OccasionCampaign>) -> i64 {
    campaign.map_or(NO_CAMPAIGN, |campaign| campaign.id.0)
}

/// Returns a text that both databases can store: PostgreSQL refuses a zero byte, and a refused occasion would keep the
/// promise from being stored.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Changes the occasions of a campaign, or those without a campaign. It is an expression for either database.
macro_rules! change_occasions {
    ($connection:expr, $campaign:expr, $changes:expr) => {{
        let campaign: Option<&$crate::domain::occasion::OccasionCampaign> = $campaign;
        for change in $changes {
            let (key, ended_at) = $crate::store::occasions::key_of(change);
            let same = occasions::table
                .filter(occasions::campaign_id.eq($crate::store::occasions::campaign_key(campaign)))
                .filter(occasions::kind.eq($crate::domain::text::word(key.kind)))
                .filter(occasions::detail.eq(key.detail.clone()));
            match $crate::store::occasions::row_of(campaign, change) {
                None => {
                    diesel::update(same.filter(occasions::lasts.eq(true)).filter(occasions::resolved_at.is_null()))
                        .set(occasions::resolved_at.eq(ended_at.map($crate::store::values::Stamp::from)))
                        .execute($connection)?;
                }
                Some(row) => {
                    // One that lasts may come again when it is over. One that does not has a key of its own.
                    let stored: i64 = same
                        .filter(occasions::lasts.eq(false).or(occasions::resolved_at.is_null()))
                        .count()
                        .get_result($connection)?;
                    if stored == 0 {
                        diesel::insert_into(occasions::table).values(&row).execute($connection)?;
                    }
                }
            }
        }
    }};
}
pub(super) use change_occasions;

/// Returns the key that a change is about, and the time when the occasion ended.
pub(super) const fn key_of(change: &OccasionChange) -> (&OccasionKey, Option<DateTime<Utc>>) {
    match change {
        OccasionChange::Began(finding) => (&finding.key, None),
        OccasionChange::Ended(key, at) => (key, Some(*at)),
    }
}

/// Returns the row that a change inserts; `None` if it ends an occasion.
pub(super) fn row_of(campaign: Option<&OccasionCampaign>, change: &OccasionChange) -> Option<OccasionRow> {
    match change {
        OccasionChange::Began(finding) => Some(OccasionRow::new(campaign, finding)),
        OccasionChange::Ended(..) => None,
    }
}

/// Returns what is known of a campaign's occasions, for a new actor. A row that cannot be read is left out: at worst the
/// occasion is stored again.
pub(super) fn known(rows: Vec<(i64, OccasionRow)>) -> Vec<KnownOccasion> {
    let occasions = rows.into_iter().filter_map(|(id, row)| row.read(id).ok());
    occasions.map(|row| KnownOccasion { is_open: row.is_open(), key: row.key, since: row.since }).collect()
}

/// Returns the occasions of rows. A row that cannot be read is logged and left out, so that the others are told.
pub(super) fn readable(rows: Vec<(i64, OccasionRow)>) -> Vec<Occasion> {
    let read =
        |(id, row): (i64, OccasionRow)| row.read(id).inspect_err(|bad| tracing::warn!("an alert is lost: {bad}"));
    rows.into_iter().filter_map(|row| read(row).ok()).collect()
}
