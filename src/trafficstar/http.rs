//! One request to TrafficStars: through the gate, with a token, bounded in time and size, its status code turned into an
//! error in the caller's words. The token is cached and renewed here.
//!
//! Deliberately absent: a second try of anything but a request whose token was refused (the next tick is the retry),
//! redirects (a token belongs to one host), and the meaning of the answers (`wire`, `endpoints`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, RequestBuilder, Response, Url, header, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use thiserror::Error;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::budget::Urgency;
use super::candidates::KnownEndpoints;
use super::circuit::{Ended, Operation};
use super::date::SeenClock;
use super::error::RemoteError;
use super::excerpt;
use super::gate::{AnswerWord, Asking, Gate};
use super::token;
use super::wire::{self, TokenAnswer, WireError};
use crate::reign::Reign;

/// The largest answer that is read. A campaign has about seventy fields: this holds some thousands of them.
const LARGEST_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// As much of an error's body as is read for an excerpt.
const LARGEST_REFUSAL_BYTES: usize = 4 * 1024;
/// As much of a refused token request's answer as is read for its reason.
const LARGEST_TOKEN_REFUSAL_BYTES: usize = 64 * 1024;
/// What is shorter is looked for in no answer of success.
const SHORTEST_SECRET: usize = 12;
/// After a failed fetch, a pause waits for this part of `token_rest` before it fetches a token again. Requests that come
/// meanwhile wait for the same fetch: each fetch takes a slot that is kept for pauses.
const PAUSE_RESTS_FOR_PART: u32 = 3;
/// A token is renewed this long before it expires, or a tenth of its lifetime, whichever is shorter.
const LONGEST_RENEWAL_MARGIN: Duration = Duration::from_secs(300);

/// What the client needs to know. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// `[trafficstar] base_url`. `http://` for a loopback address only.
    pub base_url: String,
    /// The API key from the profile page.
    pub api_key: SecretString,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a request may take, its answer included.
    pub timeout: Duration,
    /// For how long no other token is fetched after one could not be, pauses excepted.
    pub token_rest: Duration,
}

/// Why there can be no client.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Not a URL, or one with a password, which would be shown.
    #[error("[trafficstar] base_url is not a plain URL: write it like https://api.trafficstars.com")]
    NotAUrl,
    /// A token sent over it could be read by anybody on the way.
    #[error("[trafficstar] base_url must be https:// (http:// only for a loopback address)")]
    NotSafe,
    /// The HTTP library could not be set up.
    #[error("the HTTP client cannot be set up: are the system's CA certificates installed?")]
    Setup(#[source] reqwest::Error),
}

/// Speaks to one TrafficStars account. Every request passes the [`Gate`] first.
pub struct RemoteClient {
    http: reqwest::Client,
    base_url: Url,
    api_key: SecretString,
    gate: Gate,
    reign: Reign,
    tokens: Tokens,
    token_rest: Duration,
    clock: SeenClock,
    pub(super) known: KnownEndpoints,
}

/// Where `localhost` is, at the port that the URL names.
const LOOPBACK: [SocketAddr; 2] =
    [SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0)];

/// A request, but for its token.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) asking: Asking,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    /// Only what has a body says that it is JSON: TrafficStars looks for a GET's parameters in the body otherwise.
    pub(super) body: Option<Value>,
}

impl Request {
    pub(super) fn get(
        operation: Operation,
        urgency: Urgency,
        path: impl Into<String>,
        query: Vec<(&'static str, String)>,
    ) -> Self {
        let asking = Asking::read(operation, urgency);
        Self { asking, method: Method::GET, path: path.into(), query, body: None }
    }

    pub(super) fn write(asking: Asking, method: Method, path: impl Into<String>, body: Value) -> Self {
        Self { asking, method, path: path.into(), query: Vec::new(), body: Some(body) }
    }
}

struct Token {
    text: SecretString,
    renew_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl Token {
    fn of(answer: TokenAnswer, asked_at: DateTime<Utc>) -> Self {
        let margin = LONGEST_RENEWAL_MARGIN.min(answer.lifetime / 10);
        let (renew_at, expires_at) = (asked_at + (answer.lifetime - margin), asked_at + answer.lifetime);
        Self { text: answer.access_token, renew_at, expires_at }
    }
}

/// The cached token, and who renews it.
struct Tokens {
    current: watch::Sender<Option<Arc<Token>>>,
    /// Held while a token is fetched, so that all who need one wait for the same.
    renewal: Mutex<()>,
    /// Why the last fetch failed, if it did.
    failure: std::sync::Mutex<Option<Failed>>,
    /// How many fetches have ended: whoever waited while one ended takes its failure, too.
    ended: AtomicU64,
}

#[derive(Debug, Clone)]
struct Failed {
    error: RemoteError,
    at: Instant,
}

impl Tokens {
    fn failure(&self) -> Option<Failed> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how a fetch ended.
    fn ended(&self, failure: Option<&RemoteError>) {
        let failure = failure.map(|error| Failed { error: error.clone(), at: Instant::now() });
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for RemoteClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteClient")
            .field("base_url", &self.base_url.as_str())
            .field("token_expires_at", &self.token_expires_at())
            .finish_non_exhaustive()
    }
}

impl RemoteClient {
    /// A client that has sent nothing yet, and sends nothing without its reign.
    ///
    /// # Errors
    /// The base URL is none, or not safe to send a token to; the HTTP library cannot be set up.
    pub fn new(settings: RemoteSettings, gate: Gate, reign: Reign) -> Result<Self, ClientError> {
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
            // One HTTP/2 connection carries every request. Where it hangs, all of them time out, and it is used on.
            .http1_only()
            // The library's own retries would pass no gate.
            .retry(retry::never());
        if base_url.scheme() == "http" {
            // A proxy would carry the token out of this machine, and no certificate is needed within it.
            // Its name is no proof that it is this machine: /etc/hosts may say otherwise.
            builder = builder.no_proxy().tls_certs_only([]).resolve_to_addrs("localhost", &LOOPBACK);
        }
        Ok(Self {
            http: builder.build().map_err(ClientError::Setup)?,
            base_url,
            api_key: settings.api_key,
            gate,
            reign,
            token_rest: settings.token_rest,
            clock: SeenClock::default(),
            tokens: Tokens {
                current: watch::Sender::new(None),
                renewal: Mutex::new(()),
                failure: std::sync::Mutex::new(None),
                ended: AtomicU64::new(0),
            },
            known: KnownEndpoints::default(),
        })
    }

    /// When the access token expires; `None` before the first was fetched.
    #[must_use]
    pub fn token_expires_at(&self) -> Option<DateTime<Utc>> {
        self.tokens.current.borrow().as_ref().map(|token| token.expires_at)
    }

    /// What TrafficStars' answers say of our clock.
    #[must_use]
    pub fn seen_clock(&self) -> SeenClock {
        self.clock.clone()
    }

    /// Sends a request and reads its answer; once more with a new token where the first one is refused.
    pub(super) async fn send(&self, request: &Request) -> Result<Value, RemoteError> {
        let urgency = request.asking.urgency;
        let token = self.token(urgency, None).await?;
        match self.send_with(request, &token).await {
            Err(RemoteError::Unauthorized) => {
                let renewed = self.token(urgency, Some(&token)).await?;
                self.send_with(request, &renewed).await
            }
            answered => answered,
        }
    }

    async fn send_with(&self, request: &Request, token: &Token) -> Result<Value, RemoteError> {
        let mut builder = self
            .http
            .request(request.method.clone(), self.url(&request.path))
            .query(&request.query)
            .header(header::ACCEPT, "application/json")
            .bearer_auth(token.text.expose_secret());
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        let secrets = [self.api_key.expose_secret(), token.text.expose_secret()];
        let mut answer = self.exchange(request.asking, builder, secrets).await?;
        // Errors quote it, and some of its words are shown.
        hide(&secrets, &mut answer);
        Ok(answer)
    }

    /// The one place where a request leaves. Answers with the JSON of an answer of success.
    async fn exchange(
        &self,
        asking: Asking,
        request: RequestBuilder,
        secrets: [&str; 2],
    ) -> Result<Value, RemoteError> {
        // Dropped at the end: the slot counts from the answer, the time-out, or from when nobody waits any more.
        let mut pass = self.gate.pass(asking).await?;
        if asking.urgency != Urgency::Pause {
            // A pause that was let go in the same moment leaves first, whichever of the two is polled first.
            tokio::task::yield_now().await;
        }
        let answer = self.answer_to(request, asking.operation, secrets);
        let answered = self.reign.send(answer).await.unwrap_or_else(|ended| Err(ended.into()));
        let (ended, word) = match &answered {
            Ok(_) => (Ended::Answered, AnswerWord::Status(200)),
            Err(error) => (error.ended(), error.answer_word()),
        };
        pass.ended(ended, word);
        if let Err(RemoteError::RateLimited { retry_at }) = &answered {
            pass.rate_limited(*retry_at);
        }
        answered
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
        serde_json::from_slice(&body).map_err(|source| {
            let excerpt = without(&secrets, &String::from_utf8_lossy(&body));
            WireError::NotJson { excerpt, source: Arc::new(source) }.into()
        })
    }

    /// The cached token, or a new one where it is about to expire, or is the one that was refused.
    async fn token(&self, urgency: Urgency, refused: Option<&Arc<Token>>) -> Result<Arc<Token>, RemoteError> {
        if let Some(refused) = refused {
            self.forget_token(refused);
        }
        let fresh = || self.cached_token().filter(|token| Utc::now() < token.renew_at);
        if let Some(token) = fresh() {
            return Ok(token);
        }
        let resting = || self.tokens.failure().filter(|failed| failed.at.elapsed() < self.token_rest);
        // One that still serves is good enough for a pause, which must not wait for a renewal that may hang; and for
        // everybody for a while after a renewal has failed.
        let serving = || self.cached_token().filter(|token| Utc::now() < token.expires_at);
        if let Some(token) = serving().filter(|_| urgency == Urgency::Pause || resting().is_some()) {
            return Ok(token);
        }
        // For a while, every request that is not a pause's is answered with the last failure.
        if let Some(failed) = resting().filter(|_| urgency != Urgency::Pause) {
            return Err(failed.error);
        }
        let ended_before = self.tokens.ended.load(Ordering::SeqCst);
        let _renewal = self.tokens.renewal.lock().await;
        if let Some(token) = fresh() {
            return Ok(token);
        }
        let last = self.tokens.failure();
        let ended_meanwhile = self.tokens.ended.load(Ordering::SeqCst) != ended_before;
        let failure = match last {
            Some(failed) if ended_meanwhile => failed.error,
            last => match self.renew_token(last).await {
                Ok(token) => return Ok(token),
                Err(failure) => failure,
            },
        };
        // A renewal ahead of time that fails leaves a token that still serves.
        serving().ok_or(failure)
    }

    /// A new token, not too soon after the last failure.
    async fn renew_token(&self, last: Option<Failed>) -> Result<Arc<Token>, RemoteError> {
        if let Some(failed) = last {
            tokio::time::sleep_until(failed.at + self.token_rest / PAUSE_RESTS_FOR_PART).await;
        }
        let fetched = self.fetch_token().await.map(Arc::new);
        self.tokens.ended(fetched.as_ref().err());
        let token = fetched?;
        self.tokens.current.send_replace(Some(Arc::clone(&token)));
        Ok(token)
    }

    fn cached_token(&self) -> Option<Arc<Token>> {
        self.tokens.current.borrow().clone()
    }

    /// Nobody sends it again, even where no other can be had. Another one may have taken its place already.
    fn forget_token(&self, refused: &Arc<Token>) {
        self.tokens
            .current
            .send_if_modified(|current| current.take_if(|current| Arc::ptr_eq(current, refused)).is_some());
    }

    /// As urgent as a pause, whoever asks first: nothing leaves without a token, and a pause may be waiting for it.
    async fn fetch_token(&self) -> Result<Token, RemoteError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", self.api_key.expose_secret())];
        let request = self.http.post(self.url("/v1/auth/token")).header(header::ACCEPT, "application/json").form(&form);
        let asked_at = Utc::now();
        let asking = Asking::token();
        let answer = self.exchange(asking, request, [self.api_key.expose_secret(), ""]).await;
        let value = answer.map_err(RemoteError::of_token_request)?;
        let answer = wire::token(&value);
        let answer = answer.map_err(|error| RemoteError::NoToken(Box::new(error.into())))?;
        Ok(Token::of(answer, asked_at))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url.as_str().trim_end_matches('/'))
    }
}

/// Whether a URL's host is this machine.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Why no answer came. A URL in the text would say nothing new.
fn failed_to_send(error: reqwest::Error) -> RemoteError {
    let sent = !error.is_connect() && !error.is_builder();
    if error.is_timeout() {
        RemoteError::TimedOut { sent }
    } else {
        RemoteError::Connection { sent, source: Arc::new(error.without_url()) }
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

/// An answer that is none of success, in the caller's words.
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
            // The status says enough where the body does not come whole.
            let body = read_body(response, LARGEST_REFUSAL_BYTES).await.unwrap_or_default();
            RemoteError::Rejected { status, excerpt: without(&secrets, &String::from_utf8_lossy(&body)) }
        }
    }
}

/// `Retry-After` in seconds or as an HTTP date, where it says a time to come.
fn retry_at(response: &Response, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let at = match text.parse::<u32>() {
        Ok(seconds) => now + TimeDelta::seconds(seconds.into()),
        Err(_) => DateTime::parse_from_rfc2822(text).ok()?.to_utc(),
    };
    Some(at).filter(|at| *at > now)
}

/// An excerpt of a text in which a remote may have echoed what we sent.
fn without(secrets: &[&str], text: &str) -> String {
    let without = |text: String| hidden(secrets, &text).unwrap_or(text);
    // Once more behind that, since an excerpt says what escapes stand for.
    excerpt::beginning(&without(excerpt::impersonal(&without(text.to_owned()))))
}

/// The text without the secrets, if any is in it.
fn hidden(secrets: &[&str], text: &str) -> Option<String> {
    let mut told = secrets.iter().filter(|secret| !secret.is_empty() && text.contains(**secret)).peekable();
    told.peek()?;
    Some(told.fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]")))
}

/// The same for every text of an answer, the names of its fields included. A key that is as short as a word is none that
/// TrafficStars gives out, and to look for it might hide what decisions rest on.
fn hide(secrets: &[&str], answer: &mut Value) {
    let long: Vec<&str> = secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET).copied().collect();
    let secrets = long.as_slice();
    match answer {
        Value::String(text) => {
            if let Some(without) = hidden(secrets, text) {
                *text = without;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| hide(secrets, value)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|value| hide(secrets, value));
            let told: Vec<String> = fields.keys().filter(|name| hidden(secrets, name).is_some()).cloned().collect();
            told.iter().for_each(|name| drop(fields.remove(name)));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trafficstar::tests::{PATIENCE, Remote};

    #[test]
    fn a_token_is_renewed_five_minutes_or_a_tenth_of_its_life_before_it_expires() {
        let now = DateTime::UNIX_EPOCH;
        for (lifetime, expected_renewal) in [(36_000, 35_700), (3_000, 2_700), (100, 90), (0, 0)] {
            let answer = TokenAnswer { access_token: "a".into(), lifetime: Duration::from_secs(lifetime) };
            let token = Token::of(answer, now);
            let seconds = |at: DateTime<Utc>| (at - now).num_seconds();
            assert_eq!(seconds(token.renew_at), expected_renewal);
            assert_eq!(token.expires_at, now + Duration::from_secs(lifetime));
        }
    }

    #[tokio::test]
    async fn a_renewal_that_fails_ahead_of_time_leaves_the_token_that_still_serves() {
        // Nothing listens on port 1: every renewal fails.
        let client = Remote::with_client_of("http://127.0.0.1:1".to_owned(), Arc::default(), PATIENCE).client;
        let now = Utc::now();
        let due = |expires_at| Arc::new(Token { text: "cached".into(), renew_at: now, expires_at });
        let serving = due(now + TimeDelta::minutes(5));
        client.tokens.current.send_replace(Some(Arc::clone(&serving)));
        assert!(client.token(Urgency::Pause, None).await.is_ok());
        assert_eq!(client.tokens.ended.load(Ordering::SeqCst), 0, "a pause waits for no renewal");
        for _ in 0..3 {
            assert!(client.token(Urgency::Sweep, None).await.is_ok());
            assert_eq!(client.tokens.ended.load(Ordering::SeqCst), 1, "it is not tried again at once");
        }
        assert!(client.token(Urgency::Pause, Some(&serving)).await.is_err(), "it was refused");
        client.tokens.current.send_replace(Some(due(now)));
        assert!(client.token(Urgency::Pause, None).await.is_err(), "it has expired");
    }
}
