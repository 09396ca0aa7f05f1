//! The limits that several campaigns share: RULES.md, "Groups and account".

use super::*;
use crate::domain::money::Percent;
use crate::domain::policy::{Group, HighSpend, PolicyError, SharedLimit};
use crate::domain::shared_limit::SharedLimitReport;
use ActionKind::{Activate, Pause};
use PhaseWord::{ActiveGuarded, CoolingDown, Idle, PausedGuarded};

fn limit(spend_limit: &str, high_spend: HighSpend) -> SharedLimit {
    SharedLimit { spend_limit: money(spend_limit), high_spend }
}

fn group(limit: SharedLimit) -> Group {
    Group { name: "shoes".to_owned(), limit: Some(limit), high_spend: None }
}

/// Returns a campaign of the group `shoes`, whose limit is 200.00, on an account whose limit is 500.00.
fn rig(from: PhaseWord, own: HighSpend, of_group: HighSpend, of_account: HighSpend) -> Rig {
    Rig::with(phase_of(from, at("12:00:00")), |numbers| {
        numbers.high_spend = own;
        numbers.high_activate_clicks = Some(Clicks(5_000));
        numbers.high_pause_clicks = Some(Clicks(1_000));
        numbers.groups = [group(limit("200.00", of_group))].into();
        numbers.account_limit = Some(limit("500.00", of_account));
    })
}

/// Returns such a campaign with the policy `top-up`.
fn topped_up(from: PhaseWord, of_group: HighSpend, daily_budget: Option<&str>) -> Rig {
    let mut rig = rig(from, HighSpend::TopUp, of_group, HighSpend::Observe);
    let mut numbers = (*rig.policy).clone();
    numbers.price_per_thousand = Some(money("0.10"));
    numbers.top_up_ceiling = Some(money("60.00"));
    numbers.daily_budget = daily_budget.map(money);
    rig.policy = numbers.validate().unwrap();
    rig
}

fn reports(effects: &[Effect]) -> Vec<(Option<&str>, bool, String)> {
    fn report(effect: &Effect) -> Option<(Option<&str>, bool, String)> {
        let Effect::SharedLimit(SharedLimitReport { group, is_reached, .. }, spend) = effect else { return None };
        Some((group.as_deref(), *is_reached, spend.to_string()))
    }
    effects.iter().filter_map(report).collect()
}

#[test]
fn the_sum_of_all_spends_reaches_a_limit_and_its_policy_decides() {
    use HighSpend::{Guard, Observe, Pause as PauseAtLimit};
    let paused = (Some(Pause), CoolingDown);
    let table = [
        // what, own spend, others of the group, others of the account, policies (own, group, account), expected
        ("below every limit", "5.00", "194.99", "194.99", [Observe, PauseAtLimit, PauseAtLimit], (None, ActiveGuarded)),
        ("the group's limit", "5.00", "195.00", "195.00", [Observe, PauseAtLimit, Observe], paused),
        ("the account's limit", "5.00", "100.00", "495.00", [Observe, Observe, PauseAtLimit], paused),
        ("the group leaves it alone", "5.00", "195.00", "195.00", [PauseAtLimit, Observe, PauseAtLimit], (None, Idle)),
        ("the group guards it", "5.00", "195.00", "195.00", [PauseAtLimit, Guard, PauseAtLimit], (None, ActiveGuarded)),
        ("pause is stricter than its own policy", "10.00", "190.00", "190.00", [Guard, PauseAtLimit, Observe], paused),
        ("and than the group's", "5.00", "195.00", "495.00", [Guard, Observe, PauseAtLimit], paused),
        ("else the narrowest counts", "10.00", "190.00", "490.00", [Guard, Observe, Observe], (None, ActiveGuarded)),
        (
            "the group is narrower than the account",
            "5.00",
            "195.00",
            "495.00",
            [Guard, Guard, Observe],
            (None, ActiveGuarded),
        ),
    ];
    for (what, spend, of_group, of_account, [own, policy, account], (request, next)) in table {
        let mut rig = rig(ActiveGuarded, own, policy, account);
        let facts = running().clicks(4_000).spend(spend).others(of_group, of_account);
        let facts = if request.is_none() && next == ActiveGuarded { facts.clicks(20_000) } else { facts };
        let effects = rig.tick("12:00:00", &facts);
        assert_step(what, &rig, &effects, request, next);
    }
}

#[test]
fn at_a_shared_limit_with_pause_it_is_kept_paused_until_midnight_or_until_the_limit_is_raised() {
    let mut rig = rig(PausedGuarded, HighSpend::Observe, HighSpend::Pause, HighSpend::Observe);
    let facts = stopped().clicks(20_000).spend("5.00").others("195.00", "195.00");
    let effects = rig.tick("12:00:00", &facts);
    assert_step("stopped as it should", &rig, &effects, None, PausedGuarded);
    assert!(rig.machine.high_spend(), "it is marked");
    let mut raised = rig.clone();
    let mut numbers = (*rig.policy).clone();
    numbers.groups = [group(limit("201.00", HighSpend::Pause))].into();
    raised.policy = numbers.validate().unwrap();
    let effects = raised.next_tick(&facts);
    assert_step("the limit is raised", &raised, &effects, Some(Activate), ActiveGuarded);
    let today = at("2026-11-23 00:00:00").date_naive();
    let mut facts = facts.spend("0");
    facts.shared.as_mut().unwrap().day = today;
    facts.shared.as_mut().unwrap().group.amount = Money::ZERO;
    let effects = rig.tick("2026-11-23 00:00:00", &facts);
    assert_step("a new day", &rig, &effects, Some(Activate), ActiveGuarded);
}

#[test]
fn an_unknown_spend_counts_with_its_last_known_value_and_is_no_reason_to_activate() {
    let unknown = |facts: Facts| facts.spend_unknown().stored("5.00").clicks(20_000);
    let mut rig = rig(ActiveGuarded, HighSpend::Observe, HighSpend::Pause, HighSpend::Guard);
    let effects = rig.tick("12:00:00", &unknown(running()).others("195.00", "0"));
    assert_step("the last known value fills the sum", &rig, &effects, Some(Pause), CoolingDown);
    let sum = &rig.machine.assessment().unwrap().judged.shared.as_ref().unwrap()[0];
    assert_eq!((sum.spend, sum.campaigns, sum.unknown), (money("200.00"), 3, 1), "the doubt is shown");
    let reason = records(&effects).next().unwrap().entry.as_ref().unwrap().reason.clone();
    assert_eq!(
        reason,
        "it runs although 200.00 or more is spent today by the group shoes (200.00; the spend of 1 of 3 campaigns is not \
         known now): the policy at the limit is pause"
    );

    for policy in [HighSpend::Guard, HighSpend::Observe] {
        let mut rig = self::rig(ActiveGuarded, HighSpend::Observe, policy, policy);
        let effects = rig.tick("12:00:00", &unknown(stopped()).others("195.00", "495.00"));
        assert_step("only `pause` counts on an unknown spend", &rig, &effects, None, ActiveGuarded);
        let mut rig = self::rig(PausedGuarded, HighSpend::Observe, policy, policy);
        let effects = rig.tick("12:00:00", &unknown(running()).others("195.00", "495.00"));
        assert_step("and the guard that stops goes on", &rig, &effects, Some(Pause), CoolingDown);
    }
}

#[test]
fn while_the_sum_is_unknown_nothing_is_activated() {
    let facts = stopped().clicks(20_000).spend("5.00");
    let mut rig = rig(ActiveGuarded, HighSpend::Observe, HighSpend::Pause, HighSpend::Observe);
    let effects = rig.tick("12:00:00", &facts);
    assert_step("the database did not give it", &rig, &effects, None, ActiveGuarded);
    let decision = rig.machine.last_decision().unwrap();
    assert_eq!(decision, "the spend under a limit that it shares could not be read from the database");
    let effects = rig.next_tick(&facts.clone().others("100.00", "100.00"));
    assert_step("it is read", &rig, &effects, Some(Activate), ActiveGuarded);
    let mut rig = self::rig(PausedGuarded, HighSpend::Observe, HighSpend::Pause, HighSpend::Observe);
    let effects = rig.tick("2026-11-23 00:10:00", &facts.spend("0").others("0", "0"));
    assert_step("yesterday's spend does not count today", &rig, &effects, None, PausedGuarded);
}

#[test]
fn under_a_shared_limit_with_guard_the_day_begins_with_its_first_budget() {
    let mut rig = topped_up(Idle, HighSpend::Guard, Some("10.15"));
    let facts = stopped().clicks(20_000).budget("60.00").spend("1.00").others("199.00", "199.00");
    let effects = rig.tick("12:00:00", &facts);
    assert_step("yesterday's budget stands there", &rig, &effects, Some(ActionKind::DailyBudget), Idle);
}

#[test]
fn no_budget_is_raised_past_a_shared_limit() {
    let mut rig = topped_up(PausedGuarded, HighSpend::Pause, None);
    let facts = |others| stopped().urls(&[(1, 70_000, 0, true)]).budget("10.15").spend("10.15").others(others, "0");
    rig.tick("12:00:00", &facts("100.00"));
    assert_eq!(rig.phase(), CoolingDown, "it waits for its first top-up");
    rig.now = at("12:10:00");
    let effects = rig.next_tick(&facts("190.00"));
    assert_step("the group's limit is reached meanwhile", &rig, &effects, None, PausedGuarded);
    let effects = rig.next_tick(&facts("189.00"));
    assert_step("below it the top-up follows", &rig, &effects, Some(ActionKind::TopUp), PausedGuarded);
}

#[test]
fn a_shared_limit_that_is_reached_or_near_is_reported_once() {
    let near = |rig: &mut Rig| {
        let mut numbers = (*rig.policy).clone();
        numbers.warn_at = Some(Percent(80));
        rig.policy = numbers.validate().unwrap();
    };
    let mut rig = rig(ActiveGuarded, HighSpend::Observe, HighSpend::Pause, HighSpend::Observe);
    near(&mut rig);
    let ticks = [
        ("154.00", vec![]),
        ("156.00", vec![(Some("shoes"), false, "161.00".to_owned())]),
        ("157.00", vec![]),
        ("195.00", vec![(Some("shoes"), true, "200.00".to_owned())]),
        ("196.00", vec![]),
    ];
    for (others, expected) in ticks {
        let effects = rig.next_tick(&running().clicks(20_000).spend("5.00").others(others, "100.00"));
        assert_eq!(reports(&effects), expected, "{others}");
    }
    let mut numbers = (*rig.policy).clone();
    numbers.groups = [group(limit("150.00", HighSpend::Pause))].into();
    rig.policy = numbers.validate().unwrap();
    let effects = rig.next_tick(&running().clicks(20_000).spend("5.00").others("196.00", "100.00"));
    assert_eq!(reports(&effects).len(), 2, "a limit that is lowered below the sum is another one");
    // After a restart only what this campaign has spent since then is new.
    for (stored, expected) in [("5.00", 0), ("4.99", 1)] {
        let mut rig = self::rig(ActiveGuarded, HighSpend::Observe, HighSpend::Pause, HighSpend::Observe);
        let facts = running().clicks(20_000).spend("5.00").stored(stored).others("195.00", "195.00");
        let effects = rig.tick("12:00:00", &facts);
        assert_eq!(reports(&effects).len(), expected, "{stored} was stored");
    }
}

#[test]
fn the_thresholds_of_a_shared_limit_with_guard_must_be_valid() {
    let numbers = |high_spend| PolicyNumbers {
        high_pause_clicks: Some(Clicks(20_000)),
        account_limit: Some(limit("500.00", high_spend)),
        ..PolicyNumbers::default()
    };
    assert!(numbers(HighSpend::Pause).validate().is_ok());
    assert!(matches!(numbers(HighSpend::Guard).validate(), Err(PolicyError::HighThresholdsMeet { .. })));
}
