//! The signals that end the program. The first one ends it in order, the second one at once.
//!
//! A separate thread receives them, so that the second one works even if the program is busy.

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::RunError;
use crate::telemetry::LogControl;

/// The exit status of a program that a signal has ended is this number plus the signal's number, as in a shell.
const ENDED_BY_SIGNAL: i32 = 128;

/// Returns a future that resolves at the first SIGTERM or SIGINT. The second one ends the process at once, with 128
/// plus the signal's number as its exit status. The next start reads back the requests in flight, as after a crash.
pub(super) fn stop(log: LogControl) -> Result<impl Future<Output = ()>, RunError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(RunError::Signals)?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals {
            terminate: signal(SignalKind::terminate()).map_err(RunError::Signals)?,
            interrupt: signal(SignalKind::interrupt()).map_err(RunError::Signals)?,
        }
    };
    let (stop, stopped) = oneshot::channel();
    let listen = move || {
        runtime.block_on(async move {
            signals.next().await;
            // A program that has ended by itself no longer waits for it.
            let _ = stop.send(());
            let kind = signals.next().await;
            tracing::warn!(
                "a second signal: the program ends at once, and the next start reads whether its requests took effect"
            );
            // The process ends even if the line cannot be written.
            let _ = log.finish();
            std::process::exit(ENDED_BY_SIGNAL + kind.as_raw_value());
        });
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(listen).map_err(RunError::Signals)?;
    Ok(async move {
        // This is no error: the thread runs until the process ends.
        let _ = stopped.await;
    })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Waits for the next signal.
    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}
