//! What the account holds: shown by `account`, and looked up by `campaign add`.

use sandbox::{Amount, CampaignSpec, Fault, Interference, Operation, Options, RequestRecord};
use serde_json::{Value, json};

use crate::helper::{Config, World, assert_says};

const ID: i64 = 995_001;

/// Twenty-five campaigns, more than a page of the list has; one guarded, one known and not guarded, one out of funds.
fn world() -> World {
    let mut world = World::new();
    for id in ID + 2..ID + 25 {
        world.sandbox.add_campaign(CampaignSpec { name: format!("page {id}"), ..CampaignSpec::paused(id) });
    }
    world.sandbox.interfere(ID + 24, Interference::SetNoFunds(true)).unwrap();
    world.add_disabled(
        CampaignSpec { name: "travel".to_owned(), ..CampaignSpec::paused(ID + 1).spent(Amount::cents(120)) },
        20_000,
    );
    world.add_guarded(ID);
    world
}

#[test]
fn the_account_is_listed_with_what_is_guarded_through_the_supervisor_or_without_one() {
    let mut world = world();
    let check = |told: &Value, table: &str| {
        let told = told.as_array().unwrap();
        assert_eq!(told.len(), 25);
        assert_eq!(
            told[1],
            json!({
                "trafficstar_id": ID + 1, "name": "travel", "status": "stopped", "reason": null, "spent_today": "1.20",
                "schedule_timezone": 0, "id": 1, "guarded": false,
            })
        );
        assert_eq!(
            (&told[0]["status"], &told[0]["guarded"], &told[0]["id"]),
            (&json!("running"), &json!(true), &json!(2))
        );
        let lines: Vec<String> =
            table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[0], "TS ID NAME STATUS SPENT TODAY GUARDED");
        assert_eq!(lines[1], format!("{ID} campaign {ID} runs - as campaign 2"));
        assert_eq!(lines[2], format!("{} travel stopped 1.20 no (campaign 1)", ID + 1));
        assert_eq!(lines[3], format!("{0} page {0} stopped - no", ID + 2));
        assert_says(&lines[25], &["blocked: out of funds"]);
    };
    check(&world.json(&["account"]), &world.done(&["account"]));
    assert_eq!(world.sandbox.count(Operation::Token), 1, "the supervisor has asked");
    world.guard.stop();
    check(&world.json(&["account"]), &world.done(&["account"]));
    let changes = |one: &RequestRecord| one.operation.is_change();
    assert!(!world.sandbox.requests().iter().any(changes));
    let socket = world.guard.socket().display().to_string();
    world.refused(&["account", "--socket", &socket], 3, &["the supervisor is not running"]);
    world.sandbox.inject(Fault::status(503).on(Operation::Token));
    world.refused(&["account"], 1, &["the account could not be read: ", "TrafficStars has a failure of its own (503)"]);
}

#[test]
fn a_campaign_is_added_by_its_id_alone_with_the_name_that_it_has_at_trafficstars() {
    let world = world();
    let added = world.done(&["campaign", "add", &(ID + 2).to_string()]);
    assert_says(&added, &[&format!("Campaign 3 (page {0}), {0} at TrafficStars, was added", ID + 2)]);
    let named = world.json(&["campaign", "add", &(ID + 3).to_string(), "--name", "shoes"]);
    assert_eq!((&named["name"], &named["trafficstar_id"]), (&json!("shoes"), &json!(ID + 3)));
    let absent = "TrafficStars knows no campaign 4711 (404): is it another account's, or mistyped?";
    world.refused(&["campaign", "add", "4711"], 1, &[absent]);
    world.refused(&["campaign", "add", "--trafficstar-id", "4711", "--name", "shoes"], 1, &[absent]);
    world.refused(&["campaign", "add", "4711", "--unchecked"], 2, &["--name"]);
    world.refused(&["campaign", "add", "4711", "--trafficstar-id", "4712"], 2, &[]);
    world.done(&["campaign", "add", "4711", "--unchecked", "--name", "shoes"]);
}

#[test]
fn where_trafficstars_does_not_answer_a_campaign_is_added_by_a_name_alone_and_that_is_said() {
    let mut world = World::prepared(Config::default(), Options::default(), |sandbox, _| {
        sandbox.inject(Fault::status(503).on(Operation::Token));
    });
    world.refused(&["campaign", "add", "4711"], 1, &["could not be looked for at TrafficStars", "give it a --name"]);
    let added = world.run(&["campaign", "add", "4711", "--name", "shoes"]);
    assert_eq!(added.code, 0, "{added:?}");
    assert_says(&added.stderr, &["warning: campaign 4711 was not looked for at TrafficStars: "]);
    world.guard.stop();
}

#[test]
fn a_campaign_whose_end_times_would_be_misread_is_told_when_it_is_added() {
    let world = World::new();
    world.sandbox.add_campaign(CampaignSpec { schedule_timezone: 3, ..CampaignSpec::paused(ID) });
    let added = world.run(&["campaign", "add", &ID.to_string()]);
    assert_eq!(added.code, 0, "{added:?}");
    assert_says(
        &added.stderr,
        &["warning: its schedule_timezone at TrafficStars is +3, so that it is taken for blocked"],
    );
}
