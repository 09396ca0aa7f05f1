//! Orders to campaigns: process, force, hold, release, and the pause of all.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::{post, put};
use axum::{Extension, Router};
use chrono::{DateTime, Duration, SubsecRound, Utc};

use super::super::{HoldBody, Order, Process, ProcessAll, ProcessBody, SetHold};
use super::Shared;
use super::answer::{Answer, body_or_default, campaign_id, carry_out_within, patience};
use super::connections::Peer;
use crate::domain::status::Hold;
use crate::domain::text::cut;
use crate::printable::printable;

type Body = Result<Bytes, BytesRejection>;

/// A hold of more than a century is a slip of the pen, and far from what a time can hold.
const LONGEST_HOLD: Duration = Duration::days(36_525);

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/campaigns/{id}/process", post(process))
        .route("/v1/process", post(process_all))
        .route("/v1/campaigns/{id}/hold", put(hold).delete(release))
        .route("/v1/hold", put(hold_all).delete(release_all))
}

async fn process(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (campaign, ProcessBody { force }) = match campaign_id(&id).and_then(|id| Ok((id, body_or_default(body)?))) {
        Ok(asked) => asked,
        Err(problem) => return problem,
    };
    let order = Process { campaign, force, by: peer.operator().await };
    carry_out_within(patience(&headers), &shared.orders, order, Order::Process).await.following(&shared.board, campaign)
}

async fn process_all(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let ProcessBody { force } = match body_or_default(body) {
        Ok(body) => body,
        Err(problem) => return problem,
    };
    let order = ProcessAll { force, by: peer.operator().await };
    carry_out_within(patience(&headers), &shared.orders, order, Order::ProcessAll).await
}

async fn hold(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = campaign_id(&id).and_then(|id| Ok((id, hold_of(body_or_default(body)?, shared.clock.now())?)));
    let (campaign, mut hold) = match asked {
        Ok(asked) => asked,
        Err(problem) => return problem,
    };
    hold.by = peer.operator().await;
    carry_out_within(patience(&headers), &shared.orders, SetHold { campaign, hold }, Order::Hold)
        .await
        .following(&shared.board, campaign)
}

async fn release(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    match campaign_id(&id) {
        Ok(campaign) => carry_out_within(patience(&headers), &shared.orders, campaign, Order::Release)
            .await
            .following(&shared.board, campaign),
        Err(problem) => problem,
    }
}

async fn hold_all(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let mut hold = match body_or_default(body).and_then(|body| hold_of(body, shared.clock.now())) {
        Ok(hold) => hold,
        Err(problem) => return problem,
    };
    hold.by = peer.operator().await;
    carry_out_within(patience(&headers), &shared.orders, hold, Order::HoldAll).await
}

async fn release_all(State(shared): State<Shared>, headers: HeaderMap) -> Answer {
    carry_out_within(patience(&headers), &shared.orders, (), Order::ReleaseAll).await
}

/// The hold that is asked for, but for whose it is. Its times are cut to what both databases keep, so that it is the same
/// when it is read back.
fn hold_of(body: HoldBody, now: DateTime<Utc>) -> Result<Hold, Answer> {
    let since = now.trunc_subsecs(6);
    let until = body.lasts.as_deref().map(|lasts| end_of(lasts, since)).transpose()?;
    // It is quoted in the journal and in what is told. A long one is cut and not refused: it must not keep a pause back.
    let reason = body.reason.map(|reason| printable(&cut(&reason)));
    Ok(Hold { reason, since, until, by: None, pause: body.pause })
}

fn end_of(lasts: &str, since: DateTime<Utc>) -> Result<DateTime<Utc>, Answer> {
    let bad =
        |problem: String| Answer::bad_field("for", format!("`{lasts}` is no duration ({problem}): write it like 2h"));
    let span = humantime::parse_duration(lasts).map_err(|error| bad(error.to_string()))?;
    let span = Duration::from_std(span).ok().filter(|span| *span <= LONGEST_HOLD);
    let span = span.ok_or_else(|| bad("it is longer than a century".to_owned()))?;
    Ok((since + span).trunc_subsecs(6))
}
