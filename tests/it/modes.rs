//! The two cases in which the guard does not send what it decides: after the day end, and in observe mode. Also the
//! settings that a campaign's row overrides.

use chrono::{TimeDelta, Timelike, Utc};
use sandbox::{Amount, CampaignSpec, Interference};

use crate::helper::{ACTIVATION, Config, Outcome, PAUSE, World, Write, assert_says, in_parallel};

const ID: i64 = 995_224;

/// Returns a day end that is past at any time of the day: the minute of the last second. It waits until 00:01 if necessary.
fn past_day_end(world: &mut World) -> String {
    world.wait_for("the first minute of the day to be over", |_| {
        // In the first second of a minute the end time of a pause would be the same as this day end.
        let now = Utc::now();
        let earlier = now - TimeDelta::seconds(1);
        let past = format!("{:02}:{:02}", earlier.hour(), earlier.minute());
        let is_over = earlier.date_naive() == now.date_naive() && past != "00:00";
        if is_over { Ok(past) } else { Err("it is not".to_owned()) }
    })
}

#[test]
fn after_the_day_end_nothing_is_activated_but_campaigns_are_still_paused() {
    let mut world = World::configured(Config::default().generator("cooldown", "10m"));
    world.guard.stop();
    let day_end = past_day_end(&mut world);
    world.configure("generator", "day_end", day_end.as_str());
    let (to_run, to_pause, stopped) = (995_001, 995_002, 995_003);
    world.add(CampaignSpec::paused(to_run), 20_000);
    world.add(CampaignSpec::running(to_pause), 1_000);
    world.add(CampaignSpec::running(stopped), 20_000);
    world.start();
    world.wait_for_state(stopped, "active-guarded");
    world.sandbox.interfere(stopped, Interference::Stop).unwrap();
    let paused = "pause by tick: confirmed, idle → cooling-down";
    world.expect_all(&[
        (to_run, "enough clicks", Outcome::new("idle", &[], &[])),
        (to_pause, "clicks used up", Outcome::new("cooling-down", &PAUSE, &[paused])),
        (stopped, "stopped by somebody else", Outcome::new("active-guarded", &[], &[])),
    ]);
    let waits = format!("should run, but waits: for the next day, because its end time would be {day_end}:00");
    assert_eq!(world.guard.log().matches(&waits).count(), 2, "each campaign logs that once");

    // With a day end in the future, both run.
    world.guard.stop();
    world.configure("generator", "day_end", "23:59");
    world.start();
    world.wait_for_writes(to_run, &ACTIVATION);
    world.wait_for_writes(stopped, &ACTIVATION);
}

#[test]
fn observe_mode_journals_each_changed_decision_once_and_sends_nothing() {
    let mut world = World::configured(Config::default().generator("mode", "observe"));
    world.add(CampaignSpec::paused(ID), 20_000);
    let would_run = "activate by tick: observed-only, idle → idle";
    world.expect(ID, &Outcome::new("idle", &[], &[would_run]));

    world.database.set_remaining_clicks(ID, 1_000);
    world.sandbox.interfere(ID, Interference::Start).unwrap();
    let would_pause = "pause by tick: observed-only, idle → idle";
    world.expect(ID, &Outcome::new("idle", &[], &[would_run, would_pause]));

    // A tick with nothing to do makes no entry. The decision after it counts as changed again.
    world.sandbox.interfere(ID, Interference::Stop).unwrap();
    world.expect(ID, &Outcome::new("idle", &[], &[would_run, would_pause]));
    world.sandbox.interfere(ID, Interference::Start).unwrap();
    world.expect(ID, &Outcome::new("idle", &[], &[would_run, would_pause, would_pause]));
    assert_eq!(world.campaign(ID).text("/ordered/mode"), "observe");
}

#[test]
fn observe_mode_can_be_set_for_one_campaign_and_wins_over_the_config() {
    let (observed, acted) = (995_001, 995_002);
    let would_run = "activate by tick: observed-only, idle → idle";
    let table = [("act", Outcome::activated()), ("observe", Outcome::new("idle", &[], &[would_run]))];
    in_parallel(table, |(mode, outcome)| {
        let mut world = World::configured(Config::default().generator("mode", mode));
        for (id, own) in [(observed, "observe"), (acted, "act")] {
            world.add_disabled(CampaignSpec::paused(id), 20_000);
            world.database.execute(&format!("UPDATE campaigns SET mode = '{own}' WHERE trafficstar_id = {id}"));
            world.database.enable(id);
        }
        world.expect_all(&[
            (observed, "the row says observe", Outcome::new("idle", &[], &[would_run])),
            (acted, "the row says act", outcome),
        ]);
    });
}

#[test]
fn a_campaigns_row_overrides_the_thresholds_and_the_spend_limit() {
    let mut world = World::configured(Config::default().generator("cooldown", "10m"));
    let (to_run, to_pause, limited) = (995_001, 995_002, 995_003);
    world.add_disabled(CampaignSpec::paused(to_run), 10_000);
    world.add_disabled(CampaignSpec::running(to_pause), 10_000);
    world.add_disabled(CampaignSpec::running(limited).spent(Amount::cents(200)), 10_000);
    world.database.execute(&format!(
        "UPDATE campaigns SET activate_clicks = 10000 WHERE trafficstar_id = {to_run};
         UPDATE campaigns SET pause_clicks = 10000 WHERE trafficstar_id = {to_pause};
         UPDATE campaigns SET spend_limit_micros = 2000000 WHERE trafficstar_id = {limited};
         UPDATE campaigns SET generator_enabled = 1;"
    ));
    world.wait_for_writes(to_run, &ACTIVATION);
    world.wait_for_writes(to_pause, &PAUSE);
    world.wait_until(limited, "high spend", |campaign| campaign.text("/high_spend") == "true");
}

#[test]
fn adopting_sets_an_end_time_only_if_configured_and_if_the_campaign_has_none() {
    in_parallel([(false, [].as_slice()), (true, &[Write::EndAtDayEnd])], |(configured, written)| {
        let mut world = World::configured(Config::default().generator("adopt_sets_end_time", configured));
        let (unset, set) = (995_001, 995_002);
        world.add(CampaignSpec::running(unset), 20_000);
        let end = Some("2099-01-01 00:00:00".to_owned());
        world.add(CampaignSpec { schedule_end_time: end, ..CampaignSpec::running(set) }, 20_000);
        let entries = ["set-end-time by tick: confirmed, active-guarded → active-guarded"];
        let journal = if configured { entries.as_slice() } else { &[] };
        world.expect_all(&[
            (unset, "without an end time", Outcome::new("active-guarded", written, journal)),
            (set, "with one", Outcome::new("active-guarded", &[], &[])),
        ]);
    });
}

#[test]
fn from_the_spend_limit_on_guard_uses_the_high_thresholds_and_pause_keeps_a_campaign_paused() {
    let mut world = World::configured(
        Config::default()
            .generator("cooldown", "1s")
            .generator("high_activate_clicks", 5_000)
            .generator("high_pause_clicks", 1_000),
    );
    let (guarded, paused) = (995_001, 995_002);
    for (id, policy) in [(guarded, "guard"), (paused, "pause")] {
        world.add(CampaignSpec::running(id).spent(Amount::cents(900)), 20_000);
        world.wait_for_state(id, "active-guarded");
        let row = world.database.row_id(id).to_string();
        world.done(&["campaign", "set", &row, "--high-spend", policy]);
    }
    for id in [guarded, paused] {
        world.sandbox.set_spend(id, Amount::cents(1_200)).unwrap();
    }
    world.wait_for_state(paused, "paused-guarded");
    world.sandbox.interfere(paused, Interference::SetEndTime(None)).unwrap();
    world.sandbox.interfere(paused, Interference::Start).unwrap();
    world.wait_for_writes(paused, &[PAUSE, PAUSE].concat());
    let row = world.database.row_id(paused).to_string();
    assert_says(&world.done(&["explain", &row]), &["kept paused until its spend is below 10.00 again"]);
    world.done(&["campaign", "set", &row, "--spend-limit", "12.01"]);
    world.wait_for_state(paused, "active-guarded");

    // Below the limit these clicks would pause it.
    world.database.set_remaining_clicks(guarded, 3_000);
    world.wait_until(guarded, "read with 3,000 clicks", |campaign| {
        campaign.text("/observed/remaining_clicks") == "3000"
    });
    world.let_ticks_pass(2);
    assert_eq!(world.campaign(guarded).state(), "active-guarded");
    assert_eq!(world.campaign(guarded).text("/unguarded"), "false");
    world.database.set_remaining_clicks(guarded, 1_000);
    world.wait_for_state(guarded, "paused-guarded");
    world.database.set_remaining_clicks(guarded, 5_000);
    world.wait_for_state(guarded, "active-guarded");
}
