//! The policy `top-up`: the day's real budget, set through the built program.

use chrono::{DateTime, Utc};
use sandbox::{Amount, CampaignSpec, Fault, FaultKind, Interference, Operation, Options};
use serde_json::Value;

use crate::helper::{Config, World, assert_says};

const ID: i64 = 995_001;

fn config() -> Config {
    Config::default()
        .generator("high_spend", "top-up")
        .generator("high_activate_clicks", 5_000)
        .generator("high_pause_clicks", 1_000)
        .generator("price_per_thousand", "0.111")
        .generator("top_up_ceiling", "60.00")
}

/// Returns a time of a day that no other test uses; after midnight, of the day after it.
fn time(text: &str) -> DateTime<Utc> {
    let day = if text < "01:00" { "2026-12-16" } else { "2026-12-15" };
    format!("{day}T{text}Z").parse().unwrap()
}

/// Returns the budgets that the guard has sent, oldest first.
fn budgets(world: &World) -> Vec<String> {
    let requests = world.sandbox.requests();
    let bodies = requests.iter().filter_map(|request| request.body.as_ref());
    bodies.filter_map(|body| body.get("max_daily").map(Value::to_string)).collect()
}

#[track_caller]
fn wait_for_budget(world: &mut World, amount: &str) {
    let wanted: Amount = amount.parse().unwrap();
    world.wait_for(&format!("the budget {amount}"), |world| match world.sandbox.campaign(ID).unwrap().max_daily {
        shown if shown == wanted => Ok(()),
        shown => Err(format!("it is {shown:?}; sent: {:?}", budgets(world))),
    });
}

/// Waits until the guard remembers this of the day's budget.
#[track_caller]
fn wait_for_day(world: &mut World, condition: &str) {
    world.wait_for(condition, |world| {
        match world.database.number(&format!("SELECT COUNT(*) AS number FROM day_budgets WHERE {condition}")) {
            0 => Err("it does not".to_owned()),
            _ => Ok(()),
        }
    });
}

#[track_caller]
fn wait_until_it_runs(world: &mut World) {
    world.wait_for("the campaign to run", |world| {
        if world.sandbox.is_running(ID) { Ok(()) } else { Err("it is stopped".to_owned()) }
    });
    world.wait_for_state(ID, "active-guarded");
    world.wait_for_step(ID, "confirmed");
}

/// The day of issue "From $10 on": a first budget of 10.15, a price of 0.111 per thousand, 69,745 clicks at 10:04, a URL
/// of 10,000 at 10:05, and one of 5,000 at 10:11 that is finished at 10:12. The guard is killed and started at 10:13,
/// and is down from 23:58 to 00:07.
#[test]
fn a_scripted_day_ends_with_exactly_the_budgets_of_the_rules() {
    let config = config().generator("daily_budget", "10.15");
    let mut world = World::at(time("09:50:00"), config, Options::default(), |_, _| {});
    let spec = CampaignSpec { max_daily: "10.15".parse().unwrap(), ..CampaignSpec::running(ID) };
    world.add(spec.spent(Amount::cents(900)), 69_745);
    world.wait_for_state(ID, "active-guarded");
    assert_eq!(budgets(&world), Vec::<String>::new(), "the first budget stands there already");

    world.set_clock(time("09:53:30"));
    world.sandbox.set_spend(ID, Amount::cents(1_000)).unwrap();
    world.wait_for_state(ID, "cooling-down");
    world.wait_for_step(ID, "confirmed");
    world.set_clock(time("10:03:00"));
    world.let_ticks_pass(2);
    assert_eq!(budgets(&world), Vec::<String>::new(), "it waits ten minutes");
    assert!(!world.sandbox.is_running(ID));

    world.set_clock(time("10:04:00"));
    // 10.00 and 69,745 clicks at 0.111 per thousand, rounded up to cents.
    wait_for_budget(&mut world, "17.75");
    wait_until_it_runs(&mut world);

    world.set_clock(time("10:05:00"));
    world.database.add_url(ID, "second", 10_000);
    wait_for_day(&mut world, "gathered LIKE '%10000%'");
    world.set_clock(time("10:11:00"));
    let third = world.database.add_url(ID, "third", 5_000);
    wait_for_day(&mut world, "gathered LIKE '%5000%'");
    world.set_clock(time("10:12:00"));
    world.database.add_clicks(third, 5_000);
    world.database.execute("UPDATE urls SET status = 'completed' WHERE name = 'third'");
    world.let_ticks_pass(2);
    world.set_clock(time("10:13:00"));
    world.guard.kill();
    world.start();
    world.let_ticks_pass(2);
    assert_eq!(budgets(&world), ["17.75"], "they are gathered until 10:17");
    let explained = world.done(&["explain", "1"]);
    assert_says(
        &explained,
        &[
            "17.75 a day at TrafficStars, at most 60.00; today began with 10.15",
            "max_daily from 10.15 to 17.75: spend 10.00, and 69,745 clicks of 1 URL at 0.111 per thousand cost 7.7417",
            "paid for: 69,745 clicks (URL 1 69,745)",
            "gathered until 10:17:",
            "15,000 clicks (URL 2 10,000, URL 3 5,000)",
        ],
    );
    assert_says(&world.done(&["status"]), &["BUDGET", "17.75"]);

    world.set_clock(time("10:17:30"));
    // 17.75 and both whole limits at 0.111 per thousand.
    wait_for_budget(&mut world, "19.415");
    wait_for_day(&mut world, "gathered IS NULL AND sent_micros IS NULL");
    world.let_ticks_pass(3);
    assert_eq!(budgets(&world), ["17.75", "19.415"], "each click is paid for once");
    assert!(world.sandbox.is_running(ID));

    world.set_clock(time("23:58:00"));
    world.guard.stop();
    world.set_clock(time("00:07:00"));
    let down = world.sandbox.requests().len();
    world.start();
    wait_until_it_runs(&mut world);
    assert_eq!(budgets(&world), ["17.75", "19.415", "10.15"]);
    let after = world.sandbox.requests().split_off(down);
    let place = |operation: Operation| after.iter().position(|request| request.operation == operation);
    let set_back =
        after.iter().position(|request| request.body.as_ref().is_some_and(|body| body["max_daily"] == 10.15));
    assert!(set_back < place(Operation::Run), "the first budget is set before anything is activated");

    let kinds = world.json(&["history", "--limit", "50"]);
    let changes: Vec<&Value> = kinds.as_array().unwrap().iter().filter(|entry| !entry["budget"].is_null()).collect();
    let shown: Vec<[&str; 4]> = changes
        .iter()
        .map(|entry| {
            let change = &entry["budget"];
            [&entry["kind"], &entry["step"], &change["before"], &change["after"]].map(|value| value.as_str().unwrap())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ["daily-budget", "confirmed", "19.415", "10.15"],
            ["top-up", "confirmed", "17.75", "19.415"],
            ["top-up", "confirmed", "10.15", "17.75"],
        ]
    );
    let since = ["history", "--money", "--since", "2026-12-15"];
    assert_says(&world.done(&since), &["BUDGET", "17.75", "19.415", "max_daily from 19.415 to 10.15"]);
    let parts = &changes[1]["budget"]["parts"];
    assert_eq!(
        parts["urls"].as_array().unwrap().iter().map(|url| url["clicks"].as_i64().unwrap()).sum::<i64>(),
        15_000
    );
    assert_eq!((parts["clicks"].as_i64(), parts["cost"].as_str()), (Some(15_000), Some("1.665")));
}

#[test]
fn a_guard_that_is_killed_after_a_top_up_was_sent_raises_nothing_again() {
    let config = config().generator("top_up_wait", "1s").generator("top_up_interval", "1s");
    let mut world = World::configured(config);
    let spec = CampaignSpec { max_daily: "10.15".parse().unwrap(), ..CampaignSpec::running(ID) };
    world.sandbox.inject(Fault::always(FaultKind::LoseAnswer).on(Operation::Edit));
    world.add(spec.spent(Amount::cents(1_000)), 100_000);
    wait_for_budget(&mut world, "21.10");
    world.guard.kill();
    world.sandbox.clear_faults();
    world.start();
    wait_until_it_runs(&mut world);
    assert_eq!(budgets(&world), ["21.1"]);

    world.sandbox.inject(Fault::always(FaultKind::LoseAnswer).on(Operation::Edit));
    world.database.add_url(ID, "second", 10_000);
    wait_for_budget(&mut world, "22.21");
    world.guard.kill();
    world.sandbox.clear_faults();
    world.start();
    wait_for_day(&mut world, "counted LIKE '%10000,%' OR counted LIKE '%10000}%'");
    world.let_ticks_pass(3);
    assert_eq!(budgets(&world), ["21.1", "22.21"]);
    // A person's budget is left.
    world.sandbox.interfere(ID, Interference::SetMaxDaily(Amount::cents(5_000))).unwrap();
    world.let_ticks_pass(3);
    assert_eq!(budgets(&world), ["21.1", "22.21"]);
}
