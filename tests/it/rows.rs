//! Rows of campaigns and URLs that a tracker adds, changes or removes while the guard runs.

use chrono::{DateTime, Duration, Utc};
use sandbox::{CampaignSpec, Interference};

use crate::helper::{ACTIVATION, Config, Outcome, PAUSE, World};

const ID: i64 = 995_224;
const OTHER: i64 = 995_999;

fn stop_by_another_program(world: &mut World) {
    world.sandbox.interfere(ID, Interference::Stop).unwrap();
}

/// Starts a world with a campaign that the guard keeps running. The tests count the ticks of another campaign.
fn promised() -> World {
    let mut world = World::configured(Config::default().generator("cooldown", "10m"));
    world.add(CampaignSpec::running(OTHER), 20_000);
    world.add_guarded(ID);
    world.wait_for_state(OTHER, "active-guarded");
    world
}

#[test]
fn a_new_row_is_guarded_within_one_tick() {
    let mut world = World::configured(Config::default().generator("tick", "2s"));
    let added_at = Utc::now();
    world.add(CampaignSpec::running(ID), 20_000);
    let campaign = world.wait_for_state(ID, "active-guarded");
    let since: DateTime<Utc> = campaign.text("/since").parse().unwrap();
    assert!(since - added_at < Duration::seconds(4), "it took {}, with a tick of 2 s", since - added_at);
}

#[test]
fn a_row_that_a_tracker_disables_is_no_longer_guarded_and_starts_from_idle_when_enabled() {
    let mut world = promised();
    world.database.execute(&format!("UPDATE campaigns SET generator_enabled = 0 WHERE trafficstar_id = {ID}"));
    world.wait_until(ID, "no actor", |campaign| campaign.text("/actor").is_empty());
    assert_eq!(world.campaign(ID).text("/ordered/generator_enabled"), "false");
    stop_by_another_program(&mut world);
    world.expect(ID, &Outcome::new("idle", &[], &[]));

    world.database.enable(ID);
    world.expect(ID, &Outcome::activated());
}

#[test]
fn a_removed_row_is_no_longer_guarded() {
    let mut world = promised();
    world.database.execute(&format!("DELETE FROM campaigns WHERE trafficstar_id = {ID}"));
    world.wait_for("the campaign to leave the dump", |world| {
        let dump = world.guard.state();
        let listed = dump["campaigns"].as_array().unwrap().len();
        if listed == 1 { Ok(()) } else { Err(format!("{listed} are listed")) }
    });
    stop_by_another_program(&mut world);
    world.let_ticks_pass(3);
    assert_eq!(world.writes(ID), []);
    assert_eq!(world.outcome(OTHER), Outcome::new("active-guarded", &[], &[]));
}

#[test]
fn linking_a_row_to_another_campaign_ends_the_promise() {
    let mut world = promised();
    let newcomer = 995_300;
    world.sandbox.add_campaign(CampaignSpec::running(newcomer));
    world.database.set_remaining_clicks(ID, 10_000);
    world.database.execute(&format!("UPDATE campaigns SET trafficstar_id = {newcomer} WHERE trafficstar_id = {ID}"));
    world.wait_until(newcomer, "a tick", |campaign| campaign.ticks() > 0);
    stop_by_another_program(&mut world);
    world.sandbox.interfere(newcomer, Interference::Stop).unwrap();
    world.expect(newcomer, &Outcome::new("idle", &[], &[]));
    assert_eq!(world.writes(ID), []);
}

#[test]
fn after_the_disable_command_has_returned_nothing_is_sent() {
    let mut world = promised();
    let row = world.database.row_id(ID).to_string();
    world.done(&["disable", &row, "--leave-running"]);
    stop_by_another_program(&mut world);
    world.expect(ID, &Outcome::new("idle", &[], &[]));

    world.done(&["enable", &row]);
    world.wait_for_writes(ID, &ACTIVATION);
}

#[test]
fn the_disable_command_can_pause_first_and_the_cool_down_survives_it() {
    let mut world = promised();
    let row = world.database.row_id(ID).to_string();
    world.done(&["disable", &row, "--pause"]);
    let paused = "pause by operator: confirmed, active-guarded → cooling-down";
    world.expect(ID, &Outcome::new("cooling-down", &PAUSE, &[paused]));
    let until = world.campaign(ID).text("/cooling_down_until");
    assert!(!world.sandbox.is_running(ID));

    world.done(&["enable", &row]);
    world.wait_until(ID, "a tick", |campaign| campaign.ticks() > 0);
    world.expect(ID, &Outcome::new("cooling-down", &PAUSE, &[paused]));
    assert_eq!(world.campaign(ID).text("/cooling_down_until"), until);
}

#[test]
fn the_next_tick_sees_the_clicks_of_a_tracker() {
    let mut world = promised();
    let url = world.database.add_url(ID, "second", 100);
    world.wait_until(ID, "the new URL", |campaign| campaign.text("/observed/remaining_clicks") == "20100");
    world.database.add_clicks(url, 300);
    world.wait_until(ID, "a URL over its limit", |campaign| campaign.text("/observed/remaining_clicks") == "20000");
    world.database.click(ID, 15_000);
    world.wait_for_writes(ID, &PAUSE);
    assert_eq!(world.database.journal(ID)[0].remaining_clicks, Some(5_000));
}

#[test]
fn urls_that_are_not_active_do_not_count() {
    let mut world = promised();
    world.database.add_url(ID, "second", 5_000);
    for status in ["paused", "completed", "deleted", "rejected"] {
        world.database.execute(&format!("UPDATE urls SET status = '{status}' WHERE name = 'second'"));
        world.wait_until(ID, status, |campaign| campaign.text("/observed/remaining_clicks") == "20000");
        world.database.execute("UPDATE urls SET status = 'active' WHERE name = 'second'");
        world.wait_until(ID, "active", |campaign| campaign.text("/observed/remaining_clicks") == "25000");
    }
    world.database.execute("UPDATE urls SET status = 'paused' WHERE campaign_id = 2");
    world.wait_for_writes(ID, &PAUSE);
}

#[test]
fn an_invalid_row_starts_nothing_is_reported_and_prevents_no_pause() {
    let mut world = World::configured(Config::default().generator("cooldown", "10m"));
    let (limit, word, numbers, observed) = (995_001, 995_002, 995_003, 995_004);
    for id in [limit, word, numbers, observed] {
        world.add_disabled(CampaignSpec::paused(id), 20_000);
    }
    world.database.execute(&format!(
        "UPDATE campaigns SET mode = 'observe', generator_enabled = 1 WHERE trafficstar_id = {observed}"
    ));
    world.wait_for("its first decision", |world| match world.database.journal(observed).len() {
        0 => Err("none".to_owned()),
        _ => Ok(()),
    });
    world.database.add_url(limit, "invalid", -5);
    world.database.execute(&format!(
        "UPDATE campaigns SET mode = 'ACT' WHERE trafficstar_id = {word};
         UPDATE campaigns SET mode = 'observ' WHERE trafficstar_id = {observed};
         UPDATE campaigns SET pause_clicks = 90000 WHERE trafficstar_id = {numbers};
         UPDATE campaigns SET generator_enabled = 1;"
    ));
    let nothing = || Outcome::new("idle", &[], &[]);
    let said =
        [(limit, "click_limit is -5"), (word, "`mode`"), (numbers, "contradict each other"), (observed, "`mode`")];
    for (id, said) in said {
        let campaign = world.wait_until(id, "an error", |campaign| !campaign.text("/last_error").is_empty());
        assert!(campaign.text("/last_error").contains(said), "{said}: {campaign}");
    }
    world.expect_all(&[(limit, "limit", nothing()), (word, "word", nothing()), (numbers, "numbers", nothing())]);
    // An invalid mode leaves the earlier mode in force. No invalid column prevents a pause.
    for id in [word, numbers, observed] {
        world.database.set_remaining_clicks(id, 0);
        world.sandbox.interfere(id, Interference::Start).unwrap();
    }
    let would_run = "activate by tick: observed-only, idle → idle";
    let would_pause = "pause by tick: observed-only, idle → idle";
    world.expect_all(&[
        (word, "word", Outcome::paused()),
        (numbers, "numbers", Outcome::paused()),
        (observed, "observed", Outcome::new("idle", &[], &[would_run, would_pause])),
    ]);
}
