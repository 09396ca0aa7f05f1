//! Answers of TrafficStars that are late, or that never come because a connection hangs. A tick ends without them, and
//! decides by the clicks that it reads last.

use std::time::Duration;

use sandbox::{CampaignSpec, Fault, FaultKind, Operation, RequestRecord};

use crate::helper::{Config, World, assert_says};

const IDS: std::ops::RangeInclusive<i64> = 995_001..=995_040;
/// The campaign whose report is requested last.
const LAST: i64 = 995_040;

/// Returns the campaign without `spent_today`, so that only reports show its spend.
fn spent_in_reports_only(spec: CampaignSpec) -> CampaignSpec {
    spec.with_field("spent_today", None)
}

fn first(requests: &[RequestRecord], operation: Operation, id: i64) -> Option<u64> {
    let is_it = |one: &&RequestRecord| one.operation == operation && one.campaign_ids.contains(&id);
    requests.iter().find(is_it).map(|one| one.sequence)
}

#[test]
fn a_pause_does_not_wait_for_a_late_report() {
    let config = Config::default()
        .set("trafficstar", "requests_per_minute", 30)
        .set("trafficstar", "timeout", "2s")
        .generator("tick", "5s");
    let mut world = World::configured(config);
    // Each campaign needs a report of its own, and the request limit is too low for all of them.
    world.sandbox.inject(Fault::status(404).on(Operation::ReportByCampaign));
    for id in IDS {
        world.add(spent_in_reports_only(CampaignSpec::running(id)), 20_000);
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
fn a_common_report_that_is_missing_for_a_moment_is_not_replaced_by_reports_of_single_campaigns() {
    let mut world = World::new();
    for id in IDS.take(5) {
        world.add(spent_in_reports_only(CampaignSpec::running(id)), 20_000);
        world.wait_for_state(id, "active-guarded");
    }
    let fault = world.sandbox.inject(Fault::status(404).on(Operation::ReportByCampaign));
    let before = world.sandbox.count(Operation::ReportByCampaign);
    world.wait_for("the report to be missed twice", |world| {
        let count = world.sandbox.count(Operation::ReportByCampaign);
        if count >= before + 2 { Ok(()) } else { Err(format!("{count} instead of {before} and 2")) }
    });
    world.sandbox.remove_fault(fault);
    assert_eq!(world.sandbox.count(Operation::ReportByDay), 0);
}

#[test]
fn an_activation_is_decided_by_clicks_that_were_read_last() {
    let mut world = World::configured(Config::default().generator("tick", "4s"));
    let slow = FaultKind::DelayBeforeAnswer(Duration::from_secs(2));
    world.sandbox.inject(Fault::always(slow).on(Operation::ReportByCampaign));
    world.add(spent_in_reports_only(CampaignSpec::paused(LAST)), 50_000);
    world.wait_for("the report to be asked for", |world| {
        if world.sandbox.count(Operation::ReportByCampaign) > 0 { Ok(()) } else { Err(String::new()) }
    });
    world.database.execute("UPDATE urls SET click_limit = clicks");
    world.wait_for_state(LAST, "paused-guarded");
    assert_eq!(world.writes(LAST), [], "it was activated on clicks that were gone");
}

/// The server prefers HTTP/2, where all requests would share one connection, and it never answers there.
#[test]
fn a_pause_is_sent_by_another_connection_if_one_hangs() {
    let (mut world, front) = World::behind_tls(Config::default().set("trafficstar", "timeout", "2s"));
    world.add_guarded(LAST);
    front.hang();
    world.database.execute("UPDATE urls SET click_limit = clicks");
    world.wait_for_stop(LAST);
    assert_says(&world.guard.log(), &["did not answer in time"]);
}
