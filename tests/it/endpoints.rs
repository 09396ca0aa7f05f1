//! The endpoints that may differ from account to account: the dump shows the one in use, and a change is reported.

use sandbox::{CampaignSpec, Operation, Options};
use serde_json::{Value, json};

use crate::helper::{Config, PAUSE, World};

const ID: i64 = 995_224;

/// Returns the dump's entry about an operation; null if the dump has no such entry.
fn endpoint(world: &World, operation: &str) -> Value {
    let endpoints = world.guard.state()["trafficstar"]["endpoints"].clone();
    let mut endpoints = endpoints.as_array().unwrap().iter();
    endpoints.find(|endpoint| endpoint["operation"] == operation).cloned().unwrap_or_default()
}

#[test]
fn the_endpoint_in_use_is_shown_and_a_change_is_reported() {
    let mut world = World::configured(Config::default().generator("cooldown", "10m"));
    let (before, after) = (995_001, 995_002);
    world.add(CampaignSpec::running(before), 1_000);
    world.wait_for_writes(before, &PAUSE);
    let shown = endpoint(&world, "pause");
    assert_eq!((&shown["path"], &shown["asked_again_at"]), (&json!("PUT /v2/campaigns/pause"), &Value::Null));
    assert!(shown["since"].is_string(), "{shown}");
    assert_eq!(endpoint(&world, "run"), Value::Null, "no run was sent yet");

    let watch = world.watch(&["--json"]);
    world.sandbox.change_options(|options| options.v2_run_and_pause = false);
    world.add(CampaignSpec::running(after), 1_000);
    let changed = world.wait_for("the event", |_| {
        let events = watch.json_lines();
        events.into_iter().find(|event| event["kind"] == "endpoint").ok_or_else(|| watch.stdout())
    });
    let facts = ["operation", "warning", "before", "now"].map(|field| &changed[field]);
    let wanted = [json!("pause"), json!(true), json!("PUT /v2/campaigns/pause"), json!("PUT /v1.1/campaigns/pause")];
    assert_eq!(facts, wanted.each_ref(), "{changed}");
    assert_eq!(endpoint(&world, "pause")["path"], "PUT /v1.1/campaigns/pause");
    assert!(!world.sandbox.is_running(after));
    let warned = "WARN TrafficStars' endpoint to pause campaigns has changed";
    assert_eq!(world.guard.log().matches(warned).count(), 1);
}

#[test]
fn a_report_that_does_not_exist_is_shown_as_absent_and_not_requested_at_each_tick() {
    let mut world = World::with(Config::default(), Options { custom_reports: false, ..Options::default() });
    world.add(CampaignSpec::running(ID).with_field("spent_today", None), 20_000);
    world.wait_for_state(ID, "active-guarded");
    world.let_ticks_pass(4);
    for operation in ["spend-by-campaign", "spend-by-day"] {
        let shown = endpoint(&world, operation);
        assert_eq!(shown["path"], Value::Null, "{shown}");
        assert!(shown["asked_again_at"].is_string(), "{shown}");
    }
    assert_eq!(world.sandbox.count(Operation::Other), 4, "each of the four known reports is requested once");
    assert_eq!(world.campaign(ID).text("/last_error"), "");
}
