//! Where the time is read; whoever decides is handed it. The few others who read it, to date what a request or a log line
//! tells, stand in `tests/house`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

/// How long the machine has been up, its sleep included: what a lease is measured by. No wall clock would do, since it can
/// be set, and `Instant` would not, since on Linux it stands still while the machine sleeps.
#[must_use]
pub fn since_boot() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const NEVER_STILL: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const NEVER_STILL: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(NEVER_STILL);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Tells the time. The wall clock, unless whoever embeds the program brings another.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// The machine's wall clock. Day ends and midnights are wall-clock times, so no monotonic clock would do.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Utc::now)
    }

    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The present time.
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
