//! The answers to token requests.

use sandbox::{Fault, FaultKind, Operation, Options, RefusedKey};
use serde_json::{Value, json};

use crate::caller::Caller;

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
async fn only_the_message_tells_a_wrong_key_from_an_identity_provider_in_trouble() {
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
async fn a_wall_can_stand_before_the_service() {
    let caller = Caller::new(Options::default()).await;
    caller.sandbox.inject(Fault::always(FaultKind::Wall).on(Operation::Token).times(1));
    let walled = caller.fetch_token("sandbox-api-key").await;
    assert_eq!(walled.status(), 403);
    assert_eq!(walled.headers()["content-type"], "text/html; charset=UTF-8");
    assert!(walled.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    assert_eq!(caller.fetch_token("sandbox-api-key").await.status(), 200);
}
