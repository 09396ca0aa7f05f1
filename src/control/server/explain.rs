//! Why is it (not) running; is all well; and what Prometheus asks. It reads the board, and waits for no actor.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use super::super::Refusal;
use super::Shared;
use super::answer::{Answer, campaign_id};
use crate::domain::health::HealthWord;
use crate::metrics;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/campaigns/{id}/explain", get(explain))
        .route("/v1/health", get(health))
        .route("/metrics", get(prometheus))
}

async fn explain(State(shared): State<Shared>, Path(id): Path<String>) -> Answer {
    let id = match campaign_id(&id) {
        Ok(id) => id,
        Err(problem) => return problem,
    };
    match shared.board.explain(id, shared.clock.now()) {
        Some(explanation) => Answer::json(StatusCode::OK, &explanation),
        None => Answer::refusal(&Refusal::UnknownCampaign(id)),
    }
}

async fn health(State(shared): State<Shared>) -> Answer {
    let health = shared.board.health(shared.clock.now());
    let status = match health.status {
        HealthWord::Ok => StatusCode::OK,
        HealthWord::Degraded => StatusCode::SERVICE_UNAVAILABLE,
    };
    Answer::json(status, &health)
}

async fn prometheus(State(shared): State<Shared>) -> impl IntoResponse {
    let now = shared.clock.now();
    let text = shared.board.metrics().text(&shared.board.dump(now), &shared.board.health(now));
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
}
