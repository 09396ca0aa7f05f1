//! The campaigns of the TrafficStars account: `account` lists them, and `campaign add` looks one up.

use std::time::Duration;

use sandbox::{Amount, CampaignSpec, Fault, FaultKind, Interference, Operation, Options, RequestRecord};
use serde_json::{Value, json};

use crate::helper::{Config, World, assert_says};

const ID: i64 = 995_001;

/// Starts a world with twenty-five campaigns, more than a page of the list has. One is guarded, one has a row and is
/// not guarded, and one is out of funds.
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
fn account_lists_all_campaigns_and_which_are_guarded_with_or_without_a_supervisor() {
    let mut world = world();
    let check = |listed: &Value, table: &str| {
        let listed = listed.as_array().unwrap();
        assert_eq!(listed.len(), 25);
        assert_eq!(
            listed[1],
            json!({
                "trafficstar_id": ID + 1, "name": "travel", "status": "stopped", "reason": null, "spent_today": "1.20",
                "schedule_timezone": 0, "id": 1, "guarded": false,
            })
        );
        assert_eq!(
            (&listed[0]["status"], &listed[0]["guarded"], &listed[0]["id"]),
            (&json!("running"), &json!(true), &json!(2))
        );
        let lines: Vec<String> =
            table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[0], "TS ID NAME STATUS SPEND GUARDED");
        assert_eq!(lines[1], format!("{ID} campaign {ID} runs - as campaign 2"));
        assert_eq!(lines[2], format!("{} travel stopped 1.20 no (campaign 1)", ID + 1));
        assert_eq!(lines[3], format!("{0} page {0} stopped - no", ID + 2));
        assert_says(&lines[25], &["blocked: out of funds"]);
    };
    check(&world.json(&["account"]), &world.done(&["account"]));
    assert_eq!(world.sandbox.count(Operation::Token), 1, "the supervisor has sent the requests");
    world.guard.stop();
    check(&world.json(&["account"]), &world.done(&["account"]));
    let changes = |one: &RequestRecord| one.operation.is_change();
    assert!(!world.sandbox.requests().iter().any(changes));
    let socket = world.guard.socket().display().to_string();
    world.refused(&["account", "--socket", &socket], 3, &["the supervisor is not running"]);
    world.sandbox.inject(Fault::status(503).on(Operation::Token));
    world.refused(&["account"], 1, &["the account could not be read: ", "TrafficStars has an internal error (503)"]);
}

#[test]
fn a_campaign_added_by_its_id_alone_gets_its_name_from_trafficstars() {
    let world = world();
    let added = world.done(&["campaign", "add", &(ID + 2).to_string()]);
    assert_says(&added, &[&format!("Campaign 3 (page {0}), {0} at TrafficStars, was added", ID + 2)]);
    let named = world.json(&["campaign", "add", &(ID + 3).to_string(), "--name", "shoes"]);
    assert_eq!((&named["name"], &named["trafficstar_id"]), (&json!("shoes"), &json!(ID + 3)));
    let absent =
        "the account has no campaign 4711 at TrafficStars (404): `traffic-generator account` lists its campaigns";
    world.refused(&["campaign", "add", "4711"], 1, &[absent]);
    world.refused(&["campaign", "add", "--trafficstar-id", "4711", "--name", "shoes"], 1, &[absent]);
    world.refused(&["campaign", "add", "4711", "--unchecked"], 2, &["--name"]);
    world.refused(&["campaign", "add", "4711", "--trafficstar-id", "4712"], 2, &[]);
    world.done(&["campaign", "add", "4711", "--unchecked", "--name", "shoes"]);
}

#[test]
fn without_an_answer_of_trafficstars_a_campaign_needs_a_name_to_be_added_and_a_warning_is_printed() {
    let mut world = World::prepared(Config::default(), Options::default(), |sandbox, _| {
        sandbox.inject(Fault::status(503).on(Operation::Token));
    });
    world.refused(&["campaign", "add", "4711"], 1, &["could not be read from TrafficStars", "give --name"]);
    let added = world.run(&["campaign", "add", "4711", "--name", "shoes"]);
    assert_eq!(added.code, 0, "{added:?}");
    assert_says(&added.stderr, &["warning: campaign 4711 could not be read from TrafficStars: "]);
    world.guard.stop();
}

#[test]
fn on_a_terminal_a_slow_read_of_the_account_says_what_it_waits_for_and_ctrl_c_says_that_no_order_was_given() {
    let mut world = World::new();
    world.sandbox.add_campaign(CampaignSpec::paused(ID));
    for read in [Operation::Campaign, Operation::Campaigns] {
        world.sandbox.inject(Fault::always(FaultKind::DelayBeforeEffect(Duration::from_secs(60))).on(read));
    }
    for arguments in [&["account"][..], &["campaign", "add", &ID.to_string()]] {
        let mut view = world.in_terminal(arguments);
        world.wait_for("what it waits for", |_| view.shows("waiting for TrafficStars' answer"));
        view.type_in("\x03");
        world.wait_for("the message about the order", |_| {
            view.shows("Interrupted: no order was given, nothing was changed.")
        });
        let mut ended = None;
        world.wait_for("its end", |_| view.ended().map(|status| ended = status.code()));
        assert_eq!(ended, Some(130), "{arguments:?}");
    }
    assert_eq!(world.json(&["campaign", "list"]), json!([]));
}

#[test]
fn adding_a_campaign_with_another_time_zone_prints_a_warning() {
    let world = World::new();
    world.sandbox.add_campaign(CampaignSpec { schedule_timezone: 3, ..CampaignSpec::paused(ID) });
    let added = world.run(&["campaign", "add", &ID.to_string()]);
    assert_eq!(added.code, 0, "{added:?}");
    assert_says(
        &added.stderr,
        &["warning: its schedule_timezone at TrafficStars is +3, so the guard treats it as blocked"],
    );
}
