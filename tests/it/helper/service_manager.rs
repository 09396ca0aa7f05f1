//! A service manager that only listens: it receives what the guard tells by `sd_notify(3)`, as systemd does.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The message that the guard lives.
const ALIVE: &str = "WATCHDOG=1";

/// The socket, and the messages that came in, each with its time.
pub(crate) struct ServiceManager {
    socket: PathBuf,
    messages: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl ServiceManager {
    /// Listens on a socket in `folder`, until the test ends.
    pub(crate) fn listen(folder: &Path) -> Self {
        let socket = folder.join("notify.sock");
        let (listener, messages) = (UnixDatagram::bind(&socket).unwrap(), Arc::new(Mutex::new(Vec::new())));
        let received = Arc::clone(&messages);
        std::thread::spawn(move || {
            let mut message = [0; 4096];
            while let Ok(length) = listener.recv(&mut message) {
                let text = String::from_utf8_lossy(&message[..length]).trim_end().to_owned();
                received.lock().unwrap().push((Instant::now(), text));
            }
        });
        Self { socket, messages }
    }

    /// Returns the variables by which a service manager makes itself known to a guard: it wants to hear within `within`
    /// that the guard lives.
    pub(crate) fn variables(&self, within: Duration) -> [(&'static str, String); 2] {
        let socket = self.socket.display().to_string();
        [("NOTIFY_SOCKET", socket), ("WATCHDOG_USEC", within.as_micros().to_string())]
    }

    /// Returns all messages so far.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.messages.lock().unwrap().iter().map(|(_, message)| message.clone()).collect()
    }

    /// Whether a message has come.
    pub(crate) fn has(&self, message: &str) -> bool {
        self.messages().iter().any(|found| found == message)
    }

    /// Returns the last line about the status.
    pub(crate) fn status(&self) -> String {
        let messages = self.messages();
        messages.iter().rev().find_map(|message| message.strip_prefix("STATUS=")).unwrap_or_default().to_owned()
    }

    /// Returns the times of the messages that the guard lives.
    fn alive_at(&self) -> Vec<Instant> {
        let messages = self.messages.lock().unwrap();
        messages.iter().filter(|(_, message)| message == ALIVE).map(|(at, _)| *at).collect()
    }

    /// Returns how often the guard has said since `since` that it lives.
    pub(crate) fn signs_of_life(&self, since: Instant) -> usize {
        self.alive_at().iter().filter(|at| **at >= since).count()
    }

    /// Returns the time since the guard last said that it lives.
    pub(crate) fn silence(&self) -> Duration {
        self.alive_at().last().map_or(Duration::MAX, Instant::elapsed)
    }

    /// Returns the longest time between two messages that the guard lives.
    pub(crate) fn longest_silence(&self) -> Duration {
        let times = self.alive_at();
        times.windows(2).map(|pair| pair[1].duration_since(pair[0])).max().unwrap_or_default()
    }
}
