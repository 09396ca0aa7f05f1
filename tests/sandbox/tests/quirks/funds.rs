//! What a campaign without funds says, and what becomes of it.

use reqwest::Method;
use sandbox::{Amount, CampaignSpec, Interference, Options};
use serde_json::{Value, json};

use crate::caller::Caller;

/// What reads show of campaign 1: `active`, `status`, `no_funds`, `stopped`.
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
async fn a_run_without_funds_succeeds_and_nothing_runs_until_they_are_back() {
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
async fn a_campaign_is_without_funds_in_the_same_words_however_it_came_to_it() {
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
async fn another_reason_why_it_cannot_run_keeps_its_word() {
    let caller = Caller::new(Options::default()).await;
    for word in ["unapproved", "pending", "rejected", "draft", "archived", "total_budget_is_reached"] {
        caller.sandbox.add_campaign(CampaignSpec { status: word.to_owned(), ..CampaignSpec::paused(1) });
        caller.sandbox.interfere(1, Interference::SetNoFunds(true)).unwrap();
        assert_eq!(caller.run(&[1]).await["failed"], json!([1]), "{word}");
        assert_eq!(shown(&caller).await[1], word);
        assert!(caller.sandbox.campaign(1).unwrap().blocked, "{word}");
    }
}
