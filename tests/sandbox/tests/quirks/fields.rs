//! The fields of a campaign: their usual values, odd values that a test sets, and their values without funds.

use reqwest::Method;
use sandbox::{Amount, CampaignSpec, Interference, Options};
use serde_json::{Value, json};

use crate::caller::Caller;

#[tokio::test]
async fn a_campaign_has_its_owners_personal_data_and_the_fields_of_its_schedule() {
    let caller = Caller::with([CampaignSpec::running(1)]).await;
    let (_, campaign) = caller.get("/v1.1/campaigns/1").await;
    assert!(campaign["user"]["id"].is_i64() && campaign["user"]["email"].as_str().unwrap().contains('@'), "{campaign}");
    assert_eq!(campaign["hours_targeting"].as_str().unwrap().len(), 168);
    assert_eq!((&campaign["total_budget"], &campaign["use_total_budget"]), (&json!(0), &json!(false)));
    assert_eq!(caller.get("/v1.1/campaigns").await.1["response"][0], campaign);
}

#[tokio::test]
async fn a_test_can_give_any_field_an_odd_type_for_a_while() {
    let caller = Caller::with([CampaignSpec::running(1)]).await;
    let field = async |name: &str| caller.get("/v1.1/campaigns/1").await.1.get(name).cloned();
    let odd = [
        ("active", json!("yes"), json!(true)),
        ("status", json!(1), json!("enabled")),
        ("no_funds", json!(0), json!(false)),
        ("approved", json!(1), json!("approved")),
        ("schedule_timezone", json!("0"), json!(0)),
        ("id", json!("1"), json!(1)),
        ("max_daily", Value::Null, json!(100.0)),
    ];
    for (name, value, usual) in odd {
        let set = |value| Interference::SetField { field: name.to_owned(), value };
        caller.sandbox.interfere(1, set(Some(value.clone()))).unwrap();
        assert_eq!(field(name).await, Some(value), "{name}");
        caller.sandbox.interfere(1, set(None)).unwrap();
        assert_eq!(field(name).await, None, "{name}");
        caller.sandbox.interfere(1, Interference::ClearField(name.to_owned())).unwrap();
        assert_eq!(field(name).await, Some(usual), "{name}");
    }
    let stopped = Interference::SetField { field: "stopped".to_owned(), value: Some(json!("no_funds")) };
    caller.sandbox.interfere(1, stopped).unwrap();
    assert_eq!(field("stopped").await, Some(json!("no_funds")));
    caller.sandbox.interfere(1, Interference::ClearField("stopped".to_owned())).unwrap();
    assert_eq!(field("stopped").await, None);
    assert!(caller.sandbox.is_running(1), "the shown fields do not change whether it runs");
}

/// Returns the fields `active`, `status`, `no_funds` and `stopped` of campaign 1, as reads show them.
async fn shown(caller: &Caller) -> [Value; 4] {
    let (_, campaign) = caller.get("/v1.1/campaigns/1").await;
    ["active", "status", "no_funds", "stopped"].map(|field| campaign.get(field).cloned().unwrap_or(Value::Null))
}

fn active() -> [Value; 4] {
    [json!(true), json!("no_funds_active"), json!(true), json!("no_funds")]
}

fn paused() -> [Value; 4] {
    [json!(false), json!("no_funds_paused"), json!(true), Value::Null]
}

#[tokio::test]
async fn a_run_without_funds_succeeds_but_the_campaign_runs_only_when_there_are_funds() {
    let caller = Caller::new(Options::default()).await;
    let spec = CampaignSpec { no_funds: true, spend_per_second: Amount::cents(100), ..CampaignSpec::paused(1) };
    caller.sandbox.add_campaign(spec);
    assert_eq!(shown(&caller).await, paused());
    assert_eq!(caller.run(&[1]).await, json!({"success": [1], "failed": [], "total": 1}));
    assert_eq!(shown(&caller).await, active());
    assert_eq!(caller.sandbox.campaign(1).unwrap().spent_today, None);
    assert!(!caller.sandbox.is_running(1));

    caller.sandbox.interfere(1, Interference::SetNoFunds(false)).unwrap();
    assert_eq!(shown(&caller).await, [json!(true), json!("enabled"), json!(false), Value::Null]);
    assert!(caller.sandbox.is_running(1));

    caller.sandbox.interfere(1, Interference::SetNoFunds(true)).unwrap();
    assert_eq!(shown(&caller).await, active());
    let (_, answer) = caller.send(Method::PUT, "/v2/campaigns/pause", json!({"campaign_ids": [1]})).await;
    assert_eq!(answer["success"], json!([1]));
    assert_eq!(shown(&caller).await, paused());
    caller.sandbox.interfere(1, Interference::SetNoFunds(false)).unwrap();
    assert_eq!(shown(&caller).await, [json!(false), json!("paused"), json!(false), Value::Null]);
}

#[tokio::test]
async fn a_campaign_without_funds_has_the_same_words_whether_it_was_added_so_or_lost_its_funds() {
    let caller = Caller::new(Options::default()).await;
    for (spec, words) in [(CampaignSpec::running(1), active()), (CampaignSpec::paused(1), paused())] {
        caller.sandbox.add_campaign(CampaignSpec { no_funds: true, ..spec.clone() });
        assert_eq!(shown(&caller).await, words);
        caller.sandbox.add_campaign(spec);
        caller.sandbox.interfere(1, Interference::SetNoFunds(true)).unwrap();
        assert_eq!(shown(&caller).await, words);
    }
}

#[tokio::test]
async fn a_status_word_that_blocks_a_campaign_stays_when_the_funds_are_gone() {
    let caller = Caller::new(Options::default()).await;
    for word in ["unapproved", "pending", "rejected", "draft", "archived", "total_budget_is_reached"] {
        caller.sandbox.add_campaign(CampaignSpec { status: word.to_owned(), ..CampaignSpec::paused(1) });
        caller.sandbox.interfere(1, Interference::SetNoFunds(true)).unwrap();
        assert_eq!(caller.run(&[1]).await["failed"], json!([1]), "{word}");
        assert_eq!(shown(&caller).await[1], word);
        assert!(caller.sandbox.campaign(1).unwrap().blocked, "{word}");
    }
}
