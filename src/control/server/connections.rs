//! The connections to the control socket and to the metrics port: how many there may be, how long one may be silent, and
//! which user each has.
//!
//! Each connection is a task of its own, so that a slow client does not delay the others. Deliberately absent: the
//! answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_io_timeout::TimeoutWriter;
use tower_service::Service;

use crate::operator;

/// The largest head of a request, in bytes.
const HEAD_LIMIT_BYTES: usize = 64 * 1024;
/// The time to wait after a connection could not be accepted, for example because too many files are open.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);
/// The interval at which that is logged while it lasts.
const SAY_AGAIN: Duration = Duration::from_mins(1);

/// The limits of the clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The largest number of connections at once. If it is reached, connections of silent clients are closed.
    pub(super) connections: usize,
    /// The longest time in which a client may send the whole head of its first or next request.
    pub(super) silence: Duration,
    /// The longest time in which a client may read nothing of its answer.
    pub(super) unread: Duration,
    /// If the limit is reached, a new connection still has this time to begin its request.
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
    /// The user's id, if the operating system reports it.
    pub(super) uid: Option<u32>,
    /// The process id, if the operating system reports it.
    pub(super) pid: Option<i32>,
}

impl Peer {
    /// Returns the operator for the journal and holds: uid and name. `None` if the operating system does not report the
    /// uid.
    pub(super) async fn operator(self) -> Option<String> {
        let uid = self.uid?;
        // The look-up of the name may block. If it fails, the uid alone is recorded.
        let named = tokio::task::spawn_blocking(move || operator::describe(uid)).await;
        Some(named.unwrap_or_else(|_| uid.to_string()))
    }
}

/// A listener of one kind of streams.
pub(super) trait Listener {
    type Stream: AsyncRead + AsyncWrite + Send + 'static;

    /// Waits for the next client.
    async fn next(&self) -> std::io::Result<Self::Stream>;

    /// Returns the process at the other end of a stream.
    fn peer(stream: &Self::Stream) -> Peer;
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> std::io::Result<UnixStream> {
        self.accept().await.map(|(stream, _)| stream)
    }

    fn peer(stream: &UnixStream) -> Peer {
        let credentials = stream.peer_cred().ok();
        Peer {
            uid: credentials.as_ref().map(tokio::net::unix::UCred::uid),
            pid: credentials.as_ref().and_then(tokio::net::unix::UCred::pid),
        }
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> std::io::Result<TcpStream> {
        self.accept().await.map(|(stream, _)| stream)
    }

    fn peer(_: &TcpStream) -> Peer {
        Peer { uid: None, pid: None }
    }
}

/// Answers every client with `router` until `stop` resolves, then finishes the open answers. Each listener from
/// `renewed` replaces the one before.
pub(super) async fn serve<L: Listener>(
    mut listener: L,
    mut renewed: mpsc::Receiver<L>,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    // A message here asks each connection to close as soon as its answer is written.
    let (leave, _) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut said_at = None;
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(new) = renewed.recv() => listener = new,
            Some(_) = connections.join_next() => {}
            (stream, place) = next(&listener, &places, &leave, &mut said_at) => {
                let peer = L::peer(&stream);
                connections.spawn(attend(stream, peer, router.clone(), limits, leave.subscribe(), place));
            }
        }
    }
    drop(listener);
    leave.send_replace(());
    while connections.join_next().await.is_some() {}
}

/// Returns the next client when there is a place for it. Until then it waits in the listener's queue.
async fn next<L: Listener>(
    listener: &L,
    places: &Arc<Semaphore>,
    leave: &watch::Sender<()>,
    said_at: &mut Option<Instant>,
) -> (L::Stream, OwnedSemaphorePermit) {
    if places.available_permits() == 0 {
        leave.send_replace(());
    }
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(places).acquire_owned().await else { continue };
        match listener.next().await {
            Ok(stream) => return (stream, place),
            Err(error) => {
                if said_at.is_none_or(|said_at| said_at.elapsed() >= SAY_AGAIN) {
                    tracing::warn!(%error, "no client can connect: retried every second, logged once a minute");
                    *said_at = Some(Instant::now());
                }
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn attend(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    peer: Peer,
    router: Router,
    limits: Limits,
    mut leave: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
) {
    let came = Instant::now();
    let heard = Arc::new(AtomicBool::new(false));
    let service = {
        let heard = Arc::clone(&heard);
        service_fn(move |mut request: hyper::Request<Incoming>| {
            heard.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(peer);
            router.clone().call(request)
        })
    };
    // hyper itself has no time-out for a client that does not read.
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(limits.unread));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.silence)
        .max_buf_size(HEAD_LIMIT_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    tokio::pin!(connection);
    // How a connection ended matters to its client only, so the result is ignored.
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
