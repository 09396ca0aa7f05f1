//! Daily budgets that stop a campaign.

use std::time::Duration;

use reqwest::Method;
use sandbox::{Amount, CampaignSpec, Interference, Options, World};
use serde_json::json;

use crate::caller::Caller;

const PATIENCE: Duration = Duration::from_secs(10);

fn budget_used(world: &World) -> bool {
    world.campaign(1).unwrap().budget_used
}

async fn spender() -> Caller {
    let caller = Caller::new(Options { speed: 100, ..Options::default() }).await;
    caller.sandbox.set_clock("2026-11-22T12:00:00Z".parse().unwrap());
    let spec = CampaignSpec { spend_per_second: Amount::cents(1), ..CampaignSpec::running(1) };
    caller.sandbox.add_campaign(CampaignSpec { max_daily: Amount::cents(1015), ..spec.spent(Amount::cents(1000)) });
    caller.sandbox.wait_for(PATIENCE, "the budget to be used up", budget_used).unwrap();
    caller
}

#[tokio::test]
async fn spend_stands_still_at_the_daily_budget_while_reads_say_that_it_runs() {
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
async fn a_raised_budget_starts_it_again() {
    let caller = spender().await;
    let (_, campaign) = caller.send(Method::PATCH, "/v1.1/campaigns/1", json!({"max_daily": 113.098})).await;
    assert_eq!(campaign["max_daily"], 113.098);
    assert!(caller.sandbox.is_running(1));
    caller.sandbox.interfere(1, Interference::SetMaxDaily(Amount::cents(1015))).unwrap();
    assert!(!caller.sandbox.is_running(1));
    caller.sandbox.interfere(1, Interference::SetMaxDaily(Amount::default())).unwrap();
    assert!(caller.sandbox.is_running(1), "0 is no bound");
}

#[tokio::test]
async fn the_next_day_starts_it_again() {
    let caller = spender().await;
    caller.sandbox.set_clock("2026-11-23T00:00:00Z".parse().unwrap());
    let spends = |world: &World| world.campaign(1).unwrap().spent_today > Some(Amount::cents(100));
    caller.sandbox.wait_for(PATIENCE, "the next day's spend", spends).unwrap();
    assert!(caller.sandbox.campaign(1).unwrap().spent_today <= Some(Amount::cents(1015)));
}
