//! A crash at any point: what is stored is enough to continue.

use super::*;
use crate::domain::action::Step;
use ActionKind::{Activate, Pause, SetEndTime};
use PhaseWord::{ActiveGuarded, CoolingDown, PausedGuarded};

/// Returns a machine that is built from the last record of these effects.
fn restarted(rig: &Rig, effects: &[Effect], now: &str) -> Rig {
    let record = records(effects).next_back().unwrap();
    let unfinished = record.entry.clone().filter(|entry| matches!(entry.step, Step::Requested | Step::Accepted));
    let machine = Machine::new(at(now), &rig.policy, Some(record.promise), unfinished);
    Rig { machine, policy: rig.policy.clone(), now: at(now) }
}

fn activation(answered: bool) -> (Rig, Vec<Effect>) {
    let mut rig = Rig::new(Phase::Idle);
    let effects = rig.tick("12:00:00", &stopped().clicks(20_000));
    let effects = if answered { rig.applied(Outcome::Accepted) } else { effects };
    (rig, effects)
}

fn pause(answered: bool) -> (Rig, Vec<Effect>) {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let effects = rig.tick("12:00:00", &running().clicks(0));
    let effects = if answered { rig.applied(Outcome::Accepted) } else { effects };
    (rig, effects)
}

#[test]
fn a_new_machine_begins_idle_and_ticks_at_once() {
    let policy = PolicyNumbers::default().validate().unwrap();
    let machine = Machine::new(at("12:00:17"), &policy, None, None);
    assert_eq!((machine.phase(), machine.next_wake()), (Phase::Idle, Some(at("12:00:17"))));
}

#[test]
fn a_restart_keeps_the_promise_and_the_cool_down_to_its_absolute_end() {
    for (rig, effects) in [activation(true), pause(true)] {
        let anew = restarted(&rig, &effects, "12:00:20");
        assert_eq!(anew.machine.phase(), rig.machine.phase());
        assert_eq!(anew.machine.since(), rig.machine.since());
    }
    let (rig, effects) = pause(true);
    let mut anew = restarted(&rig, &effects, "12:00:20");
    let off = stopped().ends(at("12:00:00")).clicks(20_000);
    let effects = anew.tick("12:00:20", &off);
    assert_step("still cooling down", &anew, &effects, None, CoolingDown);
    anew.tick("12:01:00", &off);
    let effects = anew.tick("12:02:00", &off);
    assert_step("the very end", &anew, &effects, Some(Activate), ActiveGuarded);
}

#[test]
fn a_cool_down_that_ended_while_no_process_ran_has_ended() {
    let (rig, effects) = pause(true);
    let mut anew = restarted(&rig, &effects, "14:00:00");
    let effects = anew.tick("14:00:00", &stopped().ends(at("12:00:00")).clicks(20_000));
    assert_step("long over", &anew, &effects, Some(Activate), ActiveGuarded);
}

#[test]
fn a_read_after_a_restart_ends_an_unfinished_action_and_the_same_tick_decides() {
    for answered in [false, true] {
        let (rig, effects) = activation(answered);
        let mut anew = restarted(&rig, &effects, "12:05:00");
        let effects = anew.tick("12:05:00", &running().ends(at("23:59:00")).clicks(0));
        assert_eq!(entries(&effects).next().unwrap().step, Step::Confirmed);
        assert_step("it runs with its clicks used up", &anew, &effects, Some(Pause), CoolingDown);

        let (rig, effects) = pause(answered);
        let mut anew = restarted(&rig, &effects, "12:05:00");
        let effects = anew.tick("12:05:00", &running().clicks(0));
        assert_eq!(entries(&effects).next().unwrap().step, Step::Failed);
        assert_step("it still runs", &anew, &effects, Some(Pause), CoolingDown);
    }
}

#[test]
fn within_confirm_within_the_old_state_is_a_late_effect_after_a_restart_too() {
    let (rig, effects) = pause(true);
    let mut anew = restarted(&rig, &effects, "12:00:10");
    let effects = anew.tick("12:00:10", &running().clicks(0));
    assert_step("late", &anew, &effects, None, CoolingDown);
    while anew.machine.action().unwrap().step == Step::Accepted {
        anew.read_back(&running());
    }
    assert_eq!((anew.now, anew.machine.action().unwrap().step), (at("12:00:30"), Step::Failed));
}

#[test]
fn a_request_that_was_not_sent_before_the_crash_is_no_foreign_change() {
    for ((rig, effects), still) in [(activation(false), stopped()), (pause(false), running())] {
        let mut anew = restarted(&rig, &effects, "12:05:00");
        let effects = anew.tick("12:05:00", &still);
        assert_eq!(notes(&effects, |note| matches!(note, Note::ForeignChange { .. })), 0, "{effects:#?}");
    }
}

#[test]
fn a_change_by_others_while_no_process_ran_is_a_foreign_change() {
    for (phase, now) in [(Phase::ActiveGuarded, stopped()), (Phase::PausedGuarded, running())] {
        let mut rig = Rig::new(phase);
        let effects = rig.tick("12:00:00", &now);
        assert_eq!(notes(&effects, |note| matches!(note, Note::ForeignChange { .. })), 1, "{phase:?}");
    }
}

#[test]
fn an_activation_that_failed_before_the_crash_is_no_foreign_change() {
    for (step, foreign) in [(Step::Failed, 0), (Step::Superseded, 0), (Step::Confirmed, 1)] {
        let mut rig = Rig::new(Phase::Idle);
        rig.tick("12:00:00", &stopped().clicks(20_000));
        let newest = Action { step, ..rig.machine.action().unwrap().clone() };
        let mut rig = Rig::new(Phase::ActiveGuarded);
        rig.machine = rig.machine.clone().having_done(Some(&newest));
        let effects = rig.tick("12:01:00", &stopped().clicks(20_000));
        assert_eq!(notes(&effects, |note| matches!(note, Note::ForeignChange { .. })), foreign, "{step:?}");
    }
}

#[test]
fn a_run_that_succeeded_after_the_crash_no_longer_delays_the_next_one() {
    let mut rig = Rig::with(Phase::Idle, |numbers| numbers.tick = Duration::seconds(10));
    let effects = rig.tick("12:00:00", &stopped().clicks(20_000));
    let mut anew = restarted(&rig, &effects, "12:00:40");
    let effects = anew.tick("12:00:40", &stopped().clicks(20_000));
    assert_step("it failed and backs off", &anew, &effects, None, ActiveGuarded);
    anew.tick("12:00:50", &running().clicks(20_000));
    let effects = anew.tick("12:01:00", &stopped().clicks(20_000));
    assert_step("someone else stopped it", &anew, &effects, Some(Activate), ActiveGuarded);
}

#[test]
fn a_pause_whose_answer_the_crash_lost_gets_its_end_time() {
    for answered in [false, true] {
        let (rig, effects) = pause(answered);
        let mut anew = restarted(&rig, &effects, "12:01:00");
        let effects = anew.tick("12:01:00", &stopped());
        assert_eq!(entries(&effects).next().unwrap().step, Step::Confirmed, "answered: {answered}");
        assert_step("no end time was set", &anew, &effects, Some(SetEndTime), CoolingDown);
    }
}

#[test]
fn an_end_time_that_was_set_before_the_crash_is_recognised() {
    let promise = Promise { phase: Phase::PausedGuarded, since: at("11:00:00"), end_time_owed: true };
    let mut rig = Rig::from_record(at("12:00:00"), promise, None, |_| {});
    let effects = rig.tick("12:00:00.75", &stopped());
    assert_step("owed", &rig, &effects, Some(SetEndTime), PausedGuarded);
    let mut anew = restarted(&rig, &effects, "12:05:00");
    let effects = anew.tick("12:05:00", &stopped().ends(at("12:00:00")));
    assert_eq!(entries(&effects).next().unwrap().step, Step::Confirmed);
    assert_step("nothing more is sent", &anew, &effects, None, PausedGuarded);
}

#[test]
fn action_numbers_continue_after_the_unfinished_actions() {
    let (rig, effects) = pause(true);
    let mut anew = restarted(&rig, &effects, "12:05:00");
    let old = anew.action_id();
    anew.tick("12:05:00", &running().clicks(0));
    assert!(anew.action_id() > old, "an answer to the old one cannot count as the new one's");
}

#[test]
fn an_end_time_in_flight_at_a_crash_is_no_longer_owed_once_it_shows() {
    let promise = Promise { phase: Phase::ActiveGuarded, since: at("11:00:00"), end_time_owed: true };
    let mut rig = Rig::with(Phase::Idle, |numbers| numbers.adopt_sets_end_time = true);
    rig.machine = Machine::new(rig.now, &rig.policy, Some(promise), None);
    let effects = rig.tick("12:00:00", &running().clicks(20_000));
    assert_step("owed", &rig, &effects, Some(SetEndTime), ActiveGuarded);
    let mut anew = restarted(&rig, &effects, "12:00:20");
    let effects = anew.tick("12:00:20", &running().clicks(20_000).ends(at("23:59:00")));
    assert_step("it shows", &anew, &effects, None, ActiveGuarded);
    let effects = anew.tick("12:01:00", &running().clicks(20_000).ends(at("23:59:00")));
    assert_step("and stays set", &anew, &effects, None, ActiveGuarded);
}
