//! The two minutes after a pause.

use super::*;
use ActionKind::{Activate, Pause};
use PhaseWord::{ActiveGuarded, CoolingDown, Idle, PausedGuarded};

/// Returns a campaign that was paused at noon: accepted and confirmed a second later, cooling down until 12:02:01.
fn paused_at_noon() -> Rig {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().clicks(5_000));
    rig.now = at("12:00:01");
    rig.confirm();
    rig
}

fn off() -> Facts {
    stopped().ends(at("12:00:00"))
}

#[test]
fn the_cool_down_counts_from_the_acceptance_and_is_stored_with_it() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let effects = rig.tick("12:00:00", &running().clicks(5_000));
    assert_eq!(records(&effects).next_back().unwrap().promise.phase, cooling_until("12:02:00"));
    rig.now = at("12:00:07.5");
    let effects = rig.applied(Outcome::Accepted);
    assert_eq!(rig.machine.phase(), cooling_until("12:02:07.5"));
    assert_eq!(records(&effects).next_back().unwrap().promise.phase, cooling_until("12:02:07.5"));
    rig.read_back(&off());
    assert_eq!(rig.machine.phase(), cooling_until("12:02:07.5"), "moved once");
}

#[test]
fn spend_and_clicks_decide_nothing_during_the_cool_down() {
    let facts =
        [off().clicks(20_000), off().spend("10.00"), off().clicks(0), off().spend_unknown(), off().clicks_unknown()];
    for facts in facts {
        let mut rig = paused_at_noon();
        for time in ["12:01:00", "12:02:00"] {
            let effects = rig.tick(time, &facts);
            assert_step(&format!("{facts:?} at {time}"), &rig, &effects, None, CoolingDown);
        }
        assert_eq!(rig.machine.phase(), cooling_until("12:02:01"));
    }
}

#[test]
fn the_flags_are_kept_up_to_date_during_the_cool_down() {
    let mut rig = paused_at_noon();
    rig.tick("12:01:00", &off().spend("10.00"));
    assert!(rig.machine.high_spend());
    rig.tick("12:02:00", &blocked());
    assert!(rig.machine.blocked().is_some());
}

#[test]
fn a_campaign_that_runs_during_its_cool_down_is_paused_again_and_the_two_minutes_start_anew() {
    for facts in [running().clicks(20_000), running().clicks(0), running().spend("10.00"), running().spend_unknown()] {
        let mut rig = paused_at_noon();
        let effects = rig.tick("12:01:00", &facts);
        assert_step(&format!("{facts:?}"), &rig, &effects, Some(Pause), CoolingDown);
        assert_eq!(rig.machine.phase(), cooling_until("12:03:00"));
        rig.now = at("12:01:02");
        rig.applied(Outcome::Accepted);
        assert_eq!(rig.machine.phase(), cooling_until("12:03:02"));
    }
}

#[test]
fn a_tick_is_due_at_the_end_of_the_cool_down_and_decides_from_paused_guarded() {
    let cases = [
        (off().clicks(20_000), Some(Activate), ActiveGuarded),
        (off().clicks(5_000), None, PausedGuarded),
        (off().clicks(10_000), None, PausedGuarded),
        (off().spend("10.00"), None, Idle),
        (running().clicks(10_000), Some(Pause), CoolingDown),
        (running().clicks(20_000), None, ActiveGuarded),
        (unread(), None, PausedGuarded),
    ];
    for (facts, request, next) in cases {
        let mut rig = paused_at_noon();
        rig.tick("12:01:00", &off());
        rig.tick("12:02:00", &off());
        assert_eq!(rig.machine.next_wake(), Some(at("12:02:01")));
        rig.now = at("12:02:00.999");
        assert_eq!(rig.wake(), [], "1:59.999 is not yet the end");
        let effects = rig.tick("12:02:01", &facts);
        assert_step(&format!("{facts:?}"), &rig, &effects, request, next);
        assert!(effects.iter().any(|effect| matches!(
            effect,
            Effect::Note(Note::Transition { from: CoolingDown, to: PausedGuarded, .. })
        )));
        assert_eq!(rig.machine.next_tick_at(), at("12:03:00"));
    }
}

#[test]
fn the_end_of_the_cool_down_is_stored_also_if_nothing_else_follows() {
    let mut rig = paused_at_noon();
    let effects = rig.tick("12:02:01", &off().clicks(0));
    assert_eq!(records(&effects).next_back().unwrap().promise.phase, Phase::PausedGuarded);
}

#[test]
fn a_tick_begun_before_the_end_of_the_cool_down_decides_nothing_by_spend_or_clicks() {
    let mut rig = paused_at_noon();
    let tick = rig.begin_tick("12:02:00.999");
    rig.now = at("12:02:01.5");
    let effects = rig.observed(tick, &off().clicks(20_000));
    assert_step("facts from before the end", &rig, &effects, None, CoolingDown);
    assert_eq!(rig.machine.next_wake(), Some(at("12:02:01.5")), "the tick of the end is due at once");
    let effects = rig.tick("12:02:01.5", &off().clicks(20_000));
    assert_step("the tick of the end", &rig, &effects, Some(Activate), ActiveGuarded);
}

#[test]
fn after_the_clock_is_set_back_during_the_tick_of_the_end_the_cool_down_goes_on() {
    let mut rig = paused_at_noon();
    let tick = rig.begin_tick("12:02:01");
    rig.now = at("11:55:00");
    let effects = rig.observed(tick, &off().clicks(20_000));
    assert_step("the end is an absolute time", &rig, &effects, None, CoolingDown);
}

#[test]
fn a_cool_down_of_zero_length_ends_at_once() {
    let mut rig = Rig::with(Phase::ActiveGuarded, |numbers| numbers.cooldown = Duration::zero());
    rig.tick("12:00:00", &running().clicks(5_000));
    rig.now = at("12:00:01");
    rig.confirm();
    let effects = rig.tick("12:01:00", &off().clicks(10_000));
    assert_step("ended", &rig, &effects, None, PausedGuarded);
}

#[test]
fn an_acceptance_removes_no_tick_that_is_due() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().clicks(5_000));
    rig.now = at("12:01:00.001");
    rig.applied(Outcome::Accepted);
    assert_eq!(rig.machine.next_tick_at(), at("12:01:00"));
}
