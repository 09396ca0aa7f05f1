//! The HTTP client against a server of its own, over real HTTP on loopback.

mod http;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::call::{Answer, Call};
use super::error::RemoteError;
use super::http::{HttpClient, RemoteSettings};
use crate::domain::ids::RemoteId;
use crate::leadership::Leadership;

const API_KEY: &str = "the-api-key";
const TOKEN: &str = "the-access-token";
const PATIENCE: Duration = Duration::from_secs(10);

/// A request as the server saw it.
#[derive(Debug, Clone)]
struct Seen {
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

    fn bearer(&self) -> &str {
        self.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap()
    }
}

/// A server, a client of it, and the requests that the server has seen.
struct Remote {
    http: HttpClient,
    seen: Arc<Mutex<Vec<Seen>>>,
    base_url: String,
}

impl Remote {
    /// Starts a server that answers every request by `answer`.
    async fn answering(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
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

    fn with_client_of(base_url: String, seen: Arc<Mutex<Vec<Seen>>>, timeout: Duration) -> Self {
        let http = HttpClient::new(settings(&base_url, timeout), Leadership::sole()).unwrap();
        Self { http, seen, base_url }
    }

    async fn exchange(&self, call: &Call) -> Result<Answer, RemoteError> {
        let token = SecretString::from(TOKEN);
        self.http.exchange(call, (*call != Call::Token).then_some(&token)).await
    }

    /// Returns the same server, with a client of a short time-out.
    fn impatient(self) -> Self {
        Self::with_client_of(self.base_url, self.seen, Duration::from_secs(1))
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }
}

fn settings(base_url: &str, timeout: Duration) -> RemoteSettings {
    let api_key = SecretString::from(API_KEY);
    RemoteSettings { base_url: base_url.to_owned(), api_key, connect_timeout: timeout, timeout }
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

/// A status that makes the test server send no answer at all.
const NEVER: StatusCode = StatusCode::IM_A_TEAPOT;

fn status(code: u16) -> Response {
    StatusCode::from_u16(code).unwrap().into_response()
}

fn json_answer(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}

/// Returns a body that comes in these pieces. If `breaks`, the connection breaks at its end.
fn in_pieces(pieces: impl Iterator<Item = Vec<u8>> + Send + 'static, breaks: bool) -> Response {
    let pieces = pieces.map(|piece| Ok(Bytes::from(piece)));
    let end = breaks.then(|| Err(std::io::Error::other("broken off")));
    Body::from_stream(futures_util::stream::iter(pieces.chain(end))).into_response()
}

pub(super) fn campaign(id: i64) -> Value {
    json!({"id": id, "active": true, "status": "enabled", "spent_today": 1.5})
}
