//! HTTP with JSON on the Unix socket. It reads the board, and hands commands to the port; it knows no actor.

mod answer;
mod campaigns;
mod events;
mod journal;
mod orders;
mod peer;
mod query;
mod state;
mod urls;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use self::answer::Answer;
use self::peer::Peer;
use super::OrderPort;
use crate::board::Board;
use crate::clock::Clock;

/// The largest request body that is read.
const BODY_LIMIT_BYTES: usize = 64 * 1024;

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

/// An open control socket; its file goes when this does.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    file: SocketFile,
}

/// Removes the socket's file when dropped, if it is still ours.
#[derive(Debug)]
struct SocketFile {
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
    pub async fn open(path: &Path, mode: u32) -> Result<Self, SocketError> {
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
        Ok(Self { listener, file })
    }

    /// Serves until `stop` resolves.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve(
        self,
        board: Board,
        clock: Clock,
        orders: OrderPort,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let _file = self.file;
        let (stops, stopping) = watch::channel(false);
        let stop = async move {
            stop.await;
            stops.send_replace(true);
        };
        let router = router(Shared { board, clock, orders, stopping }).into_make_service_with_connect_info::<Peer>();
        axum::serve(self.listener, router).with_graceful_shutdown(stop).await
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

#[derive(Clone)]
struct Shared {
    board: Board,
    clock: Clock,
    orders: OrderPort,
    /// Whether the server stops: answers that would never end do then.
    stopping: watch::Receiver<bool>,
}

fn router(shared: Shared) -> Router {
    Router::new()
        .merge(state::routes())
        .merge(campaigns::routes())
        .merge(urls::routes())
        .merge(journal::routes())
        .merge(events::routes())
        .merge(orders::routes())
        .fallback(|| async { Answer::problem(StatusCode::NOT_FOUND, "no such resource", "there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Answer::problem(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", "this resource has other methods")
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .with_state(shared)
}
