//! The occasions that are not about one campaign: of the supervisor, the account, the database, and of groups.

use chrono::Duration;
use sandbox::{Amount, CampaignSpec, Interference};
use serde_json::Value;

use super::{
    Expected, ID, OTHER, STARTED, assert_consistent, assert_told_once, campaigns, expect_nothing_more, noon, only,
    supervisors, telling, told, watched, watched_at_noon,
};
use crate::away::Away;
use crate::helper::{Answer, Config, Fleet, PATIENCE, Receiver, World, in_parallel};

const API: Expected = supervisors("supervisor.api", "api", "critical", "statuses cannot be read from TrafficStars: ");
const DATABASE: Expected = supervisors("supervisor.database", "database", "critical", "the database fails: ");
pub(super) const LEASE: Expected = supervisors("supervisor.lease", "lease", "critical", "the lease has ended");
const ANOTHER_GUARD: Expected = supervisors(
    "supervisor.another-guard",
    "another-guard",
    "warning",
    "another program like this one works on this account: ",
);
const CLOCK: Expected = supervisors("supervisor.degraded", "degraded/clock", "warning", "our clock is ");
const LEFT_UNGUARDED: Expected = campaigns(
    "campaign.degraded",
    "degraded/1/unguarded",
    "critical",
    "it runs with its clicks used up, and its generator is disabled",
);
const STOPPED: Expected =
    supervisors("supervisor.restarted", "restarted/stopped/", "info", "the supervisor stops, and guards nothing");
const STARTED_AFTER_A_CRASH: Expected = supervisors(
    "supervisor.restarted",
    "restarted/started/",
    "warning",
    "; the one before ended without saying so: see its log",
);
const NEAR: Expected = supervisors(
    "supervisor.group-limit",
    "group-limit/shoes/",
    "warning",
    "15.00 of the limit of the group shoes, 18.00, is spent today",
);
const REACHED: Expected =
    Expected { says: "the limit of the group shoes is reached: 18.00 of 18.00 is spent today", ..NEAR };

#[test]
fn reads_that_fail_are_told_until_they_succeed() {
    let (mut world, receiver) = watched(Config::default());
    world.add_guarded(ID);
    let faults = world.let_reads_fail();
    API.begins(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
    faults.into_iter().for_each(|fault| world.sandbox.remove_fault(fault));
    API.ends(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
}

#[test]
fn a_database_that_fails_is_told_until_it_works() {
    in_parallel(Away::all(), |(_, mut away)| {
        let (mut world, receiver) = watched(away.applied_to(Config::default()));
        world.add_guarded(ID);
        away.begin(&mut world);
        DATABASE.begins(&mut world, &receiver);
        away.end(&mut world);
        DATABASE.ends(&mut world, &receiver);
        expect_nothing_more(&mut world, &receiver);
        assert!(world.listed("database").is_ok_and(|alert| alert["id"].is_number()), "it was stored afterwards");
    });
}

/// The receiver refuses the message until the database works again, and the occasion has got its number.
#[test]
fn a_message_that_is_repeated_after_the_database_was_away_says_the_same() {
    let mut receiver = Receiver::start();
    let mut world = World::configured(telling(Config::default(), "ops", &receiver, &[only(&["database"])]));
    world.add_guarded(ID);
    receiver.set_answer(Answer::Status(500));
    world.guard.move_file("guard.db", "moved.db");
    world.wait_for("a message that is refused", |_| {
        if receiver.posts().is_empty() { Err("none".to_owned()) } else { Ok(()) }
    });
    receiver.go_away();
    world.guard.move_file("moved.db", "guard.db");
    world.wait_until_listed("database", "stored, and over", |alert| {
        alert["id"].is_number() && alert["state"] == "resolved"
    });
    receiver.set_answer(Answer::Take);
    receiver.come_back();
    DATABASE.begins(&mut world, &receiver);
    DATABASE.ends(&mut world, &receiver);
    assert_told_once(&receiver);
}

#[test]
fn a_lease_that_is_lost_is_told_until_the_supervisor_leads_again() {
    let receiver = Receiver::start();
    let change = |config| telling(config, "ops", &receiver, &[only(&["lease"])]);
    let Some(mut fleet) = Fleet::configured(1, change) else { return };
    fleet.wait_for_writes_of(0, 5);
    fleet.members[0].line.cut();
    fleet.wait_for_role(0, "cut-off", PATIENCE);
    LEASE.compare(&fleet.wait_for("the alert", PATIENCE, |_| LEASE.found(&receiver, "firing").ok()));
    fleet.members[0].line.mend();
    LEASE.compare(&fleet.wait_for("its end", PATIENCE, |_| LEASE.found(&receiver, "resolved").ok()));
    assert_consistent(&receiver);
    assert_eq!(told(&receiver).len(), 2, "{:#?}", told(&receiver));
}

/// The guard takes a foreign end time at the day end for the work of another program like this one.
#[test]
fn another_guard_is_told_until_there_was_no_sign_of_it_for_an_hour() {
    let (mut world, receiver) = watched_at_noon(Config::default());
    world.add_many_guarded([ID, OTHER]);
    let end_at = |world: &World, id, time: &str| {
        world.sandbox.interfere(id, Interference::SetEndTime(Some(format!("2026-12-08 {time}")))).unwrap();
    };
    end_at(&world, OTHER, "22:00:00");
    world.let_ticks_pass(2);
    assert!(!world.degradations().contains(&"another-guard".to_owned()), "a person sets such an end time");
    end_at(&world, ID, "23:59:00");
    ANOTHER_GUARD.begins(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
    world.set_clock(noon() + Duration::minutes(90));
    ANOTHER_GUARD.ends(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
}

#[test]
fn the_limit_of_a_group_is_told_when_it_is_near_and_when_it_is_reached_once_a_day() {
    let config = Config::default().group("shoes", "18.00", "observe").generator("warn_at", "75%");
    let (mut world, receiver) = watched(config);
    let spent = |id, cents| CampaignSpec::running(id).spent(Amount::cents(cents));
    world.add_all([(spent(ID, 500), 20_000), (spent(OTHER, 600), 20_000)]);
    world.database.execute("UPDATE campaigns SET group_name = 'shoes'");
    world.wait_until(ID, "the sum", |campaign| campaign.text("/shared_limits/0/spend") == "11.00");
    world.let_ticks_pass(2);
    assert!(NEAR.is_untold(&receiver), "11.00 of 18.00 is not near");
    let of_limit = |receiver: &Receiver| -> Vec<Value> {
        told(receiver).into_iter().filter(|item| item["occasion"] == "group-limit").collect()
    };
    for (cents, expected) in [(900, NEAR), (1_200, REACHED)] {
        world.sandbox.set_spend(ID, Amount::cents(cents)).unwrap();
        let told = world.wait_for("the limit", |_| {
            let told = of_limit(&receiver);
            let found = told.iter().find(|item| item["text"].as_str().unwrap().contains(expected.says)).cloned();
            found.ok_or_else(|| format!("{told:#?}"))
        });
        expected.compare(&told);
        assert_eq!((&told["lasts"], &told["campaign"]), (&Value::Bool(false), &Value::Null), "{told}");
    }
    world.guard.kill();
    world.start();
    world.wait_until(ID, "the sum", |campaign| campaign.text("/shared_limits/0/spend") == "18.00");
    world.let_ticks_pass(3);
    assert_eq!(of_limit(&receiver).len(), 2, "{:#?}", of_limit(&receiver));
    assert_consistent(&receiver);
}

#[test]
fn a_clock_that_differs_is_told_until_it_is_right() {
    let (mut world, receiver) = watched_at_noon(Config::default());
    world.add_guarded(ID);
    let move_clock = |world: &World, by: Duration| world.sandbox.set_clock(world.sandbox.clock() + by);
    move_clock(&world, Duration::seconds(30));
    world.let_ticks_pass(2);
    assert!(!world.degradations().contains(&"clock".to_owned()), "half a minute is not enough");
    move_clock(&world, Duration::minutes(2));
    CLOCK.begins(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
    move_clock(&world, -Duration::seconds(150));
    CLOCK.ends(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
}

/// A campaign whose generator is disabled has no actor that could find its own occasions.
#[test]
fn a_disabled_campaign_that_was_left_running_without_clicks_is_told() {
    let (mut world, receiver) = watched(Config::default());
    world.add_guarded(ID);
    world.done(&["hold", "1"]);
    world.database.set_remaining_clicks(ID, 0);
    let its_own = |receiver: &Receiver| {
        let told = told(receiver).into_iter().filter(|item| item["key"] == "unguarded/1/clicks");
        told.map(|item| item["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let wait_until_told = |world: &mut World, states: &[&str]| {
        world.wait_for("its own occasion", |_| match its_own(&receiver) {
            told if told == states => Ok(()),
            others => Err(format!("{others:?}")),
        });
    };
    wait_until_told(&mut world, &["firing"]);
    world.done(&["disable", "1", "--leave-running"]);
    LEFT_UNGUARDED.begins(&mut world, &receiver);
    wait_until_told(&mut world, &["firing", "resolved"]);
    assert_told_once(&receiver);
}

#[test]
fn a_start_and_a_stop_are_told_and_a_start_after_a_crash_is_a_warning() {
    let (mut world, receiver) = watched(Config::default());
    assert!(STOPPED.is_untold(&receiver));
    world.guard.stop();
    let stopped = STOPPED.found(&receiver, "firing").unwrap();
    STOPPED.compare(&stopped);
    let starts = |receiver: &Receiver| told(receiver).iter().filter(|item| STARTED.is(item)).count();
    for (expected, count) in [(STARTED, 2), (STARTED_AFTER_A_CRASH, 3)] {
        world.start();
        world.wait_for("the start", |_| {
            if starts(&receiver) == count { Ok(()) } else { Err(format!("{:#?}", told(&receiver))) }
        });
        expected.compare(&expected.found(&receiver, "firing").unwrap());
        world.done(&["reload"]);
        world.guard.kill();
    }
    assert_eq!((told(&receiver).len(), starts(&receiver)), (4, 3), "{:#?}", told(&receiver));
    assert_consistent(&receiver);
}
