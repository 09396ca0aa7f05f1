//! Operators' orders: process, force, hold, release, and the hold on all.

use super::*;
use crate::domain::action::{Step, Trigger};
use crate::domain::order::{Force, ForceFailure, ForceKind, HoldChange, OrderId};
use crate::domain::outlook::Outlook;
use crate::domain::policy::Mode;
use crate::domain::status::Hold;
use crate::domain::trend::Intent;
use ActionKind::{Activate, Pause};
use PhaseWord::{ActiveGuarded, CoolingDown, Idle, PausedGuarded};

const ORDER: OrderId = OrderId(1);

fn force(kind: ForceKind) -> Force {
    Force {
        kind,
        trigger: Trigger::Force,
        reason: "an operator forced it".to_owned(),
        by: Some("1000 (alice)".to_owned()),
        unless_stopped: false,
        once: false,
    }
}

fn hold(pause: bool, until: Option<&str>) -> Hold {
    let by = Some("1000 (alice)".to_owned());
    Hold { reason: Some("new creatives".to_owned()), since: at("11:59:00"), until: until.map(at), by, pause }
}

impl Rig {
    fn force(&mut self, force: Force) -> Vec<Effect> {
        self.event(Event::Force { order: ORDER, force: Box::new(force) })
    }

    fn hold(&mut self, hold: Option<Hold>) -> Vec<Effect> {
        self.event(Event::Hold { order: ORDER, hold })
    }

    /// Runs the tick that an order has made due at once.
    #[track_caller]
    fn tick_at_once(&mut self, facts: &Facts) -> Vec<Effect> {
        assert!(self.machine.next_wake().is_some_and(|at| at <= self.now), "a tick is due at once");
        self.next_tick(facts)
    }
}

/// Returns the result of a forced action, if it has ended.
fn end_of_force(effects: &[Effect]) -> Option<Result<(), ForceFailure>> {
    effects.iter().find_map(|effect| {
        if let Effect::ForceEnded { order: ORDER, result } = effect { Some(result.clone()) } else { None }
    })
}

#[track_caller]
fn refusal(effects: &[Effect]) -> (String, Option<DateTime<Utc>>) {
    match end_of_force(effects) {
        Some(Err(ForceFailure::NotNow { reason, possible_at })) => (reason, possible_at),
        Some(Err(refusal @ ForceFailure::ObserveMode)) => (refusal.to_string(), None),
        other => panic!("it is not refused: {other:?}"),
    }
}

fn is_processed(effects: &[Effect]) -> bool {
    effects.contains(&Effect::Processed { order: ORDER })
}

fn is_held(effects: &[Effect]) -> bool {
    effects.contains(&Effect::Held { order: ORDER })
}

#[test]
fn an_order_to_process_ticks_at_once_and_is_answered_after_the_decision_is_stored() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped());
    rig.now = at("12:00:20");
    assert!(!is_processed(&rig.event(Event::Process { order: ORDER })));
    let effects = rig.tick_at_once(&stopped().clicks(20_000));
    assert_step("decided", &rig, &effects, Some(Activate), ActiveGuarded);
    let position = |wanted: &dyn Fn(&Effect) -> bool| effects.iter().position(wanted).unwrap();
    assert!(
        position(&|effect| matches!(effect, Effect::Store(_)))
            < position(&|effect| matches!(effect, Effect::Processed { .. }))
    );
    assert_eq!(rig.machine.next_tick_at(), at("12:01:00"));
}

#[test]
fn a_tick_that_began_before_the_order_does_not_count() {
    let mut rig = Rig::new(Phase::Idle);
    let tick = rig.begin_tick("12:00:00");
    rig.event(Event::Process { order: ORDER });
    assert!(!is_processed(&rig.observed(tick, &stopped())));
    assert!(is_processed(&rig.tick_at_once(&stopped())));
}

#[test]
fn an_order_to_process_reads_a_campaign_that_was_gone_again() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &gone());
    rig.event(Event::Process { order: ORDER });
    let effects = rig.wake();
    assert!(matches!(effects[..], [Effect::Observe { read_remote: true, .. }]), "{effects:?}");
}

#[test]
fn a_forced_activation_is_sent_without_regard_to_spend_and_clicks_and_is_guarded_afterwards() {
    let facts = [
        stopped().clicks(0),
        stopped().spend("99.00"),
        stopped().spend_unknown().clicks_unknown(),
        stopped().ends(at("11:00:00")),
    ];
    for facts in facts {
        for phase in [Phase::Idle, Phase::ActiveGuarded, Phase::PausedGuarded] {
            let mut rig = Rig::new(phase);
            assert_eq!(end_of_force(&rig.force(force(ForceKind::Activate))), None);
            let effects = rig.tick_at_once(&facts);
            assert_step(&format!("{phase:?} {facts:?}"), &rig, &effects, Some(Activate), ActiveGuarded);
            let record = records(&effects).next_back().unwrap();
            assert_eq!(record.entry.as_ref().unwrap().trigger, Trigger::Force);
            assert_eq!(record.by.as_deref(), Some("1000 (alice)"));
            assert_eq!(end_of_force(&effects), None, "answered after its effect");
            assert_eq!(end_of_force(&rig.confirm()), Some(Ok(())));
        }
    }
}

#[test]
fn a_forced_activation_of_a_running_campaign_sends_nothing_and_guards_it() {
    let mut rig = Rig::new(Phase::PausedGuarded);
    rig.force(force(ForceKind::Activate));
    let effects = rig.tick_at_once(&running().clicks(0));
    assert_step("adopted", &rig, &effects, None, ActiveGuarded);
    assert_eq!(end_of_force(&effects), Some(Ok(())));
}

#[test]
fn a_forced_activation_is_refused_with_the_time_from_which_it_is_possible() {
    let midnight = at("2026-11-23 00:00:00");
    let cases = [
        (Phase::CoolingDown { until: at("12:02:00") }, "12:00:00", None, Some(at("12:02:00")), "cools down"),
        (Phase::Idle, "23:59:00", None, Some(midnight), "midnight"),
        (Phase::Idle, "12:00:00", Some(hold(false, Some("14:00:00"))), Some(at("14:00:00")), "on hold"),
        (Phase::Idle, "12:00:00", Some(hold(false, None)), None, "on hold"),
    ];
    for (phase, now, hold, possible_at, reason) in cases {
        let mut rig = Rig::new(phase);
        rig.now = at(now);
        if hold.is_some() {
            rig.hold(hold);
        }
        let (said, at) = refusal(&rig.force(force(ForceKind::Activate)));
        assert!(said.contains(reason), "{said}");
        assert_eq!(at, possible_at, "{said}");
    }
    for (facts, reason) in [(blocked(), "will not run it"), (unread(), "unknown"), (unknown_word(true), "unknown")] {
        let mut rig = Rig::new(Phase::Idle);
        rig.force(force(ForceKind::Activate));
        let effects = rig.tick_at_once(&facts);
        assert_eq!(sends(&effects).count(), 0, "{facts:?}");
        assert!(refusal(&effects).0.contains(reason), "{facts:?}");
    }
    let mut rig = Rig::with(Phase::Idle, |numbers| numbers.mode = Mode::Observe);
    for kind in [ForceKind::Activate, ForceKind::Pause] {
        assert!(refusal(&rig.force(force(kind))).0.contains("observe mode"));
    }
}

#[test]
fn a_forced_pause_is_sent_at_once_and_without_a_read_in_every_state() {
    let phases = [Phase::Idle, Phase::ActiveGuarded, Phase::PausedGuarded, cooling_until("12:01:30")];
    for phase in phases {
        for held in [None, Some(hold(false, None))] {
            let mut rig = Rig::new(phase);
            rig.hold(held);
            rig.tick("12:00:00", &unread());
            let effects = rig.force(force(ForceKind::Pause));
            assert_step(&format!("{phase:?}"), &rig, &effects, Some(Pause), CoolingDown);
            assert_eq!(end_of_force(&rig.confirm()), Some(Ok(())));
            assert_eq!(rig.machine.phase(), cooling_until("12:02:00"));
        }
    }
}

#[test]
fn a_forced_pause_waits_for_an_activation_in_flight_and_overtakes_one_that_awaits_its_effect() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped().clicks(20_000));
    let effects = rig.force(force(ForceKind::Pause));
    assert_eq!(sends(&effects).count(), 0, "one action at a time");
    let effects = rig.applied(Outcome::Accepted);
    assert_step("its answer came", &rig, &effects, Some(Pause), CoolingDown);
    assert!(entries(&effects).any(|entry| entry.kind == Activate && entry.step == Step::Superseded));
}

#[test]
fn a_forced_pause_that_waits_is_not_sent_once_the_mode_is_observe() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped().clicks(20_000));
    rig.force(force(ForceKind::Pause));
    rig.policy = rig.policy.in_mode(Mode::Observe);
    let effects = rig.wake();
    assert!(refusal(&effects).0.contains("observe mode"));
    assert_eq!(sends(&[effects, rig.applied(Outcome::Accepted)].concat()).count(), 0);
}

/// It may owe an end time since an earlier adoption, for example.
#[test]
fn a_forced_activation_of_a_campaign_that_is_promised_to_run_leaves_its_owed_end_time() {
    let promise = Promise { phase: Phase::ActiveGuarded, since: at("11:00:00"), end_time_owed: true };
    let mut rig = Rig::from_record(at("12:00:00"), promise, None, |_| {});
    rig.force(force(ForceKind::Activate));
    let effects = rig.tick_at_once(&running().clicks(20_000));
    assert_eq!(end_of_force(&effects), Some(Ok(())));
    let effects = rig.next_tick(&running().clicks(20_000));
    assert_step("it has no end time yet", &rig, &effects, Some(ActionKind::SetEndTime), ActiveGuarded);
}

#[test]
fn a_forced_pause_waits_for_the_pause_that_is_under_way() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.tick("12:00:00", &running().clicks(0));
    let effects = rig.force(force(ForceKind::Pause));
    assert_eq!(sends(&effects).count(), 0);
    assert_eq!(end_of_force(&rig.confirm()), Some(Ok(())));
}

#[test]
fn a_forced_pause_is_sent_again_if_the_result_of_the_last_one_is_unknown() {
    let mut unclear = Rig::new(Phase::ActiveGuarded);
    unclear.tick("12:00:00", &running().clicks(0));
    unclear.applied(Outcome::Unclear("the answer was lost".to_owned()));
    let left_behind = |outcome: Option<Outcome>| {
        let mut rig = Rig::new(Phase::ActiveGuarded);
        let mut effects = rig.tick("12:00:00", &running().clicks(0));
        if let Some(outcome) = outcome {
            effects = rig.applied(outcome);
        }
        let record = records(&effects).next_back().unwrap();
        let unfinished = record.entry.clone().map(|entry| Action { id: ActionId(0), ..entry });
        Rig { machine: Machine::new(rig.now, &rig.policy, Some(record.promise), unfinished), ..rig }
    };
    let cases = [
        ("its answer was lost", unclear),
        ("an earlier process may have sent it", left_behind(None)),
        ("an earlier process sent it", left_behind(Some(Outcome::Accepted))),
    ];
    for (name, mut rig) in cases {
        let effects = rig.force(force(ForceKind::Pause));
        assert_step(name, &rig, &effects, Some(Pause), CoolingDown);
        assert!(entries(&effects).any(|entry| entry.kind == Pause && entry.step == Step::Superseded), "{name}");
    }
}

#[test]
fn a_forced_action_that_fails_says_so() {
    let mut rig = Rig::new(Phase::Idle);
    rig.force(force(ForceKind::Pause));
    let effects = rig.applied(Outcome::Failed("listed under failed".to_owned()));
    assert!(matches!(end_of_force(&effects), Some(Err(ForceFailure::Failed(reason))) if reason.contains("listed")));
}

#[test]
fn the_answer_to_a_force_warns_of_what_the_table_will_do_with_it() {
    let cases = [
        (ForceKind::Activate, stopped().clicks(0), Some("pauses it again")),
        (ForceKind::Activate, stopped().spend("10.00"), Some("nothing guards it")),
        (ForceKind::Activate, stopped().clicks(10_000), None),
        (ForceKind::Pause, running().clicks(20_000), Some("activated again")),
        (ForceKind::Pause, running().spend("10.00"), Some("nothing guards it")),
        (ForceKind::Pause, running().clicks(10_000), None),
    ];
    for (kind, facts, warning) in cases {
        let mut rig = Rig::new(Phase::PausedGuarded);
        rig.force(force(kind));
        if kind == ForceKind::Activate {
            rig.tick_at_once(&facts);
        } else {
            rig.tick("12:00:00", &facts);
        }
        let said = rig.machine.force_warning(rig.now, &rig.policy, kind);
        assert_eq!(said.is_some(), warning.is_some(), "{kind:?} {facts:?}: {said:?}");
        assert!(said.unwrap_or_default().contains(warning.unwrap_or_default()), "{kind:?} {facts:?}");
    }
}

#[test]
fn a_force_that_works_once_is_followed_to_its_end_and_nothing_is_guarded_afterwards() {
    let mut rig = Rig::new(Phase::Idle);
    rig.force(Force { once: true, ..force(ForceKind::Activate) });
    rig.event(Event::Disable { pause: false });
    let effects = rig.tick_at_once(&stopped().clicks(0));
    assert_step("once", &rig, &effects, Some(Activate), ActiveGuarded);
    let effects = rig.confirm();
    assert_eq!(end_of_force(&effects), Some(Ok(())));
    assert!(effects.contains(&Effect::Disabled { stopped: false }));
    assert_eq!(rig.phase(), Idle);
    let mut rig = Rig::new(Phase::Idle);
    rig.force(Force { once: true, ..force(ForceKind::Activate) });
    let effects = rig.tick_at_once(&blocked());
    refusal(&effects);
    assert!(effects.contains(&Effect::Disabled { stopped: false }), "refused, and its actor ends");
}

#[test]
fn on_hold_nothing_is_sent_and_all_facts_are_shown() {
    for phase in [Phase::Idle, Phase::ActiveGuarded, Phase::PausedGuarded, cooling_until("12:30:00")] {
        for facts in [stopped().clicks(20_000), running().clicks(0), stopped(), running(), running().spend("10.00")] {
            let mut rig = Rig::new(phase);
            assert!(is_held(&rig.hold(Some(hold(false, None)))));
            let effects = rig.tick("12:00:00", &facts);
            assert_step(&format!("{phase:?} {facts:?}"), &rig, &effects, None, phase.word());
            assert_eq!(rig.machine.high_spend(), facts.spend == Ok(money("10.00")), "flags are kept up to date");
            assert!(rig.machine.last_decision().unwrap().contains("1000 (alice): new creatives"));
        }
    }
}

#[test]
fn a_campaign_on_hold_that_runs_past_a_threshold_is_unguarded_unless_the_hold_pauses() {
    for (pause, facts, unguarded) in [
        (false, running().clicks(0), true),
        (false, running().spend("10.00"), true),
        (false, running(), false),
        (false, stopped().clicks(0), false),
        (true, running().clicks(0), false),
    ] {
        let mut rig = Rig::new(Phase::ActiveGuarded);
        rig.hold(Some(hold(pause, None)));
        let effects = rig.tick("12:00:00", &facts);
        assert_eq!(rig.machine.unguarded(), unguarded, "pause {pause}, {facts:?}");
        let noted = notes(&effects, |note| matches!(note, Note::Unguarded(why) if why.starts_with("it is on hold; ")));
        assert_eq!(noted, usize::from(unguarded), "pause {pause}, {facts:?}");
    }
}

#[test]
fn a_hold_is_answered_when_nothing_is_in_flight() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped().clicks(20_000));
    assert!(!is_held(&rig.hold(Some(hold(false, None)))));
    assert!(is_held(&rig.applied(Outcome::Accepted)));
}

#[test]
fn a_cool_down_that_ends_on_hold_becomes_paused_guarded_and_decides_nothing() {
    let mut rig = Rig::new(cooling_until("12:02:00"));
    rig.hold(Some(hold(false, None)));
    let effects = rig.tick("12:02:00", &stopped().clicks(20_000));
    assert_step("ended", &rig, &effects, None, PausedGuarded);
}

#[test]
fn a_hold_with_pause_keeps_the_campaign_paused() {
    let mut rig = Rig::new(Phase::ActiveGuarded);
    rig.hold(Some(hold(true, None)));
    let effects = rig.tick("12:00:00", &stopped().clicks(20_000));
    assert_step("stopped already", &rig, &effects, None, ActiveGuarded);
    for (time, facts) in [("12:01:00", running().clicks(20_000)), ("12:05:00", running().spend_unknown())] {
        let effects = rig.tick(time, &facts);
        assert_step(time, &rig, &effects, Some(Pause), CoolingDown);
        let record = records(&effects).next_back().unwrap();
        assert_eq!(record.by.as_deref(), Some("1000 (alice)"));
        rig.confirm();
    }
    assert!(is_held(&rig.hold(None)));
    let effects = rig.tick_at_once(&stopped().clicks(20_000));
    assert_step("released during its cool-down", &rig, &effects, None, CoolingDown);
}

#[test]
fn a_hold_is_stored_ends_by_itself_and_survives_a_restart() {
    let mut rig = Rig::new(Phase::Idle);
    let held = hold(false, Some("12:01:30"));
    let effects = rig.hold(Some(held.clone()));
    assert_eq!(records(&effects).next_back().unwrap().hold, HoldChange::Set(held.clone()));
    rig.machine = Machine::new(rig.now, &rig.policy, None, None).on_hold(Some(held.clone()), None);
    assert_eq!(rig.machine.hold(rig.now), Some(&held));
    rig.tick("12:01:00", &stopped().clicks(20_000));
    let effects = rig.tick("12:02:00", &stopped().clicks(20_000));
    assert!(records(&effects).any(|record| record.hold == HoldChange::Release));
    assert_step("the hold has expired", &rig, &effects, Some(Activate), ActiveGuarded);
}

#[test]
fn the_hold_on_all_counts_in_addition_to_the_campaigns_own_and_the_one_with_pause_wins() {
    let mut rig = Rig::new(Phase::Idle);
    rig.hold(Some(hold(false, None)));
    let all = Hold { reason: Some("wrong page".to_owned()), ..hold(true, None) };
    rig.event(Event::HoldAll(Some(all.clone())));
    assert_eq!(rig.machine.hold(rig.now), Some(&all));
    let effects = rig.tick("12:00:00", &running());
    assert_step("kept paused", &rig, &effects, Some(Pause), CoolingDown);
    rig.confirm();
    rig.event(Event::HoldAll(None));
    assert_eq!(rig.machine.hold(rig.now), Some(&hold(false, None)));
}

#[test]
fn observe_mode_sends_nothing_on_a_hold_with_pause_and_journals_it_once() {
    let mut rig = Rig::with(Phase::Idle, |numbers| numbers.mode = Mode::Observe);
    rig.event(Event::HoldAll(Some(hold(true, None))));
    for expected in [1, 0] {
        let effects = rig.next_tick(&running());
        assert_step("observe", &rig, &effects, None, Idle);
        assert_eq!(entries(&effects).filter(|entry| entry.step == Step::ObservedOnly).count(), expected);
    }
}

#[test]
fn an_order_reads_a_campaign_that_was_gone_again() {
    for kind in [ForceKind::Activate, ForceKind::Pause] {
        let mut rig = Rig::new(Phase::Idle);
        rig.tick("12:00:00", &gone());
        let effects = rig.force(Force { unless_stopped: true, ..force(kind) });
        assert_eq!(end_of_force(&effects), None, "an earlier 404 neither refuses nor fulfils the order");
        let effects = [effects, rig.wake()].concat();
        let reads = |effect: &Effect| matches!(effect, Effect::Observe { read_remote: true, .. });
        assert!(effects.iter().any(reads), "{kind:?}: {effects:?}");
    }
}

#[test]
fn a_pause_that_was_forced_behind_an_activation_is_sent_although_the_generator_is_disabled_meanwhile() {
    let mut rig = Rig::new(Phase::Idle);
    rig.tick("12:00:00", &stopped().clicks(20_000));
    rig.force(force(ForceKind::Pause));
    let effects = rig.event(Event::Disable { pause: false });
    assert_eq!(end_of_force(&effects), None, "it is still due");
    let effects = rig.applied(Outcome::Accepted);
    assert_step("the pause follows the activation", &rig, &effects, Some(Pause), CoolingDown);
    let effects = rig.confirm();
    assert_eq!(end_of_force(&effects), Some(Ok(())));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Disabled { .. })), "{effects:?}");
}

#[test]
fn a_campaign_counts_as_seen_stopped_only_if_it_was_read_stopped_and_may_not_be_started() {
    let seen = |phase, facts: Option<&Facts>| {
        let mut rig = Rig::new(phase);
        rig.now = at("12:00:00");
        facts.map(|facts| rig.tick("12:00:00", facts));
        rig.machine.is_seen_stopped(rig.now, &rig.policy)
    };
    let few = stopped().clicks(1_000);
    assert!(seen(Phase::PausedGuarded, Some(&few)) && seen(Phase::Idle, Some(&few)));
    assert!(!seen(Phase::PausedGuarded, None), "it was not read");
    assert!(!seen(Phase::Idle, Some(&stopped().clicks(20_000))), "its activation is in flight");
    assert!(!seen(Phase::Idle, Some(&running().clicks(20_000))));
    assert!(!seen(Phase::PausedGuarded, Some(&gone())), "a failed read proves nothing");
}

#[test]
fn the_outlook_after_a_release_is_what_the_table_decides() {
    let outlook = |phase, facts: &Facts| {
        let mut rig = Rig::new(phase);
        rig.event(Event::HoldAll(Some(hold(true, None))));
        rig.tick("12:00:00", facts);
        rig.event(Event::HoldAll(None));
        rig.machine.outlook(rig.now, &rig.policy)
    };
    let cooling = Phase::CoolingDown { until: at("12:01:00") };
    let spent = Facts { spend: Ok(money("10")), ..stopped().clicks(20_000) };
    let cases = [
        (cooling, stopped().clicks(20_000), Outlook::Starts),
        (cooling, stopped().clicks(10_000), Outlook::StaysStopped),
        (Phase::ActiveGuarded, stopped().clicks(10_000), Outlook::Starts),
        (Phase::PausedGuarded, spent, Outlook::LimitReached),
        (Phase::PausedGuarded, gone(), Outlook::Unknown),
    ];
    for (phase, facts, expected) in cases {
        assert_eq!(outlook(phase, &facts), expected, "{phase:?}, {facts:?}");
    }
    let mut rig = Rig::new(Phase::Idle);
    assert_eq!(rig.machine.outlook(at("12:00:00"), &rig.policy), Outlook::Unknown, "nothing was read");
    rig.tick("12:00:00", &running().clicks(20_000));
    assert_eq!(rig.machine.outlook(rig.now, &rig.policy), Outlook::Runs);
    rig.hold(Some(hold(false, None)));
    assert_eq!(rig.machine.outlook(rig.now, &rig.policy), Outlook::LeftAlone);
}

#[test]
fn a_campaign_on_hold_is_not_promised_to_run_while_the_hold_lasts() {
    let table = [
        (Phase::ActiveGuarded, None, Intent { promised_to_run: true, on_hold: false }),
        (Phase::PausedGuarded, None, Intent::default()),
        (Phase::ActiveGuarded, Some(hold(true, None)), Intent::default()),
        (Phase::ActiveGuarded, Some(hold(false, None)), Intent { promised_to_run: false, on_hold: true }),
        (Phase::ActiveGuarded, Some(hold(false, Some("11:59:00"))), Intent { promised_to_run: true, on_hold: false }),
    ];
    for (phase, hold, intent) in table {
        let mut rig = Rig::new(phase);
        rig.now = at("12:00:00");
        rig.machine = rig.machine.on_hold(hold.clone(), None);
        assert_eq!(rig.machine.intent(rig.now), intent, "{phase:?} {hold:?}");
    }
}
