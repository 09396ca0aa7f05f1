//! The decision table, row by row, and both sides of each threshold.

use sandbox::{Amount, CampaignSpec, Interference, SpendForm};
use serde_json::json;

use crate::helper::{ACTIVATION, Config, Outcome, PAUSE, World};

/// Today's spend as TrafficStars tells it.
#[derive(Debug, Clone, Copy)]
enum Spend {
    Cents(i64),
    Micros(i64),
    Unreadable,
}

/// What TrafficStars says of a campaign.
#[derive(Debug, Clone, Copy)]
enum Remote {
    Running,
    Stopped,
    EndTimePassed,
    Blocked,
    BudgetReached,
    /// A word that nobody taught us, and whether the campaign is switched on.
    Untaught {
        active: bool,
    },
}

#[derive(Debug, Clone, Copy)]
enum Clicks {
    Remaining(i64),
    /// So many, and a row that makes no sense.
    InDoubt(i64),
}

use Clicks::{InDoubt, Remaining};
use Remote::{Blocked, BudgetReached, EndTimePassed, Running, Stopped, Untaught};
use Spend::{Cents, Micros, Unreadable};

/// What is to come of a row.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// No request, this state.
    Stay(&'static str),
    /// A pause, by tick or by guard.
    Pause(&'static str),
    /// An activation, by tick or by guard.
    Activate(&'static str),
}

const IDLE: &str = "idle";
const ACTIVE: &str = "active-guarded";
const PAUSED: &str = "paused-guarded";

/// What it is about, the state before, the facts, and what comes of them.
type Case = (&'static str, &'static str, Spend, Clicks, Remote, Then);

fn spec(id: i64, spend: Spend, remote: Remote) -> CampaignSpec {
    let spec = match remote {
        Running => CampaignSpec::running(id),
        Stopped => CampaignSpec::paused(id),
        EndTimePassed => {
            let past = Some("2020-01-01 00:00:00".to_owned());
            CampaignSpec { schedule_end_time: past, ..CampaignSpec::paused(id) }
        }
        Blocked => CampaignSpec::blocked(id),
        BudgetReached => CampaignSpec { status: "total_budget_is_reached".to_owned(), ..CampaignSpec::running(id) },
        Untaught { active } => {
            let spec = if active { CampaignSpec::running(id) } else { CampaignSpec::paused(id) };
            spec.with_field("status", Some(json!("warming_up")))
        }
    };
    match spend {
        Cents(cents) => spec.spent(Amount::cents(cents)),
        Micros(micros) => CampaignSpec { spend_form: SpendForm::Exact, ..spec.spent(Amount::micros(micros)) },
        Unreadable => spec.with_field("spent_today", Some(json!("much"))),
    }
}

fn outcome(before: &str, then: Then) -> Outcome {
    match then {
        Then::Stay(state) => Outcome::new(state, &[], &[]),
        Then::Pause(trigger) => {
            let entry = format!("pause by {trigger}: confirmed, {before} → cooling-down");
            Outcome::new("cooling-down", &PAUSE, &[&entry])
        }
        Then::Activate(trigger) => {
            let entry = format!("activate by {trigger}: confirmed, {before} → active-guarded");
            Outcome::new(ACTIVE, &ACTIVATION, &[&entry])
        }
    }
}

/// Every campaign is brought into its state before, and the facts of all change at once. Promises are made by adopting,
/// which takes no request. The cool-down outlasts the test. Every combination is in `src/domain/tests/decisions.rs`.
#[test]
fn every_row_of_the_decision_table_does_what_it_says_from_each_thresholds_very_value_on() {
    use Then::{Activate, Pause, Stay};
    let (low, high) = (Cents(999), Cents(1_000));
    let untaught = Untaught { active: true };
    let cases: [Case; 30] = [
        ("used up, running", IDLE, low, Remaining(5_000), Running, Pause("tick")),
        ("used up, promised to be stopped", PAUSED, low, Remaining(0), Running, Pause("guard")),
        ("used up, spend unknown", ACTIVE, Unreadable, Remaining(5_000), Running, Pause("tick")),
        ("used up, untaught word", ACTIVE, low, Remaining(0), untaught, Pause("tick")),
        ("used up and in doubt", IDLE, low, InDoubt(5_000), Running, Pause("tick")),
        ("used up, its budget is reached, may run", IDLE, low, Remaining(0), BudgetReached, Pause("tick")),
        ("blocked, may run against the promise", PAUSED, low, Remaining(20_000), Blocked, Pause("guard")),
        ("unknown, may run against the promise", PAUSED, low, Remaining(10_000), untaught, Pause("guard")),
        ("blocked, promised to run", ACTIVE, low, Remaining(20_000), Blocked, Stay(ACTIVE)),
        ("blocked comes before high spend", ACTIVE, high, Remaining(20_000), Blocked, Stay(ACTIVE)),
        ("unknown", ACTIVE, low, Remaining(20_000), Untaught { active: false }, Stay(ACTIVE)),
        ("high spend, used up", ACTIVE, high, Remaining(0), Running, Stay(IDLE)),
        ("high spend, enough clicks", IDLE, high, Remaining(15_000), Stopped, Stay(IDLE)),
        ("high spend, clicks in doubt", PAUSED, high, InDoubt(20_000), Running, Stay(IDLE)),
        ("spend unknown, started by somebody", PAUSED, Unreadable, InDoubt(20_000), Running, Pause("guard")),
        ("spend unknown, stopped by somebody", ACTIVE, Unreadable, Remaining(20_000), Stopped, Stay(ACTIVE)),
        ("clicks unknown, started by somebody", PAUSED, low, InDoubt(20_000), Running, Pause("guard")),
        ("clicks unknown, stopped", IDLE, low, InDoubt(20_000), Stopped, Stay(IDLE)),
        ("enough clicks, stopped", IDLE, Micros(9_999_999), Remaining(15_000), Stopped, Activate("tick")),
        ("enough clicks, stopped by somebody", ACTIVE, low, Remaining(20_000), Stopped, Activate("guard")),
        ("enough clicks, end time passed", ACTIVE, low, Remaining(20_000), EndTimePassed, Activate("tick")),
        ("enough clicks, running: adopted", IDLE, low, Remaining(15_000), Running, Stay(ACTIVE)),
        ("used up, stopped: adopted", IDLE, low, Remaining(5_000), Stopped, Stay(PAUSED)),
        ("between, stopped by somebody", ACTIVE, low, Remaining(10_000), Stopped, Activate("guard")),
        ("between, end time passed", ACTIVE, low, Remaining(10_000), EndTimePassed, Activate("tick")),
        ("between, started by somebody", PAUSED, low, Remaining(10_000), Running, Pause("guard")),
        ("between, running as promised", ACTIVE, low, Remaining(10_000), Running, Stay(ACTIVE)),
        ("between, stopped as promised", PAUSED, low, Remaining(10_000), Stopped, Stay(PAUSED)),
        ("5,001 clicks, running unpromised", IDLE, low, Remaining(5_001), Running, Stay(IDLE)),
        ("14,999 clicks, stopped unpromised", IDLE, low, Remaining(14_999), Stopped, Stay(IDLE)),
    ];
    let mut world = World::configured(Config::default().generator("cooldown", "10m"));
    let numbered: Vec<_> = (995_001..).zip(cases).collect();
    for (id, (_, before, ..)) in numbered.clone() {
        match before {
            IDLE => world.add(CampaignSpec::paused(id), 10_000),
            ACTIVE => world.add(CampaignSpec::running(id), 20_000),
            _ => world.add(CampaignSpec::paused(id), 1_000),
        }
    }
    for (id, (_, before, ..)) in numbered.clone() {
        world.wait_until(id, before, |campaign| campaign.ticks() > 0 && campaign.state() == before);
    }
    world.change_at_once(|world| {
        for (id, (_, _, spend, clicks, remote, _)) in numbered.clone() {
            world.sandbox.add_campaign(spec(id, spend, remote));
            let (Remaining(count) | InDoubt(count)) = clicks;
            world.database.set_remaining_clicks(id, count);
            if matches!(clicks, InDoubt(_)) {
                world.database.add_url(id, "senseless", -1);
            }
        }
    });
    let expected = numbered.into_iter().map(|(id, (name, before, .., then))| (id, name, outcome(before, then)));
    world.expect_all(&expected.collect::<Vec<_>>());
}

#[test]
fn a_campaign_that_says_active_with_its_end_time_past_does_not_run_and_gets_a_new_end_time() {
    let id = 995_224;
    let mut world = World::new();
    world.add(CampaignSpec::running(id), 20_000);
    world.wait_for_state(id, ACTIVE);
    let past = Some("2020-01-01 00:00:00".to_owned());
    world.sandbox.interfere(id, Interference::SetEndTime(past)).unwrap();
    assert!(!world.sandbox.is_running(id));
    world.wait_until(id, "running", |campaign| {
        campaign.text("/observed/schedule_end_time").ends_with("23:59:00")
            && campaign.text("/observed/status") == "running"
    });
    world.let_ticks_pass(2);
    assert_eq!(world.campaign(id).state(), ACTIVE);
    assert!(world.sandbox.is_running(id));
}
