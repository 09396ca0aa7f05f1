//! What is kept of alerts: occasions that are not settled, deliveries, receivers and mutes.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;

use super::Store;
use super::error::StoreError;
use super::lease::refuse_unless_leading;
use super::occasions::{NO_CAMPAIGN, OccasionRow, change_occasions, readable};
use super::pools::{db, db_write};
use super::retention::ROWS_PER_TRANSACTION;
use super::schema::{alert_deliveries, alert_mutes, alert_receivers, occasions};
use super::values::{BadValue, OptionalTrackerText, Place, Stamp, TrackerText};
use crate::domain::alert::{AlertChanges, Delivery, Mute, Occasion, OccasionId, ReceiverState, StoredAlerts};
use crate::domain::ids::CampaignId;
use crate::domain::occasion::OccasionKind;
use crate::domain::supervisor_occasions::is_stop;
use crate::domain::text::word;

/// The `campaign_id` of a mute of all alerts.
const ALL_CAMPAIGNS: i64 = 0;

/// The number of rows that one statement reads or writes. A delivery has 12 values, and SQLite takes at most 32,766
/// values in one statement.
const ROWS_PER_STATEMENT: usize = 500;

/// Inserts deliveries, or replaces the ones of the same occasion and receiver. It is an expression for either database.
///
/// One statement stores many rows, since each statement costs a round trip to a server. An occasion that was deleted
/// meanwhile has nothing more to tell, and the foreign key would refuse its deliveries: they are left out.
macro_rules! upsert_deliveries {
    ($connection:expr, $deliveries:expr) => {{
        let mut rows = newest_rows($deliveries);
        let mut ids: Vec<i64> = rows.iter().map(|row| row.occasion_id).collect();
        ids.dedup();
        let mut known: HashSet<i64> = HashSet::with_capacity(ids.len());
        for ids in ids.chunks(ROWS_PER_STATEMENT) {
            let found: Vec<i64> =
                occasions::table.filter(occasions::id.eq_any(ids)).select(occasions::id).load($connection)?;
            known.extend(found);
        }
        rows.retain(|row| known.contains(&row.occasion_id));
        for rows in rows.chunks(ROWS_PER_STATEMENT) {
            diesel::insert_into(alert_deliveries::table)
                .values(rows)
                .on_conflict((alert_deliveries::occasion_id, alert_deliveries::receiver))
                .do_update()
                .set((
                    alert_deliveries::step.eq(excluded(alert_deliveries::step)),
                    alert_deliveries::reminders.eq(excluded(alert_deliveries::reminders)),
                    alert_deliveries::message_id.eq(excluded(alert_deliveries::message_id)),
                    alert_deliveries::gathered_at.eq(excluded(alert_deliveries::gathered_at)),
                    alert_deliveries::attempts.eq(excluded(alert_deliveries::attempts)),
                    alert_deliveries::last_sent_at.eq(excluded(alert_deliveries::last_sent_at)),
                    alert_deliveries::next_attempt_at.eq(excluded(alert_deliveries::next_attempt_at)),
                    alert_deliveries::delivered_at.eq(excluded(alert_deliveries::delivered_at)),
                    alert_deliveries::given_up_at.eq(excluded(alert_deliveries::given_up_at)),
                    alert_deliveries::error.eq(excluded(alert_deliveries::error)),
                ))
                .execute($connection)?;
        }
    }};
}

impl Store {
    /// Reads all that is kept of alerts and not settled.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn unsettled_alerts(&self) -> Result<StoredAlerts, StoreError> {
        db!(self, move |connection| {
            connection.transaction(|connection| {
                let rows: Vec<(i64, OccasionRow)> = occasions::table
                    .filter(occasions::settled.eq(false))
                    .order(occasions::id)
                    .select((occasions::id, OccasionRow::as_select()))
                    .load(connection)?;
                let deliveries: Vec<DeliveryRow> = alert_deliveries::table
                    .inner_join(occasions::table.on(occasions::id.eq(alert_deliveries::occasion_id)))
                    .filter(occasions::settled.eq(false))
                    .select(DeliveryRow::as_select())
                    .load(connection)?;
                let receivers: Vec<ReceiverRow> =
                    alert_receivers::table.select(ReceiverRow::as_select()).load(connection)?;
                let mutes: Vec<MuteRow> = alert_mutes::table.select(MuteRow::as_select()).load(connection)?;
                let occasions = with_deliveries(readable(rows), deliveries);
                let receivers = receivers.into_iter().filter_map(|row| row.read().ok()).collect();
                let mutes = mutes.into_iter().filter_map(|row| row.read().ok()).collect();
                Ok(StoredAlerts { occasions, receivers, mutes })
            })
        })
        .map_err(StoreError::ReadAlerts)
    }

    /// Reads the newest occasions, settled ones included, with their deliveries.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn newest_alerts(&self, limit: u32) -> Result<StoredAlerts, StoreError> {
        let recent = db!(self, move |connection| {
            let rows: Vec<(i64, OccasionRow)> = occasions::table
                .order(occasions::id.desc())
                .limit(limit.into())
                .select((occasions::id, OccasionRow::as_select()))
                .load(connection)?;
            let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
            let deliveries: Vec<DeliveryRow> = alert_deliveries::table
                .filter(alert_deliveries::occasion_id.eq_any(ids))
                .select(DeliveryRow::as_select())
                .load(connection)?;
            Ok(with_deliveries(readable(rows), deliveries))
        })
        .map_err(StoreError::ReadAlerts)?;
        let mut alerts = self.unsettled_alerts().await?;
        let known: Vec<Option<OccasionId>> = alerts.occasions.iter().map(|(occasion, _)| occasion.id).collect();
        alerts.occasions.extend(recent.into_iter().filter(|(occasion, _)| !known.contains(&occasion.id)));
        alerts.occasions.sort_by_key(|(occasion, _)| occasion.id);
        Ok(alerts)
    }

    /// Returns whether the last supervisor that led has said that it stops. `None` if none has led.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn last_run_ended_in_order(&self) -> Result<Option<bool>, StoreError> {
        let newest = db!(self, move |connection| {
            let rows: Vec<(i64, OccasionRow)> = occasions::table
                .filter(occasions::campaign_id.eq(NO_CAMPAIGN))
                .filter(occasions::kind.eq(word(OccasionKind::Restarted)))
                .order(occasions::id.desc())
                .limit(1)
                .select((occasions::id, OccasionRow::as_select()))
                .load(connection)?;
            Ok(readable(rows))
        })
        .map_err(StoreError::ReadAlerts)?;
        Ok(newest.first().and_then(|occasion| is_stop(&occasion.key)))
    }

    /// Stores changes of alerts, all or none. Once this returns, they survive a power cut.
    ///
    /// # Errors
    /// The database does not answer, or the store's leadership has ended. Then nothing was stored.
    pub async fn save_alerts(&self, changes: AlertChanges, now: DateTime<Utc>) -> Result<(), StoreError> {
        let term = self.term.clone();
        db_write!(self, move |connection| {
            refuse_unless_leading(connection, term.as_ref())?;
            let AlertChanges { occasions: changed, deliveries, receivers, settled, acked, mutes } = &changes;
            for (campaign, change) in changed {
                change_occasions!(connection, campaign.as_ref(), [change]);
            }
            upsert_deliveries!(connection, deliveries);
            for receiver in receivers {
                let row = ReceiverRow::new(receiver);
                diesel::insert_into(alert_receivers::table)
                    .values(&row)
                    .on_conflict(alert_receivers::name)
                    .do_update()
                    .set(&row)
                    .execute(connection)?;
            }
            for (id, ack) in acked {
                diesel::update(occasions::table.find(id.0))
                    .set((occasions::acked_at.eq(Stamp::from(ack.at)), occasions::acked_by.eq(ack.by.as_ref())))
                    .execute(connection)?;
            }
            for ids in settled.chunks(ROWS_PER_STATEMENT) {
                let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
                diesel::update(occasions::table.filter(occasions::id.eq_any(ids)))
                    .set(occasions::settled.eq(true))
                    .execute(connection)?;
            }
            for mute in mutes {
                let row = MuteRow::new(mute);
                diesel::delete(alert_mutes::table.find(row.campaign_id)).execute(connection)?;
                if mute.until > now {
                    diesel::insert_into(alert_mutes::table).values(&row).execute(connection)?;
                }
            }
            Ok(())
        })
        .map_err(StoreError::SaveAlerts)
    }

    /// Deletes a few settled occasions from before `horizon`, with their deliveries. Returns how many it deleted.
    ///
    /// # Errors
    /// The database does not answer.
    pub(super) async fn forget_occasions(&self, horizon: DateTime<Utc>) -> Result<usize, StoreError> {
        let old: Vec<i64> = db!(self, move |connection| {
            Ok(occasions::table
                .filter(occasions::settled.eq(true))
                .filter(occasions::since.lt(Stamp::from(horizon)))
                .order(occasions::id)
                .limit(ROWS_PER_TRANSACTION)
                .select(occasions::id)
                .load(connection)?)
        })
        .map_err(StoreError::Forget)?;
        if old.is_empty() {
            return Ok(0);
        }
        // The foreign key deletes the deliveries with their occasions.
        db_write!(self, move |connection| {
            Ok(diesel::delete(occasions::table.filter(occasions::id.eq_any(&old))).execute(connection)?)
        })
        .map_err(StoreError::Forget)
    }
}

/// Returns the rows of deliveries, sorted by occasion and receiver. Of several with the same key only the last one
/// counts: PostgreSQL refuses a statement that writes a row twice.
fn newest_rows(deliveries: &[(OccasionId, String, Delivery)]) -> Vec<DeliveryRow> {
    let mut newest: BTreeMap<(OccasionId, &str), &Delivery> = BTreeMap::new();
    for (occasion, receiver, delivery) in deliveries {
        newest.insert((*occasion, receiver.as_str()), delivery);
    }
    newest.into_iter().map(|((occasion, receiver), delivery)| DeliveryRow::new(occasion, receiver, delivery)).collect()
}

/// Gives each occasion its deliveries. A delivery that cannot be read counts as none: its step is sent again.
fn with_deliveries(occasions: Vec<Occasion>, deliveries: Vec<DeliveryRow>) -> Vec<(Occasion, Vec<(String, Delivery)>)> {
    let mut by_occasion: HashMap<i64, Vec<(String, Delivery)>> = HashMap::new();
    for row in deliveries {
        let id = row.occasion_id;
        if let Ok(delivery) = row.read() {
            by_occasion.entry(id).or_default().push(delivery);
        }
    }
    let of = |occasion: &Occasion| occasion.id.and_then(|id| by_occasion.get(&id.0).cloned()).unwrap_or_default();
    occasions.into_iter().map(|occasion| (occasion.clone(), of(&occasion))).collect()
}

/// A row of `alert_deliveries`. `None` is inserted as NULL, not as the column's default: diesel can insert many rows
/// into SQLite with one statement only if no row has a default.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = alert_deliveries, treat_none_as_default_value = false)]
struct DeliveryRow {
    occasion_id: i64,
    #[diesel(deserialize_as = TrackerText)]
    receiver: String,
    #[diesel(deserialize_as = TrackerText)]
    step: String,
    reminders: i64,
    #[diesel(deserialize_as = TrackerText)]
    message_id: String,
    gathered_at: Stamp,
    attempts: i64,
    last_sent_at: Option<Stamp>,
    next_attempt_at: Option<Stamp>,
    delivered_at: Option<Stamp>,
    given_up_at: Option<Stamp>,
    #[diesel(deserialize_as = OptionalTrackerText)]
    error: Option<String>,
}

impl DeliveryRow {
    fn new(occasion: OccasionId, receiver: &str, delivery: &Delivery) -> Self {
        Self {
            occasion_id: occasion.0,
            receiver: receiver.to_owned(),
            step: word(delivery.step),
            reminders: delivery.reminders.into(),
            message_id: delivery.message_id.clone(),
            gathered_at: delivery.gathered_at.into(),
            attempts: delivery.attempts.into(),
            last_sent_at: delivery.last_sent_at.map(Stamp::from),
            next_attempt_at: delivery.next_attempt_at.map(Stamp::from),
            delivered_at: delivery.delivered_at.map(Stamp::from),
            given_up_at: delivery.given_up_at.map(Stamp::from),
            error: delivery.error.as_ref().map(|error| error.replace('\0', "\u{fffd}")),
        }
    }

    fn read(self) -> Result<(String, Delivery), BadValue> {
        let place = Place { table: "alert_deliveries", row: self.occasion_id };
        let delivery = Delivery {
            step: place.word("step", &self.step)?,
            reminders: u32::try_from(self.reminders).unwrap_or(u32::MAX),
            message_id: self.message_id,
            gathered_at: place.time("gathered_at", self.gathered_at)?,
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            last_sent_at: place.time_if_any("last_sent_at", self.last_sent_at)?,
            next_attempt_at: place.time_if_any("next_attempt_at", self.next_attempt_at)?,
            delivered_at: place.time_if_any("delivered_at", self.delivered_at)?,
            given_up_at: place.time_if_any("given_up_at", self.given_up_at)?,
            error: self.error,
        };
        Ok((self.receiver, delivery))
    }
}

/// A row of `alert_receivers`.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = alert_receivers, primary_key(name), treat_none_as_null = true)]
struct ReceiverRow {
    #[diesel(deserialize_as = TrackerText)]
    name: String,
    since: Stamp,
    disabled_at: Option<Stamp>,
    failing_since: Option<Stamp>,
    #[diesel(deserialize_as = OptionalTrackerText)]
    last_error: Option<String>,
    delivered_at: Option<Stamp>,
    lost: i64,
}

impl ReceiverRow {
    fn new(receiver: &ReceiverState) -> Self {
        Self {
            name: receiver.name.clone(),
            since: receiver.since.into(),
            disabled_at: receiver.disabled_at.map(Stamp::from),
            failing_since: receiver.failing_since.map(Stamp::from),
            last_error: receiver.last_error.as_ref().map(|error| error.replace('\0', "\u{fffd}")),
            delivered_at: receiver.delivered_at.map(Stamp::from),
            lost: i64::try_from(receiver.lost).unwrap_or(i64::MAX),
        }
    }

    fn read(self) -> Result<ReceiverState, BadValue> {
        let place = Place { table: "alert_receivers", row: 0 };
        Ok(ReceiverState {
            name: self.name,
            since: place.time("since", self.since)?,
            disabled_at: place.time_if_any("disabled_at", self.disabled_at)?,
            failing_since: place.time_if_any("failing_since", self.failing_since)?,
            last_error: self.last_error,
            delivered_at: place.time_if_any("delivered_at", self.delivered_at)?,
            lost: u64::try_from(self.lost).unwrap_or_default(),
        })
    }
}

/// A row of `alert_mutes`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = alert_mutes)]
struct MuteRow {
    campaign_id: i64,
    since: Stamp,
    until: Stamp,
    #[diesel(deserialize_as = OptionalTrackerText)]
    reason: Option<String>,
    #[diesel(deserialize_as = OptionalTrackerText)]
    by: Option<String>,
}

impl MuteRow {
    fn new(mute: &Mute) -> Self {
        Self {
            campaign_id: mute.campaign.map_or(ALL_CAMPAIGNS, |campaign| campaign.0),
            since: mute.since.into(),
            until: mute.until.into(),
            reason: mute.reason.clone(),
            by: mute.by.clone(),
        }
    }

    fn read(self) -> Result<Mute, BadValue> {
        let place = Place { table: "alert_mutes", row: self.campaign_id };
        Ok(Mute {
            campaign: (self.campaign_id != ALL_CAMPAIGNS).then_some(CampaignId(self.campaign_id)),
            since: place.time("since", self.since)?,
            until: place.time("until", self.until)?,
            reason: self.reason,
            by: self.by,
        })
    }
}
