//! Every row of the decision table, and both sides of every threshold, through a whole tick.

use super::*;
use crate::domain::policy::HighSpend;
use ActionKind::{Activate, Pause};
use PhaseWord::{ActiveGuarded, CoolingDown, Idle, PausedGuarded};

const GUARDING: [PhaseWord; 3] = [Idle, ActiveGuarded, PausedGuarded];

/// Checks what one tick at noon does in each of the three states that decide: the request, and the next state.
#[track_caller]
fn assert_row(what: &str, facts: &Facts, expected: [(PhaseWord, Option<ActionKind>, PhaseWord); 3]) {
    assert_eq!(expected.map(|(from, _, _)| from), GUARDING, "{what}: each state once");
    for (from, request, next) in expected {
        let mut rig = Rig::new(phase_of(from, at("12:00:00")));
        let effects = rig.tick("12:00:00", facts);
        assert_step(&format!("{what}, from {from}"), &rig, &effects, request, next);
    }
}

/// Returns the same result for every state.
fn always(request: Option<ActionKind>, next: PhaseWord) -> [(PhaseWord, Option<ActionKind>, PhaseWord); 3] {
    GUARDING.map(|from| (from, request, next))
}

fn unchanged() -> [(PhaseWord, Option<ActionKind>, PhaseWord); 3] {
    GUARDING.map(|from| (from, None, from))
}

/// Only the guard that pauses acts.
fn paused_by_guard_alone() -> [(PhaseWord, Option<ActionKind>, PhaseWord); 3] {
    [(Idle, None, Idle), (ActiveGuarded, None, ActiveGuarded), (PausedGuarded, Some(Pause), CoolingDown)]
}

#[test]
fn a_blocked_or_unknown_campaign_is_left_unchanged_with_all_other_facts() {
    for remote in [blocked(), gone(), missing(), unread(), unknown_word(false)] {
        for clicks in [0, 5_000, 10_000, 15_000] {
            for facts in [remote.clone(), remote.clone().spend("10.00"), remote.clone().spend_unknown()] {
                assert_row(&format!("{:?} with {clicks} clicks", facts.remote), &facts.clicks(clicks), unchanged());
            }
        }
        assert_row("clicks unknown", &remote.clicks_unknown(), unchanged());
    }
    for doubtful in [unknown_word(true), unfunded()] {
        assert_row("it may run, and high spend", &doubtful.clicks(0).spend("10.00"), unchanged());
    }
}

#[test]
fn the_guard_pauses_a_blocked_or_unknown_campaign_that_may_run_and_nothing_activates_it() {
    for doubtful in [unknown_word(true), unfunded()] {
        for facts in [doubtful.clone().clicks(5_001), doubtful.clone().clicks_unknown(), doubtful.clicks(15_000)] {
            assert_row("clicks not known to be used up", &facts, paused_by_guard_alone());
            assert_row("the same, spend unknown", &facts.spend_unknown(), paused_by_guard_alone());
        }
    }
}

#[test]
fn an_implausible_number_of_clicks_is_unknown_and_starts_nothing() {
    let tick = |phase, facts: &Facts| {
        let mut rig = Rig::with(phase, |numbers| numbers.implausible_clicks = Some(Clicks(1_000_000)));
        let effects = rig.tick("12:00:00", facts);
        (sends(&effects).next().map(|request| request.kind), rig.phase())
    };
    for (clicks, expected) in [(1_000_000, Some(Activate)), (1_000_001, None), (u64::MAX, None)] {
        assert_eq!(tick(Phase::Idle, &stopped().clicks(clicks)).0, expected, "{clicks}");
    }
    assert_eq!(tick(Phase::PausedGuarded, &running().clicks(1_000_001)).0, Some(Pause), "the guard that pauses acts");
    assert_eq!(tick(Phase::ActiveGuarded, &running().clicks(1_000_001)), (None, ActiveGuarded), "nothing else does");
}

#[test]
fn with_5_000_clicks_or_fewer_a_campaign_that_may_run_is_paused_also_if_blocked_or_on_unknown_spend() {
    for facts in [running(), unknown_word(true), unfunded()] {
        for clicks in [0, 4_999, 5_000] {
            let what = format!("{clicks} clicks, {:?}", facts.remote);
            assert_row(&what, &facts.clone().clicks(clicks), always(Some(Pause), CoolingDown));
            assert_row(&what, &facts.clone().clicks(clicks).spend_unknown(), always(Some(Pause), CoolingDown));
            assert_row(&what, &facts.clone().clicks(clicks).spend("9.999999"), always(Some(Pause), CoolingDown));
        }
    }
}

#[test]
fn at_the_limit_or_above_it_a_campaign_is_left_alone_and_nothing_is_promised() {
    for spend in ["10.00", "10.000001", "66.270003"] {
        for facts in [running(), stopped()] {
            for facts in [facts.clone().clicks(0), facts.clone(), facts.clone().clicks(20_000), facts.clicks_unknown()]
            {
                assert_row(&format!("{spend}, {facts:?}"), &facts.spend(spend), always(None, Idle));
            }
        }
    }
}

#[test]
fn on_unknown_spend_only_the_guard_that_pauses_acts() {
    for facts in [running().clicks(5_001), running().clicks(15_000), running().clicks_unknown()] {
        assert_row("running", &facts.spend_unknown(), paused_by_guard_alone());
    }
    for facts in [stopped().clicks(0), stopped(), stopped().clicks(15_000), stopped().clicks_unknown()] {
        assert_row("stopped", &facts.spend_unknown(), unchanged());
    }
}

#[test]
fn on_unknown_clicks_only_the_guard_that_pauses_acts() {
    assert_row("running", &running().clicks_unknown(), paused_by_guard_alone());
    assert_row("stopped", &stopped().clicks_unknown(), unchanged());
}

#[test]
fn with_15_000_clicks_or_more_a_campaign_is_run_or_adopted() {
    for clicks in [15_000, 15_001, u64::MAX] {
        assert_row("stopped", &stopped().clicks(clicks), always(Some(Activate), ActiveGuarded));
        assert_row("running", &running().clicks(clicks), always(None, ActiveGuarded));
    }
}

#[test]
fn a_stopped_campaign_with_5_000_clicks_or_fewer_is_adopted() {
    for clicks in [0, 4_999, 5_000] {
        assert_row("stopped", &stopped().clicks(clicks), always(None, PausedGuarded));
    }
}

#[test]
fn between_the_thresholds_only_the_promise_counts() {
    for clicks in [5_001, 10_000, 14_999] {
        let expected =
            [(Idle, None, Idle), (ActiveGuarded, Some(Activate), ActiveGuarded), (PausedGuarded, None, PausedGuarded)];
        assert_row(&format!("stopped, {clicks} clicks"), &stopped().clicks(clicks), expected);
        assert_row(&format!("running, {clicks} clicks"), &running().clicks(clicks), paused_by_guard_alone());
    }
}

#[test]
fn an_invalid_row_may_pause_a_campaign_and_never_starts_one() {
    assert_row("stopped, enough", &stopped().clicks(20_000).with_invalid_row(), unchanged());
    assert_row("running, enough", &running().clicks(20_000).with_invalid_row(), paused_by_guard_alone());
    assert_row("running, used up", &running().clicks(5_000).with_invalid_row(), always(Some(Pause), CoolingDown));
}

#[test]
fn every_threshold_can_be_configured_and_is_exact_on_both_sides() {
    type Case = (Facts, Option<ActionKind>, PhaseWord);
    let cases: [Case; 6] = [
        (running().clicks(100), Some(Pause), CoolingDown),
        (running().clicks(101), None, Idle),
        (stopped().clicks(199), None, Idle),
        (stopped().clicks(200), Some(Activate), ActiveGuarded),
        (stopped().clicks(200).spend("0.499999"), Some(Activate), ActiveGuarded),
        (stopped().clicks(200).spend("0.50"), None, Idle),
    ];
    for (facts, request, next) in cases {
        let mut rig = Rig::with(Phase::Idle, |numbers| {
            numbers.pause_clicks = Clicks(100);
            numbers.activate_clicks = Clicks(200);
            numbers.spend_limit = money("0.50");
        });
        let facts = if facts.spend == Ok(money("3.21")) { facts.spend("0.10") } else { facts };
        let effects = rig.tick("12:00:00", &facts);
        assert_step(&format!("{facts:?}"), &rig, &effects, request, next);
    }
}

#[test]
fn an_activation_ends_at_the_day_end_and_a_pause_ends_now() {
    let mut rig = Rig::new(Phase::Idle);
    let effects = rig.tick("12:00:00", &stopped().clicks(15_000));
    let request = sends(&effects).next().unwrap();
    assert_eq!(request.end_time, at("23:59:00"));
    assert_eq!(request.valid_until, Some(at("12:01:00")), "its facts hold for this tick alone");

    let mut rig = Rig::new(Phase::Idle);
    let effects = rig.tick("12:00:00", &running().clicks(5_000));
    let request = sends(&effects).next().unwrap();
    assert_eq!(request.end_time, at("12:00:00"));
    assert_eq!(request.valid_until, None, "a pause is never too old");
}

#[test]
fn a_journal_entry_has_the_decision_and_its_facts() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let effects = rig.tick("12:00:00", &running().clicks(4_999).spend("9.5"));
    let [record] = records(&effects).collect::<Vec<_>>()[..] else { panic!("one transaction: {effects:#?}") };
    assert_eq!(record.promise.phase, cooling_until("12:02:00"));
    assert_eq!(record.promise.since, at("12:00:00"));
    let entry = record.entry.as_ref().unwrap();
    assert_eq!((entry.kind, entry.step), (Pause, super::super::action::Step::Requested));
    assert_eq!((entry.spend, entry.remaining_clicks), (Some(money("9.5")), Some(Clicks(4_999))));
    assert_eq!(entry.remote_status.as_str(), "running");
    assert_eq!((entry.state_before, entry.state_after), (ActiveGuarded, CoolingDown));
    assert_eq!(entry.requested_at, at("12:00:00"));
    assert!(entry.reason.contains("4,999") && entry.reason.contains("9.50"), "{}", entry.reason);
}

#[test]
fn a_journal_entry_says_whether_a_threshold_or_a_foreign_change_made_it_due() {
    use super::super::action::Trigger;
    let cases = [
        (Phase::Idle, stopped().clicks(20_000), Trigger::Tick),
        (Phase::ActiveGuarded, stopped(), Trigger::Guard),
        (Phase::ActiveGuarded, running().ends(at("11:59:00")), Trigger::Tick),
        (Phase::ActiveGuarded, running().clicks(0), Trigger::Tick),
        (Phase::PausedGuarded, stopped().clicks(20_000), Trigger::Tick),
        (Phase::PausedGuarded, running(), Trigger::Guard),
        (cooling_until("12:02:00"), running(), Trigger::Guard),
    ];
    for (phase, facts, trigger) in cases {
        let mut rig = Rig::new(phase);
        let effects = rig.tick("12:00:00", &facts);
        assert_eq!(entries(&effects).next().unwrap().trigger, trigger, "{phase:?} {facts:?}");
    }
}

#[test]
fn an_undisturbed_promise_needs_no_request_that_changes_anything() {
    for (phase, facts) in
        [(Phase::ActiveGuarded, running()), (Phase::PausedGuarded, stopped()), (Phase::Idle, running())]
    {
        for clicks in [5_001, 14_999] {
            let mut rig = Rig::new(phase);
            for _ in 0..100 {
                let effects = rig.next_tick(&facts.clone().clicks(clicks));
                assert_step("undisturbed", &rig, &effects, None, phase.word());
                assert_eq!(records(&effects).count(), 0, "nothing changed: {effects:#?}");
            }
        }
    }
}

/// Checks what one tick at noon does under a policy at the limit, in each of the three states that decide.
#[track_caller]
fn assert_row_at_limit(
    what: &str,
    high_spend: HighSpend,
    facts: &Facts,
    expected: [(PhaseWord, Option<ActionKind>, PhaseWord); 3],
) {
    for (from, request, next) in expected {
        let mut rig = Rig::with(phase_of(from, at("12:00:00")), |numbers| {
            numbers.high_spend = high_spend;
            numbers.high_activate_clicks = Some(Clicks(5_000));
            numbers.high_pause_clicks = Some(Clicks(1_000));
        });
        let effects = rig.tick("12:00:00", facts);
        assert_step(&format!("{high_spend}: {what}, from {from}"), &rig, &effects, request, next);
    }
}

#[test]
fn with_the_policy_guard_the_high_thresholds_decide_from_the_limit_on() {
    let guard = HighSpend::Guard;
    for spend in ["10.00", "66.27"] {
        for facts in [running(), unknown_word(true), unfunded()] {
            let facts = facts.clicks(1_000).spend(spend);
            assert_row_at_limit("used up", guard, &facts, always(Some(Pause), CoolingDown));
        }
        let between = [1_001, 4_999];
        for clicks in between {
            let expected = [
                (Idle, None, Idle),
                (ActiveGuarded, Some(Activate), ActiveGuarded),
                (PausedGuarded, None, PausedGuarded),
            ];
            assert_row_at_limit("between", guard, &stopped().clicks(clicks).spend(spend), expected);
            assert_row_at_limit("between", guard, &running().clicks(clicks).spend(spend), paused_by_guard_alone());
        }
        let enough = always(Some(Activate), ActiveGuarded);
        assert_row_at_limit("enough", guard, &stopped().clicks(5_000).spend(spend), enough);
        assert_row_at_limit("clicks unknown", guard, &stopped().clicks_unknown().spend(spend), unchanged());
    }
    let below = running().clicks(5_000).spend("9.99");
    assert_row_at_limit("below the limit the low thresholds decide", guard, &below, always(Some(Pause), CoolingDown));
    let unknown = running().clicks(5_000).spend_unknown();
    assert_row_at_limit("so they do on unknown spend", guard, &unknown, always(Some(Pause), CoolingDown));
}

#[test]
fn with_the_policy_pause_a_campaign_is_paused_at_the_limit_and_kept_paused() {
    let pause = HighSpend::Pause;
    for clicks in [0, 3_000, 20_000] {
        for facts in [running(), unknown_word(true), unfunded()] {
            let facts = facts.clicks(clicks).spend("10.00");
            assert_row_at_limit("it may run", pause, &facts, always(Some(Pause), CoolingDown));
        }
        let stopped = stopped().clicks(clicks).spend("10.00");
        assert_row_at_limit("stopped", pause, &stopped, always(None, PausedGuarded));
        for doubtful in [blocked(), unread(), unknown_word(false)] {
            assert_row_at_limit("in doubt", pause, &doubtful.clicks(clicks).spend("10.00"), unchanged());
        }
    }
    let below = stopped().clicks(20_000).spend("9.99");
    assert_row_at_limit("below the limit", pause, &below, always(Some(Activate), ActiveGuarded));
}

#[test]
fn a_campaign_that_was_paused_at_the_limit_runs_again_once_the_limit_is_raised() {
    let mut rig = Rig::with(Phase::PausedGuarded, |numbers| numbers.high_spend = HighSpend::Pause);
    let facts = stopped().clicks(20_000).spend("10.00");
    let effects = rig.tick("12:00:00", &facts);
    assert_step("at the limit", &rig, &effects, None, PausedGuarded);
    rig.policy = Rig::with(Phase::Idle, |numbers| numbers.spend_limit = money("10.01")).policy;
    let effects = rig.tick("12:01:00", &facts);
    assert_step("the limit is above the spend", &rig, &effects, Some(Activate), ActiveGuarded);
}

#[test]
fn a_campaign_above_its_limit_is_unguarded_unless_the_policy_goes_on() {
    for (high_spend, expected) in [(HighSpend::Observe, true), (HighSpend::Guard, false), (HighSpend::Pause, false)] {
        let mut rig = Rig::with(Phase::ActiveGuarded, |numbers| numbers.high_spend = high_spend);
        rig.tick("12:00:00", &running().clicks(20_000).spend("10.00"));
        assert_eq!(rig.machine.unguarded(), expected, "{high_spend}");
        assert!(rig.machine.high_spend(), "it is marked under every policy");
    }
}
