//! Lists, adds, changes and removes rows of campaigns.

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::{Campaign, CampaignOrder, CampaignPatch, ChangeCampaign, Order, RemoveCampaign, UrlPatch};
use super::Shared;
use super::answer::{self, Answer, Body, campaign_id, carry_out};
use super::connections::Peer;
use super::hold::pause_first;
use super::route::{DELETE, GET, NOT_NOW, PATCH, POST, Route};
use super::urls::lacks;
use crate::domain::ids::CampaignId;

pub(super) fn routes() -> Vec<Route> {
    const ALL: &str = "/v1/campaigns";
    const ONE: &str = "/v1/campaigns/{id}";
    vec![
        Route::new(GET, ALL, list, "List every campaign's row").answers_list::<Campaign>(200, "The rows"),
        Route::new(POST, ALL, add, "Add a campaign; it needs `name` and `trafficstar_id`")
            .accepts::<CampaignPatch>()
            .answers::<Campaign>(201, "The new row")
            .pending()
            .refuses(409, "Another campaign has this `trafficstar_id`, or it is to be guarded without an active URL"),
        Route::new(GET, ONE, show, "Read a campaign's row").answers::<Campaign>(200, "The row"),
        Route::new(PATCH, ONE, change, "Change a campaign")
            .accepts::<CampaignPatch>()
            .answers::<Campaign>(200, "The changed row")
            .pending()
            .refuses(409, NOT_NOW),
        Route::new(DELETE, ONE, remove, "Remove a campaign")
            .query::<bool>("pause", "The same as `pause` in the body")
            .may_accept::<Removal>()
            .answers::<Campaign>(200, "The removed row")
            .pending()
            .refuses(409, "The campaign runs and `pause` is not given, or it cannot be paused now"),
    ]
}

async fn list(State(shared): State<Shared>) -> Answer {
    Answer::of(answer::ask(&shared.orders, (), |ask| Order::Campaigns(CampaignOrder::List(ask))).await)
}

async fn show(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Answer, Answer> {
    let id = campaign_id(&id)?;
    Ok(Answer::of(answer::ask(&shared.orders, id, |ask| Order::Campaigns(CampaignOrder::Show(ask))).await))
}

async fn add(State(shared): State<Shared>, body: Body) -> Result<Answer, Answer> {
    let patch = Box::new(new_campaign(answer::body(body)?)?);
    let answer = carry_out(&shared.orders, patch, |ask| Order::Campaigns(CampaignOrder::Add(ask))).await;
    Ok(answer.but_status(StatusCode::CREATED))
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
        return Err(Answer::bad_field("pause", "a new campaign is not guarded yet: leave this field out".to_owned()));
    }
    if patch.pause_first.is_some() {
        let detail = "a new campaign is not guarded yet: add it, then enable it with this field".to_owned();
        return Err(Answer::bad_field("pause_first", detail));
    }
    check_companions(&patch)?;
    let url = patch.url.clone().map(|url| first_url(url, patch.name.as_deref())).transpose()?;
    Ok(CampaignPatch { url, ..patch })
}

fn first_url(url: UrlPatch, campaign: Option<&str>) -> Result<UrlPatch, Answer> {
    let url = UrlPatch { name: url.name.or_else(|| campaign.map(str::to_owned)), ..url };
    if url.id.is_some() || url.campaign_id.is_some() {
        return Err(Answer::bad_field("url", "the database gives the ids: leave them out".to_owned()));
    }
    match lacks(&url) {
        Some(field) => Err(Answer::bad_field("url", format!("a URL needs its {field}"))),
        None => Ok(url),
    }
}

/// Refuses fields that belong to an enabled or a disabled generator, if `generator_enabled` says otherwise.
fn check_companions(patch: &CampaignPatch) -> Result<(), Answer> {
    if patch.leave_running && (patch.generator_enabled != Some(false) || patch.pause) {
        let detail = "only with \"generator_enabled\": false, and not together with pause".to_owned();
        return Err(Answer::bad_field("leave_running", detail));
    }
    if patch.pause_first.is_some() && patch.generator_enabled != Some(true) {
        return Err(Answer::bad_field("pause_first", "only with \"generator_enabled\": true".to_owned()));
    }
    if patch.anyway && patch.generator_enabled != Some(true) {
        return Err(Answer::bad_field("anyway", "only with \"generator_enabled\": true".to_owned()));
    }
    Ok(())
}

async fn change(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Answer, Answer> {
    let change = changed_campaign(campaign_id(&id)?, answer::body(body)?)?;
    let campaign = change.campaign;
    let hold = match &change.patch.pause_first {
        Some(lasts) => Some(pause_first(lasts, peer, shared.clock.now()).await?),
        None => None,
    };
    let answer = match change.patch.generator_alone(campaign, hold) {
        Some(set) => carry_out(&shared.orders, set, Order::SetGenerator).await,
        None => carry_out(&shared.orders, change, |ask| Order::Campaigns(CampaignOrder::Change(ask))).await,
    };
    Ok(answer.following(&shared.board, campaign))
}

fn changed_campaign(campaign: CampaignId, patch: CampaignPatch) -> Result<ChangeCampaign, Answer> {
    if patch.id.is_some_and(|id| id != campaign) {
        return Err(Answer::bad_field("id", "a campaign keeps its id".to_owned()));
    }
    if patch == (CampaignPatch { id: patch.id, ..CampaignPatch::default() }) {
        return Err(Answer::bad_field("body", "nothing to change: give a field, such as generator_enabled".to_owned()));
    }
    if patch.url.is_some() {
        let detail = format!("only with a new campaign: POST /v1/campaigns/{campaign}/urls adds a URL to this one");
        return Err(Answer::bad_field("url", detail));
    }
    check_companions(&patch)?;
    if patch.pause_first.is_some() && patch.generator_alone(campaign, None).is_none() {
        let detail = "only with \"generator_enabled\": true, and with no other change".to_owned();
        return Err(Answer::bad_field("pause_first", detail));
    }
    let ends_guard = patch.generator_enabled == Some(false) || patch.trafficstar_id.is_some();
    if patch.pause && !ends_guard {
        let detail = "only with \"generator_enabled\": false or another trafficstar_id";
        return Err(Answer::bad_field("pause", detail.to_owned()));
    }
    Ok(ChangeCampaign { campaign, patch: Box::new(patch) })
}

/// The options of a campaign's removal, in the query or in the body.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Removal {
    /// Whether to pause the campaign first. Without this, a guarded campaign that may run is not removed.
    pause: bool,
}

async fn remove(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    query: Result<Query<Removal>, QueryRejection>,
    body: Body,
) -> Result<Answer, Answer> {
    let campaign = campaign_id(&id)?;
    let Query(in_query) = query.map_err(|rejection| Answer::bad_field("query", rejection.body_text()))?;
    let in_body: Removal = answer::body_or_default(body)?;
    let removal = RemoveCampaign { campaign, pause: in_query.pause || in_body.pause };
    let answer = carry_out(&shared.orders, removal, |ask| Order::Campaigns(CampaignOrder::Remove(ask))).await;
    Ok(answer.following(&shared.board, campaign))
}
