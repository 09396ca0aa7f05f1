//! Reloading the config, other log lines, the end.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::routing::{post, put};

use super::super::{LogFilterSetting, Operation};
use super::Shared;
use super::answer::{self, Answer, carry_out};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/reload", post(reload))
        .route("/v1/log-filter", put(set_log_filter))
        .route("/v1/shutdown", post(shutdown))
}

async fn reload(State(shared): State<Shared>, body: Result<Bytes, BytesRejection>) -> Answer {
    match answer::body_or_default(body) {
        Ok(body) => carry_out(&shared.operations, body, Operation::Reload).await,
        Err(problem) => problem,
    }
}

async fn set_log_filter(State(shared): State<Shared>, body: Result<Bytes, BytesRejection>) -> Answer {
    match answer::body::<LogFilterSetting>(body) {
        Ok(setting) => carry_out(&shared.operations, setting, Operation::SetLogFilter).await,
        Err(problem) => problem,
    }
}

/// Answered when it is accepted: after its effect there is nobody left to answer.
async fn shutdown(State(shared): State<Shared>) -> Answer {
    carry_out(&shared.operations, (), Operation::Shutdown).await.but_status(StatusCode::ACCEPTED)
}
