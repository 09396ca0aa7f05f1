//! The log's lines about a supervisor's start and its health, which an operator reads without a command.

use sandbox::{CampaignSpec, Fault, FaultKind, Operation, Options};
use serde_json::json;

use crate::helper::{Config, World};

const ID: i64 = 995_001;

#[test]
fn a_start_logs_how_many_campaigns_are_guarded_and_how_many_requests_that_takes() {
    let mut world = World::new();
    world.wait_for_log("INFO there are no campaigns yet: `traffic-generator campaign add` adds one");
    world.add_many_guarded(ID..ID + 3);
    world.done(&["campaign", "set", "2", "--mode", "observe"]);
    world.done(&["hold", "3", "--reason", "a test"]);
    world.guard.stop();
    world.start();
    world.wait_for_log(
        "INFO guarding 3 campaigns (1 in observe mode, 1 on hold): reading them takes 1 request a tick, and the limit is 100000 a minute",
    );
    world.done(&["disable", "1", "--leave-running"]);
    world.database.execute("UPDATE campaigns SET generator_enabled = 0");
    world.guard.stop();
    world.start();
    world.wait_for_log("INFO none of 3 campaigns is guarded: `traffic-generator enable ID` guards one");
}

#[test]
fn a_refused_api_key_is_logged_at_once_even_without_a_campaign() {
    let refuse = |sandbox: &sandbox::Sandbox| {
        let body = json!({"error": "invalid_grant"}).to_string();
        sandbox.inject(Fault::always(FaultKind::Status { code: 400, body }).on(Operation::Token));
    };
    let mut world = World::prepared(Config::default(), Options::default(), |sandbox, _| refuse(sandbox));
    world.wait_for_log("ERROR TrafficStars refuses the API key, and no campaign is guarded");
    world.add(CampaignSpec::running(ID), 20_000);
    world.wait_for_log("WARN health is degraded: ");
    world.sandbox.clear_faults();
    world.wait_for_log("INFO health is ok again");
    let log = world.guard.log();
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    assert_eq!(log.matches("health is ok again").count(), 1, "{log}");
}
