//! The JSON of requests and answers, and the messages about mistakes.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Answered;
use crate::world::NoSuchCampaign;

/// The refusal of a request: its status, and the reason.
#[derive(Debug)]
pub(super) struct Complaint {
    status: StatusCode,
    message: String,
}

impl Complaint {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn wrong_method() -> Self {
        let message = "this path has other methods, which Allow names: GET /sandbox lists them with examples";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
    }
}

impl From<NoSuchCampaign> for Complaint {
    fn from(error: NoSuchCampaign) -> Self {
        Self::not_found(&format!("{error}: GET /sandbox/campaigns lists all campaigns"))
    }
}

/// JSON for people, with each field on its own line.
pub(super) struct Shown(pub(super) Value);

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], format!("{:#}\n", self.0)).into_response()
    }
}

impl IntoResponse for Complaint {
    fn into_response(self) -> Response {
        (self.status, Shown(json!({"error": self.message}))).into_response()
    }
}

/// Reads a body as JSON, with any content type.
pub(super) fn read(body: &[u8]) -> Result<Value, Complaint> {
    serde_json::from_slice(body).map_err(|error| {
        Complaint::bad(format!("the body is not JSON ({error}): write it like -d '{{\"name\": \"shoes\"}}'"))
    })
}

/// Converts a JSON value. The refusal names the wrong field.
pub(super) fn parsed<T: DeserializeOwned>(value: Value) -> Result<T, Complaint> {
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string().as_str() {
        "." => Complaint::bad(error.inner().to_string()),
        path => Complaint::bad(format!("{path}: {}", error.inner())),
    })
}

/// Returns a copy of `old` with the fields of `patch`.
pub(super) fn patched<T: Serialize + DeserializeOwned>(old: &T, patch: Value) -> Result<T, Complaint> {
    let Shown(mut merged) = shown(old)?;
    match (merged.as_object_mut(), patch) {
        (Some(fields), Value::Object(patch)) => fields.extend(patch),
        _ => return Err(Complaint::bad("a JSON object is required: the fields that change")),
    }
    parsed(merged)
}

pub(super) fn shown(what: &impl Serialize) -> Answered {
    let unshowable = |error: serde_json::Error| Complaint::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    serde_json::to_value(what).map(Shown).map_err(unshowable)
}
