//! When a receiver is told: after it was away, in quiet hours, again while an occasion lasts, at once or gathered, once a
//! day. The tests move the guard's clock where hours have to pass.

use chrono::{DateTime, Duration, Utc};
use sandbox::{Amount, CampaignSpec, Options};
use serde_json::{Value, json};

use super::{
    BLOCKED, Expected, ID, NO_FUNDS, OTHER, assert_consistent, assert_told_once, expect_nothing_more, items, noon,
    only, posts_about, set_blocked, set_funds, supervisors, taken, telling, told,
};
use crate::helper::{Config, Receiver, World, assert_says};

/// The number of campaigns that are blocked at once.
const MANY: i64 = 1_000;

/// Starts a world in which it is `now`, with two guarded campaigns and one receiver.
fn world_at(now: DateTime<Utc>, config: Config, receiver: &Receiver, keys: &[(&str, toml::Value)]) -> World {
    let mut world = World::at(now, telling(config, "ops", receiver, keys), Options::default(), |_, _| {});
    world.add_many_guarded([ID, OTHER]);
    world
}

/// Returns the message ids in `alert list` of what the receiver was told of an occasion, or is about to be told.
fn message_id(world: &World, key: &str) -> Value {
    world.listed(key).unwrap()["deliveries"][0]["message_id"].clone()
}

#[test]
fn what_happens_while_a_receiver_is_away_for_an_hour_arrives_as_one_message() {
    let mut receiver = Receiver::start();
    let keys = [only(&["blocked"]), ("group_wait", "1s".into())];
    let mut world = world_at(noon(), Config::default(), &receiver, &keys);
    world.add(CampaignSpec::running(995_226), 20_000);
    world.wait_for_state(995_226, "active-guarded");
    receiver.go_away();
    set_blocked(&world, ID, true);
    world.wait_until_listed("blocked/1", "a try that failed", |alert| {
        let error = alert["deliveries"][0]["error"].as_str();
        error.is_some_and(|error| error.starts_with("it could not be reached"))
    });
    let first = message_id(&world, "blocked/1");
    // One occasion begins, one begins and ends, and the first one ends.
    set_blocked(&world, OTHER, true);
    set_blocked(&world, 995_226, true);
    for key in ["blocked/2", "blocked/3"] {
        world.wait_until_listed(key, "firing", |alert| alert["state"] == "firing");
    }
    set_blocked(&world, 995_226, false);
    set_blocked(&world, ID, false);
    for key in ["blocked/3", "blocked/1"] {
        world.wait_until_listed(key, "over", |alert| alert["state"] == "resolved");
    }
    for minutes in [20, 40, 60] {
        let before = world.listed("blocked/1").unwrap()["deliveries"][0]["attempts"].as_u64();
        world.set_clock(noon() + Duration::minutes(minutes));
        world.wait_until_listed("blocked/1", "another try", |alert| {
            alert["deliveries"][0]["attempts"].as_u64() > before
        });
    }
    receiver.come_back();
    world.set_clock(noon() + Duration::minutes(80));
    world.wait_for_receiver("ops", "all told", |state| state["waiting"] == 0 && state["delivered_at"].is_string());
    let messages = taken(&receiver);
    assert_eq!(messages.len(), 2, "{messages:#?}");
    assert_eq!((json!(messages[0].id()), &messages[0].json()["type"]), (first, &json!("campaign.blocked")));
    let gathered = messages[1].json();
    assert_eq!((&gathered["type"], &gathered["data"]["count"]), (&json!("alerts.gathered"), &json!(3)), "{gathered:#}");
    let mut states: Vec<[String; 2]> = items(&gathered)
        .iter()
        .map(|item| ["key", "state"].map(|name| item[name].as_str().unwrap().to_owned()))
        .collect();
    states.sort();
    let expected = [["blocked/1", "resolved"], ["blocked/2", "firing"], ["blocked/3", "resolved"]];
    assert_eq!(states, expected.map(|pair| pair.map(str::to_owned)));
    assert_told_once(&receiver);
}

#[test]
fn quiet_hours_delay_warnings_by_the_clock_of_the_time_zone_and_never_what_is_critical() {
    let receiver = Receiver::start();
    // In Berlin it is half past ten in the evening.
    let evening: DateTime<Utc> = "2026-12-08T21:30:00Z".parse().unwrap();
    let config = Config::default().set("display", "time_zone", "Europe/Berlin");
    let keys = [only(&["blocked", "no-funds"]), ("quiet", "22:00-07:00".into())];
    let mut world = world_at(evening, config, &receiver, &keys);
    set_blocked(&world, ID, true);
    world.wait_until_listed("blocked/1", "firing", |alert| alert["state"] == "firing");
    set_funds(&world, OTHER, false);
    let critical = Expected { key: "no-funds/2", campaign: Some(OTHER), ..NO_FUNDS };
    critical.begins(&mut world, &receiver);
    world.set_clock("2026-12-09T05:58:00Z".parse().unwrap());
    world.let_ticks_pass(3);
    assert!(BLOCKED.is_untold(&receiver), "it is not seven in Berlin");
    world.set_clock("2026-12-09T06:00:01Z".parse().unwrap());
    let told = BLOCKED.begins(&mut world, &receiver);
    let text = told["text"].as_str().unwrap();
    assert!(text.contains("(since 2026-12-08 22:3") && text.ends_with(" CET)"), "{text}");
    expect_nothing_more(&mut world, &receiver);
}

#[test]
fn a_receiver_is_reminded_of_what_is_open_until_an_operator_takes_it_over() {
    let receiver = Receiver::start();
    let morning: DateTime<Utc> = "2026-12-08T06:00:00Z".parse().unwrap();
    let keys = [only(&["blocked"]), ("remind_after", "4h".into())];
    let mut world = world_at(morning, Config::default(), &receiver, &keys);
    set_blocked(&world, ID, true);
    let began = BLOCKED.begins(&mut world, &receiver);
    let reminders = |receiver: &Receiver| -> Vec<Value> {
        told(receiver).into_iter().filter(|item| item["reminder"] != 0).collect()
    };
    world.set_clock(morning + Duration::hours(3));
    world.let_ticks_pass(3);
    assert!(reminders(&receiver).is_empty(), "four hours have not passed");
    for (number, hours) in [(1, 5), (2, 10)] {
        world.set_clock(morning + Duration::hours(hours));
        let reminder = world.wait_for("a reminder", |_| {
            let found = reminders(&receiver).into_iter().find(|item| item["reminder"] == number);
            found.ok_or_else(|| format!("{:#?}", told(&receiver)))
        });
        assert_eq!((&reminder["state"], &reminder["since"]), (&began["state"], &began["since"]), "{reminder:#}");
        let text = reminder["text"].as_str().unwrap();
        assert!(text.starts_with(&format!("[warning, reminder {number}] blocked, ")), "{text}");
    }
    let id = world.listed("blocked/1").unwrap()["id"].to_string();
    world.done(&["alert", "ack", &id]);
    world.set_clock(morning + Duration::hours(17));
    world.let_ticks_pass(3);
    set_blocked(&world, ID, false);
    BLOCKED.ends(&mut world, &receiver);
    assert_eq!(reminders(&receiver).len(), 2, "{:#?}", reminders(&receiver));
    assert_told_once(&receiver);
}

#[test]
fn the_digest_comes_once_a_day_at_its_local_time_and_says_also_that_a_day_was_empty() {
    let receiver = Receiver::start();
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let config = Config::default().set("display", "time_zone", "Europe/Berlin").set("display", "digest", "08:00");
    // Its severity does not count, and quiet hours do not delay it.
    let keys = [only(&["digest"]), ("severity", "critical".into()), ("quiet", "07:00-09:00".into())];
    let config = telling(config, "ops", &receiver, &keys);
    let mut world = World::at(at("2026-12-08T06:45:00Z"), config, Options::default(), |_, _| {});
    world.add(CampaignSpec::paused(ID).spent(Amount::cents(400)), 20_000);
    world.database.execute("UPDATE campaigns SET created_at = '2026-12-08 06:00:00'");
    world.wait_for_step(ID, "confirmed");
    world.wait_until(ID, "its spend", |campaign| campaign.text("/observed/spend") == "4.00");
    world.let_ticks_pass(3);
    assert!(receiver.posts().is_empty(), "it is not eight in Berlin");

    let empty = supervisors(
        "supervisor.digest",
        "digest/2026-12-08",
        "info",
        // What needs a hand depends on what the jump of the clock makes of the ticks.
        "2026-12-07 (UTC): nothing was spent, and nothing was done.\n",
    );
    world.set_clock(at("2026-12-08T07:00:01Z"));
    empty.begins(&mut world, &receiver);
    set_blocked(&world, ID, true);
    world.wait_until_listed("blocked/1", "firing", |alert| alert["state"] == "firing");
    world.set_clock(at("2026-12-09T07:00:01Z"));
    let busy = Expected { key: "digest/2026-12-09", says: "2026-12-08 (UTC): 4.00 was spent.", ..empty };
    let told_of = busy.begins(&mut world, &receiver);
    let needs = format!("- [warning] campaign {ID} (campaign 1): TrafficStars will not run it: archived");
    assert_says(told_of["text"].as_str().unwrap(), &["Actions: 1 activation", &needs]);
    world.guard.stop();
    world.start();
    world.let_ticks_pass(3);
    assert_eq!(told(&receiver).len(), 2, "{:#?}", told(&receiver));
    assert_told_once(&receiver);
}

#[test]
fn without_resolved_a_receiver_is_told_of_beginnings_alone() {
    let (receiver, other) = (Receiver::start(), Receiver::start());
    let config = telling(Config::default(), "ops", &receiver, &[only(&["blocked"]), ("resolved", false.into())]);
    let mut world = World::configured(telling(config, "other", &other, &[only(&["blocked"])]));
    world.add_guarded(ID);
    for round in 1..=2 {
        set_blocked(&world, ID, true);
        world.wait_for("the beginning", |_| {
            if told(&receiver).len() == round { Ok(()) } else { Err(format!("{:#?}", told(&receiver))) }
        });
        set_blocked(&world, ID, false);
        world.wait_for("the end, which the other is told", |_| {
            if told(&other).len() == 2 * round { Ok(()) } else { Err(format!("{:#?}", told(&other))) }
        });
    }
    let states: Vec<Value> = told(&receiver).iter().map(|item| item["state"].clone()).collect();
    assert_eq!(states, ["firing", "firing"]);
}

#[test]
fn occasions_of_one_moment_are_gathered_for_one_receiver_and_single_for_another() {
    const IDS: [i64; 3] = [995_001, 995_002, 995_003];
    let (single, gathered) = (Receiver::start(), Receiver::start());
    let config = telling(Config::default(), "single", &single, &[only(&["no-funds"])]);
    let wait = [only(&["no-funds"]), ("group_wait", "15s".into())];
    let mut world = World::configured(telling(config, "gathered", &gathered, &wait));
    world.add_many_guarded(IDS);
    IDS.iter().for_each(|id| set_funds(&world, *id, false));
    for receiver in [&single, &gathered] {
        world.wait_for("all three", |_| {
            let told = told(receiver);
            if told.len() == 3 { Ok(()) } else { Err(format!("{told:#?}")) }
        });
        assert_told_once(receiver);
    }
    let types =
        |receiver: &Receiver| taken(receiver).iter().map(|post| post.json()["type"].clone()).collect::<Vec<_>>();
    assert_eq!(types(&single), ["campaign.no-funds"; 3]);
    assert_eq!(types(&gathered), ["alerts.gathered"]);
    let message = taken(&gathered)[0].json();
    let data = &message["data"];
    assert_eq!((&data["count"], &data["severity"], &data["omitted"]), (&json!(3), &json!("critical"), &json!(0)));
    let text = data["text"].as_str().unwrap();
    assert!(text.starts_with("[critical] 3 alerts: no-funds\n") && text.lines().count() == 4, "{text}");
}

#[test]
fn a_receiver_is_told_from_its_severity_on_and_only_of_its_occasions() {
    let (critical, of_blocks) = (Receiver::start(), Receiver::start());
    let config = telling(Config::default(), "critical", &critical, &[("severity", "critical".into())]);
    let mut world = World::configured(telling(config, "blocks", &of_blocks, &[only(&["blocked"])]));
    world.add_many_guarded([ID, OTHER]);
    set_blocked(&world, ID, true);
    BLOCKED.begins(&mut world, &of_blocks);
    set_funds(&world, OTHER, false);
    let no_funds = Expected { key: "no-funds/2", campaign: Some(OTHER), ..NO_FUNDS };
    no_funds.begins(&mut world, &critical);
    assert_eq!((told(&critical).len(), told(&of_blocks).len()), (1, 1));
}

#[test]
fn a_thousand_campaigns_that_are_blocked_at_once_are_one_message() {
    let receiver = Receiver::start();
    let keys = [only(&["blocked"]), ("group_wait", "10m".into())];
    // A thousand campaigns are much for a test that others run beside.
    let config = telling(Config::default().generator("tick", "20s"), "ops", &receiver, &keys);
    let mut world = World::at(noon(), config, Options { page_size: 100, ..Options::default() }, |_, _| {});
    // In one transaction, so that all are enabled at one moment.
    world.database.execute("BEGIN");
    world.add_all((0..MANY).map(|number| (CampaignSpec::blocked(1_000_000 + number), 20_000)));
    world.database.execute("COMMIT");
    let until_all = |world: &mut World, what: &str, sql: &str| {
        world.wait_for(what, |world| match world.database.number(sql) {
            MANY => Ok(()),
            count => Err(format!("{count} of {MANY}")),
        });
    };
    until_all(&mut world, "every occasion", "SELECT COUNT(*) AS number FROM occasions WHERE kind = 'blocked'");
    assert!(receiver.posts().is_empty(), "they are gathered for ten minutes");
    world.set_clock(noon() + Duration::minutes(20));
    let delivered = "SELECT COUNT(*) AS number FROM alert_deliveries WHERE delivered_at IS NOT NULL";
    until_all(&mut world, "the message to be stored as taken", delivered);
    let listed: Vec<Value> = world.guard.get("/v1/alerts").json()["alerts"].as_array().unwrap().clone();
    // The jump of the clock has occasions of its own.
    let is_open_block = |alert: &&Value| alert["occasion"] == "blocked" && alert["state"] == "firing";
    assert_eq!(listed.iter().filter(is_open_block).count(), 1_000);
    let posts = receiver.posts();
    assert_eq!(posts.len(), 1);
    let message = posts[0].json();
    let data = &message["data"];
    assert_eq!(
        (&message["type"], &data["count"], &data["omitted"]),
        (&json!("alerts.gathered"), &json!(MANY), &json!(950))
    );
    assert!(data["text"].as_str().unwrap().starts_with("[warning] 1,000 alerts: blocked\n"), "{data}");
    assert!(posts[0].body.len() < 60_000, "{} bytes", posts[0].body.len());
    assert_eq!(posts_about(&receiver, items(&message)[0]["key"].as_str().unwrap()).len(), 1);
    assert_consistent(&receiver);
}
