//! This room tells people about occasions: which message is due to which receiver, what is in it, and the two ways out.
//! It leaves finding occasions to `domain`, storing to `store`, and timers to `actors`.
//!
//! [`book`] decides: it holds each occasion that is not settled, and what each receiver was told of it. [`message`] and
//! [`template`] write what is sent. [`webhook`] and [`command`] send it. Nothing here can hold up the guard: no campaign
//! waits for a message, and the actor around this room has a thread of its own (`actors::alerts`).

pub mod book;
pub mod command;
pub mod digest;
mod due;
pub mod message;
pub mod receiver;
pub mod signature;
pub mod template;
pub mod webhook;

use std::time::Duration;

use thiserror::Error;

/// Why a message was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendFailure {
    /// The receiver answered 410: it wants no more messages.
    #[error("it answered 410: it wants no more messages. `alert test` sends to it again")]
    Gone,
    /// The receiver answered with this status, and wants us to wait this long.
    #[error("it answered {status}{}", text(.said))]
    Refused {
        /// The status code.
        status: u16,
        /// How long to wait at least, by its `Retry-After`.
        retry_after: Option<Duration>,
        /// The beginning of its answer.
        said: String,
    },
    /// The receiver answered with a redirect.
    #[error("it answered {0}, a redirect, which is not followed: set the url to the address that it leads to")]
    Redirect(u16),
    /// No connection, or no answer in time.
    #[error("it could not be reached: {0}")]
    NotReached(String),
    /// The command failed.
    #[error("the command {0}")]
    Command(String),
    /// The message could not be written or signed.
    #[error("{0}")]
    NotWritten(String),
}

fn text(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

impl SendFailure {
    /// Whether the cause is the message itself, so that it would fail each time: other messages may be taken.
    #[must_use]
    pub const fn is_of_the_message(&self) -> bool {
        matches!(self, Self::NotWritten(_) | Self::Refused { status: 400 | 413 | 422, .. })
    }

    /// Returns how long the receiver wants us to wait.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Gone | Self::Redirect(_) | Self::NotReached(_) | Self::Command(_) | Self::NotWritten(_) => None,
        }
    }
}
