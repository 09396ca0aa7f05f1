//! The limits for clients, with short times, against each way in which a client may misbehave.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, post};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::Problem;
use super::connections::{self, Limits};
use super::*;

/// Far longer than any step takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// A time that is short enough to wait for in a test.
const SHORT: Duration = Duration::from_millis(200);
/// Far more than a socket's buffers hold.
const LARGE_BYTES: usize = 8 * 1024 * 1024;

const GENEROUS: Limits =
    Limits { connections: 8, silence: PATIENCE, unread: PATIENCE, grace: Duration::from_millis(50) };

/// A server that stops with the test.
struct Served {
    folder: TempDir,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Served {
    fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (orders, waiting) = mpsc::channel(1);
        let (admin_orders, waiting_admin_orders) = mpsc::channel(1);
        let (board, clock) = (Board::new(chrono::Utc::now()), Clock::system());
        let routes = Router::new()
            .route("/large", get(|| async { vec![b'x'; LARGE_BYTES] }))
            .route("/never", get(std::future::pending::<&'static str>))
            .route("/number", post(|axum::Json(number): axum::Json<i64>| async move { number.to_string() }));
        let router =
            framed(routes).merge(router(Shared { board, clock, orders, admin_orders, per_campaign_metrics: false }));
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let task = tokio::spawn(async move {
            let _waiting = (waiting, waiting_admin_orders);
            connections::serve(listener, mpsc::channel(1).1, router, limits, std::future::pending()).await;
        });
        Self { folder, task }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Connects and sends only `text`.
    async fn say(&self, text: &str) -> UnixStream {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Returns the whole answer to a request, head and body.
    async fn answer(&self, request: &str) -> String {
        let mut stream = self.say(request).await;
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
        answer
    }

    async fn assert_answers(&self) {
        let answer = self.answer("GET /v1/state HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

/// Reads until the server closes the connection.
async fn assert_closed(stream: &mut UnixStream) {
    let mut rest = Vec::new();
    let closed = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    // A reset also closes it.
    assert!(closed.is_ok(), "it is still open");
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_disconnected() {
    let served = Served::start(Limits { silence: SHORT, ..GENEROUS });
    for begun in ["", "GET /v1/st", "GET /v1/state HTTP/1.1\r\nHost: localhost\r\n"] {
        assert_closed(&mut served.say(begun).await).await;
    }
    // A client that was answered and sends no further request is disconnected as well.
    assert_closed(&mut served.say("GET /v1/state HTTP/1.1\r\nHost: localhost\r\n\r\n").await).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected_and_one_that_reads_gets_the_whole_answer() {
    let served = Served::start(Limits { connections: 1, unread: SHORT, ..GENEROUS });
    let request = "GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let _unread = served.say(request).await;
    // There is one place: the next client is answered after the first has been disconnected.
    let answer = served.answer(request).await;
    assert!(answer.len() > LARGE_BYTES, "{} bytes arrived", answer.len());
}

#[tokio::test]
async fn silent_clients_are_disconnected_when_all_places_are_taken() {
    let served = Served::start(GENEROUS);
    let mut silent = Vec::new();
    for begun in ["", "GET /v1/st", "GET /v1/state HTTP/1.1\r\nHost: localhost\r\n\r\n"].iter().cycle().take(30) {
        silent.push(served.say(begun).await);
    }
    let start = Instant::now();
    served.assert_answers().await;
    assert!(start.elapsed() < PATIENCE / 2, "the answer took {:?}", start.elapsed());
}

#[tokio::test]
async fn one_client_too_many_waits_for_a_place() {
    let served = Served::start(Limits { connections: 2, ..GENEROUS });
    let request = "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let busy = [served.say(request).await, served.say(request).await];
    let mut waits = served.say("GET /v1/state HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    let mut answer = String::new();
    assert!(timeout(SHORT, waits.read_to_string(&mut answer)).await.is_err(), "there was no place: {answer}");
    drop(busy);
    timeout(PATIENCE, waits.read_to_string(&mut answer)).await.expect("a place").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_stopping_server_finishes_its_open_answers() {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
    let (release, released) = tokio::sync::watch::channel(false);
    let slow = move || {
        let mut released = released.clone();
        async move {
            let _ = released.wait_for(|released| *released).await;
            "done"
        }
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let router = framed(Router::new().route("/slow", get(slow)));
    let task = tokio::spawn(connections::serve(listener, mpsc::channel(1).1, router, GENEROUS, async {
        let _ = stopped.await;
    }));
    let mut stream = UnixStream::connect(folder.path().join("socket")).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    // Longer than the grace period of a client that has sent nothing.
    tokio::time::sleep(GENEROUS.grace * 2).await;
    stop.send(()).unwrap();
    release.send(true).unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("the answer ends").unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    timeout(PATIENCE, task).await.expect("the server stops").unwrap();
}

/// Returns the server's answer to a request: the status, the headers, and the problem.
async fn problem(served: &Served, request: &str) -> (u16, String, Problem) {
    let answer = served.answer(request).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let head = head.to_lowercase();
    assert!(head.contains("content-type: application/problem+json"), "{answer}");
    let problem: Problem = serde_json::from_str(body).expect(body);
    assert_eq!(problem.status, status, "{answer}");
    assert!(!problem.title.is_empty() && !problem.detail.is_empty(), "{answer}");
    (status, head, problem)
}

#[tokio::test]
async fn every_refusal_is_a_problem_document() {
    let served = Served::start(GENEROUS);
    let table: &[(u16, &str, &str, Option<&str>)] = &[
        (404, "GET /v1/nothing", "", None),
        (404, "GET /v1/campaigns/7/state", "", None),
        (405, "DELETE /v1/state", "", None),
        (400, "GET /v1/campaigns/%ff/state", "", None),
        (422, "GET /v1/campaigns/seven/state", "", Some("id")),
        (422, "PATCH /v1/campaigns/1", r#"{"generator_enabled": "yes"}"#, Some("generator_enabled")),
        (422, "PATCH /v1/campaigns/1", r#"{"generator": true}"#, Some("generator")),
        (422, "PATCH /v1/campaigns/1", "{}", Some("body")),
        (422, "PATCH /v1/campaigns/1", "{", None),
        // This test's own route accepts JSON only.
        (415, "POST /number", "1", None),
    ];
    for (status, line, body, field) in table {
        let length = body.len();
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{kind}");
        let request = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
        let (answered, head, problem) = problem(&served, &request).await;
        assert_eq!(answered, *status, "{line} {body}: {problem:?}");
        if field.is_some() {
            assert_eq!(problem.field.as_deref(), *field, "{line} {body}: {problem:?}");
        }
        assert_eq!(head.contains("allow: get"), *status == 405, "{line}: {head}");
    }
}

#[tokio::test]
async fn a_body_of_64_kib_is_read_and_a_larger_one_is_refused_with_or_without_a_length() {
    let served = Served::start(GENEROUS);
    let head = "PATCH /v1/campaigns/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Type: application/json\r\n";
    for (length, status) in [(64 * 1024, 422), (64 * 1024 + 1, 413), (1024 * 1024, 413)] {
        let body = " ".repeat(length);
        let whole = format!("{head}Content-Length: {length}\r\n\r\n{body}");
        assert_eq!(problem(&served, &whole).await.0, status, "{length} bytes");
        let chunk = format!("{:x}\r\n{}\r\n", length / 2, " ".repeat(length / 2));
        let rest = format!("{:x}\r\n{}\r\n", length - length / 2, " ".repeat(length - length / 2));
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{rest}0\r\n\r\n");
        assert_eq!(problem(&served, &chunked).await.0, status, "{length} bytes in chunks");
    }
}
