//! The errors of a request, in the terms of the caller.

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

/// The reason why a request failed. It holds no secret: answers to token requests are never quoted.
///
/// It can be cloned, because one failed renewal of the token is the answer to all requests that wait for it.
#[derive(Debug, Clone, Error)]
pub enum RemoteError {
    /// TrafficStars answered 429.
    #[error("TrafficStars says that too many requests were sent (429): is the API key used elsewhere, too?")]
    RateLimited {
        /// The time (UTC) when the next request may be sent; `None` if TrafficStars did not say it.
        retry_at: Option<DateTime<Utc>>,
    },
    /// TrafficStars answered 401 twice, the second time for a new token.
    #[error("TrafficStars refuses a new access token (401): check the permissions of the API key's account")]
    Unauthorized,
    /// The answer to a token request says that the key is bad.
    #[error("TrafficStars refuses the API key: check [trafficstar] api_key_file, or TRAFFICSTAR_API_KEY")]
    BadApiKey,
    /// A token request was refused, and not because of the key: TrafficStars' identity provider fails, or a firewall
    /// before the service refuses.
    #[error(
        "TrafficStars rejects the request ({status}){}, and does not say that the API key is bad: keep the key, the \
         request for a token is repeated automatically",
        shown_request_id(.request_id.as_deref())
    )]
    TokenRefused {
        /// The status code.
        status: u16,
        /// The request id, for TrafficStars' support; `None` if there is none. Nothing else of a token answer is shown.
        request_id: Option<String>,
    },
    /// No token could be fetched, for another reason. So the request itself never left.
    #[error("no access token could be fetched from TrafficStars")]
    NoToken(#[source] Box<RemoteError>),
    /// TrafficStars answered 404.
    #[error("TrafficStars answers: not found (404)")]
    NotFound,
    /// No known path of an operation exists.
    #[error("TrafficStars has no endpoint to {operation}: no known one exists (404 or 405)")]
    NoEndpoint {
        /// The operation of the missing endpoint.
        operation: &'static str,
    },
    /// The list holds other campaigns than those that were asked for by their ids.
    #[error("TrafficStars' list of campaigns does not filter by the ids that were asked for")]
    NotFiltered,
    /// Any other refusal: 3xx (redirects are not followed) or 4xx.
    #[error("TrafficStars rejects the request ({status}): `{excerpt}`")]
    Rejected {
        /// The status code.
        status: u16,
        /// The beginning of the answer.
        excerpt: String,
    },
    /// TrafficStars answered 5xx.
    #[error("TrafficStars has an internal error ({status})")]
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
    /// No connection could be made, or it broke.
    #[error("the connection to TrafficStars {}", if *.sent { "broke" } else { "could not be made" })]
    Connection {
        /// Whether the request may have left.
        sent: bool,
        /// The cause.
        #[source]
        source: Arc<dyn Cause + Send + Sync>,
    },
    /// An answer of success whose body cannot be read.
    #[error("TrafficStars' answer cannot be read")]
    Unreadable(#[from] WireError),
    /// The request left, but this supervisor's lease on leadership ended before the answer came.
    #[error("the answer was not awaited")]
    GivenUp(#[source] LeadershipLost),
    /// The request never left.
    #[error("the request was not sent")]
    NotSent(#[from] NotAdmitted),
}

impl RemoteError {
    /// Whether a request that changes something may have taken effect although it failed.
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
            | Self::NotFiltered
            | Self::Rejected { .. }
            | Self::NotSent(_) => false,
        }
    }

    /// Returns the outcome of an action whose request failed like this. A 429 postpones the action: TrafficStars does
    /// not carry out what it answers with 429, and the campaign is not the cause.
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

    /// Returns what a failed read says about its campaign.
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

    /// Whether both errors show in the same way that TrafficStars does not work at all. Then it fails for all
    /// campaigns.
    #[must_use]
    pub fn is_same_outage_as(&self, other: &Self) -> bool {
        matches!((self, other), (Self::TimedOut { sent: one }, Self::TimedOut { sent: other }) if one == other)
            || matches!((self, other), (Self::Connection { sent: one, .. }, Self::Connection { sent: other, .. }) if one == other)
            || matches!((self, other), (Self::Unavailable { .. }, Self::Unavailable { .. }))
    }

    /// Whether every other request would have failed in the same way.
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
            Self::NotFound
            | Self::NotFiltered
            | Self::Rejected { .. }
            | Self::Unavailable { .. }
            | Self::Unreadable(_) => false,
        }
    }

    /// Whether another request could succeed now. Without a token, or after a 429, none could.
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

    /// Returns what the error says about the operation, for its circuit.
    #[must_use]
    pub fn ended(&self) -> Ended {
        match self {
            // TrafficStars answered. A field that is missing in one campaign's answer says nothing about other answers.
            Self::Unreadable(WireError::Field { .. } | WireError::CutShort(_)) => Ended::Answered,
            Self::Unavailable { .. }
            | Self::TimedOut { .. }
            | Self::Connection { .. }
            | Self::Unreadable(WireError::NotJson { .. } | WireError::TooLarge { .. })
            | Self::TokenRefused { .. } => Ended::Failed(self.in_full()),
            Self::NoToken(error) => error.ended(),
            Self::RateLimited { .. } | Self::GivenUp(_) | Self::NotSent(_) => Ended::Inconclusive,
            Self::Unauthorized
            | Self::BadApiKey
            | Self::NotFound
            | Self::NoEndpoint { .. }
            | Self::NotFiltered
            | Self::Rejected { .. } => Ended::Answered,
        }
    }

    /// Returns how the request ended, for the metrics.
    #[must_use]
    pub fn answer_word(&self) -> AnswerWord {
        match self {
            Self::RateLimited { .. } => AnswerWord::Status(429),
            Self::Unauthorized | Self::BadApiKey => AnswerWord::Status(401),
            Self::NotFound | Self::NoEndpoint { .. } => AnswerWord::Status(404),
            Self::Rejected { status, .. } | Self::TokenRefused { status, .. } | Self::Unavailable { status } => {
                AnswerWord::Status(*status)
            }
            Self::NotFiltered | Self::Unreadable(WireError::Field { .. } | WireError::CutShort(_)) => {
                AnswerWord::Status(200)
            }
            Self::Unreadable(WireError::NotJson { .. } | WireError::TooLarge { .. }) => AnswerWord::Unreadable,
            Self::TimedOut { .. } => AnswerWord::TimedOut,
            Self::Connection { .. } => AnswerWord::Connection,
            Self::NoToken(error) => error.answer_word(),
            Self::GivenUp(_) | Self::NotSent(_) => AnswerWord::GivenUp,
        }
    }

    /// Returns the message with all its causes, in one line.
    #[must_use]
    pub fn in_full(&self) -> String {
        in_full(self)
    }

    /// Returns this error as the error of a token request. Answers of the token endpoint are never quoted.
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
            | Self::NotFiltered
            | Self::Unavailable { .. }
            | Self::TimedOut { .. }
            | Self::Connection { .. }
            | Self::GivenUp(_)
            | Self::Unreadable(_) => Self::NoToken(Box::new(self)),
        }
    }

    /// Whether the path, the method or the filter does not exist at TrafficStars.
    #[must_use]
    pub const fn is_absence(&self) -> bool {
        matches!(self, Self::NotFound | Self::NotFiltered | Self::Rejected { status: 405, .. })
    }

    /// Whether the endpoint exists and does not understand the request.
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
    fn only_a_request_that_may_have_left_and_was_not_refused_may_have_taken_effect() {
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
    fn a_failure_names_each_cause_once() {
        let error = RemoteError::NoToken(Box::new(RemoteError::TimedOut { sent: false }));
        let expected = "no access token could be fetched from TrafficStars: \
                        TrafficStars did not answer in time: no connection";
        assert_eq!(error.in_full(), expected);
    }
}
