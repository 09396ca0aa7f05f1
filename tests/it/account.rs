//! The account that all campaigns share: its token, its rate limit, its pages.

use std::time::Duration;

use sandbox::{CampaignSpec, Operation, Options, RequestRecord, RetryAfter};

use crate::helper::{Config, Outcome, World, in_parallel};

const ID: i64 = 995_224;

fn tokens(world: &World) -> usize {
    world.sandbox.requests().iter().filter(|request| request.operation == Operation::Token).count()
}

#[test]
fn a_revoked_token_is_renewed_once_and_the_request_repeated() {
    let mut world = World::new();
    for id in 995_001..=995_003 {
        world.add(CampaignSpec::running(id), 20_000);
    }
    world.wait_for_state(995_003, "active-guarded");
    assert_eq!(tokens(&world), 1, "one token serves every request");

    let before = world.sandbox.requests().len();
    world.sandbox.revoke_tokens();
    world.let_ticks_pass(3);
    assert_eq!(tokens(&world), 2);
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
fn a_wrong_api_key_starts_nothing_and_is_never_told() {
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
fn after_a_429_no_request_leaves_before_its_time_has_come() {
    in_parallel([RetryAfter::Seconds, RetryAfter::HttpDate], |retry_after| {
        let window = Duration::from_secs(2);
        let options = Options { requests_per_minute: 5, rate_window: window, retry_after, ..Options::default() };
        let mut world = World::with(Config::default(), options);
        world.add(CampaignSpec::running(ID), 20_000);
        // Two 429 are far enough apart only if the first was heeded.
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
fn sixty_campaigns_on_pages_of_ten_are_each_treated_by_their_own_facts() {
    // What has not left by the next tick begins anew: on a busy machine sixty take longer than a test's usual tick.
    let mut world = World::configured(Config::default().generator("cooldown", "10m").generator("tick", "1s"));
    let ids: Vec<i64> = (995_001..=995_060).collect();
    for id in &ids {
        let (spec, clicks) = match id % 3 {
            0 => (CampaignSpec::paused(*id), 20_000),
            1 => (CampaignSpec::running(*id), 1_000),
            _ => (CampaignSpec::running(*id), 20_000),
        };
        world.sandbox.add_campaign(spec);
        world.database.add_campaign(*id, clicks);
    }
    world.database.execute("UPDATE campaigns SET generator_enabled = 1");
    let outcomes = ids.iter().map(|id| match id % 3 {
        0 => (*id, "to run", Outcome::activated()),
        1 => (*id, "to be paused", Outcome::paused()),
        _ => (*id, "as it should be", Outcome::new("active-guarded", &[], &[])),
    });
    world.expect_all(&outcomes.collect::<Vec<_>>());

    let requests = world.sandbox.requests();
    let count = |operation| requests.iter().filter(|request| request.operation == operation).count();
    assert!(count(Operation::Campaigns) >= 6, "the list has six pages");
    assert!(count(Operation::Pause) <= 15, "{} requests paused 20 campaigns", count(Operation::Pause));
    assert!(count(Operation::Run) <= 15, "{} requests ran 20 campaigns", count(Operation::Run));
    assert_eq!(world.sandbox.too_many_requests(), 0);
}
