//! Reports: spend by campaign and by day, in the shapes that clients have seen.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};
use serde_json::{Value, json};

use super::Answer;
use crate::amount::Amount;
use crate::campaign::Campaign;
use crate::log::RequestRecord;
use crate::world::World;

const DEFAULT_ROWS: usize = 100;
const MOST_ROWS: usize = 1_000;

/// The days and campaigns of a report.
struct Scope<'a> {
    from: NaiveDate,
    to: NaiveDate,
    campaigns: Vec<&'a Campaign>,
}

impl<'a> Scope<'a> {
    fn read(world: &'a World, request: &RequestRecord) -> Result<Self, Answer> {
        let ids = campaign_ids(request)?;
        let wanted = |campaign: &&Campaign| ids.is_empty() || ids.contains(&campaign.spec.id);
        let campaigns = world.campaigns.values().filter(wanted).collect();
        Ok(Self { from: day_in(request, "date_from")?, to: day_in(request, "date_to")?, campaigns })
    }

    /// Reads the scope of the oldest report: exactly one campaign, and a last day that is not included.
    fn read_oldest(world: &'a World, request: &RequestRecord) -> Result<Self, Answer> {
        let [id] = campaign_ids(request)?.try_into().map_err(|ids: Vec<i64>| {
            Answer::bad("campaign_id", if ids.is_empty() { "required" } else { "must be one campaign" })
        })?;
        let until = day_in(request, "date_until")?;
        let to = until.pred_opt().ok_or_else(|| Answer::bad("date_until", "is too early"))?;
        let campaigns = world.campaigns.get(&id).into_iter().collect();
        Ok(Self { from: day_in(request, "date_from")?, to, campaigns })
    }

    fn covers(&self, day: NaiveDate) -> bool {
        self.from <= day && day <= self.to
    }

    /// Returns the spend of each day over all campaigns. Days without a recorded spend are left out.
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

pub(super) fn by_campaign(world: &World, request: &RequestRecord) -> Result<Answer, Answer> {
    let scope = Scope::read(world, request)?;
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
    slice(request, scope.campaigns.iter().filter_map(row).collect())
}

pub(super) fn by_day(world: &World, request: &RequestRecord) -> Result<Answer, Answer> {
    let scope = Scope::read(world, request)?;
    let rows = scope.per_day().into_iter().map(|(day, amount)| {
        let mut row = figures(world, amount);
        row.insert("day".to_owned(), json!(day.to_string()));
        Value::Object(row)
    });
    slice(request, rows.collect())
}

/// Answers the oldest report, which has other names for money and day, and has pages.
pub(super) fn day_stats(world: &World, request: &RequestRecord) -> Result<Answer, Answer> {
    let (scope, page) = (Scope::read_oldest(world, request)?, super::page(request)?);
    let rows: Vec<Value> = scope
        .per_day()
        .into_iter()
        .map(|(day, amount)| json!({"price": money(world, amount), "clicks": 9, "date": format!("{day}T00:00:00Z")}))
        .collect();
    let page_size = world.options.day_stats_page_size.max(1);
    let (count, page_count) = (rows.len(), rows.len().div_ceil(page_size));
    let on_page: Vec<Value> = rows.into_iter().skip((page - 1).saturating_mul(page_size)).take(page_size).collect();
    Ok(Answer::ok(json!({"count": count, "page": page, "page_count": page_count, "response": on_page})))
}

pub(super) fn columns_by_day(world: &World, request: &RequestRecord) -> Result<Answer, Answer> {
    let days = Scope::read(world, request)?.per_day().into_iter();
    let rows: Vec<Value> = days.map(|(day, amount)| json!([day.to_string(), amount.to_string()])).collect();
    Ok(Answer::ok(json!({"data": {"columns": ["day", "amount"], "rows": rows}})))
}

fn add(total: &mut Amount, part: Option<Amount>) {
    *total = Amount::micros(total.as_micros().saturating_add(part.unwrap_or_default().as_micros()));
}

fn money(world: &World, amount: Amount) -> Value {
    if world.options.amounts_as_text { json!(amount.to_string()) } else { amount.to_number() }
}

/// Returns the columns that every row has. Only the amount is real; clients should ignore the others.
fn figures(world: &World, amount: Amount) -> serde_json::Map<String, Value> {
    let others = [("clicks", 54), ("impressions", 6627), ("leads", 3)].map(|(name, count)| (name, json!(count)));
    [("amount", money(world, amount))].into_iter().chain(others).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Applies `offset` and `limit`. The answer does not say whether rows were left out.
fn slice(request: &RequestRecord, rows: Vec<Value>) -> Result<Answer, Answer> {
    let number = |name: &str, otherwise: usize| {
        let number = request.query_value(name).map_or(Ok(otherwise), str::parse);
        number.map_err(|_| Answer::bad(name, "must be a number"))
    };
    let (offset, limit) = (number("offset", 0)?, number("limit", DEFAULT_ROWS)?);
    Ok(Answer::ok(rows.into_iter().skip(offset).take(limit.min(MOST_ROWS)).collect()))
}

/// Returns the ids of the wanted campaigns. If there are none, the report has all campaigns.
fn campaign_ids(request: &RequestRecord) -> Result<Vec<i64>, Answer> {
    let ids: Result<Vec<i64>, _> = request.query_values("campaign_id").map(str::parse).collect();
    ids.map_err(|_| Answer::bad("campaign_id", "must be an integer"))
}

fn day_in(request: &RequestRecord, name: &str) -> Result<NaiveDate, Answer> {
    let text = request.query_value(name).ok_or_else(|| Answer::bad(name, "required"))?;
    parse_day(text).ok_or_else(|| Answer::bad(name, "must look like 2025-05-07 or 2025-05-07T10:00:00Z"))
}

fn parse_day(text: &str) -> Option<NaiveDate> {
    let hour = || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:00:00Z").ok().map(|time| time.date());
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().or_else(hour)
}
