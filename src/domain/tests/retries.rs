//! What is tried again, and when: a run backs off, a pause never does.

use super::*;
use crate::domain::action::{Step, Trigger};
use ActionKind::{Activate, Pause};
use PhaseWord::{ActiveGuarded, CoolingDown};

fn wanted() -> Facts {
    stopped().clicks(20_000)
}

fn refused() -> Outcome {
    Outcome::Failed("listed under failed".to_owned())
}

/// Returns a campaign after its fifth run: the four before were refused, and each wait was twice as long.
fn refused_repeatedly() -> Rig {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &wanted());
    for minutes in [1, 2, 4, 8] {
        rig.applied(refused());
        assert_eq!(minutes_until_run(&mut rig, &wanted()), minutes);
    }
    rig
}

/// Returns after how many minutes the next activation is sent, if each tick finds these facts; at most an hour.
#[track_caller]
fn minutes_until_run(rig: &mut Rig, facts: &Facts) -> i64 {
    let from = rig.now;
    for _ in 0..60 {
        let effects = rig.next_tick(facts);
        if let Some(request) = sends(&effects).next() {
            assert_eq!(request.kind, Activate);
            return (rig.now - from).num_minutes();
        }
        assert!(rig.machine.waiting().is_some(), "it says that it waits");
    }
    panic!("no run in an hour")
}

#[test]
fn a_run_that_fails_is_tried_again_after_1_2_4_8_then_every_15_minutes() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &wanted());
    for minutes in [1, 2, 4, 8, 15, 15, 15] {
        rig.applied(refused());
        assert_eq!(minutes_until_run(&mut rig, &wanted()), minutes);
    }
}

#[test]
fn an_accepted_run_that_no_read_shows_backs_off_too() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &wanted());
    rig.applied(Outcome::Accepted);
    while rig.machine.action().unwrap().step == Step::Accepted {
        rig.read_back(&stopped());
    }
    assert_eq!(rig.now, at("12:00:30"));
    let effects = rig.tick("12:01:00", &wanted());
    assert_step("30 s after the failure", &rig, &effects, None, ActiveGuarded);
    let effects = rig.tick("12:02:00", &wanted());
    assert_step("90 s after the failure", &rig, &effects, Some(Activate), ActiveGuarded);
}

#[test]
fn after_a_run_that_succeeded_the_backoff_begins_anew() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &wanted());
    rig.applied(refused());
    assert_eq!(minutes_until_run(&mut rig, &wanted()), 1);
    rig.applied(refused());
    assert_eq!(minutes_until_run(&mut rig, &wanted()), 2);
    rig.confirm();
    rig.next_tick(&wanted());
    rig.applied(refused());
    assert_eq!(minutes_until_run(&mut rig, &wanted()), 1);
}

#[test]
fn a_run_is_tried_at_once_when_the_remote_changes() {
    type Change = fn(&mut RemoteCampaign);
    let changes: [Change; 3] = [
        |campaign| campaign.status = Some("enabled".to_owned()),
        |campaign| campaign.active = Some(true),
        |campaign| campaign.approved = None,
    ];
    for change in changes {
        let mut rig = refused_repeatedly();
        rig.applied(refused());
        let effects = rig.next_tick(&wanted());
        assert_step("it waits", &rig, &effects, None, ActiveGuarded);
        let effects = rig.next_tick(&wanted().with(change));
        assert_step("it changed", &rig, &effects, Some(Activate), ActiveGuarded);
    }
}

#[test]
fn a_block_that_began_and_ended_is_a_change_of_the_remote() {
    let mut rig = refused_repeatedly();
    rig.applied(refused());
    rig.next_tick(&wanted().with(|campaign| campaign.no_funds = true));
    let effects = rig.next_tick(&wanted());
    assert_step("funded again", &rig, &effects, Some(Activate), ActiveGuarded);
}

/// With the funds back, the campaign may look as before the run: only the read-back has shown that they were gone.
#[test]
fn a_run_that_failed_without_funds_waits_only_for_the_funds() {
    let mut rig = refused_repeatedly();
    rig.applied(Outcome::Accepted);
    rig.read_back(&unfunded().clicks(20_000));
    assert_eq!(rig.machine.action().unwrap().step, Step::Failed);
    let effects = rig.next_tick(&unfunded().clicks(20_000));
    assert_step("without funds", &rig, &effects, None, ActiveGuarded);
    let effects = rig.next_tick(&wanted());
    assert_step("funded, and switched off by someone", &rig, &effects, Some(Activate), ActiveGuarded);

    rig.applied(Outcome::Accepted);
    rig.read_back(&unfunded().clicks(20_000));
    let effects = rig.next_tick(&wanted());
    assert_step("the same, before any tick has read it", &rig, &effects, Some(Activate), ActiveGuarded);
}

#[test]
fn a_run_that_is_read_back_out_of_funds_has_failed_at_once_and_nothing_is_sent_until_funds_are_back() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &wanted());
    rig.applied(Outcome::Accepted);
    let effects = rig.read_back(&unfunded().clicks(20_000));
    let entry = entries(&effects).next().unwrap();
    assert_eq!((entry.step, entry.failed_at), (Step::Failed, Some(at("12:00:01"))));
    assert!(entry.error.as_ref().unwrap().contains("out of funds"), "{entry:?}");
    for _ in 0..40 {
        let effects = rig.next_tick(&unfunded().clicks(20_000));
        assert_step("without funds", &rig, &effects, None, ActiveGuarded);
    }
    let effects = rig.clone().next_tick(&running().clicks(20_000));
    assert_eq!(sends(&effects).count(), 0, "with the funds it runs by itself");
    let effects = rig.next_tick(&wanted());
    assert_step("it was switched off meanwhile", &rig, &effects, Some(Activate), ActiveGuarded);
}

#[test]
fn a_campaign_that_is_out_of_funds_and_switched_on_is_paused_once() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let effects = rig.tick("12:00:00", &unfunded().clicks(100));
    assert_step("used up", &rig, &effects, Some(ActionKind::Pause), PhaseWord::CoolingDown);
    rig.applied(Outcome::Accepted);
    rig.end_time_set(Outcome::Accepted);
    rig.read_back(&blocked().clicks(100));
    assert_eq!(rig.machine.action().unwrap().step, Step::Confirmed);
    for _ in 0..5 {
        assert_eq!(sends(&rig.next_tick(&blocked().clicks(100))).count(), 0);
    }
}

#[test]
fn a_run_that_no_read_confirmed_and_that_succeeded_no_longer_delays_the_next_one() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &wanted());
    for minutes in [1, 2, 4] {
        rig.applied(refused());
        assert_eq!(minutes_until_run(&mut rig, &wanted()), minutes);
    }
    rig.applied(Outcome::Accepted);
    while rig.machine.action().unwrap().step == Step::Accepted {
        rig.read_back(&unread());
    }
    rig.next_tick(&running().clicks(20_000));
    let effects = rig.next_tick(&wanted());
    assert_step("someone else stopped it", &rig, &effects, Some(Activate), ActiveGuarded);
}

#[test]
fn an_activation_that_was_not_sent_is_no_failure_of_trafficstars_and_causes_no_backoff() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &wanted());
    for _ in 0..5 {
        rig.applied(Outcome::NotSent("it waited too long".to_owned()));
        assert_eq!(minutes_until_run(&mut rig, &wanted()), 1);
    }
}

fn postponed() -> Outcome {
    Outcome::Postponed("it was not sent in time".to_owned())
}

#[test]
fn an_activation_that_waits_in_the_queue_keeps_its_entry_and_causes_no_backoff() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &wanted());
    let id = rig.action_id();
    for attempt in 0..5 {
        let effects = rig.applied(postponed());
        assert_eq!(notes(&effects, |note| matches!(note, Note::Waiting(_))), usize::from(attempt == 0));
        let effects = rig.next_tick(&wanted().clicks(30_000));
        assert_step("the next tick sends it again", &rig, &effects, Some(Activate), ActiveGuarded);
        let request = sends(&effects).next().unwrap();
        assert_eq!((request.action, request.due_since), (id, at("12:00:00")));
        assert_eq!(request.remaining_clicks, Some(Clicks(30_000)), "by the facts of that tick");
    }
    rig.applied(Outcome::Accepted);
    rig.read_back(&running());
    let action = rig.machine.action().unwrap();
    assert_eq!((action.id, action.step, action.error.as_ref()), (id, Step::Confirmed, None));
}

#[test]
fn an_end_time_that_waits_in_the_queue_keeps_its_entry_too() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().clicks(0));
    rig.applied(Outcome::Accepted);
    rig.end_time_set(Outcome::Postponed("it was not sent in time".to_owned()));
    let off = stopped().clicks(0);
    rig.read_back(&off);
    rig.next_tick(&off);
    let id = rig.action_id();
    for _ in 0..3 {
        rig.applied(postponed());
        let effects = rig.next_tick(&off);
        let request = sends(&effects).next().unwrap();
        assert_eq!((request.kind, request.action), (ActionKind::SetEndTime, id));
    }
    rig.applied(Outcome::Accepted);
    assert_eq!(rig.machine.action().unwrap().step, Step::Confirmed);
}

#[test]
fn an_activation_that_waited_and_is_no_longer_due_is_superseded_and_has_not_failed() {
    let cases: [(&str, Facts); 4] = [
        ("its clicks are used up", wanted().clicks(0)),
        ("someone else runs it", running().clicks(20_000)),
        ("its limit is reached", wanted().spend("10.00")),
        ("it cannot be read", unread()),
    ];
    for (name, facts) in cases {
        let mut rig = Rig::new(Phase::Idle);
        rig.tick("12:00:00", &wanted());
        rig.applied(postponed());
        let id = rig.action_id();
        let effects = rig.next_tick(&facts);
        assert_eq!(sends(&effects).count(), 0, "{name}");
        let entry = entries(&effects).find(|entry| entry.id == id).unwrap();
        assert_eq!((entry.step, entry.failed_at), (Step::Superseded, Some(rig.now)), "{name}");
        let warns = |note: &Note| matches!(note, Note::Action { .. }) && note.is_warning();
        assert_eq!(notes(&effects, warns), 0, "{name}: {effects:?}");
        assert!(entry.error.as_ref().is_some_and(|error| error.contains("never sent")), "{name}: {entry:?}");
        assert_eq!(minutes_until_run(&mut rig, &wanted()), 1, "{name}: nothing backs off");
    }
}

#[test]
fn a_pause_that_fails_is_tried_again_at_every_tick_and_never_backs_off() {
    for facts in [running().clicks(0), unknown_word(true).clicks(0)] {
        let mut rig = Rig::new(Phase::ActiveGuarded);
        rig.tick("12:00:00", &facts);
        for attempt in 0..100 {
            let id = rig.action_id();
            match attempt % 3 {
                0 => drop(rig.applied(refused())),
                1 => drop(rig.applied(Outcome::NotSent("the database is away".to_owned()))),
                _ => {
                    rig.applied(Outcome::Accepted);
                    rig.end_time_set(Outcome::Failed("no".to_owned()));
                    while rig.machine.action().unwrap().step == Step::Accepted {
                        rig.read_back(&facts);
                    }
                }
            }
            let due = rig.now;
            let effects = rig.next_tick(&facts);
            assert_step(&format!("attempt {attempt}: {facts:?}"), &rig, &effects, Some(Pause), CoolingDown);
            assert!(rig.now - due <= Duration::minutes(1), "within one tick");
            assert_ne!(rig.action_id(), id, "an entry of its own");
            assert_eq!(rig.machine.action().unwrap().trigger, Trigger::Recovery, "no one else has changed it");
        }
    }
}

#[test]
fn a_campaign_that_answers_404_is_read_at_every_tick_and_every_15_minutes_once_it_is_gone() {
    let mut rig = Rig::new(Phase::Idle);
    rig.now = at("12:00:00.003");
    let mut reads = Vec::new();
    for minute in 0..=45 {
        let [Effect::Observe { question_id, read_remote, is_gone, .. }] = rig.wake()[..] else { panic!("no tick") };
        if read_remote {
            reads.push(minute);
        }
        rig.now += Duration::milliseconds(200);
        rig.observed(question_id, &if is_gone { gone() } else { missing() });
        assert_eq!((is_gone, rig.machine.blocked().is_some()), (minute >= 15, minute >= 15), "{minute}");
        rig.now = rig.machine.next_tick_at() + Duration::milliseconds(2);
    }
    assert_eq!(reads, (0..=15).chain([30, 45]).collect::<Vec<_>>());
}

#[test]
fn after_any_other_answer_the_15_minutes_of_404s_begin_anew() {
    let mut rig = Rig::new(Phase::Idle);
    for minute in 0..40 {
        rig.now = at(&format!("12:{minute:02}:00"));
        let [Effect::Observe { question_id, read_remote: true, is_gone: false, .. }] = rig.wake()[..] else {
            panic!("it is read at minute {minute}, and is not gone")
        };
        // A failed read interrupts the series of 404s as well.
        let facts = match minute {
            10 | 24 => stopped(),
            14 | 35 => unread(),
            _ => missing(),
        };
        rig.observed(question_id, &facts);
    }
}

#[test]
fn ticks_that_end_before_the_answer_comes_do_not_delay_that_a_campaign_is_gone() {
    let mut rig = Rig::new(Phase::Idle);
    let mut reads = Vec::new();
    for minute in 0..=45 {
        rig.now = at(&format!("12:{minute:02}:00"));
        let [Effect::Observe { question_id, read_remote, is_gone, .. }] = rig.wake()[..] else { panic!("no tick") };
        if read_remote {
            reads.push(minute);
        }
        let answered = if is_gone { gone() } else { missing() };
        rig.observed(question_id, &if minute % 2 == 1 { late() } else { answered });
        assert_eq!(rig.machine.blocked().is_some(), minute >= 16, "{minute}");
    }
    assert_eq!(reads, (0..=16).chain([31, 32]).collect::<Vec<_>>(), "a late read is repeated at the next tick");
}

#[test]
fn a_tick_that_ended_before_its_answer_came_fails_no_action() {
    for kind in [ActionKind::Activate, ActionKind::Pause] {
        let mut rig = Rig::new(Phase::Idle);
        let (facts, shown) = match kind {
            ActionKind::Pause => (running().clicks(0), stopped().clicks(0)),
            ActionKind::Activate | ActionKind::SetEndTime | ActionKind::TopUp | ActionKind::DailyBudget => {
                (stopped().clicks(20_000), running().clicks(20_000))
            }
        };
        rig.tick("12:00:00", &facts);
        rig.applied(Outcome::Accepted);
        rig.tick("12:01:00", &late());
        rig.tick("12:02:00", &late());
        assert_eq!(rig.machine.action().unwrap().step, Step::Accepted, "{kind}: no read was answered");
        rig.tick("12:03:00", &shown);
        assert_eq!(rig.machine.action().unwrap().step, Step::Confirmed, "{kind}");
    }
}

#[test]
fn a_campaign_that_was_gone_and_answers_again_is_read_at_every_tick() {
    let mut rig = Rig::new(Phase::PausedGuarded);
    rig.tick("12:00:00", &gone());
    rig.tick("12:15:00", &stopped());
    assert_eq!(rig.machine.blocked(), None);
    rig.now = at("12:16:00");
    assert!(matches!(rig.wake()[..], [Effect::Observe { read_remote: true, .. }]));
}
