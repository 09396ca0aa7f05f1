//! The shapes of requests and answers (trafficstar/API.md). Every answer was seen in two shapes; both are read here.
//!
//! Unknown and missing fields are accepted. Numbers in texts are read, and 0 and 1 for false and true. A campaign's
//! field of an unreadable type is noted as odd, with the found value. It is unknown, never a default, and the other
//! fields are still read. An answer without its essential fields is unreadable. Money is parsed only here.
//!
//! Deliberately absent: HTTP, and what the fields mean (`domain::remote`).

mod day_report;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
use secrecy::SecretString;
use serde_json::{Map, Number, Value};
use thiserror::Error;

pub use self::day_report::DayRows;
use super::batch::ListSize;
use super::excerpt::{excerpt, excerpt_of, word};
use crate::domain::failure::{RemoteFault, SourceFailure};
use crate::domain::ids::RemoteId;
use crate::domain::money::Money;
use crate::domain::remote::{EndTime, OddField, RemoteCampaign, SCHEDULE_TIMEZONE};
use crate::domain::spend::SpendReading;

/// The reason why an answer cannot be read.
#[derive(Debug, Clone, Error)]
pub enum WireError {
    /// It is not JSON.
    #[error(
        "it is not JSON: {}",
        excerpt.as_ref().map_or_else(|| "is [trafficstar] base_url right?".to_owned(), |excerpt| format!("`{excerpt}`"))
    )]
    NotJson {
        /// The beginning of the answer; `None` if it must not be shown.
        excerpt: Option<String>,
    },
    /// A field is of the wrong type or missing.
    #[error("{place} should be {expected}, but is {found}")]
    Field {
        /// The field's name and place.
        place: String,
        /// The expected type or value.
        expected: &'static str,
        /// The beginning of the found value.
        found: String,
    },
    /// It is larger than this program accepts.
    #[error("it is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The pages of a report or list do not fit together, or do not end.
    #[error("its paging does not work: {0}")]
    CutShort(String),
}

fn wrong(place: impl Into<String>, expected: &'static str, found: Option<&Value>) -> WireError {
    let found = found.map_or_else(|| "missing".to_owned(), |value| format!("`{}`", excerpt_of(value)));
    WireError::Field { place: place.into(), expected, found }
}

/// An object of an answer, with the name of its place for error texts.
struct Fields<'a> {
    place: &'a str,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    fn of(value: &'a Value, place: &'a str) -> Result<Self, WireError> {
        let map = value.as_object().ok_or_else(|| wrong(place, "an object", Some(value)))?;
        Ok(Self { place, map })
    }

    /// Returns a field's value; `None` if the field is missing or `null`.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn typed<T>(
        &self,
        name: &str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, WireError> {
        self.get(name).map(|value| read(value).ok_or_else(|| self.wrong(name, expected, Some(value)))).transpose()
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, WireError> {
        self.typed(name, "true or false", flag)
    }

    fn text(&self, name: &str) -> Result<Option<String>, WireError> {
        self.typed(name, "a text", |value| value.as_str().map(word))
    }

    fn whole_number(&self, name: &str) -> Result<Option<i64>, WireError> {
        self.typed(name, "a whole number", whole_number)
    }

    fn count(&self, name: &str) -> Result<Option<u64>, WireError> {
        self.typed(name, "a number from 0", |value| u64::try_from(whole_number(value)?).ok())
    }

    fn id(&self, name: &str) -> Result<RemoteId, WireError> {
        const EXPECTED: &str = "an id";
        self.typed(name, EXPECTED, remote_id)?.ok_or_else(|| self.wrong(name, EXPECTED, None))
    }

    fn array(&self, name: &str) -> Result<Option<&'a Vec<Value>>, WireError> {
        self.typed(name, "an array", Value::as_array)
    }

    fn wrong(&self, name: &str, expected: &'static str, found: Option<&Value>) -> WireError {
        wrong(format!("`{name}` of {}", self.place), expected, found)
    }
}

/// Reads a whole number. `0.0` is one, because some answers write every number with decimals. `"0"` is one, because
/// some answers write every value as a text.
fn whole_number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| match value.as_str() {
        Some(text) => text.trim().parse().ok().or_else(|| decimal_text(&text.trim().parse().ok()?).parse().ok()),
        None => decimal_text(value.as_number()?).parse().ok(),
    })
}

/// Reads `true` and `false`, 0 and 1, and each of them as a text.
fn flag(value: &Value) -> Option<bool> {
    let word = value.as_str().and_then(|text| text.trim().parse().ok());
    value.as_bool().or(word).or_else(|| match whole_number(value)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    })
}

/// Reads an id: a number, or a number as a text.
fn remote_id(value: &Value) -> Option<RemoteId> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).map(RemoteId)
}

fn remote_ids(values: Option<&Vec<Value>>, place: &'static str) -> Result<BTreeSet<RemoteId>, WireError> {
    let each = |value| remote_id(value).ok_or_else(|| wrong(place, "a list of ids", Some(value)));
    values.into_iter().flatten().map(each).collect()
}

/// Writes a number as decimal digits without exponent. A float is written as the shortest text that reads back as the
/// same float. Up to 15 digits are exact, so amounts with six decimals stay as they were sent.
fn decimal_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float.to_string(),
        _ => number.to_string(),
    }
}

/// Reads an amount of money: a number, or a text such as `12.34`, with a currency or without.
fn money(value: &Value) -> Option<Money> {
    match value.as_number() {
        Some(number) => decimal_text(number).parse().ok(),
        None => Money::with_currency(value.as_str()?).ok(),
    }
}

const MONEY: &str = "an amount of money";

/// Returns the value inside `{"response": …}`, or the value itself. Some clients saw answers wrapped so.
fn unwrapped(value: &Value) -> &Value {
    value.get("response").filter(|inner| !inner.is_null()).unwrap_or(value)
}

/// The fields of a campaign that could not be read.
#[derive(Default)]
struct OddFields(Vec<OddField>);

impl OddFields {
    fn note<T>(&mut self, name: &'static str, read: Result<Option<T>, WireError>) -> Option<T> {
        read.unwrap_or_else(|error| {
            self.0.push(OddField { name, problem: error.to_string() });
            None
        })
    }
}

/// Reads one campaign, bare or wrapped.
///
/// # Errors
/// It is no object, or has no id. A field of an odd type is no error: it is noted in the campaign.
pub fn campaign(value: &Value) -> Result<RemoteCampaign, WireError> {
    let fields = Fields::of(unwrapped(value), "the campaign")?;
    let id = fields.id("id")?;
    let mut odd = OddFields::default();
    // With an unreadable time zone the campaign's own spend is unknown, but its status is still read.
    let account_timezone = fields.whole_number("timezone");
    let own_spend = |name: &'static str| match &account_timezone {
        Ok(None | Some(0)) => fields.get(name).map_or(SpendReading::NoValue, |value| amount(&fields, name, value)),
        Ok(Some(_)) => SpendReading::NoSource,
        Err(error) => unreadable(error.to_string()),
    };
    Ok(RemoteCampaign {
        id,
        name: fields.text("name").ok().flatten(),
        active: odd.note("active", fields.flag("active")),
        status: odd.note("status", fields.text("status")),
        approved: odd.note("approved", fields.text("approved")),
        stopped: odd.note("stopped", fields.text("stopped")).filter(|word| !word.trim().is_empty()),
        no_funds: odd.note("no_funds", fields.flag("no_funds")).unwrap_or(false),
        archived: odd.note("is_archived", fields.flag("is_archived")).unwrap_or(false),
        end_time: end_time(fields.get("schedule_end_time")),
        schedule_timezone: odd.note(SCHEDULE_TIMEZONE, fields.whole_number(SCHEDULE_TIMEZONE)),
        spent_today: own_spend("spent_today"),
        spent: own_spend("spent"),
        account_timezone: account_timezone.ok().flatten(),
        // Only top-ups need these two, so that an odd type puts nothing else in doubt.
        max_daily: fields.get("max_daily").and_then(money).filter(|budget| *budget > Money::ZERO),
        price_per_thousand: fields.get("price").and_then(money).filter(|_| is_priced_per_thousand(&fields)),
        odd_fields: odd.0,
        our_clock: None,
    })
}

fn is_priced_per_thousand(fields: &Fields<'_>) -> bool {
    fields.text("pricing_model").is_ok_and(|model| model.is_some_and(|model| model.eq_ignore_ascii_case("cpm")))
}

fn amount(fields: &Fields<'_>, name: &str, value: &Value) -> SpendReading {
    money(value).map_or_else(|| unreadable(fields.wrong(name, MONEY, Some(value)).to_string()), SpendReading::Value)
}

const fn unreadable(problem: String) -> SpendReading {
    SpendReading::Failed(SourceFailure::Unreadable(problem))
}

/// The format in which an end time is sent. It is the only one that was confirmed in answers.
const END_TIME_FORM: &str = "%Y-%m-%d %H:%M:%S";
const END_TIME_FORMS: [&str; 3] = [END_TIME_FORM, "%Y-%m-%dT%H:%M:%SZ", "%d-%m-%Y %H:%M"];

/// Writes an end time as TrafficStars does. Parts of a second are cut off.
#[must_use]
pub fn end_time_text(at: DateTime<Utc>) -> String {
    at.format(END_TIME_FORM).to_string()
}

/// Writes an amount as the number that TrafficStars takes for `max_daily`.
#[must_use]
pub fn budget_number(amount: Money) -> Value {
    // The decimal text of an amount is a number in JSON.
    serde_json::from_str(&amount.to_string()).unwrap_or_default()
}

fn end_time(value: Option<&Value>) -> EndTime {
    let Some(value) = value else { return EndTime::Unset };
    let Some(text) = value.as_str() else { return EndTime::Unreadable(excerpt_of(value)) };
    if text.trim().is_empty() {
        return EndTime::Unset;
    }
    END_TIME_FORMS
        .iter()
        .find_map(|form| moment(text.trim(), form))
        .map_or_else(|| EndTime::Unreadable(excerpt(text)), |time| EndTime::At(time.and_utc()))
}

/// Reads a time that is written exactly in `form`. chrono alone would read `25-05-07` as a day of the year 25. The
/// campaign would then count as stopped long ago.
fn moment(text: &str, form: &str) -> Option<NaiveDateTime> {
    let moment = NaiveDateTime::parse_from_str(text, form).ok()?;
    ((0..=9999).contains(&moment.year()) && moment.format(form).to_string() == text).then_some(moment)
}

/// Reads the day at the beginning of a text. It must be written exactly as `YYYY-MM-DD`.
fn day_at_beginning(text: &str) -> Option<NaiveDate> {
    let day = text.get(..10)?;
    day.parse().ok().filter(|read: &NaiveDate| read.to_string() == day)
}

/// One page of the list of all campaigns. A bare array counts as the whole list.
///
/// The default is an empty page, as after the last one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CampaignPage {
    /// The campaigns on the page. A campaign that cannot be read has a fault of its own and does not affect the others.
    pub campaigns: BTreeMap<RemoteId, Result<RemoteCampaign, RemoteFault>>,
    /// The defects of entries without an id, for operators. A campaign that is missing for this reason is read by
    /// itself.
    pub nameless: Vec<String>,
    /// The page's number, from 1; `None` if the answer does not say it.
    pub page: Option<u64>,
    /// The number of pages; `None` if the answer does not say it.
    pub page_count: Option<u64>,
    /// The number of campaigns on one page; `None` if the answer does not say it.
    pub page_size: Option<u64>,
    /// The number of campaigns in the list; `None` if the answer does not say it.
    pub campaign_count: Option<u64>,
}

impl CampaignPage {
    /// Returns what the answer says about the whole list.
    #[must_use]
    pub const fn list_size(&self) -> ListSize {
        ListSize { campaigns: self.campaign_count, page_size: self.page_size, pages: self.page_count }
    }
}

/// Reads a page of the list: an object with paging fields, or a bare array.
///
/// # Errors
/// It is neither, or its paging fields cannot be read. A campaign that cannot be read is no error.
pub fn campaign_page(value: &Value) -> Result<CampaignPage, WireError> {
    const PLACE: &str = "the list of campaigns";
    let mut page = CampaignPage::default();
    let entries = if let Some(entries) = value.as_array() {
        let length = u64::try_from(entries.len()).ok();
        (page.page_count, page.page_size, page.campaign_count) = (Some(1), length, length);
        entries
    } else {
        let fields = Fields::of(value, PLACE)?;
        page.page = fields.count("page")?;
        page.page_count = fields.count("page_count")?;
        page.page_size = fields.count("page_size")?;
        page.campaign_count = fields.count("count")?;
        fields.array("response")?.ok_or_else(|| fields.wrong("response", "an array", None))?
    };
    for entry in entries {
        match Fields::of(unwrapped(entry), "a campaign of the list").and_then(|fields| fields.id("id")) {
            Ok(id) => {
                let read = campaign(entry).map_err(|error| RemoteFault::Failed(error.to_string()));
                page.campaigns.insert(id, read);
            }
            Err(error) => page.nameless.push(error.to_string()),
        }
    }
    Ok(page)
}

/// The answer to a run or pause. The outcome of an id in neither list, or in both, is unclear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchAnswer {
    /// The campaigns that were switched.
    pub success: BTreeSet<RemoteId>,
    /// The campaigns that TrafficStars did not switch.
    pub failed: BTreeSet<RemoteId>,
}

/// Reads the answer to a run or pause.
///
/// # Errors
/// It is no object, or one of its lists has an entry that is no id.
pub fn switch_answer(value: &Value) -> Result<SwitchAnswer, WireError> {
    let fields = Fields::of(unwrapped(value), "the answer")?;
    Ok(SwitchAnswer {
        success: remote_ids(fields.array("success")?, "`success`")?,
        failed: remote_ids(fields.array("failed")?, "`failed`")?,
    })
}

/// Reads a report's rows: a bare array of objects, or `{"data": {"columns": […], "rows": [[…]]}}`.
fn report_rows(value: &Value) -> Result<Vec<Value>, WireError> {
    if let Some(rows) = unwrapped(value).as_array() {
        return Ok(rows.clone());
    }
    let table = Fields::of(value, "the report")?;
    let data = table.get("data").ok_or_else(|| wrong("the report", "an array or a table", Some(value)))?;
    let data = Fields::of(data, "the report's data")?;
    let required = |name: &str| data.array(name)?.ok_or_else(|| data.wrong(name, "an array", None));
    let (columns, rows) = (required("columns")?, required("rows")?);
    let row_of = |row: &Value| {
        let cells = row.as_array().filter(|cells| cells.len() == columns.len());
        let cells = cells.ok_or_else(|| wrong("a row of the report", "as long as its columns", Some(row)))?;
        let named =
            columns.iter().zip(cells).filter_map(|(name, cell)| Some((name.as_str()?.to_owned(), cell.clone())));
        Ok(Value::Object(named.collect()))
    };
    rows.iter().map(row_of).collect()
}

/// Reads the spend of each campaign in a report, rounded half up to cents like the campaign's own field. Otherwise the
/// same spend could be below the limit by one source and above it by the other. A row with an unreadable amount is a
/// failure for its own campaign only. A row with an unreadable campaign could be any campaign's, so the whole report is
/// unreadable.
///
/// # Errors
/// It is no report, or a row names no campaign.
pub fn campaign_spends(value: &Value) -> Result<Vec<(RemoteId, SpendReading)>, WireError> {
    let spend_of = |row: &Value| {
        let fields = Fields::of(row, "a row of the report")?;
        Ok((fields.id("campaign_id")?, rounded(row_amount(&fields))))
    };
    report_rows(value)?.iter().map(spend_of).collect()
}

/// Reads the spend on `day` in a report by days, rounded half up to cents. Rows of other days are ignored.
///
/// # Errors
/// It is no report, or a row names no day.
pub fn day_spend(value: &Value, day: NaiveDate) -> Result<SpendReading, WireError> {
    let mut spend = SpendReading::NoValue;
    for row in &report_rows(value)? {
        let fields = Fields::of(row, "a row of the report")?;
        let row_day = fields.typed("day", "a day", |value| day_at_beginning(value.as_str()?))?;
        if row_day.ok_or_else(|| fields.wrong("day", "a day", None))? == day {
            spend = sum(&spend, row_amount(&fields));
        }
    }
    Ok(rounded(spend))
}

fn rounded(answer: SpendReading) -> SpendReading {
    match answer {
        SpendReading::Value(amount) => SpendReading::Value(amount.rounded_to_cents()),
        SpendReading::NoValue | SpendReading::NoSource | SpendReading::Failed(_) => answer,
    }
}

fn row_amount(fields: &Fields<'_>) -> SpendReading {
    match fields.get("amount") {
        Some(value) => amount(fields, "amount", value),
        None => unreadable(fields.wrong("amount", MONEY, None).to_string()),
    }
}

fn sum(so_far: &SpendReading, row: SpendReading) -> SpendReading {
    match (so_far, row) {
        (SpendReading::Failed(failure), _) => SpendReading::Failed(failure.clone()),
        (SpendReading::Value(earlier), SpendReading::Value(amount)) => earlier.checked_add(amount).map_or_else(
            || unreadable("the sum of the report's rows is too large for this program".to_owned()),
            SpendReading::Value,
        ),
        (SpendReading::Value(_) | SpendReading::NoValue | SpendReading::NoSource, row) => row,
    }
}

/// An access token and its lifetime.
#[derive(Debug, Clone)]
pub struct TokenAnswer {
    /// The text that later requests carry. Its `Debug` hides it.
    pub access_token: SecretString,
    /// The time for which the token is valid from now on.
    pub lifetime: Duration,
}

/// The lifetime of a token whose answer names none. If it expires earlier, a 401 leads to a new token.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(600);
/// The longest lifetime that is believed.
const LONGEST_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// Reads the answer to a token request. The errors never quote it.
///
/// # Errors
/// There is no token in it.
pub fn token(value: &Value) -> Result<TokenAnswer, WireError> {
    let access_token = value.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
    let access_token = access_token.ok_or_else(|| WireError::Field {
        place: "`access_token` of the token answer".to_owned(),
        expected: "a text",
        found: "something else".to_owned(),
    })?;
    let seconds =
        value.get("expires_in").and_then(|seconds| whole_number(seconds).or_else(|| seconds.as_str()?.parse().ok()));
    let lifetime =
        seconds.map_or(Some(UNKNOWN_LIFETIME), |seconds| u64::try_from(seconds).ok().map(Duration::from_secs));
    Ok(TokenAnswer {
        access_token: SecretString::from(access_token),
        lifetime: lifetime.unwrap_or_default().min(LONGEST_LIFETIME),
    })
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
