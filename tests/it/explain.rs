//! `explain`, health and metrics: what an operator and a monitor are told over the socket.

use std::collections::BTreeSet;

use sandbox::{CampaignSpec, Fault, FaultKind, Operation};
use serde_json::Value;

use crate::helper::{Config, World};

const ID: i64 = 995_001;

impl World {
    pub(crate) fn explained(&self, row: i64) -> Value {
        let reply = self.guard.get(&format!("/v1/campaigns/{row}/explain"));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    pub(crate) fn health(&self) -> (u16, Value) {
        let reply = self.guard.get("/v1/health");
        (reply.status, reply.json())
    }

    /// What `explain` prints.
    fn told(&self, row: i64) -> String {
        let output = self.guard.command(&["explain", &row.to_string()]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn a_guarded_campaign_is_explained_as_text_and_as_json() {
    let mut world = World::configured(Config::default().generator("tick", "1s"));
    world.add_guarded(ID);
    world.let_ticks_pass(1);
    let row = world.database.row_id(ID);
    let explanation = world.explained(row);
    assert_eq!(explanation["trafficstar_id"], ID);
    assert_eq!(explanation["promise"]["state"], "active-guarded");
    assert_eq!(explanation["facts"]["status"]["judged"], "running");
    assert_eq!(explanation["facts"]["clicks"]["remaining"], 20_000);
    assert_eq!(explanation["thresholds"]["clicks_to_pause"], 15_000);
    assert_eq!(explanation["thresholds"]["clicks_to_activation"], 0);
    let conclusions: Vec<&Value> =
        explanation["decisions"].as_array().unwrap().iter().map(|decision| &decision["conclusion"]).collect();
    assert_eq!(conclusions, ["nothing", "adopt"], "decisions to do nothing are told as well");
    let text = world.told(row);
    for part in [
        "It runs. Last decision: it runs, with 20,000 clicks left as it should",
        "active-guarded since",
        "pause       at 5,000 clicks or fewer: 15,000 to go",
        "next tick: it is read again",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let json = world.guard.command(&["explain", &row.to_string(), "--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["promise"], explanation["promise"]);
}

#[test]
fn high_spend_says_plainly_that_the_guard_that_stops_is_released_too() {
    let mut world = World::new();
    world.add(CampaignSpec::running(ID).spent(sandbox::Amount::cents(1_250)), 100);
    world.wait_until(ID, "unguarded", |campaign| campaign.text("/unguarded") == "true");
    let row = world.database.row_id(ID);
    let text = world.told(row);
    assert!(text.contains("The guard that stops it is released, too"), "{text}");
    assert!(text.contains("left alone  from 10.00 spent today on: reached"), "{text}");
}

#[test]
fn after_a_restart_the_journal_tells_who_paused_it_and_why() {
    let mut world = World::new();
    world.add(CampaignSpec::running(ID), 4_134);
    world.wait_for_state(ID, "cooling-down");
    world.wait_until(ID, "its pause to be confirmed", |campaign| campaign.text("/action/step") == "confirmed");
    world.guard.kill();
    world.start();
    world.wait_until(ID, "its first tick", |campaign| campaign.ticks() > 0);
    let row = world.database.row_id(ID);
    let text = world.told(row);
    for said in ["the guard paused it at", "with 4,134 clicks left", "pause: it runs with 4,134 clicks left"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let status = world.guard.command(&["status", &row.to_string()]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("pause confirmed"), "{status:?}");
}

#[test]
fn a_disabled_campaign_and_an_unknown_one_are_explained_as_such() {
    let mut world = World::new();
    world.sandbox.add_campaign(CampaignSpec::running(ID));
    world.database.add_campaign(ID, 20_000);
    world.wait_until(ID, "listed", |_| true);
    let row = world.database.row_id(ID);
    let text = world.told(row);
    assert!(text.contains("Its generator is disabled"), "{text}");
    assert!(text.contains(&format!("traffic-generator enable {row}")), "{text}");
    let unknown = world.guard.command(&["explain", "4711"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no campaign 4711"), "{unknown:?}");
    assert_eq!(world.guard.get("/v1/campaigns/4711/explain").status, 404);
    assert_eq!(world.guard.get("/v1/campaigns/first/explain").status, 422);
}

#[test]
fn health_is_degraded_while_trafficstars_fails_and_well_again_after_it() {
    let mut world = World::new();
    world.add_guarded(ID);
    world.wait_for("health is ok", |world| match world.health() {
        (200, health) if health["status"] == "ok" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let unreadable = FaultKind::Status { code: 503, body: String::new() };
    let faults = [Operation::Campaign, Operation::Campaigns]
        .map(|read| world.sandbox.inject(Fault::always(unreadable.clone()).on(read)));
    let reason = world.wait_for("health is degraded", |world| match world.health() {
        (503, health) if health["status"] == "degraded" => {
            let reasons = health["reasons"].as_array().unwrap();
            let kinds = ["traffic-stars", "circuit-open"];
            let all = kinds.iter().all(|kind| reasons.iter().any(|reason| reason["kind"] == *kind));
            let found = reasons.iter().find(|reason| reason["kind"] == "circuit-open").filter(|_| all);
            found.cloned().ok_or_else(|| health.to_string())
        }
        other => Err(format!("{other:?}")),
    });
    assert!(reason["reason"].as_str().unwrap().contains("503"), "{reason}");
    assert!(reason["since"].as_str().unwrap().ends_with('Z'), "{reason}");
    let row = world.database.row_id(ID);
    let explanation = world.explained(row);
    assert_eq!(explanation["facts"]["status"]["judged"], "unknown");
    assert!(explanation["facts"]["status"]["unknown_since"].is_string(), "{explanation}");
    for fault in faults {
        world.sandbox.remove_fault(fault);
    }
    world.wait_for("health is ok again", |world| match world.health() {
        (200, health) if health == serde_json::json!({"status": "ok", "reasons": []}) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn health_names_a_pause_only_once_it_is_late() {
    let mut world = World::new();
    let refused = FaultKind::Status { code: 500, body: String::new() };
    // By each of the ways to pause.
    for operation in [Operation::Pause, Operation::Edit] {
        world.sandbox.inject(Fault::always(refused.clone()).on(operation));
    }
    world.add(CampaignSpec::running(ID), 100);
    world.wait_until(ID, "a failed pause", |campaign| campaign.text("/action/step") == "failed");
    let (_, health) = world.health();
    let kinds: Vec<&Value> = health["reasons"].as_array().unwrap().iter().map(|reason| &reason["kind"]).collect();
    assert!(!kinds.contains(&&Value::from("pause-unconfirmed")), "two minutes have not passed: {health}");
    let row = world.database.row_id(ID);
    // It is sent again at every tick.
    world.wait_for("the failed pause in words", |world| {
        let text = world.told(row);
        if text.contains("The last pause failed at") { Ok(()) } else { Err(text) }
    });
}

#[test]
fn every_documented_metric_is_exposed_and_every_exposed_one_is_documented() {
    let mut world = World::new();
    world.add(CampaignSpec::paused(ID), 20_000);
    world.wait_until(ID, "activated", |campaign| campaign.text("/action/step") == "confirmed");
    let reply = world.guard.get("/metrics");
    assert_eq!((reply.status, reply.content_type.split(';').next()), (200, Some("application/openmetrics-text")));
    let text = reply.text;
    let documentation =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/metrics/METRICS.md")).unwrap();
    let documented: BTreeSet<(String, String)> = documentation
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| {
            let (name, rest) = line.split_once("` | ").unwrap();
            (name.to_owned(), rest.split_once(" | ").unwrap().0.to_owned())
        })
        .collect();
    let exposed: BTreeSet<(String, String)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            // A counter's name ends with `_total` in every sample.
            let total = if kind == "counter" { "_total" } else { "" };
            (format!("{name}{total}"), kind.to_owned())
        })
        .collect();
    assert_eq!(exposed, documented);
    for (name, _) in &documented {
        let has_sample = text.lines().any(|line| !line.starts_with('#') && line.starts_with(name.as_str()));
        assert!(has_sample, "{name} has no sample in\n{text}");
    }
    for sample in [
        "traffic_generator_campaigns{state=\"active-guarded\"} 1",
        "traffic_generator_actions_total{kind=\"activate\",step=\"requested\"} 1",
        "traffic_generator_actions_total{kind=\"activate\",step=\"confirmed\"} 1",
        "traffic_generator_requests_per_minute_limit 100000",
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample} is missing in\n{text}");
    }
}
