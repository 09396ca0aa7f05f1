//! Answers: JSON, or an error as RFC 9457 has it.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use super::super::{Ask, Pending, Problem, Refusal};
use crate::domain::facts::CampaignId;

/// A command without effect within this time is answered with 202, and goes on.
const EFFECT_WITHIN: Duration = Duration::from_secs(25);

/// The content type of every error.
pub(super) const PROBLEM_TYPE: &str = "application/problem+json";

/// Hands a command to whoever carries it out, and answers after its effect.
pub(super) async fn carry_out<Q, A: Serialize, Order>(
    orders: &mpsc::Sender<Order>,
    question: Q,
    order: impl FnOnce(Ask<Q, A>) -> Order,
) -> Answer {
    let (reply, answer) = oneshot::channel();
    if orders.send(order(Ask { question, reply })).await.is_err() {
        return Answer::refusal(&Refusal::Failed("the supervisor is stopping".to_owned()));
    }
    match tokio::time::timeout(EFFECT_WITHIN, answer).await {
        Ok(Ok(Ok(done))) => Answer::json(StatusCode::OK, &done),
        Ok(Ok(Err(refusal))) => Answer::refusal(&refusal),
        Ok(Err(_)) => Answer::refusal(&Refusal::Failed("the supervisor died over this command: try again".to_owned())),
        Err(_) => Answer::json(StatusCode::ACCEPTED, &Pending { pending: true }),
    }
}

/// The id in a path.
pub(super) fn campaign_id(text: &str) -> Result<CampaignId, Answer> {
    text.parse()
        .map(CampaignId)
        .map_err(|_| Answer::bad_field("id", format!("`{text}` is no campaign id: give a number")))
}

/// The body of a request; what is wrong with it names the field.
pub(super) fn body<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Answer> {
    let body = body.map_err(|rejection| Answer::bad_body(&rejection))?;
    let mut json = serde_json::Deserializer::from_slice(&body);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        Answer::bad_field(&field, error.inner().to_string())
    })
}

/// An answer, ready to be sent.
pub(super) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self { status, content_type: "application/json", body },
            Err(error) => Self::problem(StatusCode::INTERNAL_SERVER_ERROR, "not serialisable", &error.to_string()),
        }
    }

    pub(super) fn problem(status: StatusCode, title: &str, detail: &str) -> Self {
        Self::from_problem(
            status,
            &Problem { title: title.to_owned(), status: status.as_u16(), detail: detail.to_owned(), field: None },
        )
    }

    pub(super) fn bad_field(field: &str, detail: String) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let problem =
            Problem { title: "bad input".to_owned(), status: status.as_u16(), detail, field: Some(field.to_owned()) };
        Self::from_problem(status, &problem)
    }

    /// The same with another status, unless it says that something went wrong.
    pub(super) fn but_status(mut self, status: StatusCode) -> Self {
        if self.status.is_success() {
            self.status = status;
        }
        self
    }

    fn bad_body(rejection: &BytesRejection) -> Self {
        Self::problem(rejection.status(), "body not read", &rejection.body_text())
    }

    pub(super) fn refusal(refusal: &Refusal) -> Self {
        let (status, title) = match refusal {
            Refusal::UnknownCampaign(_) => (StatusCode::NOT_FOUND, "unknown campaign"),
            Refusal::NotNow(_) => (StatusCode::CONFLICT, "not possible now"),
            Refusal::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
            Refusal::BadField { field, problem } => return Self::bad_field(field, problem.clone()),
            Refusal::BadConfig(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad config"),
        };
        Self::problem(status, title, &refusal.to_string())
    }

    fn from_problem(status: StatusCode, problem: &Problem) -> Self {
        let body = serde_json::to_vec(problem).unwrap_or_default();
        Self { status, content_type: PROBLEM_TYPE, body }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static(self.content_type);
        (self.status, [(header::CONTENT_TYPE, content_type)], self.body).into_response()
    }
}
