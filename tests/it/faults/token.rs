//! The token: refused, renewed, and not to be had.

use sandbox::{CampaignSpec, Fault, FaultKind, Operation};
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
        let mut world = World::configured(config().generator("tick", "3s"));
        world.sandbox.inject(Fault::always(unauthorized()).on(operation).times(1));
        world.add(spec, clicks);
        world.expect(ID, &expected);
        assert_eq!(tokens(&world), 2, "{operation:?}");
    });
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
