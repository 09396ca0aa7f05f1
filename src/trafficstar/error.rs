//! What can go wrong with a request, in the words of those who asked.

use std::error::Error as Cause;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::circuit::Ended;
use super::scheduler::{AnswerWord, NotAdmitted};
use super::wire::WireError;
use crate::domain::action::Outcome;
use crate::domain::failure::RemoteFault;
use crate::error_chain::in_full;
use crate::leadership::LeadershipLost;

/// Why a request did not bring what was asked for. Holds no secret: answers to token requests are never quoted.
///
/// Cloneable, because one failed renewal of the token is the answer to all who waited for it.
#[derive(Debug, Clone, Error)]
pub enum RemoteError {
    /// 429.
    #[error("TrafficStars says that too many requests were sent (429): is the API key used elsewhere, too?")]
    RateLimited {
        /// Until when it wants to hear nothing, if it said so.
        retry_at: Option<DateTime<Utc>>,
    },
    /// 401, twice, the second time with a new token.
    #[error("TrafficStars refuses a new access token (401): check what the API key's account may do")]
    Unauthorized,
    /// The answer to a token request says that the key is no good.
    #[error("TrafficStars refuses the API key: check [trafficstar] api_key_file, or TRAFFICSTAR_API_KEY")]
    BadApiKey,
    /// A token request was refused, and not for its key: the provider that TrafficStars asks has trouble, or a wall
    /// stands before the service.
    #[error(
        "TrafficStars rejects the request ({status}){}, and does not say that the API key is bad: leave the key as it \
         is, a token is asked for again by itself",
        shown_request_id(.request_id.as_deref())
    )]
    TokenRefused {
        /// The status code.
        status: u16,
        /// The answer's name, for TrafficStars' support. Nothing else of a token answer is shown.
        request_id: Option<String>,
    },
    /// No token could be had for another reason, so that the request itself never left.
    #[error("no access token could be fetched from TrafficStars")]
    NoToken(#[source] Box<RemoteError>),
    /// 404.
    #[error("TrafficStars knows no such thing (404)")]
    NotFound,
    /// None of the paths known for an operation exists.
    #[error("TrafficStars has no endpoint to {operation}: none of the known ones exists (404 or 405)")]
    NoEndpoint {
        /// What was wanted.
        operation: &'static str,
    },
    /// Any other answer that says no: 3xx (redirects are not followed) or 4xx.
    #[error("TrafficStars rejects the request ({status}): `{excerpt}`")]
    Rejected {
        /// The status code.
        status: u16,
        /// The beginning of the answer.
        excerpt: String,
    },
    /// 5xx.
    #[error("TrafficStars has a failure of its own ({status})")]
    Unavailable {
        /// The status code.
        status: u16,
    },
    /// No answer within the time-out.
    #[error("TrafficStars did not answer in time{}", if *.sent { "" } else { ": no connection" })]
    TimedOut {
        /// Whether the request may have left.
        sent: bool,
    },
    /// No connection, or one that broke.
    #[error("the connection to TrafficStars {}", if *.sent { "broke" } else { "could not be made" })]
    Connection {
        /// Whether the request may have left.
        sent: bool,
        /// What happened to it.
        #[source]
        source: Arc<dyn Cause + Send + Sync>,
    },
    /// An answer of success whose body makes no sense.
    #[error("TrafficStars' answer cannot be read")]
    Unreadable(#[from] WireError),
    /// It left, and this supervisor's lease on leadership ended before the answer came.
    #[error("the request was given up")]
    GivenUp(#[source] LeadershipLost),
    /// The request never left.
    #[error("the request was not sent")]
    NotSent(#[from] NotAdmitted),
}

impl RemoteError {
    /// Whether a request that changes something may have had its effect all the same.
    #[must_use]
    pub const fn may_have_happened(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Unreadable(_) | Self::GivenUp(_) => true,
            Self::TimedOut { sent } | Self::Connection { sent, .. } => *sent,
            Self::RateLimited { .. }
            | Self::Unauthorized
            | Self::BadApiKey
            | Self::TokenRefused { .. }
            | Self::NoToken(_)
            | Self::NotFound
            | Self::NoEndpoint { .. }
            | Self::Rejected { .. }
            | Self::NotSent(_) => false,
        }
    }

    /// What became of an action whose request ended like this. One that TrafficStars would not hear of at that moment
    /// is as good as not sent: the campaign has no part in it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if let Self::NotSent(NotAdmitted::TooLate | NotAdmitted::CircuitOpen { .. }) | Self::RateLimited { .. } = self {
            Outcome::Postponed(self.in_full())
        } else if matches!(self, Self::NotSent(_)) {
            Outcome::NotSent(self.in_full())
        } else if self.may_have_happened() {
            Outcome::Unclear(self.in_full())
        } else {
            Outcome::Failed(self.in_full())
        }
    }

    /// What a campaign's read that ended like this says of the campaign.
    #[must_use]
    pub fn fault(&self) -> RemoteFault {
        if matches!(self, Self::NotFound) {
            RemoteFault::NotFound
        } else if self.is_shared() {
            RemoteFault::Shared(self.in_full())
        } else {
            RemoteFault::Failed(self.in_full())
        }
    }

    /// Whether both say in the same way that TrafficStars is away, rather than unwilling: then it is away for all.
    #[must_use]
    pub fn is_away_as(&self, other: &Self) -> bool {
        matches!((self, other), (Self::TimedOut { sent: one }, Self::TimedOut { sent: other }) if one == other)
            || matches!((self, other), (Self::Connection { sent: one, .. }, Self::Connection { sent: other, .. }) if one == other)
            || matches!((self, other), (Self::Unavailable { .. }, Self::Unavailable { .. }))
    }

    /// Whether every request would have ended like this, whatever it asked for.
    const fn is_shared(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Unauthorized
            | Self::BadApiKey
            | Self::TokenRefused { .. }
            | Self::NoToken(_)
            | Self::NoEndpoint { .. }
            | Self::GivenUp(_)
            | Self::NotSent(_) => true,
            Self::TimedOut { sent } | Self::Connection { sent, .. } => !*sent,
            Self::NotFound | Self::Rejected { .. } | Self::Unavailable { .. } | Self::Unreadable(_) => false,
        }
    }

    /// Whether another request might fare better now: without a token, or after a 429, none would.
    #[must_use]
    pub const fn is_of_this_request(&self) -> bool {
        !matches!(
            self,
            Self::NoToken(_)
                | Self::BadApiKey
                | Self::TokenRefused { .. }
                | Self::Unauthorized
                | Self::RateLimited { .. }
                | Self::NotSent(_)
        )
    }

    /// What it tells of the operation's health.
    #[must_use]
    pub fn ended(&self) -> Ended {
        match self {
            // It came over the whole way. What one campaign's answer lacks says nothing of the others'.
            Self::Unreadable(WireError::Field { .. } | WireError::CutShort(_)) => Ended::Answered,
            Self::Unavailable { .. }
            | Self::TimedOut { .. }
            | Self::Connection { .. }
            | Self::Unreadable(WireError::NotJson { .. } | WireError::TooLarge { .. })
            | Self::TokenRefused { .. } => Ended::Failed(self.in_full()),
            Self::NoToken(error) => error.ended(),
            Self::RateLimited { .. } | Self::GivenUp(_) | Self::NotSent(_) => Ended::Untold,
            Self::Unauthorized | Self::BadApiKey | Self::NotFound | Self::NoEndpoint { .. } | Self::Rejected { .. } => {
                Ended::Answered
            }
        }
    }

    /// What came of the request, for the metrics.
    #[must_use]
    pub fn answer_word(&self) -> AnswerWord {
        match self {
            Self::RateLimited { .. } => AnswerWord::Status(429),
            Self::Unauthorized | Self::BadApiKey => AnswerWord::Status(401),
            Self::NotFound | Self::NoEndpoint { .. } => AnswerWord::Status(404),
            Self::Rejected { status, .. } | Self::TokenRefused { status, .. } | Self::Unavailable { status } => {
                AnswerWord::Status(*status)
            }
            Self::Unreadable(WireError::Field { .. } | WireError::CutShort(_)) => AnswerWord::Status(200),
            Self::Unreadable(WireError::NotJson { .. } | WireError::TooLarge { .. }) => AnswerWord::Unreadable,
            Self::TimedOut { .. } => AnswerWord::TimedOut,
            Self::Connection { .. } => AnswerWord::Connection,
            Self::NoToken(error) => error.answer_word(),
            Self::GivenUp(_) | Self::NotSent(_) => AnswerWord::GivenUp,
        }
    }

    /// The message with all its causes, in one line.
    #[must_use]
    pub fn in_full(&self) -> String {
        in_full(self)
    }

    /// The same failure of a token request. What the token endpoint answers is never quoted.
    pub(super) fn of_token_request(self) -> Self {
        match self {
            Self::Unreadable(WireError::NotJson { .. }) => {
                Self::NoToken(Box::new(WireError::NotJson { excerpt: None }.into()))
            }
            Self::RateLimited { .. } | Self::BadApiKey | Self::NoToken(_) | Self::NotSent(_) => self,
            Self::Unauthorized
            | Self::TokenRefused { .. }
            | Self::Rejected { .. }
            | Self::NotFound
            | Self::NoEndpoint { .. }
            | Self::Unavailable { .. }
            | Self::TimedOut { .. }
            | Self::Connection { .. }
            | Self::GivenUp(_)
            | Self::Unreadable(_) => Self::NoToken(Box::new(self)),
        }
    }

    /// The path or method does not exist there.
    #[must_use]
    pub const fn is_absence(&self) -> bool {
        matches!(self, Self::NotFound | Self::Rejected { status: 405, .. })
    }

    /// The endpoint is there, and does not understand us.
    #[must_use]
    pub const fn is_bad_request(&self) -> bool {
        matches!(self, Self::Rejected { status: 400, .. })
    }
}

fn shown_request_id(request_id: Option<&str>) -> String {
    request_id.map(|id| format!(" (request id {id})")).unwrap_or_default()
}

impl From<LeadershipLost> for RemoteError {
    fn from(ended: LeadershipLost) -> Self {
        match ended {
            LeadershipLost::Before => Self::NotSent(NotAdmitted::NotLeading(ended)),
            LeadershipLost::Meanwhile => Self::GivenUp(ended),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_have_left_and_was_not_refused_may_have_happened() {
        let rejected = |status| RemoteError::Rejected { status, excerpt: String::new() };
        let unreadable = RemoteError::Unreadable(WireError::TooLarge { limit_bytes: 1 });
        let cases = [
            (RemoteError::RateLimited { retry_at: None }, false),
            (RemoteError::Unauthorized, false),
            (RemoteError::BadApiKey, false),
            (RemoteError::NoToken(Box::new(RemoteError::TimedOut { sent: true })), false),
            (RemoteError::NotFound, false),
            (rejected(302), false),
            (rejected(400), false),
            (RemoteError::Unavailable { status: 503 }, true),
            (RemoteError::TimedOut { sent: true }, true),
            (RemoteError::TimedOut { sent: false }, false),
            (unreadable, true),
            (RemoteError::NotSent(NotAdmitted::TooLate), false),
            (LeadershipLost::Before.into(), false),
            (LeadershipLost::Meanwhile.into(), true),
        ];
        for (error, expected) in cases {
            assert_eq!(error.may_have_happened(), expected, "{error:?}");
            assert_eq!(matches!(error.outcome(), Outcome::Unclear(_)), expected, "{error:?}");
        }
    }

    #[test]
    fn a_failure_says_its_causes_once_each() {
        let error = RemoteError::NoToken(Box::new(RemoteError::TimedOut { sent: false }));
        let expected = "no access token could be fetched from TrafficStars: \
                        TrafficStars did not answer in time: no connection";
        assert_eq!(error.in_full(), expected);
    }
}
