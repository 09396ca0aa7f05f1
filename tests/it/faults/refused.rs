//! TrafficStars refuses a whole request because of one id in it. The other campaigns are changed as if that id were not
//! there.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use sandbox::{CampaignSpec, Fault, FaultKind, Operation, RequestRecord};

use super::config;
use crate::helper::{World, assert_says, in_parallel};

const IDS: [i64; 6] = [1001, 1002, 1003, 1004, 1005, 1006];
const REFUSED: i64 = 1004;
/// Long enough for all requests that follow one refusal, on a busy machine.
const TICK: &str = "6s";
/// Too few clicks to activate a campaign, and too many to pause it.
const BETWEEN: i64 = 9_000;
/// The statuses that refuse a whole request.
const REFUSALS: [u16; 5] = [422, 403, 409, 400, 500];

fn others() -> impl Iterator<Item = i64> {
    IDS.into_iter().filter(|id| *id != REFUSED)
}

/// Starts a world whose six campaigns run, and uses up their clicks at one moment, so that the next tick pauses all of
/// them. Every pause and every end time that names 1004 is refused.
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

/// Waits until the action of each other campaign is confirmed, and returns the pauses that were sent for that. All of
/// them came within one tick.
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

/// Waits for the first failure of 1004 in the journal, and returns its error.
fn refusal(world: &mut World) -> String {
    world.wait_for("the refusal", |world| {
        let entries = world.database.journal(REFUSED);
        let failed = entries.iter().find(|entry| entry.step == "failed").ok_or_else(|| format!("{entries:?}"))?;
        failed.error.clone().ok_or_else(|| format!("{failed:?}"))
    })
}

/// Returns the guard's words for a refusal with this status.
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
        assert!(
            sent.len() <= 10,
            "{code}: the halves, the single id, its neighbours, and the other endpoint: {named:?}"
        );

        assert_says(&refusal(&mut world), &[&words(code)]);
        for id in others() {
            assert_eq!(world.database.journal(id).len(), 1, "{code}: {id} was paused at once");
            assert!(!world.sandbox.is_running(id));
        }
        assert!(world.sandbox.is_running(REFUSED));
        // A refusal of one id does not count against the endpoint: it is still in use.
        assert_says(&world.guard.state()["trafficstar"]["endpoints"].to_string(), &["PUT /v2/campaigns/pause"]);

        world.sandbox.clear_faults();
        world.wait_for_step(REFUSED, "confirmed");
        assert!(!world.sandbox.is_running(REFUSED));
    });
    assert!(spoiled.into_inner() > 0, "1004 never shared a request with another campaign");
}
