//! The queue of log lines: it is bounded, and a thread writes its lines. If the log's reader stops reading, the guard
//! must not stop. A line that finds no room in the queue is lost and counted, and a line about the loss is logged once
//! the log is read again.
//!
//! Deliberately absent: the format of a line (`telemetry`).

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// The most lines that can wait. The lines of a tick in which a thousand campaigns fail have room.
const CAPACITY: usize = 8_192;

/// The number of lines that were lost since the process began. It is global, since the process has only one log.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Returns how many log lines were lost since the process began.
#[must_use]
pub fn lost_lines() -> u64 {
    LOST.load(Ordering::Relaxed)
}

enum Message {
    Line(Vec<u8>),
    /// The thread answers this message once it has written every line before it.
    Flush(SyncSender<()>),
}

/// The queue to the thread that writes. Clones share it.
#[derive(Clone)]
pub(super) struct Queue {
    messages: SyncSender<Message>,
}

impl Queue {
    /// Creates a queue, and starts the thread that writes its lines to `output`.
    ///
    /// # Errors
    /// The system could not start another thread.
    pub(super) fn to(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (messages, waiting) = sync_channel(CAPACITY);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&waiting, output))?;
        Ok(Self { messages })
    }

    /// Waits until every earlier line is written, but at most for `within`. Returns whether they are written.
    pub(super) fn flush(&self, within: Duration) -> bool {
        let (written, is_written) = sync_channel(1);
        // A full queue means that the log is not being read, so waiting would not help.
        self.messages.try_send(Message::Flush(written)).is_ok() && is_written.recv_timeout(within).is_ok()
    }
}

impl Write for Queue {
    /// Never waits, and never fails.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.messages.try_send(Message::Line(line.to_vec()))
        {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Queue {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

fn write_all(waiting: &Receiver<Message>, mut output: impl Write) {
    let mut reported = lost_lines();
    loop {
        let message = waiting.try_recv().or_else(|_| {
            // The loss is reported only when the queue is empty: in a full queue the report would displace another
            // line.
            let lost = lost_lines();
            if lost > reported {
                let lines = lost - reported;
                tracing::warn!(lines, "log lines were lost because the log was not read fast enough");
                reported = lost;
            }
            waiting.recv()
        });
        match message {
            Ok(Message::Line(line)) => {
                // A write error is ignored: the guard must go on without a log.
                let _ = output.write_all(&line).and_then(|()| output.flush());
            }
            // The receiver may be gone, if its wait has timed out.
            Ok(Message::Flush(written)) => drop(written.try_send(())),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Condvar, Mutex};

    use super::*;

    #[derive(Default)]
    struct Inside {
        is_open: bool,
        text: Vec<u8>,
    }

    /// An output that blocks until it is opened.
    #[derive(Clone, Default)]
    struct Shut(Arc<(Mutex<Inside>, Condvar)>);

    impl Shut {
        fn open(&self) {
            self.0.0.lock().unwrap().is_open = true;
            self.0.1.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().unwrap().text.clone()).unwrap()
        }
    }

    impl Write for Shut {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut inside = self.0.1.wait_while(self.0.0.lock().unwrap(), |inside| !inside.is_open).unwrap();
            inside.text.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_is_not_read_blocks_no_caller_and_its_lost_lines_are_counted() {
        let output = Shut::default();
        let mut queue = Queue::to(output.clone()).unwrap();
        let before = lost_lines();
        // The thread may hold one more line than the queue.
        for number in 0..CAPACITY + 11 {
            queue.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        let lost = lost_lines() - before;
        assert!((10..=11).contains(&lost), "{lost}");
        assert!(!Queue::flush(&queue, Duration::from_millis(10)), "the output is not being read");
        output.open();
        while !Queue::flush(&queue, Duration::from_secs(10)) {
            std::thread::yield_now();
        }
        let text = output.text();
        assert!(text.starts_with("0\n1\n2\n") && text.lines().count() as u64 == CAPACITY as u64 + 11 - lost);
    }
}
