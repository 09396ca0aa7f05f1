//! HTTP with JSON on the Unix socket. It reads the board, and hands commands to the port; it knows no actor.

mod answer;
mod campaigns;
mod connections;
mod events;
mod explain;
mod foreign;
mod frame;
mod journal;
mod openapi;
mod operate;
mod orders;
mod query;
mod state;
#[cfg(test)]
mod tests;
mod urls;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::{Extension, Router};
use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use self::answer::Answer;
use self::connections::Limits;
use super::{OperationPort, OrderPort};
use crate::board::Board;
use crate::clock::Clock;

/// Why the socket could not be opened.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another supervisor is alive behind it.
    #[error("a supervisor answers on {} already: stop it first, or set another [control] socket", .0.display())]
    Taken(PathBuf),
    /// What lies there is not a socket, and is not ours to remove.
    #[error("{} is no socket: move it away, or set another [control] socket", .0.display())]
    NotASocket(PathBuf),
    /// It could not be made.
    #[error("the control socket {} could not be opened: check that its folder exists and may be written", path.display())]
    Open {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// An open control socket.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
}

/// Removes the socket's file when dropped, if it is still ours. Whoever waits for a supervisor's end takes that for it.
#[derive(Debug)]
#[must_use = "the socket's file goes with it"]
pub struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn new(path: PathBuf) -> Self {
        let identity = identity(&path);
        Self { path, identity }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && self.identity == identity(&self.path) {
            // It may have gone just now; there is nobody left to tell.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Which file it is, by device and number.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

impl Socket {
    /// Opens the socket with the permissions `mode`. A stale file is replaced, a live socket never.
    ///
    /// # Errors
    /// The path is taken, or cannot be opened.
    pub async fn open(path: &Path, mode: u32) -> Result<(Self, SocketFile), SocketError> {
        let open_error = |source| SocketError::Open { path: path.to_owned(), source };
        refuse_if_taken(path).await?;
        // Nobody answers on what is there.
        let _ = std::fs::remove_file(path);
        // Born closed to everybody else, and opened as far as configured then: nobody can connect before.
        let previous = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(path);
        rustix::process::umask(previous);
        let listener = listener.map_err(open_error)?;
        let file = SocketFile::new(path.to_owned());
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(open_error)?;
        Ok((Self { listener }, file))
    }

    /// Serves until `stop` resolves.
    pub async fn serve(self, shared: Shared, stop: impl Future<Output = ()>) {
        let (stops, stopping) = watch::channel(false);
        let stop = async move {
            stop.await;
            stops.send_replace(true);
        };
        let router = router(shared).layer(Extension(stopping));
        connections::serve(self.listener, router, Limits::default(), stop).await;
    }
}

/// Refuses a path on which a supervisor answers, or which is no socket. Changes nothing.
///
/// # Errors
/// [`SocketError::Taken`], [`SocketError::NotASocket`].
pub async fn refuse_if_taken(path: &Path) -> Result<(), SocketError> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(SocketError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(SocketError::Taken(path.to_owned())),
        Err(_) => Ok(()),
    }
}

/// What the server works with.
#[derive(Debug, Clone)]
pub struct Shared {
    /// What it reads.
    pub board: Board,
    /// The time.
    pub clock: Clock,
    /// Where commands to the supervisor go.
    pub orders: OrderPort,
    /// Where commands to the daemon go.
    pub operations: OperationPort,
}

fn router(shared: Shared) -> Router {
    let routes = Router::new()
        .merge(state::routes())
        .merge(campaigns::routes())
        .merge(urls::routes())
        .merge(journal::routes())
        .merge(events::routes())
        .merge(orders::routes())
        .merge(explain::routes())
        .merge(openapi::routes())
        .merge(operate::routes())
        .fallback(|| async { Answer::problem(StatusCode::NOT_FOUND, "no such resource", "there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Answer::problem(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", "this resource has other methods")
        });
    framed(routes).with_state(shared)
}

/// What is done for every request, from the inside out.
fn framed<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .layer(from_fn(frame::only_problems))
        .layer(from_fn(frame::refuse_other_types))
        .layer(from_fn(frame::read_body))
        .layer(from_fn(frame::refuse_foreign))
        .layer(from_fn(frame::audit))
}
