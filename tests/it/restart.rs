//! A guard that ends, orderly or by a power cut, and starts again. No promise, no cool-down and no action is lost.

use std::time::Duration;

use sandbox::{CampaignSpec, Fault, FaultKind, Interference, Operation};

use crate::helper::{ACTIVATION, Config, Outcome, PAUSE, World, Write, in_parallel, on_both_databases};

const ID: i64 = 995_224;
const IDLE: i64 = 995_001;
const ADOPTED: i64 = 995_002;
const ACTIVATED: i64 = 995_003;
const STOPPED: i64 = 995_004;
const COOLING: i64 = 995_005;
const PAUSED: &str = "pause by tick: confirmed, idle → cooling-down";
const RUN: &str = "activate by tick: confirmed, idle → active-guarded";

fn every_state_survives(config: Config, end: fn(&mut World)) {
    let mut world = World::configured(config.generator("cooldown", "10m"));
    world.add(CampaignSpec::running(IDLE), 10_000);
    world.add(CampaignSpec::running(ADOPTED), 20_000);
    world.add(CampaignSpec::paused(ACTIVATED), 20_000);
    world.add(CampaignSpec::paused(STOPPED), 1_000);
    world.add(CampaignSpec::running(COOLING), 1_000);
    let outcomes = [
        (IDLE, "idle", Outcome::new("idle", &[], &[])),
        (ADOPTED, "adopted", Outcome::new("active-guarded", &[], &[])),
        (ACTIVATED, "activated", Outcome::new("active-guarded", &ACTIVATION, &[RUN])),
        (STOPPED, "stopped", Outcome::new("paused-guarded", &[], &[])),
        (COOLING, "cooling down", Outcome::new("cooling-down", &PAUSE, &[PAUSED])),
    ];
    world.expect_all(&outcomes);
    // With clicks between the thresholds a promise stays as it is. A promise that was lost would not be made again.
    for id in [ADOPTED, ACTIVATED, STOPPED] {
        world.database.set_remaining_clicks(id, 10_000);
    }
    let kept = |world: &World| {
        [ADOPTED, ACTIVATED, STOPPED, COOLING].map(|id| {
            let campaign = world.campaign(id);
            (campaign.text("/since"), campaign.text("/cooling_down_until"))
        })
    };
    let before = kept(&world);

    end(&mut world);
    world.start();
    world.expect_all(&outcomes);
    // The database keeps microseconds, but the memory nanoseconds.
    let cut = |times: [(String, String); 4]| times.map(|(since, until)| (micros(&since), micros(&until)));
    assert_eq!(
        cut(kept(&world)),
        cut(before),
        "the times since which the states last, and until which the campaign cools down"
    );

    world.sandbox.interfere(ACTIVATED, Interference::Stop).unwrap();
    world.sandbox.interfere(STOPPED, Interference::Start).unwrap();
    let run_again = "activate by guard: confirmed, active-guarded → active-guarded";
    let paused = "pause by guard: confirmed, paused-guarded → cooling-down";
    world.expect_all(&[
        (
            ACTIVATED,
            "stopped by somebody else",
            Outcome::new("active-guarded", &ACTIVATION.repeat(2), &[RUN, run_again]),
        ),
        (STOPPED, "started by somebody else", Outcome::new("cooling-down", &PAUSE, &[paused])),
    ]);
}

fn micros(time: &str) -> Option<i64> {
    time.parse::<chrono::DateTime<chrono::Utc>>().ok().map(|time| time.timestamp_micros())
}

#[test]
fn every_promise_and_cool_down_survives_an_orderly_end_and_a_power_cut() {
    let ends: [fn(&mut World); 2] = [|world| world.guard.stop(), |world| world.guard.kill()];
    in_parallel(ends, |end| on_both_databases(|config| every_state_survives(config, end)));
}

#[test]
fn a_cool_down_ends_on_time_although_the_guard_was_down_meanwhile() {
    let mut world = World::configured(Config::default().generator("cooldown", "3s"));
    world.add(CampaignSpec::running(ID), 1_000);
    world.wait_for_writes(ID, &PAUSE);
    world.wait_for_step(ID, "confirmed");
    let until = world.campaign(ID).text("/cooling_down_until");
    world.guard.kill();
    // The clicks are topped up while no guard runs.
    world.database.set_remaining_clicks(ID, 20_000);
    world.start();
    let campaign = world.wait_for_state(ID, "active-guarded");
    assert!(micros(&campaign.text("/since")) >= micros(&until), "{campaign}");
    world.wait_for_writes(ID, &[PAUSE, ACTIVATION].concat());
    assert_eq!(world.database.journal(ID)[0].step, "confirmed");
}

#[test]
fn an_action_in_flight_at_a_power_cut_is_read_back_and_not_repeated() {
    let config = Config::default().generator("cooldown", "10m").set("trafficstar", "confirm_within", "20s");
    let mut world = World::configured(config);
    for operation in [Operation::Run, Operation::Pause] {
        let slow = FaultKind::DelayBeforeAnswer(Duration::from_secs(5));
        world.sandbox.inject(Fault::always(slow).on(operation).times(1));
    }
    let (to_run, to_pause) = (995_001, 995_002);
    world.add(CampaignSpec::paused(to_run), 20_000);
    world.add(CampaignSpec::running(to_pause), 1_000);
    for (id, write) in [(to_run, Write::Run), (to_pause, Write::Pause)] {
        let is_sent = |world: &mut World| world.writes(id).contains(&write);
        world.wait_for("the request", |world| if is_sent(world) { Ok(()) } else { Err(String::new()) });
    }
    world.guard.kill();
    assert_eq!(world.database.journal(to_run)[0].step, "requested");
    assert_eq!(world.database.journal(to_pause)[0].step, "requested");

    world.start();
    world.expect_all(&[
        (to_run, "to run", Outcome::new("active-guarded", &ACTIVATION, &[RUN])),
        (to_pause, "to be paused", Outcome::new("cooling-down", &PAUSE, &[PAUSED])),
    ]);
}

#[test]
fn an_activation_that_was_interrupted_leaves_a_stopped_campaign_and_is_sent_again_later() {
    let mut world = World::new();
    let slow = FaultKind::DelayBeforeAnswer(Duration::from_secs(60));
    world.sandbox.inject(Fault::always(slow).on(Operation::Edit).times(1));
    world.add(CampaignSpec::paused(ID), 20_000);
    world.wait_for_writes(ID, &[Write::EndAtDayEnd]);
    world.guard.kill();
    world.start();
    assert_eq!(world.wait_for_step(ID, "failed").state(), "active-guarded");
    assert!(!world.sandbox.is_running(ID));
    // A changed status ends the backoff.
    world.sandbox.interfere(ID, Interference::SetStatus("enabled".to_owned())).unwrap();
    world.wait_for_writes(ID, &ACTIVATION);
    world.wait_for_step(ID, "confirmed");
}

#[test]
fn an_orderly_end_waits_for_the_action_in_flight() {
    let mut world = World::configured(Config::default().generator("cooldown", "10m"));
    let slow = FaultKind::DelayBeforeAnswer(Duration::from_secs(2));
    world.sandbox.inject(Fault::always(slow).on(Operation::Pause));
    world.add(CampaignSpec::running(ID), 1_000);
    world.wait_for_writes(ID, &[Write::Pause]);
    world.guard.stop();
    assert_eq!(world.writes(ID), PAUSE);
    assert_eq!(world.database.journal(ID)[0].step, "accepted");
}

#[test]
fn a_second_guard_on_the_same_database_is_refused() {
    let world = World::new();
    world.refused(&["run"], 1, &[]);
}
