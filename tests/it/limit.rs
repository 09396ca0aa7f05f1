//! The request limit of TrafficStars: the budget and its circuits, as the dump and the sandbox's log show them.

use std::time::{Duration, Instant};

use sandbox::{CampaignSpec, Fault, Operation, Options, busiest_window};
use serde_json::Value;

use crate::helper::{Config, TICK, World, Write};

const MINUTE: Duration = Duration::from_secs(60);

/// Returns the operations whose circuits are open.
fn open_circuits(dump: &Value) -> Vec<String> {
    let circuits = dump["trafficstar"]["circuits"].as_array().unwrap();
    let open = circuits.iter().filter(|circuit| circuit["state"] == "open");
    open.map(|circuit| circuit["operation"].as_str().unwrap().to_owned()).collect()
}

fn wait_for_circuits(world: &mut World, wanted: &[&str]) {
    world.wait_for(&format!("the open circuits {wanted:?}"), |world| {
        let dump = world.guard.state();
        let open = open_circuits(&dump);
        let word = if wanted.is_empty() { "closed" } else { "open" };
        if open == wanted && dump["trafficstar"]["circuit"] == word { Ok(()) } else { Err(format!("{open:?}")) }
    });
}

#[test]
fn while_the_list_fails_each_campaign_is_read_by_itself_and_the_list_is_only_probed() {
    let mut world = World::new();
    let ids = 995_001..=995_012_i64;
    world.add_many_guarded(ids.clone());
    let fault = world.sandbox.inject(Fault::status(502).on(Operation::Campaigns));
    wait_for_circuits(&mut world, &["list"]);
    let (before, begun) = (world.sandbox.count(Operation::Campaigns), Instant::now());
    world.let_ticks_pass(3);
    let probes = world.sandbox.count(Operation::Campaigns) - before;
    // Every campaign has completed three ticks. On a busy machine, more points of the grid have passed meanwhile.
    let grid_points = usize::try_from(begun.elapsed().as_millis().div_ceil(TICK.as_millis())).unwrap();
    let most = (grid_points * 8 / 5).max(8);
    assert!((1..=most).contains(&probes), "{probes} requests for a list that fails, in {grid_points} ticks");
    for id in ids {
        assert_eq!(world.campaign(id).text("/observed/status"), "running", "{id} is still read");
    }
    assert!(world.guard.log().contains("only pauses and probes are sent"), "the log says so");
    world.sandbox.remove_fault(fault);
    wait_for_circuits(&mut world, &[]);
}

#[test]
fn an_open_circuit_delays_no_pause() {
    // An action that is not confirmed within this time has failed. The tick is so long that neither a tick nor a probe
    // comes meanwhile.
    let config = Config::default().set("trafficstar", "confirm_within", "200ms").generator("tick", "1h");
    let mut world = World::configured(config);
    let id = 995_001;
    let faults = [Operation::Pause, Operation::Edit].map(|to| world.sandbox.inject(Fault::status(502).on(to)));
    world.add(CampaignSpec::running(id), 20_000);
    world.done(&["reload"]);
    world.wait_for_state(id, "active-guarded");
    let row = world.database.row_id(id).to_string();
    for attempt in 1..=5 {
        let failed = world.run(&["process", &row, "--force", "pause"]);
        assert_eq!(failed.code, 1, "{failed:?}");
        // After a 502 the guard repeats the pause once, and then tries the other path.
        assert_eq!(world.sandbox.count(Operation::Pause), 3 * attempt, "each pause was sent");
    }
    wait_for_circuits(&mut world, &["pause"]);
    faults.into_iter().for_each(|fault| world.sandbox.remove_fault(fault));
    world.done(&["process", &row, "--force", "pause"]);
    assert!(!world.sandbox.is_running(id));
    wait_for_circuits(&mut world, &[]);
}

#[test]
fn activations_wait_while_a_circuit_is_open_and_are_sent_when_it_closes() {
    let mut world = World::configured(Config::default().generator("tick", "2s"));
    let fault = world.sandbox.inject(Fault::status(502).on(Operation::Edit));
    // Each activation fails once. The third failure opens the circuit.
    for id in 995_001..=995_003 {
        world.add(CampaignSpec::paused(id), 20_000);
    }
    wait_for_circuits(&mut world, &["end_time"]);
    // One of these at a time is sent as a probe, and fails.
    let later = 995_004..=995_010_i64;
    for id in later.clone() {
        world.add(CampaignSpec::paused(id), 20_000);
    }
    for id in later.clone() {
        world.wait_until(id, "in the dump", |_| true);
    }
    let waiting = world.wait_for("an activation that waits into the next tick", |world| {
        let waits = |id: &i64| {
            let campaign = world.campaign(*id);
            campaign.text("/action/step") == "requested"
                && campaign.text("/action/error").contains("it waited too long")
        };
        later.clone().find(waits).ok_or("none".to_owned())
    });
    assert_eq!(world.campaign(waiting).state(), "active-guarded");
    assert_eq!(world.sandbox.count(Operation::Run), 0);
    world.sandbox.remove_fault(fault);
    let done = world.wait_for_step(waiting, "confirmed");
    assert_eq!(done.text("/action/error"), "");
    let journal = world.database.journal(waiting);
    assert_eq!(journal.len(), 1, "the entry stayed open for several ticks: {journal:?}");
    wait_for_circuits(&mut world, &[]);
}

#[test]
fn an_activation_that_is_answered_with_429_has_not_failed_and_stays_requested() {
    let mut world = World::new();
    let fault = world.sandbox.inject(Fault::status(429).on(Operation::Edit));
    world.add(CampaignSpec::paused(995_001), 20_000);
    let dump = world.wait_for("the guard to be blocked", |world| {
        let dump = world.guard.state();
        if dump["trafficstar"]["blocked_until"].is_null() { Err(dump["trafficstar"].to_string()) } else { Ok(dump) }
    });
    assert_eq!(open_circuits(&dump), [""; 0], "a 429 does not count against the operation's circuit");
    world.sandbox.remove_fault(fault);
    let journal = world.database.journal(995_001);
    assert_eq!(journal.len(), 1);
    assert_eq!(journal[0].step, "requested", "the activation is still to be sent");
}

#[test]
fn a_restarted_guard_counts_the_requests_that_were_sent_before_the_restart() {
    let limit = 12;
    let config = Config::default().set("trafficstar", "requests_per_minute", limit).generator("tick", "200ms");
    let mut world = World::configured(config);
    world.add(CampaignSpec::running(995_001), 20_000);
    for _ in 0..3 {
        world.wait_for("a budget that is spent", |world| {
            let dump = world.guard.state();
            let (used, queue) = (&dump["trafficstar"]["requests_last_minute"], &dump["trafficstar"]["queue"]);
            let waits = dump["campaigns"][0]["actor"]["handling"].is_object();
            if used.as_i64() >= Some(8) && waits { Ok(()) } else { Err(format!("{used} {queue}")) }
        });
        world.guard.kill();
        world.start();
    }
    let busiest = busiest_window(&world.sandbox.requests(), MINUTE);
    assert!(busiest <= limit as usize, "{busiest} requests within a minute, of {limit}");
    assert!(busiest >= 6, "the first guard has sent some: {busiest}");
}

#[test]
fn a_limit_that_is_too_low_degrades_health_with_the_figures_and_delays_no_pause() {
    let config = Config::default().set("trafficstar", "requests_per_minute", 20).generator("tick", "30s");
    let mut world = World::configured(config);
    let used_up = 995_077;
    let clicks = |id| if id == used_up { 1_000 } else { 20_000 };
    world.add_all((995_001..=995_100).map(|id| (CampaignSpec::running(id), clicks(id))));
    world.done(&["reload"]);
    world.wait_for("all to be counted", |world| {
        let reading = world.guard.state()["trafficstar"]["reading"].clone();
        if reading["campaigns"] == 100 { Ok(()) } else { Err(reading.to_string()) }
    });
    // Before all are counted, fewer requests are said to be enough.
    world.wait_for("the figures", |world| match world.health() {
        (503, health) => {
            let reasons = health["reasons"].as_array().unwrap();
            let found = reasons.iter().find(|reason| reason["kind"] == "budget-too-small");
            let reason = found.map(|found| found["reason"].as_str().unwrap()).unwrap_or_default();
            let is_whole = reason.contains("takes 10 requests") && reason.contains("near a threshold first");
            if is_whole { Ok(()) } else { Err(health.to_string()) }
        }
        other => Err(format!("{other:?}")),
    });
    world.wait_for_a_pause(used_up);
}

#[test]
fn when_requests_have_to_wait_campaigns_with_the_most_clicks_run_first() {
    let config = Config::default()
        .set("trafficstar", "requests_per_minute", 20)
        .set("trafficstar", "confirm_within", "1m")
        .generator("tick", "20s");
    let options = Options { page_size: 100, ..Options::default() };
    let mut world = World::with(config, options);
    let ids: Vec<i64> = (995_001..=995_040).collect();
    // The order by clicks is neither the order of the ids nor its reverse.
    let most = |id: i64| (id - 995_001) * 7 % 40;
    world.add_all(ids.iter().map(|id| (CampaignSpec::paused(*id), 15_000 + most(*id) * 1_000)));
    let first = world.wait_for("the first to run", |world| {
        let running: Vec<i64> = ids.iter().copied().filter(|id| world.sandbox.is_running(*id)).collect();
        if running.is_empty() { Err("none".to_owned()) } else { Ok(running) }
    });
    let mut by_clicks = ids.clone();
    by_clicks.sort_by_key(|id| -most(*id));
    let mut expected = by_clicks[..first.len()].to_vec();
    expected.sort_unstable();
    assert_eq!(first, expected, "those with the most clicks");
    assert!(first.len() >= 3, "a burst of runs is one switch batch: {first:?}");
    assert_eq!(world.sandbox.count(Operation::Run), 1, "in one request");
    let by = world.guard.state()["trafficstar"]["running_again_by"].clone();
    assert!(
        by.as_str().is_some_and(|by| by.ends_with('Z')),
        "the time by which all campaigns run again is shown: {by}"
    );
    let unsent: Vec<i64> = ids.iter().copied().filter(|id| !first.contains(id)).collect();
    assert!(unsent.iter().all(|id| !world.writes(*id).contains(&Write::Run)));
    let row = world.database.row_id(unsent[0]);
    let waits = world.explained(row)["summary"].clone();
    let reasons = [
        "its turn within the account's limit of 20 requests a minute",
        "it waits: the request was not sent: it waited too long",
    ];
    assert!(reasons.iter().any(|reason| waits.to_string().contains(reason)), "{waits}");
}
