//! The API's clock, the spend counter after midnight, and daily budgets that stop a campaign.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use sandbox::{Amount, CampaignSpec, Interference, Options, SpendForm};
use serde_json::{Value, json};

use crate::caller::{Caller, eventually};

const YESTERDAY: &str = "2026-11-21";
const TODAY: &str = "2026-11-22";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Returns how far the `Date` of an answer is ahead of the real clock.
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
async fn after_midnight_the_counter_shows_yesterdays_spend_for_a_while_but_the_reports_are_right() {
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
    caller.sandbox.set_spend_on(1, TODAY.parse().unwrap(), None).unwrap();
    assert_eq!(counter(&caller).await, Value::Null);
}

#[tokio::test]
async fn a_campaign_that_runs_over_midnight_spends_on_both_days() {
    let options = Options { counter_falls_after: Duration::from_secs(3600), ..Options::default() };
    let caller = Caller::new(options).await;
    caller.sandbox.set_clock(at("2026-11-21T23:59:59Z"));
    caller.sandbox.add_campaign(CampaignSpec {
        spend_per_second: Amount::cents(1000),
        spend_form: SpendForm::Exact,
        ..CampaignSpec::running(1).spent(Amount::cents(5490))
    });
    let new_day = at("2026-11-22T00:00:01Z");
    eventually(async || caller.sandbox.clock() >= new_day).await;
    assert_eq!(counter(&caller).await, reported(&caller, "day", YESTERDAY).await);
    assert!(counter(&caller).await.as_f64() > Some(54.9));
    assert!(reported(&caller, "day", TODAY).await.as_f64() > Some(1.0));
    assert!(caller.sandbox.campaign(1).unwrap().spent_today > Some(Amount::cents(100)));
}

async fn spender() -> Caller {
    let caller = Caller::new(Options { speed: 100, ..Options::default() }).await;
    caller.sandbox.set_clock(at("2026-11-22T12:00:00Z"));
    let spec = CampaignSpec { spend_per_second: Amount::cents(1), ..CampaignSpec::running(1) };
    caller.sandbox.add_campaign(CampaignSpec { max_daily: Amount::cents(1015), ..spec.spent(Amount::cents(1000)) });
    eventually(async || caller.sandbox.campaign(1).unwrap().budget_used).await;
    caller
}

#[tokio::test]
async fn at_the_daily_budget_the_spend_stops_while_reads_still_show_a_running_campaign() {
    let caller = spender().await;
    assert!(!caller.sandbox.is_running(1));
    let (_, campaign) = caller.get("/v1.1/campaigns/1").await;
    let shown = ["spent_today", "max_daily", "active", "status"].map(|field| campaign[field].clone());
    assert_eq!(shown, [json!(10.15), json!(10.15), json!(true), json!("enabled")]);
    caller.sandbox.change_options(|options| options.daily_budget_word = Some("daily_budget_is_reached".to_owned()));
    let (_, campaign) = caller.get("/v1.1/campaigns/1").await;
    assert_eq!((&campaign["active"], &campaign["status"]), (&json!(true), &json!("daily_budget_is_reached")));
    caller.sandbox.interfere(1, Interference::Stop).unwrap();
    assert_eq!(caller.get("/v1.1/campaigns/1").await.1["status"], "paused");
    assert_eq!(caller.run(&[1]).await["success"], json!([1]));
    assert!(!caller.sandbox.is_running(1));
}

#[tokio::test]
async fn a_raised_daily_budget_starts_the_campaign_again() {
    let caller = spender().await;
    let (_, campaign) = caller.send(Method::PATCH, "/v1.1/campaigns/1", json!({"max_daily": 113.098})).await;
    assert_eq!(campaign["max_daily"], 113.098);
    assert!(caller.sandbox.is_running(1));
    caller.sandbox.interfere(1, Interference::SetMaxDaily(Amount::cents(1015))).unwrap();
    assert!(!caller.sandbox.is_running(1));
    caller.sandbox.interfere(1, Interference::SetMaxDaily(Amount::default())).unwrap();
    assert!(caller.sandbox.is_running(1), "0 is no budget");
}

#[tokio::test]
async fn the_next_day_starts_a_campaign_at_its_daily_budget_again() {
    let caller = spender().await;
    caller.sandbox.set_clock(at("2026-11-23T00:00:00Z"));
    let spent = || caller.sandbox.campaign(1).unwrap().spent_today;
    eventually(async || spent() > Some(Amount::cents(100))).await;
    assert!(spent() <= Some(Amount::cents(1015)));
}
