//! TrafficStars answers 404 for a campaign: one such answer proves nothing, and after 15 minutes of them it is gone.

use chrono::Duration;
use sandbox::{Fault, FaultKind, Operation, Options};

use crate::helper::{Config, World, Write};

const ID: i64 = 995_404;

fn not_found() -> FaultKind {
    FaultKind::Status { code: 404, body: String::new() }
}

/// A guarded campaign that runs.
fn guarded() -> World {
    let mut world = World::configured(Config::default());
    world.add_guarded(ID);
    world
}

/// The next read of the campaign is answered with 404.
fn miss_once(world: &World) {
    world.sandbox.inject(Fault::always(not_found()).on(Operation::Campaign).campaign(ID).times(1));
}

#[test]
fn a_single_404_delays_no_pause() {
    let mut world = guarded();
    miss_once(&world);
    world.wait_until(ID, "the 404", |campaign| campaign.text("/last_error").contains("404"));
    world.database.execute("UPDATE urls SET click_limit = clicks");
    world.wait_for_state(ID, "cooling-down");
    world.wait_for("the pause", |world| if world.sandbox.is_running(ID) { Err(String::new()) } else { Ok(()) });
}

#[test]
fn an_order_that_pauses_first_takes_no_404_for_a_stop() {
    for order in [&["disable", "1", "--pause"][..], &["hold", "1", "--pause", "--reason", "x"]] {
        let mut world = guarded();
        let fault = world.sandbox.inject(Fault::always(not_found()).on(Operation::Campaign).campaign(ID));
        world.wait_until(ID, "the 404", |campaign| campaign.text("/last_error").contains("404"));
        let ordered = world.guard.begin(order);
        world.wait_for("the pause", |world| if world.sandbox.is_running(ID) { Err(ordered.stdout()) } else { Ok(()) });
        world.sandbox.remove_fault(fault);
        world.wait_for("its end", |_| {
            let told = ordered.stdout();
            if told.contains("paused") { Ok(()) } else { Err(told + &ordered.stderr()) }
        });
        assert!(world.writes(ID).contains(&Write::Pause), "{order:?}");
    }
}

#[test]
fn a_row_is_not_removed_on_a_404() {
    let mut world = guarded();
    world.sandbox.inject(Fault::always(not_found()).on(Operation::Campaign).campaign(ID));
    world.wait_until(ID, "the 404", |campaign| campaign.text("/last_error").contains("404"));
    let removed = world.guard.command(&["campaign", "remove", "1"]);
    let said = String::from_utf8_lossy(&removed.stderr).into_owned();
    assert_eq!(removed.status.code(), Some(1), "{removed:?}");
    assert!(said.contains("404") && said.contains("pause"), "{said}");
    assert_eq!(world.database.number("SELECT COUNT(*) AS number FROM campaigns"), 1);
}

#[test]
fn after_15_minutes_it_is_gone_and_what_was_to_run_degrades_health_and_may_be_removed() {
    let noon = "2026-12-05T12:00:00Z".parse().unwrap();
    let mut world = World::at(noon, Config::default(), Options::default(), |_, _| {});
    world.add_guarded(ID);
    world.sandbox.inject(Fault::always(not_found()).on(Operation::Campaign).campaign(ID));
    world.wait_until(ID, "unknown", |campaign| campaign.text("/observed/status") == "unknown");
    world.set_clock(noon + Duration::minutes(14));
    world.let_ticks_pass(2);
    assert_eq!(world.campaign(ID).text("/observed/status"), "unknown");
    world.set_clock(noon + Duration::minutes(16));
    let gone = world.wait_until(ID, "gone", |campaign| campaign.text("/observed/status") == "blocked");
    assert!(gone.text("/blocked").contains("404 for 15 minutes"), "{gone}");
    let (status, health) = world.health();
    let kinds: Vec<_> = health["reasons"].as_array().unwrap().iter().map(|reason| reason["kind"].clone()).collect();
    assert!(status == 503 && kinds.contains(&"gone".into()), "{health}");

    // It is read again every 15 minutes alone.
    let reads =
        |world: &World| world.sandbox.requests().iter().filter(|one| one.operation == Operation::Campaign).count();
    let before = reads(&world);
    world.let_ticks_pass(5);
    assert_eq!(reads(&world), before);
    let removed = world.guard.command(&["campaign", "remove", "1"]);
    assert!(removed.status.success(), "{removed:?}");
}
