//! One id among many that TrafficStars refuses, and with it the whole request: the others fare as if it were not there.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use sandbox::{CampaignSpec, Fault, FaultKind, Operation, RequestRecord};

use super::config;
use crate::helper::{World, assert_says, in_parallel};

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

/// A world whose six campaigns run and are used up at one moment: the next tick decides on all of them. Every request of a
/// pause or of an end time that names 1004 is refused.
fn world(code: u16) -> World {
    let mut world = World::configured(config().generator("tick", TICK));
    let kind = FaultKind::Status { code, body: format!(r#"{{"detail": "not this one", "status": {code}}}"#) };
    for operation in [Operation::Pause, Operation::Edit] {
        world.sandbox.inject(Fault::always(kind.clone()).on(operation).campaign(REFUSED));
    }
    world.add_all(IDS.map(|id| (CampaignSpec::running(id), BETWEEN)));
    for id in IDS {
        world.wait_until(id, "read", |campaign| !campaign.text("/observed/remaining_clicks").is_empty());
    }
    world.database.execute("UPDATE urls SET click_limit = clicks + 1000");
    world
}

/// Waits until the action of each of the others is confirmed, and answers with the requests to that end. All of them came
/// within one tick.
fn all_others_are_done(world: &mut World) -> Vec<RequestRecord> {
    for id in others() {
        world.wait_for_step(id, "confirmed");
    }
    let requests = world.sandbox.requests().into_iter();
    let sent: Vec<RequestRecord> = requests.filter(|one| one.operation == Operation::Pause).collect();
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

/// What is said of such a refusal.
fn words(code: u16) -> String {
    match code {
        500 => "(500)".to_owned(),
        code => format!("rejects the request ({code}): `{{\"detail\":\"not this one\""),
    }
}

#[test]
fn a_pause_that_is_refused_for_one_id_pauses_the_others_within_the_same_tick() {
    let spoiled = AtomicUsize::new(0);
    in_parallel(REFUSALS, |code| {
        let mut world = world(code);
        let sent = all_others_are_done(&mut world);
        let named: Vec<usize> = sent.iter().map(|one| one.campaign_ids.len()).collect();
        let spoils = |one: &&RequestRecord| one.campaign_ids.len() > 1 && one.campaign_ids.contains(&REFUSED);
        spoiled.fetch_add(sent.iter().filter(spoils).count(), Relaxed);
        assert!(sent.len() <= 10, "{code}: halves, a single one, its neighbours, and the other way: {named:?}");

        assert_says(&refusal(&mut world), &[&words(code)]);
        for id in others() {
            assert_eq!(world.database.journal(id).len(), 1, "{code}: {id} was paused at once");
            assert!(!world.sandbox.is_running(id));
        }
        assert!(world.sandbox.is_running(REFUSED));
        // One id says nothing of the way.
        assert_says(&world.guard.state()["trafficstar"]["endpoints"].to_string(), &["PUT /v2/campaigns/pause"]);

        world.sandbox.clear_faults();
        world.wait_for_step(REFUSED, "confirmed");
        assert!(!world.sandbox.is_running(REFUSED));
    });
    assert!(spoiled.into_inner() > 0, "it was asked for by itself each time");
}
