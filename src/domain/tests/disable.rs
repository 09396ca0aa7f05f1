//! Disabling: it waits for what is in flight, ends the promise, keeps the cool-down, and sends nothing after its answer.

use super::*;
use crate::domain::order::DisableRefusal;
use crate::domain::policy::Mode;
use ActionKind::Pause;

fn release(rig: &mut Rig, pause: bool) -> Vec<Effect> {
    rig.event(Event::Disable { pause })
}

fn is_released(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Disabled { .. }))
}

/// The answer to the read that a release with `pause` asks for before it pauses.
#[track_caller]
fn answer_read(rig: &mut Rig, asked: &[Effect], facts: &Facts) -> Vec<Effect> {
    let [.., Effect::ReadBack { operation }] = asked[..] else { panic!("the status is read first: {asked:?}") };
    rig.read_back_answer(operation, facts)
}

/// Released for good: whatever is told, nothing is asked for.
#[track_caller]
fn assert_silent(rig: &mut Rig) {
    assert_eq!(rig.machine.next_wake(), None);
    let observation = Box::new(stopped().clicks(20_000).observation(rig.now));
    let events = [
        Event::Wake,
        Event::Observed { operation: QuestionId(1), observation },
        Event::Disable { pause: true },
        Event::Applied { action: ActionId(1), outcome: Outcome::Accepted },
    ];
    for event in events {
        rig.now += Duration::minutes(1);
        assert_eq!(rig.event(event), []);
    }
}

#[test]
fn a_release_ends_the_promise_at_once_where_nothing_is_in_flight() {
    for phase in [Phase::Idle, Phase::ActiveGuarded, Phase::PausedGuarded] {
        let mut rig = Rig::new(phase);
        let effects = release(&mut rig, false);
        assert_step("released", &rig, &effects, None, PhaseWord::Idle);
        assert!(is_released(&effects));
        assert_eq!(records(&effects).next_back().unwrap().promise.phase, Phase::Idle);
        assert_silent(&mut rig);
    }
}

#[test]
fn a_release_keeps_a_cool_down_that_lasts_and_ends_one_that_is_over() {
    for (now, kept) in [("12:01:59", cooling_until("12:02:00")), ("12:02:00", Phase::Idle)] {
        let mut rig = Rig::new(cooling_until("12:02:00"));
        rig.now = at(now);
        let effects = release(&mut rig, false);
        assert!(is_released(&effects));
        assert_eq!(records(&effects).next_back().unwrap().promise.phase, kept);
    }
}

#[test]
fn a_release_waits_for_the_action_in_flight_and_for_its_confirmation() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped().clicks(20_000));
    assert!(!is_released(&release(&mut rig, false)));
    assert!(!is_released(&rig.applied(Outcome::Accepted)));
    let effects = rig.read_back(&running());
    assert!(is_released(&effects));
    assert_eq!(rig.phase(), PhaseWord::Idle);
    assert_silent(&mut rig);
}

#[test]
fn a_release_waits_for_the_end_time_that_follows_a_pause() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().clicks(0));
    rig.applied(Outcome::Accepted);
    release(&mut rig, false);
    let effects = rig.read_back(&stopped());
    assert!(!is_released(&effects), "its end time may still be sent");
    let effects = rig.end_time_set(Outcome::Accepted);
    assert!(is_released(&effects));
    assert_eq!(rig.phase(), PhaseWord::CoolingDown);
}

#[test]
fn no_tick_decides_anything_while_a_release_is_under_way() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let tick = rig.begin_tick("12:00:00");
    let asked = release(&mut rig, true);
    let effects = rig.observed(tick, &stopped().clicks(20_000));
    assert_eq!(sends(&effects).count(), 0);
    let effects = answer_read(&mut rig, &asked, &stopped());
    assert!(is_released(&effects));
}

#[test]
fn a_release_with_pause_pauses_what_runs_and_keeps_the_new_cool_down() {
    for facts in [running(), untaught(true), unread(), unfunded()] {
        let mut rig = Rig::new(Phase::ActiveGuarded);
        let asked = release(&mut rig, true);
        let effects = answer_read(&mut rig, &asked, &facts);
        assert_step(&format!("{facts:?}"), &rig, &effects, Some(Pause), PhaseWord::CoolingDown);
        rig.now = at("12:00:01");
        let effects = rig.confirm();
        assert!(is_released(&effects));
        assert_eq!(records(&effects).next_back().unwrap().promise.phase, cooling_until("12:02:01"));
        assert_silent(&mut rig);
    }
}

#[test]
fn a_release_with_pause_sends_none_to_what_is_stopped_already() {
    let off_and_blocked = stopped().with(|campaign| campaign.no_funds = true);
    for facts in [stopped(), running().ends(at("11:00:00")), off_and_blocked, gone()] {
        let mut rig = Rig::new(Phase::ActiveGuarded);
        let asked = release(&mut rig, true);
        let effects = answer_read(&mut rig, &asked, &facts);
        assert_step(&format!("{facts:?}"), &rig, &effects, None, PhaseWord::Idle);
        assert!(is_released(&effects));
    }
}

/// "An order that pauses first trusts no 404: it sends the pause, whose answer tells."
#[test]
fn a_release_with_pause_sends_one_to_what_answers_404() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running());
    let asked = release(&mut rig, true);
    let effects = answer_read(&mut rig, &asked, &missing());
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Send(_))), "{effects:?}");
    let effects = rig.applied(Outcome::Failed("TrafficStars knows no such campaign (404)".to_owned()));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::DisableRefused(_))), "{effects:?}");
}

#[test]
fn a_release_whose_pause_fails_is_refused_and_the_guard_goes_on() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running());
    let asked = release(&mut rig, true);
    answer_read(&mut rig, &asked, &running());
    let effects = rig.applied(Outcome::Failed("listed under failed".to_owned()));
    let refused = Effect::DisableRefused(DisableRefusal::PauseFailed("listed under failed".to_owned()));
    assert!(effects.contains(&refused), "{effects:?}");
    assert!(!is_released(&effects));
    let effects = rig.tick("12:01:00", &running());
    assert_step("guarded on", &rig, &effects, Some(Pause), PhaseWord::CoolingDown);
}

#[test]
fn a_release_with_pause_is_refused_in_observe_mode() {
    let mut rig = Rig::with(Phase::Idle, |numbers| numbers.mode = Mode::Observe);
    let effects = release(&mut rig, true);
    assert!(matches!(effects[..], [Effect::DisableRefused(_)]), "{effects:?}");
    let effects = release(&mut rig, false);
    assert!(is_released(&effects));
}

#[test]
fn a_release_with_pause_is_refused_where_its_mode_becomes_observe_while_it_is_read() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let asked = release(&mut rig, true);
    rig.policy = Rig::with(Phase::Idle, |numbers| numbers.mode = Mode::Observe).policy;
    let effects = answer_read(&mut rig, &asked, &running());
    assert!(matches!(effects[..], [Effect::DisableRefused(_)]), "{effects:?}");
    assert_eq!(rig.phase(), PhaseWord::ActiveGuarded);
}

#[test]
fn a_second_order_asks_for_no_second_pause() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let asked = release(&mut rig, true);
    assert_eq!(release(&mut rig, true), []);
    let effects = answer_read(&mut rig, &asked, &running());
    assert_eq!(sends(&effects).count(), 1);
    assert_eq!(release(&mut rig, true), []);
    assert!(is_released(&rig.confirm()));
}

#[test]
fn an_order_to_pause_is_not_lost_behind_one_without() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped().clicks(20_000));
    release(&mut rig, false);
    release(&mut rig, true);
    rig.applied(Outcome::Accepted);
    let asked = rig.read_back(&running());
    assert!(!is_released(&asked), "the activation is confirmed, and the pause is still to come");
    let effects = answer_read(&mut rig, &asked, &running());
    assert_step("it is paused first", &rig, &effects, Some(Pause), PhaseWord::CoolingDown);
    let effects = [rig.confirm(), rig.event(Event::Wake)].concat();
    assert!(effects.contains(&Effect::Disabled { stopped: true }), "{effects:?}");
}

#[test]
fn a_release_says_whether_the_pause_that_was_asked_for_came_about() {
    for (pause, facts, stopped) in [(false, running(), false), (true, self::stopped(), true)] {
        let mut rig = Rig::new(Phase::Idle);
        let mut effects = release(&mut rig, pause);
        if pause {
            effects = answer_read(&mut rig, &effects, &facts);
        }
        assert!(effects.contains(&Effect::Disabled { stopped }), "pause {pause}: {effects:?}");
    }
}

#[test]
fn what_is_to_go_is_released_only_if_it_is_seen_stopped() {
    let off_and_blocked = stopped().with(|campaign| campaign.no_funds = true);
    for facts in [stopped(), running().ends(at("11:00:00")), off_and_blocked, gone()] {
        let mut rig = Rig::new(Phase::ActiveGuarded);
        let asked = rig.event(Event::DisableIfStopped);
        let effects = answer_read(&mut rig, &asked, &facts);
        assert_step(&format!("{facts:?}"), &rig, &effects, None, PhaseWord::Idle);
        assert!(is_released(&effects));
        assert_silent(&mut rig);
    }
    for (facts, said) in
        [(running(), "it runs"), (untaught(true), "it may run"), (unread(), "it may run"), (missing(), "it may run")]
    {
        let mut rig = Rig::new(Phase::ActiveGuarded);
        let asked = rig.event(Event::DisableIfStopped);
        let effects = answer_read(&mut rig, &asked, &facts);
        let [Effect::DisableRefused(refusal)] = &effects[..] else { panic!("{facts:?}: {effects:?}") };
        assert!(refusal.to_string().starts_with(said), "{facts:?}: {refusal}");
        let effects = rig.tick("12:01:00", &running().clicks(0));
        assert_step("guarded on", &rig, &effects, Some(Pause), PhaseWord::CoolingDown);
    }
}
