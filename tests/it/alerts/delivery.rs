//! The delivery of a message by HTTP: its signature, and receivers that refuse, hang, redirect or want no more. In all
//! cases the guard goes on guarding, and the message arrives once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sandbox::Options;
use serde_json::{Value, json};

use super::{
    BLOCKED, Expected, ID, NO_FUNDS, OTHER, SECRET, STARTED, assert_told_once, expect_nothing_more, noon, only,
    posts_about, set_blocked, set_funds, supervisors, telling, watched,
};
use crate::helper::{Answer, Config, PATIENCE, Post, Receiver, World, assert_says, in_parallel};

const OLD_SECRET: &str = "whsec_plJ3nmyCDGBKInavdOK15jsl6EgyGVdR";
/// The least time between the first and the second try: 5 s, less a fifth.
const FIRST_WAIT: Duration = Duration::from_secs(4);
const DEAD: Expected =
    supervisors("supervisor.degraded", "degraded/alerts", "warning", "no alert arrives at: ops (it answered ");

/// Starts a world with one guarded campaign and a receiver that was told of the start.
fn guarding() -> (World, Receiver) {
    let (mut world, receiver) = watched(Config::default());
    world.add_guarded(ID);
    (world, receiver)
}

/// Asserts that all of these are tries to send one message, and returns the last.
#[track_caller]
fn one_message(posts: &[Post]) -> &Post {
    let (first, last) = (posts.first().unwrap(), posts.last().unwrap());
    for post in posts {
        assert_eq!((post.id(), &post.body), (first.id(), &first.body), "the same message");
        post.verify(SECRET).unwrap_or_else(|error| panic!("{error}: {post:?}"));
    }
    last
}

fn between(earlier: &Post, later: &Post) -> Duration {
    later.at.duration_since(earlier.at)
}

#[test]
fn each_message_is_json_with_a_signature_that_a_receiver_with_the_secret_accepts() {
    let (mut world, receiver) = guarding();
    set_blocked(&world, ID, true);
    let item = BLOCKED.begins(&mut world, &receiver);
    let posts = posts_about(&receiver, "blocked/1");
    let post = one_message(&posts);
    assert_eq!(post.header("content-type"), "application/json");
    assert!(post.header("user-agent").starts_with("traffic-generator/"), "{post:?}");
    assert!(post.verify(OLD_SECRET).is_err(), "another secret");
    let changed = Post { body: post.body.replace("995224", "995225"), ..post.clone() };
    assert!(changed.verify(SECRET).is_err(), "another body");
    let body = post.json();
    let at = |value: &Value| value.as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert!(at(&body["timestamp"]) >= at(&item["since"]), "{body:#}");
    assert_eq!((&item["reminder"], &item["lasts"]), (&json!(0), &json!(true)), "{item:#}");
    let listed =
        world.wait_until_listed("blocked/1", "delivered", |alert| !alert["deliveries"][0]["delivered_at"].is_null());
    assert_eq!(listed["deliveries"][0]["message_id"], post.id(), "{listed:#}");
}

#[test]
fn while_a_secret_is_replaced_receivers_with_either_accept_the_message() {
    let receiver = Receiver::start();
    let both = format!("{SECRET}\n{OLD_SECRET}\n");
    let _world = World::configured(telling(Config::default(), "ops", &receiver, &[]).file("ops.secret", &both));
    receiver.wait_for_posts(1, PATIENCE);
    let post = &receiver.posts()[0];
    for secret in [SECRET, OLD_SECRET] {
        post.verify(secret).unwrap_or_else(|error| panic!("{secret}: {error}: {post:?}"));
    }
}

#[test]
fn address_and_secret_can_come_from_the_environment() {
    let mut world = World::new();
    world.guard.stop();
    let receiver = Receiver::start();
    let variable = |name, value: &str| (name, value.to_owned());
    world.guard.variables.push(variable("TRAFFIC_GENERATOR_ALERTS_ON_CALL_URL", &receiver.url()));
    world.guard.variables.push(variable("TRAFFIC_GENERATOR_ALERTS_ON_CALL_SECRET", OLD_SECRET));
    world.guard.config = world.guard.config.clone().alert(&[("name", "on-call".into())]);
    world.start();
    assert_says(&world.done(&["alert", "test", "on-call"]), &["on-call: delivered to ", &receiver.origin()]);
    let posts = receiver.posts();
    posts[0].verify(OLD_SECRET).unwrap();
    assert!(!world.guard.log().contains("whsec_"), "the secret is not logged");
}

#[test]
fn a_message_that_is_refused_is_sent_again_later_and_later_until_it_is_taken() {
    let (mut world, receiver) = guarding();
    receiver.answer_next([Answer::Status(500), Answer::Break]);
    set_blocked(&world, ID, true);
    BLOCKED.begins(&mut world, &receiver);
    let posts = posts_about(&receiver, "blocked/1");
    assert_eq!(posts.len(), 3, "{posts:#?}");
    one_message(&posts);
    let waits = [between(&posts[0], &posts[1]), between(&posts[1], &posts[2])];
    assert!(waits[0] >= FIRST_WAIT && waits[1] >= FIRST_WAIT * 2, "{waits:?}");
    let listed =
        world.wait_until_listed("blocked/1", "delivered", |alert| !alert["deliveries"][0]["delivered_at"].is_null());
    assert_eq!(listed["deliveries"][0]["attempts"], 3, "{listed:#}");
    let state = world.listed_receiver("ops");
    assert_eq!((&state["failing_since"], &state["last_error"]), (&Value::Null, &Value::Null), "{state:#}");
    expect_nothing_more(&mut world, &receiver);
}

#[test]
fn a_receiver_that_asks_for_a_wait_gets_it() {
    // Much longer than the six seconds after which the second try would come at the latest.
    const WAIT: i64 = 20;
    let forms: [fn() -> String; 2] = [
        || WAIT.to_string(),
        || (Utc::now() + TimeDelta::seconds(WAIT)).format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
    ];
    in_parallel(forms, |form| {
        let (mut world, receiver) = guarding();
        receiver.answer_next([Answer::With(429, "Retry-After", form())]);
        set_blocked(&world, ID, true);
        BLOCKED.begins(&mut world, &receiver);
        let posts = posts_about(&receiver, "blocked/1");
        one_message(&posts);
        assert!(posts.len() == 2 && between(&posts[0], &posts[1]) > Duration::from_secs(10), "{posts:#?}");
        assert_told_once(&receiver);
    });
}

#[test]
fn while_a_receiver_hangs_campaigns_are_guarded_and_commands_are_answered() {
    let (mut world, receiver) = guarding();
    world.add_guarded(OTHER);
    receiver.set_answer(Answer::Hang);
    set_blocked(&world, ID, true);
    world.wait_for("a message that hangs", |_| {
        if posts_about(&receiver, "blocked/1").is_empty() { Err("none".to_owned()) } else { Ok(()) }
    });
    world.database.set_remaining_clicks(OTHER, 0);
    world.wait_for_a_pause(OTHER);
    world.wait_for_stop(OTHER);
    world.let_ticks_pass(3);
    assert_eq!(world.listed("blocked/1").unwrap()["state"], "firing");
    world.done(&["status"]);
    receiver.set_answer(Answer::Take);
    BLOCKED.begins(&mut world, &receiver);
    one_message(&posts_about(&receiver, "blocked/1"));
    expect_nothing_more(&mut world, &receiver);
}

/// The guard ends without the answer, and the next one delivers the message.
#[test]
fn a_guard_that_is_stopped_while_a_receiver_hangs_ends_and_loses_nothing() {
    let (mut world, receiver) = guarding();
    receiver.set_answer(Answer::Hang);
    set_blocked(&world, ID, true);
    world.wait_for("a message that hangs", |_| {
        if posts_about(&receiver, "blocked/1").is_empty() { Err("none".to_owned()) } else { Ok(()) }
    });
    world.guard.stop();
    receiver.set_answer(Answer::Take);
    world.start();
    BLOCKED.begins(&mut world, &receiver);
    one_message(&posts_about(&receiver, "blocked/1"));
    let stopped = Expected { key: "restarted/stopped/", ..STARTED };
    world.wait_for("the stop", |_| stopped.found(&receiver, "firing"));
    expect_nothing_more(&mut world, &receiver);
}

#[test]
fn a_redirect_is_not_followed() {
    in_parallel([301, 302, 307, 308], |status| {
        let (mut world, receiver) = guarding();
        let elsewhere = Receiver::start();
        receiver.answer_next([Answer::With(status, "Location", elsewhere.url())]);
        set_blocked(&world, ID, true);
        let said = format!("it answered {status}, a redirect, which is not followed");
        world.wait_until_listed("blocked/1", "redirected", |alert| {
            alert["deliveries"][0]["error"].as_str().is_some_and(|error| error.starts_with(&said))
        });
        BLOCKED.begins(&mut world, &receiver);
        one_message(&posts_about(&receiver, "blocked/1"));
        assert!(elsewhere.posts().is_empty(), "{status}: the message is not for another server");
    });
}

/// Another receiver shows when something was told.
#[test]
fn a_receiver_that_wants_no_more_gets_nothing_until_a_test_succeeds() {
    let (ops, other) = (Receiver::start(), Receiver::start());
    let wanted = [only(&["blocked", "no-funds", "degraded"])];
    let config = telling(telling(Config::default(), "ops", &ops, &wanted), "other", &other, &wanted);
    let mut world = World::configured(config);
    world.add_many_guarded([ID, OTHER]);
    ops.set_answer(Answer::Status(410));
    set_blocked(&world, ID, true);
    let disabled = |receiver: &Value| receiver["disabled_at"].is_string();
    let state = world.wait_for_receiver("ops", "disabled", disabled);
    assert!(
        state["last_error"].as_str().unwrap().starts_with("it answered 410: it wants no more messages"),
        "{state:#}"
    );
    assert_eq!(state["lost"], 1, "the message that it refused");
    let health = world.guard.get("/v1/health");
    assert!(health.status == 503 && health.degradations().contains(&"alerts".to_owned()), "{health:?}");
    assert_says(&health.text, &["no alert arrives at: ops (it answered 410"]);
    assert_says(&world.done(&["alert", "list"]), &["disabled "]);

    // It stays so, also after a restart.
    world.guard.stop();
    world.start();
    set_funds(&world, OTHER, false);
    let of_other = Expected { key: "no-funds/2", campaign: Some(OTHER), ..NO_FUNDS };
    of_other.begins(&mut world, &other);
    DEAD.begins(&mut world, &other);
    assert_eq!(ops.posts().len(), 1, "{:#?}", ops.posts());

    ops.set_answer(Answer::Take);
    world.done(&["alert", "test", "ops"]);
    world.wait_for_receiver("ops", "enabled", |receiver| !disabled(receiver));
    // What began meanwhile is still the case.
    of_other.begins(&mut world, &ops);
    DEAD.ends(&mut world, &other);
    set_funds(&world, OTHER, true);
    for receiver in [&ops, &other] {
        of_other.ends(&mut world, receiver);
        assert_told_once(receiver);
    }
    let reminded = BLOCKED.begins(&mut world, &ops);
    assert_eq!(reminded["reminder"], 1, "it is still the case, and ops had not heard of it: {reminded:#}");
}

/// The clock passes the times for which the guard would wait.
#[test]
fn a_dead_receiver_shows_in_health_and_after_a_day_what_it_missed_is_counted() {
    let (ops, other) = (Receiver::start(), Receiver::start());
    let config = telling(Config::default(), "ops", &ops, &[only(&["blocked", "no-funds"])]);
    let config = telling(config, "other", &other, &[only(&["degraded"])]);
    let mut world = World::at(noon(), config, Options::default(), |_, _| {});
    world.add_many_guarded([ID, OTHER]);
    ops.set_answer(Answer::Status(500));
    set_blocked(&world, ID, true);
    world.wait_for_receiver("ops", "failing", |receiver| receiver["failing_since"].is_string());
    assert!(!world.degradations().contains(&"alerts".to_owned()), "five minutes have not passed");
    world.set_clock(noon() + TimeDelta::minutes(10));
    DEAD.begins(&mut world, &other);
    assert!(world.degradations().contains(&"alerts".to_owned()));

    world.set_clock(noon() + TimeDelta::hours(25));
    let state = world.wait_for_receiver("ops", "a message given up", |receiver| receiver["lost"] == 1);
    assert_eq!(state["waiting"], 0, "{state:#}");
    let alert = world.listed("blocked/1").unwrap();
    let of_ops = alert["deliveries"].as_array().unwrap().iter().find(|one| one["receiver"] == "ops").unwrap();
    assert!(of_ops["given_up_at"].is_string() && of_ops["delivered_at"].is_null(), "{alert:#}");
    world.wait_for("the lost one in the metrics", |world| {
        let metrics = world.guard.get("/metrics").text;
        if metrics.contains("\ntraffic_generator_alerts_lost{receiver=\"ops\"} 1\n") { Ok(()) } else { Err(metrics) }
    });

    ops.set_answer(Answer::Take);
    set_funds(&world, OTHER, false);
    Expected { key: "no-funds/2", campaign: Some(OTHER), ..NO_FUNDS }.begins(&mut world, &ops);
    DEAD.ends(&mut world, &other);
    let reminded = BLOCKED.begins(&mut world, &ops);
    assert_eq!(reminded["reminder"], 1, "it is still the case, and ops had not heard of it: {reminded:#}");
    assert_told_once(&ops);
}
