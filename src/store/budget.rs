//! The day's budget of a campaign, and the change of a budget in the journal, as they are stored.

use chrono::NaiveDate;
use diesel::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::schema::{day_budgets, journal};
use super::values::{BadValue, OptionalTrackerText, Place, Stamp};
use crate::domain::budget::{BudgetChange, DayBudget, Gathering, SentTopUp, TopUpWait, UrlClicks};
use crate::domain::ids::{CampaignId, RemoteId};

/// A row of `day_budgets`.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = day_budgets, primary_key(campaign_id), treat_none_as_null = true)]
pub(super) struct DayBudgetRow {
    campaign_id: i64,
    trafficstar_id: i64,
    day: NaiveDate,
    is_observed: bool,
    is_set_back: bool,
    wait_until: Option<Stamp>,
    is_paused: bool,
    #[diesel(deserialize_as = OptionalTrackerText)]
    counted: Option<String>,
    gathering_until: Option<Stamp>,
    #[diesel(deserialize_as = OptionalTrackerText)]
    gathered: Option<String>,
    sent_micros: Option<i64>,
    #[diesel(deserialize_as = OptionalTrackerText)]
    sent_counted: Option<String>,
}

impl DayBudgetRow {
    pub(super) fn new(campaign: CampaignId, remote: RemoteId, budget: &DayBudget) -> Self {
        Self {
            campaign_id: campaign.0,
            trafficstar_id: remote.0,
            day: budget.day,
            is_observed: budget.is_observed,
            is_set_back: budget.is_set_back,
            wait_until: budget.wait.map(|wait| wait.until.into()),
            is_paused: budget.wait.is_some_and(|wait| wait.is_paused),
            counted: budget.counted.as_ref().and_then(json),
            gathering_until: budget.gathering.as_ref().map(|gathering| gathering.until.into()),
            gathered: budget.gathering.as_ref().and_then(|gathering| json(&gathering.limits)),
            sent_micros: budget.sent.as_ref().map(|sent| sent.amount.micros()),
            sent_counted: budget.sent.as_ref().and_then(|sent| json(&sent.counted)),
        }
    }

    pub(super) fn read(self) -> Result<DayBudget, BadValue> {
        let place = Place { table: "day_budgets", row: self.campaign_id };
        let until = place.time_if_any("wait_until", self.wait_until)?;
        let gathered: Option<UrlClicks> = from_json(place, "gathered", self.gathered)?;
        let gathering_until = place.time_if_any("gathering_until", self.gathering_until)?;
        let sent_counted: Option<UrlClicks> = from_json(place, "sent_counted", self.sent_counted)?;
        let amount = self.sent_micros.map(|micros| place.money("sent_micros", micros)).transpose()?;
        Ok(DayBudget {
            day: self.day,
            is_observed: self.is_observed,
            is_set_back: self.is_set_back,
            wait: until.map(|until| TopUpWait { until, is_paused: self.is_paused }),
            counted: from_json(place, "counted", self.counted)?,
            gathering: gathering_until.zip(gathered).map(|(until, limits)| Gathering { until, limits }),
            sent: amount.zip(sent_counted).map(|(amount, counted)| SentTopUp { amount, counted }),
        })
    }
}

/// The columns of `journal` for a change of the daily budget.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = journal)]
pub(super) struct BudgetColumns {
    budget_before_micros: Option<i64>,
    budget_after_micros: Option<i64>,
    #[diesel(deserialize_as = OptionalTrackerText)]
    budget_parts: Option<String>,
}

impl BudgetColumns {
    pub(super) fn new(change: Option<&BudgetChange>) -> Self {
        Self {
            budget_before_micros: change.and_then(|change| change.before).map(|before| before.micros()),
            budget_after_micros: change.map(|change| change.after.micros()),
            budget_parts: change.and_then(|change| json(&change.parts)),
        }
    }

    pub(super) fn read(self, place: Place) -> Result<Option<BudgetChange>, BadValue> {
        let money = |column, micros: Option<i64>| micros.map(|micros| place.money(column, micros)).transpose();
        let before = money("budget_before_micros", self.budget_before_micros)?;
        let Some(after) = money("budget_after_micros", self.budget_after_micros)? else { return Ok(None) };
        let parts = from_json(place, "budget_parts", self.budget_parts)?.unwrap_or_default();
        Ok(Some(BudgetChange { before, after, parts }))
    }
}

/// Writes a value as JSON. Maps of numbers and amounts always have a form in JSON.
fn json(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

fn from_json<T: DeserializeOwned>(
    place: Place,
    column: &'static str,
    text: Option<String>,
) -> Result<Option<T>, BadValue> {
    let read = |text: String| serde_json::from_str(&text).map_err(|error| place.bad(column, error.to_string()));
    text.map(read).transpose()
}
