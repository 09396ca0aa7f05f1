//! The steps for every request: foreign requests are refused, the body is read within limits, each command is logged in
//! the audit log, and every error becomes a problem document.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Extension, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::answer::{Answer, PROBLEM_TYPE};
use super::connections::Peer;
use super::foreign;

/// The largest accepted body, in bytes.
const BODY_LIMIT_BYTES: usize = 64 * 1024;
/// The number of bytes of a larger body that are read and dropped, so that its sender then reads the refusal.
const THROWN_AWAY_BYTES: usize = 4 * 1024 * 1024;
/// The longest time in which a body may arrive.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Refuses requests that are not for this server, and requests that a page of another site may have sent.
pub(super) async fn refuse_foreign(request: Request, next: Next) -> Response {
    let Some(refusal) = foreign::refusal(request.method(), request.uri(), request.headers()) else {
        return next.run(request).await;
    };
    // The body is read first: a client that still sends does not read the answer.
    let _ = timeout(BODY_WITHIN, collect(request.into_body())).await;
    refusal.into_response()
}

/// Refuses the body of a change that is not sent as JSON. This runs after the body was read: before, it is unknown
/// whether there is one.
pub(super) async fn refuse_other_types(request: Request, next: Next) -> Response {
    let has_body = !request.body().is_end_stream();
    let is_judged = has_body && !request.method().is_safe();
    match foreign::type_refusal(request.headers()).filter(|_| is_judged) {
        None => next.run(request).await,
        Some(refusal) => refusal.into_response(),
    }
}

/// Reads the whole body before the request is handled.
pub(super) async fn read_body(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match timeout(BODY_WITHIN, collect(body)).await {
        Ok(Ok(body)) => next.run(Request::from_parts(head, Body::from(body))).await,
        Ok(Err(answer)) => answer.into_response(),
        Err(_) => {
            let detail = format!("the body did not arrive within {BODY_WITHIN:?}");
            Answer::problem(StatusCode::REQUEST_TIMEOUT, "body too slow", &detail).into_response()
        }
    }
}

async fn collect(body: Body) -> Result<Bytes, Answer> {
    let mut collected = Vec::new();
    let mut received_bytes = 0_usize;
    let mut body = body.into_data_stream();
    while let Some(data) = body.next().await {
        let data = data.map_err(|error| {
            Answer::problem(StatusCode::BAD_REQUEST, "body not read", &format!("the body broke off: {error}"))
        })?;
        received_bytes = received_bytes.saturating_add(data.len());
        if received_bytes <= BODY_LIMIT_BYTES {
            collected.extend_from_slice(&data);
        } else if received_bytes > THROWN_AWAY_BYTES {
            break;
        }
    }
    if received_bytes > BODY_LIMIT_BYTES {
        let detail = format!("a body may have {BODY_LIMIT_BYTES} bytes at most");
        return Err(Answer::problem(StatusCode::PAYLOAD_TOO_LARGE, "body too large", &detail));
    }
    Ok(collected.into())
}

/// Logs every command, with its sender and the status of its answer. Reads are not logged.
pub(super) async fn audit(Extension(peer): Extension<Peer>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let path = request.uri().path().to_owned();
    let origin = request.headers().get(header::ORIGIN).map(foreign::shown);
    let mut entry = AuditEntry { peer, method: request.method().clone(), path, origin, status: None };
    let response = next.run(request).await;
    entry.status = Some(response.status());
    response
}

/// A line of the audit log, written when this is dropped. So it is written also if the client leaves before the answer,
/// which drops the request's future.
struct AuditEntry {
    peer: Peer,
    method: Method,
    path: String,
    /// The web page that sent it, as the browser says.
    origin: Option<String>,
    status: Option<StatusCode>,
}

impl Drop for AuditEntry {
    fn drop(&mut self) {
        let Peer { uid, pid } = self.peer;
        let status =
            self.status.map_or_else(|| "none: the client left".to_owned(), |status| status.as_str().to_owned());
        let Self { method, path, origin, .. } = self;
        tracing::info!(target: "audit", uid, pid, %method, path, %status, origin, "audit");
    }
}

/// Turns a refusal of the framework itself into a problem document.
pub(super) async fn only_problems(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM_TYPE);
    if is_problem || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    // A health answer of 503 has its own JSON.
    if response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json") {
        return response;
    }
    let (head, body) = response.into_parts();
    let text = axum::body::to_bytes(body, BODY_LIMIT_BYTES).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let title = status.canonical_reason().unwrap_or("refused").to_lowercase();
    let detail = if text.is_empty() { title.as_str() } else { &text };
    let mut problem = Answer::problem(status, &title, detail).into_response();
    if let Some(allow) = head.headers.get(header::ALLOW) {
        problem.headers_mut().insert(header::ALLOW, HeaderValue::clone(allow));
    }
    problem
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::Router;
    use axum::middleware::from_fn;
    use futures_util::stream;
    use tokio::time::Instant;
    use tower_service::Service;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_in_time_is_refused() {
        let mut router = Router::new().fallback(|| async { "handled" }).layer(from_fn(read_body));
        let start = Instant::now();
        // A client that sends no body and keeps the connection.
        let silent = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let request = Request::post("/").body(silent).unwrap();
        let answer = timeout(BODY_WITHIN * 2, router.call(request)).await.expect("an answer in time").unwrap();
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(start.elapsed().as_secs(), BODY_WITHIN.as_secs());
    }
}
