//! What is no occasion. After each test one more campaign runs out of funds: it is the first of which the receiver is
//! told.

use std::time::{Duration, Instant};

use sandbox::{Amount, CampaignSpec, Fault, Interference, Operation};

use super::campaigns::topping_up;
use super::{ID, OTHER, assert_told_once, told_so_far, watched};
use crate::helper::{Config, Receiver, World, in_parallel};

/// The time for which a part of the program has to fail before anybody is told.
const FAILS_FOR: Duration = Duration::from_secs(10);

/// Asserts that the receiver was told nothing but the start.
#[track_caller]
fn assert_untold(world: &mut World, receiver: &Receiver, name: &str) {
    world.let_ticks_pass(3);
    assert_eq!(told_so_far(world, receiver), Vec::<String>::new(), "{name}");
    assert_told_once(receiver);
}

#[test]
fn of_a_calm_day_only_the_start_is_told() {
    let (mut world, receiver) = watched(Config::default().group("shoes", "60.00", "pause"));
    world.add_all([
        (CampaignSpec::running(995_001).spent(Amount::cents(400)), 20_000),
        (CampaignSpec::paused(995_002), 20_000),
        (CampaignSpec::running(995_003), 1_000),
        (CampaignSpec::paused(995_004), 1_000),
        (CampaignSpec::paused(995_005), 10_000),
    ]);
    world.database.execute("UPDATE campaigns SET group_name = 'shoes'");
    for id in [995_001, 995_002] {
        world.wait_for_state(id, "active-guarded");
    }
    for id in [995_003, 995_004] {
        world.wait_for_state(id, "paused-guarded");
    }
    // Somebody stops and starts a campaign, which is undone.
    world.sandbox.interfere(995_001, Interference::Stop).unwrap();
    world.wait_for_step(995_001, "confirmed");
    assert_untold(&mut world, &receiver, "a calm day");
}

#[test]
fn nothing_is_told_below_a_threshold() {
    let account = Config::default().set("account", "spend_limit", "20.00").set("account", "high_spend", "pause");
    let cases = [
        ("below the limit", Config::default(), 999),
        ("below the part at which to warn", Config::default().generator("warn_at", "80%"), 799),
        ("below the limit of a top-up", topping_up(), 999),
        ("below the account's limit", account, 999),
    ];
    in_parallel(cases, |(name, config, cents)| {
        let (mut world, receiver) = watched(config);
        world.add(CampaignSpec::running(ID).spent(Amount::cents(cents)), 20_000);
        world.wait_for_state(ID, "active-guarded");
        assert_untold(&mut world, &receiver, name);
    });
}

#[test]
fn a_campaign_in_observe_mode_is_not_unguarded() {
    let (mut world, receiver) = watched(Config::default().generator("mode", "observe"));
    world.add(CampaignSpec::running(ID).spent(Amount::cents(1_000)), 0);
    world.wait_until(ID, "high spend", |campaign| campaign.text("/high_spend") == "true");
    world.let_ticks_pass(3);
    assert_eq!(told_so_far(&mut world, &receiver), ["high-spend/1"], "the spend is told, and nothing else");
}

/// The pause and the run each fail once, and are sent again at once.
#[test]
fn a_change_that_succeeds_at_the_second_try_is_not_told() {
    let (mut world, receiver) = watched(Config::default());
    for operation in [Operation::Pause, Operation::Run] {
        world.sandbox.inject(Fault::status(500).on(operation).times(1));
    }
    world.add(CampaignSpec::running(ID), 1_000);
    world.add(CampaignSpec::paused(OTHER), 20_000);
    for id in [ID, OTHER] {
        world.wait_for_step(id, "confirmed");
    }
    assert_untold(&mut world, &receiver, "a second try");
}

/// Lets a part of the program fail until health complains, and ends that at once. On a busy machine that may take so
/// long that it is told rightly. Then it is tried again.
fn let_fail_for_a_moment(reason: &str, key: &str, begin: impl Fn(&mut World), end: impl Fn(&mut World)) {
    const TRIES: usize = 5;
    let wait_for_complaint = |world: &mut World, complains: bool| {
        world.wait_for(&format!("{reason} in health: {complains}"), |world| {
            let reasons = world.degradations();
            if reasons.iter().any(|found| found == reason) == complains { Ok(()) } else { Err(format!("{reasons:?}")) }
        });
    };
    for _ in 0..TRIES {
        let (mut world, receiver) = watched(Config::default());
        world.add_guarded(ID);
        let began = Instant::now();
        begin(&mut world);
        wait_for_complaint(&mut world, true);
        end(&mut world);
        wait_for_complaint(&mut world, false);
        if began.elapsed() < FAILS_FOR {
            world.let_ticks_pass(3);
            let told = told_so_far(&mut world, &receiver);
            assert!(!told.contains(&key.to_owned()), "{told:?}");
            return;
        }
    }
    panic!("this machine is too busy: {reason} never ended within {FAILS_FOR:?}");
}

#[test]
fn reads_that_fail_for_a_moment_are_not_told() {
    let begin = |world: &mut World| {
        world.let_reads_fail();
    };
    let_fail_for_a_moment("traffic-stars", "api", begin, |world| world.sandbox.clear_faults());
}

#[test]
fn a_database_that_fails_for_a_moment_is_not_told() {
    let begin = |world: &mut World| world.guard.move_file("guard.db", "moved.db");
    let_fail_for_a_moment("database", "database", begin, |world| world.guard.move_file("moved.db", "guard.db"));
}
