//! `alert list`, `alert test`, `alert ack` and `alert mute`, and the same on the control socket.

use serde_json::{Value, json};

use super::{
    BLOCKED, Expected, ID, NO_FUNDS, OTHER, SECRET, TEST, assert_told_once, only, set_blocked, set_funds, taken,
    telling, told, watched,
};
use crate::helper::{Answer, Config, Receiver, World, assert_says};

/// Starts a world with two guarded campaigns and a receiver that was told of the start.
fn guarding() -> (World, Receiver) {
    let (mut world, receiver) = watched(Config::default());
    world.add_many_guarded([ID, OTHER]);
    (world, receiver)
}

const OTHER_NO_FUNDS: Expected = Expected { key: "no-funds/2", campaign: Some(OTHER), ..NO_FUNDS };

#[test]
fn the_list_shows_open_alerts_first_with_who_was_told_and_the_receivers() {
    let (mut world, receiver) = guarding();
    assert_says(&world.done(&["alert", "list"]), &["0 alerts are open.", "restarted: the supervisor "]);
    set_blocked(&world, ID, true);
    BLOCKED.begins(&mut world, &receiver);
    world.wait_until_listed("blocked/1", "delivered", |alert| alert["deliveries"][0]["delivered_at"].is_string());
    let list = world.done(&["alert", "list"]);
    let blocked = format!("blocked: campaign {ID} (1): TrafficStars will not run it: archived");
    assert_says(&list, &["1 alert is open.", "SEVERITY", "TOLD", "RECEIVER", "ops", &receiver.origin(), &blocked]);
    let places = ["blocked: ", "restarted: "].map(|word| list.find(word).unwrap());
    assert!(places[0] < places[1], "open ones come first:\n{list}");
    assert!(!list.contains("/hook") && !list.contains(SECRET), "the path of an address may be a secret:\n{list}");
    let all = world.json(&["alert", "list"]);
    assert_eq!(all, world.guard.get("/v1/alerts").json());
    let alert = &all["alerts"][0];
    assert_eq!(
        (&alert["key"], &alert["occasion"], &alert["state"]),
        (&json!("blocked/1"), &json!("blocked"), &json!("firing"))
    );
    let state = &all["receivers"][0];
    assert_eq!((&state["name"], &state["severity"], &state["waiting"]), (&json!("ops"), &json!("info"), &json!(0)));
    assert_eq!((&state["lost"], &all["mutes"]), (&json!(0), &json!([])));
}

#[test]
fn a_test_message_goes_to_one_receiver_or_to_all_and_its_answer_is_shown() {
    let (one, two) = (Receiver::start(), Receiver::start());
    let nothing = [only(&["contested"])];
    let world = World::configured(telling(telling(Config::default(), "one", &one, &nothing), "two", &two, &nothing));
    assert_eq!(world.done(&["alert", "test", "one"]), format!("one: delivered to {}\n", one.origin()));
    assert_eq!((one.posts().len(), two.posts().len()), (1, 0));
    one.posts()[0].verify(SECRET).unwrap();
    let body = one.posts()[0].json();
    assert_eq!((&body["data"]["key"], &body["data"]["severity"]), (&json!(TEST), &json!("info")), "{body:#}");
    assert_says(
        body["data"]["text"].as_str().unwrap(),
        &["this is a test of the receiver one", "nothing has happened"],
    );

    two.set_answer(Answer::Status(403));
    let all = world.run(&["alert", "test"]);
    assert_eq!(all.code, 1, "{all:?}");
    let lines =
        format!("one: delivered to {}\ntwo: not delivered to {}: it answered 403\n", one.origin(), two.origin());
    assert_eq!(all.stdout, lines);
    assert_says(&all.stderr, &["1 of 2 receivers did not take the test message"]);
    world.refused(&["alert", "test", "three"], 1, &["there is no receiver three: the receivers are one, two"]);
    let without = World::new();
    without.refused(&["alert", "test"], 1, &["there is no receiver: write one into the config as [[alerts]]"]);
    assert_says(&without.done(&["alert", "list"]), &["open"]);
}

#[test]
fn an_operator_takes_an_alert_over_by_its_number() {
    let (mut world, receiver) = guarding();
    set_blocked(&world, ID, true);
    BLOCKED.begins(&mut world, &receiver);
    let id = world.listed("blocked/1").unwrap()["id"].to_string();
    let said = world.done(&["alert", "ack", &id]);
    assert_eq!(said, format!("Alert {id} (blocked/1) is taken over: no reminder of it is sent.\n"));
    let uid = rustix::process::getuid().as_raw().to_string();
    let acked = world.wait_until_listed("blocked/1", "taken over", |alert| alert["acked"].is_object());
    assert!(acked["acked"]["by"].as_str().is_some_and(|by| by.contains(&uid)), "{acked:#}");
    assert_says(&world.done(&["alert", "list"]), &["taken over"]);
    world.guard.kill();
    world.start();
    world.wait_until_listed("blocked/1", "still taken over", |alert| alert["acked"].is_object());

    world.refused(&["alert", "ack", "999"], 1, &["no open alert has the number 999: `traffic-generator alert list`"]);
    assert_eq!(world.run(&["alert", "ack", "first"]).code, 2);
    set_blocked(&world, ID, false);
    BLOCKED.ends(&mut world, &receiver);
    world.refused(&["alert", "ack", &id], 1, &["no open alert has the number "]);
}

#[test]
fn what_is_the_case_after_a_mute_is_told_then_and_what_is_over_is_not() {
    let (mut world, receiver) = guarding();
    assert_says(
        &world.done(&["alert", "mute", "--for", "2h", "--reason", "new server"]),
        &["All alerts are muted until ", "new server"],
    );
    set_blocked(&world, ID, true);
    set_funds(&world, OTHER, false);
    for key in ["blocked/1", "no-funds/2"] {
        world.wait_until_listed(key, "firing", |alert| alert["state"] == "firing");
    }
    set_funds(&world, OTHER, true);
    world.wait_until_listed("no-funds/2", "over", |alert| alert["state"] == "resolved");
    // A mute survives a power cut.
    world.guard.kill();
    world.start();
    world.wait_for("the mute", |world| {
        let mutes = world.json(&["alert", "list"])["mutes"].clone();
        if mutes[0]["reason"] == "new server" { Ok(()) } else { Err(mutes.to_string()) }
    });
    world.let_ticks_pass(3);
    assert_eq!(told(&receiver).len(), 1, "the first start alone: {:#?}", told(&receiver));
    assert_eq!(world.done(&["alert", "mute", "--for", "0s"]), "Nothing is muted.\n");
    BLOCKED.begins(&mut world, &receiver);
    world.let_ticks_pass(2);
    assert!(OTHER_NO_FUNDS.is_untold(&receiver), "it came and went");
    assert_told_once(&receiver);
}

#[test]
fn one_campaign_can_be_muted_alone() {
    let (mut world, receiver) = guarding();
    let said = world.done(&["alert", "mute", "1", "--for", "2h"]);
    assert_says(&said, &["The alerts of campaign 1 are muted until "]);
    set_blocked(&world, ID, true);
    world.wait_until_listed("blocked/1", "firing", |alert| alert["state"] == "firing");
    set_funds(&world, OTHER, false);
    OTHER_NO_FUNDS.begins(&mut world, &receiver);
    assert!(BLOCKED.is_untold(&receiver));
    assert_says(&world.done(&["alert", "list"]), &["The alerts of campaign 1 are muted until "]);
    world.done(&["alert", "mute", "1", "--for", "0s"]);
    BLOCKED.begins(&mut world, &receiver);
    assert_told_once(&receiver);
}

#[test]
fn bad_arguments_are_refused_and_change_nothing() {
    let (world, _receiver) = guarding();
    for arguments in [&["alert", "mute"][..], &["alert", "mute", "--for", "soon"], &["alert"], &["alert", "ack"]] {
        assert_eq!(world.run(arguments).code, 2, "{arguments:?}");
    }
    world.refused(&["alert", "mute", "99", "--for", "2h"], 1, &["99"]);
    assert_eq!(world.json(&["alert", "list"])["mutes"], json!([]));
}

#[test]
fn the_control_socket_does_the_same() {
    let (mut world, receiver) = guarding();
    set_blocked(&world, ID, true);
    BLOCKED.begins(&mut world, &receiver);
    let id = world.listed("blocked/1").unwrap()["id"].clone();
    let ask = |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { None } else { Some(body.to_string()) };
        world.guard.request(method, path, body.as_deref())
    };
    let (status, alerts) = ask("GET", "/v1/alerts", Value::Null);
    assert_eq!((status, &alerts["alerts"][0]["key"]), (200, &json!("blocked/1")), "{alerts:#}");
    let (status, acked) = ask("POST", &format!("/v1/alerts/{id}/ack"), Value::Null);
    assert_eq!((status, &acked["key"], acked["acked"].is_object()), (200, &json!("blocked/1"), true), "{acked:#}");
    let (status, mutes) = ask("PUT", "/v1/alerts/mute", json!({"campaign": 2, "for": "2h", "reason": "new page"}));
    assert_eq!((status, &mutes[0]["campaign"], &mutes[0]["reason"]), (200, &json!(2), &json!("new page")), "{mutes:#}");
    let (status, mutes) = ask("PUT", "/v1/alerts/mute", json!({"campaign": 2, "for": "0s"}));
    assert_eq!((status, mutes), (200, json!([])));
    for body in [Value::Null, json!({"receiver": "ops"})] {
        let (status, tested) = ask("POST", "/v1/alerts/test", body);
        assert_eq!(
            (status, &tested[0]["receiver"], &tested[0]["delivered"]),
            (200, &json!("ops"), &json!(true)),
            "{tested:#}"
        );
    }
    let tests = taken(&receiver).iter().filter(|post| post.json()["data"]["key"] == TEST).count();
    assert_eq!(tests, 2, "{:#?}", told(&receiver));

    let refused = [
        ("POST", "/v1/alerts/999/ack", Value::Null, 404, Value::Null),
        ("POST", "/v1/alerts/first/ack", Value::Null, 422, json!("id")),
        ("PUT", "/v1/alerts/mute", json!({"campaign": 99, "for": "2h"}), 404, Value::Null),
        ("PUT", "/v1/alerts/mute", json!({"for": "soon"}), 422, json!("for")),
        ("PUT", "/v1/alerts/mute", json!({}), 422, json!("body")),
        ("POST", "/v1/alerts/test", json!({"receiver": "unknown"}), 422, json!("receiver")),
    ];
    for (method, path, body, status, field) in refused {
        let (found, problem) = ask(method, path, body.clone());
        assert_eq!((found, &problem["field"]), (status, &field), "{method} {path} {body}: {problem:#}");
    }
}

#[test]
fn a_reload_replaces_the_receivers_and_a_bad_one_changes_nothing() {
    let (mut world, first) = guarding();
    let second = Receiver::start();
    let unchanged = world.guard.config.clone();
    world.guard.config = telling(unchanged.clone(), "second", &second, &[("severity", "loud".into())]);
    world.guard.write_config();
    world.refused(&["reload"], 1, &["alerts.severity", "`loud` is not a severity: write info, warning or critical"]);
    world.guard.config = unchanged.clone();
    world.guard.write_config();
    assert_eq!(world.json(&["alert", "list"])["receivers"].as_array().unwrap().len(), 1);

    world.guard.config = telling(unchanged, "second", &second, &[]);
    world.guard.write_config();
    world.done(&["reload"]);
    set_blocked(&world, ID, true);
    for receiver in [&first, &second] {
        BLOCKED.begins(&mut world, receiver);
        assert_told_once(receiver);
    }
    assert_eq!(told(&second).len(), 1, "it is not told what was over before: {:#?}", told(&second));
}
