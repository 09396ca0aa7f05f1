//! Changes of the remote that the guard did not request.

use super::*;
use crate::domain::another_guard::EndTimeSign;
use ActionKind::{Activate, Pause};
use PhaseWord::{ActiveGuarded, CoolingDown};

fn foreign(effects: &[Effect]) -> usize {
    notes(effects, |note| matches!(note, Note::ForeignChange { .. }))
}

fn began(effects: &[Effect]) -> usize {
    notes(effects, |note| *note == Note::Contested { began: true })
}

/// Returns a guarded campaign that runs since noon, with the end time that the guard set.
fn guarded(change: impl FnOnce(&mut PolicyNumbers)) -> Rig {
    let mut rig = Rig::with(Phase::ActiveGuarded, change);
    rig.tick("12:00:00", &running().ends(at("23:59:00")));
    rig
}

/// Someone stops it before the next tick, and the guard undoes that. Returns the tick's effects.
#[track_caller]
fn disturb(rig: &mut Rig) -> Vec<Effect> {
    let effects = rig.next_tick(&stopped().ends(at("23:59:00")));
    assert_step("disturbed", rig, &effects, Some(Activate), ActiveGuarded);
    rig.confirm();
    effects
}

#[test]
fn the_seventh_foreign_change_in_an_hour_is_one_too_many_and_is_reported_once() {
    let mut rig = guarded(|_| {});
    for change in 1..=10 {
        let effects = disturb(&mut rig);
        assert_eq!(foreign(&effects), 1, "change {change}");
        assert_eq!(rig.machine.contested(), change > 6, "after {change}");
        assert_eq!(began(&effects), usize::from(change == 7), "after {change}");
    }
}

#[test]
fn six_changes_in_any_hour_are_not_too_many() {
    let mut rig = guarded(|_| {});
    for change in 0..30 {
        disturb(&mut rig);
        assert!(!rig.machine.contested(), "change {change}");
        for _ in 0..9 {
            rig.next_tick(&running().ends(at("23:59:00")));
        }
    }
}

#[test]
fn contested_after_can_be_set() {
    let mut rig = guarded(|numbers| numbers.contested_after = 1);
    disturb(&mut rig);
    assert!(!rig.machine.contested());
    disturb(&mut rig);
    assert!(rig.machine.contested());
}

#[test]
fn an_hour_without_a_foreign_change_lifts_it() {
    for facts in [running().ends(at("23:59:00")), unread()] {
        let mut rig = guarded(|numbers| numbers.contested_after = 0);
        disturb(&mut rig);
        let disturbed_at = at("12:01:00");
        while rig.machine.contested() {
            let effects = rig.next_tick(&facts);
            let lifted = notes(&effects, |note| *note == Note::Contested { began: false });
            assert_eq!(lifted, usize::from(!rig.machine.contested()));
            assert!(rig.now <= disturbed_at + Duration::hours(1), "at {}", rig.now);
        }
        assert_eq!(rig.now, disturbed_at + Duration::hours(1));
    }
}

#[test]
fn foreign_starts_and_stops_are_counted_in_every_state() {
    for phase in [Phase::Idle, Phase::PausedGuarded] {
        let mut rig = Rig::new(phase);
        rig.tick("12:00:00", &stopped().spend_unknown());
        let effects = rig.tick("12:01:00", &running().spend_unknown());
        assert_eq!(notes(&effects, |note| *note == Note::ForeignChange { running: true }), 1, "{phase:?}");
    }
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().clicks(0));
    rig.confirm();
    let effects = rig.tick("12:01:00", &running());
    assert_step("started while cooling down", &rig, &effects, Some(Pause), CoolingDown);
    assert_eq!(foreign(&effects), 1);
}

#[test]
fn changes_by_the_guards_own_actions_and_by_end_times_are_not_foreign() {
    let mut rig = Rig::new(Phase::Idle);
    let mut collected = Vec::new();
    collected.extend(rig.tick("12:00:00", &stopped().clicks(20_000)));
    collected.extend(rig.confirm());
    let runs = || running().ends(at("23:59:00"));
    collected.extend(rig.tick("12:01:00", &runs()));
    collected.extend(rig.tick("12:02:00", &runs().clicks(0)));
    collected.extend(rig.confirm());
    let off = || stopped().ends(at("12:02:00"));
    collected.extend(rig.tick("12:03:00", &off().clicks(20_000)));
    collected.extend(rig.next_tick(&off().clicks(20_000)));
    collected.extend(rig.next_tick(&off().clicks(20_000)));
    collected.extend(rig.confirm());
    collected.extend(rig.tick("23:58:00", &runs()));
    collected.extend(rig.tick("23:59:00", &runs()));
    assert_eq!(foreign(&collected), 0);
}

#[test]
fn the_end_time_that_the_guard_gave_an_adopted_campaign_is_its_own() {
    for outcome in [Outcome::Accepted, Outcome::Unclear("timed out".to_owned())] {
        let mut rig = Rig::with(Phase::Idle, |numbers| numbers.adopt_sets_end_time = true);
        let effects = rig.tick("23:58:00", &running().clicks(20_000));
        assert_step("adopted", &rig, &effects, Some(ActionKind::SetEndTime), ActiveGuarded);
        rig.applied(outcome.clone());
        let effects = rig.tick("23:59:00", &stopped().ends(at("23:59:00")).clicks(20_000));
        assert_eq!(foreign(&effects), 0, "{outcome:?}");
    }
}

/// The end time waits behind a full minute. Then it ends a campaign that others started, and that was adopted
/// meanwhile.
#[test]
fn the_end_time_of_a_pause_is_the_guards_own_after_any_delay() {
    for answered in [false, true] {
        let mut rig = Rig::with(Phase::ActiveGuarded, |numbers| numbers.cooldown = Duration::seconds(10));
        rig.tick("12:00:00", &running().clicks(0));
        rig.applied(Outcome::Accepted);
        rig.read_back(&stopped());
        rig.tick("12:00:30", &running().clicks(20_000));
        if answered {
            rig.end_time_set(Outcome::Failed("timed out".to_owned()));
        }
        let effects = rig.tick("12:01:00", &stopped().ends(at("12:00:00")).clicks(20_000));
        assert_eq!(foreign(&effects), 0, "answered: {answered}");
    }
}

#[test]
fn an_end_time_that_others_set_in_the_past_is_a_foreign_stop() {
    let mut rig = guarded(|_| {});
    let effects = rig.tick("12:01:00", &running().ends(at("12:00:30")));
    assert_eq!(foreign(&effects), 1);
    assert_step("undone", &rig, &effects, Some(Activate), ActiveGuarded);
}

#[test]
fn after_the_clock_was_set_back_the_mark_is_lifted_once_an_hour_after_the_last_change() {
    let mut rig = guarded(|numbers| numbers.contested_after = 1);
    disturb(&mut rig);
    rig.now = at("11:20:00");
    rig.wake();
    let collected = disturb(&mut rig);
    assert_eq!(began(&collected), 1);
    let collected: Vec<Effect> = (0..120).flat_map(|_| rig.next_tick(&running().ends(at("23:59:00")))).collect();
    assert_eq!(began(&collected), 0);
    assert_eq!(notes(&collected, |note| *note == Note::Contested { began: false }), 1);
}

#[test]
fn once_lifted_the_same_changes_do_not_mark_it_again_though_the_clock_is_set_back() {
    let mut rig = guarded(|numbers| numbers.contested_after = 0);
    assert_eq!(began(&disturb(&mut rig)), 1);
    let disturbed_at = rig.now;
    rig.now = disturbed_at + Duration::minutes(70);
    assert_eq!(notes(&rig.next_tick(&unread()), |note| *note == Note::Contested { began: false }), 1);
    rig.now = disturbed_at + Duration::minutes(5);
    rig.wake();
    let collected: Vec<Effect> = (0..10).flat_map(|_| rig.next_tick(&running().ends(at("23:59:00")))).collect();
    assert_eq!(began(&collected), 0);
}

#[test]
fn an_unknown_status_is_no_change() {
    let mut rig = guarded(|_| {});
    for facts in [unread(), unknown_word(true), blocked()] {
        assert_eq!(foreign(&rig.next_tick(&facts)), 0);
        assert_eq!(foreign(&rig.next_tick(&running().ends(at("23:59:00")))), 0);
    }
}

#[test]
fn a_pause_that_a_doubtful_answer_confirmed_is_still_the_guards_own() {
    for shown in [unknown_word(false), stopped().with(|campaign| campaign.approved = Some("rejected".to_owned()))] {
        let mut rig = guarded(|_| {});
        rig.tick("12:01:00", &running().clicks(0));
        rig.applied(Outcome::Accepted);
        rig.read_back(&shown);
        let effects = rig.tick("12:02:00", &stopped());
        assert_eq!(foreign(&effects), 0, "{shown:?}");
    }
}

#[test]
fn activations_back_off_only_if_contested_backoff_is_set_and_at_most_for_it() {
    let spacing = |backoff: Option<Duration>| {
        let mut rig = guarded(|numbers| {
            numbers.contested_after = 0;
            numbers.contested_backoff = backoff;
        });
        let mut sent_at: Vec<i64> = Vec::new();
        for minute in 1..=30 {
            let effects = rig.next_tick(&stopped().ends(at("23:59:00")));
            if sends(&effects).next().is_some() {
                sent_at.push(minute);
                rig.confirm();
            }
        }
        assert!(rig.machine.contested());
        sent_at.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
    };
    assert!(spacing(None).iter().all(|&minutes| minutes == 1));
    let spaced = spacing(Some(Duration::minutes(6)));
    assert!(spaced.is_sorted() && spaced.ends_with(&[6, 6]), "{spaced:?}");
    assert_eq!(spaced.iter().max(), Some(&6), "{spaced:?}");
}

#[test]
fn pauses_of_a_contested_campaign_never_back_off() {
    let mut rig = Rig::with(Phase::PausedGuarded, |numbers| {
        numbers.contested_after = 0;
        numbers.contested_backoff = Some(Duration::minutes(15));
    });
    rig.tick("12:00:00", &stopped());
    for _ in 0..20 {
        let effects = rig.next_tick(&running());
        assert_step("started again", &rig, &effects, Some(Pause), CoolingDown);
        rig.confirm();
    }
    assert!(rig.machine.contested());
}

fn signs(effects: &[Effect]) -> Vec<EndTimeSign> {
    let sign = |effect: &Effect| {
        if let Effect::Sign(sign) = effect { Some(*sign) } else { None }
    };
    effects.iter().filter_map(sign).collect()
}

#[test]
fn a_stop_with_an_end_time_of_the_same_second_is_a_sign_of_another_guard() {
    let mut rig = guarded(|_| {});
    let effects = rig.tick("12:01:00", &stopped().ends(at("12:00:41")));
    assert_eq!(signs(&effects), [EndTimeSign::MomentOfStop(at("12:00:41"))]);

    let mut rig = guarded(|_| {});
    for facts in [stopped().ends(at("23:59:00")), stopped().ends(at("11:00:00")), running().ends(at("23:00:00"))] {
        assert_eq!(signs(&rig.clone().tick("12:01:00", &facts)), [], "{facts:?}");
    }
    let effects = rig.tick("12:01:00", &stopped().with(|campaign| campaign.end_time = EndTime::Unset));
    assert_eq!(signs(&effects), [], "a person");
}

#[test]
fn an_end_time_that_others_set_is_one_sign_and_not_one_at_every_tick() {
    let mut rig = Rig::new(Phase::PausedGuarded);
    rig.tick("12:01:00", &stopped().with(|campaign| campaign.end_time = EndTime::Unset));
    let in_moderation = blocked().ends(at("23:59:00"));
    let mut all = Vec::new();
    for minute in 2..10 {
        all.extend(signs(&rig.tick(&format!("12:0{minute}:00"), &in_moderation)));
    }
    assert_eq!(all, [], "an unknown status");
    for minute in 10..20 {
        all.extend(signs(&rig.tick(&format!("12:{minute}:00"), &stopped().clicks(4_000).ends(at("23:59:00")))));
    }
    assert_eq!(all, [EndTimeSign::DayEnd(at("23:59:00"))]);
}

#[test]
fn a_start_with_an_end_time_of_the_day_end_is_a_sign_of_another_guard_unless_it_is_our_own() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().ends(at("23:59:00")).clicks(4_000));
    assert_eq!(signs(&rig.confirm()), [], "our own pause sets the moment of the stop");
    assert_eq!(signs(&rig.tick("12:01:00", &stopped().ends(at("12:00:00")).clicks(4_000))), []);
    let effects = rig.tick("12:02:00", &running().ends(at("23:59:00")).clicks(4_000));
    assert_eq!(signs(&effects), [EndTimeSign::DayEnd(at("23:59:00"))]);

    // Our own activation sets the day end, though it then failed.
    let mut rig = Rig::new(Phase::PausedGuarded);
    rig.tick("12:00:00", &stopped().ends(at("11:00:00")));
    let effects = rig.tick("12:01:00", &stopped().ends(at("11:00:00")).clicks(20_000));
    assert_step("activated", &rig, &effects, Some(Activate), ActiveGuarded);
    rig.applied(Outcome::Failed("the run was refused".to_owned()));
    assert_eq!(signs(&rig.tick("12:02:00", &stopped().ends(at("23:59:00")).clicks(20_000))), []);
}
