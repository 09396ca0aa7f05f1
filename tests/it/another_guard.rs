//! Another program like this one on the account: what gives it away, and who says so.

use std::time::Duration;

use sandbox::{CampaignSpec, Fault, FaultKind, RetryAfter};

use crate::helper::{Config, World};

const ID: i64 = 995_224;
const TOLD: &str = "another program like this one works on this account";

/// Health, `explain` and the log of the guard say it; the event is raised once.
fn expect_told(world: &mut World, what_gave_it_away: &str) {
    world.wait_for("health to say it", |world| {
        let health = world.guard.get("/v1/health");
        let told = health.text.contains("another-guard") && health.text.contains(TOLD);
        if told && health.status == 503 { Ok(()) } else { Err(health.text) }
    });
    let explained = String::from_utf8(world.guard.command(&["explain", "1"]).stdout).unwrap();
    assert!(explained.contains(TOLD) && explained.contains(what_gave_it_away), "{explained}");
    world.let_ticks_pass(3);
    let log = world.guard.log();
    assert_eq!(log.matches(TOLD).count(), 1, "one event: {log}");
}

#[test]
fn a_copy_with_an_older_database_gives_itself_away_by_its_pauses() {
    let mut world = World::new();
    world.add_guarded(ID);
    // By its database the clicks are used up.
    let (mut copy, mut older) = world.another_guard(Config::default().generator("cooldown", "1s"));
    older.add_campaign(ID, 100);
    older.enable(ID);
    copy.start();
    expect_told(&mut world, "as a guard pauses");
    copy.kill();
}

#[test]
fn a_copy_with_an_older_database_gives_itself_away_by_its_runs() {
    let mut world = World::configured(Config::default().generator("cooldown", "1s"));
    world.add(CampaignSpec::running(ID), 100);
    world.wait_for_state(ID, "paused-guarded");
    let (mut copy, mut older) = world.another_guard(Config::default());
    older.add_campaign(ID, 20_000);
    older.enable(ID);
    copy.start();
    expect_told(&mut world, "as a guard sets it with a run");
    copy.kill();
}

#[test]
fn a_429_below_our_own_limit_is_chance_once_and_somebody_else_the_second_time() {
    let mut world = World::new();
    world.add_guarded(ID);
    let too_many = || FaultKind::TooManyRequests { wait: Duration::from_millis(100), form: RetryAfter::Missing };
    world.sandbox.inject(Fault { times: Some(1), ..Fault::always(too_many()) });
    world.wait_for("the silence after the first one", |world| {
        let until = world.guard.state()["trafficstar"]["blocked_until"].clone();
        if until.is_null() { Err("there is none".to_owned()) } else { Ok(()) }
    });
    assert!(!world.guard.log().contains(TOLD));
    // A 429 that names no time silences the guard for a minute. A restart ends that silence, so that the test need not wait.
    world.guard.stop();
    world.start();
    let again = || FaultKind::TooManyRequests { wait: Duration::from_secs(1), form: RetryAfter::Seconds };
    world.sandbox.inject(Fault { times: Some(2), ..Fault::always(again()) });
    expect_told(&mut world, "429");
}
