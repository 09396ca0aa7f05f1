//! Answers with 429: all requests wait until the time that the answer names, and pauses are sent first then.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sandbox::{CampaignSpec, Fault, FaultKind, Operation, RequestRecord, RetryAfter};

use super::config;
use crate::helper::{Outcome, World, Write, in_parallel};

const ID: i64 = 995_001;
/// The number of guarded campaigns. Each is on another page of the list, so that the guard reads each of them by
/// itself, all at once.
const GUARDED: usize = 16;
const WAIT: Duration = Duration::from_secs(4);
/// Longer than a request needs from the guard to the sandbox.
const TRANSIT: Duration = Duration::from_secs(1);

fn guarded() -> impl Iterator<Item = i64> + Clone {
    (ID..).step_by(15).take(GUARDED)
}

fn guarding_some_of_many() -> World {
    let mut world = World::configured(config());
    (ID..ID + 300).for_each(|id| world.sandbox.add_campaign(CampaignSpec::running(id)));
    world.add_many_guarded(guarded());
    world
}

/// Lets the sandbox answer the next report with 429, and returns that request. A tick ends with the report, so it is
/// the only request in flight.
fn answer_the_next_report_with_429(world: &mut World, form: RetryAfter) -> RequestRecord {
    let refusal = Fault::always(FaultKind::TooManyRequests { wait: WAIT, form });
    world.sandbox.inject(refusal.on(Operation::ReportByCampaign).times(1));
    world.wait_for("the guard to be blocked", |world| {
        let blocked_until = world.guard.state()["trafficstar"]["blocked_until"].clone();
        if blocked_until.is_string() { Ok(()) } else { Err(format!("blocked_until is {blocked_until}")) }
    });
    let requests = world.sandbox.requests();
    requests.into_iter().find(|request| request.status == Some(429)).unwrap()
}

/// Returns the requests after `refused`, without those that were in flight when it was answered.
fn after(world: &World, refused: &RequestRecord) -> Vec<RequestRecord> {
    let mut requests = world.sandbox.requests_after(refused.sequence);
    requests.retain(|request| request.received_at > refused.received_at + TRANSIT);
    requests
}

#[test]
fn after_a_429_nothing_is_sent_before_the_time_that_it_names_and_then_pauses_go_first() {
    in_parallel([RetryAfter::Seconds, RetryAfter::HttpDate], |form| {
        let mut world = guarding_some_of_many();
        let refused = answer_the_next_report_with_429(&mut world, form);
        // The reads of the next ticks already wait when the pauses are ordered.
        world.wait_for("reads that wait", |world| {
            let reading = world.guard.state()["trafficstar"]["reading"].clone();
            if reading["waiting"].as_u64() >= Some(4) { Ok(()) } else { Err(reading.to_string()) }
        });
        let _order = world.guard.begin(&["pause-all", "--reason", "a test"]);
        world.wait_for("pauses that wait behind the reads of the ticks before", |world| {
            let requested = world.guard.log().matches("pause requested").count();
            if requested == GUARDED { Ok(()) } else { Err(format!("{requested} are requested")) }
        });
        assert_eq!(after(&world, &refused), []);
        assert!(world.guard.log().contains("too many requests were sent (429)"));
        let half = GUARDED / 2;
        let sent = world.wait_for("the first requests after the block", |world| {
            let sent = after(world, &refused);
            if sent.len() >= half { Ok(sent) } else { Err(format!("{sent:?}")) }
        });
        let blocked_for = (sent[0].received_at - refused.received_at).to_std().unwrap();
        assert!(blocked_for >= WAIT, "{form:?}: {:?} came after {blocked_for:?}", sent[0]);
        assert!(blocked_for < WAIT + Duration::from_secs(5), "{form:?}: {:?} came after {blocked_for:?}", sent[0]);
        // Many requests arrive within a millisecond, on different connections, and not quite in the order of sending.
        let mut first_half = sent.iter().take(half);
        let pause = first_half.any(|request| request.operation == Operation::Pause);
        assert!(pause, "{form:?}: the pause goes before the reads that waited longer: {sent:?}");
        for id in guarded() {
            world.wait_until(id, "paused", |campaign| campaign.state() == "cooling-down");
            world.wait_until(id, "no error", |campaign| campaign.text("/last_error").is_empty());
        }
    });
}

#[test]
fn a_429_that_names_no_time_blocks_requests_for_a_minute() {
    let mut world = guarding_some_of_many();
    let refused = answer_the_next_report_with_429(&mut world, RetryAfter::Missing);
    let waited = TimeDelta::seconds(3);
    world.wait_for("some ticks without a request", |world| {
        let now: DateTime<Utc> = world.guard.state()["captured_at"].as_str().unwrap().parse().unwrap();
        if now > refused.received_at + waited { Ok(()) } else { Err(now.to_string()) }
    });
    assert_eq!(after(&world, &refused), []);
    let blocked_until = world.guard.state()["trafficstar"]["blocked_until"].as_str().unwrap().to_owned();
    let blocked_until: DateTime<Utc> = blocked_until.parse().unwrap();
    let blocked_for = (blocked_until - refused.received_at).num_seconds();
    assert!((58..=65).contains(&blocked_for), "{blocked_for} seconds");
}

#[test]
fn a_pause_that_was_answered_with_429_is_sent_again_after_the_wait() {
    let mut world = World::configured(config());
    let wait = Duration::from_secs(2);
    let refusal = FaultKind::TooManyRequests { wait, form: RetryAfter::Seconds };
    world.sandbox.inject(Fault::always(refusal).on(Operation::Pause).times(1));
    world.add(CampaignSpec::running(ID), 1_000);
    // TrafficStars did not process the refused pause, so both requests are one attempt in the journal.
    let paused = ["pause by tick: confirmed, idle → cooling-down"];
    world.expect(ID, &Outcome::new("cooling-down", &[Write::Pause, Write::Pause, Write::EndNow], &paused));
    let requests = world.sandbox.requests();
    let refused = requests.iter().find(|request| request.status == Some(429)).unwrap();
    let next = &after(&world, refused)[0];
    let blocked_for = (next.received_at - refused.received_at).to_std().unwrap();
    assert!(blocked_for >= wait, "{next:?} came after {blocked_for:?}");
    let repeated = requests.iter().filter(|request| request.operation == Operation::Pause).nth(1).unwrap();
    assert!(repeated.received_at >= refused.received_at + wait, "{repeated:?}");
}
