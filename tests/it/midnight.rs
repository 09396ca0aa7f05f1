//! Midnight (UTC): a counter may still be yesterday's, and a little higher than it was last seen.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, Utc};
use sandbox::{Amount, CampaignSpec, Fault, FaultKind, Operation, Options};

use crate::helper::{Config, World};

const RICH: i64 = 995_001;
const POOR: i64 = 995_002;

/// The evening of a day on which no other test plays.
fn evening() -> DateTime<Utc> {
    "2026-12-05T23:59:55Z".parse().unwrap()
}

fn today() -> NaiveDate {
    evening().date_naive()
}

fn tomorrow() -> NaiveDate {
    today().checked_add_days(Days::new(1)).unwrap()
}

/// For ten seconds after midnight the counters go on with yesterday's, and late clicks have raised them.
fn late_counters() -> Options {
    Options { counter_falls_after: Duration::from_secs(10), late_clicks: Amount::cents(20), ..Options::default() }
}

fn spent(id: i64, cents: i64) -> CampaignSpec {
    CampaignSpec::paused(id).spent(Amount::cents(cents))
}

/// In the evening one campaign has reached its limit, another one has not.
fn world_in_the_evening() -> World {
    let mut world = World::at(evening(), Config::default(), late_counters(), |_, _| {});
    world.add(spent(RICH, 5_490), 20_000);
    world.add(spent(POOR, 750), 9_000);
    for (id, spend) in [(RICH, "54.90"), (POOR, "7.50")] {
        world.wait_until(id, spend, |campaign| campaign.text("/observed/spend") == spend);
    }
    world.wait_for("the spends to be stored", |world| {
        match world.database.number("SELECT COUNT(*) AS number FROM spends") {
            2 => Ok(()),
            count => Err(format!("there are {count}")),
        }
    });
    world
}

/// What the database believes of tomorrow, in cents.
fn stored_of_tomorrow(world: &mut World) -> i64 {
    let sum = "SELECT CAST(COALESCE(SUM(amount_micros), 0) / 10000 AS BIGINT) AS number FROM spends WHERE day =";
    world.database.number(&format!("{sum} '{}'", tomorrow()))
}

fn wait_for_the_counters_to_fall(world: &mut World) {
    let after = tomorrow().and_hms_opt(0, 0, 11).unwrap().and_utc();
    world.wait_for("the counters to fall", |world| {
        if world.sandbox.clock() > after { Ok(()) } else { Err(world.sandbox.clock().to_string()) }
    });
}

#[test]
fn a_late_counter_is_neither_believed_nor_stored_and_the_days_report_decides() {
    let mut world = world_in_the_evening();
    assert_eq!(world.campaign(RICH).text("/high_spend"), "true");
    for id in [RICH, POOR] {
        let of_tomorrow = |day: &str| day == tomorrow().to_string();
        let told = world.wait_until(id, "the new day", |campaign| of_tomorrow(&campaign.text("/observed/spend_day")));
        let spend = ["/observed/spend", "/observed/spend_source", "/high_spend"].map(|field| told.text(field));
        assert_eq!(spend, ["0.00", "none", "false"], "a report without a row says 0: {told}");
    }
    // The day begins as it should: with enough clicks and nothing spent it runs.
    world.wait_until(RICH, "a confirmed run", |campaign| campaign.text("/action/step") == "confirmed");
    assert!(world.sandbox.is_running(RICH));
    assert_eq!(stored_of_tomorrow(&mut world), 0);
    // The counter falls, and is the new day's from then on.
    wait_for_the_counters_to_fall(&mut world);
    world.sandbox.set_spend(POOR, Amount::cents(760)).unwrap();
    let told = world.wait_until(POOR, "today's own", |campaign| campaign.text("/observed/spend") == "7.60");
    assert_eq!(told.text("/observed/spend_source"), "campaign", "{told}");
}

#[test]
fn without_a_report_the_spend_is_unknown_until_the_counter_falls_and_nothing_is_started() {
    let mut world = world_in_the_evening();
    let fault = FaultKind::Status { code: 502, body: String::new() };
    world.sandbox.inject(Fault::always(fault).on(Operation::ReportByCampaign));
    let unknown = world.wait_until(RICH, "an unknown spend", |campaign| campaign.text("/observed/spend").is_empty());
    assert!(unknown.text("/last_error").contains("yesterday's spend (55.10)"), "{unknown}");
    assert_eq!(unknown.text("/high_spend"), "false", "{unknown}");
    world.let_ticks_pass(2);
    assert!(!world.sandbox.is_running(RICH) && world.writes(RICH).is_empty());
    assert_eq!(stored_of_tomorrow(&mut world), 0);

    wait_for_the_counters_to_fall(&mut world);
    assert!(world.writes(RICH).is_empty(), "nothing before the counter fell");
    world.sandbox.set_spend(RICH, Amount::cents(10)).unwrap();
    world.wait_for_state(RICH, "active-guarded");
}

#[test]
fn on_the_first_day_nothing_is_known_of_yesterday_and_a_counter_at_the_limit_is_in_doubt() {
    let night = tomorrow().and_hms_opt(0, 0, 2).unwrap().and_utc();
    let mut world = World::at(night, Config::default(), late_counters(), |sandbox, _| {
        for (id, cents) in [(RICH, 5_490), (POOR, 750)] {
            sandbox.add_campaign(CampaignSpec::paused(id));
            sandbox.set_spend_on(id, today(), Some(Amount::cents(cents))).unwrap();
        }
    });
    // The world's clock is set once more, after the days with spend were.
    world.set_clock(night);
    for (id, clicks) in [(RICH, 20_000), (POOR, 9_000)] {
        world.database.add_campaign(id, clicks);
        world.database.enable(id);
    }
    let told = world.wait_until(RICH, "its first spend", |campaign| !campaign.text("/observed/spend_day").is_empty());
    assert_eq!([told.text("/observed/spend"), told.text("/high_spend")], ["0.00", "false"], "{told}");
    world.wait_for_state(RICH, "active-guarded");
}

#[test]
fn from_three_oclock_on_a_counter_is_believed_again() {
    let night = tomorrow().and_hms_opt(3, 0, 0).unwrap().and_utc();
    let all_night = Options { counter_falls_after: Duration::from_secs(4 * 3_600), ..late_counters() };
    let mut world = World::at(night, Config::default(), all_night, |sandbox, _| {
        sandbox.add_campaign(CampaignSpec::paused(RICH));
        sandbox.set_spend_on(RICH, today(), Some(Amount::cents(5_490))).unwrap();
    });
    world.set_clock(night);
    world.database.add_campaign(RICH, 20_000);
    world.database.enable(RICH);
    let told = world.wait_until(RICH, "a spend", |campaign| !campaign.text("/observed/spend").is_empty());
    assert_eq!([told.text("/observed/spend_source"), told.text("/high_spend")], ["campaign", "true"], "{told}");
}
