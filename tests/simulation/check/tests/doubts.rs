//! Late counters, odd types and lost funds: a log that holds and one that does not.

use traffic_generator::domain::action::{ActionKind, Outcome, Step, Trigger};
use traffic_generator::domain::money::Money;
use traffic_generator::domain::phase::Phase;
use traffic_generator::domain::remote::{EndTime, OddField, RemoteCampaign};
use traffic_generator::domain::spend::{Spend, SpendHistory, SpendSource};

use super::story::*;
use crate::model::log::What;
use crate::model::remote::{Call, OldCounter};

const ACTIVE: Phase = Phase::ActiveGuarded;

fn money(micros: i64) -> Money {
    Money::from_micros(micros).unwrap()
}

/// A minute after midnight the counter shows 7.51, of yesterday, which was last seen at 7.50.
fn after_midnight(made: Option<Result<i64, String>>) -> Story {
    let mut story = Story::new(ACTIVE);
    story.at("2026-11-23 00:01:00");
    story.say(What::Started { campaigns: vec![story.restored()] });
    let operation = story.begin_tick();
    let day = at("12:00:00").date_naive();
    story.say(What::OldCounter(OldCounter { campaign: 0, amount: money(7_510_000), day }));
    let stored = SpendHistory { today: None, yesterday: Some(money(7_500_000)) };
    story.answer_tick(operation, &Facts { stored, made, ..running().spent(7_510_000) }, vec![], ACTIVE);
    story
}

#[test]
fn yesterdays_counter_is_neither_believed_nor_stored() {
    after_midnight(None).breaks(&["late-counter-is-not-todays", "spend-by-its-sources"]);

    let mut doubted = after_midnight(Some(Err("in doubt".to_owned())));
    doubted.holds();
    let (amount, source) = (money(7_510_000), SpendSource::Campaign);
    let spend = Spend { amount, source, day: doubted.now.date_naive(), at: doubted.now };
    doubted.say(What::SpendStored { campaign: 0, spend }).breaks(&["late-counter-is-not-todays"]);
}

fn odd(name: &'static str) -> Facts {
    running().clicks(5_000).with(|campaign| {
        campaign.odd_fields.push(OddField { name, problem: "an object".to_owned() });
    })
}

#[test]
fn what_may_run_is_paused_whatever_else_is_odd() {
    for name in ["status", "approved", "stopped", "no_funds", "is_archived", "schedule_timezone"] {
        let mut paused = Story::new(ACTIVE);
        let cooling = cooling_until("12:02:00");
        let effects = paused.send(ActionKind::Pause, Trigger::Tick, cooling);
        paused.tick("12:00:00", &odd(name), effects, cooling).holds();

        let mut left = Story::new(ACTIVE);
        left.tick("12:00:00", &odd(name), vec![], ACTIVE).breaks(&["may-run-is-paused", "as-the-table-says"]);
    }
    let unknown = odd("active").with(|campaign| campaign.active = None);
    Story::new(ACTIVE).tick("12:00:00", &unknown, vec![], ACTIVE).holds();
    let ended = odd("approved").with(|campaign| campaign.end_time = EndTime::At(at("11:59:00")));
    Story::new(ACTIVE).tick("12:00:00", &ended, vec![], ACTIVE).holds();
}

fn without_funds() -> Facts {
    let set = |campaign: &mut RemoteCampaign| {
        (campaign.status, campaign.no_funds) = (Some("no_funds_active".to_owned()), true);
    };
    running().clicks(20_000).with(set)
}

/// A run that was accepted.
fn run() -> Story {
    let mut story = Story::new(Phase::Idle);
    let effects = story.send(ActionKind::Activate, Trigger::Tick, ACTIVE);
    story.tick("12:00:00", &stopped().clicks(20_000), effects, ACTIVE);
    let (end_time, run) = (story.end_time(), Call::Run([REMOTE].into()));
    story.request(end_time).request(run).applied(Outcome::Accepted, ACTIVE).later(1_000);
    story
}

#[test]
fn a_run_that_is_read_back_as_out_of_funds_has_failed_at_once() {
    run().read_back(&without_funds(), Some(Step::Failed)).holds();
    run().read_back(&without_funds(), None).breaks(&["out-of-funds-fails-at-once"]);
}

#[test]
fn without_funds_nothing_is_run() {
    let mut story = Story::new(ACTIVE);
    let mut effects = story.send(ActionKind::Activate, Trigger::Guard, ACTIVE);
    effects.extend(blocked_note());
    story.tick("12:00:00", &without_funds(), effects, ACTIVE).breaks(&[
        "no-run-without-funds",
        "as-the-table-says",
        "nothing-started-while-held-back",
        "undisturbed-costs-nothing",
    ]);
}

#[test]
fn when_funds_are_back_no_backoff_is_waited_for() {
    let mut failed = run();
    failed.read_back(&without_funds(), Some(Step::Failed));
    let mut waits = failed.clone();
    failed.at("12:01:00");
    let effects = failed.send(ActionKind::Activate, Trigger::Recovery, ACTIVE);
    failed.tick("12:01:00", &stopped().clicks(20_000), effects, ACTIVE).holds();
    waits.tick("12:01:00", &stopped().clicks(20_000), vec![], ACTIVE).breaks(&["as-the-table-says"]);
}
