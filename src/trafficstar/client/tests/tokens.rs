//! Tokens, the scheduler, and the effect of a 429.

use std::cell::Cell;

use super::*;
use crate::trafficstar::circuit::Operation;

#[test]
fn all_waiting_requests_share_one_token_and_one_renewal() {
    let mut remote = Remote::answering(|seen| match seen.token.as_deref() {
        Some("token-1") => status(401),
        _ if seen.path == "/v1.1/campaigns" => status(404),
        _ => Ok(campaign(seen.path.rsplit('/').next().unwrap().parse().unwrap())),
    });
    remote.read(&ids([7]));
    let answers = remote.read(&ids(1..=10));
    assert!(answers.values().all(Result::is_ok), "{answers:?}");
    assert_eq!(remote.token_requests(), 2);
}

#[test]
fn a_refused_token_is_renewed_only_once() {
    let mut remote = Remote::answering(|_| status(401));
    let fault = remote.read_one().unwrap_err();
    assert!(
        matches!(&fault, RemoteFault::Shared(reason) if reason.contains("refuses a new access token")),
        "{fault:?}"
    );
    assert_eq!((remote.token_requests(), remote.lines().len()), (2, 2));
}

#[test]
fn a_refused_token_is_never_sent_again_even_if_no_other_can_be_fetched() {
    let issued = Cell::new(false);
    let mut remote = Remote::answering_tokens_too(move |seen| match seen.is_token_request() {
        true if issued.replace(true) => status(503),
        true => Ok(json!({"access_token": "revoked", "expires_in": 36000})),
        false => status(401),
    });
    for _ in 0..3 {
        let fault = remote.read_one().unwrap_err();
        assert!(matches!(&fault, RemoteFault::Shared(reason) if reason.contains("no access token")), "{fault:?}");
    }
    assert_eq!((remote.token_requests(), remote.lines().len()), (2, 1), "reads share the failure for a while");
    assert_eq!(remote.client.status(remote.now).token_expires_at, None);
    let begun = remote.now.steady;
    let Switched { outcomes, .. } = remote.pause(&ids(1..=5));
    assert!(outcomes.values().all(|outcome| matches!(outcome, Outcome::Failed(_))), "{outcomes:?}");
    assert_eq!(remote.token_requests(), 3, "pauses fetch again soon, with one request for all of them");
    assert!(remote.now.steady - begun >= TOKEN_BACKOFF / 4, "pauses wait for a part of that time, too");
}

#[test]
fn an_expired_token_is_renewed() {
    let mut remote = Remote::answering_tokens_too(|seen| {
        Ok(if seen.is_token_request() { json!({"access_token": "short", "expires_in": 0}) } else { campaign(7) })
    });
    remote.read_one().unwrap();
    remote.read_one().unwrap();
    assert_eq!(remote.token_requests(), 2);
}

#[test]
fn a_token_that_cannot_be_fetched_opens_the_circuit_and_a_bad_key_does_not() {
    let refused = || RemoteError::TokenRefused { status: 400, request_id: None };
    let cases: [(fn() -> RemoteError, bool); 2] = [(refused, true), (|| RemoteError::BadApiKey, false)];
    for (error, opens) in cases {
        let mut remote = Remote::answering_tokens_too(move |_| Err(error()));
        for _ in 0..3 {
            remote.read_one().unwrap_err();
            remote.pass(TOKEN_BACKOFF);
        }
        assert_eq!(remote.token_requests(), 3);
        assert_eq!(!remote.client.requests.scheduler().circuits().is_closed(Operation::Token), opens);
    }
}

#[test]
fn a_write_without_a_token_has_not_happened() {
    let cases: [fn() -> Said; 3] = [
        || status(503),
        || Ok(json!({"secret": "a-secret"})),
        || Err(RemoteError::TokenRefused { status: 400, request_id: None }),
    ];
    for answer in cases {
        let mut remote = Remote::answering_tokens_too(move |_| answer());
        let pause = remote.pause(&ids([1]));
        let no_token = |reason: &String| reason.starts_with("no access token could be fetched");
        assert!(matches!(pause.outcome(), Outcome::Failed(reason) if no_token(reason)), "{pause:?}");
        assert!(!format!("{pause:?}").contains("a-secret"));
    }
}

#[test]
fn every_request_passes_the_scheduler_and_a_token_is_as_urgent_as_a_pause() {
    let mut remote = Remote::answering(|seen| match seen.token.as_deref() {
        Some("token-1") => status(401),
        _ => Ok(campaign(7)),
    });
    remote.read_one().unwrap();
    let expected = [Urgency::Pause, Urgency::Sweep, Urgency::Pause, Urgency::Sweep];
    let urgencies: Vec<Urgency> = remote.seen.iter().map(|seen| seen.urgency).collect();
    assert_eq!(urgencies, expected);
    assert_eq!(remote.client.status(remote.now).requests_last_minute, 4);
}

#[test]
fn a_request_leaves_after_its_reservation_or_a_tenth_of_a_second_without_one() {
    let mut remote = Remote::answering(|_| Ok(campaign(7)));
    let pause = Change { remote: RemoteId(7), kind: ChangeKind::Pause, rank: Rank::ANY, valid_until: None };
    remote.client.change(remote.now, pause);
    let begun = remote.now.steady;
    while remote.client.wakes_at(remote.now).is_some_and(|at| at < begun + TimeDelta::milliseconds(150)) {
        let wakes_at = remote.client.wakes_at(remote.now).unwrap();
        remote.pass(wakes_at - remote.now.steady);
        remote.client.go_on(remote.now);
        let outputs = remote.client.take_outputs();
        if let Some(Output::Send(departure)) = outputs.into_iter().find(|output| matches!(output, Output::Send(_))) {
            assert_eq!(departure.call, Call::Token);
            assert_eq!(remote.now.steady, begun + TimeDelta::milliseconds(100));
            return;
        }
    }
    panic!("the database does not answer, and a pause waits for it");
}

#[test]
fn a_token_request_that_gets_a_429_is_repeated_at_the_time_that_the_429_names() {
    let refused = Cell::new(false);
    let mut remote = Remote::answering_tokens_too(move |seen| match seen.is_token_request() {
        true if !refused.replace(true) => {
            let retry_at = "2025-05-08T12:00:30Z".parse().ok();
            Err(RemoteError::RateLimited { retry_at })
        }
        true => Ok(json!({"access_token": "new", "expires_in": 36000})),
        false => Ok(all_succeed(seen)),
    });
    let begun = remote.now.steady;
    assert_eq!(*remote.pause(&ids([7])).outcome(), Outcome::Accepted);
    assert_eq!((remote.token_requests(), remote.lines().len()), (2, 1));
    assert!(remote.now.steady - begun >= TimeDelta::seconds(29), "not even a pause leaves earlier");
}

#[test]
fn a_429_stops_all_requests_for_one_window() {
    let mut remote = Remote::answering(|_| Err(RemoteError::RateLimited { retry_at: None }));
    remote.read_one().unwrap_err();
    let status = remote.client.status(remote.now);
    assert_eq!(status.blocked_until, Some(remote.now.steady + TimeDelta::seconds(60)));
    assert_eq!(remote.lines().len(), 1, "nothing is tried again");
}
