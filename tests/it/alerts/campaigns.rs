//! The occasions of campaigns: each is reported once, and so is the end of those that last.

use chrono::Duration;
use sandbox::{Amount, CampaignSpec, Fault, FaultKind, Interference, Operation};

use super::{
    BLOCKED, Expected, ID, NO_FUNDS, campaigns, expect_nothing_more, noon, set_blocked, set_funds, told, watched,
    watched_at_noon,
};
use crate::helper::{ACTIVATION, Config, World, in_parallel};

const CONTESTED: Expected = campaigns(
    "campaign.contested",
    "contested/1",
    "warning",
    "contested: others start or stop it again and again, and each time it is corrected",
);
const HIGH_SPEND: Expected = campaigns(
    "campaign.high-spend",
    "high-spend/1",
    "warning",
    "high spend: 10.00 is spent today, and its limit is 10.00; it is left alone: nothing starts or stops it",
);
const UNGUARDED_BY_LIMIT: Expected = campaigns(
    "campaign.unguarded",
    "unguarded/1/limit",
    "warning",
    "it runs, and nothing pauses it: its limit of 10.00 is reached (10.00)",
);
const UNGUARDED_BY_CLICKS: Expected = campaigns(
    "campaign.unguarded",
    "unguarded/1/clicks",
    "critical",
    "it runs, and nothing pauses it: 0 clicks are left",
);
const WARNED: Expected =
    campaigns("campaign.warned", "warned/1/", "warning", "8.00 of its limit of 10.00 is spent today");
const TOPPED_UP: Expected =
    campaigns("campaign.top-up", "top-up/1/", "info", "topped up: its daily budget is 21.10 now");
const TOP_UP_REFUSED: Expected = campaigns(
    "campaign.top-up",
    "top-up/1/refused",
    "warning",
    "not topped up: it has no top_up_ceiling, the most that a day may cost",
);
const PAUSE_FAILED: Expected = campaigns(
    "campaign.action-failed",
    "action-failed/1",
    "critical",
    "pause failed, and is tried again while it is due: ",
);
const ACTIVATION_FAILED: Expected =
    Expected { severity: "warning", says: "activate failed, and is tried again while it is due: ", ..PAUSE_FAILED };
const UNCONFIRMED: Expected =
    campaigns("campaign.unconfirmed", "unconfirmed/1", "critical", "a pause is unconfirmed since 12:0");

/// Returns the config of a policy that raises the day's budget at once.
pub(super) fn topping_up() -> Config {
    Config::default()
        .generator("high_spend", "top-up")
        .generator("high_activate_clicks", 5_000)
        .generator("high_pause_clicks", 1_000)
        .generator("price_per_thousand", "0.111")
        .generator("top_up_wait", "1s")
        .generator("top_up_interval", "1s")
}

/// Returns a running campaign that has spent 10.00 of a budget of 10.15.
fn at_its_limit() -> CampaignSpec {
    CampaignSpec { max_daily: "10.15".parse().unwrap(), ..CampaignSpec::running(ID) }.spent(Amount::cents(1_000))
}

#[test]
fn a_campaign_is_contested_from_one_foreign_change_too_many_until_an_hour_after_the_last() {
    let (mut world, receiver) = watched_at_noon(Config::default().generator("contested_after", 2));
    world.add_guarded(ID);
    for round in 1..=3 {
        assert!(CONTESTED.is_untold(&receiver), "the foreign change {round} has not happened yet");
        world.sandbox.interfere(ID, Interference::Stop).unwrap();
        world.wait_for_writes(ID, &ACTIVATION.repeat(round));
        world.wait_for_step(ID, "confirmed");
    }
    CONTESTED.begins(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
    world.set_clock(noon() + Duration::minutes(90));
    CONTESTED.ends(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
}

#[test]
fn a_block_and_a_lack_of_funds_are_told_with_their_ends() {
    let (mut world, receiver) = watched(Config::default());
    world.add_guarded(ID);
    for (expected, is_about_funds) in [(BLOCKED, false), (NO_FUNDS, true)] {
        let set = |world: &World, begins: bool| {
            if is_about_funds { set_funds(world, ID, !begins) } else { set_blocked(world, ID, begins) }
        };
        set(&world, true);
        let began = expected.begins(&mut world, &receiver);
        expect_nothing_more(&mut world, &receiver);
        set(&world, false);
        let ended = expected.ends(&mut world, &receiver);
        assert_eq!(began["since"], ended["since"], "one occasion");
        expect_nothing_more(&mut world, &receiver);
    }
}

#[test]
fn a_campaign_that_runs_past_its_limit_or_its_clicks_is_unguarded_until_it_is_paused() {
    let (mut world, receiver) = watched(Config::default());
    world.add_guarded(ID);
    world.sandbox.set_spend(ID, Amount::cents(1_000)).unwrap();
    HIGH_SPEND.begins(&mut world, &receiver);
    UNGUARDED_BY_LIMIT.begins(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
    assert!(UNGUARDED_BY_CLICKS.is_untold(&receiver));

    world.database.set_remaining_clicks(ID, 0);
    UNGUARDED_BY_CLICKS.begins(&mut world, &receiver);
    UNGUARDED_BY_LIMIT.ends(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);

    // When the counter is corrected, the guard pauses the campaign.
    world.sandbox.set_spend(ID, Amount::cents(999)).unwrap();
    world.wait_for_stop(ID);
    UNGUARDED_BY_CLICKS.ends(&mut world, &receiver);
    HIGH_SPEND.ends(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
}

#[test]
fn a_campaign_on_hold_is_unguarded_when_its_clicks_are_used_up_until_it_is_released() {
    let (mut world, receiver) = watched(Config::default());
    world.add_guarded(ID);
    world.done(&["hold", "1"]);
    world.database.set_remaining_clicks(ID, 0);
    let on_hold =
        Expected { says: "it runs, and nothing pauses it: it is on hold; 0 clicks are left", ..UNGUARDED_BY_CLICKS };
    on_hold.begins(&mut world, &receiver);
    world.done(&["release", "1"]);
    on_hold.ends(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
}

#[test]
fn high_spend_is_good_to_know_where_the_guard_acts_and_a_warning_where_it_does_not() {
    let cases = [
        ("observe", "warning", "it is left alone: nothing starts or stops it"),
        ("guard", "info", "it is guarded by its clicks as before"),
        ("pause", "info", "it is kept paused until midnight UTC"),
    ];
    in_parallel(cases, |(policy, severity, says)| {
        let (mut world, receiver) = watched(Config::default().generator("high_spend", policy));
        world.add_guarded(ID);
        world.sandbox.set_spend(ID, Amount::cents(1_000)).unwrap();
        let expected = Expected { severity, says, ..HIGH_SPEND };
        expected.begins(&mut world, &receiver);
        expect_nothing_more(&mut world, &receiver);
        world.sandbox.set_spend(ID, Amount::cents(999)).unwrap();
        expected.ends(&mut world, &receiver);
    });
}

#[test]
fn high_spend_ends_at_midnight() {
    let (mut world, receiver) = watched_at_noon(Config::default());
    world.add_guarded(ID);
    world.sandbox.set_spend(ID, Amount::cents(1_000)).unwrap();
    HIGH_SPEND.begins(&mut world, &receiver);
    world.set_clock(noon() + Duration::hours(13));
    HIGH_SPEND.ends(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
}

#[test]
fn the_part_of_the_limit_at_which_to_warn_is_reported_once_a_day() {
    let (mut world, receiver) = watched_at_noon(Config::default().generator("warn_at", "80%"));
    world.add_guarded(ID);
    world.sandbox.set_spend(ID, Amount::cents(800)).unwrap();
    let warned = WARNED.begins(&mut world, &receiver);
    assert_eq!(warned["lasts"], false, "{warned}");
    world.sandbox.set_spend(ID, Amount::cents(850)).unwrap();
    world.wait_until(ID, "the new spend", |campaign| campaign.text("/observed/spend") == "8.50");
    expect_nothing_more(&mut world, &receiver);
    world.guard.kill();
    world.start();
    expect_nothing_more(&mut world, &receiver);
    assert_eq!(told(&receiver).iter().filter(|item| item["occasion"] == "warned").count(), 1);

    world.set_clock(noon() + Duration::days(1));
    world.sandbox.set_spend(ID, Amount::cents(800)).unwrap();
    world.wait_for("the warning of the next day", |_| {
        let told = told(&receiver);
        let days = told.iter().filter(|item| item["occasion"] == "warned").count();
        if days == 2 { Ok(()) } else { Err(format!("{told:#?}")) }
    });
    expect_nothing_more(&mut world, &receiver);
}

#[test]
fn a_top_up_is_reported_once_also_after_a_restart() {
    let (mut world, receiver) = watched(topping_up().generator("top_up_ceiling", "60.00"));
    world.add(at_its_limit(), 100_000);
    let done = TOPPED_UP.begins(&mut world, &receiver);
    assert_eq!(done["lasts"], false, "{done}");
    expect_nothing_more(&mut world, &receiver);
    world.guard.kill();
    world.start();
    expect_nothing_more(&mut world, &receiver);
    assert_eq!(told(&receiver).iter().filter(|item| TOPPED_UP.is(item)).count(), 1);
}

#[test]
fn a_top_up_that_is_refused_is_told_until_its_reason_is_gone() {
    let (mut world, receiver) = watched(topping_up());
    world.add(at_its_limit(), 100_000);
    TOP_UP_REFUSED.begins(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
    world.done(&["campaign", "set", "1", "--top-up-ceiling", "60.00"]);
    TOP_UP_REFUSED.ends(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
}

#[test]
fn an_action_that_fails_is_told_until_it_succeeds_and_a_pause_is_critical() {
    let cases = [
        (Operation::Pause, CampaignSpec::running(ID), 1_000, PAUSE_FAILED),
        (Operation::Run, CampaignSpec::paused(ID), 20_000, ACTIVATION_FAILED),
    ];
    in_parallel(cases, |(operation, spec, clicks, expected)| {
        let (mut world, receiver) = watched_at_noon(Config::default());
        world.sandbox.inject(Fault::always(FaultKind::FailedInside200).on(operation));
        world.add(spec, clicks);
        expected.begins(&mut world, &receiver);
        expect_nothing_more(&mut world, &receiver);
        world.sandbox.clear_faults();
        // A run that failed is tried again only after a while.
        world.set_clock(noon() + Duration::minutes(10));
        world.wait_for_step(ID, "confirmed");
        expected.ends(&mut world, &receiver);
        expect_nothing_more(&mut world, &receiver);
    });
}

#[test]
fn a_pause_that_no_read_confirms_is_told_after_two_minutes() {
    let (mut world, receiver) = watched_at_noon(Config::default());
    world.sandbox.inject(Fault::always(FaultKind::FailedInside200).on(Operation::Pause));
    world.add(CampaignSpec::running(ID), 1_000);
    world.wait_for_step(ID, "failed");
    world.set_clock(noon() + Duration::seconds(60));
    world.let_ticks_pass(2);
    assert!(UNCONFIRMED.is_untold(&receiver), "two minutes have not passed");
    world.set_clock(noon() + Duration::minutes(5));
    UNCONFIRMED.begins(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
    world.sandbox.clear_faults();
    world.wait_for_stop(ID);
    UNCONFIRMED.ends(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
}
