//! Tests of requests over HTTP: what is sent, time-outs, bounds, status codes, and that no secret is shown.

use chrono::Utc;

use super::*;
use crate::domain::failure::RemoteFault;
use crate::trafficstar::http::ClientError;
use crate::trafficstar::wire::WireError;

const READ: Call = Call::Campaign(RemoteId(7));

async fn refused_with(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> (Remote, RemoteError) {
    let remote = Remote::answering(answer).await;
    let error = remote.exchange(&READ).await.unwrap_err();
    (remote, error)
}

/// Returns the error for this answer to a token request.
async fn token_refused_with(answer: impl Fn() -> Response + Send + Sync + 'static) -> RemoteError {
    let error = Remote::answering(move |_| answer()).await.exchange(&Call::Token).await.unwrap_err();
    assert!(!format!("{error:?} {}", error.in_full()).contains(API_KEY), "{error:?}");
    error
}

#[tokio::test]
async fn each_request_carries_what_it_needs_and_no_more() {
    let remotes = [RemoteId(1), RemoteId(2)].into();
    let pause =
        Call::Together { switch: crate::trafficstar::call::Switch::Pause, path: "/v2/campaigns/pause", remotes };
    let token = json!({"access_token": "new", "expires_in": 36000, "id_token": "long"});
    let form = "grant_type=refresh_token&refresh_token=the-api-key";
    let cases = [
        (READ, campaign(7), "GET /v1.1/campaigns/7", Some(TOKEN), None, ""),
        (Call::Token, token, "POST /v1/auth/token", None, Some("application/x-www-form-urlencoded"), form),
        (
            pause,
            json!({"success": [1]}),
            "PUT /v2/campaigns/pause",
            Some(TOKEN),
            Some("application/json"),
            r#"{"campaign_ids":[1,2]}"#,
        ),
    ];
    for (call, answer, line, token, kind, body) in cases {
        let remote = Remote::answering(move |_| json_answer(&answer)).await;
        let came = remote.exchange(&call).await.unwrap();
        let [seen] = &remote.seen()[..] else { panic!("{:?}", remote.seen()) };
        let bearer = seen.headers.contains_key("authorization").then(|| seen.bearer());
        let sent_kind = seen.headers.get("content-type").map(|kind| kind.to_str().unwrap());
        assert_eq!((seen.line().as_str(), bearer, sent_kind, seen.body.as_str()), (line, token, kind, body));
        if call == Call::Token {
            assert_eq!(came.into_token().unwrap().lifetime, Duration::from_secs(36_000));
        }
    }
}

#[tokio::test]
async fn a_refused_token_request_says_why_and_quotes_nothing() {
    let bad_key = || (StatusCode::BAD_REQUEST, json!({"error": "invalid_grant", "echo": API_KEY}).to_string());
    let error = token_refused_with(move || bad_key().into_response()).await;
    assert!(matches!(error, RemoteError::BadApiKey), "{error:?}");
    let cases: [fn() -> Response; 6] = [
        || status(503),
        || json_answer(&json!({"secret": API_KEY})),
        || (StatusCode::OK, API_KEY).into_response(),
        || (StatusCode::BAD_REQUEST, json!({"message": API_KEY, "requestId": API_KEY}).to_string()).into_response(),
        || (StatusCode::FORBIDDEN, format!("<html>{API_KEY}</html>")).into_response(),
        || (StatusCode::UNAUTHORIZED, API_KEY).into_response(),
    ];
    for answer in cases {
        let error = token_refused_with(answer).await;
        assert!(matches!(error, RemoteError::NoToken(_)), "{error:?}");
        assert!(!error.may_have_happened(), "{error:?}");
    }
}

#[tokio::test]
async fn a_status_code_becomes_an_error_in_the_callers_terms() {
    let cases = [
        (400, "TrafficStars rejects the request (400): `said [secret]`"),
        (403, "TrafficStars rejects the request (403): `said [secret]`"),
        (404, "TrafficStars answers: not found (404)"),
        (429, "TrafficStars says that too many requests were sent (429): is the API key used elsewhere, too?"),
        (500, "TrafficStars has an internal error (500)"),
        (503, "TrafficStars has an internal error (503)"),
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
async fn a_secret_that_an_escape_hides_is_not_shown() {
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
async fn a_429_says_when_to_send_again_in_seconds_as_a_date_or_not_at_all() {
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
        let (_, error) = refused_with(move |_| match &value {
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
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_broken_connection_and_may_have_taken_effect() {
    let (_, error) = refused_with(|_| in_pieces([b"{\"id\": 7, ".to_vec()].into_iter(), true)).await;
    assert!(matches!(error, RemoteError::Connection { sent: true, .. }), "{error:?}");
    assert!(error.may_have_happened());
}

#[tokio::test]
async fn a_request_without_an_answer_in_time_may_have_taken_effect() {
    let remote = Remote::answering(|_| NEVER.into_response()).await.impatient();
    let error = remote.exchange(&READ).await.unwrap_err();
    assert_eq!(error.in_full(), "TrafficStars did not answer in time");
    assert!(error.may_have_happened());
    assert_eq!(remote.lines().len(), 1, "it is read back, not repeated");
}

#[tokio::test]
async fn a_request_without_a_connection_has_no_effect() {
    let closed_port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let remote = Remote::with_client_of(format!("http://127.0.0.1:{closed_port}"), Arc::default(), PATIENCE);
    let error = remote.exchange(&READ).await.unwrap_err();
    assert!(matches!(error, RemoteError::Connection { sent: false, .. }), "{error:?}");
    assert!(!error.may_have_happened());
    let expected =
        format!("the connection to TrafficStars could not be made: nothing listens at http://127.0.0.1:{closed_port}");
    assert_eq!(error.in_full(), expected);
}

#[tokio::test]
async fn reading_an_endless_answer_stops() {
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
async fn the_error_of_an_unreadable_answer_says_what_was_found() {
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
async fn a_token_is_never_sent_unencrypted_to_another_machine() {
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
        let made = HttpClient::new(settings(base_url, PATIENCE), Leadership::sole());
        // A machine without CA certificates cannot set up https. That error is not tested here.
        let refused = matches!(made, Err(ClientError::NotAUrl | ClientError::NotSafe));
        assert_eq!(refused, !accepted, "{base_url}: {made:?}");
    }
}

#[tokio::test]
async fn debug_output_shows_no_api_key_and_no_token() {
    let remote = Remote::answering(|_| json_answer(&campaign(7))).await;
    remote.exchange(&READ).await.unwrap();
    let shown = format!("{:?} {:?}", remote.http, settings("http://localhost", PATIENCE));
    assert!(!shown.contains(API_KEY) && !shown.contains(TOKEN), "{shown}");
}
