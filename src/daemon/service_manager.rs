//! Messages to the service manager, such as systemd, by `sd_notify(3)`: that the program is ready, a line about its
//! status, that it lives, and that it stops. Without a service manager (`NOTIFY_SOCKET` is not set) they go nowhere.
//!
//! A separate thread sends them, since the service manager may be too busy to take them. Deliberately absent: when the
//! program counts as alive (`watchdog`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::printable::printable;

/// The environment variable with the service manager's socket.
const NOTIFY_SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";
/// The number of messages that may wait: more than are sent in a minute. A message that finds no room is lost.
const CAPACITY: usize = 16;

/// Sends messages to the service manager. Clones share the queue.
#[derive(Debug, Clone)]
pub(super) struct ServiceManager {
    messages: Option<SyncSender<Message>>,
    /// Whether the end was announced: nothing is said after that.
    stops: Arc<AtomicBool>,
}

/// A message to the service manager.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Message {
    /// The control socket answers.
    Ready,
    /// What the program is doing, in words.
    Status(String),
    /// All actors that others need make progress.
    Alive,
    /// The program is about to end.
    Stopping,
}

impl ServiceManager {
    /// Returns the sender to the service manager that started this process. Without one, its messages go nowhere.
    pub(super) fn of_this_process() -> Self {
        let stops = Arc::default();
        if std::env::var_os(NOTIFY_SOCKET_VARIABLE).is_none_or(|socket| socket.is_empty()) {
            return Self { messages: None, stops };
        }
        let (messages, waiting) = sync_channel(CAPACITY);
        let sender = std::thread::Builder::new().name("service-manager".to_owned());
        match sender.spawn(move || send_all(&waiting)) {
            Ok(_) => Self { messages: Some(messages), stops },
            Err(error) => {
                tracing::error!(
                    %error,
                    "the service manager cannot be told that this program is ready: raise the limit of threads"
                );
                Self { messages: None, stops }
            }
        }
    }

    /// Returns the time within which the service manager wants to hear that the program lives; `None` if it does not
    /// watch this process.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.messages.as_ref().and_then(|_| sd_notify::watchdog_enabled()).filter(|allowed| !allowed.is_zero())
    }

    /// Says that the control socket answers. Until then `systemctl start` waits.
    pub(super) fn ready(&self) {
        self.tell(Message::Ready);
    }

    /// Says what the program is doing; `systemctl status` shows it.
    pub(super) fn status(&self, status: &str) {
        // A line break would end the message.
        self.tell(Message::Status(printable(status)));
    }

    /// Says that the program lives. Without this message it is killed and started again.
    pub(super) fn alive(&self) {
        self.tell(Message::Alive);
    }

    /// Says that the program is about to end. This is the last message.
    pub(super) fn stopping(&self) {
        self.tell(Message::Stopping);
        self.stops.store(true, Ordering::Relaxed);
    }

    fn tell(&self, message: Message) {
        if let Some(messages) = &self.messages
            && !self.stops.load(Ordering::Relaxed)
        {
            let _ = messages.try_send(message);
        }
    }
}

fn send_all(waiting: &Receiver<Message>) {
    let mut logged = false;
    while let Ok(message) = waiting.recv() {
        let state = match &message {
            Message::Ready => NotifyState::Ready,
            Message::Status(status) => NotifyState::Status(status),
            Message::Alive => NotifyState::Watchdog,
            Message::Stopping => NotifyState::Stopping,
        };
        match sd_notify::notify(&[state]) {
            Ok(()) => logged = false,
            Err(error) => {
                if !std::mem::replace(&mut logged, true) {
                    tracing::warn!(
                        %error,
                        "the service manager does not take messages: if there is none, unset NOTIFY_SOCKET"
                    );
                }
            }
        }
    }
}
