//! Names and reasons that are longer than a line of a log should be.

use sandbox::CampaignSpec;
use serde_json::json;

use crate::helper::World;

const ID: i64 = 995_012;

#[test]
fn a_name_of_200_characters_is_taken_and_a_longer_one_is_refused() {
    let world = World::new();
    let (longest, too_long) = ("ü".repeat(200), "ü".repeat(201));
    let add = |name: &str, id: i64| {
        let body = json!({"name": name, "trafficstar_id": id}).to_string();
        world.guard.request("POST", "/v1/campaigns", Some(&body))
    };
    assert_eq!(add(&longest, ID).0, 201);
    let (status, problem) = add(&too_long, ID + 1);
    assert_eq!((status, &problem["field"]), (422, &json!("name")), "{problem}");
    let url = |name: &str| {
        let body = json!({"name": name, "target_url": "https://example.com/", "click_limit": 1}).to_string();
        world.guard.request("POST", "/v1/campaigns/1/urls", Some(&body)).0
    };
    assert_eq!((url(&longest), url(&too_long)), (201, 422));
    let set = world.guard.command(&["campaign", "set", "1", "--name", &too_long]);
    assert_eq!(set.status.code(), Some(2), "{set:?}");
    assert!(String::from_utf8_lossy(&set.stderr).contains("200 characters at most"), "{set:?}");
}

#[test]
fn a_long_reason_is_cut_and_keeps_no_pause_back() {
    let mut world = World::new();
    world.add_guarded(ID);
    let reason = "x".repeat(50_000);
    let paused = world.guard.command(&["pause-all", "--reason", &reason]);
    assert!(paused.status.success(), "{paused:?}");
    assert!(!world.sandbox.is_running(ID));
    let kept = world.guard.state()["supervisor"]["hold"]["reason"].as_str().unwrap().to_owned();
    assert_eq!(kept, "x".repeat(199) + "…");
}

#[test]
fn a_long_name_that_a_tracker_wrote_makes_no_long_lines() {
    let mut world = World::new();
    world.add(CampaignSpec::running(ID), 20_000);
    world.database.execute("UPDATE campaigns SET name = hex(zeroblob(30000))");
    world.wait_until(ID, "the new name", |campaign| campaign.text("/name").ends_with('…'));
    world.database.execute("UPDATE urls SET click_limit = clicks");
    world.wait_for_state(ID, "cooling-down");
    world.wait_for_log("0000…");
    let longest = world.guard.log().lines().map(str::len).max();
    assert!(longest < Some(2_000), "{longest:?}");
}
