//! The API's clock, and what its counter says after midnight.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use sandbox::{Amount, CampaignSpec, Options, SpendForm};
use serde_json::{Value, json};

use crate::caller::Caller;

const YESTERDAY: &str = "2026-11-21";
const TODAY: &str = "2026-11-22";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// How far the `Date` of an answer is ahead of the real clock.
async fn date_is_ahead(caller: &Caller) -> TimeDelta {
    let response = caller.request(Method::GET, "/v1.1/campaigns").send().await.unwrap();
    let date = response.headers()["date"].to_str().unwrap().to_owned();
    DateTime::parse_from_rfc2822(&date).unwrap().to_utc() - Utc::now()
}

async fn counter(caller: &Caller) -> Value {
    caller.get("/v1.1/campaigns/1").await.1.get("spent_today").cloned().unwrap_or(Value::Null)
}

async fn reported(caller: &Caller, kind: &str, day: &str) -> Value {
    let path = format!("/v1.1/advertiser/custom/report/by-{kind}?date_from={day}&date_to={day}");
    caller.get(&path).await.1.pointer("/0/amount").cloned().unwrap_or(Value::Null)
}

#[tokio::test]
async fn the_date_of_every_answer_and_the_end_times_follow_the_clock() {
    let caller = Caller::new(Options::default()).await;
    caller.sandbox.add_campaign(CampaignSpec {
        schedule_end_time: Some("2026-11-22 23:59:00".to_owned()),
        ..CampaignSpec::running(1)
    });
    caller.sandbox.set_clock(at("2026-11-22T23:58:00Z"));
    assert!(caller.sandbox.is_running(1));
    caller.sandbox.set_clock(at("2026-11-22T23:59:00Z"));
    assert!(!caller.sandbox.is_running(1));

    let received = |caller: &Caller| caller.sandbox.requests().last().cloned().unwrap();
    for hours in [-30, 30] {
        let ahead = TimeDelta::hours(hours);
        caller.sandbox.set_clock(Utc::now() + ahead);
        assert!((date_is_ahead(&caller).await - ahead).abs() < TimeDelta::seconds(30));
        let record = received(&caller);
        assert!((record.received_at_by_api - record.received_at - ahead).abs() < TimeDelta::seconds(30));
        assert!((record.received_at - Utc::now()).abs() < TimeDelta::seconds(30));
    }
    caller.sandbox.reset_clock();
    assert!(date_is_ahead(&caller).await.abs() < TimeDelta::seconds(30));
    assert_eq!(received(&caller).received_at_by_api, received(&caller).received_at);
}

#[tokio::test]
async fn setting_the_clock_spends_nothing_and_frees_no_room_in_the_rate_limit() {
    let caller = Caller::new(Options { requests_per_minute: 2, ..Options::default() }).await;
    caller.sandbox.set_clock(at("2026-11-22T01:00:00Z"));
    let spec = CampaignSpec { spend_per_second: Amount::cents(1), ..CampaignSpec::running(1) };
    caller.sandbox.add_campaign(spec.spent(Amount::cents(100)));
    caller.sandbox.set_clock(at("2026-11-22T22:00:00Z"));
    let spent = caller.sandbox.campaign(1).unwrap().spent_today.unwrap();
    assert!(spent < Amount::cents(200), "{spent}");
    assert_eq!(caller.get("/v1.1/campaigns").await.0, 200);
    caller.sandbox.set_clock(at("2026-11-23T22:00:00Z"));
    assert_eq!(caller.get("/v1.1/campaigns").await.0, 429);
}

#[tokio::test]
async fn after_midnight_the_counter_is_yesterdays_for_a_while_and_the_reports_are_right() {
    let options = Options {
        counter_falls_after: Duration::from_secs(40 * 60),
        late_clicks: Amount::cents(20),
        ..Options::default()
    };
    let caller = Caller::new(options).await;
    caller.sandbox.set_clock(at("2026-11-21T23:59:00Z"));
    caller.sandbox.add_campaign(CampaignSpec::paused(1).spent(Amount::cents(5490)));
    assert_eq!(counter(&caller).await, json!(54.9));
    caller.sandbox.set_clock(at("2026-11-22T00:00:01Z"));
    assert_eq!(counter(&caller).await, json!(55.1));
    for kind in ["day", "campaign"] {
        assert_eq!(reported(&caller, kind, TODAY).await, Value::Null);
        assert_eq!(reported(&caller, kind, YESTERDAY).await, json!(55.1));
    }
    caller.sandbox.set_spend(1, Amount::cents(3)).unwrap();
    assert_eq!(counter(&caller).await, json!(55.1));
    for kind in ["day", "campaign"] {
        assert_eq!(reported(&caller, kind, TODAY).await, json!(0.03));
    }
    caller.sandbox.set_clock(at("2026-11-22T00:40:00Z"));
    assert_eq!(counter(&caller).await, json!(0.03));
    caller.sandbox.clear_spend(1).unwrap();
    assert_eq!(counter(&caller).await, Value::Null);
}

#[tokio::test]
async fn midnight_comes_while_a_campaign_runs() {
    let options = Options { counter_falls_after: Duration::from_secs(3600), ..Options::default() };
    let caller = Caller::new(options).await;
    caller.sandbox.set_clock(at("2026-11-21T23:59:59Z"));
    caller.sandbox.add_campaign(CampaignSpec {
        spend_per_second: Amount::cents(1000),
        spend_form: SpendForm::Exact,
        ..CampaignSpec::running(1).spent(Amount::cents(5490))
    });
    let patience = Duration::from_secs(10);
    let new_day = at("2026-11-22T00:00:01Z");
    caller.sandbox.wait_for(patience, "the next day", |world| world.now() >= new_day).unwrap();
    assert_eq!(counter(&caller).await, reported(&caller, "day", YESTERDAY).await);
    assert!(counter(&caller).await.as_f64() > Some(54.9));
    assert!(reported(&caller, "day", TODAY).await.as_f64() > Some(1.0));
    assert!(caller.sandbox.campaign(1).unwrap().spent_today > Some(Amount::cents(100)));
}
