//! The endpoints that may differ from account to account: the dump shows the one in use, and a change is reported.

use sandbox::{CampaignSpec, IdFilter, Operation, Options};
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

/// Of 300 campaigns in the list, 12 are guarded, each on a page of its own.
#[test]
fn a_few_campaigns_of_a_long_list_are_read_together_by_their_ids_if_the_list_filters_by_them() {
    let guarded: Vec<i64> = (0..12).map(|number| 1_000 + number * 25).collect();
    for (id_filter, works) in [
        (IdFilter::Brackets, json!("GET /v1.1/campaigns?id[]={id}&size=100&per_page=100&page_size=100&limit=100")),
        (IdFilter::Plain, json!("GET /v1.1/campaigns?id={id}&size=100&per_page=100&page_size=100&limit=100")),
        (IdFilter::Ignored, Value::Null),
    ] {
        let mut world = World::with(Config::default(), Options { id_filter, ..Options::default() });
        let others = (1_000..1_300).filter(|id| !guarded.contains(id));
        others.for_each(|id| world.sandbox.add_campaign(CampaignSpec::paused(id)));
        world.add_all(guarded.iter().map(|id| (CampaignSpec::running(*id), 20_000)));
        for id in &guarded {
            world.wait_for_state(*id, "active-guarded");
        }
        world.wait_for("the filter to be tried", |world| {
            let shown = endpoint(world, "list-by-id");
            if shown.is_object() && shown["path"] == works { Ok(()) } else { Err(shown.to_string()) }
        });
        let before = world.sandbox.requests().len() as u64;
        world.let_ticks_pass(4);
        let reads = |operation| {
            let requests = world.sandbox.requests_after(before);
            requests.iter().filter(|request| request.operation == operation).count()
        };
        let is_by_id = works != Value::Null;
        let (by_themselves, of_the_list) = (reads(Operation::Campaign), reads(Operation::Campaigns));
        assert_eq!(by_themselves == 0, is_by_id, "{id_filter:?}: {by_themselves} campaigns were read by themselves");
        // Ten fit into one request. Each tick asks for them anew, and a tick may be under way at either end.
        assert!(!is_by_id || (4..=16).contains(&of_the_list), "{id_filter:?}: {of_the_list} requests for the list");
    }
}
