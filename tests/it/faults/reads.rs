//! Reads that fail: nothing is started or stopped on doubt, and what the facts allow is done all the same.

use sandbox::{Amount, CampaignSpec, Fault, Interference, Operation, Options, Sandbox};

use super::{Failure, config, try_each};
use crate::helper::{ACTIVATION, PAUSE, World};

const ID: i64 = 995_001;

/// A world with so many campaigns that run and are kept running.
fn guarding(campaigns: i64) -> World {
    let mut world = World::configured(config());
    world.add_many_guarded(ID..ID + campaigns);
    world
}

/// Somebody stops a campaign while these reads fail.
fn stopped_unseen(world: &mut World, reads: &[Operation], failure: &Failure) {
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
fn while_a_campaign_cannot_be_read_nothing_is_done_with_it() {
    try_each(|| guarding(1), |world, _, failure| stopped_unseen(world, &[Operation::Campaign], failure));
}

#[test]
fn while_the_list_cannot_be_read_nothing_is_done_with_its_campaigns() {
    try_each(
        || guarding(3),
        |world, _, failure| {
            stopped_unseen(world, &[Operation::Campaign, Operation::Campaigns], failure);
            let sweeps = world.sandbox.count(Operation::Campaigns);
            assert!(sweeps > 0, "three campaigns on one page are read by one request");
        },
    );
}

#[test]
fn while_the_report_cannot_be_read_pauses_arrive_and_nothing_is_run() {
    let told_by_report = |spec: CampaignSpec| spec.spent(Amount::cents(123)).with_field("spent_today", None);
    try_each(
        || World::configured(config()),
        |world, number, Failure { name, kind, words, .. }| {
            let (to_pause, to_run) = (ID + 2 * number, ID + 2 * number + 1);
            let fault = world.sandbox.inject(Fault::always(kind.clone()).on(Operation::ReportByCampaign));
            world.add(told_by_report(CampaignSpec::running(to_pause)), 1_000);
            world.add(told_by_report(CampaignSpec::paused(to_run)), 20_000);
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
fn an_operators_pause_arrives_though_nothing_can_be_read() {
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
fn while_trafficstars_is_away_nothing_is_promised_otherwise_and_all_goes_on_when_it_is_back() {
    let mut world = guarding(1);
    let port = world.sandbox.base_url().rsplit(':').next().unwrap().parse().unwrap();
    // What stands in for it listens elsewhere, where nobody looks.
    let elsewhere = Sandbox::start_in_thread(Options::default()).unwrap();
    drop(std::mem::replace(&mut world.sandbox, elsewhere));
    world.wait_until(ID, "no connection", |campaign| {
        campaign.text("/last_error").contains("the connection to TrafficStars could not be made")
    });
    assert_eq!(world.campaign(ID).state(), "active-guarded");

    // It has forgotten the token, too, and somebody has stopped the campaign.
    let back = Sandbox::start_in_thread(Options { port, requests_per_minute: 1_000_000, ..Options::default() });
    world.sandbox = back.unwrap();
    world.sandbox.add_campaign(CampaignSpec::paused(ID));
    world.wait_for_writes(ID, &ACTIVATION);
    world.wait_until(ID, "no error", |campaign| campaign.text("/last_error").is_empty());
}
