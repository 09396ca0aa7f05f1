//! Carries requests and answers between the network and the API, and applies the faults of answers and connections.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, LOCATION};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures_util::stream::{self, Stream};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::api::{self, Answer, Incoming};
use crate::connection::{SpoilableListener, Spoiler};
use crate::control;
use crate::faults::{FaultKind, Met};
use crate::world::World;

const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

const WALL: &str = "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head>\
    <body><h1>Sorry, you have been blocked</h1></body></html>";

/// The sandbox's state, shared by all threads.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<World>);

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self(Mutex::new(world))
    }

    /// Returns the state, brought up to the present time.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        let mut world = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        world.settle(Utc::now());
        world
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.lock())
    }
}

/// Serves requests until `stop` gets a message or its sender is dropped.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: oneshot::Receiver<()>) -> io::Result<()> {
    let control = control::router(Arc::clone(&shared));
    let router = Router::new().fallback(carry).with_state(shared).nest(control::PATH, control);
    let service = router.into_make_service_with_connect_info::<Spoiler>();
    tokio::select! {
        result = async { axum::serve(SpoilableListener(listener), service).await } => result,
        _ = stop => Ok(()),
    }
}

async fn carry(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(spoiler): ConnectInfo<Spoiler>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let incoming = Incoming {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        content_type: header(CONTENT_TYPE),
        authorization: header(AUTHORIZATION),
        body: axum::body::to_bytes(body, MAX_BODY_BYTES).await.unwrap_or_default().to_vec(),
    };
    // In a task of its own, so that a received request takes effect even if the client disconnects.
    let handled = tokio::spawn(handle(Arc::clone(&shared), spoiler, incoming)).await;
    let mut response = handled.unwrap_or_else(|_| text_response(500, String::new()));
    let now = shared.lock().now();
    if let Ok(date) = api::http_date(now).parse() {
        response.headers_mut().insert(DATE, date);
    }
    response
}

async fn handle(shared: Arc<Shared>, spoiler: Spoiler, incoming: Incoming) -> Response {
    let (sequence, met) = shared.change(|world| {
        let record = incoming.record(world);
        world.receive(record)
    });
    let faults = match met {
        Ok(faults) => faults,
        Err(room_at) => {
            return shared.change(|world| {
                finish(world, sequence, Some(429));
                let wait = (room_at - world.real_now()).to_std().unwrap_or_default();
                let form = world.options.retry_after;
                spoilt_response(&api::too_many_requests(world.now(), wait, form), &[])
            });
        }
    };
    let has = |kind: &FaultKind| faults.iter().any(|met| met.kind == *kind);
    if has(&FaultKind::DropRequest) {
        shared.change(|world| finish(world, sequence, None));
        spoiler.cut();
        return text_response(500, String::new());
    }
    tokio::time::sleep(total(&faults, |kind| {
        if let FaultKind::DelayBeforeEffect(delay) = kind { Some(*delay) } else { None }
    }))
    .await;
    let now = shared.lock().now();
    let instead = faults.iter().find_map(|met| instead(&met.kind, sequence, now));
    let answer = shared.change(|world| {
        let request = world.request(sequence).cloned();
        let answer = match (&instead, request) {
            (None, Some(request)) => api::answer(world, &incoming, &request, &faults),
            (Some(_), _) | (_, None) => Answer::ok(serde_json::Value::Null),
        };
        world.note(sequence, |request| request.changed.clone_from(&answer.changed));
        answer
    });
    tokio::time::sleep(total(&faults, |kind| {
        if let FaultKind::DelayBeforeAnswer(delay) = kind { Some(*delay) } else { None }
    }))
    .await;
    let lost = has(&FaultKind::LoseAnswer);
    let response = instead.unwrap_or_else(|| spoilt_response(&answer, &faults));
    shared.change(|world| {
        finish(world, sequence, Some(response.status().as_u16()));
        world.note(sequence, |request| request.lost = lost);
    });
    if lost {
        spoiler.cut();
    }
    for met in &faults {
        if let FaultKind::SlowHeaders(per_byte) = met.kind {
            spoiler.slow_down(per_byte);
        }
    }
    response
}

fn finish(world: &mut World, sequence: u64, status: Option<u16>) {
    let now = world.real_now();
    world.note(sequence, |request| {
        request.answered_at = Some(now);
        request.status = status;
        request.lost = status.is_none();
    });
}

fn total(faults: &[Met], delay: impl Fn(&FaultKind) -> Option<Duration>) -> Duration {
    faults.iter().filter_map(|met| delay(&met.kind)).sum()
}

/// Returns the answer of a fault that prevents the request's effect; `None` for other faults.
fn instead(kind: &FaultKind, sequence: u64, now: DateTime<Utc>) -> Option<Response> {
    if let FaultKind::Status { code, body } = kind {
        return Some(text_response(*code, body.clone()));
    }
    if let FaultKind::TooManyRequests { wait, form } = kind {
        return Some(spoilt_response(&api::too_many_requests(now, *wait, *form), &[]));
    }
    if *kind == FaultKind::IdentityProviderDown {
        return Some(spoilt_response(&api::identity_provider_down(sequence), &[]));
    }
    if *kind == FaultKind::Wall {
        return Some((status(403), [(CONTENT_TYPE, "text/html; charset=UTF-8")], WALL).into_response());
    }
    if let FaultKind::Redirect(to) = kind {
        return Some((status(302), [(LOCATION, to.as_str())]).into_response());
    }
    None
}

fn spoilt_response(answer: &Answer, faults: &[Met]) -> Response {
    let mut text = answer.body.to_string();
    let mut trickle = None;
    for Met { kind, .. } in faults {
        if *kind == FaultKind::GarbageBody {
            text = "<html><body>Bad gateway</body></html>".to_owned();
        } else if let FaultKind::HugeBody(bytes) = kind {
            text.insert_str(0, &" ".repeat(*bytes));
        } else if let FaultKind::SlowBody(interval) = kind {
            trickle = Some(*interval);
        }
    }
    let truncate = faults.iter().any(|met| met.kind == FaultKind::TruncatedBody);
    let mut response = match (truncate, trickle) {
        (true, _) => half_response(text),
        (false, Some(interval)) => slow_response(text, interval),
        (false, None) => text_response(200, text),
    };
    *response.status_mut() = status(answer.status);
    for (name, value) in &answer.headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}

fn status(code: u16) -> axum::http::StatusCode {
    axum::http::StatusCode::from_u16(code).unwrap_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR)
}

fn text_response(code: u16, body: String) -> Response {
    (status(code), [(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Returns a response that announces the length of the whole body, even if less is sent.
fn announced(whole: usize, parts: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Response {
    ([(CONTENT_LENGTH, whole)], Body::from_stream(parts)).into_response()
}

/// Returns a response that sends half of the body and then breaks off.
fn half_response(text: String) -> Response {
    let whole = text.len();
    let half = Bytes::from(text).slice(..whole / 2);
    let parts = stream::unfold(Some(half), |half| async move {
        if let Some(half) = half {
            return Some((Ok(half), None));
        }
        // Gives the server time to send the first half before the error ends the connection.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None))
    });
    announced(whole, parts)
}

fn slow_response(text: String, interval: Duration) -> Response {
    let whole = text.len();
    let bytes = stream::unfold(Bytes::from(text), move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(interval).await;
        let first = rest.split_to(1);
        Some((Ok(first), rest))
    });
    announced(whole, bytes)
}
