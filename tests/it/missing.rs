//! TrafficStars answers 404 for a campaign. A single 404 proves nothing. After 15 minutes of 404s the campaign counts
//! as gone.

use chrono::Duration;
use sandbox::{Fault, FaultId, Operation, Options};

use crate::helper::{Config, World, Write};

const ID: i64 = 995_404;

/// Returns a fault that answers a read of the campaign with 404.
fn not_found() -> Fault {
    Fault::status(404).on(Operation::Campaign).campaign(ID)
}

/// Starts a world with a guarded campaign that runs, and waits until the guard has seen the 404.
fn world_with_a_404(fault: Fault) -> (World, FaultId) {
    let mut world = World::new();
    world.add_guarded(ID);
    let fault = world.sandbox.inject(fault);
    world.wait_until(ID, "the 404", |campaign| campaign.text("/last_error").contains("404"));
    (world, fault)
}

#[test]
fn a_single_404_delays_no_pause() {
    let (mut world, _) = world_with_a_404(not_found().times(1));
    world.database.execute("UPDATE urls SET click_limit = clicks");
    world.wait_for_state(ID, "cooling-down");
    world.wait_for_stop(ID);
}

#[test]
fn an_order_with_a_pause_does_not_take_a_404_for_a_stop() {
    for order in [&["disable", "1", "--pause"][..], &["hold", "1", "--pause", "--reason", "x"]] {
        let (mut world, fault) = world_with_a_404(not_found());
        let ordered = world.guard.begin(order);
        world.wait_for_stop(ID);
        world.sandbox.remove_fault(fault);
        world.wait_for("its end", |_| {
            let printed = ordered.stdout();
            if printed.contains("paused") { Ok(()) } else { Err(printed + &ordered.stderr()) }
        });
        assert!(world.writes(ID).contains(&Write::Pause), "{order:?}");
    }
}

#[test]
fn a_row_is_not_removed_on_a_404() {
    let (mut world, _) = world_with_a_404(not_found());
    world.refused(&["campaign", "remove", "1"], 1, &["404", "pause"]);
    assert_eq!(world.database.number("SELECT COUNT(*) AS number FROM campaigns"), 1);
}

#[test]
fn after_15_minutes_a_campaign_is_gone_degrades_health_and_may_be_removed() {
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

    // From now on it is read only every 15 minutes.
    let before = world.sandbox.count(Operation::Campaign);
    world.let_ticks_pass(5);
    assert_eq!(world.sandbox.count(Operation::Campaign), before);
    world.done(&["campaign", "remove", "1"]);
}
