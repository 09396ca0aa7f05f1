//! Limits on the sum of several campaigns' spends, through the built program.

use sandbox::{Amount, CampaignSpec};
use serde_json::{Value, json};

use crate::helper::{Config, World, on_both_databases};

const SHOES: [i64; 2] = [995_001, 995_002];
const OTHER: i64 = 995_003;

fn spent(id: i64, cents: i64) -> CampaignSpec {
    CampaignSpec::running(id).spent(Amount::cents(cents))
}

/// Starts a world with two campaigns of the group `shoes`, whose limit is 18.00, and one without a group.
fn world(config: Config) -> World {
    let config = config.group("shoes", "18.00", "pause").generator("warn_at", "75%");
    let mut world = World::configured(config);
    world.add_all([(spent(SHOES[0], 500), 20_000), (spent(SHOES[1], 600), 20_000), (spent(OTHER, 700), 20_000)]);
    for id in SHOES {
        let row = world.database.row_id(id).to_string();
        world.done(&["campaign", "set", &row, "--group", "shoes"]);
    }
    for id in [SHOES[0], SHOES[1], OTHER] {
        world.wait_for_state(id, "active-guarded");
    }
    world
}

/// Waits until the dump shows this sum for a campaign, with this number of spends that are unknown, and returns it.
#[track_caller]
fn wait_for_sum(world: &mut World, id: i64, spend: &str, unknown: u64) -> Value {
    world.wait_for(&format!("the sum {spend}"), |world| {
        let sums = world.campaign(id).0["shared_limits"].clone();
        match sums.get(0).filter(|sum| sum["spend"] == spend && sum["unknown"] == unknown) {
            Some(sum) => Ok(sum.clone()),
            None => Err(sums.to_string()),
        }
    })
}

#[test]
fn the_sum_of_a_groups_spends_pauses_its_campaigns_and_no_other_until_the_limit_is_raised() {
    on_both_databases(|config| {
        let mut world = world(config);
        let events = world.watch(&["--json"]);
        let sum = wait_for_sum(&mut world, SHOES[0], "11.00", 0);
        assert_eq!(
            sum,
            json!({"group": "shoes", "spend_limit": "18.00", "high_spend": "pause", "spend": "11.00", "campaigns": 2,
                "unknown": 0})
        );
        assert_eq!(world.campaign(OTHER).0["shared_limits"], json!([]));

        world.sandbox.set_spend(SHOES[0], Amount::cents(900)).unwrap();
        wait_for_sum(&mut world, SHOES[1], "15.00", 0);
        world.sandbox.set_spend(SHOES[1], Amount::cents(900)).unwrap();
        for id in SHOES {
            world.wait_for_state(id, "paused-guarded");
            assert!(!world.sandbox.is_running(id), "{id}");
        }
        assert!(world.sandbox.is_running(OTHER), "it has no group");
        let row = world.database.row_id(SHOES[0]).to_string();
        let explained = world.done(&["explain", &row]);
        assert!(
            explained.contains("18.00 of 18.00 by the group shoes (2 campaigns); at the limit: pause"),
            "{explained}"
        );
        assert!(
            explained.contains("18.00 or more is spent today by the group shoes (18.00): it is kept paused"),
            "{explained}"
        );

        world.guard.config = world.guard.config.clone().group("shoes", "30.00", "pause");
        world.guard.write_config();
        world.done(&["reload"]);
        for id in SHOES {
            world.wait_for_state(id, "active-guarded");
        }
        let reports = world.wait_for("both reports", |_| {
            let lines = events.json_lines();
            let reports: Vec<Value> = lines.iter().filter(|line| line["kind"] == "group-limit").cloned().collect();
            if reports.len() >= 2 { Ok(reports) } else { Err(format!("{reports:?}")) }
        });
        let texts: Vec<&str> = reports.iter().filter_map(|report| report["text"].as_str()).collect();
        assert_eq!(
            texts,
            [
                "15.00 of the limit of the group shoes, 18.00, is spent today",
                "the limit of the group shoes is reached: 18.00 of 18.00 is spent today",
            ],
            "each is reported once, not by each campaign"
        );
    });
}

#[test]
fn the_accounts_limit_stops_every_campaign_and_an_unknown_spend_counts_with_its_last_value() {
    let config = Config::default().set("account", "spend_limit", "20.00").set("account", "high_spend", "pause");
    let mut world = World::configured(config);
    world.add_all([(spent(SHOES[0], 500), 20_000), (spent(SHOES[1], 600), 20_000)]);
    world.wait_for_state(SHOES[0], "active-guarded");
    wait_for_sum(&mut world, SHOES[0], "11.00", 0);
    // A campaign that is no longer guarded is not read: its last known spend counts, and is in doubt.
    let row = world.database.row_id(SHOES[1]).to_string();
    world.done(&["disable", &row, "--leave-running"]);
    world.database.execute("UPDATE spends SET at = '2026-01-01 00:00:00' WHERE campaign_id = 2");
    world.sandbox.set_spend(SHOES[0], Amount::cents(800)).unwrap();
    wait_for_sum(&mut world, SHOES[0], "14.00", 1);
    world.sandbox.set_spend(SHOES[0], Amount::cents(1_400)).unwrap();
    world.wait_for_state(SHOES[0], "cooling-down");
}

#[test]
fn a_group_that_the_config_does_not_have_is_refused_and_starts_nothing() {
    let mut world = World::configured(Config::default().group("shoes", "20.00", "pause"));
    world.add(CampaignSpec::paused(OTHER), 10_000);
    world.wait_for_state(OTHER, "idle");
    let row = world.database.row_id(OTHER).to_string();
    world.refused(
        &["campaign", "set", &row, "--group", "boots"],
        1,
        &["\"boots\" is no group of the config: its groups are shoes; add it there as [[groups]]"],
    );
    world.database.execute("UPDATE campaigns SET group_name = 'boots'");
    world.database.set_remaining_clicks(OTHER, 20_000);
    world.wait_for("the doubt", |world| {
        let error = world.campaign(OTHER).0["last_error"].clone();
        let says = error.as_str().is_some_and(|error| {
            error.contains("the column `group_name` holds \"boots\", and the config has no [[groups]] of this name")
        });
        if says { Ok(()) } else { Err(error.to_string()) }
    });
    assert!(!world.sandbox.is_running(OTHER), "doubt starts nothing");
    world.done(&["campaign", "set", &row, "--group", "default"]);
    world.wait_for_state(OTHER, "active-guarded");
}

#[test]
fn a_group_is_removed_from_the_config_only_by_accept_and_its_campaigns_are_not_started() {
    let mut world = World::configured(Config::default().group("shoes", "20.00", "pause"));
    world.add(CampaignSpec::paused(OTHER), 10_000);
    world.wait_for_state(OTHER, "idle");
    let row = world.database.row_id(OTHER).to_string();
    world.done(&["campaign", "set", &row, "--group", "shoes"]);
    world.guard.config = world.guard.config.clone().without("groups");
    world.guard.write_config();
    world.refused(&["reload"], 1, &["groups.shoes.spend_limit", "no longer in the config", "reload --accept"]);
    let reloaded = world.json(&["reload", "--accept"]);
    let warning = reloaded["warnings"][0].as_str().unwrap_or_default();
    assert!(warning.starts_with("the group shoes is no longer in the config"), "{reloaded}");
    world.database.set_remaining_clicks(OTHER, 20_000);
    world.wait_for("the doubt", |world| {
        let error = world.campaign(OTHER).0["last_error"].clone();
        let says = error.as_str().is_some_and(|error| error.contains("\"shoes\""));
        if says { Ok(()) } else { Err(error.to_string()) }
    });
    assert!(!world.sandbox.is_running(OTHER), "doubt starts nothing");
    let checked = world.run(&["check"]);
    assert!(checked.stdout.contains("the column `group_name` holds \"shoes\""), "{checked:?}");
}
