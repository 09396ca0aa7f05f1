//! The connections to the control socket: how many, how long one may be silent, and who says so.
//!
//! Each is a task of its own, so that a slow client delays nobody else. Deliberately absent: what is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_io_timeout::TimeoutWriter;
use tower_service::Service;

use crate::operator;

/// The largest head of a request.
const HEAD_LIMIT_BYTES: usize = 64 * 1024;
/// How long to wait before the next try when a connection could not be accepted: too many open files, perhaps.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);
/// How often that is said while it goes on.
const SAY_AGAIN: Duration = Duration::from_mins(1);

/// What a client may take up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// So many connections at once. When all places are taken, those whose clients say nothing are closed.
    pub(super) connections: usize,
    /// How long a client may take to send the whole head of its first or next request.
    pub(super) silence: Duration,
    /// How long a client may take to read some more of its answer.
    pub(super) unread: Duration,
    /// When places are wanted, a new connection is given this time to begin its request.
    pub(super) grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            silence: Duration::from_secs(30),
            unread: Duration::from_secs(30),
            grace: Duration::from_secs(1),
        }
    }
}

/// The process at the other end, as the operating system knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    /// Its user.
    pub(super) uid: Option<u32>,
    /// Its process id.
    pub(super) pid: Option<i32>,
}

impl Peer {
    /// The operator, as the journal and holds call them. None where the operating system does not tell.
    pub(super) async fn operator(self) -> Option<String> {
        let uid = self.uid?;
        // Asking for the name blocks for a moment; without it the number alone says whose order it was.
        let named = tokio::task::spawn_blocking(move || operator::describe(uid)).await;
        Some(named.unwrap_or_else(|_| uid.to_string()))
    }

    fn of(stream: &UnixStream) -> Self {
        let credentials = stream.peer_cred().ok();
        Self {
            uid: credentials.as_ref().map(tokio::net::unix::UCred::uid),
            pid: credentials.as_ref().and_then(tokio::net::unix::UCred::pid),
        }
    }
}

/// Answers every client from `router` until `stop` resolves, then finishes the answers under way. From each of `renewed` on,
/// clients come by that listener.
pub(super) async fn serve(
    mut listener: UnixListener,
    mut renewed: mpsc::Receiver<UnixListener>,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    // Whoever is told to leave goes as soon as its answer is written.
    let (leave, _) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut said_at = None;
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(anew) = renewed.recv() => listener = anew,
            Some(_) = connections.join_next() => {}
            (stream, place) = next(&listener, &places, &leave, &mut said_at) => {
                connections.spawn(attend(stream, router.clone(), limits, leave.subscribe(), place));
            }
        }
    }
    drop(listener);
    leave.send_replace(());
    while connections.join_next().await.is_some() {}
}

/// The next client, once there is a place for it; it waits in the listener's queue until then.
async fn next(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
    leave: &watch::Sender<()>,
    said_at: &mut Option<Instant>,
) -> (UnixStream, OwnedSemaphorePermit) {
    if places.available_permits() == 0 {
        leave.send_replace(());
    }
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(places).acquire_owned().await else { continue };
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                if said_at.is_none_or(|said_at| said_at.elapsed() >= SAY_AGAIN) {
                    tracing::warn!(%error, "no client can be let in: this is tried again every second, and said once a minute");
                    *said_at = Some(Instant::now());
                }
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn attend(
    stream: UnixStream,
    router: Router,
    limits: Limits,
    mut leave: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
) {
    let came = Instant::now();
    let peer = Peer::of(&stream);
    let heard = Arc::new(AtomicBool::new(false));
    let service = {
        let heard = Arc::clone(&heard);
        service_fn(move |mut request: hyper::Request<Incoming>| {
            heard.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(peer);
            router.clone().call(request)
        })
    };
    // hyper has no time-out for a client that does not read.
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(limits.unread));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.silence)
        .max_buf_size(HEAD_LIMIT_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    tokio::pin!(connection);
    // How a connection ended is its client's business: there is nobody else to tell.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = leave.changed() => {}
    }
    tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep_until(came + limits.grace) => {}
    }
    if heard.load(Ordering::Relaxed) {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
