//! The control socket's file: made with its permissions, never in the place of one that is alive, made anew where it is
//! deleted, and removed at the end.
//!
//! Deliberately absent: who is let in, and what is answered (`connections`).

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

/// How often it is looked whether the file is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why the socket could not be opened.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another supervisor is alive behind it.
    #[error("a supervisor answers on {} already: stop it first, or set another [control] socket", .0.display())]
    Taken(PathBuf),
    /// What lies there is not a socket, and is not ours to remove.
    #[error("{} is not a socket: move it away, or set another [control] socket", .0.display())]
    NotASocket(PathBuf),
    /// Whether somebody is alive behind it could not be found out.
    #[error(
        "{} is a socket that another program may be using: stop that one, or remove the file if there is none, or set another \
         [control] socket",
        .0.display()
    )]
    Unclear(PathBuf, #[source] std::io::Error),
    /// It could not be made.
    #[error("the control socket {} could not be opened: check that its folder exists and may be written", .0.display())]
    Open(PathBuf, #[source] std::io::Error),
}

/// An open control socket.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    mode: u32,
    file: Arc<File>,
}

/// Removes the socket's file when dropped, if it is still ours. Whoever waits for a supervisor's end takes that for it.
#[derive(Debug)]
#[must_use = "the socket's file goes with it"]
pub struct SocketFile(Arc<File>);

/// Where the socket is, and which file there is ours.
#[derive(Debug)]
struct File {
    path: PathBuf,
    ours: Mutex<Option<Identity>>,
}

/// Which file it is: device and number, and when it was made, since a number is given again once its file is gone.
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

    /// What is there now is ours.
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
            // It may have gone just now; there is nobody left to tell.
            let _ = std::fs::remove_file(&self.0.path);
        }
    }
}

impl Socket {
    /// Opens the socket with the permissions `mode`. A stale file is replaced, a live socket never.
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
                // From now on the file goes with its `SocketFile`.
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

/// Makes the socket anew wherever its file is gone. A cleaner of old files may delete it, and no command would reach this
/// supervisor any more. Never returns.
async fn keep(file: &File, mode: u32, renew: &mpsc::Sender<UnixListener>) {
    let mut told = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if file.is_ours() {
            told = None;
            continue;
        }
        if answers_from_here(&file.path).await {
            // It is ours all the same: somebody has touched it.
            file.claim();
            continue;
        }
        match bind(&file.path, mode).await {
            Ok(listener) => {
                file.claim();
                tracing::warn!(path = %file.path.display(), "the control socket's file was gone or replaced: it was made anew");
                // The receiver lives as long as the server does.
                let _ = renew.send(listener).await;
            }
            Err(error) => {
                let reason = in_full(&error);
                if told.as_ref() != Some(&reason) {
                    tracing::error!(
                        reason,
                        "no command reaches this supervisor: its control socket is gone, and cannot be made anew"
                    );
                    told = Some(reason);
                }
            }
        }
    }
}

/// Whether this process listens there.
async fn answers_from_here(path: &Path) -> bool {
    let Ok(stream) = UnixStream::connect(path).await else { return false };
    let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
    pid.and_then(|pid| u32::try_from(pid).ok()) == Some(std::process::id())
}

/// A listener on a file of its own, in the place of a stale one.
async fn bind(path: &Path, mode: u32) -> Result<UnixListener, SocketError> {
    refuse_if_taken(path).await?;
    // Nobody answers on what is there.
    let _ = std::fs::remove_file(path);
    // Born with its permissions. To set them afterwards would follow a link that somebody puts in the file's place. The
    // mask is that of all threads: what another one makes in this moment has its permissions set or checked by itself.
    let previous = rustix::process::umask(Mode::from_raw_mode(!mode & 0o777));
    let listener = UnixListener::bind(path);
    rustix::process::umask(previous);
    listener.map_err(|source| SocketError::Open(path.to_owned(), source))
}

/// Refuses a path on which a supervisor answers or may be alive, or which is no socket. Changes nothing.
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
        // Nobody has it open; or it has gone just now.
        Err(error) if matches!(error.kind(), std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotFound) => {
            Ok(())
        }
        // One that this user may not speak to, or that is too busy, is alive.
        Err(source) => Err(SocketError::Unclear(path.to_owned(), source)),
    }
}
