//! Observe mode, unguarded, blocked, and the end time of an adopted campaign.

use super::*;
use crate::domain::action::Step;
use crate::domain::money::Percent;
use crate::domain::policy::Mode;
use ActionKind::{Activate, Pause, SetEndTime};
use PhaseWord::{ActiveGuarded, Idle};

fn observing(phase: Phase) -> Rig {
    Rig::with(phase, |numbers| numbers.mode = Mode::Observe)
}

/// Returns the kinds of the `observed-only` entries that a step writes.
fn observed_only(effects: &[Effect]) -> Vec<ActionKind> {
    assert!(entries(effects).all(|entry| entry.step == Step::ObservedOnly));
    entries(effects).map(|entry| entry.kind).collect()
}

#[test]
fn observe_mode_decides_and_keeps_the_state_and_sends_nothing() {
    let facts = [
        (stopped().clicks(20_000), Some(Activate)),
        (running().clicks(20_000), None),
        (running().clicks(0), Some(Pause)),
        (stopped().clicks(0), None),
        (running().spend("10.00"), None),
        (running().spend_unknown().clicks(0), Some(Pause)),
        (blocked(), None),
        (unread(), None),
    ];
    for phase in [Phase::Idle, Phase::ActiveGuarded, Phase::PausedGuarded] {
        for (facts, kind) in &facts {
            let mut rig = observing(phase);
            let effects = rig.tick("12:00:00", facts);
            assert_step(&format!("{phase:?} {facts:?}"), &rig, &effects, None, phase.word());
            assert_eq!(observed_only(&effects), kind.iter().copied().collect::<Vec<_>>(), "{phase:?} {facts:?}");
            assert!(records(&effects).all(|record| record.promise.phase == phase));
            assert!(rig.machine.last_decision().is_some());
        }
    }
}

#[test]
fn observe_mode_journals_whenever_the_decision_changes_and_only_then() {
    let mut rig = observing(Phase::Idle);
    let script = [
        (stopped().clicks(20_000), vec![Activate]),
        (stopped().clicks(19_999), vec![]),
        (stopped().clicks(15_000), vec![]),
        (running().clicks(4_999), vec![Pause]),
        (running().clicks(4_998), vec![]),
        (running().clicks(10_000), vec![]),
        (running().clicks(4_998), vec![Pause]),
    ];
    for (facts, kinds) in script {
        let effects = rig.next_tick(&facts);
        assert_eq!(observed_only(&effects), kinds, "{facts:?}");
    }
}

#[test]
fn observe_mode_journals_changes_during_a_cool_down_too() {
    let mut rig = Rig::with(cooling_until("12:30:00"), |numbers| {
        (numbers.mode, numbers.cooldown) = (Mode::Observe, Duration::minutes(30));
    });
    for (facts, kinds) in [(running(), vec![Pause]), (running(), vec![]), (stopped(), vec![]), (running(), vec![Pause])]
    {
        let effects = rig.next_tick(&facts);
        assert_eq!(observed_only(&effects), kinds, "{facts:?}");
    }
    assert_eq!(rig.machine.phase(), cooling_until("12:30:00"));
}

#[test]
fn after_act_mode_in_between_an_observed_decision_is_journalled_again() {
    let mut rig = observing(Phase::Idle);
    let due = stopped().clicks(20_000);
    assert_eq!(observed_only(&rig.tick("23:57:00", &due)), [Activate]);
    rig.policy = rig.policy.in_mode(Mode::Act);
    let effects = rig.tick("23:59:00", &due);
    assert_step("it waits for the next day", &rig, &effects, None, Idle);
    rig.policy = rig.policy.in_mode(Mode::Observe);
    assert_eq!(observed_only(&rig.next_tick(&due)), [Activate]);
}

#[test]
fn observe_mode_sets_no_owed_end_time() {
    let promise = Promise { phase: Phase::PausedGuarded, since: at("11:00:00"), end_time_owed: true };
    let mut rig = Rig::from_record(at("12:00:00"), promise, None, |numbers| numbers.mode = Mode::Observe);
    let effects = rig.tick("12:00:00", &stopped());
    assert_step("owed", &rig, &effects, None, PhaseWord::PausedGuarded);
}

#[test]
fn in_observe_mode_an_action_in_flight_is_followed_to_its_end() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped().clicks(20_000));
    rig.policy = observing(Phase::Idle).policy;
    rig.confirm();
    assert_eq!(rig.machine.action().unwrap().step, Step::Confirmed);
}

#[test]
fn in_observe_mode_an_end_time_in_flight_is_followed_to_its_end() {
    let promise = Promise { phase: Phase::PausedGuarded, since: at("11:00:00"), end_time_owed: true };
    let mut rig = Rig::from_record(at("12:00:00"), promise, None, |_| {});
    rig.tick("12:00:00", &stopped());
    rig.policy = observing(Phase::Idle).policy;
    rig.tick("12:01:00", &running());
    rig.applied(Outcome::Accepted);
    let action = rig.machine.action().unwrap();
    assert_eq!((action.kind, action.step), (SetEndTime, Step::Confirmed));
    let effects = rig.tick("12:02:00", &running());
    assert_eq!(observed_only(&effects), [Pause]);
}

#[test]
fn a_campaign_is_unguarded_if_it_runs_without_a_promise_and_its_clicks_or_its_limit_are_used_up() {
    let cases = [
        (Phase::Idle, running().spend("10.00"), true),
        (Phase::ActiveGuarded, running().spend("10.00"), true),
        (Phase::PausedGuarded, running().spend("10.00").clicks(0), true),
        (Phase::Idle, running(), false),
        (Phase::Idle, stopped().spend("10.00"), false),
        (Phase::Idle, running().clicks(0), false),
        (Phase::ActiveGuarded, running(), false),
    ];
    for (phase, facts, unguarded) in cases {
        let mut rig = Rig::new(phase);
        let effects = rig.tick("12:00:00", &facts);
        assert_eq!(rig.machine.unguarded(), unguarded, "{phase:?} {facts:?}");
        assert_eq!(notes(&effects, |note| matches!(note, Note::Unguarded(_))), usize::from(unguarded));
    }
    let mut rig = observing(Phase::Idle);
    rig.tick("12:00:00", &running().clicks(5_000));
    assert!(rig.machine.unguarded(), "observe mode promises nothing");
    let effects = rig.tick("12:01:00", &running().clicks(4_900));
    assert_eq!(notes(&effects, |note| matches!(note, Note::Unguarded(_))), 0, "reported once");
    rig.tick("12:02:00", &late());
    assert!(rig.machine.unguarded(), "a failed read says nothing new");
    let effects = rig.tick("12:03:00", &running().clicks(4_800));
    assert_eq!(notes(&effects, |note| matches!(note, Note::Unguarded(_))), 0, "still reported once");
}

#[test]
fn blocked_is_reported_when_it_begins_and_when_it_ends_and_not_after_a_failed_read() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let reported = |effects: &[Effect]| notes(effects, |note| matches!(note, Note::Blocked(_)));
    for (facts, reports, is_blocked) in
        [(blocked(), 1, true), (blocked(), 0, true), (unread(), 0, true), (running(), 1, false), (running(), 0, false)]
    {
        let effects = rig.next_tick(&facts);
        assert_eq!((reported(&effects), rig.machine.blocked().is_some()), (reports, is_blocked), "{facts:?}");
    }
}

#[test]
fn an_adopted_campaign_gets_an_end_time_only_if_that_is_configured_and_it_has_none() {
    let tomorrow = at("2026-11-23 12:00:00");
    for (set, facts, request) in [
        (true, running(), Some(SetEndTime)),
        (false, running(), None),
        (true, running().ends(tomorrow), None),
        (true, stopped().clicks(0), None),
    ] {
        let mut rig = Rig::with(Phase::Idle, |numbers| numbers.adopt_sets_end_time = set);
        let facts = if facts.clicks == Ok(10_000) { facts.clicks(20_000) } else { facts };
        let effects = rig.tick("12:00:00", &facts);
        let phase = rig.phase();
        assert_step(&format!("{set} {facts:?}"), &rig, &effects, request, phase);
        if request.is_some() {
            assert_eq!(sends(&effects).next().unwrap().end_time, at("23:59:00"));
        }
    }
}

#[test]
fn an_adopted_campaign_whose_end_time_failed_gets_it_at_the_next_tick_but_not_after_the_day_end() {
    let mut rig = Rig::with(Phase::Idle, |numbers| numbers.adopt_sets_end_time = true);
    let facts = running().clicks(20_000);
    rig.tick("12:00:00", &facts);
    rig.applied(Outcome::Failed("TrafficStars answered 500".to_owned()));
    let effects = rig.tick("12:01:00", &facts);
    assert_step("again", &rig, &effects, Some(SetEndTime), ActiveGuarded);
    rig.applied(Outcome::Failed("TrafficStars answered 500".to_owned()));
    let effects = rig.tick("23:59:00", &facts);
    assert_step("it would be past", &rig, &effects, None, ActiveGuarded);
    let effects = rig.tick("2026-11-23 00:00:00", &facts);
    assert_step("the next day", &rig, &effects, Some(SetEndTime), ActiveGuarded);
    assert_eq!(sends(&effects).next().unwrap().end_time, at("2026-11-23 23:59:00"));
}

#[test]
fn most_of_the_limit_is_reported_once_for_each_day_and_limit() {
    let mut rig = Rig::with(Phase::ActiveGuarded, |numbers| numbers.warn_at = Some(Percent(80)));
    let warned = |rig: &mut Rig, facts: Facts| {
        let effects = rig.next_tick(&facts.clicks(20_000).ends(at("2026-11-24 23:59:00")));
        notes(&effects, |note| matches!(note, Note::Warned { .. }))
    };
    let steps = [("7.99", 0), ("8.00", 1), ("9.00", 0), ("7.00", 0), ("10.50", 0)];
    for (spend, times) in steps {
        assert_eq!(warned(&mut rig, running().spend(spend)), times, "{spend}");
    }
    rig.now = at("2026-11-23 00:00:00");
    assert_eq!(warned(&mut rig, running().spend("0.10")), 0);
    assert_eq!(warned(&mut rig, running().spend("8.10").stored("7.50")), 1, "another day");
    let mut again = Rig::with(Phase::ActiveGuarded, |numbers| numbers.warn_at = Some(Percent(80)));
    assert_eq!(warned(&mut again, running().spend("8.10").stored("8.00")), 0, "an earlier process has reported it");
    assert_eq!(warned(&mut again, running().spend("8.20").stored("8.10")), 0);
    let raised = Rig::with(Phase::Idle, |numbers| {
        numbers.warn_at = Some(Percent(80));
        numbers.spend_limit = money("20.00");
    });
    again.policy = raised.policy;
    assert_eq!(warned(&mut again, running().spend("16.00").stored("8.20")), 1, "another limit");
    assert_eq!(warned(&mut Rig::new(Phase::ActiveGuarded), running().spend("9.99")), 0, "it is not set");
}
