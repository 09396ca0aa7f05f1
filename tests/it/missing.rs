//! TrafficStars answers 404 for a campaign: one such answer proves nothing, and after 15 minutes of them it is gone.

use chrono::Duration;
use sandbox::{Fault, FaultId, Operation, Options};

use crate::helper::{Config, World, Write};

const ID: i64 = 995_404;

/// A read of the campaign is answered with 404.
fn not_found() -> Fault {
    Fault::status(404).on(Operation::Campaign).campaign(ID)
}

/// A guarded campaign that runs, and has been missed.
fn missed(fault: Fault) -> (World, FaultId) {
    let mut world = World::new();
    world.add_guarded(ID);
    let fault = world.sandbox.inject(fault);
    world.wait_until(ID, "the 404", |campaign| campaign.text("/last_error").contains("404"));
    (world, fault)
}

#[test]
fn a_single_404_delays_no_pause() {
    let (mut world, _) = missed(not_found().times(1));
    world.database.execute("UPDATE urls SET click_limit = clicks");
    world.wait_for_state(ID, "cooling-down");
    world.wait_for_stop(ID);
}

#[test]
fn an_order_that_pauses_first_takes_no_404_for_a_stop() {
    for order in [&["disable", "1", "--pause"][..], &["hold", "1", "--pause", "--reason", "x"]] {
        let (mut world, fault) = missed(not_found());
        let ordered = world.guard.begin(order);
        world.wait_for_stop(ID);
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
    let (mut world, _) = missed(not_found());
    world.refused(&["campaign", "remove", "1"], 1, &["404", "pause"]);
    assert_eq!(world.database.number("SELECT COUNT(*) AS number FROM campaigns"), 1);
}

#[test]
fn after_15_minutes_it_is_gone_and_what_was_to_run_degrades_health_and_may_be_removed() {
    let noon = "2026-12-05T12:00:00Z".parse().unwrap();
    let mut world = World::at(noon, Config::default(), Options::default(), |_, _| {});
    world.add_guarded(ID);
    world.sandbox.inject(not_found());
    world.wait_until(ID, "unknown", |campaign| campaign.text("/observed/status") == "unknown");
    world.set_clock(noon + Duration::minutes(14));
    world.let_ticks_pass(2);
    assert_eq!(world.campaign(ID).text("/observed/status"), "unknown");
    world.set_clock(noon + Duration::minutes(16));
    let gone = world.wait_until(ID, "gone", |campaign| campaign.text("/observed/status") == "blocked");
    assert!(gone.text("/blocked").contains("404 for 15 minutes"), "{gone}");
    assert_eq!(world.health().0, 503);
    assert!(world.degradations().contains(&"gone".to_owned()));

    // It is read again every 15 minutes alone.
    let before = world.sandbox.count(Operation::Campaign);
    world.let_ticks_pass(5);
    assert_eq!(world.sandbox.count(Operation::Campaign), before);
    world.done(&["campaign", "remove", "1"]);
}
