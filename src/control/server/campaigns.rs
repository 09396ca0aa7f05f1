//! Campaigns' rows: listed, added, changed, removed.

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::{CampaignOrder, CampaignPatch, ChangeCampaign, Order, RemoveCampaign};
use super::Shared;
use super::answer::{self, Answer, campaign_id, carry_out};
use crate::domain::ids::CampaignId;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/campaigns", get(list).post(add))
        .route("/v1/campaigns/{id}", get(show).patch(change).delete(remove))
}

async fn list(State(shared): State<Shared>) -> Answer {
    Answer::of(answer::ask(&shared.orders, (), |ask| Order::Campaigns(CampaignOrder::List(ask))).await)
}

async fn show(State(shared): State<Shared>, Path(id): Path<String>) -> Answer {
    match campaign_id(&id) {
        Ok(id) => Answer::of(answer::ask(&shared.orders, id, |ask| Order::Campaigns(CampaignOrder::Show(ask))).await),
        Err(problem) => problem,
    }
}

async fn add(State(shared): State<Shared>, body: Result<Bytes, BytesRejection>) -> Answer {
    match answer::body(body).and_then(new_campaign) {
        Ok(patch) => carry_out(&shared.orders, patch, |ask| Order::Campaigns(CampaignOrder::Add(ask)))
            .await
            .but_status(StatusCode::CREATED),
        Err(problem) => problem,
    }
}

fn new_campaign(patch: CampaignPatch) -> Result<CampaignPatch, Answer> {
    if patch.id.is_some() {
        return Err(Answer::bad_field("id", "the database gives the id: leave it out".to_owned()));
    }
    if patch.name.is_none() {
        return Err(Answer::bad_field("name", "a campaign needs a name".to_owned()));
    }
    if patch.trafficstar_id.is_none() {
        return Err(Answer::bad_field("trafficstar_id", "a campaign needs its id at TrafficStars".to_owned()));
    }
    if patch.pause {
        return Err(Answer::bad_field("pause", "a new campaign is not guarded yet: leave it out".to_owned()));
    }
    Ok(patch)
}

async fn change(State(shared): State<Shared>, Path(id): Path<String>, body: Result<Bytes, BytesRejection>) -> Answer {
    let change = match campaign_id(&id).and_then(|id| changed_campaign(id, answer::body(body)?)) {
        Ok(change) => change,
        Err(problem) => return problem,
    };
    let campaign = change.campaign;
    let answer = match change.patch.generator_alone(campaign) {
        Some(set) => carry_out(&shared.orders, set, Order::SetGenerator).await,
        None => carry_out(&shared.orders, change, |ask| Order::Campaigns(CampaignOrder::Change(ask))).await,
    };
    answer.following(&shared.board, campaign)
}

fn changed_campaign(campaign: CampaignId, patch: CampaignPatch) -> Result<ChangeCampaign, Answer> {
    if patch.id.is_some_and(|id| id != campaign) {
        return Err(Answer::bad_field("id", "a campaign keeps its id".to_owned()));
    }
    if patch == (CampaignPatch { id: patch.id, ..CampaignPatch::default() }) {
        return Err(Answer::bad_field("body", "nothing to change: give a field, say generator_enabled".to_owned()));
    }
    let lets_go = patch.generator_enabled == Some(false) || patch.trafficstar_id.is_some();
    if patch.pause && !lets_go {
        let detail = "goes with \"generator_enabled\": false or another trafficstar_id alone";
        return Err(Answer::bad_field("pause", detail.to_owned()));
    }
    Ok(ChangeCampaign { campaign, patch })
}

/// How a campaign is to be removed: in the query, or in the body.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Removal {
    /// Pause it first; without, one that runs is not removed.
    pause: bool,
}

async fn remove(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    query: Result<Query<Removal>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    match removal(&id, query, body) {
        Ok(removal) => {
            let campaign = removal.campaign;
            carry_out(&shared.orders, removal, |ask| Order::Campaigns(CampaignOrder::Remove(ask)))
                .await
                .following(&shared.board, campaign)
        }
        Err(problem) => problem,
    }
}

fn removal(
    id: &str,
    query: Result<Query<Removal>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<RemoveCampaign, Answer> {
    let campaign = campaign_id(id)?;
    let Query(in_query) = query.map_err(|rejection| Answer::bad_field("query", rejection.body_text()))?;
    let in_body = if body.as_ref().is_ok_and(Bytes::is_empty) { Removal::default() } else { answer::body(body)? };
    Ok(RemoveCampaign { campaign, pause: in_query.pause || in_body.pause })
}
