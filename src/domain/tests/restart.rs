//! A crash at any point: what is stored is enough to go on.

use super::*;
use crate::domain::action::Step;
use ActionKind::{Activate, Pause, SetEndTime};
use PhaseWord::{ActiveGuarded, CoolingDown, PausedGuarded};

/// A machine built anew from the last record of these effects.
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
fn a_cool_down_that_ended_while_nobody_ran_has_ended() {
    let (rig, effects) = pause(true);
    let mut anew = restarted(&rig, &effects, "14:00:00");
    let effects = anew.tick("14:00:00", &stopped().ends(at("12:00:00")).clicks(20_000));
    assert_step("long over", &anew, &effects, Some(Activate), ActiveGuarded);
}

#[test]
fn reading_the_remote_settles_what_was_left_unfinished_and_decides_in_the_same_tick() {
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
        assert_step("it runs still", &anew, &effects, Some(Pause), CoolingDown);
    }
}

#[test]
fn within_the_time_allowed_the_old_state_is_a_late_effect_after_a_restart_too() {
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
fn a_request_that_never_left_before_the_crash_is_nobodys_interference() {
    for ((rig, effects), still) in [(activation(false), stopped()), (pause(false), running())] {
        let mut anew = restarted(&rig, &effects, "12:05:00");
        let effects = anew.tick("12:05:00", &still);
        assert_eq!(notes(&effects, |note| matches!(note, Note::ForeignChange { .. })), 0, "{effects:#?}");
    }
}

#[test]
fn what_others_changed_while_nobody_ran_is_theirs() {
    for (phase, now) in [(Phase::ActiveGuarded, stopped()), (Phase::PausedGuarded, running())] {
        let mut rig = Rig::new(phase);
        let effects = rig.tick("12:00:00", &now);
        assert_eq!(notes(&effects, |note| matches!(note, Note::ForeignChange { .. })), 1, "{phase:?}");
    }
}

#[test]
fn an_activation_that_came_to_nothing_before_the_crash_accuses_nobody() {
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
fn a_run_that_came_about_after_the_crash_holds_the_next_one_up_no_longer() {
    let mut rig = Rig::with(Phase::Idle, |numbers| numbers.tick = Duration::seconds(10));
    let effects = rig.tick("12:00:00", &stopped().clicks(20_000));
    let mut anew = restarted(&rig, &effects, "12:00:40");
    let effects = anew.tick("12:00:40", &stopped().clicks(20_000));
    assert_step("it failed and backs off", &anew, &effects, None, ActiveGuarded);
    anew.tick("12:00:50", &running().clicks(20_000));
    let effects = anew.tick("12:01:00", &stopped().clicks(20_000));
    assert_step("somebody else stopped it", &anew, &effects, Some(Activate), ActiveGuarded);
}

#[test]
fn a_pause_whose_answer_the_crash_swallowed_gets_its_end_time() {
    for answered in [false, true] {
        let (rig, effects) = pause(answered);
        let mut anew = restarted(&rig, &effects, "12:01:00");
        let effects = anew.tick("12:01:00", &stopped());
        assert_eq!(entries(&effects).next().unwrap().step, Step::Confirmed, "answered: {answered}");
        assert_step("no end time was set", &anew, &effects, Some(SetEndTime), CoolingDown);
    }
}

#[test]
fn an_end_time_that_was_set_before_the_crash_is_seen_to_be() {
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
fn numbers_go_on_after_the_unfinished_actions() {
    let (rig, effects) = pause(true);
    let mut anew = restarted(&rig, &effects, "12:05:00");
    let old = anew.action_id();
    anew.tick("12:05:00", &running().clicks(0));
    assert!(anew.action_id() > old, "an answer to the old one cannot be taken for the new one's");
}

#[test]
fn an_end_time_that_a_crash_left_on_its_way_and_that_shows_is_owed_no_more() {
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
