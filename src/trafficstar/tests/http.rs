//! Tokens, the gate, time-outs, bounds, and status codes.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Instant;

use futures_util::future::join_all;

use super::*;
use crate::domain::remote::RemoteFault;
use crate::trafficstar::circuit::Operation;
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::http::ClientError;
use crate::trafficstar::wire::WireError;

async fn read(remote: &Remote) -> Result<(), RemoteError> {
    remote.client.campaign(RemoteId(7), Urgency::Read).await.map(|_| ())
}

async fn refused_with(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> (Remote, RemoteError) {
    let remote = Remote::answering(answer).await;
    let error = read(&remote).await.unwrap_err();
    (remote, error)
}

#[tokio::test]
async fn a_read_carries_a_token_and_no_content_type() {
    let remote = Remote::answering(|_| json_answer(&campaign(7))).await;
    read(&remote).await.unwrap();
    read(&remote).await.unwrap();
    let seen = remote.seen();
    let lines: Vec<String> = seen.iter().map(Seen::line).collect();
    assert_eq!(lines, ["POST /v1/auth/token", "GET /v1.1/campaigns/7", "GET /v1.1/campaigns/7"]);
    assert_eq!(seen[0].headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(seen[0].body, "grant_type=refresh_token&refresh_token=the-api-key");
    assert_eq!(seen[1].bearer(), "token-1");
    assert!(!seen[1].headers.contains_key("content-type"));
    assert!(seen[1].body.is_empty());
    assert!(remote.client.token_expires_at().unwrap() > Utc::now() + chrono::TimeDelta::hours(9));
}

#[tokio::test]
async fn all_who_wait_share_one_token_and_one_renewal() {
    let remote = Remote::answering(|seen| match seen.bearer() {
        "token-1" => status(401),
        _ => json_answer(&campaign(7)),
    })
    .await;
    for answer in join_all((0..10).map(|_| read(&remote))).await {
        answer.unwrap();
    }
    assert_eq!(remote.token_requests(), 2);
    assert_eq!(remote.lines().len(), 20);
}

#[tokio::test]
async fn a_token_refused_is_renewed_once_and_no_more() {
    let (remote, error) = refused_with(|_| status(401)).await;
    assert!(matches!(error, RemoteError::Unauthorized), "{error:?}");
    assert_eq!((remote.token_requests(), remote.lines().len()), (2, 2));
}

#[tokio::test]
async fn a_refused_token_is_never_sent_again_even_while_no_other_can_be_had() {
    let issued = AtomicBool::new(false);
    let remote = Remote::answering_tokens_too(move |seen| match seen.is_token_request() {
        true if issued.swap(true, SeqCst) => status(503),
        true => json_answer(&json!({"access_token": "revoked", "expires_in": 36000})),
        false => status(401),
    })
    .await;
    let begun = Instant::now();
    for _ in 0..3 {
        let error = read(&remote).await.unwrap_err();
        assert!(matches!(error, RemoteError::NoToken(_)), "{error:?}");
    }
    assert_eq!((remote.token_requests(), remote.lines().len()), (2, 1), "reads share the failure for a while");
    assert_eq!(remote.client.token_expires_at(), None);
    let ids = BTreeSet::from([RemoteId(7)]);
    let pauses = join_all((0..5).map(|_| remote.pause(&ids))).await;
    assert!(pauses.iter().all(|pause| matches!(pause.outcome(), Outcome::Failed(_))), "{pauses:?}");
    assert_eq!(remote.token_requests(), 3, "pauses try again soon, one for all of them");
    assert!(begun.elapsed() >= TOKEN_REST / 3, "a third of the rest is theirs, too");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let remote = Remote::answering_tokens_too(|seen| {
        if seen.is_token_request() {
            json_answer(&json!({"access_token": "short", "expires_in": 0}))
        } else {
            json_answer(&campaign(7))
        }
    })
    .await;
    read(&remote).await.unwrap();
    read(&remote).await.unwrap();
    assert_eq!(remote.token_requests(), 2);
}

#[tokio::test]
async fn a_refused_api_key_is_named_once_for_all_who_wait() {
    let remote = Remote::answering_tokens_too(|_| {
        let body = json!({"error": "invalid_grant", "echo": API_KEY}).to_string();
        (StatusCode::BAD_REQUEST, body).into_response()
    })
    .await;
    for answer in join_all((0..5).map(|_| read(&remote))).await {
        let error = answer.unwrap_err();
        assert!(matches!(error, RemoteError::BadApiKey), "{error:?}");
        assert!(!format!("{error:?} {}", error.in_full()).contains(API_KEY));
    }
    assert_eq!(remote.seen().len(), 1);
}

#[tokio::test]
async fn a_token_that_cannot_be_had_opens_the_circuit_and_a_bad_key_does_not() {
    for (body, opens) in
        [(json!({"error": "EXTERNAL_SERVICE_ERROR"}), true), (json!({"error": "invalid_grant"}), false)]
    {
        let remote = Remote::answering_tokens_too(move |_| (StatusCode::BAD_REQUEST, body.to_string()).into_response());
        let remote = remote.await.without_rest();
        for _ in 0..3 {
            read(&remote).await.unwrap_err();
        }
        assert_eq!(remote.token_requests(), 3);
        let is_open = || !remote.keeper.lock().unwrap().circuits().is_closed(Operation::Token);
        let heard = || remote.keeper.lock().unwrap().count(&[Operation::Token]) == 0;
        eventually(|| heard().then_some(())).await;
        assert_eq!(is_open(), opens);
    }
}

#[tokio::test]
async fn a_write_without_a_token_has_not_happened() {
    let cases: [fn() -> Response; 6] = [
        || status(503),
        || json_answer(&json!({"secret": API_KEY})),
        || (StatusCode::OK, API_KEY).into_response(),
        || (StatusCode::BAD_REQUEST, json!({"message": API_KEY, "requestId": API_KEY}).to_string()).into_response(),
        || (StatusCode::FORBIDDEN, format!("<html>{API_KEY}</html>")).into_response(),
        || (StatusCode::UNAUTHORIZED, API_KEY).into_response(),
    ];
    for answer in cases {
        let remote = Remote::answering_tokens_too(move |_| answer()).await;
        let pause = remote.pause(&[RemoteId(1)].into()).await;
        let no_token = |reason: &String| reason.starts_with("no access token could be fetched");
        assert!(matches!(pause.outcome(), Outcome::Failed(reason) if no_token(reason)), "{pause:?}");
        assert!(!format!("{pause:?}").contains(API_KEY));
    }
}

#[tokio::test]
async fn every_request_passes_the_gate_and_a_token_is_as_urgent_as_a_pause() {
    let remote = Remote::answering(|seen| match seen.bearer() {
        "token-1" => status(401),
        _ => json_answer(&campaign(7)),
    })
    .await;
    read(&remote).await.unwrap();
    let expected = [Urgency::Pause, Urgency::Read, Urgency::Pause, Urgency::Read];
    assert_eq!(*remote.asked.lock().unwrap(), expected);
    assert_eq!(remote.seen().len(), expected.len());
    assert_eq!(remote.keeper.lock().unwrap().budget().used(Utc::now()), expected.len());
}

#[tokio::test]
async fn nothing_is_sent_once_the_gate_is_closed() {
    let (gate, keeper) = Gate::new();
    drop(keeper);
    let client = RemoteClient::new(settings("http://127.0.0.1:1", PATIENCE), gate, Reign::sole()).unwrap();
    let mut outcomes = Vec::new();
    client.pause(&[RemoteId(1)].into(), |_, outcome| outcomes.push(outcome)).await;
    assert!(matches!(outcomes[..], [Outcome::NotSent(_)]), "{outcomes:?}");
}

#[tokio::test]
async fn a_status_code_becomes_an_error_in_the_callers_words() {
    let cases = [
        (400, "TrafficStars rejects the request (400): `said [secret]`"),
        (403, "TrafficStars rejects the request (403): `said [secret]`"),
        (404, "TrafficStars knows no such thing (404)"),
        (429, "TrafficStars says that too many requests were sent (429): is the API key used elsewhere, too?"),
        (500, "TrafficStars has a failure of its own (500)"),
        (503, "TrafficStars has a failure of its own (503)"),
    ];
    for (code, expected) in cases {
        let (remote, error) = refused_with(move |seen| {
            (StatusCode::from_u16(code).unwrap(), format!("said {}", seen.bearer())).into_response()
        })
        .await;
        assert_eq!(error.in_full(), expected);
        assert_eq!(error.fault() == RemoteFault::NotFound, code == 404);
        assert_eq!(remote.lines().len(), 1, "nothing is tried again");
    }
}

#[tokio::test]
async fn no_answer_is_quoted_with_personal_data() {
    let bodies = [
        r#"{"error": "no", "user": {"name": "Joe Doe"}, "contact": "joe@example.com"}"#,
        r#"{"error": "no", "user": {"name": "Joe Doe", "#,
        r#"<pre>{&quot;user&quot;: {&quot;name&quot;: &quot;Joe Doe&quot;}}</pre>"#,
    ];
    for body in bodies {
        for code in [StatusCode::OK, StatusCode::FORBIDDEN] {
            let (_, error) = refused_with(move |_| (code, body).into_response()).await;
            let shown = format!("{} {error:?}", error.in_full());
            assert!(!shown.contains("Doe") && !shown.contains("example.com"), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_secret_is_not_shown_where_an_escape_hides_it() {
    let (_, error) = refused_with(|seen| {
        let escaped = format!("\\u{:04x}{}", u32::from('t'), seen.bearer().trim_start_matches('t'));
        let body = format!(r#"{{"error": "{escaped}", "mail": 1}}"#);
        (StatusCode::BAD_REQUEST, body).into_response()
    })
    .await;
    let expected = r#"TrafficStars rejects the request (400): `{"error":"[secret]","mail":"[hidden]"}`"#;
    assert_eq!(error.in_full(), expected);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (remote, error) = refused_with(|_| (StatusCode::FOUND, [("location", "/elsewhere")]).into_response()).await;
    assert!(matches!(error, RemoteError::Rejected { status: 302, .. }), "{error:?}");
    assert_eq!(remote.lines(), ["GET /v1.1/campaigns/7"]);
}

#[tokio::test]
async fn a_429_says_when_to_come_back_in_seconds_as_a_date_or_not_at_all() {
    let in_an_hour = (Utc::now() + chrono::TimeDelta::hours(1)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let cases = [
        (Some("7"), Some(7)),
        (Some(in_an_hour.as_str()), Some(3600)),
        (Some("0"), None),
        (Some("Wed, 21 Oct 2015 07:28:00 GMT"), None),
        (Some("soon"), None),
        (Some("99999999999999999999"), None),
        (None, None),
    ];
    for (header, expected_seconds) in cases {
        let value = header.map(str::to_owned);
        let (remote, error) = refused_with(move |_| match &value {
            Some(value) => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", value.as_str())]).into_response(),
            None => status(429),
        })
        .await;
        let RemoteError::RateLimited { retry_at } = error else { panic!("{error:?}") };
        let seconds_from_now = |at| chrono::DateTime::signed_duration_since(at, Utc::now()).as_seconds_f64();
        let near = |at, seconds: i32| (seconds_from_now(at) - f64::from(seconds)).abs() < 5.0;
        assert_eq!(retry_at.is_some(), expected_seconds.is_some(), "{header:?}");
        assert!(
            retry_at.zip(expected_seconds).is_none_or(|(at, seconds)| near(at, seconds)),
            "{header:?}: {retry_at:?}"
        );
        let blocked_until = eventually(|| remote.keeper.lock().unwrap().budget().blocked_until(Utc::now())).await;
        let believed = expected_seconds.unwrap_or(60).min(300);
        assert!(near(blocked_until, believed), "{header:?}: the gate stays shut, five minutes at the most");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_broken_connection_and_may_have_happened() {
    let (_, error) = refused_with(|_| in_pieces([b"{\"id\": 7, ".to_vec()].into_iter(), true)).await;
    assert!(matches!(error, RemoteError::Connection { sent: true, .. }), "{error:?}");
    assert!(error.may_have_happened());
}

#[tokio::test]
async fn no_answer_in_time_may_have_happened_and_its_slot_is_held() {
    let remote = Remote::answering(|_| NEVER.into_response()).await.impatient();
    let pause = remote.pause(&[RemoteId(1)].into()).await;
    assert_eq!(*pause.outcome(), Outcome::Unclear("TrafficStars did not answer in time".to_owned()));
    assert_eq!(remote.lines().len(), 1, "it is read back, not repeated");
    assert_eq!(remote.keeper.lock().unwrap().budget().used(Utc::now()), 2);
}

#[tokio::test]
async fn without_a_connection_nothing_has_happened() {
    let closed_port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let remote = Remote::with_client_of(format!("http://127.0.0.1:{closed_port}"), Arc::default(), PATIENCE);
    let error = read(&remote).await.unwrap_err();
    let RemoteError::NoToken(cause) = &error else { panic!("{error:?}") };
    assert!(matches!(**cause, RemoteError::Connection { sent: false, .. }), "{error:?}");
    assert!(!cause.may_have_happened() && !error.may_have_happened());
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let (_, error) = refused_with(|_| in_pieces(std::iter::repeat(vec![b' '; 1 << 20]), false)).await;
    assert!(matches!(error, RemoteError::Unreadable(WireError::TooLarge { .. })), "{error:?}");
    let (_, error) = refused_with(|_| {
        let mut refusal = in_pieces(std::iter::repeat(vec![b' '; 1 << 20]), false);
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        refusal
    })
    .await;
    assert!(matches!(error, RemoteError::Rejected { status: 400, .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_no_campaign_says_what_it_is() {
    let cases = [
        ("<html>down</html>", "it is not JSON: `<html>down</html>`"),
        ("", "it is not JSON: ``"),
        ("{\"id\": 8}", "`id` of the campaign should be the id that was asked for, but is 8"),
        ("{\"error\": \"later\"}", "`id` of the campaign should be an id, but is missing"),
    ];
    for (body, expected) in cases {
        let (_, error) = refused_with(move |_| body.into_response()).await;
        let text = error.in_full();
        assert!(text.starts_with(&format!("TrafficStars' answer cannot be read: {expected}")), "{text}");
    }
}

#[tokio::test]
async fn a_token_is_sent_over_nothing_that_others_can_read() {
    let cases = [
        ("https://api.trafficstars.com", true),
        ("https://api.trafficstars.com/", true),
        ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080", true),
        ("http://localhost", true),
        ("http://api.trafficstars.com", false),
        ("http://localhost.example.com", false),
        ("https://user:password@api.trafficstars.com", false),
        ("http://10.0.0.1", false),
        ("ftp://127.0.0.1", false),
        ("api.trafficstars.com", false),
        ("", false),
    ];
    for (base_url, accepted) in cases {
        let made = RemoteClient::new(settings(base_url, PATIENCE), Gate::new().0, Reign::sole());
        // A machine without CA certificates cannot set up https, which is another matter.
        let refused = matches!(made, Err(ClientError::NotAUrl | ClientError::NotSafe));
        assert_eq!(refused, !accepted, "{base_url}: {made:?}");
    }
}

#[tokio::test]
async fn nothing_shows_the_api_key_or_a_token() {
    let remote = Remote::answering(|_| json_answer(&campaign(7))).await;
    read(&remote).await.unwrap();
    let shown = format!("{:?} {:?}", remote.client, settings("http://localhost", PATIENCE));
    assert!(!shown.contains(API_KEY) && !shown.contains("token-1"), "{shown}");
}

#[tokio::test]
async fn an_operation_can_be_spawned() {
    let remote = Remote::answering(|_| json_answer(&json!({"success": [1]}))).await;
    let pause = tokio::spawn(async move { remote.pause(&[RemoteId(1)].into()).await });
    assert_eq!(*pause.await.unwrap().outcome(), Outcome::Accepted);
}
