//! The last minute of the day, midnight, and a leap day.

use super::*;
use ActionKind::{Activate, Pause};
use PhaseWord::{ActiveGuarded, CoolingDown, Idle, PausedGuarded};

#[test]
fn from_the_day_end_to_midnight_nothing_is_activated_and_the_campaign_says_that_it_waits() {
    let times = [
        ("23:58:59", true),
        ("23:58:59.999", true),
        ("23:59:00", false),
        ("23:59:59", false),
        ("23:59:59.999", false),
        ("2026-11-23 00:00:00", true),
    ];
    for (time, sent) in times {
        for (from, clicks) in [(Idle, 15_000), (PausedGuarded, 15_000), (ActiveGuarded, 10_000)] {
            let mut rig = Rig::new(phase_of(from, at("12:00:00")));
            let effects = rig.tick(time, &stopped().clicks(clicks));
            let (request, next) = if sent { (Some(Activate), ActiveGuarded) } else { (None, from) };
            assert_step(&format!("at {time} from {from}"), &rig, &effects, request, next);
            assert_eq!(rig.machine.waiting().is_some(), !sent, "at {time}: {:?}", rig.machine.waiting());
            assert_eq!(notes(&effects, |note| matches!(note, Note::Waiting(_))), usize::from(!sent));
        }
    }
}

#[test]
fn pauses_and_adoptions_continue_until_midnight() {
    let mut rig = Rig::new(Phase::Idle);
    let effects = rig.tick("23:59:30", &running().clicks(20_000));
    assert_step("adopt", &rig, &effects, None, ActiveGuarded);
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let effects = rig.tick("23:59:59.9", &running().clicks(5_000));
    assert_step("pause", &rig, &effects, Some(Pause), CoolingDown);
}

#[test]
fn an_activation_is_not_sent_after_the_day_end() {
    let mut rig = Rig::with(Phase::Idle, |numbers| numbers.tick = Duration::minutes(5));
    let effects = rig.tick("23:58:30", &stopped().clicks(15_000));
    let request = sends(&effects).next().unwrap();
    assert_eq!((request.end_time, request.valid_until), (at("23:59:00"), Some(at("23:59:00"))));
}

#[test]
fn the_guard_continues_over_midnight_and_its_own_end_time_is_no_foreign_change() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let ends = running().ends(at("23:59:00"));
    rig.tick("23:58:00", &ends);
    let effects = rig.tick("23:59:00", &ends);
    assert_step("the end time has passed", &rig, &effects, None, ActiveGuarded);
    assert!(rig.machine.waiting().is_some_and(|why| why.contains("next day")), "{:?}", rig.machine.waiting());
    let mut foreign = notes(&effects, |note| matches!(note, Note::ForeignChange { .. }));

    let effects = rig.tick("2026-11-23 00:00:00", &ends.spend("0"));
    assert_step("the next day", &rig, &effects, Some(Activate), ActiveGuarded);
    assert_eq!(sends(&effects).next().unwrap().end_time, at("2026-11-23 23:59:00"));
    assert_eq!(rig.machine.waiting(), None);
    foreign += notes(&effects, |note| matches!(note, Note::ForeignChange { .. }));
    rig.confirm();
    assert_eq!((foreign, rig.machine.contested()), (0, false));
}

#[test]
fn high_spend_ends_with_the_day_also_if_the_new_days_spend_is_unknown() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let effects = rig.tick("23:58:00", &running().spend("10.00"));
    assert_eq!(notes(&effects, |note| *note == Note::HighSpend { began: true }), 1);
    rig.tick("23:59:00", &running().spend_unknown());
    assert!(rig.machine.high_spend(), "within a day an unknown spend leaves the mark");
    let effects = rig.tick("2026-11-23 00:00:00", &running().spend_unknown());
    assert_eq!(notes(&effects, |note| *note == Note::HighSpend { began: false }), 1);
    assert!(!rig.machine.high_spend());
}

#[test]
fn high_spend_ends_when_the_limit_is_raised() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().spend("10.00"));
    rig.policy = PolicyNumbers { spend_limit: money("20.00"), ..PolicyNumbers::default() }.validate().unwrap();
    let effects = rig.tick("12:01:00", &running().spend("10.00"));
    assert_eq!(notes(&effects, |note| *note == Note::HighSpend { began: false }), 1);
    assert!(!rig.machine.high_spend());
}

#[test]
fn a_spend_of_another_day_is_not_todays() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let yesterdays = running().clicks(10_000).spend("12.00").spend_of_day(at("12:00:00").date_naive());
    let effects = rig.tick("2026-11-23 00:00:01", &yesterdays);
    assert_step("unknown, not reached", &rig, &effects, None, ActiveGuarded);
    assert!(!rig.machine.high_spend());
    let effects = rig.tick("2026-11-23 00:01:00", &stopped().clicks(20_000).spend_of_day(at("12:00:00").date_naive()));
    assert_step("unknown, not below", &rig, &effects, None, ActiveGuarded);
}

#[test]
fn a_tick_across_midnight_decides_by_the_day_in_which_it_ends() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let tick = rig.begin_tick("23:59:59.5");
    rig.now = at("2026-11-23 00:00:00.2");
    let yesterdays = running().spend("10.00").spend_of_day(at("12:00:00").date_naive());
    let effects = rig.observed(tick, &yesterdays);
    assert_step("yesterday's limit", &rig, &effects, None, ActiveGuarded);
    assert!(!rig.machine.high_spend());
}

#[test]
fn a_leap_day_is_a_day() {
    for (day, next) in [("2028-02-29", "2028-03-01"), ("2027-02-28", "2027-03-01"), ("2026-12-31", "2027-01-01")] {
        let mut rig = Rig::new(Phase::Idle);
        let effects = rig.tick(&format!("{day} 08:00:00"), &stopped().clicks(20_000));
        assert_eq!(sends(&effects).next().unwrap().end_time, at(&format!("{day} 23:59:00")));
        rig.confirm();
        let ended = running().ends(at(&format!("{day} 23:59:00")));
        let effects = rig.tick(&format!("{day} 23:59:00"), &ended);
        assert_step("the day end", &rig, &effects, None, ActiveGuarded);
        let effects = rig.tick(&format!("{next} 00:00:00"), &ended);
        assert_step("the next day", &rig, &effects, Some(Activate), ActiveGuarded);
        assert_eq!(sends(&effects).next().unwrap().end_time, at(&format!("{next} 23:59:00")));
    }
}
