//! Campaigns' URLs: listed, added, changed, removed.

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, patch};

use super::super::{AddUrl, ChangeUrl, Order, UrlOrder, UrlPatch};
use super::Shared;
use super::answer::{self, Answer, campaign_id, carry_out, url_id};
use crate::domain::ids::{CampaignId, UrlId};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/campaigns/{id}/urls", get(list).post(add))
        .route("/v1/urls/{id}", patch(change).delete(remove))
}

async fn list(State(shared): State<Shared>, Path(id): Path<String>) -> Answer {
    match campaign_id(&id) {
        Ok(id) => Answer::of(answer::ask(&shared.orders, id, |ask| Order::Urls(UrlOrder::List(ask))).await),
        Err(problem) => problem,
    }
}

async fn add(State(shared): State<Shared>, Path(id): Path<String>, body: Result<Bytes, BytesRejection>) -> Answer {
    match campaign_id(&id).and_then(|id| new_url(id, answer::body(body)?)) {
        Ok(add) => {
            carry_out(&shared.orders, add, |ask| Order::Urls(UrlOrder::Add(ask))).await.but_status(StatusCode::CREATED)
        }
        Err(problem) => problem,
    }
}

fn new_url(campaign: CampaignId, patch: UrlPatch) -> Result<AddUrl, Answer> {
    if patch.id.is_some() {
        return Err(Answer::bad_field("id", "the database gives the id: leave it out".to_owned()));
    }
    if patch.campaign_id.is_some_and(|id| id != campaign) {
        return Err(Answer::bad_field("campaign_id", format!("the path says campaign {campaign}")));
    }
    let needed = [
        ("name", patch.name.is_some()),
        ("target_url", patch.target_url.is_some()),
        ("click_limit", patch.click_limit.is_some()),
    ];
    match needed.into_iter().find(|(_, is_given)| !is_given) {
        Some((field, _)) => Err(Answer::bad_field(field, format!("a URL needs its {field}"))),
        None => Ok(AddUrl { campaign, patch }),
    }
}

async fn change(State(shared): State<Shared>, Path(id): Path<String>, body: Result<Bytes, BytesRejection>) -> Answer {
    match url_id(&id).and_then(|id| changed_url(id, answer::body(body)?)) {
        Ok(change) => carry_out(&shared.orders, change, |ask| Order::Urls(UrlOrder::Change(ask))).await,
        Err(problem) => problem,
    }
}

fn changed_url(url: UrlId, patch: UrlPatch) -> Result<ChangeUrl, Answer> {
    if patch.id.is_some_and(|id| id != url) {
        return Err(Answer::bad_field("id", "a URL keeps its id".to_owned()));
    }
    if patch == (UrlPatch { id: patch.id, campaign_id: patch.campaign_id, ..UrlPatch::default() }) {
        return Err(Answer::bad_field("body", "nothing to change: give a field, say click_limit".to_owned()));
    }
    Ok(ChangeUrl { url, patch })
}

async fn remove(State(shared): State<Shared>, Path(id): Path<String>) -> Answer {
    match url_id(&id) {
        Ok(id) => carry_out(&shared.orders, id, |ask| Order::Urls(UrlOrder::Remove(ask))).await,
        Err(problem) => problem,
    }
}
