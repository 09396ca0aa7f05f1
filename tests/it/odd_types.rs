//! Fields of odd types: each is doubt about itself alone, and what can be read is.

use sandbox::CampaignSpec;
use serde_json::{Value, json};

use crate::helper::{Config, Outcome, PAUSE, World};

fn with_fields(spec: CampaignSpec, fields: &Value) -> CampaignSpec {
    let fields = fields.as_object().unwrap().iter();
    fields.fold(spec, |spec, (name, value)| spec.with_field(name, Some(value.clone())))
}

#[test]
fn an_odd_field_switches_no_pause_off_and_starts_nothing() {
    let mut world = World::configured(Config::default().generator("cooldown", "10m"));
    let odd = [
        json!({"schedule_timezone": "0", "status": 1, "no_funds": 0, "approved": 1}),
        json!({"status": {"word": "enabled"}}),
        json!({"approved": true}),
        json!({"stopped": ["no_funds"]}),
        json!({"no_funds": "maybe"}),
        json!({"is_archived": {}}),
        json!({"schedule_timezone": "UTC"}),
        json!({"schedule_end_time": 1_746_662_340}),
    ];
    let numbered: Vec<(i64, String, Value)> =
        (995_001..).step_by(2).zip(odd).map(|(id, fields)| (id, fields.to_string(), fields)).collect();
    for (id, _, fields) in &numbered {
        world.add(with_fields(CampaignSpec::running(*id), fields), 100);
        world.add(with_fields(CampaignSpec::paused(id + 1), fields), 20_000);
    }
    let paused = "pause by tick: confirmed, idle → cooling-down";
    let mut expected = Vec::new();
    for (id, name, _) in &numbered {
        expected.push((*id, name.as_str(), Outcome::new("cooling-down", &PAUSE, &[paused])));
        expected.push((id + 1, name.as_str(), Outcome::new("idle", &[], &[])));
    }
    // The sandbox goes on showing the odd end time after it was set, so that this one's pause cannot be confirmed.
    let (odd_end, odd_end_stopped) = (995_015, 995_016);
    let last = expected.split_off(expected.len() - 2);
    assert_eq!(last.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [odd_end, odd_end_stopped]);
    world.expect_all(&expected);
    world.wait_until(odd_end, "a pause", |campaign| campaign.text("/action/kind") == "pause");
    world.wait_for("TrafficStars to stop it", |world| match world.sandbox.is_running(odd_end) {
        false => Ok(()),
        true => Err("it runs".to_owned()),
    });
    assert_eq!(world.writes(odd_end_stopped), [], "nothing is started");
    let unknown = world.campaign(995_002);
    assert_eq!(unknown.text("/observed/status"), "unknown", "{unknown}");
    let explained = String::from_utf8(world.guard.command(&["explain", "1"]).stdout).unwrap();
    assert!(explained.contains("a field of an odd type: `status`"), "{explained}");
}

#[test]
fn numbers_in_texts_and_0_and_1_for_booleans_are_read() {
    let mut world = World::new();
    let id = 995_001;
    let fields = json!({
        "active": 1, "no_funds": 0, "is_archived": "0", "schedule_timezone": "0", "timezone": "0", "spent_today": "3.21",
    });
    world.add(with_fields(CampaignSpec::running(id), &fields), 20_000);
    let campaign = world.wait_for_state(id, "active-guarded");
    let seen = ["/observed/status", "/observed/spend", "/observed/spend_source"].map(|field| campaign.text(field));
    assert_eq!(seen, ["running", "3.21", "campaign"]);
}
