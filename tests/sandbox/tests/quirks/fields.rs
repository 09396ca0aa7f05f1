//! The fields of a campaign: what they are, and what they can be made to say.

use sandbox::{CampaignSpec, Interference, Options};
use serde_json::{Value, json};

use crate::caller::Caller;

#[tokio::test]
async fn a_campaign_has_its_owners_personal_data_and_the_fields_of_its_schedule() {
    let caller = Caller::new(Options::default()).await;
    caller.sandbox.add_campaign(CampaignSpec::running(1));
    let (_, campaign) = caller.get("/v1.1/campaigns/1").await;
    assert!(campaign["user"]["id"].is_i64() && campaign["user"]["email"].as_str().unwrap().contains('@'), "{campaign}");
    assert_eq!(campaign["hours_targeting"].as_str().unwrap().len(), 168);
    assert_eq!((&campaign["total_budget"], &campaign["use_total_budget"]), (&json!(0), &json!(false)));
    assert_eq!(caller.get("/v1.1/campaigns").await.1["response"][0], campaign);
}

#[tokio::test]
async fn any_field_can_be_of_an_odd_type_for_a_while() {
    let caller = Caller::new(Options::default()).await;
    caller.sandbox.add_campaign(CampaignSpec::running(1));
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
    assert!(caller.sandbox.is_running(1), "what is shown is not what is");
}
