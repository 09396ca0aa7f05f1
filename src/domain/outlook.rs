//! What will happen to a campaign when no hold is in force any longer, as far as its last reading shows.
//!
//! Deliberately absent: the prediction itself, which the machine makes.

/// The expected future of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// It is stopped, and will be started.
    Starts,
    /// It runs, or may run.
    Runs,
    /// It is stopped, and stays stopped because its spend limit is reached.
    LimitReached,
    /// It is stopped, and stays stopped because too few clicks are left or a fact is unknown.
    StaysStopped,
    /// It is on a hold of its own, or in observe mode.
    LeftAlone,
    /// It was not read, or is blocked.
    Unknown,
}
