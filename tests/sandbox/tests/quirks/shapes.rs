//! The shapes of requests and answers, the rate limit, and the faults.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use sandbox::{Amount, CampaignSpec, Fault, FaultKind, Operation, Options, RetryAfter, SpendForm, busiest_window};
use serde_json::{Value, json};

use crate::caller::{Caller, eventually, report};

#[tokio::test]
async fn a_campaign_is_bare_or_wrapped_and_a_missing_one_is_404() {
    let caller = Caller::with([CampaignSpec::running(7).spent(Amount::cents(3249))]).await;
    let (_, bare) = caller.get("/v1.1/campaigns/7").await;
    assert_eq!((&bare["id"], &bare["spent_today"], &bare["status"]), (&json!(7), &json!(32.49), &json!("enabled")));
    caller.sandbox.change_options(|options| options.wrapped_campaign = true);
    assert_eq!(caller.get("/v1.1/campaigns/7").await.1["response"]["id"], 7);
    for path in ["/v1.1/campaigns/8", "/v1.1/campaigns/7/stats", "/v1.1/campaigns/7/spent"] {
        assert_eq!(caller.get(path).await, (StatusCode::NOT_FOUND, json!({"detail": "Not Found"})), "{path}");
    }
    let with_content_type = caller.request(Method::GET, "/v1.1/campaigns/7").header("content-type", "application/json");
    assert_eq!(with_content_type.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn spend_is_shown_in_every_form_and_its_field_is_missing_without_spend() {
    let caller = Caller::new(Options::default()).await;
    let amount = Amount::micros(9_999_999);
    let forms = [
        (SpendForm::Cents, json!(10.0)),
        (SpendForm::Exact, json!(9.999999)),
        (SpendForm::Text, json!("9.999999")),
        (SpendForm::DollarText, json!("$9.999999")),
    ];
    for (spend_form, shown) in forms {
        caller.sandbox.add_campaign(CampaignSpec {
            spend_form,
            spend_key: "spent",
            ..CampaignSpec::running(7).spent(amount)
        });
        assert_eq!(caller.get("/v1.1/campaigns/7").await.1["spent"], shown);
    }
    caller.sandbox.set_spend_on(7, chrono::Utc::now().date_naive(), None).unwrap();
    assert_eq!(caller.get("/v1.1/campaigns/7").await.1.get("spent"), None);
    assert_eq!(caller.get(&report("campaign")).await.1, json!([]));
}

#[tokio::test]
async fn a_200_of_run_or_pause_lists_the_ids_that_failed() {
    let caller = Caller::with([CampaignSpec::paused(1), CampaignSpec::blocked(2)]).await;
    assert_eq!(caller.run(&[1, 2, 3]).await, json!({"success": [1], "failed": [2, 3], "total": 3}));
    assert!(caller.sandbox.is_running(1) && !caller.sandbox.is_running(2));
    let body = json!({"campaign_ids": [1, 2]});
    let (_, paused) = caller.send(Method::PUT, "/v1.1/campaigns/pause", body.clone()).await;
    assert_eq!(paused["success"], json!([1, 2]));
    assert!(!caller.sandbox.is_running(1));
    let log = caller.sandbox.requests();
    let last = log.last().unwrap();
    assert_eq!((last.operation, &last.body, &last.changed), (Operation::Pause, &Some(body), &vec![1, 2]));
    caller.sandbox.change_options(|options| options.v2_run_and_pause = false);
    assert_eq!(caller.send(Method::PUT, "/v2/campaigns/run", json!({"campaign_ids": [1]})).await.0, 404);
}

#[tokio::test]
async fn an_edit_accepts_one_form_of_time_and_answers_with_the_whole_campaign() {
    let caller = Caller::with([CampaignSpec::running(1)]).await;
    let refused = [
        json!({"schedule_end_time": "2025-05-07T23:59:00Z"}),
        json!({"schedule_end_time": "07-05-2025 23:59"}),
        json!({"schedule_end_tim": "2025-05-07 23:59:00"}),
    ];
    for body in refused {
        assert_eq!(caller.send(Method::PATCH, "/v1.1/campaigns/1", body.clone()).await.0, 400, "{body}");
    }
    assert!(caller.sandbox.is_running(1));
    let body = json!({"schedule_end_time": "2025-05-07 23:59:00", "max_daily": 113.098});
    let (_, campaign) = caller.send(Method::PATCH, "/v1.1/campaigns/1", body).await;
    assert_eq!(campaign["schedule_end_time"], "2025-05-07 23:59:00");
    assert_eq!((&campaign["max_daily"], &campaign["active"]), (&json!(113.098), &json!(true)));
    assert!(!caller.sandbox.is_running(1), "its end time has passed, though it still shows that it is active");
    caller.sandbox.change_options(|options| options.end_time_flips = true);
    assert_eq!(caller.get("/v1.1/campaigns/1").await.1["active"], json!(false));
}

#[tokio::test]
async fn above_the_limit_requests_get_429_with_each_kind_of_retry_after() {
    type Check = fn(Option<&str>) -> bool;
    let cases: [(RetryAfter, Check); 3] = [
        (RetryAfter::Missing, |header| header.is_none()),
        (RetryAfter::Seconds, |header| (1..=60).contains(&header.unwrap().parse().unwrap())),
        (RetryAfter::HttpDate, |header| {
            chrono::DateTime::parse_from_rfc2822(header.unwrap()).unwrap() > chrono::Utc::now()
        }),
    ];
    for (retry_after, is_right) in cases {
        let caller = Caller::new(Options { requests_per_minute: 2, retry_after, ..Options::default() }).await;
        assert_eq!(caller.get("/v1.1/campaigns").await.0, 200);
        let refused = caller.request(Method::GET, "/v1.1/campaigns").send().await.unwrap();
        assert_eq!((refused.status().as_u16(), caller.sandbox.too_many_requests()), (429, 1));
        assert!(is_right(refused.headers().get("retry-after").map(|value| value.to_str().unwrap())), "{retry_after:?}");
        assert_eq!(busiest_window(&caller.sandbox.requests(), Duration::from_secs(60)), 3);
        assert_eq!(busiest_window(&caller.sandbox.requests(), Duration::ZERO), 0);
    }
}

#[tokio::test]
async fn there_is_room_again_when_the_window_has_slid() {
    let options = Options { requests_per_minute: 2, rate_window: Duration::from_secs(2), ..Options::default() };
    let caller = Caller::new(options).await;
    assert_eq!(caller.get("/v1.1/campaigns").await.0, 200);
    assert_eq!(caller.get("/v1.1/campaigns").await.0, 429);
    eventually(async || caller.get("/v1.1/campaigns").await.0 == 200).await;
}

#[tokio::test]
async fn an_answer_can_be_lost_a_request_dropped_and_a_body_garbled() {
    let caller = Caller::new(Options::default()).await;
    let run =
        || async { caller.request(Method::PUT, "/v2/campaigns/run").json(&json!({"campaign_ids": [1]})).send().await };
    for (kind, takes_effect) in [(FaultKind::LoseAnswer, true), (FaultKind::DropRequest, false)] {
        caller.sandbox.add_campaign(CampaignSpec::paused(1));
        caller.sandbox.inject(Fault::always(kind.clone()).on(Operation::Run).campaign(1).times(1));
        assert!(run().await.is_err(), "{kind:?}");
        assert_eq!(caller.sandbox.is_running(1), takes_effect, "{kind:?}");
        assert!(caller.sandbox.requests().last().unwrap().lost);
    }
    for kind in [FaultKind::GarbageBody, FaultKind::TruncatedBody] {
        caller.sandbox.inject(Fault::always(kind.clone()).times(1));
        let response = run().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.json::<Value>().await.is_err(), "{kind:?}");
    }
    caller.sandbox.inject(Fault::status(503).times(1));
    assert_eq!(run().await.unwrap().status(), 503);
    caller.sandbox.inject(Fault::always(FaultKind::Redirect("http://127.0.0.1:1/".to_owned())).times(1));
    assert_eq!(run().await.unwrap().status(), 302);
    caller.sandbox.inject(Fault::always(FaultKind::HugeBody(1_000_000)).times(1));
    assert_eq!(run().await.unwrap().json::<Value>().await.unwrap()["total"], 1);
}

#[tokio::test]
async fn headers_can_come_slowly_and_a_single_request_can_get_429() {
    let caller = Caller::with([CampaignSpec::paused(1)]).await;
    caller.sandbox.inject(Fault::always(FaultKind::SlowHeaders(Duration::from_millis(100))).times(1));
    let run = || caller.request(Method::PUT, "/v2/campaigns/run").json(&json!({"campaign_ids": [1]}));
    assert!(run().timeout(Duration::from_secs(1)).send().await.unwrap_err().is_timeout());
    assert!(caller.sandbox.is_running(1));

    let wait = Duration::from_secs(7);
    for (form, has_header) in [(RetryAfter::Missing, false), (RetryAfter::Seconds, true), (RetryAfter::HttpDate, true)]
    {
        caller.sandbox.inject(Fault::always(FaultKind::TooManyRequests { wait, form }).times(1));
        let refused = run().send().await.unwrap();
        assert_eq!(refused.status(), 429);
        assert_eq!(refused.headers().contains_key("retry-after"), has_header, "{form:?}");
    }
    assert_eq!(run().send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_200_can_fail_one_id_leave_out_another_and_take_effect_late_for_a_third() {
    let caller = Caller::with((1..=3).map(CampaignSpec::paused)).await;
    caller.sandbox.inject(Fault::always(FaultKind::FailedInside200).campaign(1).times(1));
    caller.sandbox.inject(Fault::always(FaultKind::InNeitherList { effect: true }).campaign(2).times(1));
    let late = Duration::from_secs(2);
    caller.sandbox.inject(Fault::always(FaultKind::EffectLate(late)).on(Operation::Run).campaign(3).times(1));
    assert_eq!(caller.run(&[1, 2, 3]).await, json!({"success": [3], "failed": [1], "total": 3}));
    assert_eq!([1, 2, 3].map(|id| caller.sandbox.is_running(id)), [false, true, true]);
    assert_eq!(caller.get("/v1.1/campaigns/3").await.1["status"], "paused");
    eventually(async || caller.get("/v1.1/campaigns/3").await.1["status"] == "enabled").await;
}

#[tokio::test]
async fn a_request_takes_effect_even_if_the_client_disconnects() {
    let caller = Caller::with([CampaignSpec::paused(1)]).await;
    caller.sandbox.inject(Fault::always(FaultKind::DelayBeforeEffect(Duration::from_secs(2))).times(1));
    let request = caller.request(Method::PUT, "/v2/campaigns/run").json(&json!({"campaign_ids": [1]}));
    assert!(request.timeout(Duration::from_millis(100)).send().await.unwrap_err().is_timeout());
    assert!(!caller.sandbox.is_running(1));
    eventually(async || caller.sandbox.is_running(1)).await;
}

#[tokio::test]
async fn a_request_is_printed_as_one_line_without_the_api_key() {
    let caller = Caller::new(Options::default()).await;
    let line = caller.sandbox.requests()[0].to_string();
    assert!(line.contains("POST /v1/auth/token -> 200") && !line.contains("sandbox-api-key"), "{line}");
}
