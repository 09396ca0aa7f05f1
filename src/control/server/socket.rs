//! The control socket's file. It is created with its permissions, never replaces the socket of a running program, is
//! created again if it was deleted, and is removed at the end.
//!
//! Deliberately absent: the connections and the answers (`connections`).

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Extension;
use rustix::fs::Mode;
use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};

use super::connections::{self, Limits};
use super::{Shared, router};
use crate::error_chain::in_full;

/// The interval at which the server checks whether the file still exists.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The reason why the socket could not be opened.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another supervisor answers on this path.
    #[error("a supervisor answers on {} already: stop it first, or set another [control] socket", .0.display())]
    Taken(PathBuf),
    /// The path is not a socket, so it must not be removed.
    #[error("{} is not a socket: move it away, or set another [control] socket", .0.display())]
    NotASocket(PathBuf),
    /// It is unknown whether another program uses the socket.
    #[error(
        "{} is a socket that another program may use: stop that program, or set another [control] socket. If no \
         program uses it, remove the file",
        .0.display()
    )]
    Unclear(PathBuf, #[source] std::io::Error),
    /// The socket could not be created.
    #[error("the control socket {} could not be created: check that its folder exists and is writable", .0.display())]
    Open(PathBuf, #[source] std::io::Error),
}

/// An open control socket.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    mode: u32,
    file: Arc<File>,
}

/// Removes the socket's file when it is dropped, if the file is still this server's. The command `shutdown` waits for
/// that.
#[derive(Debug)]
#[must_use = "dropping it removes the socket's file"]
pub struct SocketFile(Arc<File>);

/// The socket's path, and the identity of this server's file.
#[derive(Debug)]
struct File {
    path: PathBuf,
    ours: Mutex<Option<Identity>>,
}

/// A file's identity: device, inode number and time of change. The time is needed since the number of a deleted file is
/// used again.
type Identity = (u64, u64, (i64, i64));

impl File {
    fn new(path: &Path) -> Self {
        let file = Self { path: path.to_owned(), ours: Mutex::default() };
        file.claim();
        file
    }

    fn ours(&self) -> MutexGuard<'_, Option<Identity>> {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self) -> Option<Identity> {
        let file = std::fs::symlink_metadata(&self.path).ok()?;
        Some((file.dev(), file.ino(), (file.mtime(), file.mtime_nsec())))
    }

    /// Takes the file that exists now as this server's.
    fn claim(&self) {
        *self.ours() = self.found();
    }

    fn is_ours(&self) -> bool {
        let ours = *self.ours();
        ours.is_some() && ours == self.found()
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.0.is_ours() {
            // It may have been removed in this moment, so an error is ignored.
            let _ = std::fs::remove_file(&self.0.path);
        }
    }
}

impl Socket {
    /// Opens the socket with the permissions `mode`. A stale file is replaced, the socket of a running program never.
    ///
    /// # Errors
    /// The path is taken, or cannot be opened.
    pub async fn open(path: &Path, mode: u32) -> Result<(Self, SocketFile), SocketError> {
        let listener = bind(path, mode).await?;
        let file = Arc::new(File::new(path));
        Ok((Self { listener, mode, file: Arc::clone(&file) }, SocketFile(file)))
    }

    /// Serves until `stop` resolves.
    pub async fn serve(self, shared: Shared, stop: impl Future<Output = ()>) {
        let (stops, stopping) = watch::channel(false);
        let stop = async move {
            stop.await;
            stops.send_replace(true);
        };
        let (renew, renewed) = mpsc::channel(1);
        let mut ending = stopping.clone();
        let keep = async {
            tokio::select! {
                () = keep(&self.file, self.mode, &renew) => {}
                // From now on `SocketFile` removes the file, so it must not be created again.
                _ = ending.changed() => std::future::pending().await,
            }
        };
        let router = router(shared).layer(Extension(stopping));
        tokio::select! {
            () = connections::serve(self.listener, renewed, router, Limits::default(), stop) => {}
            () = keep => {}
        }
    }
}

/// Creates the socket again when its file is missing. A cleaner of old files may delete it; then no command could reach
/// this supervisor. Never returns.
async fn keep(file: &File, mode: u32, renew: &mpsc::Sender<UnixListener>) {
    let mut logged = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if file.is_ours() {
            logged = None;
            continue;
        }
        if answers_from_here(&file.path).await {
            // It is this server's socket: only its time has changed.
            file.claim();
            continue;
        }
        match bind(&file.path, mode).await {
            Ok(listener) => {
                file.claim();
                tracing::warn!(
                    path = %file.path.display(),
                    "the control socket's file was missing or replaced: it was created again"
                );
                // The receiver lives as long as the server does.
                let _ = renew.send(listener).await;
            }
            Err(error) => {
                let reason = in_full(&error);
                if logged.as_ref() != Some(&reason) {
                    tracing::error!(
                        reason,
                        "no command reaches this supervisor: its control socket is missing and cannot be created again"
                    );
                    logged = Some(reason);
                }
            }
        }
    }
}

/// Whether this process listens on the path.
async fn answers_from_here(path: &Path) -> bool {
    let Ok(stream) = UnixStream::connect(path).await else { return false };
    let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
    pid.and_then(|pid| u32::try_from(pid).ok()) == Some(std::process::id())
}

/// Returns a listener on a new file; a stale file is replaced.
async fn bind(path: &Path, mode: u32) -> Result<UnixListener, SocketError> {
    refuse_if_taken(path).await?;
    // No program answers on the file that exists there, so it can be removed.
    let _ = std::fs::remove_file(path);
    // The mask gives the file its permissions when it is created. Setting them afterwards would follow a link that an
    // attacker puts at the path. The mask applies to all threads: files that other threads create in this moment have
    // their permissions set or checked by the code that creates them.
    let previous = rustix::process::umask(Mode::from_raw_mode(!mode & 0o777));
    let listener = UnixListener::bind(path);
    rustix::process::umask(previous);
    listener.map_err(|source| SocketError::Open(path.to_owned(), source))
}

/// Refuses a path on which a program answers or may answer, or which is no socket. Changes nothing.
///
/// # Errors
/// [`SocketError::Taken`], [`SocketError::NotASocket`], [`SocketError::Unclear`].
pub async fn refuse_if_taken(path: &Path) -> Result<(), SocketError> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(SocketError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(SocketError::Taken(path.to_owned())),
        // No program has it open, or it was removed in this moment.
        Err(error) if matches!(error.kind(), std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotFound) => {
            Ok(())
        }
        // A program that this user may not connect to, or that is too busy, still runs.
        Err(source) => Err(SocketError::Unclear(path.to_owned(), source)),
    }
}
