//! Orders to campaigns: process, force, hold, release, and the pause of all.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use chrono::{DateTime, SubsecRound, Utc};

use super::super::{
    Held, HeldAll, HoldBody, Order, Process, ProcessAll, ProcessBody, Processed, Released, SetHold, hold_span,
};
use super::Shared;
use super::answer::{Answer, Body, body_or_default, campaign_id, carry_out_within, patience};
use super::connections::Peer;
use super::route::{DELETE, NOT_NOW, POST, PUT, Route};
use crate::domain::status::Hold;
use crate::domain::text::cut;
use crate::printable::printable;

pub(super) fn routes() -> Vec<Route> {
    const HOLD: &str = "/v1/campaigns/{id}/hold";
    const HOLD_ALL: &str = "/v1/hold";
    vec![
        Route::new(POST, "/v1/campaigns/{id}/process", process, "Tick now, or act now")
            .may_accept::<ProcessBody>()
            .waits_as_preferred()
            .answers::<Processed>(200, "After its tick, or its forced action")
            .refuses(409, NOT_NOW),
        Route::new(POST, "/v1/process", process_all, "The same for every campaign whose generator is enabled")
            .may_accept::<ProcessBody>()
            .waits_as_preferred()
            .answers_list::<Processed>(200, "Each of them; `error` has what failed for one"),
        Route::new(PUT, HOLD, hold, "Observe a campaign and send nothing, until released")
            .may_accept::<HoldBody>()
            .waits_as_preferred()
            .answers::<Held>(200, "The hold in force")
            .refuses(409, NOT_NOW),
        Route::new(DELETE, HOLD, release, "Release a campaign")
            .waits_as_preferred()
            .answers::<Released>(200, "What has ended, and what is still in force"),
        Route::new(PUT, HOLD_ALL, hold_all, "Observe all campaigns and send nothing, until released")
            .may_accept::<HoldBody>()
            .waits_as_preferred()
            .answers::<HeldAll>(200, "The hold in force, and what it did not reach"),
        Route::new(DELETE, HOLD_ALL, release_all, "Release all campaigns from the hold on all")
            .waits_as_preferred()
            .answers::<Released>(200, "What has ended"),
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

async fn hold(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Answer> {
    let campaign = campaign_id(&id)?;
    let hold = hold_of(body, peer, shared.clock.now()).await?;
    let order = SetHold { campaign, hold };
    let answer = carry_out_within(patience(&headers), &shared.orders, order, Order::Hold).await;
    Ok(answer.following(&shared.board, campaign))
}

async fn release(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Result<Answer, Answer> {
    let campaign = campaign_id(&id)?;
    let answer = carry_out_within(patience(&headers), &shared.orders, campaign, Order::Release).await;
    Ok(answer.following(&shared.board, campaign))
}

async fn hold_all(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Answer> {
    let hold = hold_of(body, peer, shared.clock.now()).await?;
    Ok(carry_out_within(patience(&headers), &shared.orders, hold, Order::HoldAll).await)
}

async fn release_all(State(shared): State<Shared>, headers: HeaderMap) -> Answer {
    carry_out_within(patience(&headers), &shared.orders, (), Order::ReleaseAll).await
}

/// The hold that is asked for. Its times are cut to what both databases keep, so that it is the same when it is read back.
async fn hold_of(body: Body, peer: Peer, now: DateTime<Utc>) -> Result<Hold, Answer> {
    let body: HoldBody = body_or_default(body)?;
    let since = now.trunc_subsecs(6);
    let until = body.lasts.as_deref().map(|lasts| end_of(lasts, since)).transpose()?;
    // It is quoted in the journal and in what is told. A long one is cut and not refused: it must not keep a pause back.
    let reason = body.reason.filter(|reason| !reason.trim().is_empty()).map(|reason| printable(&cut(&reason)));
    Ok(Hold { reason, since, until, by: peer.operator().await, pause: body.pause })
}

fn end_of(lasts: &str, since: DateTime<Utc>) -> Result<DateTime<Utc>, Answer> {
    let span = hold_span(lasts).map_err(|error| Answer::bad_field("for", error.to_string()))?;
    Ok((since + span).trunc_subsecs(6))
}
