//! The dump. It reads the board, and waits for no actor.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;

use super::super::Refusal;
use super::Shared;
use super::answer::{Answer, campaign_id};

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/v1/state", get(state)).route("/v1/campaigns/{id}/state", get(campaign_state))
}

async fn state(State(shared): State<Shared>) -> Answer {
    Answer::json(StatusCode::OK, &shared.board.dump(shared.clock.now()))
}

async fn campaign_state(State(shared): State<Shared>, Path(id): Path<String>) -> Answer {
    let id = match campaign_id(&id) {
        Ok(id) => id,
        Err(problem) => return problem,
    };
    match shared.board.campaign(id) {
        Some(status) => Answer::json(StatusCode::OK, &*status),
        None => Answer::refusal(&Refusal::UnknownCampaign(id)),
    }
}
