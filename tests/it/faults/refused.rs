//! One id among many that TrafficStars refuses, and with it the whole request: the others fare as if it were not there.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use sandbox::{CampaignSpec, Fault, FaultKind, Operation, RequestRecord};

use super::config;
use crate::helper::{World, in_parallel};

const IDS: [i64; 6] = [1001, 1002, 1003, 1004, 1005, 1006];
const REFUSED: i64 = 1004;
/// Long enough for all that follows from one refusal, on a machine with much to do.
const TICK: &str = "6s";
/// Neither enough clicks to run nor so few that it is paused.
const BETWEEN: i64 = 9_000;
/// Statuses that refuse a request as a whole.
const REFUSALS: [u16; 5] = [422, 403, 409, 400, 500];

fn others() -> impl Iterator<Item = i64> {
    IDS.into_iter().filter(|id| *id != REFUSED)
}

/// A world whose six campaigns come to have so many clicks at one moment: the next tick decides on all of them.
fn world(spec: fn(i64) -> CampaignSpec, clicks: i64, prepare: impl FnOnce(&World)) -> World {
    let mut world = World::configured(config().generator("tick", TICK));
    prepare(&world);
    for id in IDS {
        world.sandbox.add_campaign(spec(id));
        world.database.add_campaign(id, BETWEEN);
    }
    world.database.execute("UPDATE campaigns SET generator_enabled = 1");
    for id in IDS {
        world.wait_until(id, "read", |campaign| !campaign.text("/observed/remaining_clicks").is_empty());
    }
    world.database.execute(&format!("UPDATE urls SET click_limit = clicks + {clicks}"));
    world
}

/// Refuses every request of these operations that names 1004.
fn refuse(world: &World, code: u16, operations: &[Operation]) {
    let kind = FaultKind::Status { code, body: format!(r#"{{"detail": "not this one", "status": {code}}}"#) };
    for operation in operations {
        world.sandbox.inject(Fault::always(kind.clone()).on(*operation).campaign(REFUSED));
    }
}

/// What was sent to switch campaigns together.
fn switches(world: &World, operation: Operation) -> Vec<RequestRecord> {
    world.sandbox.requests().into_iter().filter(|one| one.operation == operation).collect()
}

/// Waits until the action of each of the others is confirmed, and answers with the requests to that end. All of them came
/// within one tick.
fn all_others_are_done(world: &mut World, operation: Operation) -> Vec<RequestRecord> {
    for id in others() {
        world.wait_until(id, "done", |campaign| campaign.text("/action/step") == "confirmed");
    }
    let sent = switches(world, operation);
    let of_others = sent.iter().filter(|one| one.status == Some(200));
    let last = of_others.map(|one| one.received_at).max().unwrap();
    let within = last - sent[0].received_at;
    assert!(within.num_seconds() < 6, "within {within}");
    sent.into_iter().filter(|one| one.received_at <= last).collect()
}

/// Waits until the journal says what became of 1004 first.
fn refusal(world: &mut World) -> String {
    world.wait_for("the refusal", |world| {
        let entries = world.database.journal(REFUSED);
        let failed = entries.iter().find(|entry| entry.step == "failed").ok_or_else(|| format!("{entries:?}"))?;
        failed.error.clone().ok_or_else(|| format!("{failed:?}"))
    })
}

fn assert_says(error: &str, code: u16) {
    let says = match code {
        500 => error.contains("(500)"),
        code => error.contains(&format!("rejects the request ({code}): `{{\"detail\":\"not this one\"")),
    };
    assert!(says, "{code}: {error}");
}

#[test]
fn a_pause_that_is_refused_for_one_id_pauses_the_others_within_the_same_tick() {
    let spoiled = AtomicUsize::new(0);
    in_parallel(REFUSALS, |code| {
        let mut world = world(CampaignSpec::running, 1_000, |world| {
            refuse(world, code, &[Operation::Pause, Operation::Edit]);
        });
        let sent = all_others_are_done(&mut world, Operation::Pause);
        let named: Vec<usize> = sent.iter().map(|one| one.campaign_ids.len()).collect();
        let spoils = |one: &&RequestRecord| one.campaign_ids.len() > 1 && one.campaign_ids.contains(&REFUSED);
        spoiled.fetch_add(sent.iter().filter(spoils).count(), Relaxed);
        assert!(sent.len() <= 10, "{code}: halves, a single one, its neighbours, and the other way: {named:?}");

        assert_says(&refusal(&mut world), code);
        for id in others() {
            assert_eq!(world.database.journal(id).len(), 1, "{code}: {id} was paused at once");
            assert!(!world.sandbox.is_running(id));
        }
        assert!(world.sandbox.is_running(REFUSED));
        let endpoints = world.guard.state()["trafficstar"]["endpoints"].to_string();
        assert!(endpoints.contains("PUT /v2/campaigns/pause"), "{code}: one id says nothing of the way: {endpoints}");

        world.sandbox.clear_faults();
        world.wait_until(REFUSED, "the pause", |campaign| campaign.text("/action/step") == "confirmed");
        assert!(!world.sandbox.is_running(REFUSED));
    });
    assert!(spoiled.into_inner() > 0, "it was asked for by itself each time");
}

/// Switches that are made by `PATCH` of `active`.
fn patches(world: &World, active: bool) -> Vec<i64> {
    let requests = world.sandbox.requests();
    let is_one = |one: &&RequestRecord| one.body.as_ref().is_some_and(|body| body["active"] == active);
    requests.iter().filter(is_one).flat_map(|one| one.campaign_ids.clone()).collect()
}

#[test]
fn what_the_ways_for_many_refuse_is_paused_by_the_one_that_is_left() {
    in_parallel(REFUSALS, |code| {
        let mut world = world(CampaignSpec::running, 1_000, |world| refuse(world, code, &[Operation::Pause]));
        let sent = all_others_are_done(&mut world, Operation::Pause);
        assert!(sent.len() <= 10, "{code}: {} requests", sent.len());
        world.wait_until(REFUSED, "done", |campaign| campaign.text("/action/step") == "confirmed");
        assert_eq!(IDS.map(|id| world.sandbox.is_running(id)), [false; 6], "{code}");
        assert_eq!(patches(&world, false), [REFUSED], "{code}");
        let entries = world.database.journal(REFUSED);
        assert_eq!(entries.len(), 1, "{code}: at the first tick: {entries:?}");
    });
}

/// `PATCH {"active": true}` would run what TrafficStars does not want to run.
#[test]
fn a_run_that_both_ways_for_many_refuse_is_not_forced() {
    in_parallel([400, 422, 500], |code| {
        let mut world = world(CampaignSpec::paused, 20_000, |world| refuse(world, code, &[Operation::Run]));
        all_others_are_done(&mut world, Operation::Run);
        assert_says(&refusal(&mut world), code);
        world.let_ticks_pass(2);
        assert_eq!(IDS.map(|id| world.sandbox.is_running(id)), IDS.map(|id| id != REFUSED), "{code}");
        assert_eq!(patches(&world, true), [0; 0], "{code}");
    });
}
