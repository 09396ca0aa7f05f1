//! The token: refused, renewed once for all who wait, and not to be had.

use std::time::Duration;

use sandbox::{CampaignSpec, Fault, FaultKind, Interference, Operation, RetryAfter};
use serde_json::json;

use super::{Failure, config, try_each};
use crate::helper::{ACTIVATION, Outcome, World, Write, in_parallel};

const ID: i64 = 995_001;

fn unauthorized() -> FaultKind {
    FaultKind::Status { code: 401, body: String::new() }
}

fn tokens(world: &World) -> usize {
    world.sandbox.requests().iter().filter(|request| request.operation == Operation::Token).count()
}

/// Revokes the token. Each request that is refused for it is repeated, and one renewal serves all. Answers with how many.
fn revoke(world: &mut World) -> usize {
    let (last, tokens_before) = (world.sandbox.requests().len(), tokens(world));
    world.sandbox.revoke_tokens();
    world.let_ticks_pass(1);
    assert_eq!(tokens(world) - tokens_before, 1, "one renewal serves all");
    let sent = world.sandbox.requests().split_off(last);
    let refused: Vec<_> = sent.iter().filter(|request| request.status == Some(401)).collect();
    for refused in &refused {
        let mut later = sent.iter().filter(|request| request.sequence > refused.sequence);
        let again = later.find(|request| request.path == refused.path && request.query == refused.query).unwrap();
        assert_eq!(again.status, Some(200), "{refused:?} was followed by {again:?}");
    }
    refused.len()
}

#[test]
fn many_that_are_refused_at_once_share_one_renewal() {
    let mut world = World::configured(config());
    // Each on another page of the list of all: each is read by itself.
    let guarded: Vec<i64> = (ID..).step_by(15).take(20).collect();
    for id in ID..ID + 300 {
        world.sandbox.add_campaign(CampaignSpec::running(id));
    }
    for id in &guarded {
        world.database.add_campaign(*id, 20_000);
    }
    world.database.execute("UPDATE campaigns SET generator_enabled = 1");
    for id in &guarded {
        world.wait_for_state(*id, "active-guarded");
    }
    // A token that is revoked while the report is on its way alone is refused to one request.
    let refused_at_once = (0..20).map(|_| revoke(&mut world)).find(|refused| *refused >= 10);
    assert!(refused_at_once.is_some(), "several were never under way at once");
    for id in guarded {
        assert_eq!(world.campaign(id).text("/last_error"), "");
        assert_eq!(world.outcome(id), Outcome::new("active-guarded", &[], &[]));
    }
}

#[test]
fn a_change_that_is_refused_with_401_is_sent_once_more_with_a_new_token() {
    let activated = "activate by tick: confirmed, idle → active-guarded";
    let paused = "pause by tick: confirmed, idle → cooling-down";
    let run_again = [Write::EndAtDayEnd, Write::Run, Write::Run];
    let pause_again = [Write::Pause, Write::Pause, Write::EndNow];
    let table = [
        (Operation::Run, CampaignSpec::paused(ID), 20_000, Outcome::new("active-guarded", &run_again, &[activated])),
        (Operation::Pause, CampaignSpec::running(ID), 1_000, Outcome::new("cooling-down", &pause_again, &[paused])),
        (Operation::Edit, CampaignSpec::paused(ID), 20_000, Outcome::new("active-guarded", &ACTIVATION, &[activated])),
    ];
    in_parallel(table, |(operation, spec, clicks, expected)| {
        // Long enough a tick for the token to come in time on a busy machine.
        let mut world = World::configured(config().generator("tick", "1500ms"));
        world.sandbox.inject(Fault::always(unauthorized()).on(operation).times(1));
        world.add(spec, clicks);
        world.expect(ID, &expected);
        assert_eq!(tokens(&world), 2, "{operation:?}");
    });
}

#[test]
fn a_new_token_that_is_refused_too_is_said_and_nothing_is_started() {
    let mut world = World::configured(config());
    world.add_guarded(ID);
    let before = world.sandbox.requests().len();
    world.sandbox.inject(Fault::always(unauthorized()).on(Operation::Campaign));
    world.wait_until(ID, "the refusal", |campaign| {
        campaign.text("/last_error").contains("TrafficStars refuses a new access token (401)")
    });
    world.sandbox.interfere(ID, Interference::Stop).unwrap();
    world.let_ticks_pass(2);
    assert_eq!(world.outcome(ID), Outcome::new("active-guarded", &[], &[]));
    let requests = world.sandbox.requests();
    let of = |operation| requests.iter().skip(before).filter(|request| request.operation == operation).count();
    let (reads, tokens) = (of(Operation::Campaign), of(Operation::Token));
    assert!(tokens * 2 <= reads + 2, "{tokens} tokens for {reads} reads: each read is sent once more, and no more");
    world.sandbox.clear_faults();
    world.wait_for_writes(ID, &ACTIVATION);
}

#[test]
fn while_no_token_can_be_had_nothing_is_sent_and_all_goes_on_with_the_first_one() {
    try_each(
        || {
            let mut world = World::configured(config());
            world.add_guarded(ID);
            world
        },
        |world, _, Failure { name, kind, words, .. }| {
            let fault = world.sandbox.inject(Fault::always(kind.clone()).on(Operation::Token));
            world.sandbox.revoke_tokens();
            let campaign = world.wait_until(ID, name, |campaign| campaign.text("/last_error").contains(words));
            let no_token = campaign.text("/last_error").contains("no access token could be fetched from TrafficStars");
            assert!(no_token, "{name}: {campaign}");
            let last = world.sandbox.requests().len();
            let sent = world.wait_for("further attempts", |world| {
                let sent = world.sandbox.requests().split_off(last);
                if sent.len() >= 2 { Ok(sent) } else { Err(format!("{sent:?}")) }
            });
            assert!(sent.iter().all(|one| one.operation == Operation::Token), "{name}: without a token {sent:?}");

            world.sandbox.remove_fault(fault);
            world.wait_until(ID, name, |campaign| campaign.text("/last_error").is_empty());
            assert_eq!(world.outcome(ID), Outcome::new("active-guarded", &[], &[]), "{name}");
        },
    );
}

/// A token request's refusal as TrafficStars words it.
fn refusal(message: &str) -> FaultKind {
    let body = json!({
        "status": 400, "error": "EXTERNAL_SERVICE_ERROR", "message": message, "requestId": "5f0e-77", "path": "/v1/auth/token",
    });
    FaultKind::Status { code: 400, body: body.to_string() }
}

#[test]
fn a_provider_in_trouble_and_a_wall_are_no_bad_key_and_cost_few_requests() {
    let in_trouble = refusal("503 Service Unavailable from the identity provider");
    let wall = FaultKind::Status { code: 403, body: "<html><h1>Attention required!</h1></html>".to_owned() };
    let cases = [
        (in_trouble, "rejects the request (400) (request id 5f0e-77), and does not say that the API key is bad"),
        (wall, "rejects the request (403), and does not say that the API key is bad"),
    ];
    in_parallel(cases, |(kind, words)| {
        // A failure rests for a tick, and for a third of it before a pause.
        let mut world = World::configured(config().generator("tick", "2s"));
        let fault = world.sandbox.inject(Fault::always(kind).on(Operation::Token));
        let ids = [ID, ID + 1, ID + 2, ID + 3, ID + 4, ID + 5];
        for id in ids {
            world.add(CampaignSpec::running(id), 1_000);
        }
        world.wait_until(ID, words, |campaign| campaign.text("/last_error").contains(words));
        world.wait_for("the open circuit", |world| {
            let health = world.guard.get("/v1/health").json();
            if health.to_string().contains("circuit-open") { Ok(()) } else { Err(health.to_string()) }
        });
        let requests = world.sandbox.requests();
        assert!(requests.iter().all(|one| one.operation == Operation::Token), "{requests:?}");
        for (first, second) in requests.iter().zip(&requests[1..]) {
            let apart = (second.received_at - first.received_at).num_milliseconds();
            assert!(apart >= 650, "{apart} ms apart");
        }
        assert!(!world.guard.log().contains("refuses the API key"));
        world.sandbox.remove_fault(fault);
        for id in ids {
            world.wait_until(id, "the pause", |campaign| campaign.text("/action/step") == "confirmed");
        }
    });
}

#[test]
fn a_bad_key_is_told_from_within_the_providers_words() {
    let mut world = World::configured(config());
    let message = r#"400 Bad Request: {"error":"invalid_grant","error_description":"Token is not active"}"#;
    world.sandbox.inject(Fault::always(refusal(message)).on(Operation::Token));
    world.add(CampaignSpec::running(ID), 20_000);
    world.wait_until(ID, "the refusal", |campaign| campaign.text("/last_error").contains("refuses the API key"));
}

#[test]
fn a_token_that_is_one_too_many_is_asked_for_when_its_time_has_come() {
    let mut world = World::configured(config());
    let wait = Duration::from_secs(2);
    let refusal = FaultKind::TooManyRequests { wait, form: RetryAfter::Seconds };
    world.sandbox.inject(Fault::always(refusal).on(Operation::Token).times(1));
    world.add_guarded(ID);
    let requests = world.sandbox.requests();
    assert_eq!(requests[0].status, Some(429));
    let waited = requests[1].received_at - requests[0].received_at;
    assert!(waited.to_std().unwrap() >= wait, "{waited}");
}
