//! 429: everything waits until its time has come, and pauses go first then.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sandbox::{CampaignSpec, Fault, FaultKind, Operation, RequestRecord, RetryAfter};

use super::config;
use crate::helper::{Outcome, World, Write, in_parallel};

const ID: i64 = 995_001;
/// So many are guarded, each on another page of the list: each is read by itself, all at once.
const GUARDED: usize = 16;
const WAIT: Duration = Duration::from_secs(4);
/// Longer than a request needs from the guard to the sandbox.
const ON_THE_WAY: Duration = Duration::from_secs(1);

fn guarded() -> impl Iterator<Item = i64> + Clone {
    (ID..).step_by(15).take(GUARDED)
}

fn guarding_some_of_many() -> World {
    let mut world = World::configured(config());
    (ID..ID + 300).for_each(|id| world.sandbox.add_campaign(CampaignSpec::running(id)));
    world.add_many_guarded(guarded());
    world
}

/// The next report, with which a tick ends, is answered with 429: it is the only request under way. Answers with it.
fn too_many(world: &mut World, form: RetryAfter) -> RequestRecord {
    let refusal = Fault::always(FaultKind::TooManyRequests { wait: WAIT, form });
    world.sandbox.inject(refusal.on(Operation::ReportByCampaign).times(1));
    world.wait_for("the guard to be told to wait", |world| {
        let told = world.guard.state()["trafficstar"]["blocked_until"].clone();
        if told.is_string() { Ok(()) } else { Err(format!("blocked_until is {told}")) }
    });
    let requests = world.sandbox.requests();
    requests.into_iter().find(|request| request.status == Some(429)).unwrap()
}

/// The requests after it, but for those that were on their way when it was answered.
fn after(world: &World, refused: &RequestRecord) -> Vec<RequestRecord> {
    let mut requests = world.sandbox.requests_after(refused.sequence);
    requests.retain(|request| request.received_at > refused.received_at + ON_THE_WAY);
    requests
}

#[test]
fn nothing_is_sent_before_the_time_that_a_429_names_and_pauses_go_first_then() {
    in_parallel([RetryAfter::Seconds, RetryAfter::HttpDate], |form| {
        let mut world = guarding_some_of_many();
        let refused = too_many(&mut world, form);
        // The reads of the next ticks wait already when the pauses are ordered.
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
        let sent = world.wait_for("the first requests after the silence", |world| {
            let sent = after(world, &refused);
            if sent.len() >= half { Ok(sent) } else { Err(format!("{sent:?}")) }
        });
        let silence = (sent[0].received_at - refused.received_at).to_std().unwrap();
        assert!(silence >= WAIT, "{form:?}: {:?} came after {silence:?}", sent[0]);
        assert!(silence < WAIT + Duration::from_secs(5), "{form:?}: {:?} came after {silence:?}", sent[0]);
        // Many arrive within a millisecond, on connections of their own, and not quite in the order in which they left.
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
fn a_429_that_names_no_time_is_heeded_for_a_whole_minute() {
    let mut world = guarding_some_of_many();
    let refused = too_many(&mut world, RetryAfter::Missing);
    let waited = TimeDelta::seconds(3);
    world.wait_for("some ticks without a request", |world| {
        let now: DateTime<Utc> = world.guard.state()["captured_at"].as_str().unwrap().parse().unwrap();
        if now > refused.received_at + waited { Ok(()) } else { Err(now.to_string()) }
    });
    assert_eq!(after(&world, &refused), []);
    let blocked_until = world.guard.state()["trafficstar"]["blocked_until"].as_str().unwrap().to_owned();
    let blocked_until: DateTime<Utc> = blocked_until.parse().unwrap();
    let silence = (blocked_until - refused.received_at).num_seconds();
    assert!((58..=65).contains(&silence), "{silence} seconds of silence");
}

#[test]
fn a_pause_that_was_one_too_many_goes_out_when_its_time_has_come() {
    let mut world = World::configured(config());
    let wait = Duration::from_secs(2);
    let refusal = FaultKind::TooManyRequests { wait, form: RetryAfter::Seconds };
    world.sandbox.inject(Fault::always(refusal).on(Operation::Pause).times(1));
    world.add(CampaignSpec::running(ID), 1_000);
    // It was never heard of, so that it is one attempt.
    let paused = ["pause by tick: confirmed, idle → cooling-down"];
    world.expect(ID, &Outcome::new("cooling-down", &[Write::Pause, Write::Pause, Write::EndNow], &paused));
    let requests = world.sandbox.requests();
    let refused = requests.iter().find(|request| request.status == Some(429)).unwrap();
    let next = &after(&world, refused)[0];
    let silence = (next.received_at - refused.received_at).to_std().unwrap();
    assert!(silence >= wait, "{next:?} came after {silence:?}");
    let repeated = requests.iter().filter(|request| request.operation == Operation::Pause).nth(1).unwrap();
    assert!(repeated.received_at >= refused.received_at + wait, "{repeated:?}");
}
