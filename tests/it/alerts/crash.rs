//! A guard that is killed, or stopped and started, while it has something to tell: it loses no occasion, and it repeats
//! a message at most under the same id.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::{
    BLOCKED, Expected, ID, NO_FUNDS, OTHER, assert_consistent, assert_told_once, expect_nothing_more, only,
    posts_about, set_blocked, set_funds, supervisors, telling, told, watched,
};
use crate::crash;
use crate::helper::{Answer, Config, Receiver, World, on_both_databases};

/// The campaigns that are blocked and unblocked while the guard is killed.
const IDS: [i64; 3] = [995_001, 995_002, 995_003];
/// The number of kills. On PostgreSQL each new leader waits for the lease of the killed one.
const ROUNDS_ON_SQLITE: u64 = 21;
const ROUNDS_ON_POSTGRESQL: u64 = 5;

/// Starts the guard, and returns when it leads.
fn start(world: &mut World) {
    crash::start(world);
    world.wait_for("the leadership", |world| {
        let state = world.guard.try_state().map_err(|error| error.to_string())?;
        // Only guards on PostgreSQL have roles.
        match state["leadership"]["role"].as_str() {
            None | Some("leader") => Ok(()),
            Some(role) => Err(role.to_owned()),
        }
    });
}

/// Blocks or unblocks a campaign, and kills the guard when the next message arrives, or after a time. Each round has
/// another campaign, other answers and another time.
fn kill_near_an_occasion(world: &mut World, receivers: &[&Receiver], round: u64) {
    let answers = [Answer::Take, Answer::Break, Answer::Take, Answer::Status(500), Answer::Hang, Answer::Take];
    let pick = |from: u64, length: usize| usize::try_from(from).unwrap() % length;
    for (shift, receiver) in (0..).zip(receivers) {
        receiver.set_answer(answers[pick(round + shift, answers.len())].clone());
    }
    let watched = receivers[pick(round, receivers.len())];
    let before = watched.posts().len();
    set_blocked(world, IDS[pick(round, IDS.len())], round.is_multiple_of(2));
    // The kills spread over the time in which the occasion is found, stored, sent and noted as told.
    watched.wait_for_posts(before + 1, Duration::from_millis(150 * (1 + round % 9)));
    world.guard.kill();
}

fn kill_again_and_again(config: Config) {
    let (single, gathered) = (Receiver::start(), Receiver::start());
    let rounds = if config.names_a_database() { ROUNDS_ON_POSTGRESQL } else { ROUNDS_ON_SQLITE };
    let config = telling(config.generator("tick", "300ms"), "single", &single, &[]);
    let config = telling(config, "gathered", &gathered, &[("group_wait", "1s".into())]);
    let mut world = World::configured(config);
    world.add_many_guarded(IDS);
    for round in 0..rounds {
        kill_near_an_occasion(&mut world, &[&single, &gathered], round);
        start(&mut world);
    }
    for receiver in [&single, &gathered] {
        receiver.set_answer(Answer::Take);
    }
    // In the end one campaign is blocked.
    IDS.iter().for_each(|id| set_blocked(&world, *id, *id == IDS[0]));
    world.wait_for("the last block to be the only one", |world| {
        let open = "SELECT COUNT(*) AS number FROM occasions WHERE kind = 'blocked' AND resolved_at IS NULL";
        match (world.database.number(open), world.listed("blocked/1")?["state"].as_str()) {
            (1, Some("firing")) => Ok(()),
            others => Err(format!("{others:?}")),
        }
    });
    expect_all_told(&mut world, &[("single", &single), ("gathered", &gathered)]);
}

/// Waits until each receiver was told of every occasion in the database, and checks what it was told in which order.
fn expect_all_told(world: &mut World, receivers: &[(&str, &Receiver)]) {
    for (name, receiver) in receivers {
        world.wait_for(&format!("{name} to be told everything"), |world| {
            let stored = world.database.number("SELECT COUNT(*) AS number FROM occasions");
            let all = told(receiver);
            let occasions: BTreeSet<[String; 2]> =
                all.iter().map(|item| ["key", "since"].map(|part| item[part].to_string())).collect();
            let is_all = i64::try_from(occasions.len()).unwrap() == stored;
            if is_all && world.listed_receiver(name)["waiting"] == 0 {
                Ok(())
            } else {
                Err(format!("{stored} occasions are stored, and it was told {all:#?}"))
            }
        });
        let listed = world.json(&["alert", "list"]);
        for alert in listed["alerts"].as_array().unwrap() {
            let mut deliveries = alert["deliveries"].as_array().unwrap().iter();
            let delivery = deliveries.find(|delivery| delivery["receiver"] == *name);
            assert!(delivery.is_some_and(|delivery| delivery["delivered_at"].is_string()), "{name}: {alert:#}");
        }
        assert_consistent(receiver);
        let all = told(receiver);
        let is_blocked = |row: usize| {
            let last = all.iter().rfind(|item| item["key"] == format!("blocked/{row}"));
            last.is_some_and(|item| item["state"] == "firing")
        };
        assert_eq!([1, 2, 3].map(is_blocked), [true, false, false], "{name}: {all:#?}");
    }
}

#[test]
fn a_guard_that_is_killed_again_and_again_loses_no_occasion_and_repeats_none_under_another_id() {
    on_both_databases(kill_again_and_again);
}

/// The receiver has the message and has not answered, when the power fails.
#[test]
fn a_message_that_was_in_flight_when_the_guard_was_killed_comes_again_with_the_same_id_and_body() {
    on_both_databases(|config| {
        let receiver = Receiver::start();
        let mut world = World::configured(telling(config, "ops", &receiver, &[only(&["blocked"])]));
        world.add_guarded(ID);
        receiver.answer_next([Answer::Hang]);
        set_blocked(&world, ID, true);
        world.wait_for("a message in flight", |_| {
            if receiver.posts().is_empty() { Err("none".to_owned()) } else { Ok(()) }
        });
        world.guard.kill();
        start(&mut world);
        BLOCKED.begins(&mut world, &receiver);
        let posts = posts_about(&receiver, "blocked/1");
        assert_eq!(posts.len(), 2, "{posts:#?}");
        assert_eq!((posts[0].id(), &posts[0].body), (posts[1].id(), &posts[1].body));
        expect_nothing_more(&mut world, &receiver);
    });
}

#[test]
fn an_occasion_that_is_open_is_not_told_again_after_a_restart_and_its_end_is() {
    let (mut world, receiver) = watched(Config::default());
    world.add_many_guarded([ID, OTHER]);
    set_blocked(&world, ID, true);
    set_funds(&world, OTHER, false);
    let of_other = Expected { key: "no-funds/2", campaign: Some(OTHER), ..NO_FUNDS };
    let began = BLOCKED.begins(&mut world, &receiver);
    of_other.begins(&mut world, &receiver);
    let ends: [fn(&mut World); 2] = [|world| world.guard.stop(), |world| world.guard.kill()];
    for end in ends {
        end(&mut world);
        start(&mut world);
        expect_nothing_more(&mut world, &receiver);
    }
    set_blocked(&world, ID, false);
    set_funds(&world, OTHER, true);
    let ended = BLOCKED.ends(&mut world, &receiver);
    assert_eq!(&began["since"], &ended["since"]);
    of_other.ends(&mut world, &receiver);
    let campaigns: Vec<Value> = told(&receiver).into_iter().filter(|item| !item["campaign"].is_null()).collect();
    assert_eq!(campaigns.len(), 4, "each began and ended once: {campaigns:#?}");
    assert_told_once(&receiver);
}

/// A new supervisor finds only after a while that TrafficStars still fails. Until then the occasion must not seem over.
#[test]
fn a_failure_that_outlasts_a_restart_stays_one_occasion() {
    let (mut world, receiver) = watched(Config::default());
    let api = supervisors("supervisor.api", "api", "critical", "statuses cannot be read from TrafficStars: ");
    world.add_guarded(ID);
    let faults = world.let_reads_fail();
    let began = api.begins(&mut world, &receiver);
    world.guard.stop();
    start(&mut world);
    world.wait_for("health to report the failure again", |world| {
        let health = world.guard.get("/v1/health");
        if health.degradations().contains(&"traffic-stars".to_owned()) { Ok(()) } else { Err(health.text) }
    });
    world.let_ticks_pass(2);
    assert!(api.found(&receiver, "resolved").is_err(), "it is not over: {:#?}", told(&receiver));
    faults.into_iter().for_each(|fault| world.sandbox.remove_fault(fault));
    let ended = api.ends(&mut world, &receiver);
    assert_eq!(&began["since"], &ended["since"], "{:#?}", told(&receiver));
    expect_nothing_more(&mut world, &receiver);
    let count = told(&receiver).iter().filter(|item| item["key"] == "api").count();
    assert_eq!(count, 2, "it began and ended once: {:#?}", told(&receiver));
}

#[test]
fn the_end_of_an_occasion_while_no_guard_runs_is_told_by_the_next_one() {
    let (mut world, receiver) = watched(Config::default());
    world.add_guarded(ID);
    set_blocked(&world, ID, true);
    BLOCKED.begins(&mut world, &receiver);
    world.guard.stop();
    set_blocked(&world, ID, false);
    start(&mut world);
    BLOCKED.ends(&mut world, &receiver);
    expect_nothing_more(&mut world, &receiver);
}

#[test]
fn a_campaign_that_is_no_longer_guarded_has_no_open_occasion() {
    let disable: [fn(&mut World); 2] = [
        |world| drop(world.done(&["disable", "1", "--leave-running"])),
        |world| {
            world.guard.stop();
            world.database.execute("UPDATE campaigns SET generator_enabled = false");
            start(world);
        },
    ];
    for disable in disable {
        let (mut world, receiver) = watched(Config::default());
        world.add_guarded(ID);
        set_blocked(&world, ID, true);
        BLOCKED.begins(&mut world, &receiver);
        disable(&mut world);
        BLOCKED.ends(&mut world, &receiver);
        assert_told_once(&receiver);
    }
}
