//! Reads that fail. In doubt the guard neither starts nor stops a campaign. It still does what the known facts allow.

use sandbox::{Amount, CampaignSpec, Fault, Interference, Operation, Options, Sandbox};

use super::{Failure, config, try_each};
use crate::helper::{ACTIVATION, PAUSE, World};

const ID: i64 = 995_001;

/// Starts a world with this number of campaigns that run and are kept running.
fn guarding(campaigns: i64) -> World {
    let mut world = World::configured(config());
    world.add_many_guarded(ID..ID + campaigns);
    world
}

/// Lets these reads fail, and lets somebody else stop a campaign meanwhile. Checks that the guard acts only when it can
/// read the campaign again.
fn check_stop_during_failing_reads(world: &mut World, reads: &[Operation], failure: &Failure) {
    let Failure { name, kind, words, .. } = failure;
    let before = world.writes(ID);
    let faults: Vec<_> = reads.iter().map(|read| world.sandbox.inject(Fault::always(kind.clone()).on(*read))).collect();
    world.wait_until(ID, name, |campaign| campaign.text("/last_error").contains(words));
    assert!(world.guard.log().contains(words), "{name}");
    world.sandbox.interfere(ID, Interference::Stop).unwrap();
    world.let_ticks_pass(1);
    assert_eq!(world.campaign(ID).text("/observed/status"), "unknown", "{name}");
    assert_eq!((world.campaign(ID).state(), world.writes(ID)), ("active-guarded".to_owned(), before.clone()), "{name}");

    for fault in faults {
        world.sandbox.remove_fault(fault);
    }
    world.wait_for_writes(ID, &[before, ACTIVATION.to_vec()].concat());
    world.wait_until(ID, name, |campaign| {
        campaign.text("/last_error").is_empty() && campaign.text("/action/step") == "confirmed"
    });
    assert!(world.sandbox.is_running(ID), "{name}");
}

#[test]
fn while_a_campaign_cannot_be_read_the_guard_does_not_touch_it() {
    try_each(
        || guarding(1),
        |world, _, failure| check_stop_during_failing_reads(world, &[Operation::Campaign], failure),
    );
}

#[test]
fn while_the_list_cannot_be_read_the_guard_does_not_touch_its_campaigns() {
    try_each(
        || guarding(3),
        |world, _, failure| {
            check_stop_during_failing_reads(world, &[Operation::Campaign, Operation::Campaigns], failure);
            let sweeps = world.sandbox.count(Operation::Campaigns);
            assert!(sweeps > 0, "three campaigns on one page are read by one request");
        },
    );
}

#[test]
fn while_the_report_cannot_be_read_pauses_are_sent_and_nothing_is_run() {
    let spent_in_report_only = |spec: CampaignSpec| spec.spent(Amount::cents(123)).with_field("spent_today", None);
    try_each(
        || World::configured(config()),
        |world, number, Failure { name, kind, words, .. }| {
            let (to_pause, to_run) = (ID + 2 * number, ID + 2 * number + 1);
            let fault = world.sandbox.inject(Fault::always(kind.clone()).on(Operation::ReportByCampaign));
            world.add(spent_in_report_only(CampaignSpec::running(to_pause)), 1_000);
            world.add(spent_in_report_only(CampaignSpec::paused(to_run)), 20_000);
            world.wait_for_writes(to_pause, &PAUSE);
            world.wait_until(to_run, name, |campaign| campaign.text("/last_error").contains(words));
            world.let_ticks_pass(1);
            let campaign = world.campaign(to_run);
            assert_eq!((campaign.text("/observed/spend"), world.writes(to_run)), (String::new(), vec![]), "{name}");

            world.sandbox.remove_fault(fault);
            world.wait_for_writes(to_run, &ACTIVATION);
            world.wait_until(to_run, name, |campaign| campaign.text("/observed/spend") == "1.23");
        },
    );
}

#[test]
fn an_operators_pause_is_sent_even_if_nothing_can_be_read() {
    let mut world = guarding(2);
    world.let_reads_fail();
    world.sandbox.inject(Fault::status(503).on(Operation::ReportByCampaign));
    world.wait_until(ID, "unknown", |campaign| campaign.text("/observed/status") == "unknown");
    let row = world.database.row_id(ID).to_string();
    let _forced = world.guard.begin(&["process", &row, "--force", "pause"]);
    world.wait_for_writes(ID, &PAUSE);
    assert!(!world.sandbox.is_running(ID) && world.sandbox.is_running(ID + 1));
    let _all = world.guard.begin(&["pause-all", "--reason", "nothing can be read"]);
    world.wait_for_a_pause(ID + 1);
}

#[test]
fn an_outage_of_trafficstars_changes_no_promise_and_guarding_continues_after_it() {
    let mut world = guarding(1);
    let port = world.sandbox.base_url().rsplit(':').next().unwrap().parse().unwrap();
    // The sandbox that replaces it listens on another port, which the guard does not know.
    let elsewhere = Sandbox::start_in_thread(Options::default()).unwrap();
    drop(std::mem::replace(&mut world.sandbox, elsewhere));
    world.wait_until(ID, "no connection", |campaign| {
        campaign.text("/last_error").contains("the connection to TrafficStars could not be made")
    });
    assert_eq!(world.campaign(ID).state(), "active-guarded");

    // The new sandbox does not know the token, and the campaign is stopped there.
    let back = Sandbox::start_in_thread(Options { port, requests_per_minute: 1_000_000, ..Options::default() });
    world.sandbox = back.unwrap();
    world.sandbox.add_campaign(CampaignSpec::paused(ID));
    world.wait_for_writes(ID, &ACTIVATION);
    world.wait_until(ID, "no error", |campaign| campaign.text("/last_error").is_empty());
}
