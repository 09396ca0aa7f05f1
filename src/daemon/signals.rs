//! The signals that end the program: the first one orderly, the second one at once.
//!
//! A thread of their own hears them, so that the second one works whatever the program is busy with.

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::RunError;
use crate::telemetry::LogControl;

/// What a shell says of a program that a signal has ended, less the signal's number.
const ENDED_BY_SIGNAL: i32 = 128;

/// Resolves at the first SIGTERM or SIGINT. The second one ends the process, with 128 and the signal's number as its exit
/// status: what was on its way is read back at the next start, as after a crash.
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
            // A program that ends by itself meanwhile listens no more.
            let _ = stop.send(());
            let kind = signals.next().await;
            tracing::warn!(
                "a second signal: the program ends at once, and the next start reads what became of its requests"
            );
            // It ends whether or not the line is written.
            let _ = log.finish();
            std::process::exit(ENDED_BY_SIGNAL + kind.as_raw_value());
        });
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(listen).map_err(RunError::Signals)?;
    Ok(async move {
        // The thread lives as long as the process.
        let _ = stopped.await;
    })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}
