//! Sent is not done: requested, accepted, confirmed or failed; late effects; the end time that follows a pause.

use super::*;
use crate::domain::action::Step;
use crate::domain::event::ActionUpdate;
use crate::domain::policy::Mode;
use ActionKind::{Activate, Pause, SetEndTime};
use PhaseWord::{ActiveGuarded, CoolingDown, PausedGuarded};

/// An activation sent at noon, from idle.
fn activating() -> Rig {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped().clicks(20_000));
    rig
}

/// A pause sent at noon, from active-guarded.
fn pausing() -> Rig {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().clicks(5_000));
    rig
}

/// The end time of an earlier pause, sent at noon.
fn setting_end_time() -> Rig {
    let promise = Promise { phase: Phase::PausedGuarded, since: at("12:00:00"), end_time_owed: true };
    let mut rig = Rig::from_record(at("12:00:00"), promise, None, |_| {});
    rig.tick("12:00:00", &stopped());
    rig
}

fn unclear() -> Outcome {
    Outcome::Unclear("the answer was lost".to_owned())
}

fn refused() -> Outcome {
    Outcome::Failed("listed under failed".to_owned())
}

fn not_sent() -> Outcome {
    Outcome::NotSent("it waited too long".to_owned())
}

#[track_caller]
fn assert_action(rig: &Rig, effects: &[Effect], step: Step) {
    let entry = entries(effects).next_back().unwrap_or_else(|| panic!("no journal entry in {effects:#?}"));
    assert_eq!(entry.step, step, "{effects:#?}");
    assert_eq!(rig.machine.action(), Some(entry), "what is shown is what is stored");
}

#[test]
fn the_journal_keeps_each_step_with_its_time() {
    for (mut rig, shown) in [(activating(), running()), (pausing(), stopped())] {
        assert!(rig.machine.is_action_in_flight());
        rig.now = at("12:00:01");
        let effects = rig.applied(Outcome::Accepted);
        assert_action(&rig, &effects, Step::Accepted);
        assert!(rig.machine.next_wake().unwrap() <= at("12:00:05"), "it reads back soon, not a minute later");
        let effects = rig.read_back(&shown);
        assert_action(&rig, &effects, Step::Confirmed);
        let action = rig.machine.action().unwrap();
        assert_eq!((action.requested_at, action.accepted_at), (at("12:00:00"), Some(at("12:00:01"))));
        assert_eq!((action.confirmed_at, action.failed_at), (Some(rig.now), None));
    }
}

#[test]
fn an_old_state_is_a_late_effect_for_30_seconds_and_a_failure_after_them() {
    for (rig, old, guarded) in [(activating(), stopped(), ActiveGuarded), (pausing(), running(), CoolingDown)] {
        for (read_at, fails) in [("12:00:02", false), ("12:00:30.999", false), ("12:00:31", true)] {
            let mut rig = rig.clone();
            rig.now = at("12:00:01");
            rig.applied(Outcome::Accepted);
            rig.now = at(read_at);
            let [Effect::ReadBack { question_id }] = rig.wake()[..] else { panic!("no read-back") };
            let effects = rig.read_back_answer(question_id, &old);
            assert_step(&format!("read at {read_at}"), &rig, &effects, None, guarded);
            assert_eq!(notes(&effects, |note| matches!(note, Note::ForeignChange { .. })), 0);
            if fails {
                assert_action(&rig, &effects, Step::Failed);
                assert!(rig.machine.action().unwrap().error.is_some());
            } else {
                assert_eq!(entries(&effects).count(), 0, "nothing is known yet");
                assert!(rig.machine.next_wake().is_some_and(|at| at > rig.now));
            }
        }
    }
}

#[test]
fn a_tick_within_confirm_within_neither_repeats_the_action_nor_counts_a_foreign_change() {
    for (mut rig, old, guarded) in [(activating(), stopped(), ActiveGuarded), (pausing(), running(), CoolingDown)] {
        rig.now = at("12:00:45");
        rig.applied(Outcome::Accepted);
        let old = if guarded == ActiveGuarded { old.clicks(20_000) } else { old.clicks(0) };
        let effects = rig.tick("12:01:00", &old);
        assert_step("late effect", &rig, &effects, None, guarded);
        assert_eq!(notes(&effects, |note| matches!(note, Note::ForeignChange { .. })), 0);
    }
}

#[test]
fn a_tick_confirms_like_a_read_back_and_decides_at_once() {
    let mut rig = activating();
    rig.now = at("12:00:45");
    rig.applied(Outcome::Accepted);
    let effects = rig.tick("12:01:00", &running().clicks(5_000));
    assert_eq!(entries(&effects).next().unwrap().step, Step::Confirmed);
    assert_step("it runs, and should not", &rig, &effects, Some(Pause), CoolingDown);
}

#[test]
fn after_the_confirmation_any_other_state_is_a_foreign_change() {
    let mut rig = activating();
    rig.now = at("12:00:01");
    rig.confirm();
    let effects = rig.tick("12:01:00", &stopped().clicks(10_000));
    assert_step("someone stopped it", &rig, &effects, Some(Activate), ActiveGuarded);
    assert_eq!(notes(&effects, |note| *note == Note::ForeignChange { running: false }), 1);
}

#[test]
fn a_read_that_was_sent_before_the_answer_confirms_nothing() {
    let mut rig = pausing();
    let tick = rig.begin_tick("12:01:00");
    rig.now = at("12:01:01");
    rig.applied(Outcome::Accepted);
    let effects = rig.observed(tick, &stopped());
    assert_eq!(entries(&effects).count(), 0);
    assert_eq!(rig.machine.action().unwrap().step, Step::Accepted);
}

#[test]
fn an_unclear_answer_is_read_back_and_settled_by_what_is_seen() {
    let cases = [
        (activating(), running(), Step::Confirmed),
        (activating(), stopped(), Step::Failed),
        (activating(), blocked(), Step::Failed),
        (activating(), unread(), Step::Failed),
        (pausing(), stopped(), Step::Confirmed),
        (pausing(), unknown_word(false), Step::Confirmed),
        (pausing(), running(), Step::Failed),
        (pausing(), unknown_word(true), Step::Failed),
        (pausing(), unread(), Step::Failed),
    ];
    for (mut rig, seen, step) in cases {
        let effects = rig.applied(unclear());
        assert_action(&rig, &effects, Step::Requested);
        for _ in 0..20 {
            if rig.machine.action().unwrap().step != Step::Requested {
                break;
            }
            rig.read_back(&seen);
        }
        assert_eq!(rig.machine.action().unwrap().step, step, "{seen:?}");
        assert!(rig.now <= at("12:00:31"), "settled within `confirm_within`, not at {}", rig.now);
        assert_eq!(rig.machine.action().unwrap().accepted_at, None);
    }
}

#[test]
fn a_refused_or_unsent_action_has_failed_with_its_reason() {
    for mut rig in [activating(), pausing()] {
        for outcome in [refused(), not_sent()] {
            let mut rig = rig.clone();
            let effects = rig.applied(outcome);
            assert_action(&rig, &effects, Step::Failed);
            let action = rig.machine.action().unwrap();
            assert!(action.error.is_some() && action.failed_at.is_some());
            assert!(!rig.machine.is_action_in_flight());
        }
        rig.applied(refused());
        let effects = rig.applied(Outcome::Accepted);
        assert_eq!((effects.len(), rig.machine.counters().stale_answers), (0, 1), "answered already");
    }
}

#[test]
fn nothing_else_is_sent_while_an_action_is_in_flight() {
    for (mut rig, facts) in [(activating(), running().clicks(0)), (pausing(), stopped().clicks(20_000))] {
        let phase = rig.phase();
        for time in ["12:01:00", "12:02:00", "12:03:00", "12:04:00"] {
            let effects = rig.tick(time, &facts);
            assert_step(time, &rig, &effects, None, phase);
        }
    }
}

#[test]
fn after_a_pause_its_end_time_is_owed_until_it_is_set_and_nothing_waits_for_it() {
    let mut rig = pausing();
    rig.now = at("12:00:01");
    let effects = rig.applied(Outcome::Accepted);
    assert!(records(&effects).all(|record| record.promise.end_time_owed), "a crash now must not lose it");
    let effects = rig.end_time_set(Outcome::Failed("TrafficStars answered 500".to_owned()));
    assert_eq!(notes(&effects, |note| matches!(note, Note::Action { update: ActionUpdate::EndTimeOwed(_), .. })), 1);
    rig.read_back(&stopped());
    for time in ["12:01:00", "12:02:00"] {
        let effects = rig.tick(time, &stopped());
        assert_step("tried again", &rig, &effects, Some(SetEndTime), CoolingDown);
        assert_eq!(sends(&effects).next().unwrap().end_time, at(time));
        let effects = rig.applied(refused());
        assert_action(&rig, &effects, Step::Failed);
    }
    let effects = rig.tick("12:02:01", &stopped());
    assert_step("tried again", &rig, &effects, Some(SetEndTime), PausedGuarded);
    let effects = rig.applied(Outcome::Accepted);
    assert!(records(&effects).all(|record| !record.promise.end_time_owed));
    let effects = rig.tick("12:03:00", &stopped().ends(at("12:02:01")));
    assert_step("set", &rig, &effects, None, PausedGuarded);
}

#[test]
fn an_end_time_that_is_in_flight_is_not_sent_twice() {
    let mut rig = pausing();
    rig.applied(Outcome::Accepted);
    rig.read_back(&stopped());
    let effects = rig.tick("12:01:00", &stopped());
    assert_step("in flight", &rig, &effects, None, CoolingDown);
    assert!(rig.machine.is_action_in_flight());
}

#[test]
fn a_pause_waits_for_no_end_time_and_an_activation_waits_for_its_answer() {
    let mut rig = setting_end_time();
    let overtaken = rig.action_id();
    let effects = rig.tick("12:01:00", &stopped().clicks(20_000));
    assert_step("it would set another end time", &rig, &effects, None, PausedGuarded);
    assert!(rig.machine.waiting().is_some());
    let effects = rig.tick("12:02:00", &running().clicks(10_000));
    assert_step("someone started it", &rig, &effects, Some(Pause), CoolingDown);
    let steps: Vec<_> = entries(&effects).map(|entry| (entry.kind, entry.step)).collect();
    assert_eq!(steps, [(SetEndTime, Step::Superseded), (Pause, Step::Requested)]);
    assert_eq!(rig.event(Event::Applied { action: overtaken, outcome: Outcome::Accepted }), []);
    rig.confirm();
}

/// It waits in the queue while the pause fails, and would be sent afterwards.
#[test]
fn an_end_time_that_a_pause_has_overtaken_is_followed_to_its_answer() {
    let mut rig = setting_end_time();
    let overtaken = rig.action_id();
    rig.tick("12:01:00", &running().clicks(10_000));
    rig.applied(Outcome::Failed("refused".to_owned()));
    let disabled = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Disabled { .. }));
    assert!(!disabled(&rig.event(Event::Disable { pause: false })));
    assert!(disabled(&rig.event(Event::Applied { action: overtaken, outcome: Outcome::Accepted })));
    assert_eq!(rig.machine.counters().stale_answers, 0);
}

#[test]
fn after_observe_mode_a_pause_that_failed_before_is_tried_again() {
    let mut rig = Rig::with(Phase::ActiveGuarded, |numbers| numbers.cooldown = Duration::minutes(10));
    rig.tick("12:00:00", &running().clicks(0));
    rig.applied(Outcome::Failed("refused".to_owned()));
    rig.policy = rig.policy.in_mode(Mode::Observe);
    rig.tick("12:01:00", &running());
    rig.policy = rig.policy.in_mode(Mode::Act);
    let effects = rig.tick("12:02:00", &unknown_word(true));
    assert_step("it may run", &rig, &effects, Some(Pause), CoolingDown);
}

#[test]
fn the_answer_to_an_end_time_does_not_outdate_the_facts_of_a_tick() {
    let mut rig = setting_end_time();
    let tick = rig.begin_tick("12:01:00");
    rig.now = at("12:01:00.5");
    rig.applied(Outcome::Accepted);
    let effects = rig.observed(tick, &running().clicks(10_000));
    assert_step("someone started it", &rig, &effects, Some(Pause), CoolingDown);
}

#[test]
fn an_end_time_that_is_set_is_stored_as_set() {
    let mut rig = pausing();
    rig.applied(Outcome::Accepted);
    let effects = rig.end_time_set(Outcome::Accepted);
    assert!(records(&effects).next_back().is_some_and(|record| !record.promise.end_time_owed));
    let effects = rig.end_time_set(Outcome::Accepted);
    assert_eq!((effects.len(), rig.machine.counters().stale_answers), (0, 1));
}

#[test]
fn an_end_time_that_is_seen_to_have_passed_is_no_longer_owed() {
    // The last pause has set it, but a crash prevented the answer from being stored.
    let promise = Promise { phase: Phase::PausedGuarded, since: at("12:00:00"), end_time_owed: true };
    let mut rig = Rig::from_record(at("12:01:00"), promise, None, |_| {});
    let effects = rig.tick("12:01:00", &stopped().ends(at("11:59:59")));
    assert_step("it is set", &rig, &effects, None, PausedGuarded);
    assert!(records(&effects).next_back().is_some_and(|record| !record.promise.end_time_owed));
}

#[test]
fn a_pause_with_a_lost_answer_gets_its_end_time_at_the_next_tick() {
    let mut rig = pausing();
    rig.applied(unclear());
    rig.read_back(&stopped());
    let effects = rig.tick("12:01:00", &stopped());
    assert_step("no end time followed", &rig, &effects, Some(SetEndTime), CoolingDown);
}

#[test]
fn an_owed_end_time_is_tried_also_while_an_activation_waits() {
    let promise = Promise { phase: Phase::PausedGuarded, since: at("12:00:00"), end_time_owed: true };
    let mut rig = Rig::from_record(at("23:59:10"), promise, None, |_| {});
    let effects = rig.tick("23:59:10", &stopped().clicks(20_000));
    assert_step("waits for the next day", &rig, &effects, Some(SetEndTime), PausedGuarded);
}

#[test]
fn an_activation_and_a_pause_come_before_an_owed_end_time() {
    let promise = Promise { phase: Phase::PausedGuarded, since: at("12:00:00"), end_time_owed: true };
    for (facts, kind, phase) in
        [(stopped().clicks(20_000), Activate, ActiveGuarded), (running().clicks(10_000), Pause, CoolingDown)]
    {
        let mut rig = Rig::from_record(at("12:00:00"), promise, None, |_| {});
        let effects = rig.tick("12:00:00", &facts);
        assert_step("more urgent", &rig, &effects, Some(kind), phase);
    }
}

#[test]
fn an_end_time_is_sent_in_whole_seconds_as_trafficstars_writes_it() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let effects = rig.tick("12:00:00.75", &running().clicks(5_000));
    assert_eq!(sends(&effects).next().unwrap().end_time, at("12:00:00"));
}

#[test]
fn a_pause_sent_before_its_entry_was_stored_is_marked_late() {
    let mut rig = pausing();
    let action = rig.action_id();
    rig.event(Event::SentUnstored { action });
    let effects = rig.applied(Outcome::Accepted);
    assert!(entries(&effects).all(|entry| entry.late));
}
