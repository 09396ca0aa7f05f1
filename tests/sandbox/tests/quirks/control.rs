//! The control interface: clients of the API see what a person changes there.

use reqwest::header::{CONTENT_TYPE, HOST, ORIGIN};
use reqwest::{Method, StatusCode};
use sandbox::{Amount, CampaignSpec, Fault, FaultKind, Options};
use serde_json::{Value, json};

use crate::caller::Caller;

async fn ask(caller: &Caller, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
    let request = caller.client.request(method, caller.url(&format!("/sandbox{path}")));
    let request = if body.is_null() { request } else { request.json(&body) };
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

async fn ok(caller: &Caller, method: Method, path: &str, body: Value) -> Value {
    let (status, answer) = ask(caller, method, path, body).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

/// Asserts that a request is refused with this status, and that the message has these words.
async fn refused(caller: &Caller, method: Method, path: &str, body: Value, status: u16, words: &[&str]) {
    let (answered, answer) = ask(caller, method.clone(), path, body.clone()).await;
    assert_eq!(answered, status, "{method} {path} {body}: {answer}");
    let message = answer["error"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "{method} {path} {body}: {message}");
    }
}

async fn caller() -> Caller {
    Caller::with([CampaignSpec::running(1).spent(Amount::cents(940))]).await
}

#[tokio::test]
async fn faults_are_added_listed_and_ended() {
    let caller = caller().await;
    let fault = json!({"operation": "campaign", "campaign": 1, "times": 2, "kind": {"status": {"code": 503}}});
    let added = ok(&caller, Method::POST, "/faults", fault).await;
    assert_eq!(caller.request(Method::GET, "/v1.1/campaigns/1").send().await.unwrap().status(), 503);
    let kind = json!({"status": {"code": 503, "body": ""}});
    let left = json!({"id": added["id"], "operation": "campaign", "campaign": 1, "times": 1, "kind": kind});
    assert_eq!(ok(&caller, Method::GET, "/faults", Value::Null).await, json!([left]));
    caller.sandbox.inject(Fault::always(FaultKind::Wall));
    let rest = ok(&caller, Method::DELETE, &format!("/faults/{}", added["id"]), Value::Null).await;
    assert_eq!((rest.as_array().unwrap().len(), &rest[0]["kind"]), (1, &json!("wall")));
    assert_eq!(ok(&caller, Method::DELETE, "/faults", Value::Null).await, json!([]));
    assert_eq!(caller.get("/v1.1/campaigns/1").await.0, 200);

    let slow = json!({"kind": {"delay_before_answer": "1h 30m"}});
    assert_eq!(ok(&caller, Method::POST, "/faults", slow).await["kind"]["delay_before_answer"], "1h 30m");
    refused(&caller, Method::DELETE, "/faults/77", Value::Null, 404, &["77", "GET /sandbox/faults"]).await;
    refused(&caller, Method::POST, "/faults", json!({"kind": "late"}), 400, &["kind", "late", "lose_answer"]).await;
    refused(&caller, Method::POST, "/faults", json!({"kind": {"slow_body": 5}}), 400, &["kind.slow_body"]).await;
    refused(&caller, Method::POST, "/faults", json!({"campain": 1, "kind": "wall"}), 400, &["campain", "campaign"])
        .await;
}

#[tokio::test]
async fn campaigns_are_added_changed_and_removed() {
    let caller = caller().await;
    let hats = json!({"id": 2, "name": "hats", "active": false, "spent_today": "9.996"});
    let added = ok(&caller, Method::POST, "/campaigns", hats.clone()).await;
    assert_eq!((&added["running"], &added["campaign"]["status"]), (&json!(false), &json!("paused")));
    assert_eq!(caller.get("/v1.1/campaigns/2").await.1["spent_today"], 10.0);
    let changed = ok(&caller, Method::PATCH, "/campaigns/2", json!({"active": true, "no_funds": true})).await;
    assert_eq!((&changed["blocked"], &changed["answered_as"]["status"]), (&json!(true), &json!("no_funds_active")));
    assert_eq!(changed["campaign"]["spent_today"], "9.996", "a field that is not named stays");
    ok(&caller, Method::PATCH, "/campaigns/2", json!({"spend_key": "spent", "spent_today": 1.5, "no_funds": false}))
        .await;
    let (_, shown) = caller.get("/v1.1/campaigns/2").await;
    assert_eq!((&shown["spent"], &shown["status"]), (&json!(1.5), &json!("enabled")));
    assert_eq!(ok(&caller, Method::GET, "/campaigns", Value::Null).await.as_array().unwrap().len(), 2);

    refused(&caller, Method::POST, "/campaigns", hats, 409, &["PATCH /sandbox/campaigns/2"]).await;
    refused(&caller, Method::POST, "/campaigns", json!({"name": "hats"}), 400, &["id"]).await;
    refused(&caller, Method::PATCH, "/campaigns/2", json!({"activ": true}), 400, &["activ", "active"]).await;
    refused(&caller, Method::PATCH, "/campaigns/2", json!({"max_daily": "much"}), 400, &["max_daily", "much"]).await;
    refused(&caller, Method::PATCH, "/campaigns/2", json!({"id": 3}), 400, &["id"]).await;
    refused(&caller, Method::PATCH, "/campaigns/2", json!([]), 400, &["object"]).await;
    refused(&caller, Method::PATCH, "/campaigns/hats", json!({}), 400, &["hats", "integer"]).await;
    refused(&caller, Method::GET, "/campaigns/3", Value::Null, 404, &["3", "GET /sandbox/campaigns"]).await;
    assert_eq!(ok(&caller, Method::DELETE, "/campaigns/2", Value::Null).await, json!({"removed": 2}));
    assert_eq!(caller.get("/v1.1/campaigns/2").await.0, 404);
    refused(&caller, Method::DELETE, "/campaigns/2", Value::Null, 404, &["2"]).await;
}

#[tokio::test]
async fn somebody_interferes_and_a_field_is_null_or_missing() {
    let caller = caller().await;
    let interfere = async |what: Value| ok(&caller, Method::POST, "/campaigns/1/interfere", what).await;
    assert_eq!(interfere(json!("stop")).await["running"], false);
    assert_eq!(interfere(json!("start")).await["running"], true);
    let odd = interfere(json!({"set_field": {"field": "status", "value": null}})).await;
    assert_eq!(odd["answered_as"].get("status"), Some(&Value::Null));
    ok(&caller, Method::PATCH, "/campaigns/1", json!({"name": "shoes"})).await;
    assert_eq!(
        caller.get("/v1.1/campaigns/1").await.1.get("status"),
        Some(&Value::Null),
        "a change of another field leaves it as it is"
    );
    let odd = interfere(json!({"set_field": {"field": "status"}})).await;
    assert_eq!(odd["answered_as"].get("status"), None);
    assert_eq!(interfere(json!({"clear_field": "status"})).await["answered_as"]["status"], "enabled");
    let refusal =
        json!({"operation": "pause", "campaign": 1, "path": "/v2/", "kind": {"status": {"code": 422, "body": "{}"}}});
    ok(&caller, Method::POST, "/faults", refusal).await;
    let pause = json!({"campaign_ids": [1]});
    assert_eq!(caller.send(Method::PUT, "/v2/campaigns/pause", pause.clone()).await.0, 422);
    assert_eq!(caller.send(Method::PUT, "/v1.1/campaigns/pause", pause).await.0, 200);
    refused(&caller, Method::POST, "/campaigns/1/interfere", json!("explode"), 400, &["explode", "set_no_funds"]).await;
    refused(&caller, Method::POST, "/campaigns/9/interfere", json!("stop"), 404, &["9"]).await;
}

#[tokio::test]
async fn spend_is_set_for_any_day_and_an_amount_must_be_named() {
    let caller = caller().await;
    let path = "/campaigns/1/spend";
    let today = caller.sandbox.clock().date_naive();
    for (day, date) in [("yesterday", today.pred_opt().unwrap()), ("2026-01-02", "2026-01-02".parse().unwrap())] {
        let answer = ok(&caller, Method::PUT, path, json!({"day": day, "amount": "54.90"})).await;
        assert_eq!(answer["spend"][date.to_string()], "54.90", "{day}");
    }
    ok(&caller, Method::PUT, path, json!({"amount": 3})).await;
    assert_eq!(caller.sandbox.campaign(1).unwrap().spent_today, Some(Amount::cents(300)));
    refused(&caller, Method::PUT, path, json!({"day": "today"}), 400, &["amount"]).await;
    refused(&caller, Method::PUT, path, json!({"day": "never", "amount": 1}), 400, &["never", "yesterday"]).await;
    ok(&caller, Method::PUT, path, json!({"amount": null})).await;
    assert_eq!(caller.sandbox.campaign(1).unwrap().spent_today, None);
}

#[tokio::test]
async fn options_the_clock_and_tokens_change_while_it_runs() {
    let caller = caller().await;
    let patch = json!({"daily_budget_word": "used_up", "counter_falls_after": "40m", "retry_after": "http_date"});
    let options = ok(&caller, Method::PATCH, "/options", patch).await;
    assert_eq!((&options["counter_falls_after"], &options["page_size"]), (&json!("40m"), &json!(10)));
    assert_eq!(ok(&caller, Method::GET, "/options", Value::Null).await, options);
    refused(&caller, Method::PATCH, "/options", json!({"page_sise": 5}), 400, &["page_sise", "page_size"]).await;
    refused(&caller, Method::PATCH, "/options", json!({"page_size": "five"}), 400, &["page_size", "five"]).await;
    refused(&caller, Method::PATCH, "/options", json!({"port": 1}), 400, &["port"]).await;

    let today = caller.sandbox.clock().date_naive();
    for (time, shown) in
        [("23:59:50", format!("{today}T23:59:50")), ("2020-02-29T00:00:01Z", "2020-02-29T00:00:01".into())]
    {
        let clock = ok(&caller, Method::PUT, "/clock", json!({"time": time})).await;
        assert!(clock["time"].as_str().unwrap().starts_with(&shown), "{clock}");
    }
    assert!(ok(&caller, Method::GET, "/clock", Value::Null).await["seconds_ahead"].as_i64() < Some(-86_400));
    assert_eq!(ok(&caller, Method::DELETE, "/clock", Value::Null).await["seconds_ahead"], 0);
    refused(&caller, Method::PUT, "/clock", json!({"time": "noon"}), 400, &["noon", "23:59:50"]).await;

    assert_eq!(caller.get("/v1.1/campaigns").await.0, 200);
    ok(&caller, Method::DELETE, "/tokens", Value::Null).await;
    assert_eq!(caller.get("/v1.1/campaigns").await.0, 401);
}

#[tokio::test]
async fn rate_limit_log_and_faults_do_not_apply_to_the_control_interface() {
    let caller = Caller::new(Options { requests_per_minute: 2, ..Options::default() }).await;
    caller.sandbox.inject(Fault::status(503));
    for _ in 0..5 {
        ok(&caller, Method::GET, "/campaigns", Value::Null).await;
    }
    assert_eq!(caller.sandbox.requests().len(), 1, "only the token request is logged");
    caller.sandbox.clear_faults();
    assert_eq!(caller.get("/v1.1/campaigns").await.0, 200);
}

#[tokio::test]
async fn a_wrong_path_method_or_body_is_explained() {
    let caller = caller().await;
    refused(&caller, Method::GET, "/campaign", Value::Null, 404, &["GET /sandbox"]).await;
    refused(&caller, Method::PUT, "/faults", Value::Null, 405, &["GET /sandbox"]).await;
    refused(&caller, Method::POST, "/faults", Value::Null, 400, &["not JSON", "-d '{"]).await;
    let response = caller.client.post(caller.url("/sandbox/faults")).body("stop").send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(
        caller.client.get(caller.url("/sandboxes")).send().await.unwrap().status(),
        401,
        "this path belongs to the API"
    );
}

#[tokio::test]
async fn a_web_page_can_neither_give_orders_nor_read_answers_by_a_name_that_points_here() {
    let caller = caller().await;
    let stop = || caller.client.post(caller.url("/sandbox/campaigns/1/interfere")).body(r#""stop""#);
    let page = "http://evil.example";
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
    assert_eq!(status(stop().header("sec-fetch-site", "cross-site").header(ORIGIN, page)).await, 403);
    assert_eq!(status(stop().header("sec-fetch-site", "same-site")).await, 403);
    assert_eq!(status(stop().header(ORIGIN, page)).await, 403);
    assert_eq!(status(stop().header(ORIGIN, "null")).await, 403);
    assert_eq!(status(stop().header(CONTENT_TYPE, "text/plain")).await, 415);
    assert_eq!(status(stop().header(HOST, "evil.example")).await, 421);
    assert_eq!(status(caller.client.get(caller.url("/sandbox/options")).header(HOST, "evil.example")).await, 421);
    assert!(caller.sandbox.is_running(1));
    assert_eq!(status(stop().header(HOST, "localhost:1234").header("sec-fetch-site", "none")).await, 200);
    assert!(!caller.sandbox.is_running(1));
}
