//! The guard's clock differs from TrafficStars' clock, which the guard knows from the `Date` of each answer.

use chrono::{DateTime, Duration, Utc};
use sandbox::{CampaignSpec, Options};

use crate::helper::{Config, World, assert_says};

const ID: i64 = 995_005;

fn noon() -> DateTime<Utc> {
    "2026-12-05T12:00:00Z".parse().unwrap()
}

/// Starts a world whose clocks, the guard's and TrafficStars', are both ahead of noon by this time.
fn world_ahead_by(ahead_by: Duration) -> World {
    World::at(noon() + ahead_by, Config::default(), Options::default(), |_, _| {})
}

#[test]
fn with_clocks_five_minutes_apart_nothing_is_activated_and_pauses_are_sent() {
    for minutes in [-6, 6] {
        let mut world = world_ahead_by(Duration::zero());
        world.set_own_clock(noon() + Duration::minutes(minutes));
        world.add(CampaignSpec::paused(ID), 20_000);
        world.wait_for_log("our clock differs from TrafficStars' by five minutes or more");
        assert_eq!(world.writes(ID), []);
        assert_says(&world.health().1["reasons"].to_string(), &["clock", "no campaign is activated"]);

        world.set_own_clock(noon());
        world.wait_for_state(ID, "active-guarded");
        world.wait_for("health to be right", |world| {
            let reasons = world.health().1["reasons"].to_string();
            if reasons.contains("clock") { Err(reasons) } else { Ok(()) }
        });
        world.set_own_clock(noon() + Duration::minutes(minutes));
        world.database.execute("UPDATE urls SET click_limit = clicks");
        world.wait_for_stop(ID);
    }
}

#[test]
fn a_cool_down_that_began_with_a_clock_a_year_ahead_ends_when_the_clock_is_right_again() {
    let config = Config::default().generator("cooldown", "6s");
    let mut world = World::at(noon() + Duration::days(365), config, Options::default(), |_, _| {});
    world.add(CampaignSpec::running(ID), 1_000);
    // The cool-down starts again when the pause is accepted, so the clock is set only after that.
    world.wait_for_step(ID, "confirmed");
    world.set_clock(noon());
    world.wait_for_state(ID, "paused-guarded");
}

#[test]
fn with_a_clock_a_day_ahead_a_running_campaign_is_not_taken_for_stopped() {
    let mut world = world_ahead_by(Duration::zero());
    world.add(CampaignSpec::paused(ID), 20_000);
    world.wait_for_step(ID, "confirmed");
    assert_eq!(world.sandbox.campaign(ID).unwrap().ends_at, Some("2026-12-05T23:59:00Z".parse().unwrap()));
    world.set_own_clock(noon() + Duration::days(1));
    let of_the_next_day = |time: String| time.starts_with("2026-12-06");
    let read = world.wait_until(ID, "a tick", |campaign| of_the_next_day(campaign.text("/observed/status_at")));
    assert_eq!(read.text("/observed/status"), "running");
    world.database.execute("UPDATE urls SET click_limit = clicks");
    world.wait_for_stop(ID);
}

#[test]
fn an_end_time_that_was_set_with_a_clock_a_day_ahead_is_corrected_after_a_restart() {
    let mut world = world_ahead_by(Duration::days(1));
    world.add(CampaignSpec::paused(ID), 20_000);
    world.wait_for_step(ID, "confirmed");
    let ends_at = |world: &World| world.sandbox.campaign(ID).unwrap().ends_at.unwrap().to_string();
    assert_eq!(ends_at(&world), "2026-12-06 23:59:00 UTC");
    world.guard.stop();
    world.set_clock(noon());
    world.start();
    world.wait_for("the end time of today", |world| {
        let ends_at = ends_at(world);
        if ends_at == "2026-12-05 23:59:00 UTC" { Ok(()) } else { Err(ends_at) }
    });
    assert!(world.sandbox.is_running(ID));
}
