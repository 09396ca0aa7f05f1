//! The command `explain`, health and metrics.

use std::collections::BTreeSet;

use sandbox::{CampaignSpec, Fault, Operation};
use serde_json::{Value, json};

use crate::helper::{Config, World, assert_says};

const ID: i64 = 995_001;

impl World {
    /// Returns the explanation of a campaign.
    pub(crate) fn explained(&self, row: i64) -> Value {
        let reply = self.guard.get(&format!("/v1/campaigns/{row}/explain"));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    pub(crate) fn health(&self) -> (u16, Value) {
        let reply = self.guard.get("/v1/health");
        (reply.status, reply.json())
    }

    /// Returns the kinds of health's reasons.
    pub(crate) fn degradations(&self) -> Vec<String> {
        self.guard.get("/v1/health").degradations()
    }
}

#[test]
fn a_guarded_campaign_is_explained_as_text_and_as_json() {
    let mut world = World::configured(Config::default().generator("tick", "1s"));
    world.add_guarded(ID);
    world.let_ticks_pass(1);
    let explanation = world.explained(1);
    for (pointer, value) in [
        ("/trafficstar_id", json!(ID)),
        ("/promise/state", json!("active-guarded")),
        ("/facts/status/judged", json!("running")),
        ("/facts/clicks/remaining", json!(20_000)),
        ("/thresholds/clicks_to_pause", json!(15_000)),
        ("/thresholds/clicks_to_activation", json!(0)),
    ] {
        assert_eq!(explanation.pointer(pointer), Some(&value), "{pointer}");
    }
    let conclusions: Vec<&Value> =
        explanation["decisions"].as_array().unwrap().iter().map(|decision| &decision["conclusion"]).collect();
    assert_eq!(conclusions, ["nothing", "adopt"], "decisions to do nothing are listed as well");
    let parts = [
        "It runs. Last decision: it runs, with 20,000 clicks left as it should",
        "active-guarded since",
        "pause       at 5,000 clicks or fewer: 15,000 to go",
        "the next tick reads it again",
    ];
    assert_says(&world.done(&["explain", "1", "--verbose"]), &parts);
    assert_eq!(world.json(&["explain", "1"])["promise"], explanation["promise"]);
}

#[test]
fn explain_says_that_above_the_spend_limit_the_guard_no_longer_pauses() {
    let mut world = World::new();
    world.add(CampaignSpec::running(ID).spent(sandbox::Amount::cents(1_250)), 100);
    world.wait_until(ID, "unguarded", |campaign| campaign.text("/unguarded") == "true");
    let said = [
        "RUNS, and nothing pauses it",
        "the guard leaves it alone, and does not pause it",
        "campaign set 1 --spend-limit",
    ];
    assert_says(&world.done(&["explain", "1"]), &said);
}

#[test]
fn after_a_restart_explain_shows_from_the_journal_who_paused_a_campaign_and_why() {
    let mut world = World::new();
    world.add(CampaignSpec::running(ID), 4_134);
    world.wait_for_state(ID, "cooling-down");
    world.wait_until(ID, "its pause to be confirmed", |campaign| campaign.text("/action/step") == "confirmed");
    world.guard.kill();
    world.start();
    world.wait_until(ID, "its first tick", |campaign| campaign.ticks() > 0);
    let said = ["the guard paused it at", "with 4,134 clicks left", "pause confirmed: it runs with 4,134 clicks left"];
    assert_says(&world.done(&["explain", "1"]), &said);
    assert_says(&world.done(&["status", "1", "--wide"]), &["pause confirmed"]);
}

#[test]
fn explain_says_that_a_campaign_is_disabled_or_unknown() {
    let mut world = World::new();
    world.add_disabled(CampaignSpec::running(ID), 20_000);
    world.wait_until(ID, "listed", |_| true);
    assert_says(&world.done(&["explain", "1"]), &["Its generator is disabled", "traffic-generator enable 1"]);
    world.refused(&["explain", "4711"], 1, &["there is no campaign 4711"]);
    assert_eq!(world.guard.get("/v1/campaigns/4711/explain").status, 404);
    assert_eq!(world.guard.get("/v1/campaigns/first/explain").status, 422);
}

#[test]
fn health_is_degraded_while_trafficstars_fails_and_ok_afterwards() {
    let mut world = World::new();
    world.add_guarded(ID);
    world.wait_for("health is ok", |world| match world.health() {
        (200, health) if health["status"] == "ok" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let faults = world.let_reads_fail();
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
    let status = world.explained(1)["facts"]["status"].clone();
    assert!(status["judged"] == "unknown" && status["unknown_since"].is_string(), "{status}");
    faults.into_iter().for_each(|fault| world.sandbox.remove_fault(fault));
    world.wait_for("health is ok again", |world| match world.health() {
        (200, health) if health == json!({"status": "ok", "reasons": []}) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn health_names_a_pause_only_when_it_is_late() {
    let mut world = World::new();
    // Both ways to pause fail.
    for operation in [Operation::Pause, Operation::Edit] {
        world.sandbox.inject(Fault::status(500).on(operation));
    }
    world.add(CampaignSpec::running(ID), 100);
    world.wait_for_step(ID, "failed");
    assert!(!world.degradations().contains(&"pause-unconfirmed".to_owned()), "two minutes have not passed");
    // The pause is sent again at every tick.
    world.wait_for("the failed pause in words", |world| {
        let text = world.done(&["explain", "1"]);
        if text.contains("The last pause failed at") { Ok(()) } else { Err(text) }
    });
}

#[test]
fn every_documented_metric_is_exposed_and_every_exposed_one_is_documented() {
    let mut world = World::configured(Config::default().set("metrics", "per_campaign", true).with_receiver());
    world.add(CampaignSpec::paused(ID), 20_000);
    world.wait_for_step(ID, "confirmed");
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
            // These endings are in every sample.
            let end = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            (format!("{name}{end}"), kind.to_owned())
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
