//! The account that all campaigns share: its token, its request limit, the pages of its list. Also how the guard
//! detects another guard on the same account, and where it reports that.

use std::time::Duration;

use sandbox::{CampaignSpec, Fault, FaultKind, Operation, Options, RequestRecord, RetryAfter};

use crate::helper::{Config, Outcome, World, assert_says, in_parallel};

const ID: i64 = 995_224;
const ANOTHER_GUARD: &str = "another program like this one works on this account";

#[test]
fn a_revoked_token_is_renewed_once_and_the_request_repeated() {
    let mut world = World::new();
    for id in 995_001..=995_003 {
        world.add(CampaignSpec::running(id), 20_000);
    }
    world.wait_for_state(995_003, "active-guarded");
    assert_eq!(world.sandbox.count(Operation::Token), 1, "one token serves every request");

    let before = world.sandbox.requests().len();
    world.sandbox.revoke_tokens();
    world.let_ticks_pass(3);
    assert_eq!(world.sandbox.count(Operation::Token), 2);
    let requests = world.sandbox.requests();
    let refused: Vec<&RequestRecord> = requests.iter().skip(before).filter(|one| one.status == Some(401)).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    let mut later = requests.iter().filter(|one| one.sequence > refused[0].sequence);
    let repeated = later.find(|one| one.operation != Operation::Token).unwrap();
    assert_eq!((&repeated.path, &repeated.query, repeated.status), (&refused[0].path, &refused[0].query, Some(200)));
    for id in 995_001..=995_003 {
        assert_eq!(world.campaign(id).text("/last_error"), "");
        assert_eq!(world.outcome(id), Outcome::new("active-guarded", &[], &[]));
    }
}

#[test]
fn a_wrong_api_key_starts_nothing_and_is_never_shown() {
    let options = Options { api_key: "another-key".to_owned(), ..Options::default() };
    let mut world = World::with(Config::default(), options);
    world.add(CampaignSpec::paused(ID), 20_000);
    let campaign = world.wait_until(ID, "an error", |campaign| !campaign.text("/last_error").is_empty());
    assert!(campaign.text("/last_error").contains("refuses the API key"), "{campaign}");
    world.expect(ID, &Outcome::new("idle", &[], &[]));
    assert!(!world.guard.log().contains("sandbox-api-key"));
    assert!(!campaign.to_string().contains("sandbox-api-key"));
}

#[test]
fn after_a_429_no_request_is_sent_before_the_named_time() {
    in_parallel([RetryAfter::Seconds, RetryAfter::HttpDate], |retry_after| {
        let window = Duration::from_secs(2);
        let options = Options { requests_per_minute: 5, rate_window: window, retry_after, ..Options::default() };
        let mut world = World::with(Config::default(), options);
        world.add(CampaignSpec::running(ID), 20_000);
        // The check below needs two 429s: the second one comes late enough only if the guard waited after the first.
        world.wait_for("two answers of 429", |world| {
            let count = world.sandbox.too_many_requests();
            if count >= 2 { Ok(()) } else { Err(format!("there are {count}")) }
        });
        let requests = world.sandbox.requests();
        for (index, refused) in requests.iter().enumerate().filter(|(_, one)| one.status == Some(429)) {
            let let_in = requests[..index].iter().filter(|one| one.status != Some(429));
            let oldest = let_in.map(|one| one.received_at).find(|at| *at + window > refused.received_at).unwrap();
            let Some(next) = requests.get(index + 1) else { continue };
            assert!(next.received_at >= oldest + window, "{refused:?} was followed by {next:?}");
        }
        world.wait_for_state(ID, "active-guarded");
    });
}

#[test]
fn sixty_campaigns_on_pages_of_ten_are_each_decided_by_their_own_facts() {
    // An action whose requests were not sent by the next tick begins again. On a busy machine, sixty campaigns take
    // longer than the usual tick of a test.
    let mut world = World::configured(Config::default().generator("cooldown", "10m").generator("tick", "1s"));
    let ids: Vec<i64> = (995_001..=995_060).collect();
    world.add_all(ids.iter().map(|id| match id % 3 {
        0 => (CampaignSpec::paused(*id), 20_000),
        1 => (CampaignSpec::running(*id), 1_000),
        _ => (CampaignSpec::running(*id), 20_000),
    }));
    let outcomes = ids.iter().map(|id| match id % 3 {
        0 => (*id, "to run", Outcome::activated()),
        1 => (*id, "to be paused", Outcome::paused()),
        _ => (*id, "as it should be", Outcome::new("active-guarded", &[], &[])),
    });
    world.expect_all(&outcomes.collect::<Vec<_>>());

    let count = |operation| world.sandbox.count(operation);
    assert!(count(Operation::Campaigns) >= 6, "the list has six pages");
    assert!(count(Operation::Pause) <= 15, "{} requests paused 20 campaigns", count(Operation::Pause));
    assert!(count(Operation::Run) <= 15, "{} requests ran 20 campaigns", count(Operation::Run));
    assert_eq!(world.sandbox.too_many_requests(), 0);
}

/// Waits until health reports another guard. Checks that `explain` reports it with this evidence, and that it is logged
/// once.
fn expect_report(world: &mut World, evidence: &str) {
    world.wait_for("health to report another guard", |world| {
        let health = world.guard.get("/v1/health");
        let is_reported = health.text.contains("another-guard") && health.text.contains(ANOTHER_GUARD);
        if is_reported && health.status == 503 { Ok(()) } else { Err(health.text) }
    });
    assert_says(&world.done(&["explain", "1"]), &[ANOTHER_GUARD, evidence]);
    world.let_ticks_pass(3);
    let log = world.guard.log();
    assert_eq!(log.matches(ANOTHER_GUARD).count(), 1, "one event: {log}");
}

#[test]
fn a_copy_with_an_older_database_is_detected_by_its_pauses_or_its_runs() {
    // In one of the two databases the clicks are used up.
    let cases = [
        (20_000, "active-guarded", 100, "as by a guard's pause"),
        (100, "paused-guarded", 20_000, "as by a guard's activation"),
    ];
    in_parallel(cases, |(clicks, state, older_clicks, evidence)| {
        let config = Config::default().generator("cooldown", "1s");
        let mut world = World::configured(config.clone());
        world.add(CampaignSpec::running(ID), clicks);
        world.wait_for_state(ID, state);
        let (mut copy, mut older) = world.another_guard(config);
        older.add_campaign(ID, older_clicks);
        older.enable(ID);
        copy.start();
        expect_report(&mut world, evidence);
        copy.kill();
    });
}

#[test]
fn the_second_429_below_the_guards_own_limit_is_taken_for_another_guard() {
    let mut world = World::new();
    world.add_guarded(ID);
    let too_many = FaultKind::TooManyRequests { wait: Duration::from_millis(100), form: RetryAfter::Missing };
    world.sandbox.inject(Fault::always(too_many).times(1));
    world.wait_for("the guard to be blocked by the first 429", |world| {
        let until = world.guard.state()["trafficstar"]["blocked_until"].clone();
        if until.is_null() { Err("it is not blocked".to_owned()) } else { Ok(()) }
    });
    assert!(!world.guard.log().contains(ANOTHER_GUARD));
    // A 429 that names no time blocks the guard's requests for a minute. A restart ends that, so that the test need not
    // wait.
    world.guard.stop();
    world.start();
    let again = FaultKind::TooManyRequests { wait: Duration::from_secs(1), form: RetryAfter::Seconds };
    world.sandbox.inject(Fault::always(again).times(2));
    expect_report(&mut world, "429");
}
