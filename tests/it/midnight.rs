//! Midnight (UTC). A campaign's spend counter may still show yesterday's spend, and a little more because of late
//! clicks.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, Utc};
use sandbox::{Amount, CampaignSpec, Fault, Operation, Options};

use crate::helper::{Config, World};

const RICH: i64 = 995_001;
const POOR: i64 = 995_002;

fn config() -> Config {
    Config::default().generator("midnight_doubt", "3h")
}

/// Returns a time in the evening of a day that no other test uses.
fn evening() -> DateTime<Utc> {
    "2026-12-05T23:50:00Z".parse().unwrap()
}

fn today() -> NaiveDate {
    evening().date_naive()
}

fn tomorrow() -> NaiveDate {
    today().checked_add_days(Days::new(1)).unwrap()
}

/// Returns options by which the counters show yesterday's spend for ten minutes after midnight, raised by late clicks.
fn late_counters() -> Options {
    Options { counter_falls_after: Duration::from_secs(600), late_clicks: Amount::cents(20), ..Options::default() }
}

fn spent(id: i64, cents: i64) -> CampaignSpec {
    CampaignSpec::paused(id).spent(Amount::cents(cents))
}

fn night(hour: u32, minute: u32, second: u32) -> DateTime<Utc> {
    tomorrow().and_hms_opt(hour, minute, second).unwrap().and_utc()
}

/// Starts a world in the evening. One campaign has reached its spend limit, and the other has not.
fn world_in_the_evening(options: Options) -> World {
    let mut world = World::at(evening(), config(), options, |_, _| {});
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

/// Returns the spend of tomorrow that the database has stored, in cents.
fn stored_of_tomorrow(world: &mut World) -> i64 {
    let sum = "SELECT CAST(COALESCE(SUM(amount_micros), 0) / 10000 AS BIGINT) AS number FROM spends WHERE day =";
    world.database.number(&format!("{sum} '{}'", tomorrow()))
}

/// Waits until the campaign's spend is that of the new day. It is 0, because the day's report has no row for the
/// campaign.
fn expect_nothing_spent_tomorrow(world: &mut World, id: i64) {
    let tomorrow = tomorrow().to_string();
    let campaign = world.wait_until(id, "the new day", |campaign| campaign.text("/observed/spend_day") == tomorrow);
    let spend = ["/observed/spend", "/observed/spend_source", "/high_spend"].map(|field| campaign.text(field));
    assert_eq!(spend, ["0.00", "none", "false"], "{campaign}");
}

/// Returns a moment after the counters have fallen to the new day's spend.
fn the_counters_have_fallen() -> DateTime<Utc> {
    night(0, 10, 1)
}

#[test]
fn a_late_counter_is_neither_believed_nor_stored_and_the_days_report_decides() {
    let mut world = world_in_the_evening(late_counters());
    assert_eq!(world.campaign(RICH).text("/high_spend"), "true");
    world.set_clock(night(0, 0, 1));
    for id in [RICH, POOR] {
        expect_nothing_spent_tomorrow(&mut world, id);
    }
    // The new day begins as usual: with enough clicks and no spend the campaign runs.
    world.wait_for_step(RICH, "confirmed");
    assert!(world.sandbox.is_running(RICH));
    assert_eq!(stored_of_tomorrow(&mut world), 0);
    // The counter falls, and shows the new day's spend from then on.
    world.set_clock(the_counters_have_fallen());
    world.sandbox.set_spend(POOR, Amount::cents(40)).unwrap();
    let campaign_now =
        world.wait_until(POOR, "its counter", |campaign| campaign.text("/observed/spend_source") == "campaign");
    assert_eq!(campaign_now.text("/observed/spend"), "0.40", "{campaign_now}");
}

#[test]
fn without_a_report_the_spend_is_unknown_until_the_counter_falls_and_nothing_is_started() {
    let mut world = world_in_the_evening(late_counters());
    world.sandbox.inject(Fault::status(502).on(Operation::ReportByCampaign));
    world.set_clock(night(0, 0, 1));
    let doubt = "the campaign's counter may still show yesterday's spend";
    let unknown = world.wait_until(RICH, doubt, |campaign| campaign.text("/last_error").contains(doubt));
    let spend = ["/observed/spend", "/high_spend"].map(|field| unknown.text(field));
    assert_eq!(spend, ["", "false"], "{unknown}");
    world.let_ticks_pass(2);
    assert!(!world.sandbox.is_running(RICH) && world.writes(RICH).is_empty());
    assert_eq!(stored_of_tomorrow(&mut world), 0);

    assert!(world.writes(RICH).is_empty(), "nothing before the counter fell");
    world.set_clock(the_counters_have_fallen());
    world.sandbox.set_spend(RICH, Amount::cents(10)).unwrap();
    world.wait_for_state(RICH, "active-guarded");
}

#[test]
fn without_a_known_spend_of_yesterday_a_counter_at_the_limit_is_in_doubt() {
    let night = night(0, 0, 2);
    let mut world = World::at(night, config(), late_counters(), |sandbox, _| {
        for (id, cents) in [(RICH, 5_490), (POOR, 750)] {
            sandbox.add_campaign(CampaignSpec::paused(id));
            sandbox.set_spend_on(id, today(), Some(Amount::cents(cents))).unwrap();
        }
    });
    // The clock is set once more here, because the spend above was set for the day before.
    world.set_clock(night);
    for (id, clicks) in [(RICH, 20_000), (POOR, 9_000)] {
        world.database.add_campaign(id, clicks);
        world.database.enable(id);
    }
    let campaign_now =
        world.wait_until(RICH, "its first spend", |campaign| !campaign.text("/observed/spend_day").is_empty());
    assert_eq!(
        [campaign_now.text("/observed/spend"), campaign_now.text("/high_spend")],
        ["0.00", "false"],
        "{campaign_now}"
    );
    world.wait_for_state(RICH, "active-guarded");
    let campaign_now =
        world.wait_until(POOR, "its first spend", |campaign| !campaign.text("/observed/spend_day").is_empty());
    let spend = ["/observed/spend", "/observed/spend_source"].map(|field| campaign_now.text(field));
    assert_eq!(spend, ["7.50", "campaign"], "a counter below the limit is believed: {campaign_now}");
}

#[test]
fn a_guard_that_was_down_at_midnight_does_not_believe_a_late_counter() {
    let late_for_hours = Options { counter_falls_after: Duration::from_secs(4 * 3_600), ..late_counters() };
    let mut world = world_in_the_evening(late_for_hours);
    world.guard.stop();
    // The guard did not read the day's last spend, so the stored spend is lower.
    world.sandbox.set_spend(POOR, Amount::cents(5_490)).unwrap();
    world.set_clock(night(0, 45, 0));
    world.start();
    expect_nothing_spent_tomorrow(&mut world, POOR);
    assert_eq!(stored_of_tomorrow(&mut world), 0);
}

#[test]
fn a_late_counter_is_in_doubt_until_three_oclock_and_believed_afterwards() {
    let before = night(2, 50, 0);
    let all_night = Options { counter_falls_after: Duration::from_secs(4 * 3_600), ..late_counters() };
    let mut world = World::at(before, config(), all_night, |sandbox, _| {
        sandbox.add_campaign(CampaignSpec::paused(RICH));
        sandbox.set_spend_on(RICH, today(), Some(Amount::cents(5_490))).unwrap();
    });
    world.set_clock(before);
    world.database.add_campaign(RICH, 9_000);
    world.database.enable(RICH);
    let campaign_now = world.wait_until(RICH, "a spend", |campaign| !campaign.text("/observed/spend").is_empty());
    assert_eq!(
        [campaign_now.text("/observed/spend_source"), campaign_now.text("/high_spend")],
        ["none", "false"],
        "{campaign_now}"
    );
    world.set_clock(night(3, 0, 0));
    let campaign_now =
        world.wait_until(RICH, "the counter", |campaign| campaign.text("/observed/spend_source") == "campaign");
    assert_eq!(
        [campaign_now.text("/observed/spend"), campaign_now.text("/high_spend")],
        ["54.90", "true"],
        "{campaign_now}"
    );
}
