//! Today's spend: its sources and their order, high spend, and the stored spend. Also a spend that does not change
//! while its campaign gets clicks, and a click limit that jumps.

use chrono::Duration;
use sandbox::{Amount, CampaignSpec, Fault, FaultId, Operation, Options, SpendForm};
use serde_json::{Value, json};

use crate::helper::{ACTIVATION, Config, Outcome, PAUSE, World, assert_says, in_parallel};

const ID: i64 = 995_224;

fn spent(id: i64, cents: i64) -> CampaignSpec {
    CampaignSpec::paused(id).spent(Amount::cents(cents))
}

/// Returns a campaign without `spent_today`, so that only reports show its spend.
fn spent_in_reports_only(id: i64, cents: i64) -> CampaignSpec {
    spent(id, cents).with_field("spent_today", None)
}

fn reports_fail(world: &World) -> FaultId {
    world.sandbox.inject(Fault::status(500).on(Operation::ReportByCampaign))
}

fn expect_spend(world: &mut World, id: i64, name: &str, source: &str, spend: &str) {
    let found = world.wait_until(id, name, |campaign| {
        campaign.text("/observed/spend_source") == source && campaign.text("/observed/spend") == spend
    });
    let high = !spend.is_empty() && spend.parse::<f64>().unwrap() >= 10.0;
    assert_eq!(found.text("/high_spend"), high.to_string(), "{name}: {found}");
}

#[test]
fn the_sources_of_the_spend_are_used_in_their_order() {
    let mut world = World::new();
    let as_text = |form| CampaignSpec { spend_form: form, ..spent(0, 1_234) };
    let rounded = CampaignSpec::paused(0).spent(Amount::micros(9_996_000)).with_field("spent_today", None);
    let unreadable = spent(0, 500).with_field("spent_today", Some(json!("much")));
    let of_a_lifetime = CampaignSpec::paused(0).with_field("spent", Some(json!(412.50)));
    let table = [
        ("the campaign's own field", spent(0, 999), "campaign", "9.99"),
        ("its text", as_text(SpendForm::Text), "campaign", "12.34"),
        ("its text with the currency", as_text(SpendForm::DollarText), "campaign", "12.34"),
        ("a bare `spent`, which may be the lifetime's", of_a_lifetime, "none", "0.00"),
        ("both keys", spent(0, 123).with_field("spent", Some(json!(99.99))), "campaign", "1.23"),
        ("a field of 0", spent(0, 0), "campaign", "0.00"),
        ("a report", spent_in_reports_only(0, 1_000), "report", "10.00"),
        ("a report of 9.996, in cents as the field is", rounded, "report", "10.00"),
        ("an unreadable field, a report", unreadable, "report", "5.00"),
        ("an account of another timezone", CampaignSpec { timezone: 3, ..spent(0, 700) }, "report", "7.00"),
        ("no value anywhere", CampaignSpec::paused(0), "none", "0.00"),
    ];
    let numbered: Vec<_> = (995_001..).zip(table).collect();
    for (id, (_, spec, _, _)) in &numbered {
        world.add(CampaignSpec { id: *id, ..spec.clone() }, 10_000);
    }
    for (id, (name, _, source, spend)) in numbered {
        expect_spend(&mut world, id, name, source, spend);
    }
}

#[test]
fn if_a_source_fails_and_no_later_one_has_a_value_the_spend_is_unknown_and_nothing_is_run() {
    let mut world = World::new();
    let fault = reports_fail(&world);
    world.add(CampaignSpec::paused(ID), 20_000);
    let campaign = world.wait_until(ID, "a tick", |campaign| campaign.ticks() > 0);
    assert_eq!(campaign.text("/observed/spend"), "", "{campaign}");
    assert!(campaign.text("/last_error").contains("spend is unknown"), "{campaign}");
    world.expect(ID, &Outcome::new("idle", &[], &[]));

    // If no source has a value and none fails, the spend is 0.
    world.sandbox.remove_fault(fault);
    world.expect(ID, &Outcome::activated());
    assert_eq!(world.database.journal(ID)[0].spend_micros, Some(0));
}

#[test]
fn the_stored_spend_is_used_if_the_api_fails() {
    let mut world = World::new();
    let (below, reached) = (995_001, 995_002);
    world.add(spent(below, 999), 10_000);
    world.add(spent(reached, 1_000), 10_000);
    for id in [below, reached] {
        world.wait_until(id, "spend", |campaign| campaign.text("/observed/spend_source") == "campaign");
    }
    stored(&mut world, 2);
    reports_fail(&world);
    for id in [below, reached] {
        world.sandbox.add_campaign(CampaignSpec::paused(id).with_field("spent_today", Some(json!("much"))));
    }
    expect_spend(&mut world, below, "below the limit", "database", "9.99");
    expect_spend(&mut world, reached, "at the limit", "database", "10.00");
    world.database.set_remaining_clicks(below, 20_000);
    world.database.set_remaining_clicks(reached, 20_000);
    world.wait_for_writes(below, &ACTIVATION);
    world.expect(reached, &Outcome::new("idle", &[], &[]));
}

/// Waits until the spends of this number of campaigns are stored in the database.
fn stored(world: &mut World, campaigns: i64) {
    world.wait_for("the spend to be stored", |world| {
        match world.database.number("SELECT COUNT(*) AS number FROM spends WHERE source = 'campaign'") {
            count if count == campaigns => Ok(()),
            count => Err(format!("{count} are stored")),
        }
    });
}

#[test]
fn the_older_reports_are_used_and_a_missing_report_is_not_a_failure() {
    let without = || Options { custom_reports: false, ..Options::default() };
    let table = [
        ("columns by day", Options { column_report: true, ..without() }, "report", "4.20"),
        ("statistics of a day", Options { day_stats: true, ..without() }, "report", "4.20"),
        ("amounts as text", Options { amounts_as_text: true, ..Options::default() }, "report", "4.20"),
        ("none", without(), "none", "0.00"),
    ];
    in_parallel(table, |(name, options, source, spend)| {
        let mut world = World::with(Config::default(), options);
        world.add(spent_in_reports_only(ID, 420), 10_000);
        expect_spend(&mut world, ID, name, source, spend);
    });
}

#[test]
fn without_reports_a_bare_spent_is_todays() {
    let mut world = World::with(Config::default(), Options { custom_reports: false, ..Options::default() });
    world.add(CampaignSpec { spend_key: "spent", ..spent(ID, 41_250) }, 10_000);
    expect_spend(&mut world, ID, "no report", "campaign", "412.50");
}

#[test]
fn a_campaign_with_high_spend_is_marked_and_gets_no_request() {
    let mut world = World::new();
    world.add_guarded(ID);
    world.sandbox.set_spend(ID, Amount::cents(1_000)).unwrap();
    world.expect(ID, &Outcome::new("idle", &[], &[]));
    let campaign = world.campaign(ID);
    assert_eq!(campaign.text("/high_spend"), "true", "{campaign}");
    assert_eq!(campaign.text("/unguarded"), "true", "it runs without a promise: {campaign}");
    assert_eq!(world.guard.log().matches("unguarded: it runs").count(), 1, "it is logged once");

    // Above the limit, used-up clicks do not pause it.
    world.database.set_remaining_clicks(ID, 0);
    world.expect(ID, &Outcome::new("idle", &[], &[]));

    // When the counter is corrected, the decision table's rows for a spend below the limit apply again.
    world.sandbox.set_spend(ID, Amount::cents(999)).unwrap();
    world.wait_for_writes(ID, &PAUSE);
    let campaign = world.campaign(ID);
    assert_eq!((campaign.text("/high_spend"), campaign.text("/unguarded")), ("false".into(), "false".into()));
}

/// SQL that counts how often a stored spend is written again.
const COUNT_WRITES: &str = "CREATE TABLE spend_writes (number INTEGER NOT NULL);
    CREATE TRIGGER count_writes AFTER UPDATE ON spends BEGIN INSERT INTO spend_writes VALUES (1); END;";

fn spend_writes(world: &mut World) -> i64 {
    world.database.number("SELECT COUNT(*) AS number FROM spend_writes")
}

#[test]
fn an_unchanged_spend_is_not_stored_at_every_tick_but_a_changed_one_is() {
    let mut world = World::new();
    world.add(spent(ID, 400), 10_000);
    stored(&mut world, 1);
    world.database.execute(COUNT_WRITES);
    world.let_ticks_pass(4);
    assert_eq!(spend_writes(&mut world), 0);
    world.sandbox.set_spend(ID, Amount::cents(401)).unwrap();
    world.wait_for("the new spend", |world| {
        match world.database.number("SELECT amount_micros AS number FROM spends") {
            4_010_000 => Ok(()),
            micros => Err(micros.to_string()),
        }
    });
}

#[test]
fn an_unchanged_spend_is_stored_again_before_the_stored_one_is_too_old() {
    let mut world = World::configured(Config::default().generator("stored_spend_max_age", "8s"));
    world.add(spent(ID, 400), 10_000);
    stored(&mut world, 1);
    world.database.execute(COUNT_WRITES);
    let ticks = world.campaign(ID).ticks();
    world.wait_for("it to be stored twice", |world| match spend_writes(world) {
        0..=1 => Err("not yet".to_owned()),
        _ => Ok(()),
    });
    let passed = world.campaign(ID).ticks() - ticks;
    let writes = spend_writes(&mut world);
    assert!(passed > u64::try_from(writes).unwrap(), "{writes} times in {passed} ticks");
}

#[test]
fn the_size_of_the_write_ahead_log_is_in_the_metrics() {
    let mut world = World::new();
    world.add(spent(ID, 400), 10_000);
    let bytes = world.wait_for("a log that was measured", |world| {
        let text = world.guard.get("/metrics").text;
        let line = text.lines().find_map(|line| line.strip_prefix("traffic_generator_database_log_bytes "));
        let bytes: u64 = line.ok_or_else(|| text.clone())?.parse().unwrap();
        if bytes > 0 { Ok(bytes) } else { Err("it is empty".to_owned()) }
    });
    assert!(bytes < 64 << 20, "{bytes}");
}

#[test]
fn a_spend_that_is_unchanged_for_an_hour_of_clicks_is_reported_once_and_shown_everywhere() {
    let noon = "2026-12-05T12:00:00Z".parse().unwrap();
    let mut world = World::at(noon, Config::default(), Options::default(), |_, _| {});
    world.add(CampaignSpec::running(ID).spent(Amount::cents(321)), 20_000);
    world.wait_until(ID, "since when", |campaign| !campaign.text("/observed/spend_unchanged_since").is_empty());
    let watch = world.watch(&["--json"]);
    let count = |text: &str| text.lines().filter(|line| line.contains("spend-stands-still")).count();

    world.database.click(ID, 10);
    world.let_ticks_pass(1);
    world.set_clock(noon + Duration::minutes(59));
    world.let_ticks_pass(2);
    assert_eq!(count(&world.guard.log()) + count(&watch.stdout()), 0, "not yet");
    world.set_clock(noon + Duration::minutes(61));
    world.wait_for("the event", |_| if count(&watch.stdout()) == 1 { Ok(()) } else { Err(watch.stdout()) });
    let event: Value = watch.stdout().lines().find(|line| count(line) == 1).unwrap().parse().unwrap();
    assert_eq!((event["warning"].as_bool(), event["campaign_id"].as_i64()), (Some(true), Some(1)), "{event}");
    assert_says(&world.done(&["status", "--wide"]), &["unchanged for 1h"]);
    assert_says(&world.done(&["explain", "1"]), &["unchanged since 2026-12-05 12:00", "Its spend has not changed"]);
    world.let_ticks_pass(3);
    assert_eq!(count(&watch.stdout()), 1, "once");

    world.sandbox.set_spend(ID, Amount::cents(322)).unwrap();
    world.wait_until(ID, "another value", |campaign| campaign.text("/observed/spend") == "3.22");
    let explained = world.done(&["explain", "1"]);
    assert!(!explained.contains("has not changed"), "{explained}");
}

#[test]
fn an_implausible_click_limit_starts_nothing_and_is_reported() {
    let bounded = Config::default().generator("implausible_clicks", 500_000);
    let mut world = World::configured(bounded);
    let (by_config, by_row, unbounded) = (995_001, 995_002, 995_003);
    for id in [by_config, by_row, unbounded] {
        world.add(CampaignSpec::paused(id), 100);
        world.wait_for_state(id, "paused-guarded");
    }
    for (id, bound) in [(by_row, 50_000), (unbounded, 2_000_000)] {
        world
            .database
            .execute(&format!("UPDATE campaigns SET implausible_clicks = {bound} WHERE trafficstar_id = {id}"));
    }
    world.let_ticks_pass(1);
    let watch = world.watch(&["--json"]);
    world.database.set_remaining_clicks(by_config, 1_000_000);
    world.database.set_remaining_clicks(by_row, 60_000);
    world.database.set_remaining_clicks(unbounded, 1_000_000);
    world.wait_for_state(unbounded, "active-guarded");
    let nothing = || Outcome::new("paused-guarded", &[], &[]);
    world.expect_all(&[(by_config, "the config's bound", nothing()), (by_row, "its own bound", nothing())]);
    let note = "more clicks remain than implausible_clicks (500,000) allows";
    let last_error = world.campaign(by_config).text("/last_error");
    for text in [last_error, world.guard.log(), world.done(&["status"]), world.done(&["explain", "1"])] {
        assert_says(&text, &[note]);
    }
    for _ in 0..3 {
        world.database.click(by_config, 10);
        world.let_ticks_pass(1);
    }
    let events = watch.json_lines();
    let is_noted = |event: &&Value| event["text"].as_str().unwrap().contains(note);
    let noted: Vec<&Value> = events.iter().filter(is_noted).collect();
    assert_eq!(noted.len(), 1, "one event, though more clicks come: {noted:?}");
    assert_eq!(noted[0]["warning"], true);

    // When the limit is plausible again, the guard decides by it as before.
    world.database.set_remaining_clicks(by_config, 20_000);
    world.wait_for_state(by_config, "active-guarded");
}
