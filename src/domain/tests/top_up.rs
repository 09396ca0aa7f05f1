//! The policy `top-up`: RULES.md, "Top-up".

use super::*;
use crate::domain::action::Step;
use crate::domain::budget::{DayBudget, TopUpWait};
use crate::domain::phase::PhaseWord::{ActiveGuarded, CoolingDown, Idle, PausedGuarded};
use crate::domain::policy::{HighSpend, Mode};

/// The campaign's only URL, with 70,000 clicks left.
const URL: (i64, u64, u64, bool) = (1, 100_000, 30_000, true);

fn top_up(numbers: &mut PolicyNumbers) {
    numbers.high_spend = HighSpend::TopUp;
    numbers.high_activate_clicks = Some(Clicks(5_000));
    numbers.high_pause_clicks = Some(Clicks(1_000));
    numbers.price_per_thousand = Some(money("0.10"));
    numbers.top_up_ceiling = Some(money("60.00"));
}

fn rig() -> Rig {
    Rig::with(Phase::ActiveGuarded, top_up)
}

fn day(facts: Facts) -> Facts {
    facts.urls(&[URL]).budget("10.15").ends(at("23:59:00"))
}

/// Confirms the change of the budget that is in flight, by a read of this budget.
#[track_caller]
fn confirm_budget(rig: &mut Rig, max_daily: &str) -> Vec<Effect> {
    rig.applied(Outcome::Accepted);
    rig.read_back(&day(stopped()).budget(max_daily))
}

/// Returns a rig that has paused the campaign at the limit at noon.
fn waiting() -> Rig {
    let mut rig = rig();
    rig.tick("12:00:00", &day(running()).spend("10.00"));
    rig.confirm();
    rig
}

/// Returns a rig whose first top-up is confirmed, at 12:10.
fn topped_up() -> Rig {
    let mut rig = waiting();
    let wait_ends = rig.machine.phase().cooling_down_until().unwrap();
    rig.now = wait_ends;
    rig.next_tick(&day(stopped()).spend("10.02"));
    confirm_budget(&mut rig, "17.02");
    rig
}

fn budgets(effects: &[Effect]) -> Vec<String> {
    sends(effects).map(|request| request.max_daily.to_string()).collect()
}

#[test]
fn at_the_limit_it_is_paused_then_topped_up_then_run_and_guarded_by_the_high_thresholds() {
    let mut rig = rig();
    let effects = rig.tick("12:00:00", &day(running()).spend("9.99"));
    assert_step("below the limit", &rig, &effects, None, ActiveGuarded);
    let effects = rig.tick("12:01:00", &day(running()).spend("10.00"));
    assert_step("at the limit", &rig, &effects, Some(ActionKind::Pause), CoolingDown);
    rig.confirm();
    for minute in 2..11 {
        let effects = rig.tick(&format!("12:{minute:02}:00"), &day(stopped()).spend("10.02"));
        assert_step("while it waits", &rig, &effects, None, CoolingDown);
    }
    let effects = rig.tick("12:11:00", &day(stopped()).spend("10.02"));
    assert_step("the wait has ended", &rig, &effects, Some(ActionKind::TopUp), PausedGuarded);
    assert_eq!(budgets(&effects), ["17.02"], "10.02 and 70,000 clicks at 0.10 per thousand");
    confirm_budget(&mut rig, "17.02");
    assert_eq!(rig.phase(), ActiveGuarded, "it is promised to run as soon as its budget is read back");
    let effects = rig.next_tick(&day(stopped()).spend("10.02").budget("17.02"));
    assert_step("after it", &rig, &effects, Some(ActionKind::Activate), ActiveGuarded);
    assert_eq!(sends(&effects).map(|request| request.end_time).collect::<Vec<_>>(), [at("23:59:00")]);
    rig.confirm();
    let left = |clicks: u64| running().spend("16.00").urls(&[(1, 100_000, 100_000 - clicks, true)]).budget("17.02");
    let effects = rig.tick("12:12:00", &left(1_001));
    assert_step("above the high threshold", &rig, &effects, None, ActiveGuarded);
    let effects = rig.tick("12:13:00", &left(1_000));
    assert_step("at the high threshold", &rig, &effects, Some(ActionKind::Pause), CoolingDown);
}

#[test]
fn the_wait_counts_from_the_answer_to_the_pause_and_begins_again_only_with_a_pause_that_had_no_effect() {
    let mut rig = rig();
    rig.tick("12:00:00", &day(running()).spend("10.00"));
    rig.now = at("12:00:40");
    rig.applied(Outcome::Accepted);
    let ends = |rig: &Rig| rig.machine.phase().cooling_down_until();
    assert_eq!(ends(&rig), Some(at("12:10:40")));
    rig.end_time_set(Outcome::Accepted);
    rig.read_back(&day(stopped()));
    let effects = rig.tick("12:05:00", &day(running()).spend("10.00"));
    assert_step("somebody else starts it", &rig, &effects, Some(ActionKind::Pause), CoolingDown);
    rig.confirm();
    assert_eq!(ends(&rig), Some(at("12:10:40")), "the wait is not begun again");
    rig.tick("12:10:00", &day(running()).spend("10.00"));
    rig.applied(Outcome::Accepted);
    rig.end_time_set(Outcome::Accepted);
    assert_eq!(ends(&rig), Some(at("12:12:00")), "a cool-down lasts its two minutes");
    // Every read shows that it still runs: the pause has failed.
    while rig.machine.action().unwrap().step == Step::Accepted {
        rig.read_back(&day(running()));
    }
    let effects = rig.tick("12:11:00", &day(running()).spend("10.00"));
    assert_step("its pause has failed", &rig, &effects, Some(ActionKind::Pause), CoolingDown);
    rig.confirm();
    assert_eq!(ends(&rig), Some(at("12:13:00")), "the wait of the first pause is over");
}

#[test]
fn a_campaign_that_is_stopped_at_the_limit_waits_as_long_as_one_that_is_paused() {
    for facts in [stopped(), unknown_word(false)] {
        let mut rig = rig();
        let effects = rig.tick("12:00:00", &day(facts.clone()).spend("10.00"));
        assert_step("stopped", &rig, &effects, None, CoolingDown);
        assert_eq!(rig.machine.phase().cooling_down_until(), Some(at("12:10:00")));
        rig.now = at("12:10:00");
        let effects = rig.next_tick(&day(facts).spend("10.00"));
        assert_step("after the wait", &rig, &effects, Some(ActionKind::TopUp), PausedGuarded);
    }
}

#[test]
fn with_few_clicks_it_is_paused_and_kept_so_without_a_top_up() {
    let mut rig = rig();
    let few = |facts: Facts| facts.urls(&[(1, 1_000, 0, true)]).budget("10.15").spend("10.00");
    let effects = rig.tick("12:00:00", &few(running()));
    assert_step("used up", &rig, &effects, Some(ActionKind::Pause), CoolingDown);
    rig.confirm();
    let effects = rig.tick("12:03:00", &few(stopped()));
    assert_step("after the cool-down", &rig, &effects, None, PausedGuarded);
}

#[test]
fn without_a_price_or_a_ceiling_nothing_is_sent_and_it_is_said_once() {
    type Change = fn(&mut PolicyNumbers);
    let cases: [(&str, Change); 3] = [
        ("it has no price", |numbers| numbers.price_per_thousand = None),
        ("is 0", |numbers| numbers.price_per_thousand = Some(Money::ZERO)),
        ("it has no top_up_ceiling", |numbers| numbers.top_up_ceiling = None),
    ];
    for (said, change) in cases {
        let mut rig = Rig::with(Phase::ActiveGuarded, |numbers| {
            top_up(numbers);
            change(numbers);
        });
        let refused =
            |effects: &[Effect]| notes(effects, |note| matches!(note, Note::TopUpRefused(why) if why.contains(said)));
        let effects = rig.tick("12:00:00", &day(running()).spend("10.00"));
        assert_step(said, &rig, &effects, None, Idle);
        assert_eq!(refused(&effects), 1, "{said}: {effects:#?}");
        let effects = rig.tick("12:01:00", &day(running()).spend("10.10"));
        assert_eq!(refused(&effects), 0, "{said}: {effects:#?}");
        let used_up = running().urls(&[(1, 1_000, 0, true)]).budget("10.15").spend("10.10");
        let effects = rig.tick("12:02:00", &used_up);
        assert_step("its clicks are used up", &rig, &effects, Some(ActionKind::Pause), CoolingDown);
    }
    // The price at TrafficStars counts if no other is set.
    let mut rig = Rig::with(Phase::ActiveGuarded, |numbers| {
        top_up(numbers);
        numbers.price_per_thousand = None;
    });
    let priced = day(running()).spend("10.00").with(|campaign| campaign.price_per_thousand = Some(money("0.05")));
    let effects = rig.tick("12:00:00", &priced);
    assert_step("the price at TrafficStars", &rig, &effects, Some(ActionKind::Pause), CoolingDown);
}

#[test]
fn a_budget_that_a_person_has_raised_is_left_and_the_campaign_runs() {
    let mut rig = waiting();
    let raised = day(stopped()).spend("10.02").budget("30.00");
    rig.now = rig.machine.phase().cooling_down_until().unwrap();
    let effects = rig.next_tick(&raised);
    assert_step("it is enough", &rig, &effects, None, ActiveGuarded);
    assert_eq!(notes(&effects, |note| matches!(note, Note::BudgetLeft(_))), 1, "{effects:#?}");
    let effects = rig.next_tick(&raised);
    assert_step("then", &rig, &effects, Some(ActionKind::Activate), ActiveGuarded);
}

#[test]
fn an_unknown_stored_or_doubtful_fact_sets_no_budget() {
    let facts = day(stopped()).spend("10.02");
    let stored = |mut observation: Observation| {
        observation.spend = observation.spend.map(|spend| Spend { source: SpendSource::Database, ..spend });
        observation
    };
    let mut rig = waiting();
    rig.now = rig.machine.phase().cooling_down_until().unwrap();
    let effects = rig.wake();
    let [Effect::Observe { question_id, counts_urls: true, .. }] = effects[..] else { panic!("{effects:?}") };
    let effects = rig.event(Event::Observed { question_id, observation: Box::new(stored(facts.observation(rig.now))) });
    assert_step("a stored spend", &rig, &effects, None, PausedGuarded);
    for (case, doubtful) in [
        ("an unknown spend", facts.clone().spend_unknown()),
        ("an invalid URL", facts.clone().with_invalid_row()),
        ("unknown clicks", facts.clone().clicks_unknown()),
        ("a failed read", unread().spend("10.02")),
        ("no budget is shown", facts.clone().with(|campaign| campaign.max_daily = None)),
        ("clocks that differ", facts.clone().with_clock_ahead_by(Duration::minutes(5))),
    ] {
        let effects = rig.next_tick(&doubtful);
        assert_step(case, &rig, &effects, None, PausedGuarded);
    }
    let effects = rig.next_tick(&facts);
    assert_step("all is known", &rig, &effects, Some(ActionKind::TopUp), PausedGuarded);
}

#[test]
fn urls_that_come_later_are_gathered_and_paid_for_once() {
    let mut rig = topped_up();
    let start = rig.now;
    rig.next_tick(&day(stopped()).spend("10.02").budget("17.02"));
    rig.confirm();
    let seen = |urls: &[(i64, u64, u64, bool)], budget: &str| running().spend("12.00").urls(urls).budget(budget);
    let new = [URL, (2, 10_000, 0, true)];
    let finished = [URL, (2, 10_000, 200, false), (3, 5_000, 5_000, false)];
    let effects = rig.next_tick(&seen(&new, "17.02"));
    assert_step("a URL comes", &rig, &effects, None, ActiveGuarded);
    let until = rig.machine.day_budget().unwrap().gathering.as_ref().unwrap().until;
    assert_eq!(until, rig.now + Duration::minutes(12));
    assert!(start < until);
    while rig.now + Duration::minutes(1) < until {
        let effects = rig.next_tick(&seen(&finished, "17.02"));
        assert_step("it is gathered", &rig, &effects, None, ActiveGuarded);
    }
    let effects = rig.next_tick(&seen(&finished, "17.02"));
    assert_step("the interval is over", &rig, &effects, Some(ActionKind::TopUp), ActiveGuarded);
    assert_eq!(budgets(&effects), ["18.52"], "17.02 and 15,000 clicks at 0.10 per thousand");
    // Its answer is lost, and no read shows it in time. Then it shows after all.
    rig.applied(Outcome::Unclear("the answer was lost".to_owned()));
    while rig.machine.action().unwrap().step == Step::Requested {
        rig.read_back(&seen(&finished, "17.02"));
    }
    for minute in 0..20 {
        let effects = rig.next_tick(&seen(&finished, "18.52"));
        assert_step(&format!("paid for, {minute}"), &rig, &effects, None, ActiveGuarded);
    }
}

#[test]
fn a_change_of_the_budget_that_fails_is_tried_again_later_with_the_same_amount() {
    let mut rig = waiting();
    rig.now = rig.machine.phase().cooling_down_until().unwrap();
    let mut sent = Vec::new();
    for _ in 0..40 {
        let effects = rig.next_tick(&day(stopped()).spend("10.02"));
        if sends(&effects).next().is_some() {
            sent.push((rig.now.format("%H:%M").to_string(), budgets(&effects).concat()));
            rig.applied(Outcome::Failed("refused".to_owned()));
        }
        assert_eq!(rig.phase(), PausedGuarded);
    }
    let times: Vec<&str> = sent.iter().map(|(time, _)| time.as_str()).collect();
    assert_eq!(times, ["12:10", "12:11", "12:13", "12:17", "12:25", "12:40"]);
    assert!(sent.iter().all(|(_, amount)| amount == "17.02"), "{sent:?}");
}

#[test]
fn a_pause_does_not_wait_for_a_change_of_the_budget() {
    let mut rig = topped_up();
    rig.next_tick(&day(stopped()).spend("10.02").budget("17.02"));
    rig.confirm();
    let seen = |urls: &[(i64, u64, u64, bool)]| running().spend("12.00").urls(urls).budget("17.02");
    let new = [URL, (2, 10_000, 0, true)];
    rig.next_tick(&seen(&new));
    while sends(&rig.next_tick(&seen(&new))).next().is_none() {}
    assert_eq!(rig.machine.action().unwrap().kind, ActionKind::TopUp);
    let effects = rig.next_tick(&seen(&[(1, 100_000, 99_000, true), (2, 10_000, 10_000, true)]));
    assert_step("its clicks are used up", &rig, &effects, Some(ActionKind::Pause), CoolingDown);
}

#[test]
fn the_day_begins_with_its_first_budget_before_anything_is_activated() {
    let first = |numbers: &mut PolicyNumbers| {
        top_up(numbers);
        numbers.daily_budget = Some(money("10.15"));
    };
    let mut rig = Rig::with(Phase::ActiveGuarded, first);
    let yesterday = stopped().spend("0.00").urls(&[URL]).budget("42.30");
    rig.now = at("2026-11-23 00:00:00");
    let effects = rig.next_tick(&yesterday);
    assert_step("midnight", &rig, &effects, Some(ActionKind::DailyBudget), ActiveGuarded);
    assert_eq!(budgets(&effects), ["10.15"]);
    let effects = rig.next_tick(&yesterday);
    assert_step("it is under way", &rig, &effects, None, ActiveGuarded);
    rig.applied(Outcome::Accepted);
    rig.read_back(&yesterday.clone().budget("10.15"));
    let effects = rig.next_tick(&yesterday.clone().budget("10.15"));
    assert_step("then", &rig, &effects, Some(ActionKind::Activate), ActiveGuarded);
    rig.confirm();
    let raised = running().spend("1.00").urls(&[URL]).budget("20.00");
    let effects = rig.next_tick(&raised);
    assert_step("a person raises it on the same day", &rig, &effects, None, ActiveGuarded);
}

#[test]
fn what_is_stored_of_the_day_outlives_a_restart() {
    let mut rig = rig();
    let mut stored = None;
    let mut keep = |effects: &[Effect]| {
        stored = records(effects).filter_map(|record| record.budget.clone()).next_back().or(stored.take());
        stored.clone()
    };
    keep(&rig.tick("12:00:00", &day(running()).spend("10.00")));
    keep(&rig.confirm());
    // The program restarts after each step, and goes on with what is stored.
    let restart = |rig: &Rig, day: Option<DayBudget>, unfinished: Option<Action>| {
        let promise = Promise { phase: rig.machine.phase(), since: rig.machine.since(), end_time_owed: false };
        let again = Rig::from_record(rig.now, promise, unfinished, top_up);
        Rig { machine: again.machine.having_budget(day, None), ..again }
    };
    let waits_until = rig.machine.phase().cooling_down_until().unwrap();
    let mut rig = restart(&rig, keep(&[]), None);
    rig.now = waits_until;
    let effects = rig.next_tick(&day(stopped()).spend("10.02"));
    assert_step("the wait is over", &rig, &effects, Some(ActionKind::TopUp), PausedGuarded);
    let sent = keep(&effects);
    let unfinished = rig.machine.action().map(|action| Action { id: ActionId(0), ..action.clone() });
    // It has taken effect, and the program was killed before it could store that.
    let mut rig = restart(&rig, sent, unfinished);
    let effects = rig.next_tick(&day(stopped()).spend("10.02").budget("17.02"));
    assert_step("it is not raised again", &rig, &effects, Some(ActionKind::Activate), ActiveGuarded);
    assert!(keep(&effects).is_some_and(|day| day.counted.is_some()));
}

#[test]
fn at_midnight_what_was_counted_is_forgotten() {
    let mut rig = topped_up();
    rig.now = at("2026-11-23 00:00:00");
    rig.next_tick(&stopped().spend("0.00").urls(&[URL]).budget("17.02"));
    rig.confirm();
    let at_limit = |facts: Facts| facts.spend("10.00").urls(&[URL]).budget("17.02");
    let effects = rig.next_tick(&at_limit(running()));
    assert_step("the limit of the new day", &rig, &effects, Some(ActionKind::Pause), CoolingDown);
}

#[test]
fn observe_mode_writes_what_it_would_do_and_sends_nothing() {
    let mut rig = Rig::with(Phase::Idle, |numbers| {
        top_up(numbers);
        numbers.mode = Mode::Observe;
        numbers.daily_budget = Some(money("10.15"));
    });
    let facts = running().spend("10.02").urls(&[URL]).budget("12.00");
    let mut written = Vec::new();
    for _ in 0..30 {
        let effects = rig.next_tick(&facts);
        assert_eq!(sends(&effects).count(), 0);
        assert!(entries(&effects).all(|entry| entry.step == Step::ObservedOnly));
        written.extend(entries(&effects).map(|entry| {
            let after = entry.budget.as_ref().map(|change| change.after.to_string()).unwrap_or_default();
            (entry.kind.as_str(), after)
        }));
    }
    let expected = [("pause", ""), ("top-up", "17.02")];
    assert_eq!(written, expected.map(|(kind, after)| (kind, after.to_owned())));
    // What was only observed is no reason to leave the budget as it is.
    rig.policy = rig.policy.in_mode(Mode::Act);
    let effects = rig.next_tick(&facts);
    assert_step("in mode act", &rig, &effects, Some(ActionKind::Pause), CoolingDown);
}

#[test]
fn a_wait_goes_on_beyond_midnight_as_a_cool_down_and_a_new_day_tops_up_only_at_its_own_limit() {
    let mut rig = rig();
    rig.now = at("23:55:00");
    rig.next_tick(&day(running()).spend("10.00"));
    rig.confirm();
    let until = rig.machine.phase().cooling_down_until().unwrap();
    assert_eq!(until, at("2026-11-23 00:05:00"));
    let new_day = stopped().spend("0.00").urls(&[URL]).budget("10.15");
    while rig.machine.next_tick_at() < until {
        let effects = rig.next_tick(&new_day);
        assert_step("it cools down", &rig, &effects, None, CoolingDown);
    }
    let effects = rig.next_tick(&new_day);
    assert_step("the limit of the new day is not reached", &rig, &effects, Some(ActionKind::Activate), ActiveGuarded);
}

#[test]
fn a_limit_that_is_raised_and_reached_again_is_waited_at_again() {
    let mut rig = waiting();
    rig.policy = Rig::with(Phase::Idle, |numbers| {
        top_up(numbers);
        numbers.spend_limit = money("12.00");
    })
    .policy;
    rig.now = rig.machine.phase().cooling_down_until().unwrap();
    let effects = rig.next_tick(&day(stopped()).spend("10.02"));
    assert_step("below the new limit", &rig, &effects, Some(ActionKind::Activate), ActiveGuarded);
    rig.confirm();
    let effects = rig.next_tick(&day(running()).spend("12.00"));
    assert_step("at the new limit", &rig, &effects, Some(ActionKind::Pause), CoolingDown);
    assert_eq!(rig.machine.phase().cooling_down_until(), Some(rig.now + Duration::minutes(10)));
}

#[test]
fn a_first_budget_that_is_set_after_the_first_top_up_waits_for_the_next_day() {
    let mut rig = topped_up();
    rig.policy = Rig::with(Phase::Idle, |numbers| {
        top_up(numbers);
        numbers.daily_budget = Some(money("10.15"));
    })
    .policy;
    let effects = rig.next_tick(&day(stopped()).spend("10.02").budget("17.02"));
    assert_step("on the same day", &rig, &effects, Some(ActionKind::Activate), ActiveGuarded);
}

#[test]
fn a_day_that_was_observed_in_between_is_topped_up_when_the_mode_is_act_again() {
    let mut rig = rig();
    rig.next_tick(&day(running()).spend("9.00"));
    let (act, observe) = (rig.policy.clone(), rig.policy.in_mode(Mode::Observe));
    rig.policy = observe;
    for _ in 0..15 {
        assert_eq!(sends(&rig.next_tick(&day(running()).spend("10.00"))).count(), 0);
    }
    rig.policy = act;
    let effects = rig.next_tick(&day(running()).spend("10.10"));
    assert_step("nothing was sent while it was observed", &rig, &effects, Some(ActionKind::Pause), CoolingDown);
}

#[test]
fn decimals_that_trafficstars_drops_are_not_paid_for_again() {
    let mut rig = topped_up();
    rig.next_tick(&day(stopped()).spend("10.02").budget("17.02"));
    rig.confirm();
    let seen = |budget: &str| running().spend("12.00").urls(&[URL, (2, 10_005, 0, true)]).budget(budget);
    while sends(&rig.next_tick(&seen("17.02"))).next().is_none() {}
    assert_eq!(rig.machine.action().unwrap().budget.as_ref().unwrap().after, money("18.0205"));
    rig.applied(Outcome::Accepted);
    rig.read_back(&seen("18.02"));
    assert_eq!(rig.machine.action().unwrap().step, Step::Confirmed, "less than a cent is no difference");
    for _ in 0..20 {
        assert_eq!(sends(&rig.next_tick(&seen("18.02"))).count(), 0);
    }
}

#[test]
fn doubtful_clicks_pay_for_nothing_and_a_person_keeps_the_budget_of_the_middle_of_a_day() {
    let mut rig = topped_up();
    rig.next_tick(&day(stopped()).spend("10.02").budget("17.02"));
    rig.confirm();
    let doubtful = || running().spend("12.00").urls(&[URL, (2, 10_000, 0, true)]).budget("17.02").with_invalid_row();
    for _ in 0..20 {
        assert_eq!(sends(&rig.next_tick(&doubtful())).count(), 0);
    }
    let mut rig = Rig::with(Phase::ActiveGuarded, |numbers| {
        top_up(numbers);
        numbers.daily_budget = Some(money("10.15"));
    });
    let facts = |facts: Facts| facts.spend("22.00").urls(&[URL]).budget("42.00");
    rig.next_tick(&facts(running()));
    rig.confirm();
    for _ in 0..15 {
        let effects = rig.next_tick(&facts(stopped()));
        assert!(budgets(&effects).is_empty() || rig.phase() == ActiveGuarded, "{effects:#?}");
        if rig.phase() == ActiveGuarded {
            break;
        }
    }
    assert_eq!(rig.phase(), ActiveGuarded, "42.00 is enough and is left");
}

#[test]
fn a_campaign_that_was_started_after_the_wait_is_paused_and_waits_again() {
    let mut rig = Rig::with(Phase::Idle, top_up);
    let waited = TopUpWait { until: at("11:30:00"), is_paused: true };
    let stored = DayBudget { wait: Some(waited), ..DayBudget::new(rig.now.date_naive(), false) };
    rig.machine = rig.machine.having_budget(Some(stored), None);
    assert_eq!(sends(&rig.next_tick(&day(running()).spend("10.02"))).count(), 0, "no budget is set while it runs");
    let effects = rig.next_tick(&day(running()).spend("10.02"));
    assert_step("then", &rig, &effects, Some(ActionKind::Pause), CoolingDown);
    assert_eq!(rig.machine.phase().cooling_down_until(), Some(rig.now + Duration::minutes(10)));
}

#[test]
fn a_budget_that_the_ceiling_keeps_too_small_is_said() {
    let mut rig = topped_up();
    rig.next_tick(&day(stopped()).spend("10.02").budget("17.02"));
    rig.confirm();
    let seen = running().spend("50.00").urls(&[URL, (2, 10_000, 0, true)]).budget("60.00");
    let mut said = 0;
    for _ in 0..15 {
        let effects = rig.next_tick(&seen);
        assert_eq!(sends(&effects).count(), 0);
        said += notes(&effects, |note| matches!(note, Note::TopUpRefused(why) if why.contains("allows no more")));
    }
    assert_eq!(said, 1);
}
