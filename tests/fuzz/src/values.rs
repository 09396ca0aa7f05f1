//! The text of an amount or an end time, in every field in which TrafficStars may send one.

use chrono::{Datelike, NaiveDate, Timelike};
use serde_json::{Value, json};
use traffic_generator::domain::money::Money;
use traffic_generator::domain::remote::EndTime;
use traffic_generator::domain::spend::SpendReading;
use traffic_generator::trafficstar::wire;

use super::expected::{assert_fit_to_show, is_amount, micros_of_text, parts_of_end_time};

/// An amount is exact to six decimals, or refused. An end time is the written one in UTC, or unreadable.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let money = text.parse::<Money>();
    assert_eq!(money.as_ref().ok().map(|money| money.micros()), micros_of_text(text), "{text:?}");
    if let Ok(money) = money {
        assert_eq!(money.to_string().parse(), Ok(money), "the displayed amount is read as the same amount");
    }
    check_spent(&Value::from(text));
    if let Ok(value) = serde_json::from_str(text) {
        check_spent(&value);
        check_digits(text, &value);
    }
    check_end_time(text);
}

fn spent(value: &Value) -> SpendReading {
    let answer = json!({"id": 1, "active": true, "status": "enabled", "spent_today": value});
    wire::campaign(&answer).expect("a spend that cannot be read leaves the status readable").spent_today
}

fn check_spent(value: &Value) {
    match spent(value) {
        SpendReading::Value(money) => assert!(is_amount(value, money.micros()), "{value} was read as {money}"),
        SpendReading::Failed(failure) => assert_fit_to_show(&failure.to_string()),
        SpendReading::NoValue => assert!(value.is_null(), "{value} is no value"),
        SpendReading::NoSource => panic!("{value} has no source"),
    }
}

/// A plain number of up to fifteen digits is read exactly.
fn check_digits(text: &str, value: &Value) {
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits > 15 || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return;
    }
    let read = match spent(value) {
        SpendReading::Value(money) => Some(money.micros()),
        SpendReading::Failed(_) | SpendReading::NoValue | SpendReading::NoSource => None,
    };
    assert_eq!(read, micros_of_text(text), "{text}");
}

fn check_end_time(text: &str) {
    let answer = json!({"id": 1, "active": true, "status": "enabled", "schedule_end_time": text});
    let end_time = wire::campaign(&answer).expect("the other fields stay readable").end_time;
    let parts = parts_of_end_time(text);
    let is_moment = parts.is_some_and(|[year, month, day, hour, minute, second]| {
        let day = i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, month, day));
        day.is_some() && hour < 24 && minute < 60 && second < 60
    });
    match end_time {
        EndTime::Unset => assert!(text.trim().is_empty(), "{text:?} is an end time"),
        EndTime::Unreadable(shown) => {
            assert_fit_to_show(&shown);
            assert!(!is_moment, "{text:?} can be read");
        }
        EndTime::At(at) => {
            let leap = at.nanosecond() / 1_000_000_000;
            let found = [at.month(), at.day(), at.hour(), at.minute(), at.second() + leap];
            let year = u32::try_from(at.year()).expect("a year of four digits");
            let [month, day, hour, minute, second] = found;
            assert_eq!(parts, Some([year, month, day, hour, minute, second]), "{text:?} was read as {at}");
        }
    }
}
