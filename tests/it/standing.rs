//! A spend that stands still while its campaign runs, and a click limit that jumps.

use chrono::Duration;
use sandbox::{Amount, CampaignSpec, Options};
use serde_json::Value;

use crate::helper::{Config, Outcome, World};

const ID: i64 = 995_224;

#[test]
fn a_spend_that_stands_still_for_an_hour_with_clicks_going_on_is_told_once_and_shown_everywhere() {
    let noon = "2026-12-05T12:00:00Z".parse().unwrap();
    let mut world = World::at(noon, Config::default(), Options::default(), |_, _| {});
    world.add(CampaignSpec::running(ID).spent(Amount::cents(321)), 20_000);
    world.wait_until(ID, "since when", |campaign| !campaign.text("/observed/spend_unchanged_since").is_empty());
    let watch = world.guard.begin(&["watch", "--json"]);
    let told = |text: &str| text.lines().filter(|line| line.contains("spend-stands-still")).count();

    let url = world.database.first_url(ID);
    world.database.tracker.add_clicks(url, 10);
    world.let_ticks_pass(1);
    world.set_clock(noon + Duration::minutes(59));
    world.let_ticks_pass(2);
    assert_eq!(told(&world.guard.log()) + told(&watch.stdout()), 0, "not yet");
    world.set_clock(noon + Duration::minutes(61));
    world.wait_for("the event", |_| if told(&watch.stdout()) == 1 { Ok(()) } else { Err(watch.stdout()) });
    let event: Value = watch.stdout().lines().find(|line| told(line) == 1).unwrap().parse().unwrap();
    assert_eq!((event["warning"].as_bool(), event["campaign_id"].as_i64()), (Some(true), Some(1)), "{event}");
    assert!(world.run(&["status"]).stdout.contains("unchanged for 1h"), "{}", world.run(&["status"]).stdout);
    let explained = world.run(&["explain", "1"]).stdout;
    assert!(
        explained.contains("unchanged since 2026-12-05 12:00") && explained.contains("stands still"),
        "{explained}"
    );
    world.let_ticks_pass(3);
    assert_eq!(told(&watch.stdout()), 1, "once");

    world.sandbox.set_spend(ID, Amount::cents(322)).unwrap();
    world.wait_until(ID, "another value", |campaign| campaign.text("/observed/spend") == "3.22");
    let explained = world.run(&["explain", "1"]).stdout;
    assert!(!explained.contains("stands still"), "{explained}");
}

#[test]
fn a_click_limit_that_jumps_starts_nothing_and_is_told() {
    let bounded = Config::default().generator("implausible_clicks", 500_000);
    let mut world = World::configured(bounded);
    let (by_config, by_row, unbounded) = (995_001, 995_002, 995_003);
    for id in [by_config, by_row, unbounded] {
        world.add(CampaignSpec::paused(id), 100);
        world.wait_for_state(id, "paused-guarded");
    }
    world.database.execute(&format!("UPDATE campaigns SET implausible_clicks = 50000 WHERE trafficstar_id = {by_row}"));
    world
        .database
        .execute(&format!("UPDATE campaigns SET implausible_clicks = 2000000 WHERE trafficstar_id = {unbounded}"));
    world.let_ticks_pass(1);
    let watch = world.guard.begin(&["watch", "--json"]);
    world.wait_for("watch to say that it watches", |_| match watch.stderr() {
        said if said.starts_with("Watching") => Ok(()),
        said => Err(said),
    });
    world.database.set_remaining_clicks(by_config, 1_000_000);
    world.database.set_remaining_clicks(by_row, 60_000);
    world.database.set_remaining_clicks(unbounded, 1_000_000);
    world.wait_for_state(unbounded, "active-guarded");
    let nothing = || Outcome::new("paused-guarded", &[], &[]);
    world.expect_all(&[(by_config, "the config's bound", nothing()), (by_row, "its own bound", nothing())]);
    let note = "more clicks remain than implausible_clicks (500,000) allows";
    assert!(world.campaign(by_config).text("/last_error").contains(note), "{}", world.campaign(by_config));
    for text in [world.guard.log(), world.run(&["status"]).stdout, world.run(&["explain", "1"]).stdout] {
        assert!(text.contains(note), "{text}");
    }
    let url = world.database.first_url(by_config);
    for _ in 0..3 {
        world.database.tracker.add_clicks(url, 10);
        world.let_ticks_pass(1);
    }
    let events: Vec<Value> = watch.stdout().lines().map(|line| line.parse().unwrap()).collect();
    let told = |event: &&Value| event["text"].as_str().unwrap().contains(note);
    let told: Vec<&Value> = events.iter().filter(told).collect();
    assert_eq!(told.len(), 1, "one event, though clicks go on: {told:?}");
    assert_eq!(told[0]["warning"], true);

    // A limit that is right again is decided by as before.
    world.database.set_remaining_clicks(by_config, 20_000);
    world.wait_for_state(by_config, "active-guarded");
}
