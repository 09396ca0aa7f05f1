//! Refusals: of requests that name a certain campaign, in each way to run and pause it, and of requests for a token.

use reqwest::{Method, StatusCode};
use sandbox::{CampaignSpec, Fault, FaultKind, Operation, Options, RefusedKey, RequestRecord};
use serde_json::{Value, json};

use crate::caller::Caller;

/// A way to run and pause campaigns.
#[derive(Debug, Clone, Copy)]
enum Way {
    V2,
    V1,
    Single,
    Edit,
}

fn refusal(code: u16) -> Fault {
    Fault::always(FaultKind::Status { code, body: "{}".to_owned() })
}

/// Runs or pauses campaigns in one of the ways, and returns the status and the body.
async fn switch(caller: &Caller, way: Way, word: &str, ids: &[i64]) -> (StatusCode, Value) {
    let together = json!({"campaign_ids": ids});
    match way {
        Way::V2 => caller.send(Method::PUT, &format!("/v2/campaigns/{word}"), together).await,
        Way::V1 => caller.send(Method::PUT, &format!("/v1.1/campaigns/{word}"), together).await,
        Way::Single => caller.send(Method::PUT, &format!("/v1.1/campaigns/{}/{word}", ids[0]), json!({})).await,
        Way::Edit => {
            let body = json!({"active": word == "run"});
            caller.send(Method::PATCH, &format!("/v1.1/campaigns/{}", ids[0]), body).await
        }
    }
}

#[tokio::test]
async fn each_way_can_run_and_pause_a_campaign() {
    let caller = Caller::with([CampaignSpec::paused(1)]).await;
    for way in [Way::V2, Way::V1, Way::Single, Way::Edit] {
        assert_eq!(switch(&caller, way, "run", &[1]).await.0, 200, "{way:?}");
        assert!(caller.sandbox.is_running(1), "{way:?}");
        let (_, answer) = switch(&caller, way, "pause", &[1]).await;
        assert!(!caller.sandbox.is_running(1), "{way:?}");
        assert!(answer["success"] == json!([1]) || answer["active"] == json!(false), "{way:?}: {answer}");
    }
    let record = |operation| caller.sandbox.requests().into_iter().rfind(|request| request.operation == operation);
    assert_eq!(record(Operation::Pause).unwrap().changed, [1]);
    caller.sandbox.add_campaign(CampaignSpec::blocked(2));
    assert_eq!(switch(&caller, Way::Single, "run", &[2]).await.0, 400);
    assert_eq!(switch(&caller, Way::Single, "run", &[3]).await.0, 404);
    caller.sandbox.change_options(|options| options.single_run_and_pause = false);
    assert_eq!(switch(&caller, Way::Single, "run", &[1]).await.0, 404);
}

#[tokio::test]
async fn one_refused_id_refuses_the_whole_request() {
    let caller = Caller::with([1, 2, 3].map(CampaignSpec::running)).await;
    for status in [400, 403, 409, 422, 500] {
        let refused = caller.sandbox.inject(refusal(status).on(Operation::Pause).campaign(2));
        for way in [Way::V2, Way::V1] {
            assert_eq!(switch(&caller, way, "pause", &[1, 2, 3]).await.0.as_u16(), status, "{way:?}");
        }
        for way in [Way::V2, Way::V1, Way::Single] {
            assert_eq!(switch(&caller, way, "pause", &[2]).await.0.as_u16(), status, "{way:?}");
            assert_eq!(switch(&caller, way, "run", &[2]).await.0, 200, "{way:?}");
        }
        assert_eq!([1, 2, 3].map(|id| caller.sandbox.is_running(id)), [true; 3], "nothing has happened");
        let has_paused = |request: &RequestRecord| request.operation == Operation::Pause && !request.changed.is_empty();
        assert!(!caller.sandbox.requests().iter().any(has_paused));
        caller.sandbox.remove_fault(refused);
        caller.sandbox.inject(refusal(status).on(Operation::Edit).campaign(2).times(1));
        assert_eq!(switch(&caller, Way::Edit, "pause", &[2]).await.0.as_u16(), status);
        assert!(caller.sandbox.is_running(2), "nothing has happened");
    }
    caller.sandbox.inject(refusal(422).on(Operation::Pause).campaign(2));
    assert_eq!(switch(&caller, Way::V2, "pause", &[1, 3]).await.1["success"], json!([1, 3]));
    let end_time = json!({"schedule_end_time": "2030-01-01 23:59:00"});
    assert_eq!(caller.send(Method::PATCH, "/v1.1/campaigns/2", end_time).await.0, 200);
    caller.sandbox.clear_faults();
    assert_eq!(switch(&caller, Way::V2, "pause", &[2]).await.1["success"], json!([2]));
}

#[tokio::test]
async fn a_fault_can_refuse_only_some_of_the_ways() {
    let caller = Caller::with([CampaignSpec::running(1)]).await;
    for path in ["/v2/", "/v1.1/campaigns/run", "/v1.1/campaigns/pause"] {
        caller.sandbox.inject(refusal(422).campaign(1).below(path));
    }
    for (way, status) in [(Way::V2, 422), (Way::V1, 422), (Way::Single, 200), (Way::Edit, 200)] {
        for word in ["pause", "run"] {
            assert_eq!(switch(&caller, way, word, &[1]).await.0.as_u16(), status, "{way:?} {word}");
        }
    }
}

#[tokio::test]
async fn a_token_is_needed_and_can_be_revoked() {
    let caller = Caller::new(Options::default()).await;
    let bare = caller.client.get(caller.url("/v1.1/campaigns")).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    assert_eq!(caller.get("/v1.1/campaigns").await.0, 200);
    caller.sandbox.revoke_tokens();
    assert_eq!(caller.get("/v1.1/campaigns").await.0, 401);
}

#[tokio::test]
async fn a_wrong_key_and_a_failing_identity_provider_differ_only_in_the_message() {
    let caller = Caller::new(Options::default()).await;
    let wrapped = async |key: &str| {
        let refused = caller.fetch_token(key).await;
        assert_eq!(refused.status(), 400);
        let body: Value = refused.json().await.unwrap();
        assert_eq!((&body["status"], &body["error"]), (&json!(400), &json!("EXTERNAL_SERVICE_ERROR")));
        assert!(!body["requestId"].as_str().unwrap().is_empty());
        body["message"].as_str().unwrap().to_owned()
    };
    let message = wrapped("another-key").await;
    assert!(message.contains("invalid_grant"), "{message}");
    let trouble = Fault::always(FaultKind::IdentityProviderDown).on(Operation::Token).times(1);
    caller.sandbox.inject(trouble);
    let message = wrapped("sandbox-api-key").await;
    assert!(!message.contains("invalid_grant"), "{message}");
    assert_eq!(caller.fetch_token("sandbox-api-key").await.status(), 200);

    caller.sandbox.change_options(|options| options.refused_key = RefusedKey::Bare);
    let refused = caller.fetch_token("another-key").await;
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.json::<Value>().await.unwrap(), json!({"error": "invalid_grant"}));
}

#[tokio::test]
async fn a_firewall_can_answer_instead_of_the_service() {
    let caller = Caller::new(Options::default()).await;
    caller.sandbox.inject(Fault::always(FaultKind::Wall).on(Operation::Token).times(1));
    let walled = caller.fetch_token("sandbox-api-key").await;
    assert_eq!(walled.status(), 403);
    assert_eq!(walled.headers()["content-type"], "text/html; charset=UTF-8");
    assert!(walled.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    assert_eq!(caller.fetch_token("sandbox-api-key").await.status(), 200);
}
