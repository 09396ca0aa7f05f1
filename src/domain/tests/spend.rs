//! Today's spend: every order of the sources, how long a stored value counts, and the first hours of a day.

use super::*;
use crate::domain::remote::counters_of;
use crate::domain::spend::{Counters, Sightings, SpendHistory, SpendQuestion, StoredSpend, read_on};
use SpendReading::{NoSource, NoValue};

/// The spend's amount and source; `None` if it is unknown.
type Known = Option<(&'static str, SpendSource)>;

fn value(text: &str) -> SpendReading {
    SpendReading::Value(money(text))
}

fn failed() -> SpendReading {
    SpendReading::Failed(SourceFailure::Failed("timed out".to_owned()))
}

fn stored_by(source: SpendSource, text: &str, time: &str) -> SpendHistory {
    SpendHistory { today: Some(StoredSpend { amount: money(text), at: at(time), source }), yesterday: None }
}

fn stored(text: &str, time: &str) -> SpendHistory {
    stored_by(SpendSource::Report, text, time)
}

fn yesterdays(text: &str) -> SpendHistory {
    SpendHistory { today: None, yesterday: Some(money(text)) }
}

/// Returns the counters of an object with `spent_today` alone.
fn counter(spent_today: &SpendReading) -> Counters {
    let spent = match spent_today {
        SpendReading::Failed(_) | NoSource => spent_today.clone(),
        SpendReading::Value(_) | NoValue => NoValue,
    };
    Counters { spent_today: spent_today.clone(), spent }
}

fn question<'a>(
    now: &str,
    counters: &'a Counters,
    sightings: &'a Sightings,
    history: &'a Result<SpendHistory, DatabaseFailure>,
) -> SpendQuestion<'a> {
    SpendQuestion {
        counters,
        sightings,
        history,
        limit: money("10.00"),
        stored_max_age: Duration::minutes(30),
        midnight_doubt: Duration::hours(3),
        now: at(now),
    }
}

#[test]
fn a_spend_is_stored_if_it_is_new_or_the_stored_one_grows_old() {
    let read = |text: &str, source, time: &str| Spend {
        amount: money(text),
        source,
        day: at(time).date_naive(),
        at: at(time),
    };
    let cases = [
        ("nothing is stored", SpendHistory::default(), read("4.00", SpendSource::Report, "12:05:00"), true),
        ("yesterday's alone", yesterdays("4.00"), read("4.00", SpendSource::Report, "12:05:00"), true),
        ("the same", stored("4.00", "12:00:00"), read("4.00", SpendSource::Report, "12:05:00"), false),
        ("another amount", stored("4.00", "12:00:00"), read("4.01", SpendSource::Report, "12:05:00"), true),
        ("a lower amount", stored("4.00", "12:00:00"), read("3.99", SpendSource::Report, "12:05:00"), true),
        ("another source", stored("4.00", "12:00:00"), read("4.00", SpendSource::Campaign, "12:05:00"), true),
        ("a quarter of its age", stored("4.00", "12:00:00"), read("4.00", SpendSource::Report, "12:07:30"), true),
        ("a clock set back", stored("4.00", "12:00:00"), read("4.00", SpendSource::Report, "11:59:59"), true),
    ];
    for (what, history, spend, wanted) in cases {
        assert_eq!(history.lacks(&spend, Duration::minutes(30)), wanted, "{what}");
    }
    let of_yesterday =
        StoredSpend { at: at("23:59:59") - Duration::days(1), ..stored("4.00", "12:00:00").today.unwrap() };
    let history = SpendHistory { today: Some(of_yesterday), yesterday: None };
    assert!(history.lacks(&read("4.00", SpendSource::Report, "00:00:01"), Duration::minutes(30)), "a day has begun");
    let spend = read("4.00", SpendSource::Report, "12:00:00");
    assert!(
        stored("4.00", "12:00:00").lacks(&spend, Duration::zero()),
        "a stored value that never counts is always replaced"
    );
}

#[track_caller]
fn assert_spend(
    now: &str,
    campaign: &SpendReading,
    report: &SpendReading,
    history: &Result<SpendHistory, DatabaseFailure>,
    expected: Known,
) {
    assert_spend_of(now, &counter(campaign), &Sightings::default(), report, history, expected);
}

#[track_caller]
fn assert_spend_of(
    now: &str,
    counters: &Counters,
    sightings: &Sightings,
    report: &SpendReading,
    history: &Result<SpendHistory, DatabaseFailure>,
    expected: Known,
) {
    let what = format!("at {now}: {counters:?}, {sightings:?}, report {report:?}, stored {history:?}");
    let spend = question(now, counters, sightings, history).resolve(report);
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
    let away = || Err(DatabaseFailure::Failed("it is away".to_owned()));
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
            let a_source_failed = campaign == failed() || report == failed();
            let with_stored = if a_source_failed { db } else { none };
            let without = if a_source_failed { None } else { none };
            assert_spend("12:00:00", &campaign, &report, &fresh(), with_stored);
            assert_spend("12:00:00", &campaign, &report, &away(), without);
            assert_spend("12:00:00", &campaign, &report, &empty(), without);
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
        for (campaign, report) in [(failed(), failed()), (NoValue, failed()), (failed(), NoSource)] {
            assert_spend("12:00:00", &campaign, &report, &below(time), expected);
            assert_spend("12:00:00", &campaign, &report, &reached(time), Some(("10.00", SpendSource::Database)));
        }
    }
}

#[test]
fn a_stored_value_has_the_time_of_its_read() {
    let (counters, history) = (counter(&failed()), Ok(stored("3.00", "11:50:00")));
    let spend = question("12:00:00", &counters, &Sightings::default(), &history).resolve(&failed()).unwrap();
    assert_eq!(spend.at, at("11:50:00"));
}

#[test]
fn a_stored_value_of_yesterday_is_not_todays() {
    let history = Ok(stored("66.00", "23:59:50"));
    assert_spend("2026-11-23 00:00:10", &failed(), &failed(), &history, None);
    assert_spend("2026-11-23 00:00:10", &NoValue, &NoValue, &history, Some(("0", SpendSource::None)));
}

#[test]
fn a_stored_value_counts_only_if_a_source_failed() {
    let history = Ok(stored_by(SpendSource::Campaign, "55.10", "00:00:01"));
    assert_spend("00:01:00", &NoValue, &NoValue, &history, Some(("0", SpendSource::None)));
    assert_spend("00:01:00", &NoValue, &failed(), &history, Some(("55.10", SpendSource::Database)));
}

/// The counter is at yesterday's value or above it, and was never seen lower.
#[test]
fn after_midnight_a_counter_that_may_be_yesterdays_is_in_doubt_and_the_days_report_decides() {
    let ended_with = Ok(yesterdays("54.90"));
    let believed = |text| Some((text, SpendSource::Campaign));
    // Late clicks have raised it.
    for counter in ["54.90", "54.91", "55.10", "1000"] {
        for now in ["00:00:00", "00:00:01", "02:59:59.999"] {
            assert_spend(now, &value(counter), &NoSource, &ended_with, None);
            assert_spend(now, &value(counter), &failed(), &ended_with, None);
            assert_spend(now, &value(counter), &NoValue, &ended_with, Some(("0", SpendSource::None)));
            assert_spend(now, &value(counter), &value("0.20"), &ended_with, Some(("0.20", SpendSource::Report)));
        }
        for now in ["03:00:00", "12:00:00"] {
            assert_spend(now, &value(counter), &NoSource, &ended_with, believed(counter));
        }
    }
    for below in ["0", "0.10", "54.89"] {
        assert_spend("00:00:01", &value(below), &NoSource, &ended_with, believed(below));
    }
}

#[test]
fn without_a_value_of_yesterday_a_counter_below_the_limit_is_believed() {
    let none = Ok(SpendHistory::default());
    for (counter, expected) in [("9.99", Some(("9.99", SpendSource::Campaign))), ("10.00", None), ("412.50", None)] {
        assert_spend("00:05:00", &value(counter), &NoSource, &none, expected);
    }
    // Yesterday's last value may be stored, but cannot be read.
    let away = Err(DatabaseFailure::Failed("it is away".to_owned()));
    for (counter, expected) in [("0", Some(("0", SpendSource::Campaign))), ("0.01", None), ("9.99", None)] {
        assert_spend("00:05:00", &value(counter), &NoSource, &away, expected);
    }
    for history in [none, away] {
        assert_spend("00:05:00", &value("12.00"), &value("0.50"), &history, Some(("0.50", SpendSource::Report)));
        assert_spend("03:00:00", &value("12.00"), &NoSource, &history, Some(("12.00", SpendSource::Campaign)));
    }
}

/// Late clicks come one after the other, so a counter that grows is no proof of a new day.
#[test]
fn a_counter_that_only_grows_after_midnight_stays_in_doubt_until_it_falls() {
    let day = at("00:00:00").date_naive();
    let stored_today = |yesterday: Option<&str>| {
        let stored = stored_by(SpendSource::Campaign, "9.90", "00:01:00");
        Ok(SpendHistory { yesterday: yesterday.map(money), ..stored })
    };
    let nothing_known = Ok(SpendHistory::default());
    let ended_with = Ok(yesterdays("54.90"));
    let cases: [(&[&str], &Result<SpendHistory, DatabaseFailure>, bool); 9] = [
        (&["54.90", "54.91", "55.10"], &ended_with, false),
        (&["55.10", "55.10", "55.20"], &ended_with, false),
        (&["55.10", "0.20", "55.20"], &ended_with, true),
        (&["55.10", "54.89", "55.20"], &ended_with, true),
        (&["55.20", "55.10", "55.20"], &ended_with, false),
        // Below the limit it was believed, and stored, while yesterday's value was unknown.
        (&["9.90", "9.99", "10.05"], &nothing_known, false),
        (&["9.90", "9.99", "10.05"], &stored_today(None), false),
        (&["412.50", "0.20", "10.05"], &nothing_known, true),
        (&["412.50", "412.40", "412.50"], &nothing_known, false),
    ];
    for (shown, history, believed) in cases {
        let mut sightings = Sightings::default();
        for shown in shown {
            sightings.saw(day, &counter(&value(shown)));
        }
        let last = shown[shown.len() - 1];
        let expected = believed.then_some((last, SpendSource::Campaign));
        assert_spend_of("00:30:00", &counter(&value(last)), &sightings, &NoSource, history, expected);
    }
}

#[test]
fn a_counter_that_was_lower_or_absent_since_midnight_counts_for_the_new_day() {
    let ended_with = Ok(yesterdays("7.50"));
    let day = at("00:00:00").date_naive();
    let cases = [
        (value("7.49"), true),
        (value("0"), true),
        (NoValue, true),
        (value("7.60"), false),
        (value("8.00"), false),
        (failed(), false),
    ];
    for (earlier, believed) in cases {
        let mut sightings = Sightings::default();
        sightings.saw(day, &counter(&earlier));
        let expected = believed.then_some(("7.60", SpendSource::Campaign));
        assert_spend_of("00:30:00", &counter(&value("7.60")), &sightings, &NoSource, &ended_with, expected);
        let tomorrow = "2026-11-23 00:30:00";
        assert_spend_of(tomorrow, &counter(&value("7.60")), &sightings, &NoSource, &ended_with, None);
    }
}

#[test]
fn a_counter_that_was_believed_today_is_not_doubted_after_a_restart() {
    let after = |source| Ok(SpendHistory { yesterday: Some(money("7.50")), ..stored_by(source, "7.40", "00:05:00") });
    let believed = Some(("7.60", SpendSource::Campaign));
    assert_spend("00:06:00", &value("7.60"), &NoSource, &after(SpendSource::Campaign), believed);
    assert_spend("00:06:00", &value("7.60"), &NoSource, &after(SpendSource::Report), None);
}

#[test]
fn a_bare_spent_counts_only_if_there_is_no_report_of_the_day() {
    let lifetime = Counters { spent_today: NoValue, spent: value("412.50") };
    let none = Sightings::default();
    let empty = Ok(SpendHistory::default());
    let cases = [
        (NoValue, Some(("0", SpendSource::None))),
        (value("1.00"), Some(("1.00", SpendSource::Report))),
        (failed(), None),
        (NoSource, Some(("412.50", SpendSource::Campaign))),
    ];
    for (report, expected) in cases {
        assert_spend_of("12:00:00", &lifetime, &none, &report, &empty, expected);
    }
    // After midnight it may be yesterday's, like the other counter.
    assert_spend_of("00:05:00", &lifetime, &none, &NoSource, &empty, None);
    let unreadable = Counters { spent_today: NoValue, spent: failed() };
    assert_spend_of("12:00:00", &unreadable, &none, &NoSource, &empty, None);
    assert_spend_of("12:00:00", &unreadable, &none, &NoValue, &empty, Some(("0", SpendSource::None)));
}

#[test]
fn a_report_is_requested_only_if_the_campaigns_own_field_is_not_enough() {
    let empty = Ok(SpendHistory::default());
    let lagging = Ok(yesterdays("7.50"));
    for (now, campaign, history, needed) in [
        ("12:00:00", value("1.00"), &empty, false),
        ("12:00:00", value("0"), &empty, false),
        ("12:00:00", NoValue, &empty, true),
        ("12:00:00", NoSource, &empty, true),
        ("12:00:00", failed(), &empty, true),
        ("00:10:00", value("7.50"), &lagging, true),
        ("00:10:00", value("7.60"), &lagging, true),
        ("00:10:00", value("7.40"), &lagging, false),
        ("03:00:00", value("7.50"), &lagging, false),
    ] {
        let counters = counter(&campaign);
        let asks = question(now, &counters, &Sightings::default(), history).needs_report();
        assert_eq!(asks, needed, "{campaign:?} at {now}");
    }
}

#[test]
fn an_unknown_spend_has_a_reason_for_each_source() {
    let (counters, away) = (counter(&failed()), Err(DatabaseFailure::Failed("it is away".to_owned())));
    let unknown = question("12:00:00", &counters, &Sightings::default(), &away).resolve(&failed()).unwrap_err();
    let reasons = "the campaign's own field: timed out; the report: timed out; the database: it is away";
    assert_eq!(unknown.to_string(), reasons);
    assert_eq!(unknown.without("timed out"), reasons.replace("timed out", "for the same reason"));
    let (counters, lagging) = (counter(&value("7.60")), Ok(yesterdays("7.50")));
    let unknown = question("00:10:00", &counters, &Sightings::default(), &lagging).resolve(&NoSource).unwrap_err();
    assert_eq!(unknown, SpendUnknown::Doubts(vec![SpendDoubt::Yesterdays]));
}

#[test]
fn a_value_that_was_read_across_midnight_belongs_to_no_day() {
    let day = at("12:00:00").date_naive();
    assert!(read_on(day, at("23:59:58"), at("23:59:59")));
    assert!(!read_on(day, at("23:59:59"), at("2026-11-23 00:00:00")));
    assert!(!read_on(day, at("2026-11-23 00:00:00"), at("2026-11-23 00:00:01")));
}

#[test]
fn a_counter_that_was_read_across_midnight_belongs_to_no_day() {
    let remote = Ok(running().with(|campaign| campaign.spent_today = value("1.00")).remote.unwrap());
    let day = at("2026-11-23 00:00:00").date_naive();
    let across = counters_of(&remote, day, at("23:59:59"), at("2026-11-23 00:00:01"));
    assert_eq!(across.spent_today, SpendReading::Failed(SourceFailure::AcrossMidnight));
    let within = counters_of(&remote, day, at("2026-11-23 00:00:01"), at("2026-11-23 00:00:02"));
    assert_eq!(within.spent_today, value("1.00"));
    let of = |fault| counters_of(&Err(fault), day, at("12:00:00"), at("12:00:00"));
    let gone = of(RemoteFault::Gone);
    assert_eq!((gone.spent_today, gone.spent), (NoSource, NoSource));
    assert!(matches!(of(RemoteFault::NotFound).spent_today, SpendReading::Failed(_)), "one 404 proves nothing");
}
