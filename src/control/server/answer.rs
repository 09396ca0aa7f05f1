//! Answers: JSON, or an error as RFC 9457 defines it.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use super::super::{Ask, Order, OrderPort, Pending, Problem, Refusal};
use crate::board::Board;
use crate::domain::ids::{CampaignId, UrlId};
use crate::printable::escaped_json;

/// A command without effect within this time is answered with 202. The supervisor continues to carry it out.
const EFFECT_WITHIN: Duration = Duration::from_secs(25);
/// The longest time that a client may request with `Prefer`.
const LONGEST_PATIENCE: Duration = Duration::from_secs(600);

/// The content type of every error.
pub(super) const PROBLEM_TYPE: &str = "application/problem+json";

/// Sends a command to the actors or the daemon, and answers after its effect.
pub(super) async fn carry_out<Q, A: Serialize, Order>(
    orders: &mpsc::Sender<Order>,
    question: Q,
    order: impl FnOnce(Ask<Q, A>) -> Order,
) -> Answer {
    carry_out_within(EFFECT_WITHIN, orders, question, order).await
}

/// A request's body as an axum handler receives it.
pub(super) type Body = Result<Bytes, BytesRejection>;

/// Returns how long the client wants to wait for the effect: `Prefer: wait=120` (RFC 7240), in seconds.
pub(super) fn patience(headers: &HeaderMap) -> Duration {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let wait = preferences.flat_map(|value| value.split(',')).find_map(|one| one.trim().strip_prefix("wait="));
    let seconds = wait.and_then(|seconds| seconds.trim().parse().ok());
    seconds.map_or(EFFECT_WITHIN, Duration::from_secs).min(LONGEST_PATIENCE)
}

/// Sends the order, and returns the answer; 202 if it does not arrive within the time that the client wants to wait.
pub(super) async fn carry_out_within<Q, A: Serialize, Order>(
    patience: Duration,
    orders: &mpsc::Sender<Order>,
    question: Q,
    order: impl FnOnce(Ask<Q, A>) -> Order,
) -> Answer {
    let (reply, answer) = oneshot::channel();
    if orders.send(order(Ask { question, reply })).await.is_err() {
        return Answer::refusal(&Refusal::Stopping);
    }
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(Ok(done))) => Answer::json(StatusCode::OK, &done),
        Ok(Ok(Err(refusal))) => Answer::refusal(&refusal),
        Ok(Err(_)) => Answer::refusal(&Refusal::SupervisorDied),
        Err(_) => Answer::json(StatusCode::ACCEPTED, &Pending { pending: true, journal_id: None }),
    }
}

/// Sends a question to the supervisor. A question changes nothing, so that one without an answer in time has failed.
pub(super) async fn ask<Q, A>(
    orders: &OrderPort,
    question: Q,
    order: impl FnOnce(Ask<Q, A>) -> Order,
) -> Result<A, Refusal> {
    let (reply, answer) = oneshot::channel();
    if orders.send(order(Ask { question, reply })).await.is_err() {
        return Err(Refusal::Stopping);
    }
    match tokio::time::timeout(EFFECT_WITHIN, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(Refusal::SupervisorDied),
        Err(_) => Err(Refusal::NoAnswer),
    }
}

/// Parses the campaign's id in a path.
pub(super) fn campaign_id(text: &str) -> Result<CampaignId, Answer> {
    text.parse()
        .map(CampaignId)
        .map_err(|_| Answer::bad_field("id", format!("`{text}` is not a campaign id: give a number")))
}

/// Parses the URL's id in a path.
pub(super) fn url_id(text: &str) -> Result<UrlId, Answer> {
    text.parse().map(UrlId).map_err(|_| Answer::bad_field("id", format!("`{text}` is not a URL id: give a number")))
}

/// Parses the body of a request. An error names the field.
pub(super) fn body<T: DeserializeOwned>(body: Body) -> Result<T, Answer> {
    let body =
        body.map_err(|rejection| Answer::problem(rejection.status(), "body not read", &rejection.body_text()))?;
    // serde would also accept an array, with the values in the order of the fields.
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&body).map_err(|error| {
        Answer::bad_field("body", format!("the body must be a JSON object, like {{\"name\": \"shoes\"}}: {error}"))
    })?;
    serde_path_to_error::deserialize(serde_json::Value::Object(object)).map_err(|error| {
        // Without a path to a field, the error is about the whole body.
        let field = Some(error.path().to_string()).filter(|path| ![".", "?"].contains(&path.as_str()));
        Answer::bad_field(field.as_deref().unwrap_or("body"), error.inner().to_string())
    })
}

/// Parses a body that may be left out.
pub(super) fn body_or_default<T: DeserializeOwned + Default>(given: Body) -> Result<T, Answer> {
    if given.as_ref().is_ok_and(Bytes::is_empty) { Ok(T::default()) } else { body(given) }
}

/// An answer, ready to be sent.
pub(super) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_string(body) {
            Ok(body) => Self { status, content_type: "application/json", body: escaped_json(body).into_bytes() },
            Err(error) => Self::not_serialisable(&error),
        }
    }

    pub(super) fn not_serialisable(error: &serde_json::Error) -> Self {
        Self::problem(StatusCode::INTERNAL_SERVER_ERROR, "not serialisable", &error.to_string())
    }

    /// Returns the same answer. An answer of 202 gets the id of the campaign's newest journal entry.
    pub(super) fn following(self, board: &Board, campaign: CampaignId) -> Self {
        if self.status != StatusCode::ACCEPTED {
            return self;
        }
        Self::json(StatusCode::ACCEPTED, &Pending { pending: true, journal_id: board.journal_id(campaign) })
    }

    /// Returns the answer to a question.
    pub(super) fn of<A: Serialize>(answer: Result<A, Refusal>) -> Self {
        match answer {
            Ok(answer) => Self::json(StatusCode::OK, &answer),
            Err(refusal) => Self::refusal(&refusal),
        }
    }

    pub(super) fn problem(status: StatusCode, title: &str, detail: &str) -> Self {
        Self::from_problem(status, title, Problem { detail: detail.to_owned(), ..Problem::default() })
    }

    pub(super) fn bad_field(field: &str, detail: String) -> Self {
        let problem = Problem { detail, field: Some(field.to_owned()), ..Problem::default() };
        Self::from_problem(StatusCode::UNPROCESSABLE_ENTITY, "bad input", problem)
    }

    /// Returns the same answer with another status, if it is 200. Refusals and 202 stay as they are.
    pub(super) fn but_status(mut self, status: StatusCode) -> Self {
        if self.status == StatusCode::OK {
            self.status = status;
        }
        self
    }

    pub(super) fn refusal(refusal: &Refusal) -> Self {
        let mut problem = Problem { detail: refusal.to_string(), ..Problem::default() };
        let (status, title) = match refusal {
            Refusal::UnknownCampaign(_) => (StatusCode::NOT_FOUND, "unknown campaign"),
            Refusal::NotNow(_) => (StatusCode::CONFLICT, "not possible now"),
            Refusal::NotBefore { possible_at, .. } => {
                problem.possible_at = Some(*possible_at);
                (StatusCode::CONFLICT, "not possible now")
            }
            // Supervisor and request are both in order, but do not fit together now, as with any other 409. A monitor
            // would take 503 for a fault, and a client would try the same socket again.
            Refusal::NotLeading(leader) => {
                problem.leader.clone_from(leader);
                (StatusCode::CONFLICT, "not the leader")
            }
            Refusal::Failed(_)
            | Refusal::NotRead(_)
            | Refusal::NotStored(_)
            | Refusal::ReleaseNotStored(_)
            | Refusal::NotInEffect(_)
            | Refusal::ActorDied
            | Refusal::Stopping
            | Refusal::SupervisorDied
            | Refusal::NoAnswer => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
            Refusal::NotInAccount(_) => {
                problem.field = Some("trafficstar_id".to_owned());
                (StatusCode::NOT_FOUND, "unknown campaign")
            }
            Refusal::UnknownAlert(_) => (StatusCode::NOT_FOUND, "unknown alert"),
            Refusal::UnknownUrl(_) => (StatusCode::NOT_FOUND, "unknown URL"),
            Refusal::BadField { field, problem } => return Self::bad_field(field, problem.clone()),
            Refusal::BadConfig(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad config"),
            Refusal::Taken(_) => {
                problem.field = Some("trafficstar_id".to_owned());
                (StatusCode::CONFLICT, "taken")
            }
        };
        Self::from_problem(status, title, problem)
    }

    /// Returns a problem as an answer, with this title and status.
    fn from_problem(status: StatusCode, title: &str, problem: Problem) -> Self {
        let problem = Problem { title: title.to_owned(), status: status.as_u16(), ..problem };
        let body = escaped_json(serde_json::to_string(&problem).unwrap_or_default()).into_bytes();
        Self { status, content_type: PROBLEM_TYPE, body }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static(self.content_type);
        (self.status, [(header::CONTENT_TYPE, content_type)], self.body).into_response()
    }
}
