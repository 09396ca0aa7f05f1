//! One log that holds and one that does not, for each rule.

use chrono::Duration;
use traffic_generator::domain::action::{ActionKind, Outcome, Step, Trigger};
use traffic_generator::domain::event::{Effect, Event};
use traffic_generator::domain::phase::Phase;
use traffic_generator::trafficstar::budget::{Ticket, Urgency};

use super::story::*;
use crate::model::log::What;
use crate::model::remote::Call;

const ACTIVE: Phase = Phase::ActiveGuarded;
const PAUSED: Phase = Phase::PausedGuarded;

#[test]
fn an_activation_by_the_book_breaks_no_rule() {
    let mut story = Story::new(Phase::Idle);
    story.tick("12:00:00", &stopped(), vec![], Phase::Idle).activates("12:01:00");
    story.tick("12:02:00", &running(), vec![], ACTIVE).holds();
}

#[test]
fn a_pause_by_the_book_breaks_no_rule() {
    let mut story = Story::new(ACTIVE);
    story.pauses("12:00:00").later(800).read_back(&stopped(), Some(Step::Confirmed));
    story.tick("12:01:00", &stopped(), vec![], cooling_until("12:02:00.1"));
    story.tick("12:02:00", &stopped(), vec![], cooling_until("12:02:00.1"));
    let stores = vec![story.record(PAUSED, None)];
    story.tick("12:02:00.1", &stopped(), stores, PAUSED);
    story.tick("12:03:00", &stopped(), vec![], PAUSED).holds();
}

#[test]
fn what_is_unknown_starts_nothing() {
    for (facts, all) in [
        (stopped().clicks(20_000).spend_unknown(), false),
        (stopped().clicks_unknown(), false),
        (unread().clicks(20_000), true),
    ] {
        let mut story = Story::new(Phase::Idle);
        let effects = story.send(ActionKind::Activate, Trigger::Tick, ACTIVE);
        story.tick("12:00:00", &facts, effects, ACTIVE);
        let needless = all.then_some("undisturbed-costs-nothing");
        let broken: Vec<&str> = ["unknown-starts-nothing", "as-the-table-says"].into_iter().chain(needless).collect();
        story.breaks(&broken);
    }
}

#[test]
fn nothing_is_started_past_the_day_end() {
    let mut story = Story::new(Phase::Idle);
    story.at("23:59:00");
    story.say(What::Started { campaigns: vec![story.restored()] });
    let effects = story.send(ActionKind::Activate, Trigger::Tick, ACTIVE);
    story.tick("23:59:00", &stopped().clicks(20_000), effects, ACTIVE);
    story.breaks(&["nothing-started-while-held-back", "as-the-table-says"]);
}

#[test]
fn a_limit_off_by_one_does_not_fit_the_table() {
    let mut story = Story::new(ACTIVE);
    story.tick("12:00:00", &running().clicks(5_000), vec![], ACTIVE);
    story.breaks(&["as-the-table-says", "may-run-is-paused"]);
    let mut story = Story::new(ACTIVE);
    story.tick("12:00:00", &running().clicks(5_001), vec![], ACTIVE).holds();
}

#[test]
fn a_stale_answer_decides_nothing() {
    let mut story = Story::new(ACTIVE);
    let tick = story.begin_tick();
    story.answer_tick(tick, &running(), vec![], ACTIVE);
    let effects = story.send(ActionKind::Pause, Trigger::Tick, cooling_until("12:02:00"));
    story.answer_tick(tick, &running().clicks(1), effects, cooling_until("12:02:00"));
    story.breaks(&["as-the-table-says"]);
}

#[test]
fn an_end_time_comes_before_its_run() {
    let mut story = Story::new(Phase::Idle);
    let effects = story.send(ActionKind::Activate, Trigger::Tick, ACTIVE);
    story.tick("12:00:00", &stopped().clicks(20_000), effects, ACTIVE);
    story.request(Call::Run([REMOTE].into())).breaks(&["end-time-before-run"]);
}

#[test]
fn what_is_confirmed_was_read_after_its_answer_and_shows_it() {
    let mut story = Story::new(ACTIVE);
    story.pauses("12:00:00").later(800).read_back(&running(), Some(Step::Confirmed)).breaks(&["confirmed-by-a-read"]);

    let mut story = Story::new(ACTIVE);
    story.pauses("12:00:00").later(800).read_back(&running(), Some(Step::Failed)).breaks(&["confirmed-by-a-read"]);

    let mut story = Story::new(ACTIVE);
    story.pauses("12:00:00").later(800).read_back(&running(), None).later(30_000);
    story.read_back(&running(), Some(Step::Failed)).holds();
}

#[test]
fn a_cached_status_does_not_count() {
    let mut story = Story::new(ACTIVE);
    let facts = Facts { cached: Some(Duration::milliseconds(1)), ..running() };
    story.tick("12:00:00", &facts, vec![], ACTIVE).breaks(&["no-cached-status"]);
}

#[test]
fn pauses_overtake_and_leave_within_a_tick() {
    let mut story = Story::new(ACTIVE);
    let effects = story.send(ActionKind::Pause, Trigger::Tick, cooling_until("12:02:00"));
    story.tick("12:00:00", &running().clicks(5_000), effects, cooling_until("12:02:00"));
    let pause = story.queue(Call::Pause([REMOTE].into()));
    let mut slow = story.clone();
    let read = story.queue(Call::Campaign(REMOTE));
    story.leave(read).leave(pause).breaks(&["pauses-overtake"]);
    slow.later(108_000).leave(pause).breaks(&["pause-within-one-tick"]);
}

/// A run that nobody asked for leaves after its tick has begun: alone, or with a read that may be for it.
#[test]
fn what_a_pause_needs_is_not_read_last() {
    let for_nobody = "undisturbed-costs-nothing";
    for (other, broken) in [(None, &["needed-reads-are-not-last", for_nobody][..]), (Some(REMOTE), &[for_nobody][..])] {
        let mut story = Story::new(ACTIVE);
        story.tick("12:00:00", &running(), vec![], ACTIVE).at("12:01:00");
        let operation = story.begin_tick();
        story.later(3_000);
        if let Some(other) = other {
            let read = story.queue(Call::Campaign(other));
            story.leave(read);
        }
        let (ticket, call) = (Ticket(9), Call::Run([REMOTE].into()));
        story.say(What::AtTheGate { ticket, urgency: Urgency::Activate, call, carries: Vec::new() }).leave(ticket);
        story.later(3_000);
        let cooling = cooling_until("12:03:06");
        let effects = story.send(ActionKind::Pause, Trigger::Tick, cooling);
        story.answer_tick(operation, &running().clicks(5_000), effects, cooling).breaks(broken);
    }
}

#[test]
fn the_limit_holds_in_every_window() {
    for (every_ms, broken) in [(12_000, &[][..]), (11_999, &["limit-of-requests"][..])] {
        let mut story = Story::new(ACTIVE);
        for _ in 0..6 {
            let ticket = story.queue(Call::Campaign(REMOTE));
            story.leave(ticket);
            story.say(What::Arrived { ticket, call: Call::Campaign(REMOTE), refused: false }).later(every_ms);
        }
        story.breaks(broken);
    }
}

#[test]
fn one_action_at_a_time() {
    let mut story = Story::new(ACTIVE);
    story.pauses("12:00:00").at("12:00:20").read_back(&running(), None).at("12:01:00");
    let effects = story.send(ActionKind::Pause, Trigger::Guard, cooling_until("12:03:00"));
    story.tick("12:01:00", &running(), effects, cooling_until("12:03:00"));
    story.breaks(&["one-action-in-flight", "as-the-table-says", "confirmed-by-a-read"]);
}

#[test]
fn an_undisturbed_promise_costs_no_write() {
    let mut story = Story::new(PAUSED);
    let effects = story.send(ActionKind::Pause, Trigger::Guard, cooling_until("12:02:00"));
    story.tick("12:00:00", &stopped(), effects, cooling_until("12:02:00"));
    story.breaks(&["undisturbed-costs-nothing", "as-the-table-says"]);
}

#[test]
fn the_entry_is_stored_before_its_request_leaves() {
    let mut story = Story::new(ACTIVE);
    story.now = at("12:00:00");
    let effects = story.send(ActionKind::Pause, Trigger::Tick, cooling_until("12:02:00"));
    let tick = story.begin_tick();
    let event = story.seen(tick, &running().clicks(5_000));
    story.step_unstored(event, effects, cooling_until("12:02:00"));
    let mut away = story.clone();
    story.request(Call::Pause([REMOTE].into())).breaks(&["journal-before-sending"]);

    away.say(What::Database { away: true }).say(What::NotStored { campaign: 0 });
    let action = away.action.as_ref().unwrap().id;
    away.step_unstored(Event::SentUnstored { action }, vec![], cooling_until("12:02:00"));
    away.request(Call::Pause([REMOTE].into())).holds();
    let mut unmarked = away.clone();
    unmarked.say(What::Database { away: false }).applied(Outcome::Accepted, cooling_until("12:02:00.1"));
    unmarked.breaks(&["journal-before-sending"]);
    away.action.as_mut().unwrap().late = true;
    away.say(What::Database { away: false }).applied(Outcome::Accepted, cooling_until("12:02:00.1")).holds();
}

#[test]
fn a_crash_loses_nothing() {
    let story = || {
        let mut story = Story::new(ACTIVE);
        story.pauses("12:00:00").say(What::Crashed);
        story.process = 2;
        story
    };
    let mut kept = story();
    let restored = kept.restored();
    let unfinished = kept.action.clone();
    kept.say(What::Started { campaigns: vec![crate::model::log::Restored { unfinished, ..restored.clone() }] }).holds();

    let mut lost = story();
    lost.say(What::Started { campaigns: vec![restored.clone()] }).breaks(&["crash-loses-nothing"]);

    let mut moved = story();
    moved.phase = cooling_until("12:02:01");
    let unfinished = moved.action.clone();
    let restored = moved.restored();
    moved.say(What::Started { campaigns: vec![crate::model::log::Restored { unfinished, ..restored }] });
    moved.breaks(&["crash-loses-nothing"]);
}

#[test]
fn a_state_that_is_not_stored_would_be_lost() {
    let mut story = Story::new(Phase::Idle);
    story.tick("12:00:00", &running().clicks(20_000), vec![], ACTIVE).breaks(&["crash-loses-nothing"]);
}

#[test]
fn the_cool_down_is_kept() {
    let mut story = Story::new(cooling_until("12:01:30"));
    let stores = vec![story.record(PAUSED, None)];
    story.tick("12:01:00", &stopped(), stores, PAUSED);
    story.breaks(&["cool-down-is-kept", "as-the-table-says", "tick-at-the-grid"]);
}

#[test]
fn ticks_come_at_the_grid_and_do_not_overlap() {
    let mut story = Story::new(ACTIVE);
    story.tick("12:00:00", &running(), vec![], ACTIVE);
    let mut late = story.clone();
    story.tick("12:00:31", &running(), vec![], ACTIVE).breaks(&["tick-at-the-grid"]);
    late.tick("12:02:00", &running(), vec![], ACTIVE).breaks(&["tick-at-the-grid"]);

    let mut story = Story::new(ACTIVE);
    story.begin_tick();
    story.at("12:01:00").begin_tick();
    story.breaks(&["tick-at-the-grid"]);
}

#[test]
fn a_hold_sends_nothing_and_with_pause_keeps_paused() {
    use traffic_generator::domain::order::{HoldChange, OrderId};
    for (pause, sends, broken) in [
        (false, false, &[][..]),
        (false, true, &["hold-sends-nothing", "as-the-table-says"][..]),
        (true, true, &[][..]),
        (true, false, &["as-the-table-says", "may-run-is-paused"][..]),
    ] {
        let mut story = Story::new(PAUSED);
        let hold = story.hold(pause);
        let event = Event::Hold { order: OrderId(1), hold: Some(hold.clone()) };
        let effects = vec![story.record_hold(HoldChange::Set(hold)), Effect::Held { order: OrderId(1) }];
        story.step(event, effects, PAUSED);
        let cooling = cooling_until("12:02:00");
        let effects = if sends { story.send(ActionKind::Pause, Trigger::Guard, cooling) } else { vec![] };
        let phase = if sends { cooling } else { PAUSED };
        story.tick("12:00:00", &running().clicks(1), effects, phase).breaks(broken);
    }
}

#[test]
fn what_is_blocked_is_told() {
    let mut story = Story::new(ACTIVE);
    story.tick("12:00:00", &blocked(), vec![], ACTIVE).breaks(&["blocked-is-told"]);
}

#[test]
fn the_limit_of_the_spend_is_marked() {
    let mut story = Story::new(ACTIVE);
    let stores = vec![story.record(Phase::Idle, None)];
    story.tick("12:00:00", &running().spent(10_000_000), stores, Phase::Idle);
    story.breaks(&["high-spend-is-marked", "unguarded-is-told"]);
}

#[test]
fn a_spend_is_what_its_sources_say() {
    let mut story = Story::new(ACTIVE);
    let facts = Facts { made: Some(Ok(0)), ..running().spend_unknown() };
    story.tick("12:00:00", &facts, vec![], ACTIVE).breaks(&["spend-by-its-sources"]);
}

#[test]
fn faults_cease_and_every_campaign_is_as_its_facts_demand() {
    for (runs, broken) in [(true, &[][..]), (false, &["liveness"][..])] {
        let mut story = Story::new(ACTIVE);
        story.say(What::Calm);
        for minute in 0..=45 {
            story.tick(&format!("12:{minute:02}:00"), &running().clicks(20_000), vec![], ACTIVE);
        }
        story.later(1_000).ends(runs, 20_000).breaks(broken);
    }
}

#[test]
fn one_that_is_released_sends_nothing() {
    let story = || {
        let mut story = Story::new(ACTIVE);
        let effects = vec![story.record(Phase::Idle, None), Effect::Released { stopped: false }];
        story.tick("12:00:00", &running(), vec![], ACTIVE).at("12:00:30");
        story.step(Event::Release { pause: false }, effects, Phase::Idle);
        story
    };
    story().holds();
    let mut story = story();
    let effects = story.send(ActionKind::Pause, Trigger::Tick, cooling_until("12:02:30"));
    story.step(Event::Wake, effects, cooling_until("12:02:30"));
    story.breaks(&["released-sends-nothing"]);
}

#[test]
fn enabling_starts_from_idle() {
    for (phase, broken) in [(Phase::Idle, &[][..]), (ACTIVE, &["enabled-starts-from-idle"][..])] {
        let mut story = Story::new(Phase::Idle);
        story.tick("12:00:00", &running(), vec![], Phase::Idle).say(What::Gone { campaign: 0 });
        story.phase = phase;
        let restored = story.restored();
        story.say(What::Enabled(restored)).breaks(broken);
    }
}

#[test]
fn an_activation_does_not_leave_on_old_facts() {
    for (waits_ms, broken) in [(60_000, &[][..]), (60_001, &["old-facts-start-nothing"][..])] {
        let mut story = Story::new(Phase::Idle);
        let effects = story.send(ActionKind::Activate, Trigger::Tick, ACTIVE);
        story.tick("12:00:00", &stopped().clicks(20_000), effects, ACTIVE);
        let end_time = story.end_time();
        let ticket = story.queue(end_time);
        story.later(waits_ms).leave(ticket).breaks(broken);
    }
}

#[test]
fn a_process_that_is_gone_sends_nothing() {
    let mut story = Story::new(ACTIVE);
    let ticket = story.queue(Call::Campaign(REMOTE));
    story.say(What::Crashed).leave(ticket).breaks(&["one-supervisor"]);
}

/// It answers 404 at noon, and is taken for gone from that minute on.
fn gone_from(minute: i64) -> Story {
    let mut story = Story::new(PAUSED);
    for at in 0..minute {
        story.tick(&format!("12:{at:02}:00"), &missing(), vec![], PAUSED);
    }
    story.tick(&format!("12:{minute:02}:00"), &gone(), blocked_note(), PAUSED);
    story
}

#[test]
fn a_campaign_that_is_not_there_is_unknown_and_after_15_minutes_gone() {
    let breaks = &["gone-after-15-minutes"][..];
    for (minute, broken) in [(13, breaks), (15, &[][..]), (17, breaks)] {
        gone_from(minute).breaks(broken);
    }
}

#[test]
fn a_campaign_that_is_gone_is_read_every_15_minutes() {
    for (minutes, broken) in [(15, &[][..]), (5, &["gone-is-read-every-15-minutes"][..])] {
        let mut story = gone_from(15);
        for minute in 16..15 + minutes {
            story.at(&format!("12:{minute:02}:00"));
            let tick = story.begin_tick_unread();
            story.answer_tick(tick, &gone().unasked(), vec![], PAUSED);
        }
        story.tick(&format!("12:{:02}:00", 15 + minutes), &gone(), vec![], PAUSED).breaks(broken);
    }
}

#[test]
fn in_observe_mode_a_decision_is_journalled_and_nothing_is_sent() {
    use traffic_generator::domain::policy::Mode;
    let story = || Story::with(ACTIVE, |numbers| numbers.mode = Mode::Observe);
    let used_up = running().clicks(5_000);

    let mut journals = story();
    let effects = vec![journals.observed_only(ActionKind::Pause)];
    journals.tick("12:00:00", &used_up, effects, ACTIVE).tick("12:01:00", &used_up, vec![], ACTIVE).holds();

    story().tick("12:00:00", &used_up, vec![], ACTIVE).breaks(&["observed-only-is-journalled"]);

    let mut sends = story();
    let effects = sends.send(ActionKind::Pause, Trigger::Tick, cooling_until("12:02:00"));
    sends.tick("12:00:00", &used_up, effects, cooling_until("12:02:00"));
    sends.breaks(&["observe-mode-sends-nothing", "observed-only-is-journalled", "as-the-table-says"]);
}

#[test]
fn a_forced_pause_is_always_sent() {
    use traffic_generator::domain::order::{ForceFailure, ForceKind};
    let mut sent = Story::new(ACTIVE);
    let cooling = cooling_until("12:02:00");
    let effects = sent.send(ActionKind::Pause, Trigger::Force, cooling);
    let event = sent.force(ForceKind::Pause);
    sent.step(event, effects, cooling).holds();

    let mut refused = Story::new(ACTIVE);
    let result = Err(ForceFailure::NotNow { reason: "no".to_owned(), possible_at: None });
    let event = refused.force(ForceKind::Pause);
    refused.step(event, vec![refused.force_ended(result)], ACTIVE).breaks(&["forced-is-done-or-refused"]);
}

#[test]
fn a_forced_activation_asks_neither_spend_nor_clicks_and_waits_for_its_cool_down() {
    use traffic_generator::domain::order::ForceKind;
    for (phase, broken) in [
        (PAUSED, &[][..]),
        (cooling_until("12:01:00"), &["nothing-started-while-held-back", "as-the-table-says", "cool-down-is-kept"][..]),
    ] {
        let mut story = Story::new(phase);
        let event = story.force(ForceKind::Activate);
        story.step(event, vec![], phase);
        let effects = story.send(ActionKind::Activate, Trigger::Force, ACTIVE);
        story.tick("12:00:00", &stopped().clicks(1).spent(20_000_000), effects, ACTIVE);
        story.marks_high_spend().breaks(broken);
    }
}

#[test]
fn the_end_time_is_the_day_end_or_now() {
    let mut story = Story::new(ACTIVE);
    let mut effects = story.send(ActionKind::Pause, Trigger::Tick, cooling_until("12:02:00"));
    if let Some(Effect::Send(request)) = effects.last_mut() {
        request.end_time += Duration::minutes(1);
    }
    story.tick("12:00:00", &running().clicks(5_000), effects, cooling_until("12:02:00"));
    story.breaks(&["end-time-is-right"]);
}

#[test]
fn an_action_that_is_over_does_not_go_on() {
    let mut story = Story::new(ACTIVE);
    story.pauses("12:00:00").later(800).read_back(&stopped(), Some(Step::Confirmed));
    let phase = story.phase;
    let effects = vec![story.goes(Step::Accepted, phase)];
    story.step(Event::Wake, effects, phase).breaks(&["journal-steps"]);
}

#[test]
fn what_we_did_ourselves_is_nobodys_interference() {
    use crate::model::log::By;
    for (by, broken) in [(By::Others, &[][..]), (By::Guard, &["foreign-is-foreign"][..])] {
        let mut story = Story::new(PAUSED);
        for minute in 0..=20 {
            story.tick(&format!("12:{minute:02}:00"), &stopped(), vec![], PAUSED);
        }
        story.later(500).say(What::Switched { campaign: 0, runs: true, by });
        story.at("12:21:00");
        let cooling = cooling_until("12:23:00");
        let mut effects = story.send(ActionKind::Pause, Trigger::Guard, cooling);
        effects.push(foreign_note(true));
        story.tick("12:21:00", &running(), effects, cooling).breaks(broken);
    }
    let mut missed = Story::new(Phase::Idle);
    missed.tick("12:00:00", &stopped(), vec![], Phase::Idle).tick("12:01:00", &running(), vec![], Phase::Idle);
    missed.breaks(&["foreign-is-foreign"]);
}

#[test]
fn contested_is_said_after_the_seventh_change_in_an_hour() {
    for (changes, broken) in [(6, &["contested-is-counted"][..]), (7, &[][..])] {
        let mut story = Story::new(Phase::Idle);
        story.tick("12:00:00", &running(), vec![], Phase::Idle);
        for change in 1..=changes {
            let runs = change % 2 == 0;
            story.later(30_000).say(What::Switched { campaign: 0, runs, by: crate::model::log::By::Others });
            let mut effects = vec![foreign_note(runs)];
            effects.extend((change == changes).then(contested_note));
            let facts = if runs { running() } else { stopped() };
            story.tick(&format!("12:{change:02}:00"), &facts, effects, Phase::Idle);
        }
        story.breaks(broken);
    }
}

#[test]
fn a_failed_run_waits_one_minute_then_two() {
    let mut story = Story::new(Phase::Idle);
    let effects = story.send(ActionKind::Activate, Trigger::Tick, ACTIVE);
    story.tick("12:00:00", &stopped().clicks(20_000), effects, ACTIVE);
    story.later(100).applied(Outcome::Failed("no".to_owned()), ACTIVE);
    let mut hasty = story.clone();
    story.tick("12:01:00", &stopped().clicks(20_000), vec![], ACTIVE);
    story.at("12:02:00");
    let effects = story.send(ActionKind::Activate, Trigger::Recovery, ACTIVE);
    story.tick("12:02:00", &stopped().clicks(20_000), effects, ACTIVE).holds();

    hasty.at("12:01:00");
    let effects = hasty.send(ActionKind::Activate, Trigger::Recovery, ACTIVE);
    hasty.tick("12:01:00", &stopped().clicks(20_000), effects, ACTIVE).breaks(&["as-the-table-says"]);
}
