//! `GET /v1/openapi.json`: what is at each path, made from the types that serve the requests.
//!
//! [`operations`] is the one place: whoever adds a route adds it there, and a sample of each answer to
//! `tests/it/openapi.rs`. Tests hold it against the routes and against live answers.

mod document;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::Value;

use self::document::{Described, document};
use super::super::{Campaign, CampaignPatch, LogFilterSetting, Reloaded, Stopping};
use super::Shared;
use super::answer::Answer;
use crate::domain::explain::Explanation;
use crate::domain::health::Health;
use crate::domain::status::{CampaignStatus, Dump};
use crate::metrics;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/v1/openapi.json", get(openapi))
}

async fn openapi() -> Answer {
    Answer::json(StatusCode::OK, &document(operations()))
}

const NO_SUCH_CAMPAIGN: &str = "There is no such campaign";
const NOT_NOW: &str = "Not possible now";
const BAD_INPUT: &str = "The request makes no sense; `field` names what is wrong";

/// Every path with its methods. An answer that each of them can give, such as 413, is not repeated.
fn operations() -> Vec<Described> {
    vec![
        Described::get("/v1/openapi.json", "This description").answers::<Value>(200, "OpenAPI 3.1"),
        Described::get("/v1/state", "Everything that the program knows of itself").answers::<Dump>(200, "The dump"),
        Described::get("/v1/campaigns/{id}/state", "One campaign of the dump")
            .answers::<CampaignStatus>(200, "The campaign")
            .refuses(404, NO_SUCH_CAMPAIGN)
            .refuses(422, BAD_INPUT),
        Described::get("/v1/campaigns/{id}/explain", "Why a campaign is (not) running, and what happens next")
            .answers::<Explanation>(200, "The explanation")
            .refuses(404, NO_SUCH_CAMPAIGN)
            .refuses(422, BAD_INPUT),
        Described::get("/v1/health", "Whether every promise can be kept")
            .answers::<Health>(200, "All is well")
            .answers::<Health>(503, "Degraded: `reasons` has what is wrong, and since when"),
        Described::get("/metrics", "What Prometheus asks").answers_text(
            200,
            "The metrics, in the OpenMetrics format",
            metrics::CONTENT_TYPE,
        ),
        Described::patch("/v1/campaigns/{id}", "Change a campaign")
            .accepts::<CampaignPatch>()
            .answers::<Campaign>(200, "As it is now")
            .pending()
            .refuses(404, NO_SUCH_CAMPAIGN)
            .refuses(409, NOT_NOW)
            .refuses(422, BAD_INPUT),
        Described::post("/v1/reload", "Read the config anew")
            .answers::<Reloaded>(200, "What is in force now, and what needs a restart")
            .refuses(422, "The config makes no sense, and nothing has changed: `detail` has every problem, one a line"),
        Described::put("/v1/log-filter", "Write other log lines, until a reload or the end")
            .accepts::<LogFilterSetting>()
            .answers::<LogFilterSetting>(200, "The filter in force")
            .refuses(422, BAD_INPUT),
        Described::post("/v1/shutdown", "Stop in order")
            .answers::<Stopping>(202, "Accepted: it has stopped when its socket is gone"),
    ]
}
