//! Today's spend by its three sources, in their order.

use sandbox::{Amount, CampaignSpec, Fault, FaultId, FaultKind, Operation, Options, SpendForm};
use serde_json::json;

use crate::helper::{ACTIVATION, Config, Outcome, PAUSE, World, in_parallel};

const ID: i64 = 995_224;

fn spent(id: i64, cents: i64) -> CampaignSpec {
    CampaignSpec::paused(id).spent(Amount::cents(cents))
}

/// Spend that the campaign object does not tell.
fn told_by_reports(id: i64, cents: i64) -> CampaignSpec {
    spent(id, cents).with_field("spent_today", None)
}

fn reports_fail(world: &World) -> FaultId {
    let fault = FaultKind::Status { code: 500, body: String::new() };
    world.sandbox.inject(Fault::always(fault).on(Operation::ReportByCampaign))
}

fn expect_spend(world: &mut World, id: i64, name: &str, source: &str, spend: &str) {
    let told = world.wait_until(id, name, |campaign| {
        campaign.text("/observed/spend_source") == source && campaign.text("/observed/spend") == spend
    });
    let high = !spend.is_empty() && spend.parse::<f64>().unwrap() >= 10.0;
    assert_eq!(told.text("/high_spend"), high.to_string(), "{name}: {told}");
}

#[test]
fn each_source_is_believed_in_its_order() {
    let mut world = World::new();
    let as_text = |form| CampaignSpec { spend_form: form, ..spent(0, 1_234) };
    let rounded = CampaignSpec::paused(0).spent(Amount::micros(9_996_000)).with_field("spent_today", None);
    let of_a_lifetime = CampaignSpec::paused(0).with_field("spent", Some(json!(412.50)));
    let table = [
        ("the campaign's own field", spent(0, 999), "campaign", "9.99"),
        ("its text", as_text(SpendForm::Text), "campaign", "12.34"),
        ("its text with the currency", as_text(SpendForm::DollarText), "campaign", "12.34"),
        ("a bare `spent`, which may be the lifetime's", of_a_lifetime, "none", "0.00"),
        ("both keys", spent(0, 123).with_field("spent", Some(json!(99.99))), "campaign", "1.23"),
        ("a field of 0", spent(0, 0), "campaign", "0.00"),
        ("a report", told_by_reports(0, 1_000), "report", "10.00"),
        ("a report of 9.996, in cents as the field is", rounded, "report", "10.00"),
        (
            "an unreadable field, a report",
            spent(0, 500).with_field("spent_today", Some(json!("much"))),
            "report",
            "5.00",
        ),
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
fn a_source_that_fails_with_no_value_after_it_leaves_the_spend_unknown_and_nothing_is_run() {
    let mut world = World::new();
    let fault = reports_fail(&world);
    world.add(CampaignSpec::paused(ID), 20_000);
    let campaign = world.wait_until(ID, "a tick", |campaign| campaign.ticks() > 0);
    assert_eq!(campaign.text("/observed/spend"), "", "{campaign}");
    assert!(campaign.text("/last_error").contains("spend is unknown"), "{campaign}");
    world.expect(ID, &Outcome::new("idle", &[], &[]));

    // No value anywhere is a spend of nothing.
    world.sandbox.remove_fault(fault);
    world.expect(ID, &Outcome::activated());
    assert_eq!(world.database.journal(ID)[0].spend_micros, Some(0));
}

#[test]
fn the_database_answers_where_the_api_does_not() {
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

/// Waits until the spend of so many campaigns is in the database, where a tracker's reports would look for it.
fn stored(world: &mut World, campaigns: i64) {
    world.wait_for("the spend to be stored", |world| {
        match world.database.number("SELECT COUNT(*) AS number FROM spends WHERE source = 'campaign'") {
            count if count == campaigns => Ok(()),
            count => Err(format!("of {count} campaigns it is")),
        }
    });
}

#[test]
fn the_older_reports_serve_and_no_report_at_all_is_no_failure() {
    let without = || Options { custom_reports: false, ..Options::default() };
    let table = [
        ("columns by day", Options { column_report: true, ..without() }, "report", "4.20"),
        ("statistics of a day", Options { day_stats: true, ..without() }, "report", "4.20"),
        ("amounts as text", Options { amounts_as_text: true, ..Options::default() }, "report", "4.20"),
        ("none", without(), "none", "0.00"),
    ];
    in_parallel(table, |(name, options, source, spend)| {
        let mut world = World::with(Config::default(), options);
        world.add(told_by_reports(ID, 420), 10_000);
        expect_spend(&mut world, ID, name, source, spend);
    });
}

#[test]
fn where_no_report_exists_a_bare_spent_is_todays() {
    let mut world = World::with(Config::default(), Options { custom_reports: false, ..Options::default() });
    world.add(CampaignSpec { spend_key: "spent", ..spent(ID, 41_250) }, 10_000);
    expect_spend(&mut world, ID, "no report", "campaign", "412.50");
}

#[test]
fn high_spend_is_marked_left_alone_and_watched() {
    let mut world = World::new();
    world.add_guarded(ID);
    world.sandbox.set_spend(ID, Amount::cents(1_000)).unwrap();
    world.expect(ID, &Outcome::new("idle", &[], &[]));
    let campaign = world.campaign(ID);
    assert_eq!(campaign.text("/high_spend"), "true", "{campaign}");
    assert_eq!(campaign.text("/unguarded"), "true", "it runs, and nothing is promised: {campaign}");
    assert_eq!(world.guard.log().matches("unguarded: it runs").count(), 1, "raised once");

    // Used-up clicks do not stop it either.
    world.database.set_remaining_clicks(ID, 0);
    world.expect(ID, &Outcome::new("idle", &[], &[]));

    // The counter was corrected: the rows below the limit hold again.
    world.sandbox.set_spend(ID, Amount::cents(999)).unwrap();
    world.wait_for_writes(ID, &PAUSE);
    let campaign = world.campaign(ID);
    assert_eq!((campaign.text("/high_spend"), campaign.text("/unguarded")), ("false".into(), "false".into()));
}

/// Counts how often a stored spend is written over.
const COUNT_WRITES: &str = "CREATE TABLE spend_writes (number INTEGER NOT NULL);
    CREATE TRIGGER count_writes AFTER UPDATE ON spends BEGIN INSERT INTO spend_writes VALUES (1); END;";

fn spend_writes(world: &mut World) -> i64 {
    world.database.number("SELECT COUNT(*) AS number FROM spend_writes")
}

#[test]
fn a_spend_that_stays_the_same_is_not_stored_at_every_tick_and_one_that_changes_is() {
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
fn a_spend_that_stays_the_same_is_stored_anew_before_the_stored_one_is_too_old_to_serve() {
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
