//! A spend that stands still while its campaign runs: shown since when, and told after an hour.

use super::*;
use crate::domain::unchanged_spend::StandsStill;

fn told(effects: &[Effect]) -> Vec<StandsStill> {
    let still = |effect: &Effect| {
        if let Effect::Note(Note::SpendStandsStill(still)) = effect { Some(*still) } else { None }
    };
    effects.iter().filter_map(still).collect()
}

/// Ticks from noon on, one a minute, with these facts at each; what is told, and at which minute.
fn play(minutes: u64, facts: impl Fn(u64) -> Facts) -> (Rig, Vec<(u64, StandsStill)>) {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let mut all = Vec::new();
    for minute in 0..=minutes {
        let effects = rig.next_tick(&facts(minute));
        all.extend(told(&effects).into_iter().map(|still| (minute, still)));
    }
    (rig, all)
}

#[test]
fn a_spend_that_is_the_same_for_an_hour_while_clicks_go_on_is_told_once() {
    let (rig, told) = play(100, |minute| running().clicks(12_000 - minute * 10));
    let still = StandsStill { amount: money("3.21"), since: at("12:00:00"), clicks_used: 600 };
    assert_eq!(told, [(60, still)]);
    assert_eq!(rig.machine.spend_unchanged_since(), Some(at("12:00:00")));
}

#[test]
fn each_new_value_begins_anew_and_nothing_else_does() {
    let spends = |minute: u64| if minute < 30 { "3.21" } else { "3.22" };
    let (rig, told) = play(89, |minute| running().clicks(12_000 - minute).spend(spends(minute)));
    assert_eq!(told, []);
    assert_eq!(rig.machine.spend_unchanged_since(), Some(at("12:30:00")));
    // A read that failed says nothing about the value.
    let flickers = |minute: u64| if minute % 7 == 3 { running().spend_unknown() } else { running() };
    let (_, told) = play(61, |minute| flickers(minute).clicks(12_000 - minute));
    assert_eq!(told.len(), 1);
    let (_, told) = play(140, |minute| if minute % 50 == 49 { unread() } else { running().clicks(12_000 - minute) });
    assert_eq!(told.iter().map(|(minute, _)| *minute).collect::<Vec<_>>(), [60], "a status that could not be read");
}

#[test]
fn nothing_is_told_of_what_does_not_run_has_no_clicks_or_is_at_its_limit() {
    let (_, told) = play(90, |_| running());
    assert_eq!(told, [], "no clicks are used");
    let (rig, told) = play(90, |minute| stopped().clicks(4_000 - minute));
    assert_eq!((told.as_slice(), rig.machine.spend_unchanged_since()), (&[][..], None), "it is stopped");
    let (_, told) = play(90, |minute| running().clicks(12_000 - minute).spend("10.00"));
    assert_eq!(told, [], "the limit is reached");
}

#[test]
fn new_urls_meanwhile_take_no_click_back() {
    let clicks = |minute: u64| if minute < 30 { 12_000 - minute } else { 90_000 - minute };
    let (_, told) = play(60, |minute| running().clicks(clicks(minute)));
    assert_eq!(told.first().map(|(_, still)| still.clicks_used), Some(29 + 30));
}

#[test]
fn a_new_day_begins_anew() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.now = at("23:30:00");
    rig.tick("23:30:00", &running());
    rig.tick("2026-11-23 00:00:00", &running());
    assert_eq!(rig.machine.spend_unchanged_since(), Some(at("2026-11-23 00:00:00")));
}
