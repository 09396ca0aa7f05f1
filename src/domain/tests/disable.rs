//! Disabling: it waits for what is in flight, ends the promise, keeps the cool-down, and sends nothing after its
//! answer.

use super::*;
use crate::domain::order::DisableRefusal;
use crate::domain::policy::Mode;
use ActionKind::Pause;

fn disable(rig: &mut Rig, pause: bool) -> Vec<Effect> {
    rig.event(Event::Disable { pause })
}

fn is_disabled(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Disabled { .. }))
}

/// Answers the read that disabling with `pause` requests before it pauses.
#[track_caller]
fn answer_read(rig: &mut Rig, asked: &[Effect], facts: &Facts) -> Vec<Effect> {
    let [.., Effect::ReadBack { question_id }] = asked[..] else { panic!("the status is read first: {asked:?}") };
    rig.read_back_answer(question_id, facts)
}

/// Checks that a disabled machine answers every event with nothing.
#[track_caller]
fn assert_silent(rig: &mut Rig) {
    assert_eq!(rig.machine.next_wake(), None);
    let observation = Box::new(stopped().clicks(20_000).observation(rig.now));
    let events = [
        Event::Wake,
        Event::Observed { question_id: QuestionId(1), observation },
        Event::Disable { pause: true },
        Event::Applied { action: ActionId(1), outcome: Outcome::Accepted },
    ];
    for event in events {
        rig.now += Duration::minutes(1);
        assert_eq!(rig.event(event), []);
    }
}

#[test]
fn disabling_ends_the_promise_at_once_if_nothing_is_in_flight() {
    for phase in [Phase::Idle, Phase::ActiveGuarded, Phase::PausedGuarded] {
        let mut rig = Rig::new(phase);
        let effects = disable(&mut rig, false);
        assert_step("disabled", &rig, &effects, None, PhaseWord::Idle);
        assert!(is_disabled(&effects));
        assert_eq!(records(&effects).next_back().unwrap().promise.phase, Phase::Idle);
        assert_silent(&mut rig);
    }
}

#[test]
fn disabling_keeps_a_cool_down_that_lasts_and_ends_one_that_is_over() {
    for (now, kept) in [("12:01:59", cooling_until("12:02:00")), ("12:02:00", Phase::Idle)] {
        let mut rig = Rig::new(cooling_until("12:02:00"));
        rig.now = at(now);
        let effects = disable(&mut rig, false);
        assert!(is_disabled(&effects));
        assert_eq!(records(&effects).next_back().unwrap().promise.phase, kept);
    }
}

#[test]
fn disabling_waits_for_the_action_in_flight_and_for_its_confirmation() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped().clicks(20_000));
    assert!(!is_disabled(&disable(&mut rig, false)));
    assert!(!is_disabled(&rig.applied(Outcome::Accepted)));
    let effects = rig.read_back(&running());
    assert!(is_disabled(&effects));
    assert_eq!(rig.phase(), PhaseWord::Idle);
    assert_silent(&mut rig);
}

#[test]
fn disabling_waits_for_the_end_time_that_follows_a_pause() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().clicks(0));
    rig.applied(Outcome::Accepted);
    disable(&mut rig, false);
    let effects = rig.read_back(&stopped());
    assert!(!is_disabled(&effects), "its end time may still be sent");
    let effects = rig.end_time_set(Outcome::Accepted);
    assert!(is_disabled(&effects));
    assert_eq!(rig.phase(), PhaseWord::CoolingDown);
}

#[test]
fn no_tick_decides_anything_while_a_generator_is_being_disabled() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let tick = rig.begin_tick("12:00:00");
    let asked = disable(&mut rig, true);
    let effects = rig.observed(tick, &stopped().clicks(20_000));
    assert_eq!(sends(&effects).count(), 0);
    let effects = answer_read(&mut rig, &asked, &stopped());
    assert!(is_disabled(&effects));
}

#[test]
fn disabling_with_pause_pauses_a_running_campaign_and_keeps_the_new_cool_down() {
    for facts in [running(), unknown_word(true), unread(), unfunded()] {
        let mut rig = Rig::new(Phase::ActiveGuarded);
        let asked = disable(&mut rig, true);
        let effects = answer_read(&mut rig, &asked, &facts);
        assert_step(&format!("{facts:?}"), &rig, &effects, Some(Pause), PhaseWord::CoolingDown);
        rig.now = at("12:00:01");
        let effects = rig.confirm();
        assert!(is_disabled(&effects));
        assert_eq!(records(&effects).next_back().unwrap().promise.phase, cooling_until("12:02:01"));
        assert_silent(&mut rig);
    }
}

#[test]
fn disabling_with_pause_sends_no_pause_to_a_stopped_campaign() {
    let off_and_blocked = stopped().with(|campaign| campaign.no_funds = true);
    for facts in [stopped(), running().ends(at("11:00:00")), off_and_blocked, gone()] {
        let mut rig = Rig::new(Phase::ActiveGuarded);
        let asked = disable(&mut rig, true);
        let effects = answer_read(&mut rig, &asked, &facts);
        assert_step(&format!("{facts:?}"), &rig, &effects, None, PhaseWord::Idle);
        assert!(is_disabled(&effects));
    }
}

/// An order that pauses does not trust a 404: it sends the pause, and its answer decides.
#[test]
fn disabling_with_pause_sends_a_pause_to_a_campaign_that_answers_404() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running());
    let asked = disable(&mut rig, true);
    let effects = answer_read(&mut rig, &asked, &missing());
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Send(_))), "{effects:?}");
    let effects = rig.applied(Outcome::Failed("TrafficStars knows no such campaign (404)".to_owned()));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::DisableRefused(_))), "{effects:?}");
}

#[test]
fn disabling_is_refused_if_its_pause_fails_and_the_guard_continues() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running());
    let asked = disable(&mut rig, true);
    answer_read(&mut rig, &asked, &running());
    let effects = rig.applied(Outcome::Failed("listed under failed".to_owned()));
    let refused = Effect::DisableRefused(DisableRefusal::PauseFailed("listed under failed".to_owned()));
    assert!(effects.contains(&refused), "{effects:?}");
    assert!(!is_disabled(&effects));
    let effects = rig.tick("12:01:00", &running());
    assert_step("still guarded", &rig, &effects, Some(Pause), PhaseWord::CoolingDown);
}

#[test]
fn disabling_with_pause_is_refused_in_observe_mode() {
    let mut rig = Rig::with(Phase::Idle, |numbers| numbers.mode = Mode::Observe);
    let effects = disable(&mut rig, true);
    assert!(matches!(effects[..], [Effect::DisableRefused(_)]), "{effects:?}");
    let effects = disable(&mut rig, false);
    assert!(is_disabled(&effects));
}

#[test]
fn disabling_with_pause_is_refused_if_observe_mode_begins_during_its_read() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let asked = disable(&mut rig, true);
    rig.policy = Rig::with(Phase::Idle, |numbers| numbers.mode = Mode::Observe).policy;
    let effects = answer_read(&mut rig, &asked, &running());
    assert!(matches!(effects[..], [Effect::DisableRefused(_)]), "{effects:?}");
    assert_eq!(rig.phase(), PhaseWord::ActiveGuarded);
}

#[test]
fn a_second_order_requests_no_second_pause() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let asked = disable(&mut rig, true);
    assert_eq!(disable(&mut rig, true), []);
    let effects = answer_read(&mut rig, &asked, &running());
    assert_eq!(sends(&effects).count(), 1);
    assert_eq!(disable(&mut rig, true), []);
    assert!(is_disabled(&rig.confirm()));
}

#[test]
fn an_order_with_pause_is_not_lost_behind_one_without() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped().clicks(20_000));
    disable(&mut rig, false);
    disable(&mut rig, true);
    rig.applied(Outcome::Accepted);
    let asked = rig.read_back(&running());
    assert!(!is_disabled(&asked), "the activation is confirmed, and the pause is still to come");
    let effects = answer_read(&mut rig, &asked, &running());
    assert_step("it is paused first", &rig, &effects, Some(Pause), PhaseWord::CoolingDown);
    let effects = [rig.confirm(), rig.event(Event::Wake)].concat();
    assert!(effects.contains(&Effect::Disabled { stopped: true }), "{effects:?}");
}

#[test]
fn disabling_says_whether_the_requested_pause_succeeded() {
    for (pause, facts, stopped) in [(false, running(), false), (true, self::stopped(), true)] {
        let mut rig = Rig::new(Phase::Idle);
        let mut effects = disable(&mut rig, pause);
        if pause {
            effects = answer_read(&mut rig, &effects, &facts);
        }
        assert!(effects.contains(&Effect::Disabled { stopped }), "pause {pause}: {effects:?}");
    }
}

#[test]
fn disable_if_stopped_disables_only_a_campaign_that_is_seen_stopped() {
    let off_and_blocked = stopped().with(|campaign| campaign.no_funds = true);
    for facts in [stopped(), running().ends(at("11:00:00")), off_and_blocked, gone()] {
        let mut rig = Rig::new(Phase::ActiveGuarded);
        let asked = rig.event(Event::DisableIfStopped);
        let effects = answer_read(&mut rig, &asked, &facts);
        assert_step(&format!("{facts:?}"), &rig, &effects, None, PhaseWord::Idle);
        assert!(is_disabled(&effects));
        assert_silent(&mut rig);
    }
    for (facts, said) in [
        (running(), "it runs"),
        (unknown_word(true), "it may run"),
        (unread(), "it may run"),
        (missing(), "it may run"),
    ] {
        let mut rig = Rig::new(Phase::ActiveGuarded);
        let asked = rig.event(Event::DisableIfStopped);
        let effects = answer_read(&mut rig, &asked, &facts);
        let [Effect::DisableRefused(refusal)] = &effects[..] else { panic!("{facts:?}: {effects:?}") };
        assert!(refusal.to_string().starts_with(said), "{facts:?}: {refusal}");
        let effects = rig.tick("12:01:00", &running().clicks(0));
        assert_step("still guarded", &rig, &effects, Some(Pause), PhaseWord::CoolingDown);
    }
}
