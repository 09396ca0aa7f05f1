//! The bytes that TrafficStars' server sends over a connection in answer to any request: status line, headers and body.
//!
//! `{{key}}` and `{{token}}` stand for the API key and the access token, since a server may echo what it received. If
//! the bytes begin with `token:`, the rest answers the request for a token; otherwise that request gets a valid answer.

use std::fmt::Debug;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio::runtime::Runtime;
use traffic_generator::domain::ids::RemoteId;
use traffic_generator::leadership::Leadership;
use traffic_generator::trafficstar::call::{Answer, CAMPAIGN_REPORTS, Call, DAY_REPORTS, LISTS, Switch, SwitchWay};
use traffic_generator::trafficstar::error::RemoteError;
use traffic_generator::trafficstar::http::{HttpClient, RemoteSettings};
use traffic_generator::trafficstar::wire::{DayRows, day_spend};

use super::expected::assert_names_no_person;
use super::peers::{answer_each, locked, runtime};

const KEY: &str = "key-5d41402abc4b2a76b9719d911017c592";
const TOKEN: &str = "token-7d793037a0760186574b0282f2f435e7";
const ID: RemoteId = RemoteId(7);
/// The time-out of one request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time for all requests. Each is sent once, and the answers are ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every request ends, with an answer or with an error that may be shown and has no secret.
pub fn check(bytes: &[u8]) {
    static SERVER: OnceLock<Mutex<Server>> = OnceLock::new();
    let server = locked(SERVER.get_or_init(|| Mutex::new(Server::start())));
    let text = bytes.strip_prefix(b"token:");
    let answer = echoed(text.unwrap_or(bytes));
    let token = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n\
         {{\"access_token\": \"{TOKEN}\", \"expires_in\": 36000}}"
    );
    *locked(&server.answers) =
        Answers { token: if text.is_some() { answer.clone() } else { token.into_bytes() }, other: answer };
    let start = Instant::now();
    server.runtime.block_on(ask(&server.base_url));
    assert!(start.elapsed() < PATIENCE, "it took {:?}", start.elapsed());
}

/// Returns the bytes with the secrets in place of `{{key}}` and `{{token}}`.
fn echoed(bytes: &[u8]) -> Vec<u8> {
    let mut echoed = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, others)) = rest.split_first() {
        let places = [(&b"{{key}}"[..], KEY), (b"{{token}}", TOKEN)];
        let met = places.into_iter().find_map(|(place, secret)| Some((secret.as_bytes(), rest.strip_prefix(place)?)));
        let (said, after) = met.unwrap_or((std::slice::from_ref(first), others));
        echoed.extend_from_slice(said);
        rest = after;
    }
    echoed
}

#[derive(Default)]
struct Answers {
    token: Vec<u8>,
    other: Vec<u8>,
}

struct Server {
    base_url: String,
    answers: Arc<Mutex<Answers>>,
    runtime: Runtime,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base_url = format!("http://{}", listener.local_addr().expect("its address"));
        let answers: Arc<Mutex<Answers>> = Arc::default();
        let said = Arc::clone(&answers);
        let answer = move |request: &[u8]| {
            let answers = locked(&said);
            if request.starts_with(b"POST /v1/auth/token") { answers.token.clone() } else { answers.other.clone() }
        };
        std::thread::spawn(move || answer_each(listener.incoming(), is_whole, answer));
        Self { base_url, answers, runtime: runtime() }
    }
}

/// Whether the request is complete. Closing a connection with unread bytes resets it, and the client would lose the
/// answer.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    body.len() >= length.unwrap_or(0)
}

/// Returns one call of every kind that the client sends.
fn calls() -> Vec<Call> {
    let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().expect("a time");
    let day = now.date_naive();
    let mut calls = vec![Call::Token, Call::Campaign(ID), Call::EndTime { remote: ID, at: now }];
    calls.extend(LISTS.map(|sizes| Call::Page { number: 2, sizes }));
    calls.extend(CAMPAIGN_REPORTS.map(|path| Call::Report { path, day, offset: 0 }));
    calls.extend(DAY_REPORTS.iter().map(|report| Call::DayReport { report, remote: ID, day, page: 1 }));
    for switch in [Switch::Run, Switch::Pause] {
        calls.extend(switch.ways().iter().map(|way| match way {
            SwitchWay::Together(path) => Call::Together { switch, path, remotes: [ID].into() },
            SwitchWay::Each => Call::Each { switch, remote: ID },
        }));
    }
    calls
}

async fn ask(base_url: &str) {
    let settings = RemoteSettings {
        base_url: base_url.to_owned(),
        api_key: SecretString::from(KEY),
        connect_timeout: TIMEOUT,
        timeout: TIMEOUT,
    };
    let http = HttpClient::new(settings, Leadership::sole()).expect("a client");
    let token = SecretString::from(TOKEN);
    for call in calls() {
        let token = (call != Call::Token).then_some(&token);
        match (fit(http.exchange(&call, token).await), &call) {
            (Some(Answer::Token(token)), _) => {
                assert!(token.lifetime <= Duration::from_secs(31 * 24 * 3600), "a token for ever");
            }
            (Some(Answer::Campaign(campaign)), _) => {
                assert_eq!(campaign.id, ID, "another campaign than the one that was asked for");
            }
            (Some(Answer::Page(page)), _) => {
                assert!(page.page.is_none_or(|page| page == 2), "another page than the one that was asked for");
            }
            (Some(Answer::DayReport(page)), Call::DayReport { day, .. }) => {
                let mut rows = DayRows::default();
                let spend = rows.take(1, &page).and_then(|_| day_spend(&rows.into_rows(), *day));
                spend.err().iter().for_each(|error| assert_fit(&error.to_string()));
            }
            (Some(Answer::DayReport(_) | Answer::Report(_) | Answer::Switched(_)) | None, _) => {}
        }
    }
}

/// Checks that neither the answer nor the error shows a secret; returns the answer.
fn fit<T: Debug>(answer: Result<T, RemoteError>) -> Option<T> {
    match answer {
        Ok(answer) => {
            assert_no_secret(&format!("{answer:?}"));
            Some(answer)
        }
        Err(error) => {
            assert_fit(&error.in_full());
            assert_no_secret(&format!("{error:?}"));
            None
        }
    }
}

#[track_caller]
fn assert_fit(shown: &str) {
    assert_names_no_person(shown);
    assert_no_secret(shown);
}

#[track_caller]
fn assert_no_secret(shown: &str) {
    assert!(!shown.contains(KEY) && !shown.contains(TOKEN), "a secret is shown: {shown}");
}
