//! All that TrafficStars' server sends over a connection, whatever was asked for: status line, headers and body.
//!
//! `{{key}}` and `{{token}}` stand for the API key and the access token: a server may echo what it was sent. Where the
//! bytes begin with `token:`, the rest answers the request for a token; otherwise that one is answered well.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use secrecy::SecretString;
use tokio::runtime::Runtime;
use traffic_generator::domain::action::Outcome;
use traffic_generator::domain::facts::RemoteId;
use traffic_generator::domain::spend::SourceAnswer;
use traffic_generator::reign::Reign;
use traffic_generator::trafficstar::budget::{Budget, Rank, Urgency};
use traffic_generator::trafficstar::error::RemoteError;
use traffic_generator::trafficstar::gate::{Gate, GateMessage, Gatekeeper};
use traffic_generator::trafficstar::http::{RemoteClient, RemoteSettings};

use super::expected::assert_quotes_nobody;

const KEY: &str = "key-5d41402abc4b2a76b9719d911017c592";
const TOKEN: &str = "token-7d793037a0760186574b0282f2f435e7";
const ID: RemoteId = RemoteId(7);
/// A request may take as long as this.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Everything is asked for once, with two or three candidates each: bytes that are there take a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every question ends, with what was answered or an error that is fit to be shown and holds no secret.
pub fn check(bytes: &[u8]) {
    static SERVER: OnceLock<Mutex<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Mutex::new(Server::start())).lock();
    let server = server.unwrap_or_else(std::sync::PoisonError::into_inner);
    let text = bytes.strip_prefix(b"token:");
    let answer = echoed(text.unwrap_or(bytes));
    let token = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n\
         {{\"access_token\": \"{TOKEN}\", \"expires_in\": 36000}}"
    );
    *server.answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
        Answers { token: if text.is_some() { answer.clone() } else { token.into_bytes() }, other: answer };
    let start = Instant::now();
    server.runtime.block_on(ask(&server.base_url));
    assert!(start.elapsed() < PATIENCE, "it took {:?}", start.elapsed());
}

/// The bytes with the secrets in their places.
fn echoed(bytes: &[u8]) -> Vec<u8> {
    let mut echoed = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, others)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"{{key}}") {
            echoed.extend_from_slice(KEY.as_bytes());
            rest = after;
        } else if let Some(after) = rest.strip_prefix(b"{{token}}") {
            echoed.extend_from_slice(TOKEN.as_bytes());
            rest = after;
        } else {
            echoed.push(*first);
            rest = others;
        }
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
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A connection that is made and never used must not keep the others waiting.
                let said = Arc::clone(&said);
                std::thread::spawn(move || answer(stream, &said));
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { base_url, answers, runtime }
    }
}

/// One answer for each connection, and its end.
fn answer(mut stream: TcpStream, answers: &Mutex<Answers>) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !is_whole(&request) {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(piece.get(..length).unwrap_or_default()),
        }
    }
    let answers = answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let answer = if request.starts_with(b"POST /v1/auth/token") { &answers.token } else { &answers.other };
    // The client may have heard enough.
    let _ = stream.write_all(answer);
}

/// What is not read before the end of the connection would reset it, and take the answer along.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    body.len() >= length.unwrap_or(0)
}

fn client(base_url: &str) -> RemoteClient {
    let (gate, mut heard) = Gate::new();
    tokio::spawn(async move {
        let mut keeper = Gatekeeper::new(Budget::new(1_000_000), chrono::Duration::zero());
        loop {
            let granted = keeper.grant(Utc::now());
            keeper.let_go(Utc::now(), granted);
            let next = keeper.next_grant_at(Utc::now()).map(|at| (at - Utc::now()).to_std().unwrap_or_default());
            match tokio::time::timeout(next.unwrap_or(PATIENCE), heard.recv()).await {
                // A pause that is answered with 429 is sent again when the silence is over: here, at once.
                Ok(Some(GateMessage::RateLimited { .. })) | Err(_) => {}
                Ok(Some(message)) => keeper.hear(Utc::now(), message),
                Ok(None) => return,
            }
        }
    });
    let settings = RemoteSettings {
        base_url: base_url.to_owned(),
        api_key: SecretString::from(KEY),
        connect_timeout: TIMEOUT,
        timeout: TIMEOUT,
        token_rest: Duration::ZERO,
    };
    RemoteClient::new(settings, gate, Reign::sole()).expect("a client")
}

async fn ask(base_url: &str) {
    // A new client for each: after a 429 one would wait, as it should.
    let client = || client(base_url);
    let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().expect("a time");
    let day: NaiveDate = now.date_naive();
    let ids = BTreeSet::from([ID]);
    let rank = Rank::of_activation(0, chrono::Duration::zero());
    if let Some(campaign) = fit(client().campaign(ID, Urgency::Read).await) {
        assert_eq!(campaign.id, ID, "another campaign than the one that was asked for");
    }
    if let Some(campaign) = fit(client().set_end_time(ID, now, rank, None).await) {
        assert_eq!(campaign.id, ID, "another campaign than the one that was changed");
    }
    if let Some(page) = fit(client().campaigns_page(2, Urgency::Sweep).await) {
        assert!(page.page.is_none_or(|page| page == 2), "another page than the one that was asked for");
    }
    for runs in [false, true] {
        let mut outcomes = Vec::new();
        let tell = |id, outcome| outcomes.push((id, outcome));
        let failure = if runs { client().run(&ids, None, tell).await } else { client().pause(&ids, tell).await };
        assert_eq!(outcomes.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ID], "an outcome for each id and no other");
        for (_, outcome) in &outcomes {
            match outcome {
                Outcome::Accepted => {}
                Outcome::Failed(reason)
                | Outcome::Unclear(reason)
                | Outcome::NotSent(reason)
                | Outcome::Postponed(reason) => {
                    assert_fit(reason);
                }
            }
        }
        failure.iter().for_each(|reason| assert_fit(reason));
    }
    fit(client().spend_report(day, Urgency::Read).await);
    let client = client();
    match client.day_spend(day, ID, Urgency::Read).await {
        SourceAnswer::Failed(reason) => assert_fit(&reason),
        SourceAnswer::Value(_) | SourceAnswer::NoValue | SourceAnswer::NoSource => {}
    }
    for endpoint in client.endpoints() {
        assert_fit(&format!("{endpoint:?}"));
    }
    assert!(
        client.token_expires_at().is_none_or(|at| at - Utc::now() <= chrono::Duration::days(31)),
        "a token for ever"
    );
}

/// What was answered; everything that can be shown of it, or of its error, holds no secret.
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
    assert_quotes_nobody(shown);
    assert_no_secret(shown);
}

#[track_caller]
fn assert_no_secret(shown: &str) {
    assert!(!shown.contains(KEY) && !shown.contains(TOKEN), "a secret is shown: {shown}");
}
