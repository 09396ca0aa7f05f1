//! Operators' holds: those on single campaigns, and the one on all campaigns.
//!
//! The actor of a guarded campaign stores the campaign's hold with its transitions ([`Store::save`]). This file stores
//! the holds that belong to no actor.

use std::collections::HashMap;

use diesel::prelude::*;

use super::Store;
use super::connection::StoreConnection;
use super::error::StoreError;
use super::lease::refuse_unless_leading;
use super::pools::{db, db_write};
use super::schema::{hold_on_all, holds};
use super::values::{OptionalTrackerText, Place, Stamp};
use crate::domain::ids::CampaignId;
use crate::domain::status::Hold;

/// The key of the one row of `hold_on_all`.
const THE_ROW: i64 = 1;

/// Every stored hold. Expired holds may be among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredHolds {
    /// The hold on all campaigns. `None` if no such hold is stored.
    pub all: Option<Hold>,
    /// The holds on single campaigns, by the campaign's id.
    pub by_campaign: HashMap<CampaignId, Hold>,
}

impl Store {
    /// Reads every hold.
    pub async fn holds(&self) -> Result<StoredHolds, StoreError> {
        db!(self, move |connection| {
            connection.transaction(|connection| {
                let all: Option<HoldOnAllRow> =
                    hold_on_all::table.find(THE_ROW).select(HoldOnAllRow::as_select()).first(connection).optional()?;
                let rows: Vec<(i64, HoldRow)> =
                    holds::table.select((holds::campaign_id, HoldRow::as_select())).load(connection)?;
                let by_campaign = rows.into_iter().map(|(id, row)| (CampaignId(id), row.read(id))).collect();
                Ok(StoredHolds { all: all.map(|row| row.read(THE_ROW)), by_campaign })
            })
        })
        .map_err(StoreError::ReadHolds)
    }

    /// Stores the hold on all campaigns; `None` deletes it. Once this returns, the change survives a power cut.
    pub async fn set_hold_on_all(&self, hold: Option<Hold>) -> Result<(), StoreError> {
        let term = self.term.clone();
        db_write!(self, move |connection| {
            refuse_unless_leading(connection, term.as_ref())?;
            diesel::delete(hold_on_all::table.find(THE_ROW)).execute(connection)?;
            if let Some(hold) = &hold {
                diesel::insert_into(hold_on_all::table)
                    .values((hold_on_all::id.eq(THE_ROW), HoldOnAllRow::from(hold)))
                    .execute(connection)?;
            }
            Ok(())
        })
        .map_err(StoreError::SetHold)
    }

    /// Stores a campaign's hold; `None` deletes it. Returns false if there is no such campaign. It is only for a
    /// campaign without an actor: an actor stores its hold with its transitions.
    pub async fn set_hold(&self, id: CampaignId, hold: Option<Hold>) -> Result<bool, StoreError> {
        let term = self.term.clone();
        db_write!(self, move |connection| {
            refuse_unless_leading(connection, term.as_ref())?;
            if connection.lock_campaigns(&[id.0])?.is_empty() {
                return Ok(false);
            }
            diesel::delete(holds::table.find(id.0)).execute(connection)?;
            if let Some(hold) = &hold {
                diesel::insert_into(holds::table)
                    .values((holds::campaign_id.eq(id.0), HoldRow::from(hold)))
                    .execute(connection)?;
            }
            Ok(true)
        })
        .map_err(StoreError::SetHold)
    }
}

/// Defines the struct of a hold's columns, for each of the two tables that have these columns.
macro_rules! hold_columns {
    ($name:ident, $table:ident) => {
        /// The columns of a row, without its key.
        #[derive(Queryable, Selectable, Insertable, AsChangeset)]
        #[diesel(table_name = $table, treat_none_as_null = true)]
        pub(super) struct $name {
            #[diesel(deserialize_as = OptionalTrackerText)]
            reason: Option<String>,
            since: Stamp,
            until: Option<Stamp>,
            #[diesel(deserialize_as = OptionalTrackerText)]
            by: Option<String>,
            pause: bool,
        }

        impl From<&Hold> for $name {
            fn from(hold: &Hold) -> Self {
                Self {
                    reason: hold.reason.clone(),
                    since: hold.since.into(),
                    until: hold.until.map(Stamp::from),
                    by: hold.by.clone(),
                    pause: hold.pause,
                }
            }
        }

        impl $name {
            /// Returns the hold of the row with this key. If a time cannot be read, the hold is in force until an
            /// operator releases it, and its reason says what is wrong. A row exists, so a hold was intended: fail
            /// closed.
            pub(super) fn read(self, row: i64) -> Hold {
                let place = Place { table: stringify!($table), row };
                let since = place.time("since", self.since);
                let until = place.time_if_any("until", self.until);
                let problem = since.as_ref().err().or(until.as_ref().err()).map(ToString::to_string);
                Hold {
                    since: since.unwrap_or_default(),
                    until: until.unwrap_or_default(),
                    reason: problem.or(self.reason),
                    by: self.by,
                    pause: self.pause,
                }
            }
        }
    };
}

hold_columns!(HoldRow, holds);
hold_columns!(HoldOnAllRow, hold_on_all);
