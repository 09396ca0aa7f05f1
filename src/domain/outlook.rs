//! What becomes of a campaign once nothing holds it, as far as its last reading tells.
//!
//! Deliberately absent: telling it, which is the machine's.

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// It is stopped, and is started.
    Starts,
    /// It runs, or may.
    Runs,
    /// It is stopped, and stays so: its spend limit is reached.
    LimitReached,
    /// It is stopped, and stays so: too few clicks are left, or what has to be known is not.
    StaysStopped,
    /// It is on hold by itself, or only observed.
    LeftAlone,
    /// It was not read, or is blocked.
    Unknown,
}
