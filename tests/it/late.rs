//! What comes late from TrafficStars, or never, on a connection that hangs: a tick ends without it, and decides on clicks
//! that are read last.

use std::time::Duration;

use sandbox::{CampaignSpec, Fault, FaultKind, Operation, RequestRecord};

use crate::helper::{Config, World, assert_says};

/// The last of them in the order in which their reports are asked for.
const IDS: std::ops::RangeInclusive<i64> = 995_001..=995_040;
const LAST: i64 = 995_040;

/// Spend that the campaign object does not tell.
fn told_by_reports(spec: CampaignSpec) -> CampaignSpec {
    spec.with_field("spent_today", None)
}

fn first(requests: &[RequestRecord], operation: Operation, id: i64) -> Option<u64> {
    let is_it = |one: &&RequestRecord| one.operation == operation && one.campaign_ids.contains(&id);
    requests.iter().find(is_it).map(|one| one.sequence)
}

#[test]
fn a_pause_waits_for_no_report_whose_turn_is_long_in_coming() {
    let config = Config::default()
        .set("trafficstar", "requests_per_minute", 30)
        .set("trafficstar", "timeout", "2s")
        .generator("tick", "5s");
    let mut world = World::configured(config);
    // Each campaign has a report of its own, and the limit does not reach for all of them.
    world.sandbox.inject(Fault::status(404).on(Operation::ReportByCampaign));
    for id in IDS {
        world.add(told_by_reports(CampaignSpec::running(id)), 20_000);
    }
    world.wait_until(LAST, "its tick to begin", |campaign| campaign.text("/actor/handling/what") == "tick");
    world.database.set_remaining_clicks(LAST, 0);
    world.wait_for_stop(LAST);
    let requests = world.sandbox.requests();
    let paused = first(&requests, Operation::Pause, LAST).unwrap();
    let reported = first(&requests, Operation::ReportByDay, LAST).unwrap_or(u64::MAX);
    assert!(paused < reported, "paused by request {paused}, and its report is request {reported}");
}

#[test]
fn a_report_of_all_that_is_missing_for_a_moment_is_not_replaced_by_one_for_each() {
    let mut world = World::new();
    for id in IDS.take(5) {
        world.add(told_by_reports(CampaignSpec::running(id)), 20_000);
        world.wait_for_state(id, "active-guarded");
    }
    let fault = world.sandbox.inject(Fault::status(404).on(Operation::ReportByCampaign));
    let before = world.sandbox.count(Operation::ReportByCampaign);
    world.wait_for("the report to be missed twice", |world| {
        let asked = world.sandbox.count(Operation::ReportByCampaign);
        if asked >= before + 2 { Ok(()) } else { Err(format!("{asked} instead of {before} and 2")) }
    });
    world.sandbox.remove_fault(fault);
    assert_eq!(world.sandbox.count(Operation::ReportByDay), 0);
}

#[test]
fn an_activation_is_decided_on_clicks_that_were_read_after_everything_else() {
    let mut world = World::configured(Config::default().generator("tick", "4s"));
    let slow = FaultKind::DelayBeforeAnswer(Duration::from_secs(2));
    world.sandbox.inject(Fault::always(slow).on(Operation::ReportByCampaign));
    world.add(told_by_reports(CampaignSpec::paused(LAST)), 50_000);
    world.wait_for("the report to be asked for", |world| {
        if world.sandbox.count(Operation::ReportByCampaign) > 0 { Ok(()) } else { Err(String::new()) }
    });
    world.database.execute("UPDATE urls SET click_limit = clicks");
    world.wait_for_state(LAST, "paused-guarded");
    assert_eq!(world.writes(LAST), [], "it was activated on clicks that were gone");
}

/// The server would rather speak HTTP/2, where all requests share one connection, and never answers there.
#[test]
fn a_connection_that_hangs_is_left_and_a_needed_pause_leaves_by_another_one() {
    let (mut world, front) = World::behind_tls(Config::default().set("trafficstar", "timeout", "2s"));
    world.add_guarded(LAST);
    front.hang();
    world.database.execute("UPDATE urls SET click_limit = clicks");
    world.wait_for_stop(LAST);
    assert_says(&world.guard.log(), &["did not answer in time"]);
}
