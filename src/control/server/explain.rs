//! Explanations, health and metrics. All are read from the board, without waiting for an actor.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::super::Refusal;
use super::Shared;
use super::answer::{Answer, campaign_id};
use super::route::{GET, Route};
use crate::domain::explain::Explanation;
use crate::domain::health::{Health, HealthWord};
use crate::metrics;

pub(super) fn routes() -> Vec<Route> {
    let why = "Why a campaign is (not) running, and what happens next";
    let openmetrics = "The metrics, in the OpenMetrics format";
    vec![
        Route::new(GET, "/v1/campaigns/{id}/explain", explain, why).answers::<Explanation>(200, "The explanation"),
        Route::new(GET, "/v1/health", health, "Whether every promise can be kept")
            .answers::<Health>(200, "Every promise can be kept")
            .answers::<Health>(503, "Degraded: `reasons` says what is wrong, and since when"),
        Route::new(GET, "/metrics", prometheus, "The metrics, for Prometheus").answers_text(
            200,
            openmetrics,
            metrics::CONTENT_TYPE,
        ),
    ]
}

async fn explain(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Answer, Answer> {
    let id = campaign_id(&id)?;
    let explanation = shared.board.explain(id, shared.clock.now());
    Ok(Answer::of(explanation.ok_or(Refusal::UnknownCampaign(id))))
}

async fn health(State(shared): State<Shared>) -> Answer {
    let health = shared.board.health(shared.clock.now());
    let status = match health.status {
        HealthWord::Ok => StatusCode::OK,
        HealthWord::Degraded => StatusCode::SERVICE_UNAVAILABLE,
    };
    Answer::json(status, &health)
}

pub(super) async fn prometheus(State(shared): State<Shared>) -> impl IntoResponse {
    let text = shared.board.metrics_text(shared.clock.now(), shared.per_campaign_metrics);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
}
