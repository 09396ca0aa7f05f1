//! Reports: spend by campaign and by day, in the three shapes that clients have met.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};
use serde_json::{Value, json};

use super::Answer;
use crate::amount::Amount;
use crate::campaign::Campaign;
use crate::log::RequestRecord;
use crate::world::World;

const DEFAULT_ROWS: usize = 100;

/// The days and campaigns that a report is about.
struct Scope<'a> {
    from: NaiveDate,
    to: NaiveDate,
    campaigns: Vec<&'a Campaign>,
}

impl<'a> Scope<'a> {
    fn read(world: &'a World, request: &RequestRecord, last_day: &str) -> Result<Self, Answer> {
        let day = |name: &str| {
            let text = request.query_value(name).ok_or_else(|| Answer::bad(name, "required"))?;
            parse_day(text).ok_or_else(|| Answer::bad(name, "must look like 2025-05-07 or 2025-05-07T10:00:00Z"))
        };
        let ids: Result<Vec<i64>, _> = request.query_values("campaign_id").map(str::parse).collect();
        let ids = ids.map_err(|_| Answer::bad("campaign_id", "must be an integer"))?;
        let wanted = |campaign: &&Campaign| ids.is_empty() || ids.contains(&campaign.spec.id);
        let campaigns = world.campaigns.values().filter(wanted).collect();
        Ok(Self { from: day("date_from")?, to: day(last_day)?, campaigns })
    }

    fn covers(&self, day: NaiveDate) -> bool {
        self.from <= day && day <= self.to
    }

    /// Spend per day over all campaigns; a day without any on record is not there.
    fn per_day(&self) -> BTreeMap<NaiveDate, Amount> {
        let mut days = BTreeMap::new();
        for campaign in &self.campaigns {
            for day in campaign.days().filter(|day| self.covers(*day)) {
                add(days.entry(day).or_default(), campaign.spent_on(day));
            }
        }
        days
    }
}

pub(super) fn by_campaign(world: &World, request: &RequestRecord) -> Answer {
    let scope = match Scope::read(world, request, "date_to") {
        Ok(scope) => scope,
        Err(complaint) => return complaint,
    };
    let row = |campaign: &&Campaign| {
        let mut total = None;
        for day in campaign.days().filter(|day| scope.covers(*day)) {
            add(total.get_or_insert_default(), campaign.spent_on(day));
        }
        total.map(|total| {
            let mut row = figures(world, total);
            row.insert("campaign_id".to_owned(), json!(campaign.spec.id));
            row.insert("name".to_owned(), json!(campaign.spec.name));
            Value::Object(row)
        })
    };
    slice(world, request, scope.campaigns.iter().filter_map(row).collect())
}

pub(super) fn by_day(world: &World, request: &RequestRecord, last_day: &str) -> Answer {
    let scope = match Scope::read(world, request, last_day) {
        Ok(scope) => scope,
        Err(complaint) => return complaint,
    };
    let rows = scope.per_day().into_iter().map(|(day, amount)| {
        let mut row = figures(world, amount);
        row.insert("day".to_owned(), json!(day.to_string()));
        Value::Object(row)
    });
    slice(world, request, rows.collect())
}

pub(super) fn columns_by_day(world: &World, request: &RequestRecord) -> Answer {
    let scope = match Scope::read(world, request, "date_to") {
        Ok(scope) => scope,
        Err(complaint) => return complaint,
    };
    let rows: Vec<Value> =
        scope.per_day().into_iter().map(|(day, amount)| json!([day.to_string(), amount.to_string()])).collect();
    Answer::ok(json!({"data": {"columns": ["day", "amount"], "rows": rows}}))
}

fn add(total: &mut Amount, part: Option<Amount>) {
    *total = Amount::micros(total.as_micros().saturating_add(part.unwrap_or_default().as_micros()));
}

/// The columns that every row has. The sandbox knows the amount alone; the others are there to be ignored.
fn figures(world: &World, amount: Amount) -> serde_json::Map<String, Value> {
    let amount = if world.options.amounts_as_text { json!(amount.to_string()) } else { amount.to_number() };
    let others = [("clicks", 54), ("impressions", 6627), ("leads", 3)].map(|(name, count)| (name, json!(count)));
    [("amount", amount)].into_iter().chain(others).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// `offset` and `limit`: a report is cut short without a word.
fn slice(world: &World, request: &RequestRecord, rows: Vec<Value>) -> Answer {
    let number = |name: &str, otherwise: usize| match request.query_value(name).map(str::parse) {
        None => Ok(otherwise),
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) => Err(Answer::bad(name, "must be a number")),
    };
    match (number("offset", 0), number("limit", DEFAULT_ROWS)) {
        (Ok(offset), Ok(limit)) => {
            let most = limit.min(world.options.max_report_rows);
            Answer::ok(rows.into_iter().skip(offset).take(most).collect())
        }
        (Err(complaint), _) | (_, Err(complaint)) => complaint,
    }
}

fn parse_day(text: &str) -> Option<NaiveDate> {
    let hour = || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:00:00Z").ok().map(|time| time.date());
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().or_else(hour)
}
