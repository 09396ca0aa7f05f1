//! Changes that fail. If the answer does not say whether the change was made, the guard reads the campaign back before
//! it sends anything again.

use sandbox::{CampaignSpec, Fault, FaultKind, Interference, Operation, RequestRecord};

use super::{Change, Elsewhere, Failure, TOO_LONG, config, failures};
use crate::helper::{ACTIVATION, Outcome, PAUSE, World, Write, in_parallel};

const TO_RUN: i64 = 995_001;
const TO_PAUSE: i64 = 995_002;
const WITHOUT_END_TIME: i64 = 995_003;

/// Long enough for all requests of an activation on a busy machine.
const LONG_TICK: &str = "1s";

const ACTIVATED: &str = "activate by tick: confirmed, idle → active-guarded";
const NOT_ACTIVATED: &str = "activate by tick: failed, idle → active-guarded";
const PAUSED: &str = "pause by tick: confirmed, idle → cooling-down";
const NOT_PAUSED: &str = "pause by tick: failed, idle → cooling-down";
const PAUSED_AT_LAST: &str = "pause by recovery: confirmed, cooling-down → cooling-down";

/// Returns the expected outcome for each of the three campaigns, whose run, pause or end time fails once in this way.
fn expected(change: Change) -> [Outcome; 3] {
    let end_time_fails = Outcome::new("active-guarded", &[Write::EndAtDayEnd], &[NOT_ACTIVATED]);
    match change {
        Change::Made => [
            Outcome::new("active-guarded", &ACTIVATION, &[ACTIVATED]),
            Outcome::new("cooling-down", &PAUSE, &[PAUSED]),
            end_time_fails,
        ],
        Change::Repeated => [
            Outcome::new("active-guarded", &[Write::EndAtDayEnd, Write::Run, Write::Run], &[ACTIVATED]),
            Outcome::new("cooling-down", &[vec![Write::Pause], PAUSE.to_vec()].concat(), &[PAUSED]),
            end_time_fails,
        ],
        Change::Refused | Change::Lost => [
            Outcome::new("active-guarded", &ACTIVATION, &[NOT_ACTIVATED]),
            Outcome::new("cooling-down", &[vec![Write::Pause], PAUSE.to_vec()].concat(), &[NOT_PAUSED, PAUSED_AT_LAST]),
            end_time_fails,
        ],
    }
}

/// Whether a campaign was read between two requests.
fn read_between(requests: &[RequestRecord], id: i64, first: &RequestRecord, second: &RequestRecord) -> bool {
    requests.iter().any(|request| {
        request.sequence > first.sequence
            && request.sequence < second.sequence
            && (request.operation == Operation::Campaigns
                || request.operation == Operation::Campaign && request.campaign_ids == [id])
    })
}

fn try_one(Failure { name, kind, change, words }: &Failure) {
    let mut world = World::configured(config().generator("tick", LONG_TICK));
    for (operation, id) in [(Operation::Run, TO_RUN), (Operation::Pause, TO_PAUSE), (Operation::Edit, WITHOUT_END_TIME)]
    {
        world.sandbox.inject(Fault::always(kind.clone()).on(operation).campaign(id).times(1));
    }
    world.add(CampaignSpec::paused(TO_RUN), 20_000);
    world.add(CampaignSpec::running(TO_PAUSE), 1_000);
    world.add(CampaignSpec::paused(WITHOUT_END_TIME), 20_000);
    let [run, pause, end_time] = expected(*change);
    world.expect_all(&[(TO_RUN, name, run), (TO_PAUSE, name, pause), (WITHOUT_END_TIME, name, end_time)]);

    let running = [TO_RUN, TO_PAUSE, WITHOUT_END_TIME].map(|id| world.sandbox.is_running(id));
    assert_eq!(running, [[Change::Made, Change::Repeated].contains(change), false, false], "{name}");
    assert!(world.guard.log().contains(words), "{name}: {words}");
    let journalled = &world.database.journal(WITHOUT_END_TIME)[0];
    let error = journalled.error.clone().unwrap_or_default();
    assert!(error.contains("its end time could not be set") && error.contains(words), "{name}: {error}");
    let requests = world.sandbox.requests();
    let pauses: Vec<_> = requests.iter().filter(|request| request.operation == Operation::Pause).collect();
    if let [first, second, ..] = pauses[..]
        && *change != Change::Repeated
    {
        assert!(read_between(&requests, TO_PAUSE, first, second), "{name}: it was repeated without a read in between");
    }
}

/// Tries every failure that has one of these effects.
fn try_all(changes: &[Change]) {
    let elsewhere = Elsewhere::new();
    let failures = failures(&elsewhere).into_iter().filter(|failure| changes.contains(&failure.change));
    in_parallel(failures, |failure| try_one(&failure));
    elsewhere.assert_no_connection();
}

#[test]
fn a_change_without_a_whole_answer_is_read_back_and_not_repeated() {
    try_all(&[Change::Made]);
}

#[test]
fn a_change_that_was_not_made_is_sent_again_only_after_a_read_shows_that() {
    try_all(&[Change::Refused, Change::Lost]);
}

#[test]
fn a_change_that_is_refused_or_fails_at_trafficstars_is_sent_again_once_at_once() {
    try_all(&[Change::Repeated]);
}

#[test]
fn the_guard_waits_for_the_effect_of_a_change_that_timed_out() {
    let mut world = World::configured(config().set("trafficstar", "confirm_within", "8s"));
    for operation in [Operation::Run, Operation::Pause] {
        world.sandbox.inject(Fault::always(FaultKind::DelayBeforeEffect(TOO_LONG)).on(operation).times(1));
    }
    world.add(CampaignSpec::paused(TO_RUN), 20_000);
    world.add(CampaignSpec::running(TO_PAUSE), 1_000);
    world.expect_all(&[
        (TO_RUN, "the run", Outcome::new("active-guarded", &ACTIVATION, &[ACTIVATED])),
        (TO_PAUSE, "the pause", Outcome::new("cooling-down", &PAUSE, &[PAUSED])),
    ]);
    assert!(!world.guard.log().contains("somebody else"), "a late effect was taken for another program's action");
}

#[test]
fn after_a_lost_answer_for_many_campaigns_each_of_them_is_read_back() {
    let mut world = World::configured(config());
    world.sandbox.inject(Fault::always(FaultKind::LoseAnswer).on(Operation::Pause).times(1));
    let ids: Vec<i64> = (995_001..=995_030).collect();
    world.add_all(ids.iter().map(|id| (CampaignSpec::running(*id), 1_000)));
    let paused = ids.iter().map(|id| (*id, "the pause", Outcome::new("cooling-down", &PAUSE, &[PAUSED])));
    world.expect_all(&paused.collect::<Vec<_>>());
}

#[test]
fn a_blocked_campaign_is_still_read_and_gets_no_request_until_it_is_unblocked() {
    let mut world = World::configured(config());
    world.add_guarded(TO_RUN);
    world.change_at_once(|world| {
        world.sandbox.interfere(TO_RUN, Interference::SetNoFunds(true)).unwrap();
        world.sandbox.interfere(TO_RUN, Interference::Stop).unwrap();
    });
    world.wait_until(TO_RUN, "blocked", |campaign| campaign.text("/observed/status") == "blocked");
    let before = world.sandbox.requests().len();
    let ticks = world.campaign(TO_RUN).ticks();
    world.let_ticks_pass(4);
    let passed = world.campaign(TO_RUN).ticks() - ticks + 2;
    let sent = world.sandbox.requests().split_off(before);
    assert!(sent.iter().all(|request| !request.operation.is_change()), "{sent:?}");
    // Each tick reads the status once and the spend once.
    assert!(sent.len() as u64 <= 2 * passed, "{} requests in {passed} ticks", sent.len());
    world.sandbox.interfere(TO_RUN, Interference::SetNoFunds(false)).unwrap();
    world.wait_for_writes(TO_RUN, &ACTIVATION);
}

#[test]
fn a_run_that_is_always_refused_is_not_sent_at_every_tick_but_a_pause_is() {
    let mut world = World::configured(config().generator("tick", LONG_TICK));
    for operation in [Operation::Run, Operation::Pause] {
        world.sandbox.inject(Fault::always(FaultKind::FailedInside200).on(operation));
    }
    world.add(CampaignSpec::paused(TO_RUN), 20_000);
    world.add(CampaignSpec::running(TO_PAUSE), 1_000);
    world.wait_for_writes(TO_PAUSE, &[Write::Pause; 4]);
    assert_eq!(world.writes(TO_RUN), ACTIVATION);
    world.sandbox.clear_faults();
    world.wait_for_step(TO_PAUSE, "confirmed");
    assert!(!world.sandbox.is_running(TO_PAUSE));
}
