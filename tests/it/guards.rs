//! Guarding a promise: the guard undoes another program's start or stop at the next tick. Many of these make a campaign
//! contested.

use chrono::{Duration, Utc};
use sandbox::{CampaignSpec, Fault, FaultKind, Interference, Operation};

use crate::helper::{ACTIVATION, Config, Outcome, PAUSE, World};

const ID: i64 = 995_224;

/// Returns the number of reads of the campaign between the request `after` and the next request that changes the
/// campaign.
fn reads_before_the_next_write(world: &World, after: u64) -> usize {
    let later = world.sandbox.requests_after(after);
    let before = later.iter().take_while(|request| !request.operation.is_change());
    before.filter(|request| request.operation == Operation::Campaign).count()
}

fn last_request(world: &World) -> u64 {
    world.sandbox.requests().last().map_or(0, |request| request.sequence)
}

/// Returns the number of ticks that were lost because a request was too late to be sent.
fn lost_ticks(world: &mut World) -> usize {
    world.database.unmerged_journal(ID).len() - world.database.journal(ID).len()
}

#[test]
fn a_foreign_stop_is_undone_by_the_first_read_that_shows_it() {
    let mut world = World::new();
    world.add(CampaignSpec::paused(ID), 20_000);
    let activated = "activate by tick: confirmed, idle → active-guarded";
    world.expect(ID, &Outcome::new("active-guarded", &ACTIVATION, &[activated]));
    let lost = lost_ticks(&mut world);

    let before = last_request(&world);
    world.sandbox.interfere(ID, Interference::Stop).unwrap();
    let undone = "activate by guard: confirmed, active-guarded → active-guarded";
    let twice = [ACTIVATION, ACTIVATION].concat();
    world.expect(ID, &Outcome::new("active-guarded", &twice, &[activated, undone]));
    assert!(world.sandbox.is_running(ID));
    let reads = reads_before_the_next_write(&world, before);
    assert!(reads <= 2 + lost_ticks(&mut world) - lost, "{reads} reads came before the stop was undone");
}

#[test]
fn a_foreign_start_is_undone_by_the_first_read_that_shows_it() {
    let mut world = World::new();
    world.add(CampaignSpec::paused(ID), 10_000);
    world.wait_until(ID, "a first tick", |campaign| campaign.ticks() > 0);
    world.database.set_remaining_clicks(ID, 5_000);
    world.expect(ID, &Outcome::new("paused-guarded", &[], &[]));
    world.database.set_remaining_clicks(ID, 14_999);

    let before = last_request(&world);
    world.sandbox.interfere(ID, Interference::Start).unwrap();
    let undone = "pause by guard: confirmed, paused-guarded → cooling-down";
    world.wait_for_writes(ID, &PAUSE);
    let reads = reads_before_the_next_write(&world, before);
    assert!(reads <= 2, "{reads} reads came before the start was undone");
    world.expect(ID, &Outcome::new("paused-guarded", &PAUSE, &[undone]));
    assert!(!world.sandbox.is_running(ID));
}

#[test]
fn after_more_than_six_foreign_changes_a_campaign_is_contested_and_still_guarded() {
    let mut world = World::new();
    world.add_guarded(ID);
    for round in 1..=7 {
        world.sandbox.interfere(ID, Interference::Stop).unwrap();
        let undone = ACTIVATION.repeat(round);
        world.wait_for_writes(ID, &undone);
        let campaign = world.wait_for_step(ID, "confirmed");
        assert_eq!(campaign.text("/contested"), (round > 6).to_string(), "after {round} foreign changes: {campaign}");
    }
    assert_eq!(world.writes(ID), ACTIVATION.repeat(7));
    world.let_ticks_pass(3);
    assert_eq!(world.guard.log().matches("contested: others change it again and again").count(), 1);
}

#[test]
fn the_effect_of_the_guards_own_end_time_is_not_taken_for_interference() {
    // The tick is long enough for the run to follow its end time, even on a busy machine.
    let mut world = World::configured(Config::default().generator("contested_after", 0).generator("tick", "1s"));
    // The campaign still shows `active: true` after its end time, so that a later end time alone starts it. Then the
    // run fails, although the campaign runs.
    world.sandbox.inject(Fault::always(FaultKind::FailedInside200).on(Operation::Run));
    let soon = (Utc::now() + Duration::seconds(4)).format("%Y-%m-%d %H:%M:%S").to_string();
    world.add(CampaignSpec { schedule_end_time: Some(soon), ..CampaignSpec::running(ID) }, 20_000);
    world.wait_for_state(ID, "active-guarded");
    world.wait_for_writes(ID, &ACTIVATION);
    world.let_ticks_pass(2);
    assert!(world.sandbox.is_running(ID));
    assert!(!world.guard.log().contains("somebody else"), "no other program did anything");
    assert_eq!(world.campaign(ID).text("/contested"), "false");
}
