//! Reloading the config, other log lines, the end.

use axum::extract::State;
use axum::http::StatusCode;

use super::super::{AdminOrder, LogFilterSetting, ReloadBody, Reloaded, Stopping};
use super::Shared;
use super::answer::{self, Answer, Body, carry_out};
use super::route::{POST, PUT, Route};

pub(super) fn routes() -> Vec<Route> {
    let bad_config = "The config makes no sense, or has lost keys, and nothing has changed: `detail` has every problem";
    vec![
        Route::new(POST, "/v1/reload", reload, "Read the config anew")
            .may_accept::<ReloadBody>()
            .answers::<Reloaded>(200, "What is in force now, and what needs a restart")
            .refuses(422, bad_config),
        Route::new(PUT, "/v1/log-filter", set_log_filter, "Write other log lines, until a reload or the end")
            .accepts::<LogFilterSetting>()
            .answers::<LogFilterSetting>(200, "The filter in force"),
        Route::new(POST, "/v1/shutdown", shutdown, "Stop in order")
            .answers::<Stopping>(202, "Accepted: it has stopped when its socket is gone"),
    ]
}

async fn reload(State(shared): State<Shared>, body: Body) -> Result<Answer, Answer> {
    let body = answer::body_or_default(body)?;
    Ok(carry_out(&shared.operations, body, AdminOrder::Reload).await)
}

async fn set_log_filter(State(shared): State<Shared>, body: Body) -> Result<Answer, Answer> {
    let setting = answer::body(body)?;
    Ok(carry_out(&shared.operations, setting, AdminOrder::SetLogFilter).await)
}

/// Answered when it is accepted: after its effect there is nobody left to answer.
async fn shutdown(State(shared): State<Shared>) -> Answer {
    carry_out(&shared.operations, (), AdminOrder::Shutdown).await.but_status(StatusCode::ACCEPTED)
}
