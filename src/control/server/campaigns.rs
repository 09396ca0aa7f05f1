//! Campaigns' rows: so far, enabling and disabling their generators.

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::routing::patch;

use super::super::{CampaignPatch, Order, SetGenerator};
use super::Shared;
use super::answer::{self, Answer, campaign_id, carry_out};
use crate::domain::facts::CampaignId;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/v1/campaigns/{id}", patch(patch_campaign))
}

async fn patch_campaign(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    match campaign_id(&id).and_then(|id| set_generator(id, answer::body(body)?)) {
        Ok(set) => carry_out(&shared.orders, set, Order::SetGenerator).await,
        Err(problem) => problem,
    }
}

fn set_generator(campaign: CampaignId, patch: CampaignPatch) -> Result<SetGenerator, Answer> {
    match patch {
        CampaignPatch { generator_enabled: Some(true), pause: true } => {
            Err(Answer::bad_field("pause", "goes with \"generator_enabled\": false alone".to_owned()))
        }
        CampaignPatch { generator_enabled: Some(enabled), pause } => Ok(SetGenerator { campaign, enabled, pause }),
        CampaignPatch { generator_enabled: None, .. } => {
            Err(Answer::bad_field("generator_enabled", "nothing to change: give true or false".to_owned()))
        }
    }
}
