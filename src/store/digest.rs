//! Reading the facts of one UTC day for the daily digest.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate, NaiveTime};
use diesel::prelude::*;

use super::Store;
use super::error::StoreError;
use super::pools::db;
use super::schema::{campaigns, journal, journal_steps, spends};
use super::values::{BadValue, Place, Stamp, TrackerName, TrackerText};
use crate::domain::digest::{DayAction, DaySummary};
use crate::domain::ids::CampaignId;

/// The columns of a journal entry that the digest needs.
type ActionColumns = (i64, i64, TrackerText, TrackerText, TrackerText, Stamp, Option<Stamp>);

impl Store {
    /// Reads what one UTC day brought. An entry that cannot be read is left out.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn day_summary(&self, day: NaiveDate) -> Result<DaySummary, StoreError> {
        let begins = day.and_time(NaiveTime::MIN).and_utc();
        let ends = begins.checked_add_days(Days::new(1)).unwrap_or(begins);
        let day_before = begins.checked_sub_days(Days::new(1)).unwrap_or(begins);
        db!(self, move |connection| {
            let names: Vec<(i64, TrackerName)> =
                campaigns::table.select((campaigns::id, campaigns::name)).load(connection)?;
            let of_the_day: Vec<(i64, i64)> = spends::table
                .filter(spends::day.eq(day))
                .select((spends::campaign_id, spends::amount_micros))
                .load(connection)?;
            let actions: Vec<ActionColumns> = journal::table
                .inner_join(journal_steps::table)
                .filter(journal::requested_at.ge(Stamp::from(day_before)))
                .filter(journal::requested_at.lt(Stamp::from(ends)))
                .order((journal::requested_at, journal::id))
                .select((
                    journal::id,
                    journal::campaign_id,
                    journal::kind,
                    journal::trigger,
                    journal_steps::step,
                    journal::requested_at,
                    journal_steps::confirmed_at,
                ))
                .load(connection)?;
            let guarded: Vec<i64> = campaigns::table
                .filter(campaigns::generator_enabled.eq(true))
                .filter(campaigns::created_at.lt(Stamp::from(ends)))
                .select(campaigns::id)
                .load(connection)?;
            let names: BTreeMap<_, _> = names.into_iter().map(|(id, name)| (CampaignId(id), name.into())).collect();
            let spend = |(id, micros)| {
                Some((CampaignId(id), Place { table: "spends", row: id }.money("amount_micros", micros).ok()?))
            };
            let with_spend: BTreeSet<i64> = of_the_day.iter().map(|(id, _)| *id).collect();
            let without_spend = guarded.iter().filter(|id| !with_spend.contains(id)).count() as u64;
            let spends = of_the_day.into_iter().filter_map(spend).collect();
            let actions = actions.into_iter().filter_map(|columns| action(columns).ok());
            let (earlier, actions) = actions.partition(|action| action.requested_at < begins);
            Ok(DaySummary { day, names, spends, without_spend, earlier, actions })
        })
        .map_err(StoreError::ReadJournal)
    }
}

fn action(
    (id, campaign, kind, trigger, step, requested_at, confirmed_at): ActionColumns,
) -> Result<DayAction, BadValue> {
    let place = Place { table: "journal", row: id };
    let [kind, trigger, step] = [kind, trigger, step].map(String::from);
    Ok(DayAction {
        campaign: CampaignId(campaign),
        kind: place.word("kind", &kind)?,
        trigger: place.word("trigger", &trigger)?,
        step: place.word("step", &step)?,
        requested_at: place.time("requested_at", requested_at)?,
        confirmed_at: place.time_if_any("confirmed_at", confirmed_at)?,
    })
}
