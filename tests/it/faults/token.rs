//! The access token: TrafficStars refuses it, renews it, or does not issue one.

use sandbox::{CampaignSpec, Fault, FaultKind, Operation, Options};

use super::{Failure, config, try_each};
use crate::helper::{ACTIVATION, Outcome, World, Write, assert_says, in_parallel};

const ID: i64 = 995_001;

#[test]
fn a_change_that_is_refused_with_401_is_sent_again_with_a_new_token() {
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
        // The tick is long enough for the token to come in time on a busy machine.
        let mut world = World::configured(config().generator("tick", "3s"));
        world.sandbox.inject(Fault::status(401).on(operation).times(1));
        world.add(spec, clicks);
        world.expect(ID, &expected);
        assert_eq!(world.sandbox.count(Operation::Token), 2, "{operation:?}");
    });
}

#[test]
fn without_a_token_the_guard_sends_only_token_requests_and_it_continues_with_the_next_token() {
    try_each(
        || {
            let mut world = World::configured(config());
            world.add_guarded(ID);
            world
        },
        |world, _, Failure { name, kind, words, .. }| {
            let fault = world.sandbox.inject(Fault::always(kind.clone()).on(Operation::Token));
            world.sandbox.revoke_tokens();
            let failed = world.wait_until(ID, name, |campaign| campaign.text("/last_error").contains(words));
            assert_says(&failed.text("/last_error"), &["no access token could be fetched from TrafficStars"]);
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

#[test]
fn a_failing_identity_provider_or_firewall_is_not_taken_for_a_bad_key_and_gets_few_requests() {
    let cases = [
        (FaultKind::IdentityProviderDown, "rejects the request (400) (request id request-"),
        (FaultKind::Wall, "rejects the request (403), and does not say that the API key is bad"),
    ];
    in_parallel(cases, |(kind, words)| {
        // After a failure the guard waits for a tick, or for a third of a tick if a pause is due.
        let mut world = World::prepared(config().generator("tick", "2s"), Options::default(), |sandbox, _| {
            sandbox.inject(Fault::always(kind).on(Operation::Token));
        });
        let ids = [ID, ID + 1, ID + 2, ID + 3, ID + 4, ID + 5];
        for id in ids {
            world.add(CampaignSpec::running(id), 1_000);
        }
        let failed = world.wait_until(ID, words, |campaign| campaign.text("/last_error").contains(words));
        assert_says(&failed.text("/last_error"), &[", and does not say that the API key is bad"]);
        world.wait_for("the open circuit", |world| {
            let health = world.guard.get("/v1/health").text;
            if health.contains("circuit-open") { Ok(()) } else { Err(health) }
        });
        let requests = world.sandbox.requests();
        assert!(requests.iter().all(|one| one.operation == Operation::Token), "{requests:?}");
        for (first, second) in requests.iter().zip(&requests[1..]) {
            let apart = (second.received_at - first.received_at).num_milliseconds();
            assert!(apart >= 650, "{apart} ms apart");
        }
        assert!(!world.guard.log().contains("refuses the API key"));
        world.sandbox.clear_faults();
        for id in ids {
            world.wait_for_step(id, "confirmed");
        }
    });
}
