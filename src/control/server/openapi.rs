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
use super::super::{
    Campaign, CampaignPatch, Held, HeldAll, HoldBody, LogFilterSetting, ProcessBody, Processed, Released, ReloadBody,
    Reloaded, Stopping, Url, UrlPatch,
};
use super::Shared;
use super::answer::Answer;
use super::campaigns::Removal;
use crate::domain::explain::Explanation;
use crate::domain::health::Health;
use crate::domain::journal::JournalEntry;
use crate::domain::status::{CampaignStatus, Dump};
use crate::metrics;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/v1/openapi.json", get(openapi))
}

async fn openapi() -> Answer {
    Answer::json(StatusCode::OK, &document(operations()))
}

const NO_SUCH_CAMPAIGN: &str = "There is no such campaign";
const NO_SUCH_URL: &str = "There is no such URL";
const NOT_NOW: &str = "Not possible now";
const BAD_INPUT: &str = "The request makes no sense; `field` names what is wrong";

/// Every path with its methods. What each of them can be answered with is not repeated: [`document`] adds it.
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
        Described::get(
            "/v1/events",
            "What happens, as it happens, until either side ends it; with more than 32 readers the oldest is ended",
        )
        .query::<i64>("campaign", "One campaign's events alone")
        .answers_text(200, "Server-sent events, whose data is JSON", "text/event-stream")
        .refuses(404, NO_SUCH_CAMPAIGN)
        .refuses(422, BAD_INPUT),
        Described::get("/v1/journal", "What was asked of TrafficStars, and how far it got")
            .query::<i64>("campaign", "One campaign's entries alone")
            .query::<String>("since", "Requested at this time or later, as RFC 3339 has it")
            .query::<u32>("limit", "So many at the most: 100 where it is left out, never more than 10000")
            .answers_list::<JournalEntry>(200, "The entries, newest first")
            .refuses(422, BAD_INPUT),
        Described::get("/v1/campaigns", "Every campaign's row").answers_list::<Campaign>(200, "The rows"),
        Described::post("/v1/campaigns", "Add a campaign; it needs `name` and `trafficstar_id`")
            .accepts::<CampaignPatch>()
            .answers::<Campaign>(201, "The new row")
            .pending()
            .refuses(409, "Another campaign has this `trafficstar_id`")
            .refuses(422, BAD_INPUT),
        Described::get("/v1/campaigns/{id}", "A campaign's row")
            .answers::<Campaign>(200, "The row")
            .refuses(404, NO_SUCH_CAMPAIGN)
            .refuses(422, BAD_INPUT),
        Described::delete("/v1/campaigns/{id}", "Remove a campaign")
            .query::<bool>("pause", "The same as in the body")
            .may_accept::<Removal>()
            .answers::<Campaign>(200, "As it was")
            .pending()
            .refuses(404, NO_SUCH_CAMPAIGN)
            .refuses(409, "It runs and is not to be paused, or cannot be paused now")
            .refuses(422, BAD_INPUT),
        Described::get("/v1/campaigns/{id}/urls", "A campaign's URLs")
            .answers_list::<Url>(200, "The rows")
            .refuses(404, NO_SUCH_CAMPAIGN)
            .refuses(422, BAD_INPUT),
        Described::post("/v1/campaigns/{id}/urls", "Add a URL; it needs `name`, `target_url` and `click_limit`")
            .accepts::<UrlPatch>()
            .answers::<Url>(201, "The new row")
            .pending()
            .refuses(404, NO_SUCH_CAMPAIGN)
            .refuses(422, BAD_INPUT),
        Described::patch("/v1/urls/{id}", "Change a URL")
            .accepts::<UrlPatch>()
            .answers::<Url>(200, "As it is now")
            .pending()
            .refuses(404, NO_SUCH_URL)
            .refuses(422, BAD_INPUT),
        Described::delete("/v1/urls/{id}", "Remove a URL")
            .answers::<Url>(200, "As it was")
            .pending()
            .refuses(404, NO_SUCH_URL)
            .refuses(422, BAD_INPUT),
        Described::post("/v1/campaigns/{id}/process", "Tick now, or act now")
            .may_accept::<ProcessBody>()
            .waits_as_preferred()
            .answers::<Processed>(200, "After its tick, or its forced action")
            .refuses(404, NO_SUCH_CAMPAIGN)
            .refuses(409, NOT_NOW)
            .refuses(422, BAD_INPUT),
        Described::post("/v1/process", "The same for every campaign whose generator is enabled")
            .may_accept::<ProcessBody>()
            .waits_as_preferred()
            .answers_list::<Processed>(200, "Each of them; `error` has what failed for one")
            .refuses(422, BAD_INPUT),
        Described::put("/v1/campaigns/{id}/hold", "Observe a campaign and send nothing, until released")
            .may_accept::<HoldBody>()
            .waits_as_preferred()
            .answers::<Held>(200, "The hold in force")
            .refuses(404, NO_SUCH_CAMPAIGN)
            .refuses(409, NOT_NOW)
            .refuses(422, BAD_INPUT),
        Described::delete("/v1/campaigns/{id}/hold", "Release a campaign")
            .waits_as_preferred()
            .answers::<Released>(200, "What has ended, and what is still in force")
            .refuses(404, NO_SUCH_CAMPAIGN)
            .refuses(422, BAD_INPUT),
        Described::put("/v1/hold", "Observe all campaigns and send nothing, until released")
            .may_accept::<HoldBody>()
            .waits_as_preferred()
            .answers::<HeldAll>(200, "The hold in force, and what it did not reach")
            .refuses(422, BAD_INPUT),
        Described::delete("/v1/hold", "Release all campaigns from the hold on all")
            .waits_as_preferred()
            .answers::<Released>(200, "What has ended"),
        Described::patch("/v1/campaigns/{id}", "Change a campaign")
            .accepts::<CampaignPatch>()
            .answers::<Campaign>(200, "As it is now")
            .pending()
            .refuses(404, NO_SUCH_CAMPAIGN)
            .refuses(409, NOT_NOW)
            .refuses(422, BAD_INPUT),
        Described::post("/v1/reload", "Read the config anew")
            .may_accept::<ReloadBody>()
            .answers::<Reloaded>(200, "What is in force now, and what needs a restart")
            .refuses(
                422,
                "The config makes no sense, or has lost keys, and nothing has changed: `detail` has every problem",
            ),
        Described::put("/v1/log-filter", "Write other log lines, until a reload or the end")
            .accepts::<LogFilterSetting>()
            .answers::<LogFilterSetting>(200, "The filter in force")
            .refuses(422, BAD_INPUT),
        Described::post("/v1/shutdown", "Stop in order")
            .answers::<Stopping>(202, "Accepted: it has stopped when its socket is gone"),
    ]
}
