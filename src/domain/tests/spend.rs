//! Today's spend: every order of the sources, what a stored value is worth, and the first half hour of a day.

use super::*;
use crate::domain::spend::{SpendHistory, SpendQuestion, StoredSpend, read_on};
use SourceAnswer::{NoSource, NoValue};

/// The spend's amount and source, or `None` where it is unknown.
type Known = Option<(&'static str, SpendSource)>;

fn value(text: &str) -> SourceAnswer {
    SourceAnswer::Value(money(text))
}

fn failed() -> SourceAnswer {
    SourceAnswer::Failed("timed out".to_owned())
}

fn stored(text: &str, time: &str) -> SpendHistory {
    SpendHistory { today: Some(StoredSpend { amount: money(text), at: at(time) }), yesterday: None }
}

fn yesterdays(text: &str) -> SpendHistory {
    SpendHistory { today: None, yesterday: Some(money(text)) }
}

fn question<'a>(now: &str, campaign: &'a SourceAnswer, history: &'a Result<SpendHistory, String>) -> SpendQuestion<'a> {
    SpendQuestion { campaign, history, limit: money("10.00"), stored_max_age: Duration::minutes(30), now: at(now) }
}

#[track_caller]
fn assert_spend(
    now: &str,
    campaign: &SourceAnswer,
    report: &SourceAnswer,
    history: &Result<SpendHistory, String>,
    expected: Known,
) {
    let what = format!("at {now}: campaign {campaign:?}, report {report:?}, stored {history:?}");
    let spend = question(now, campaign, history).resolve(report);
    let found = spend.as_ref().ok().map(|spend| (spend.amount, spend.source));
    assert_eq!(found, expected.map(|(text, source)| (money(text), source)), "{what}: {spend:?}");
    if let Ok(spend) = spend {
        assert_eq!(spend.day, at(now).date_naive(), "{what}");
    }
}

#[test]
fn the_sources_are_believed_in_their_order_and_unknown_is_never_0() {
    let db = Some(("3.00", SpendSource::Database));
    let none = Some(("0", SpendSource::None));
    let fresh = || Ok(stored("3.00", "11:50:00"));
    let empty = || Ok(SpendHistory::default());
    let away = || Err("the database is away".to_owned());
    for (campaign, report) in [(value("1.00"), value("2.00")), (value("1.00"), failed()), (value("1.00"), NoSource)] {
        for history in [fresh(), empty(), away()] {
            assert_spend("12:00:00", &campaign, &report, &history, Some(("1.00", SpendSource::Campaign)));
        }
    }
    for campaign in [NoValue, NoSource, failed()] {
        for history in [fresh(), empty(), away()] {
            assert_spend("12:00:00", &campaign, &value("2.00"), &history, Some(("2.00", SpendSource::Report)));
            assert_spend("12:00:00", &campaign, &value("0"), &history, Some(("0", SpendSource::Report)));
        }
        for report in [NoValue, NoSource, failed()] {
            assert_spend("12:00:00", &campaign, &report, &fresh(), db);
            assert_spend("12:00:00", &campaign, &report, &away(), None);
            let a_source_failed = campaign == failed() || report == failed();
            assert_spend("12:00:00", &campaign, &report, &empty(), if a_source_failed { None } else { none });
        }
    }
}

#[test]
fn a_stored_value_below_the_limit_serves_for_30_minutes_and_at_the_limit_at_any_age() {
    let below = |age: &str| Ok(stored("9.999999", age));
    let reached = |age: &str| Ok(stored("10.00", age));
    for (time, below_serves) in
        [("11:31:00", true), ("11:30:00", true), ("11:29:59", false), ("11:29:00", false), ("00:00:00", false)]
    {
        let expected = below_serves.then_some(("9.999999", SpendSource::Database));
        for (campaign, report) in [(failed(), failed()), (NoValue, NoValue), (NoSource, NoSource)] {
            assert_spend("12:00:00", &campaign, &report, &below(time), expected);
            assert_spend("12:00:00", &campaign, &report, &reached(time), Some(("10.00", SpendSource::Database)));
        }
    }
}

#[test]
fn a_stored_value_says_of_when_it_is() {
    let history = Ok(stored("3.00", "11:50:00"));
    let spend = question("12:00:00", &failed(), &history).resolve(&failed()).unwrap();
    assert_eq!(spend.at, at("11:50:00"));
}

#[test]
fn a_stored_value_of_yesterday_is_not_todays() {
    let history = Ok(stored("66.00", "23:59:50"));
    assert_spend("2026-11-23 00:00:10", &failed(), &failed(), &history, None);
    assert_spend("2026-11-23 00:00:10", &NoValue, &NoValue, &history, Some(("0", SpendSource::None)));
}

#[test]
fn after_midnight_a_counter_that_still_shows_yesterdays_value_is_unknown_until_it_changes() {
    let before = Ok(yesterdays("7.50"));
    let believed = Some(("7.50", SpendSource::Campaign));
    for report in [NoValue, NoSource, failed()] {
        for (now, expected) in
            [("00:00:00", None), ("00:29:59.999", None), ("00:30:00", believed), ("12:00:00", believed)]
        {
            assert_spend(now, &value("7.50"), &report, &before, expected);
        }
    }
    assert_spend("00:01:00", &value("7.51"), &NoSource, &before, Some(("7.51", SpendSource::Campaign)));
    assert_spend("00:01:00", &value("0.10"), &NoSource, &before, Some(("0.10", SpendSource::Campaign)));
    assert_spend("00:01:00", &value("7.50"), &value("7.50"), &before, Some(("7.50", SpendSource::Report)));
    assert_spend("00:01:00", &value("7.50"), &value("0.20"), &before, Some(("0.20", SpendSource::Report)));
    assert_spend("00:01:00", &value("0"), &NoSource, &Ok(yesterdays("0")), Some(("0", SpendSource::Campaign)));
}

#[test]
fn a_value_believed_today_is_not_doubted_again() {
    let history = SpendHistory { yesterday: Some(money("7.50")), ..stored("7.40", "00:05:00") };
    assert_spend("00:06:00", &value("7.50"), &NoSource, &Ok(history), Some(("7.50", SpendSource::Campaign)));
}

#[test]
fn a_report_is_asked_for_only_where_the_campaigns_own_field_does_not_suffice() {
    let empty = Ok(SpendHistory::default());
    let lagging = Ok(yesterdays("7.50"));
    for (now, campaign, history, needed) in [
        ("12:00:00", value("1.00"), &empty, false),
        ("12:00:00", value("0"), &empty, false),
        ("12:00:00", NoValue, &empty, true),
        ("12:00:00", NoSource, &empty, true),
        ("12:00:00", failed(), &empty, true),
        ("00:10:00", value("7.50"), &lagging, true),
        ("00:10:00", value("7.60"), &lagging, false),
        ("00:30:00", value("7.50"), &lagging, false),
    ] {
        assert_eq!(question(now, &campaign, history).needs_report(), needed, "{campaign:?} at {now}");
    }
}

#[test]
fn an_unknown_spend_says_why_for_each_source() {
    let away = Err("the database is away".to_owned());
    let reason = question("12:00:00", &failed(), &away).resolve(&failed()).unwrap_err();
    for part in ["own field: timed out", "report: timed out", "database is away"] {
        assert!(reason.contains(part), "{reason}");
    }
}

#[test]
fn a_value_that_was_read_across_midnight_is_of_no_day() {
    let day = at("12:00:00").date_naive();
    assert!(read_on(day, at("23:59:58"), at("23:59:59")));
    assert!(!read_on(day, at("23:59:59"), at("2026-11-23 00:00:00")));
    assert!(!read_on(day, at("2026-11-23 00:00:00"), at("2026-11-23 00:00:01")));
}

#[test]
fn where_nobody_knows_what_yesterday_ended_with_any_counter_may_be_yesterdays_until_half_past_midnight() {
    let away = Err("the database is away".to_owned());
    assert_spend("2026-11-23 00:05:00", &value("12.00"), &failed(), &away, None);
    assert_spend("2026-11-23 00:05:00", &value("12.00"), &value("0.50"), &away, Some(("0.50", SpendSource::Report)));
    assert_spend("2026-11-23 00:05:00", &value("0"), &NoSource, &away, Some(("0", SpendSource::Campaign)));
    assert_spend("2026-11-23 00:30:00", &value("12.00"), &NoSource, &away, Some(("12.00", SpendSource::Campaign)));
}
