//! This room reads the time. It leaves decisions to other code, which gets the time as an argument. `tests/house` lists
//! the few other files that may read the clock, to date requests and log lines.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

/// Returns how long the machine has been up, including the time that it slept. Leases are measured with it. A wall
/// clock is unsuitable, since it can be set; `Instant` is unsuitable, since on Linux it stops while the machine sleeps.
#[must_use]
pub fn since_boot() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const BOOT_CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const BOOT_CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(BOOT_CLOCK);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// A source of the time: the wall clock, or another one that the program's embedder provides.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// Returns the machine's wall clock. A monotonic clock is unsuitable, since day ends and midnights are wall-clock
    /// times.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Utc::now)
    }

    /// Returns a clock that calls `now` for the time.
    pub fn new(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Returns the present time (UTC).
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
