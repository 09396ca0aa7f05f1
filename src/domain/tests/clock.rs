//! A clock that differs from TrafficStars', and what it leaves behind once it is right again.

use super::super::remote::{RemoteStatus, StopCause, judge};
use super::*;
use ActionKind::{Activate, Pause, SetEndTime};
use PhaseWord::{ActiveGuarded, CoolingDown, Idle};

fn wanted() -> Facts {
    stopped().clicks(20_000)
}

#[test]
fn with_clocks_five_minutes_apart_nothing_is_activated_and_pauses_are_sent() {
    for (ahead_by, activates) in [(0, true), (299, true), (300, false), (-300, false), (31_536_000, false)] {
        let clock = Duration::seconds(ahead_by);
        let mut rig = Rig::new(Phase::Idle);
        let effects = rig.tick("12:00:00", &wanted().with_clock_ahead_by(clock));
        let expected = if activates { (Some(Activate), ActiveGuarded) } else { (None, Idle) };
        assert_step(&format!("{ahead_by} seconds ahead"), &rig, &effects, expected.0, expected.1);
        assert_eq!(rig.machine.waiting().is_some(), !activates, "{ahead_by}: it says why it waits");

        let mut rig = Rig::new(Phase::ActiveGuarded);
        let effects = rig.tick("12:00:00", &running().clicks(0).with_clock_ahead_by(clock));
        assert_step(&format!("used up, {ahead_by} seconds ahead"), &rig, &effects, Some(Pause), CoolingDown);
    }
}

#[test]
fn a_cool_down_lasts_no_longer_than_its_length_when_the_clock_is_set_back() {
    let promise = Promise {
        phase: Phase::CoolingDown { until: at("12:00:00") + Duration::days(365) },
        since: at("11:59:00"),
        end_time_owed: false,
    };
    let mut rig = Rig::from_record(at("12:00:10"), promise, None, |_| {});
    rig.now = at("12:00:10");
    let effects = rig.wake();
    let ends_at = Some(at("12:02:10"));
    assert_eq!(rig.machine.phase().cooling_down_until(), ends_at);
    assert_eq!(records(&effects).next().and_then(|record| record.promise.phase.cooling_down_until()), ends_at);
    let [_, Effect::Observe { question_id, .. }] = effects[..] else { panic!("{effects:?}") };
    rig.observed(question_id, &stopped().clicks(10_000));
    rig.tick("12:01:00", &stopped().clicks(10_000));
    assert_eq!(rig.machine.phase().cooling_down_until(), ends_at, "it counts from the first moment");
    rig.tick("12:02:10", &stopped().clicks(10_000));
    assert_eq!(rig.phase(), PhaseWord::PausedGuarded);
}

#[test]
fn an_end_time_that_the_guard_set_by_a_clock_that_was_ahead_is_set_again_and_a_foreign_one_stays() {
    let tomorrow = policy_day_end("12:00:00") + Duration::days(1);
    for (own, seen, ahead_by, is_set) in [
        (Some(tomorrow), tomorrow, 0, true),
        (Some(tomorrow), tomorrow + Duration::days(1), 0, false),
        (None, tomorrow, 0, false),
        (Some(policy_day_end("12:00:00")), policy_day_end("12:00:00"), 0, false),
        // The guard's clock may be behind now.
        (Some(tomorrow), tomorrow, -86_400, false),
    ] {
        let mut rig = Rig::new(Phase::ActiveGuarded);
        rig.machine = rig.machine.clone().having_set(own);
        let facts = running().clicks(20_000).with(|campaign| campaign.end_time = EndTime::At(seen));
        let effects = rig.tick("12:00:00", &facts.with_clock_ahead_by(Duration::seconds(ahead_by)));
        let request = is_set.then_some(SetEndTime);
        assert_step(&format!("{own:?}, and {seen} is seen"), &rig, &effects, request, ActiveGuarded);
        if let Some(request) = sends(&effects).next() {
            assert_eq!(request.end_time, policy_day_end("12:00:00"));
        }
    }
}

#[test]
fn end_times_pass_by_trafficstars_clock() {
    let end = at("23:59:00");
    let (minutes, days) = (Duration::minutes as fn(i64) -> Duration, Duration::days as fn(i64) -> Duration);
    for (theirs, ahead_by, has_passed) in [
        ("23:54:00", minutes(6), false),
        ("23:54:00", days(1), false),
        ("23:58:59", minutes(1), false),
        ("23:59:00", minutes(-6), true),
        ("23:59:00", minutes(6), true),
    ] {
        let facts = running().ends(end).clicks(0).with_clock_ahead_by(ahead_by);
        let observation = facts.observation(at(theirs) + ahead_by);
        let status = judge(&observation.remote, at(theirs) + ahead_by);
        let expected = if has_passed { RemoteStatus::Stopped(StopCause::EndTimePassed) } else { RemoteStatus::Running };
        assert_eq!((&status, status.may_run()), (&expected, !has_passed), "{theirs}, {ahead_by} ahead");
    }
}

/// The clock is set ahead between the read and the decision, so the clock difference of the read is out of date.
#[test]
fn a_campaign_that_ended_only_by_a_clock_that_was_then_set_was_started_by_no_one() {
    let (end, ahead_by) = (at("23:59:00"), Duration::seconds(262));
    // Without a known spend the guard sends nothing, so every change is foreign.
    let runs = || running().spend_unknown().ends(end);
    let is_off = || stopped().spend_unknown().ends(end);
    let right = |facts: Facts| facts.with_clock_ahead_by(ahead_by);
    let cases = [
        ("no one did anything", runs(), right(runs()), 0),
        ("someone started it", is_off(), right(runs()), 1),
        ("someone gave it another end time", runs(), right(runs()).ends(at("2026-11-23 12:00:00")), 1),
    ];
    for (what, before, after, count) in cases {
        let mut rig = Rig::new(Phase::Idle);
        rig.tick("23:55:00", &before);
        let question_id = rig.begin_tick("23:56:00");
        rig.now += ahead_by;
        let mut collected = rig.observed(question_id, &before);
        collected.extend(rig.next_tick(&after));
        assert_eq!(
            notes(&collected, |note| matches!(note, Note::ForeignChange { .. })),
            count,
            "{what}: {collected:#?}"
        );
    }
}

#[test]
fn an_end_time_that_could_not_be_set_again_is_still_the_guards_own() {
    let tomorrow = policy_day_end("12:00:00") + Duration::days(1);
    let facts = running().clicks(20_000).ends(tomorrow);
    for outcome in [Outcome::Failed("502".to_owned()), Outcome::Postponed("it was not sent in time".to_owned())] {
        let mut rig = Rig::new(Phase::ActiveGuarded);
        rig.machine = rig.machine.clone().having_set(Some(tomorrow));
        rig.tick("12:00:00", &facts);
        rig.applied(outcome.clone());
        // The later changes of its promise say nothing about the end time.
        rig.tick("12:01:00", &facts.clone().spend("10.00"));
        assert_eq!(rig.phase(), Idle);
        let effects = rig.tick("12:02:00", &facts);
        assert_step(&format!("{outcome:?}"), &rig, &effects, Some(SetEndTime), ActiveGuarded);
        let reason = &rig.machine.action().unwrap().reason;
        assert!(reason.starts_with("the end time that we set is later"), "{outcome:?}: {reason}");
    }
}

fn policy_day_end(time: &str) -> DateTime<Utc> {
    at(time).date_naive().and_hms_opt(23, 59, 0).unwrap().and_utc()
}
