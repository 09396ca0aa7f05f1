//! Serves `hold` and `release`, of one campaign and of all.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use chrono::{DateTime, SubsecRound, Utc};

use super::super::{Held, HeldAll, HoldBody, Order, Released, SetHold, hold_span};
use super::Shared;
use super::answer::{Answer, Body, body_or_default, campaign_id, carry_out_within, patience};
use super::connections::Peer;
use super::route::{DELETE, NOT_NOW, PUT, Route};
use crate::domain::status::Hold;
use crate::domain::text::cut;
use crate::printable::printable;

pub(super) fn routes() -> Vec<Route> {
    const HOLD: &str = "/v1/campaigns/{id}/hold";
    const HOLD_ALL: &str = "/v1/hold";
    vec![
        Route::new(PUT, HOLD, hold, "Put a campaign on hold: the guard changes nothing until its release")
            .may_accept::<HoldBody>()
            .waits_as_preferred()
            .answers::<Held>(200, "The hold in force")
            .refuses(409, NOT_NOW),
        Route::new(DELETE, HOLD, release, "Release a campaign")
            .waits_as_preferred()
            .answers::<Released>(200, "The hold that has ended, and a hold on all that is still in force"),
        Route::new(PUT, HOLD_ALL, hold_all, "Put all campaigns on hold; with `pause`, pause them all first")
            .may_accept::<HoldBody>()
            .waits_as_preferred()
            .answers::<HeldAll>(200, "The hold in force, and the campaigns that were not paused"),
        Route::new(DELETE, HOLD_ALL, release_all, "End the hold on all campaigns")
            .waits_as_preferred()
            .answers::<Released>(200, "The hold that has ended"),
    ]
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

/// Returns the requested hold. Its times are cut to microseconds, which both databases store, so that it does not
/// change when it is read back.
async fn hold_of(body: Body, peer: Peer, now: DateTime<Utc>) -> Result<Hold, Answer> {
    let body: HoldBody = body_or_default(body)?;
    let since = now.trunc_subsecs(6);
    let until = body.lasts.as_deref().map(|lasts| end_of("for", lasts, since)).transpose()?;
    // The journal and messages quote the reason. A long one is cut and not refused: it must not prevent a pause.
    let reason = body.reason.filter(|reason| !reason.trim().is_empty()).map(|reason| printable(&cut(&reason)));
    Ok(Hold { reason, since, until, by: peer.operator().await, pause: body.pause })
}

/// Returns the hold with which a campaign is paused before its guard decides.
pub(super) async fn pause_first(lasts: &str, peer: Peer, now: DateTime<Utc>) -> Result<Hold, Answer> {
    let since = now.trunc_subsecs(6);
    let until = Some(end_of("pause_first", lasts, since)?);
    let reason = Some("it is paused before its guard decides".to_owned());
    Ok(Hold { reason, since, until, by: peer.operator().await, pause: true })
}

fn end_of(field: &'static str, lasts: &str, since: DateTime<Utc>) -> Result<DateTime<Utc>, Answer> {
    let span = hold_span(lasts).map_err(|error| Answer::bad_field(field, error.to_string()))?;
    Ok((since + span).trunc_subsecs(6))
}
