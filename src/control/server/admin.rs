//! Reload of the config, log filter, shutdown.

use axum::extract::State;
use axum::http::StatusCode;

use super::super::{AdminOrder, LogFilterSetting, ReloadBody, Reloaded, Stopping};
use super::Shared;
use super::answer::{self, Answer, Body, carry_out};
use super::route::{POST, PUT, Route};

pub(super) fn routes() -> Vec<Route> {
    let bad_config = "The config is invalid or has lost keys, and nothing has changed: `detail` has every problem";
    vec![
        Route::new(POST, "/v1/reload", reload, "Read the config again")
            .may_accept::<ReloadBody>()
            .answers::<Reloaded>(200, "The keys that are in force now, and those that need a restart")
            .refuses(422, bad_config),
        Route::new(PUT, "/v1/log-filter", set_log_filter, "Change the log filter, until a reload or a restart")
            .accepts::<LogFilterSetting>()
            .answers::<LogFilterSetting>(200, "The filter in force"),
        Route::new(POST, "/v1/shutdown", shutdown, "Stop the supervisor after its open requests")
            .answers::<Stopping>(202, "Accepted: the supervisor has stopped when its socket no longer exists"),
    ]
}

async fn reload(State(shared): State<Shared>, body: Body) -> Result<Answer, Answer> {
    let body = answer::body_or_default(body)?;
    Ok(carry_out(&shared.admin_orders, body, AdminOrder::Reload).await)
}

async fn set_log_filter(State(shared): State<Shared>, body: Body) -> Result<Answer, Answer> {
    let setting = answer::body(body)?;
    Ok(carry_out(&shared.admin_orders, setting, AdminOrder::SetLogFilter).await)
}

/// Answers when the order is accepted: after its effect there is no server to answer.
async fn shutdown(State(shared): State<Shared>) -> Answer {
    carry_out(&shared.admin_orders, (), AdminOrder::Shutdown).await.but_status(StatusCode::ACCEPTED)
}
