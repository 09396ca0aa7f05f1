//! One request to TrafficStars over HTTP, with bounds for time and size. Status codes become errors in the caller's
//! terms.
//!
//! Deliberately absent: whether it may leave now, and with which token (`client`); a second try; redirects (a token
//! belongs to one host); and the meaning of the answers (`wire`).

use std::error::Error as _;
use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{RequestBuilder, Response, Url, header, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use thiserror::Error;

use super::call::{Answer, Call};
use super::circuit::Operation;
use super::date::SeenClock;
use super::error::RemoteError;
use super::excerpt;
use super::token;
use super::wire::WireError;
use crate::leadership::Leadership;

/// The largest answer that is read. It has room for some thousands of campaigns with about seventy fields each.
const LARGEST_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// The number of bytes that are read of a refusal's body for an excerpt.
const LARGEST_REFUSAL_BYTES: usize = 4 * 1024;
/// The number of bytes that are read of the answer to a refused token request, for its reason.
const LARGEST_TOKEN_REFUSAL_BYTES: usize = 64 * 1024;
/// Shorter secrets are not searched for in answers of success.
const SHORTEST_SECRET: usize = 12;

/// The settings of the HTTP client. Their `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// `[trafficstar] base_url`. `http://` for a loopback address only.
    pub base_url: String,
    /// The API key from the profile page.
    pub api_key: SecretString,
    /// The longest time for making a connection.
    pub connect_timeout: Duration,
    /// The longest time for a request, its answer included.
    pub timeout: Duration,
}

/// The reason why no HTTP client can be made.
#[derive(Debug, Error)]
pub enum ClientError {
    /// It is not a URL, or it has a password, which would be shown.
    #[error("[trafficstar] base_url is not a plain URL: write it like https://api.trafficstars.com")]
    NotAUrl,
    /// A token sent over it could be read by others on the network.
    #[error("[trafficstar] base_url must be https:// (http:// only for a loopback address)")]
    NotSafe,
    /// The HTTP library could not be set up.
    #[error("the HTTP client cannot be set up: are the system's CA certificates installed?")]
    Setup(#[source] reqwest::Error),
}

/// Sends the requests of one TrafficStars account.
pub struct HttpClient {
    http: reqwest::Client,
    base_url: Url,
    api_key: SecretString,
    leadership: Leadership,
    clock: SeenClock,
}

/// The addresses of `localhost`. Port 0 means the port of the URL.
const LOOPBACK: [SocketAddr; 2] =
    [SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0)];

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("base_url", &self.base_url.as_str()).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Returns a client that sends requests only while this supervisor leads.
    ///
    /// # Errors
    /// The base URL is not a URL, or not safe to send a token to; the HTTP library cannot be set up.
    pub fn new(settings: RemoteSettings, leadership: Leadership) -> Result<Self, ClientError> {
        let mut base_url: Url = settings.base_url.parse().map_err(|_| ClientError::NotAUrl)?;
        if !base_url.username().is_empty() || base_url.password().is_some() {
            return Err(ClientError::NotAUrl);
        }
        let loopback = base_url.host_str().is_some_and(is_loopback);
        match base_url.scheme() {
            "https" => {}
            "http" if loopback => {}
            _ => return Err(ClientError::NotSafe),
        }
        base_url.set_query(None);
        base_url.set_fragment(None);
        crate::tls::install();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("traffic-generator/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            .redirect(redirect::Policy::none())
            // With HTTP/2, one connection would carry every request. If it hangs, all requests time out, and it stays
            // in use.
            .http1_only()
            // The library's own retries would not pass the scheduler.
            .retry(retry::never());
        if base_url.scheme() == "http" {
            // A proxy would carry the token out of this machine. No certificate is needed within this machine. The name
            // `localhost` is fixed to the loopback addresses, because /etc/hosts may name another machine.
            builder = builder.no_proxy().tls_certs_only([]).resolve_to_addrs("localhost", &LOOPBACK);
        }
        Ok(Self {
            http: builder.build().map_err(ClientError::Setup)?,
            base_url,
            api_key: settings.api_key,
            leadership,
            clock: SeenClock::default(),
        })
    }

    /// Returns the clock difference by TrafficStars' answers.
    #[must_use]
    pub fn seen_clock(&self) -> SeenClock {
        self.clock.clone()
    }

    /// Sends one request, and reads its answer. Every request leaves here. Leadership is checked once more before it
    /// leaves.
    ///
    /// # Errors
    /// No answer came in time, the answer is no success or cannot be read, or this supervisor no longer leads.
    pub async fn exchange(&self, call: &Call, token: Option<&SecretString>) -> Result<Answer, RemoteError> {
        let answered = self.send(call, token).await;
        if call.operation() == Operation::Token { answered.map_err(RemoteError::of_token_request) } else { answered }
    }

    async fn send(&self, call: &Call, token: Option<&SecretString>) -> Result<Answer, RemoteError> {
        let (method, path, query, body) = call.sent();
        let url = format!("{}{path}", self.base_url.as_str().trim_end_matches('/'));
        let mut request = self.http.request(method, url).query(&query).header(header::ACCEPT, "application/json");
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(body) = &body {
            request = request.json(body);
        }
        if call.operation() == Operation::Token {
            request = request.form(&[("grant_type", "refresh_token"), ("refresh_token", self.api_key.expose_secret())]);
        }
        if ![Operation::Pause, Operation::Token].contains(&call.operation()) {
            // A pause that leaves at the same moment must go first, even if this future is polled first.
            tokio::task::yield_now().await;
        }
        let secrets = [self.api_key.expose_secret(), token.map_or("", ExposeSecret::expose_secret)];
        let answer = self.answer_to(request, call.operation(), secrets);
        let mut answer = self.leadership.send(answer).await.unwrap_or_else(|ended| Err(ended.into()))?;
        if call.operation() != Operation::Token {
            // Errors quote the answer, and some of its words are shown. A very short secret is not searched for:
            // TrafficStars gives out none, and hiding it could change words that decisions need.
            let long: Vec<&str> = secrets.into_iter().filter(|secret| secret.len() >= SHORTEST_SECRET).collect();
            answer = hide(&long, answer);
        }
        call.read(answer)
    }

    async fn answer_to(
        &self,
        request: RequestBuilder,
        operation: Operation,
        secrets: [&str; 2],
    ) -> Result<Value, RemoteError> {
        let asked_at = Utc::now();
        let response = request.send().await.map_err(failed_to_send)?;
        let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date {
            self.clock.saw(date, asked_at, Utc::now());
        }
        if !response.status().is_success() {
            return Err(refusal(response, operation, secrets).await);
        }
        let body = read_body(response, LARGEST_ANSWER_BYTES).await?;
        serde_json::from_slice(&body).map_err(|_| {
            WireError::NotJson { excerpt: Some(without(&secrets, &String::from_utf8_lossy(&body))) }.into()
        })
    }
}

/// Whether a URL's host is this machine.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Returns why no answer came.
fn failed_to_send(error: reqwest::Error) -> RemoteError {
    let sent = !error.is_connect() && !error.is_builder();
    if error.is_timeout() {
        RemoteError::TimedOut { sent }
    } else if let Some(wrong_address) = WrongAddress::behind(&error) {
        RemoteError::Connection { sent, source: Arc::new(wrong_address) }
    } else {
        RemoteError::Connection { sent, source: Arc::new(error.without_url()) }
    }
}

/// The likely mistakes in `base_url`, for the operator.
#[derive(Debug, Error)]
enum WrongAddress {
    #[error("nothing listens at {0}")]
    NothingListens(String),
    #[error("the host of {0} is not known: its name cannot be resolved")]
    NoSuchHost(String),
}

impl WrongAddress {
    fn behind(error: &reqwest::Error) -> Option<Self> {
        // The text of a private error type of the library.
        const NO_NAME: &str = "dns error";
        let at = error.url()?.origin().ascii_serialization();
        let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
        causes.find_map(|cause| match cause.downcast_ref::<std::io::Error>() {
            Some(error) if error.kind() == ErrorKind::ConnectionRefused => Some(Self::NothingListens(at.clone())),
            None if cause.to_string() == NO_NAME => Some(Self::NoSuchHost(at.clone())),
            Some(_) | None => None,
        })
    }
}

async fn read_body(mut response: Response, limit_bytes: usize) -> Result<Vec<u8>, RemoteError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed_to_send)? {
        if body.len() + chunk.len() > limit_bytes {
            return Err(WireError::TooLarge { limit_bytes }.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Returns the error for an answer that is no success.
async fn refusal(response: Response, operation: Operation, secrets: [&str; 2]) -> RemoteError {
    let status = response.status().as_u16();
    match status {
        429 => RemoteError::RateLimited { retry_at: retry_at(&response, Utc::now()) },
        500..=599 => RemoteError::Unavailable { status },
        _ if operation == Operation::Token => {
            let header = response.headers().get("x-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
            let body = read_body(response, LARGEST_TOKEN_REFUSAL_BYTES).await.unwrap_or_default();
            let [api_key, _] = secrets;
            token::refusal(status, header.as_deref(), &body, api_key)
        }
        401 => RemoteError::Unauthorized,
        404 => RemoteError::NotFound,
        _ => {
            // If the body does not come completely, the status is enough.
            let body = read_body(response, LARGEST_REFUSAL_BYTES).await.unwrap_or_default();
            RemoteError::Rejected { status, excerpt: without(&secrets, &String::from_utf8_lossy(&body)) }
        }
    }
}

/// Reads `Retry-After`, in seconds or as an HTTP date; `None` if it is missing, unreadable or in the past.
fn retry_at(response: &Response, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let at = match text.parse::<u32>() {
        Ok(seconds) => now + TimeDelta::seconds(seconds.into()),
        Err(_) => DateTime::parse_from_rfc2822(text).ok()?.to_utc(),
    };
    Some(at).filter(|at| *at > now)
}

/// Returns an excerpt of a text in which TrafficStars may have repeated what we sent, without secrets.
fn without(secrets: &[&str], text: &str) -> String {
    let without = |text: String| hidden(secrets, &text).unwrap_or(text);
    // Secrets are hidden again afterwards, because an excerpt of JSON replaces escapes by their characters.
    excerpt::beginning(&without(excerpt::impersonal(&without(text.to_owned()))))
}

/// Returns the text without the secrets; `None` if it holds none.
fn hidden(secrets: &[&str], text: &str) -> Option<String> {
    let mut found = secrets.iter().filter(|secret| !secret.is_empty() && text.contains(**secret)).peekable();
    found.peek()?;
    Some(found.fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]")))
}

/// Hides the secrets in every text of an answer. A field whose name holds a secret is left out.
fn hide(secrets: &[&str], answer: Value) -> Value {
    match answer {
        Value::String(text) => Value::String(hidden(secrets, &text).unwrap_or(text)),
        Value::Array(values) => values.into_iter().map(|value| hide(secrets, value)).collect(),
        Value::Object(fields) => {
            let shown = fields.into_iter().filter(|(name, _)| hidden(secrets, name).is_none());
            shown.map(|(name, value)| (name, hide(secrets, value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => answer,
    }
}
