//! The connection line from a guard to its PostgreSQL server. A test can cut it, or stop it from carrying anything.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

/// The file name that PostgreSQL gives its socket.
const SOCKET: &str = ".s.PGSQL.5432";

const OPEN: u8 = 0;
const CUT: u8 = 1;
const SILENT: u8 = 2;

/// The line. It is open at first.
pub(crate) struct Line {
    /// The folder of the line's socket. It is below /tmp, because the path of a socket has to be short.
    folder: TempDir,
    state: Arc<AtomicU8>,
    streams: Arc<Mutex<Vec<UnixStream>>>,
}

impl Line {
    /// Starts a line to the server whose socket is in the folder `server`.
    pub(super) fn to(server: &Path) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let line = Self { folder, state: Arc::default(), streams: Arc::default() };
        let (state, streams, server) = (Arc::clone(&line.state), Arc::clone(&line.streams), server.join(SOCKET));
        std::thread::spawn(move || {
            for here in listener.incoming().map_while(Result::ok) {
                carry(&state, &streams, here, &server);
            }
        });
        line
    }

    /// Returns the folder of the socket by which a guard reaches the server.
    pub(super) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Breaks every connection, and refuses new ones.
    pub(crate) fn cut(&self) {
        self.state.store(CUT, Ordering::SeqCst);
        for stream in self.streams.lock().unwrap().drain(..) {
            // The connection may have ended by itself.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Stops carrying bytes, and keeps every connection open.
    pub(crate) fn fall_silent(&self) {
        self.state.store(SILENT, Ordering::SeqCst);
    }

    /// Carries bytes again, and also those that arrived meanwhile.
    pub(crate) fn mend(&self) {
        self.state.store(OPEN, Ordering::SeqCst);
    }
}

fn carry(state: &Arc<AtomicU8>, streams: &Mutex<Vec<UnixStream>>, here: UnixStream, server: &Path) {
    if state.load(Ordering::SeqCst) == CUT {
        return;
    }
    let Ok(there) = UnixStream::connect(server) else { return };
    let ways = [(here.try_clone().unwrap(), there.try_clone().unwrap()), (there, here)];
    for (from, to) in ways {
        streams.lock().unwrap().push(from.try_clone().unwrap());
        let state = Arc::clone(state);
        std::thread::spawn(move || pass_on(&state, from, to));
    }
}

fn pass_on(state: &AtomicU8, mut from: UnixStream, mut to: UnixStream) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        while state.load(Ordering::SeqCst) == SILENT {
            std::thread::sleep(Duration::from_millis(5));
        }
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    // Ends the other side as well.
    let _ = to.shutdown(std::net::Shutdown::Both);
}
