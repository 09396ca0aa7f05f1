//! A spend that does not change while its campaign runs: shown with its beginning, and reported after an hour.

use super::*;
use crate::domain::unchanged_spend::StandsStill;

fn reported(effects: &[Effect]) -> Vec<StandsStill> {
    let still = |effect: &Effect| {
        if let Effect::Note(Note::SpendStandsStill(still)) = effect { Some(*still) } else { None }
    };
    effects.iter().filter_map(still).collect()
}

/// Ticks from noon on, one a minute, with these facts at each. Returns the reports, with their minutes.
fn play(minutes: u64, facts: impl Fn(u64) -> Facts) -> (Rig, Vec<(u64, StandsStill)>) {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    let mut all = Vec::new();
    for minute in 0..=minutes {
        let effects = rig.next_tick(&facts(minute));
        all.extend(reported(&effects).into_iter().map(|still| (minute, still)));
    }
    (rig, all)
}

#[test]
fn a_spend_that_is_the_same_for_an_hour_while_clicks_are_used_is_reported_once() {
    let (rig, reports) = play(100, |minute| running().clicks(12_000 - minute * 10));
    let still = StandsStill { amount: money("3.21"), since: at("12:00:00"), clicks_used: 600 };
    assert_eq!(reports, [(60, still)]);
    assert_eq!(rig.machine.spend_unchanged_since(), Some(at("12:00:00")));
}

#[test]
fn a_new_value_restarts_the_hour_and_nothing_else_does() {
    let spends = |minute: u64| if minute < 30 { "3.21" } else { "3.22" };
    let (rig, reports) = play(89, |minute| running().clicks(12_000 - minute).spend(spends(minute)));
    assert_eq!(reports, []);
    assert_eq!(rig.machine.spend_unchanged_since(), Some(at("12:30:00")));
    // A failed read says nothing about the value.
    let flickers = |minute: u64| if minute % 7 == 3 { running().spend_unknown() } else { running() };
    let (_, reports) = play(61, |minute| flickers(minute).clicks(12_000 - minute));
    assert_eq!(reports.len(), 1);
    let (_, reports) = play(140, |minute| if minute % 50 == 49 { unread() } else { running().clicks(12_000 - minute) });
    assert_eq!(reports.iter().map(|(minute, _)| *minute).collect::<Vec<_>>(), [60], "a status that could not be read");
}

#[test]
fn a_campaign_that_does_not_run_uses_no_clicks_or_is_at_its_limit_is_not_reported() {
    let (_, reports) = play(90, |_| running());
    assert_eq!(reports, [], "no clicks are used");
    let (rig, reports) = play(90, |minute| stopped().clicks(4_000 - minute));
    assert_eq!((reports.as_slice(), rig.machine.spend_unchanged_since()), (&[][..], None), "it is stopped");
    let (_, reports) = play(90, |minute| running().clicks(12_000 - minute).spend("10.00"));
    assert_eq!(reports, [], "the limit is reached");
}

#[test]
fn new_urls_meanwhile_subtract_no_used_clicks() {
    let clicks = |minute: u64| if minute < 30 { 12_000 - minute } else { 90_000 - minute };
    let (_, reports) = play(60, |minute| running().clicks(clicks(minute)));
    assert_eq!(reports.first().map(|(_, still)| still.clicks_used), Some(29 + 30));
}

#[test]
fn a_new_day_restarts_the_hour() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.now = at("23:30:00");
    rig.tick("23:30:00", &running());
    rig.tick("2026-11-23 00:00:00", &running());
    assert_eq!(rig.machine.spend_unchanged_since(), Some(at("2026-11-23 00:00:00")));
}
