//! The client against a server of its own, over real HTTP on loopback.

mod endpoints;
mod http;
mod switching;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::budget::{Budget, Urgency};
use super::gate::{Gate, GateMessage, Gatekeeper};
use super::http::{RemoteClient, RemoteSettings};
use crate::domain::action::Outcome;
use crate::domain::ids::RemoteId;
use crate::reign::Reign;

const API_KEY: &str = "the-api-key";
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// For how long a failed token request rests; a third of it for a pause.
const TOKEN_REST: Duration = Duration::from_secs(3);

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    /// `GET /path?query`
    fn line(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{} {}{mark}{}", self.method, self.path, self.query)
    }

    fn is_token_request(&self) -> bool {
        self.path == "/v1/auth/token"
    }

    fn bearer(&self) -> &str {
        self.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap()
    }
}

/// What became of each campaign of a run or a pause, and why a request failed.
#[derive(Debug)]
struct Switched {
    outcomes: BTreeMap<RemoteId, Outcome>,
    failure: Option<String>,
}

impl Switched {
    /// The outcome of the only one.
    fn outcome(&self) -> &Outcome {
        let (outcome, others) = (self.outcomes.values().next().unwrap(), self.outcomes.len() - 1);
        assert_eq!(others, 0, "{self:?}");
        outcome
    }
}

/// A server, a client of it, and what both have done.
pub(super) struct Remote {
    pub(super) client: RemoteClient,
    seen: Arc<Mutex<Vec<Seen>>>,
    asked: Arc<Mutex<Vec<Urgency>>>,
    keeper: Arc<Mutex<Gatekeeper>>,
    base_url: String,
}

impl Remote {
    /// A server whose first token is `token-1`, the next one `token-2`, and which answers everything else by `answer`.
    async fn answering(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        let issued = Mutex::new(0);
        Self::answering_tokens_too(move |seen| {
            if !seen.is_token_request() {
                return answer(seen);
            }
            let mut issued = issued.lock().unwrap();
            *issued += 1;
            let token = json!({"access_token": format!("token-{issued}"), "expires_in": 36000, "id_token": "long"});
            json_answer(&token)
        })
        .await
    }

    async fn answering_tokens_too(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (answer, log) = (Arc::new(answer), Arc::clone(&seen));
        let app = Router::new().fallback(move |request: Request| {
            let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
            async move {
                let request = note(request).await;
                log.lock().unwrap().push(request.clone());
                let response = answer(&request);
                if response.status() == NEVER { std::future::pending().await } else { response }
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self::with_client_of(base_url, seen, PATIENCE)
    }

    pub(super) fn with_client_of(base_url: String, seen: Arc<Mutex<Vec<Seen>>>, timeout: Duration) -> Self {
        let settings = settings(&base_url, timeout);
        Self::with(settings, base_url, seen)
    }

    fn with(settings: RemoteSettings, base_url: String, seen: Arc<Mutex<Vec<Seen>>>) -> Self {
        let (gate, mut heard) = Gate::new();
        let keeper = Arc::new(Mutex::new(Gatekeeper::new(Budget::new(1_000), chrono::Duration::zero())));
        let asked: Arc<Mutex<Vec<Urgency>>> = Arc::default();
        let (at_the_gate, log) = (Arc::clone(&keeper), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Some(message) = heard.recv().await {
                if let GateMessage::Ask { asking, .. } = &message {
                    log.lock().unwrap().push(asking.urgency);
                }
                let mut keeper = at_the_gate.lock().unwrap();
                keeper.hear(Utc::now(), message);
                let granted = keeper.grant(Utc::now());
                keeper.let_go(Utc::now(), granted);
            }
        });
        let client = RemoteClient::new(settings, gate, Reign::sole()).unwrap();
        Self { client, seen, asked, keeper, base_url }
    }

    /// Pauses, and waits until all is over.
    async fn pause(&self, ids: &BTreeSet<RemoteId>) -> Switched {
        let mut outcomes = BTreeMap::new();
        let failure = self.client.pause(ids, |id, outcome| drop(outcomes.insert(id, outcome))).await;
        Switched { outcomes, failure }
    }

    /// Runs, and waits until all is over.
    async fn run(&self, ids: &BTreeSet<RemoteId>) -> Switched {
        let mut outcomes = BTreeMap::new();
        let failure = self.client.run(ids, None, |id, outcome| drop(outcomes.insert(id, outcome))).await;
        Switched { outcomes, failure }
    }

    /// The same server, with a client of little patience.
    fn impatient(self) -> Self {
        Self::with_client_of(self.base_url, self.seen, Duration::from_secs(1))
    }

    /// The same server, with a client that asks for a token again at once.
    fn without_rest(self) -> Self {
        let settings = RemoteSettings { token_rest: Duration::ZERO, ..settings(&self.base_url, PATIENCE) };
        Self::with(settings, self.base_url, self.seen)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The request lines but for those of token requests.
    fn lines(&self) -> Vec<String> {
        self.seen().iter().filter(|seen| !seen.is_token_request()).map(Seen::line).collect()
    }

    fn token_requests(&self) -> usize {
        self.seen().iter().filter(|seen| seen.is_token_request()).count()
    }
}

/// Waits until something is there.
async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("what is waited for comes within the test's patience")
}

fn settings(base_url: &str, timeout: Duration) -> RemoteSettings {
    let api_key = SecretString::from(API_KEY);
    RemoteSettings { base_url: base_url.to_owned(), api_key, connect_timeout: timeout, timeout, token_rest: TOKEN_REST }
}

async fn note(request: Request) -> Seen {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Seen {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// A status that the test server never sends: it stands for no answer at all.
const NEVER: StatusCode = StatusCode::IM_A_TEAPOT;

fn status(code: u16) -> Response {
    StatusCode::from_u16(code).unwrap().into_response()
}

fn json_answer(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}

/// A body that comes in these pieces and then breaks off, if `breaks`.
fn in_pieces(pieces: impl Iterator<Item = Vec<u8>> + Send + 'static, breaks: bool) -> Response {
    let pieces = pieces.map(|piece| Ok(Bytes::from(piece)));
    let end = breaks.then(|| Err(std::io::Error::other("broken off")));
    Body::from_stream(futures_util::stream::iter(pieces.chain(end))).into_response()
}

fn campaign(id: i64) -> Value {
    json!({"id": id, "active": true, "status": "enabled", "spent_today": 1.5})
}

fn ids(numbers: impl IntoIterator<Item = i64>) -> BTreeSet<RemoteId> {
    numbers.into_iter().map(RemoteId).collect()
}

/// What a path answers.
type Answers = fn(&Seen) -> Value;

/// A server that has these paths only, and answers 404 to every other.
async fn having(paths: &'static [(&'static str, Answers)]) -> Remote {
    Remote::answering(|seen| {
        let known = paths.iter().find(|(line, _)| seen.line().starts_with(line));
        known.map_or_else(|| status(404), |(_, answer)| json_answer(&answer(seen)))
    })
    .await
}

fn all_succeed(seen: &Seen) -> Value {
    let asked: Value = serde_json::from_str(&seen.body).unwrap();
    json!({"success": asked["campaign_ids"], "failed": [], "total": 1})
}
