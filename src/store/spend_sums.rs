//! The sums of today's spends, for the limits that several campaigns share (RULES.md, "Groups and account").
//!
//! All spends of the day are read at once and added up here, so that the spends of one campaign can be left out of each
//! sum. A spend whose time cannot be read counts as unknown, and fails no tick.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;

use super::Store;
use super::error::StoreError;
use super::pools::db;
use super::schema::{campaigns, spends};
use super::values::{OptionalTrackerText, Place, Stamp};
use crate::domain::ids::CampaignId;
use crate::domain::money::Money;
use crate::domain::observation::{SharedSpends, SpendSum};

/// The sums of one UTC day's spends, as the database has them at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendSums {
    day: NaiveDate,
    campaigns: HashMap<CampaignId, Share>,
    groups: HashMap<Arc<str>, SpendSum>,
    account: SpendSum,
}

/// What one campaign adds to the sums.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Share {
    group: Option<Arc<str>>,
    amount: Money,
    is_unknown: bool,
}

impl Share {
    fn add_to(&self, sum: &mut SpendSum) {
        sum.amount = sum.amount.checked_add(self.amount).unwrap_or(Money::MAX);
        sum.campaigns += 1;
        sum.unknown += u64::from(self.is_unknown);
    }

    fn take_from(&self, sum: SpendSum) -> SpendSum {
        SpendSum {
            amount: sum.amount.checked_sub(self.amount).unwrap_or(Money::ZERO),
            campaigns: sum.campaigns.saturating_sub(1),
            unknown: sum.unknown.saturating_sub(u64::from(self.is_unknown)),
        }
    }
}

impl SpendSums {
    /// Returns the spends of all other campaigns of this group, and of all other campaigns.
    #[must_use]
    pub fn of_others(&self, id: CampaignId, group: Option<&str>) -> SharedSpends {
        let own = self.campaigns.get(&id);
        let own_amount = own.map_or(Money::ZERO, |own| own.amount);
        let without_own = |sum, is_in_it: bool| own.filter(|_| is_in_it).map_or(sum, |own| own.take_from(sum));
        let sum = group.and_then(|group| self.groups.get(group)).copied().unwrap_or_default();
        let is_in_group = own.is_some_and(|own| own.group.as_deref() == group);
        SharedSpends {
            day: self.day,
            own: own_amount,
            group: without_own(sum, is_in_group),
            account: without_own(self.account, true),
        }
    }
}

/// A campaign, its group, and its stored spend of the day: the amount in millionths, and the time when it was read.
type Row = (i64, Option<String>, Option<i64>, Option<Stamp>);

impl Store {
    /// Reads the spends of `day` of every campaign. A spend that was read before `current_since` counts, as an unknown
    /// one.
    pub async fn spend_sums(&self, day: NaiveDate, current_since: DateTime<Utc>) -> Result<SpendSums, StoreError> {
        let rows = db!(self, move |connection| {
            let of_the_day = spends::campaign_id
                .eq(campaigns::id)
                .and(spends::trafficstar_id.eq(campaigns::trafficstar_id))
                .and(spends::day.eq(day));
            let rows: Vec<(i64, OptionalTrackerText, Option<i64>, Option<Stamp>)> = campaigns::table
                .left_join(spends::table.on(of_the_day))
                .select((campaigns::id, campaigns::group_name, spends::amount_micros.nullable(), spends::at.nullable()))
                .load(connection)?;
            Ok(rows.into_iter().map(|(id, group, micros, at)| (id, group.into(), micros, at)).collect::<Vec<Row>>())
        })
        .map_err(StoreError::ReadTick)?;
        Ok(summed(day, current_since, rows))
    }
}

fn summed(day: NaiveDate, current_since: DateTime<Utc>, rows: Vec<Row>) -> SpendSums {
    let mut sums = SpendSums {
        day,
        campaigns: HashMap::with_capacity(rows.len()),
        groups: HashMap::new(),
        account: SpendSum::default(),
    };
    for (id, group, micros, at) in rows {
        let place = Place { table: "spends", row: id };
        let amount = micros.and_then(Money::from_micros);
        let at = at.and_then(|at| place.time("at", at).ok());
        let group = group.map(|name| {
            sums.groups
                .get_key_value(name.as_str())
                .map_or_else(|| name.as_str().into(), |(known, _)| Arc::clone(known))
        });
        let is_unknown = amount.is_none() || at.is_none_or(|at| at < current_since);
        let share = Share { group, amount: amount.unwrap_or(Money::ZERO), is_unknown };
        share.add_to(&mut sums.account);
        if let Some(group) = &share.group {
            share.add_to(sums.groups.entry(Arc::clone(group)).or_default());
        }
        sums.campaigns.insert(CampaignId(id), share);
    }
    sums
}
