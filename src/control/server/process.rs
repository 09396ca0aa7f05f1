//! Serves `process`: a tick now, or a forced action.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;

use super::super::{Order, Process, ProcessAll, ProcessBody, Processed};
use super::Shared;
use super::answer::{Answer, Body, body_or_default, campaign_id, carry_out_within, patience};
use super::connections::Peer;
use super::route::{NOT_NOW, POST, Route};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(POST, "/v1/campaigns/{id}/process", process, "Run a tick now, or force an action")
            .may_accept::<ProcessBody>()
            .waits_as_preferred()
            .answers::<Processed>(200, "The campaign after its tick or its forced action")
            .refuses(409, NOT_NOW),
        Route::new(POST, "/v1/process", process_all, "The same for every campaign whose generator is enabled")
            .may_accept::<ProcessBody>()
            .waits_as_preferred()
            .answers_list::<Processed>(200, "The campaigns; a campaign whose order failed has the reason in `error`"),
    ]
}

async fn process(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Answer> {
    let campaign = campaign_id(&id)?;
    let ProcessBody { force } = body_or_default(body)?;
    let order = Process { campaign, force, by: peer.operator().await };
    let answer = carry_out_within(patience(&headers), &shared.orders, order, Order::Process).await;
    Ok(answer.following(&shared.board, campaign))
}

async fn process_all(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Answer> {
    let ProcessBody { force } = body_or_default(body)?;
    let order = ProcessAll { force, by: peer.operator().await };
    Ok(carry_out_within(patience(&headers), &shared.orders, order, Order::ProcessAll).await)
}
