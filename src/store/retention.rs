//! Deletes old history: journal entries and spends from before `keep_history`.
//!
//! It deletes a few rows at a time, and searches for them outside the transaction that deletes them, so that other
//! writes do not have to wait.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::{min, not, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::Store;
use super::error::StoreError;
use super::pools::{db, db_write};
use super::records::IS_UNFINISHED;
use super::schema::{journal, journal_steps, spends};
use super::values::Stamp;

/// The most rows that one transaction deletes: a few milliseconds' work.
pub(super) const ROWS_PER_TRANSACTION: i64 = 500;

/// The condition for an entry that may be deleted. The newest entry of an existing campaign is kept: it shows the last
/// action, even if that was long ago.
const IS_NOT_THE_NEWEST: &str = "(EXISTS (SELECT 1 FROM journal AS newer \
    WHERE newer.campaign_id = journal.campaign_id AND newer.id > journal.id) \
    OR NOT EXISTS (SELECT 1 FROM campaigns WHERE campaigns.id = journal.campaign_id))";

impl Store {
    /// Deletes a few journal entries, settled occasions and spends from before `horizon`, the oldest first. Returns how many it deleted; 0
    /// means that no old rows are left. Unfinished entries and the newest entry of each campaign are kept.
    ///
    /// # Errors
    /// The database does not answer. Rows that earlier calls deleted stay deleted.
    pub async fn forget_before(&self, horizon: DateTime<Utc>) -> Result<usize, StoreError> {
        let deleted = self.forget_entries(horizon).await?;
        let deleted = if deleted == 0 { self.forget_occasions(horizon).await? } else { deleted };
        if deleted == 0 { self.forget_spends(horizon.date_naive()).await } else { Ok(deleted) }
    }

    async fn forget_entries(&self, horizon: DateTime<Utc>) -> Result<usize, StoreError> {
        let old: Vec<i64> = db!(self, move |connection| {
            Ok(journal::table
                .inner_join(journal_steps::table)
                .filter(journal::requested_at.lt(Stamp::from(horizon)))
                .filter(not(sql::<Bool>(IS_UNFINISHED)))
                .filter(sql::<Bool>(IS_NOT_THE_NEWEST))
                .order((journal::requested_at, journal::id))
                .limit(ROWS_PER_TRANSACTION)
                .select(journal::id)
                .load(connection)?)
        })
        .map_err(StoreError::Forget)?;
        if old.is_empty() {
            return Ok(0);
        }
        // The foreign key deletes the steps with their entries.
        db_write!(self, move |connection| {
            Ok(diesel::delete(journal::table.filter(journal::id.eq_any(&old))).execute(connection)?)
        })
        .map_err(StoreError::Forget)
    }

    async fn forget_spends(&self, first_day: NaiveDate) -> Result<usize, StoreError> {
        let old: Option<(NaiveDate, Vec<i64>)> = db!(self, move |connection| {
            let past = spends::table.filter(spends::day.lt(first_day));
            let Some(day) = past.select(min(spends::day)).first::<Option<NaiveDate>>(connection)? else {
                return Ok(None);
            };
            let of_the_day = spends::table.filter(spends::day.eq(day)).limit(ROWS_PER_TRANSACTION);
            Ok(Some((day, of_the_day.select(spends::campaign_id).load(connection)?)))
        })
        .map_err(StoreError::Forget)?;
        let Some((day, campaigns)) = old else { return Ok(0) };
        db_write!(self, move |connection| {
            let of_them = spends::table.filter(spends::day.eq(day).and(spends::campaign_id.eq_any(&campaigns)));
            Ok(diesel::delete(of_them).execute(connection)?)
        })
        .map_err(StoreError::Forget)
    }
}
