//! The decision table, row by row, and both sides of each threshold.

use sandbox::{Amount, CampaignSpec, Interference, SpendForm};
use serde_json::json;

use crate::helper::{ACTIVATION, Config, Outcome, PAUSE, World};

/// Today's spend, as TrafficStars shows it.
#[derive(Debug, Clone, Copy)]
enum Spend {
    Cents(i64),
    Micros(i64),
    Unreadable,
}

/// The remote status of a campaign.
#[derive(Debug, Clone, Copy)]
enum Remote {
    Running,
    Stopped,
    EndTimePassed,
    Blocked,
    BudgetReached,
    /// A status that the program does not know. `active` is whether the campaign is switched on.
    Unknown {
        active: bool,
    },
}

#[derive(Debug, Clone, Copy)]
enum Clicks {
    Remaining(i64),
    /// The remaining clicks, and an invalid row beside them.
    InDoubt(i64),
}

use Clicks::{InDoubt, Remaining};
use Remote::{Blocked, BudgetReached, EndTimePassed, Running, Stopped, Unknown};
use Spend::{Cents, Micros, Unreadable};

/// The expected result of a case.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// No request is sent, and this is the state.
    Stay(&'static str),
    /// A pause with this trigger, `tick` or `guard`.
    Pause(&'static str),
    /// An activation with this trigger, `tick` or `guard`.
    Activate(&'static str),
}

const IDLE: &str = "idle";
const ACTIVE: &str = "active-guarded";
const PAUSED: &str = "paused-guarded";

/// A case: its name, the state before, the facts, and the expected result.
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
        Unknown { active } => {
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

/// The test brings every campaign into the state before, and then changes the facts of all at once. The promises come
/// from adopting, which takes no request. The cool-down is longer than the test. All combinations are tested in
/// `src/domain/tests/decisions.rs`.
#[test]
fn every_row_of_the_decision_table_applies_from_exactly_each_threshold_on() {
    use Then::{Activate, Pause, Stay};
    let (low, high) = (Cents(999), Cents(1_000));
    let unknown = Unknown { active: true };
    let cases: [Case; 30] = [
        ("used up, running", IDLE, low, Remaining(5_000), Running, Pause("tick")),
        ("used up, promised to be stopped", PAUSED, low, Remaining(0), Running, Pause("guard")),
        ("used up, spend unknown", ACTIVE, Unreadable, Remaining(5_000), Running, Pause("tick")),
        ("used up, unknown word", ACTIVE, low, Remaining(0), unknown, Pause("tick")),
        ("used up and in doubt", IDLE, low, InDoubt(5_000), Running, Pause("tick")),
        ("used up, its budget is reached, may run", IDLE, low, Remaining(0), BudgetReached, Pause("tick")),
        ("blocked, may run against the promise", PAUSED, low, Remaining(20_000), Blocked, Pause("guard")),
        ("unknown, may run against the promise", PAUSED, low, Remaining(10_000), unknown, Pause("guard")),
        ("blocked, promised to run", ACTIVE, low, Remaining(20_000), Blocked, Stay(ACTIVE)),
        ("blocked comes before high spend", ACTIVE, high, Remaining(20_000), Blocked, Stay(ACTIVE)),
        ("unknown", ACTIVE, low, Remaining(20_000), Unknown { active: false }, Stay(ACTIVE)),
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
                world.database.add_url(id, "invalid", -1);
            }
        }
    });
    let expected = numbered.into_iter().map(|(id, (name, before, .., then))| (id, name, outcome(before, then)));
    world.expect_all(&expected.collect::<Vec<_>>());
}

#[test]
fn an_active_campaign_whose_end_time_has_passed_gets_a_new_end_time() {
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
