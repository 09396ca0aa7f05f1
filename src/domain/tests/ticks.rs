//! The grid, skipped points, answers that come too late, and when to wake.

use super::super::action::Step;
use super::*;

#[test]
fn a_machine_ticks_once_at_start_and_then_at_the_full_minutes() {
    let promise = Promise { phase: Phase::Idle, since: at("11:00:00"), end_time_owed: false };
    let mut rig = Rig::from_record(at("12:00:37.2"), promise, None, |_| {});
    rig.tick("12:00:37.2", &running());
    assert_eq!(rig.machine.next_wake(), Some(at("12:01:00")));
    rig.now = at("12:00:59.999");
    assert_eq!(rig.wake(), []);
    rig.tick("12:01:00", &running());
    assert_eq!(rig.machine.next_wake(), Some(at("12:02:00")));
    assert_eq!(rig.machine.counters().ticks, 2);
}

#[test]
fn campaigns_with_the_same_period_tick_together() {
    for (tick, started, next) in [
        (Duration::seconds(30), "12:00:01", "12:00:30"),
        (Duration::milliseconds(500), "12:00:01.1", "12:00:01.5"),
        (Duration::minutes(5), "12:03:00", "12:05:00"),
        (Duration::minutes(1), "12:00:00", "12:01:00"),
    ] {
        let promise = Promise { phase: Phase::Idle, since: at("11:00:00"), end_time_owed: false };
        let mut rig = Rig::from_record(at(started), promise, None, |numbers| numbers.tick = tick);
        rig.tick(started, &running());
        assert_eq!(rig.machine.next_tick_at(), at(next), "every {tick}");
    }
}

#[test]
fn a_tick_that_waits_for_answers_is_not_overlapped_and_one_that_waits_up_to_its_end_is_followed_at_once() {
    for (began_at, ended_at, skipped, next) in [
        ("12:00:00", "12:00:59", 0, "12:01:00"),
        ("12:00:00", "12:01:00", 0, "12:01:00"),
        ("12:00:00", "12:01:00.3", 0, "12:01:00.3"),
        ("12:00:00", "12:02:10", 1, "12:02:10"),
        // The next grid point is less than a time-out away, so the tick may last until the one after it.
        ("12:00:50", "12:01:10", 1, "12:02:00"),
        ("12:00:50", "12:02:00", 1, "12:02:00"),
    ] {
        let mut rig = Rig::new(Phase::Idle);
        rig.now = at(began_at);
        let tick = rig.begin_tick(began_at);
        assert_eq!(rig.machine.next_wake(), None, "nothing is due while the answer is missing");
        rig.now = at(ended_at);
        assert_eq!(rig.wake(), []);
        rig.observed(tick, &running());
        let found = (rig.machine.counters().skipped_ticks, rig.machine.next_wake());
        assert_eq!(found, (skipped, Some(at(next))), "{began_at} to {ended_at}");
    }
}

#[test]
fn a_tick_without_facts_counts_as_a_tick() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let effects = rig.tick("12:00:00", &unread().spend_unknown().clicks_unknown());
    assert_step("nothing is known", &rig, &effects, None, PhaseWord::ActiveGuarded);
    assert_eq!(rig.machine.counters().ticks, 1);
}

#[test]
fn an_answer_to_no_open_question_is_counted_and_dropped() {
    let mut rig = Rig::new(Phase::Idle);
    let tick = rig.begin_tick("12:00:00");
    let wanted = stopped().clicks(20_000);
    assert_eq!(rig.observed(QuestionId(tick.0 + 7), &wanted), []);
    assert_eq!(rig.read_back_answer(tick, &wanted), []);
    rig.observed(tick, &running());
    assert_eq!(rig.observed(tick, &wanted), [], "answered already");
    assert_eq!(rig.event(Event::Applied { action: ActionId(9), outcome: Outcome::Accepted }), []);
    assert_eq!(rig.event(Event::EndTimeSet { action: ActionId(9), outcome: Outcome::Accepted }), []);
    assert_eq!(rig.machine.counters().stale_answers, 5);
    assert_eq!(rig.phase(), PhaseWord::Idle);
}

#[test]
fn facts_that_were_read_before_an_action_ended_decide_nothing() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped().clicks(20_000));
    rig.now = at("12:00:58.5");
    rig.applied(Outcome::Accepted);
    rig.now = at("12:00:59.5");
    let [Effect::ReadBack { question_id }] = rig.wake()[..] else { panic!("it reads back") };
    let tick = rig.begin_tick("12:01:00");
    rig.now = at("12:01:01");
    rig.read_back_answer(question_id, &running());
    rig.now = at("12:01:02");
    let effects = rig.observed(tick, &stopped().clicks(20_000));
    assert_step("it was read before the run showed", &rig, &effects, None, PhaseWord::ActiveGuarded);
    assert_eq!(notes(&effects, |note| matches!(note, Note::ForeignChange { .. })), 0);
}

#[test]
fn a_clock_that_is_set_back_stops_neither_the_ticks_nor_the_steps_of_an_action() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped().clicks(20_000));
    rig.applied(Outcome::Accepted);
    rig.now = at("11:00:00.5");
    assert_eq!(rig.wake(), []);
    assert!(rig.machine.next_wake().unwrap() <= at("11:01:00"), "the next tick is at most a grid point away");
    rig.tick("11:01:00", &stopped().clicks(20_000));
    assert_eq!(rig.machine.action().unwrap().step, Step::Failed, "the time for its effect to show is over");
    rig.tick("11:02:00", &running().clicks(20_000));
    assert_eq!(rig.machine.counters().ticks, 3);
}
