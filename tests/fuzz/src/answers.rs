//! TrafficStars' answers, once they are JSON: each input is read as every kind of answer.

use chrono::{DateTime, NaiveDate, Utc};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use traffic_generator::domain::failure::RemoteFault;
use traffic_generator::domain::remote::{RemoteCampaign, RemoteStatus, judge};
use traffic_generator::domain::spend::SpendReading;
use traffic_generator::trafficstar::wire;

use super::expected::{PLANTED, assert_names_no_person, in_full, is_amount, is_amount_in_cents, parts_of_end_time};

/// Everything that is read from the answer has to be in the answer.
pub fn check(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    check_value(&value);
    // In a long input the plants would take long and show nothing more.
    if bytes.len() < 10_000 {
        PLANTS.iter().for_each(|plant| check_value(&planted(&value, *plant)));
    }
}

fn check_value(value: &Value) {
    match wire::campaign(value) {
        Ok(campaign) => check_campaign(unwrapped(value), &campaign),
        Err(error) => assert_names_no_person(&in_full(&error)),
    }
    check_page(value);
    check_switch(value);
    check_spends(value);
    check_day(value);
    check_token(value);
}

/// A replacement for the answer's values, with personal data, so that errors quote it.
type Plant = fn(&Value) -> Value;

const PLANTS: [Plant; 5] = [
    |_| person(),
    |value| json!({"was": value, "user": {"name": PLANTED[0]}}),
    |_| json!(person().to_string()),
    // The JSON is cut off within the name.
    |_| json!(format!("{{\"user\": {{\"name\": \"{}", PLANTED[0])),
    |value| json!(format!("{}@example.com {value} \\u0075ser&quot;: {}", PLANTED[2], PLANTED[1])),
];

fn person() -> Value {
    let [name, phone, address] = PLANTED;
    let address = format!("{address}@example.com");
    json!({"email": address, "user": {"name": name, "phone": phone}, "to": [format!("<{address}>")]})
}

/// Returns the answer with a plant in place of each value, and one more field in each object. Ids and paging stay,
/// since the program finds campaigns by them.
fn planted(value: &Value, plant: Plant) -> Value {
    match value {
        Value::Array(values) => values.iter().map(|value| planted(value, plant)).collect(),
        Value::Object(fields) => {
            let kept = |name: &str| ["id", "campaign_id", "page", "count", "page_count", "page_size"].contains(&name);
            let field = |(name, value): (&String, &Value)| {
                (name.clone(), if kept(name) { value.clone() } else { planted(value, plant) })
            };
            fields.iter().map(field).chain([("user".to_owned(), person())]).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => plant(value),
    }
}

fn noon() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().expect("a time")
}

fn unwrapped(value: &Value) -> &Value {
    value.get("response").filter(|inner| !inner.is_null()).unwrap_or(value)
}

/// Returns a field that is present and not null.
fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn is_zero(value: &Value) -> bool {
    let number = value.as_str().map_or_else(|| value.as_f64(), |text| text.trim().parse().ok());
    number == Some(0.0)
}

fn is_id(value: &Value, id: i64) -> bool {
    value.as_i64() == Some(id) || value.as_str().is_some_and(|text| text.parse() == Ok(id))
}

fn check_campaign(object: &Value, campaign: &RemoteCampaign) {
    assert!(field(object, "id").is_some_and(|id| is_id(id, campaign.id.0)), "{campaign:?} from {object}");
    for shown in [&campaign.name, &campaign.status, &campaign.approved, &campaign.stopped].into_iter().flatten() {
        assert_names_no_person(shown);
    }
    check_spent(object, "spent_today", &campaign.spent_today);
    check_spent(object, "spent", &campaign.spent);
    for odd in &campaign.odd_fields {
        assert!(field(object, odd.name).is_some(), "{odd:?} is not in {object}");
        assert_names_no_person(&odd.problem);
    }
    let status = judge(&Ok(campaign.clone()), noon());
    if let RemoteStatus::Blocked { reason, .. } = &status {
        assert_names_no_person(reason);
    }
    if let RemoteStatus::Unknown { doubt, .. } = &status {
        assert_names_no_person(&doubt.to_string());
    }
    let end_time = field(object, "schedule_end_time");
    let is_blank = end_time.is_none_or(|value| value.as_str().is_some_and(|text| text.trim().is_empty()));
    let has_passed =
        end_time.and_then(Value::as_str).and_then(parts_of_end_time).map(|end| end <= [2026, 11, 22, 12, 0, 0]);
    let word = field(object, "status").and_then(Value::as_str);
    let active = field(object, "active").and_then(flag);
    match status {
        RemoteStatus::Running => {
            let is_free = |name| field(object, name).is_none_or(|value| flag(value) == Some(false));
            assert!(
                active == Some(true)
                    && matches!(word, Some("enabled" | "active"))
                    && field(object, "approved").is_none_or(|word| word == "approved")
                    && field(object, "stopped").is_none_or(|word| word.is_string() && word != "no_funds")
                    && is_free("no_funds")
                    && is_free("is_archived")
                    && field(object, "schedule_timezone").is_none_or(is_zero)
                    && (is_blank || has_passed == Some(false)),
                "running by {object}"
            );
        }
        // Only a campaign that is known to be stopped is ever started.
        RemoteStatus::Stopped(_) => {
            assert!(active == Some(false) || word == Some("paused") || has_passed == Some(true), "stopped by {object}");
            assert!(active.is_some() && word.is_some() && (is_blank || has_passed.is_some()), "stopped by {object}");
        }
        RemoteStatus::Blocked { may_run, .. } | RemoteStatus::Unknown { may_run, .. } => {
            let is_utc = field(object, "schedule_timezone").is_none_or(is_zero);
            let has_ended = is_utc && has_passed == Some(true);
            assert!(may_run == (active == Some(true) && !has_ended) || !is_utc, "may run: {may_run}, by {object}");
            assert!(!may_run || active == Some(true), "may run by {object}");
        }
    }
}

/// Reads a flag: 0 and 1 mean false and true, and each of these may be a text.
fn flag(value: &Value) -> Option<bool> {
    match value.as_str().map(str::trim) {
        Some("true" | "1") => Some(true),
        Some("false" | "0") => Some(false),
        Some(text) => text.parse().ok().and_then(of_number),
        None => value.as_bool().or_else(|| of_number(value.as_f64()?)),
    }
}

fn of_number(number: f64) -> Option<bool> {
    if number == 0.0 { Some(false) } else { (number == 1.0).then_some(true) }
}

fn check_spent(object: &Value, name: &str, spent: &SpendReading) {
    let written = field(object, name);
    let is_utc = field(object, "timezone").is_none_or(is_zero);
    match spent {
        SpendReading::Value(money) => {
            assert!(is_utc && written.is_some_and(|value| is_amount(value, money.micros())), "{money} from {object}");
        }
        SpendReading::NoValue => assert!(is_utc && written.is_none(), "no value from {object}"),
        SpendReading::NoSource => assert!(!is_utc, "no source from {object}"),
        SpendReading::Failed(failure) => assert_names_no_person(&failure.to_string()),
    }
}

fn check_page(value: &Value) {
    let page = match wire::campaign_page(value) {
        Ok(page) => page,
        Err(error) => return assert_names_no_person(&in_full(&error)),
    };
    let entries = value.as_array().or_else(|| value.get("response")?.as_array()).expect("a page has entries");
    let is_its = |entry: &Value, id: i64| field(unwrapped(entry), "id").is_some_and(|found| is_id(found, id));
    for entry in entries {
        let listed = page.campaigns.keys().any(|id| is_its(entry, id.0));
        assert!(listed || !page.nameless.is_empty(), "{entry} was left out");
    }
    page.nameless.iter().for_each(|reason| assert_names_no_person(reason));
    for (id, read) in &page.campaigns {
        match read {
            Ok(campaign) => {
                assert_eq!(campaign.id, *id, "a campaign is listed under another one's id");
                let entry = entries.iter().rfind(|entry| is_its(entry, id.0)).expect("the campaign's entry");
                check_campaign(unwrapped(entry), campaign);
            }
            Err(RemoteFault::Failed(reason) | RemoteFault::Shared(reason)) => assert_names_no_person(reason),
            Err(RemoteFault::NotFound | RemoteFault::Gone | RemoteFault::Late) => {
                panic!("a listed campaign counts as missing")
            }
        }
    }
}

fn check_switch(value: &Value) {
    match wire::switch_answer(value) {
        Ok(answer) => {
            for (name, ids) in [("success", &answer.success), ("failed", &answer.failed)] {
                let written = field(unwrapped(value), name).and_then(Value::as_array);
                for id in ids {
                    let is_written = written.is_some_and(|list| list.iter().any(|entry| is_id(entry, id.0)));
                    assert!(is_written, "{id} under {name} of {value}");
                }
            }
        }
        Err(error) => assert_names_no_person(&in_full(&error)),
    }
}

/// Returns a report's rows, for both shapes of a report.
fn rows(value: &Value) -> Vec<Map<String, Value>> {
    let named = |row: &Value| row.as_object().cloned().unwrap_or_default();
    if let Some(rows) = unwrapped(value).as_array() {
        return rows.iter().map(named).collect();
    }
    let data = &value["data"];
    let columns: Vec<&str> =
        data["columns"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap_or("")).collect();
    let row = |cells: &Value| {
        let cells = cells.as_array().into_iter().flatten().cloned();
        columns.iter().map(|name| (*name).to_owned()).zip(cells).filter(|(name, _)| !name.is_empty()).collect()
    };
    data["rows"].as_array().into_iter().flatten().map(row).collect()
}

fn check_spends(value: &Value) {
    let spends = match wire::campaign_spends(value) {
        Ok(spends) => spends,
        Err(error) => return assert_names_no_person(&in_full(&error)),
    };
    let rows = rows(value);
    assert_eq!(spends.len(), rows.len(), "a row of {value} was left out");
    for ((id, spend), row) in spends.iter().zip(&rows) {
        assert!(row.get("campaign_id").is_some_and(|found| is_id(found, id.0)), "{id} by {row:?}");
        check_amount(row.get("amount"), spend);
    }
}

fn check_amount(written: Option<&Value>, spend: &SpendReading) {
    match spend {
        SpendReading::Value(money) => {
            assert!(written.is_some_and(|value| is_amount_in_cents(value, money.micros())), "{money} from {written:?}");
        }
        SpendReading::Failed(failure) => assert_names_no_person(&failure.to_string()),
        SpendReading::NoValue | SpendReading::NoSource => panic!("a row has a value: {written:?}"),
    }
}

fn check_day(value: &Value) {
    const DAY: &str = "2026-11-22";
    let day: NaiveDate = DAY.parse().expect("a day");
    let spend = match wire::day_spend(value, day) {
        Ok(spend) => spend,
        Err(error) => return assert_names_no_person(&in_full(&error)),
    };
    let rows = rows(value);
    let is_of_day =
        |row: &&Map<String, Value>| row.get("day").and_then(Value::as_str).is_some_and(|at| at.starts_with(DAY));
    let of_day: Vec<&Value> =
        rows.iter().filter(is_of_day).map(|row| row.get("amount").unwrap_or(&Value::Null)).collect();
    match spend {
        SpendReading::Value(money) => {
            match of_day.as_slice() {
                [] => panic!("{money} from no row of {value}"),
                [one] => assert!(is_amount_in_cents(one, money.micros()), "{money} from {one}"),
                // The amounts of single rows are checked above; here, only that none exceeds the sum.
                [..] => assert!(of_day.iter().all(|one| {
                    one.as_f64().is_none_or(|one| one <= money.micros() as f64 / 1e6 + 0.005_01 + one / 1e12)
                })),
            }
        }
        SpendReading::NoValue => assert!(of_day.is_empty(), "no value from {value}"),
        SpendReading::Failed(failure) => assert_names_no_person(&failure.to_string()),
        SpendReading::NoSource => panic!("a report that was answered is a source"),
    }
}

fn check_token(value: &Value) {
    match wire::token(value) {
        Ok(answer) => {
            let token = answer.access_token.expose_secret();
            assert!(!token.is_empty() && value["access_token"] == token);
            assert!(answer.lifetime.as_secs() <= 30 * 24 * 3600, "{:?}", answer.lifetime);
            assert!(format!("{answer:?}").len() < 200, "its Debug has to hide the token");
        }
        Err(error) => {
            let shown = in_full(&error);
            assert!(!shown.contains(&value.to_string()) || shown.contains("null"), "{shown}");
            assert_names_no_person(&shown);
        }
    }
}
