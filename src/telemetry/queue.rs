//! Log lines on their way out: a bounded queue, and a thread that writes. A reader of the log that stops reading must not
//! stop the guard: what finds no place in the queue is lost, counted, and told when the log is read again.
//!
//! Deliberately absent: what a line looks like (`telemetry`).

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// So many lines wait at the most. A tick in which a thousand campaigns fail has room.
const CAPACITY: usize = 8_192;

/// Lines that were lost since the process began: the log is the process's, too.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many lines of the log were lost since the process began.
#[must_use]
pub fn lost_lines() -> u64 {
    LOST.load(Ordering::Relaxed)
}

enum Message {
    Line(Vec<u8>),
    /// Answer when everything before this is written.
    Flush(SyncSender<()>),
}

/// The way to the thread that writes. Clones share it.
#[derive(Clone)]
pub(super) struct Queue {
    messages: SyncSender<Message>,
}

impl Queue {
    /// A queue to a thread that writes to `output`.
    ///
    /// # Errors
    /// The system has no room for another thread.
    pub(super) fn to(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (messages, waiting) = sync_channel(CAPACITY);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&waiting, output))?;
        Ok(Self { messages })
    }

    /// Waits until every line that was logged before is written, or for so long. Answers whether they are.
    pub(super) fn flush(&self, within: Duration) -> bool {
        let (written, is_written) = sync_channel(1);
        // A full queue says that nobody reads: there is nothing to wait for.
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
    let mut told = lost_lines();
    loop {
        let message = waiting.try_recv().or_else(|_| {
            // Everything is written. While the queue is full, a line about it would cost another one.
            let lost = lost_lines();
            if lost > told {
                let lines = lost - told;
                tracing::warn!(lines, "log lines were lost because the log was not read fast enough");
                told = lost;
            }
            waiting.recv()
        });
        match message {
            Ok(Message::Line(line)) => {
                // A log that cannot be written ends nothing.
                let _ = output.write_all(&line).and_then(|()| output.flush());
            }
            // The wait may be over by now.
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

    /// An output that is not read until it is opened.
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
    fn a_log_that_is_not_read_holds_up_nobody_and_its_lost_lines_are_counted() {
        let output = Shut::default();
        let mut queue = Queue::to(output.clone()).unwrap();
        let before = lost_lines();
        // One more is with the thread.
        for number in 0..CAPACITY + 11 {
            queue.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        let lost = lost_lines() - before;
        assert!((10..=11).contains(&lost), "{lost}");
        assert!(!Queue::flush(&queue, Duration::from_millis(10)), "nobody reads it");
        output.open();
        while !Queue::flush(&queue, Duration::from_secs(10)) {
            std::thread::yield_now();
        }
        let text = output.text();
        assert!(text.starts_with("0\n1\n2\n") && text.lines().count() as u64 == CAPACITY as u64 + 11 - lost);
    }
}
