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

struct Case {
    name: &'static str,
    /// The state before.
    before: &'static str,
    spend: Spend,
    clicks: Clicks,
    remote: Remote,
    then: Then,
}

const fn case(
    name: &'static str,
    before: &'static str,
    spend: Spend,
    clicks: Clicks,
    remote: Remote,
    then: Then,
) -> Case {
    Case { name, before, spend, clicks, remote, then }
}

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

impl Case {
    fn outcome(&self) -> Outcome {
        let before = self.before;
        match self.then {
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
}

/// Brings every campaign into its state before, changes the facts of all at once, and holds what comes of it against the
/// table. Promises are made by adopting, which takes no request. The cool-down outlasts the test.
fn check(cases: &[Case]) {
    let mut world = World::configured(Config::default().generator("cooldown", "10m"));
    let numbered: Vec<(i64, &Case)> = (995_001..).zip(cases).collect();
    for &(id, case) in &numbered {
        match case.before {
            IDLE => world.add(CampaignSpec::paused(id), 10_000),
            ACTIVE => world.add(CampaignSpec::running(id), 20_000),
            PAUSED => world.add(CampaignSpec::paused(id), 1_000),
            other => panic!("{other} is no state to begin with"),
        }
    }
    for &(id, case) in &numbered {
        world.wait_until(id, case.before, |campaign| campaign.ticks() > 0 && campaign.state() == case.before);
    }
    world.change_at_once(|world| {
        for &(id, case) in &numbered {
            world.sandbox.add_campaign(spec(id, case.spend, case.remote));
            match case.clicks {
                Remaining(clicks) => world.database.set_remaining_clicks(id, clicks),
                InDoubt(clicks) => {
                    world.database.set_remaining_clicks(id, clicks);
                    world.database.tracker.add_url(id, "senseless", -1);
                }
            }
        }
    });
    let expected: Vec<_> = numbered.iter().map(|(id, case)| (*id, case.name, case.outcome())).collect();
    world.expect_all(&expected);
}

#[test]
fn every_row_of_the_decision_table_does_what_it_says() {
    use Then::{Activate, Pause, Stay};
    let (low, high) = (Cents(321), Cents(1_000));
    check(&[
        case("blocked: nothing, from idle", IDLE, low, Remaining(20_000), Blocked, Stay(IDLE)),
        case("blocked: nothing, although promised to run", ACTIVE, low, Remaining(20_000), Blocked, Stay(ACTIVE)),
        case("blocked, may run, clicks used up", PAUSED, low, Remaining(0), Blocked, Pause("guard")),
        case("blocked, may run, promised to be stopped", PAUSED, low, Remaining(20_000), Blocked, Pause("guard")),
        case("its budget is reached, may run, clicks used up", IDLE, low, Remaining(0), BudgetReached, Pause("tick")),
        case("blocked comes before high spend", ACTIVE, high, Remaining(20_000), Blocked, Stay(ACTIVE)),
        case("unknown: nothing", ACTIVE, low, Remaining(20_000), Untaught { active: false }, Stay(ACTIVE)),
        case("unknown, with clicks left", IDLE, low, Remaining(10_000), Untaught { active: true }, Stay(IDLE)),
        case("unknown, against the promise", PAUSED, low, Remaining(10_000), Untaught { active: true }, Pause("guard")),
        case("unknown comes before high spend", ACTIVE, high, Remaining(0), Untaught { active: true }, Stay(ACTIVE)),
        case("clicks used up, running", IDLE, low, Remaining(5_000), Running, Pause("tick")),
        case("clicks used up, promised to run", ACTIVE, low, Remaining(0), Running, Pause("tick")),
        case("clicks used up, promised to be stopped", PAUSED, low, Remaining(0), Running, Pause("guard")),
        case("clicks used up, spend unknown", ACTIVE, Unreadable, Remaining(5_000), Running, Pause("tick")),
        case("clicks used up, untaught word", ACTIVE, low, Remaining(0), Untaught { active: true }, Pause("tick")),
        case("clicks used up and in doubt", IDLE, low, InDoubt(5_000), Running, Pause("tick")),
        case("high spend, running on", ACTIVE, high, Remaining(20_000), Running, Stay(IDLE)),
        case("high spend, clicks used up", ACTIVE, high, Remaining(0), Running, Stay(IDLE)),
        case("high spend, stopped by somebody", ACTIVE, high, Remaining(20_000), Stopped, Stay(IDLE)),
        case("high spend, started by somebody", PAUSED, high, Remaining(0), Running, Stay(IDLE)),
        case("high spend, clicks in doubt", PAUSED, high, InDoubt(20_000), Running, Stay(IDLE)),
        case("spend unknown, started by somebody", PAUSED, Unreadable, Remaining(20_000), Running, Pause("guard")),
        case("spend and clicks unknown, started", PAUSED, Unreadable, InDoubt(20_000), Running, Pause("guard")),
        case("spend unknown, stopped by somebody", ACTIVE, Unreadable, Remaining(20_000), Stopped, Stay(ACTIVE)),
        case("spend unknown, running unpromised", IDLE, Unreadable, Remaining(20_000), Running, Stay(IDLE)),
        case("spend unknown, stopped unpromised", IDLE, Unreadable, Remaining(0), Stopped, Stay(IDLE)),
        case("clicks unknown, started by somebody", PAUSED, low, InDoubt(20_000), Running, Pause("guard")),
        case("clicks unknown, stopped by somebody", ACTIVE, low, InDoubt(20_000), Stopped, Stay(ACTIVE)),
        case("clicks unknown, stopped unpromised", IDLE, low, InDoubt(20_000), Stopped, Stay(IDLE)),
        case("enough clicks, stopped", IDLE, low, Remaining(15_000), Stopped, Activate("tick")),
        case("enough clicks again", PAUSED, low, Remaining(15_000), Stopped, Activate("tick")),
        case("enough clicks, stopped by somebody", ACTIVE, low, Remaining(20_000), Stopped, Activate("guard")),
        case("enough clicks, end time passed", ACTIVE, low, Remaining(20_000), EndTimePassed, Activate("tick")),
        case("enough clicks, running: adopted", IDLE, low, Remaining(15_000), Running, Stay(ACTIVE)),
        case("enough clicks, started by somebody: adopted", PAUSED, low, Remaining(15_000), Running, Stay(ACTIVE)),
        case("clicks used up, stopped: adopted", IDLE, low, Remaining(5_000), Stopped, Stay(PAUSED)),
        case("clicks used up, stopped by somebody", ACTIVE, low, Remaining(0), Stopped, Stay(PAUSED)),
        case("between, stopped by somebody", ACTIVE, low, Remaining(10_000), Stopped, Activate("guard")),
        case("between, end time passed", ACTIVE, low, Remaining(10_000), EndTimePassed, Activate("tick")),
        case("between, started by somebody", PAUSED, low, Remaining(10_000), Running, Pause("guard")),
        case("between, running as promised", ACTIVE, low, Remaining(10_000), Running, Stay(ACTIVE)),
        case("between, stopped as promised", PAUSED, low, Remaining(10_000), Stopped, Stay(PAUSED)),
        case("between, running unpromised", IDLE, low, Remaining(10_000), Running, Stay(IDLE)),
        case("between, stopped unpromised", IDLE, low, Remaining(10_000), Stopped, Stay(IDLE)),
    ]);
}

#[test]
fn each_threshold_counts_from_its_very_value_on() {
    use Then::{Activate, Pause, Stay};
    let low = Cents(0);
    check(&[
        case("4,999 clicks", IDLE, low, Remaining(4_999), Running, Pause("tick")),
        case("5,000 clicks", IDLE, low, Remaining(5_000), Running, Pause("tick")),
        case("5,001 clicks", IDLE, low, Remaining(5_001), Running, Stay(IDLE)),
        case("14,999 clicks", IDLE, low, Remaining(14_999), Stopped, Stay(IDLE)),
        case("15,000 clicks", IDLE, low, Remaining(15_000), Stopped, Activate("tick")),
        case("9.99, enough clicks", IDLE, Cents(999), Remaining(15_000), Stopped, Activate("tick")),
        case("9.999999, enough clicks", IDLE, Micros(9_999_999), Remaining(15_000), Stopped, Activate("tick")),
        case("10.00, enough clicks", IDLE, Cents(1_000), Remaining(15_000), Stopped, Stay(IDLE)),
        case("9.99, clicks used up", IDLE, Cents(999), Remaining(5_000), Running, Pause("tick")),
        case("10.00, clicks used up", IDLE, Cents(1_000), Remaining(5_000), Running, Stay(IDLE)),
    ]);
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
