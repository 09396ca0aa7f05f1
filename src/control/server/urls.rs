//! Lists, adds, changes and removes the URLs of campaigns.

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::super::{AddUrl, ChangeUrl, Order, Url, UrlOrder, UrlPatch};
use super::Shared;
use super::answer::{self, Answer, Body, campaign_id, carry_out, url_id};
use super::route::{DELETE, GET, PATCH, POST, Route};
use crate::domain::ids::{CampaignId, UrlId};

pub(super) fn routes() -> Vec<Route> {
    const URLS: &str = "/v1/campaigns/{id}/urls";
    const URL: &str = "/v1/urls/{id}";
    vec![
        Route::new(GET, URLS, list, "List a campaign's URLs").answers_list::<Url>(200, "The rows"),
        Route::new(POST, URLS, add, "Add a URL; it needs `name`, `target_url` and `click_limit`")
            .accepts::<UrlPatch>()
            .answers::<Url>(201, "The new row")
            .pending(),
        Route::new(PATCH, URL, change, "Change a URL")
            .accepts::<UrlPatch>()
            .answers::<Url>(200, "The changed row")
            .pending(),
        Route::new(DELETE, URL, remove, "Remove a URL").answers::<Url>(200, "The removed row").pending(),
    ]
}

async fn list(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Answer, Answer> {
    let id = campaign_id(&id)?;
    Ok(Answer::of(answer::ask(&shared.orders, id, |ask| Order::Urls(UrlOrder::List(ask))).await))
}

async fn add(State(shared): State<Shared>, Path(id): Path<String>, body: Body) -> Result<Answer, Answer> {
    let add = new_url(campaign_id(&id)?, answer::body(body)?)?;
    let answer = carry_out(&shared.orders, add, |ask| Order::Urls(UrlOrder::Add(ask))).await;
    Ok(answer.but_status(StatusCode::CREATED))
}

fn new_url(campaign: CampaignId, patch: UrlPatch) -> Result<AddUrl, Answer> {
    if patch.id.is_some() {
        return Err(Answer::bad_field("id", "the database gives the id: leave it out".to_owned()));
    }
    if patch.campaign_id.is_some_and(|id| id != campaign) {
        return Err(Answer::bad_field("campaign_id", format!("the path says campaign {campaign}")));
    }
    match lacks(&patch) {
        Some(field) => Err(Answer::bad_field(field, format!("a URL needs its {field}"))),
        None => Ok(AddUrl { campaign, patch }),
    }
}

/// Returns a field that a new URL needs and that is missing.
pub(super) fn lacks(patch: &UrlPatch) -> Option<&'static str> {
    let needed = [
        ("name", patch.name.is_some()),
        ("target_url", patch.target_url.is_some()),
        ("click_limit", patch.click_limit.is_some()),
    ];
    needed.into_iter().find(|(_, is_given)| !is_given).map(|(field, _)| field)
}

async fn change(State(shared): State<Shared>, Path(id): Path<String>, body: Body) -> Result<Answer, Answer> {
    let change = changed_url(url_id(&id)?, answer::body(body)?)?;
    Ok(carry_out(&shared.orders, change, |ask| Order::Urls(UrlOrder::Change(ask))).await)
}

fn changed_url(url: UrlId, patch: UrlPatch) -> Result<ChangeUrl, Answer> {
    if patch.id.is_some_and(|id| id != url) {
        return Err(Answer::bad_field("id", "a URL keeps its id".to_owned()));
    }
    if patch == (UrlPatch { id: patch.id, campaign_id: patch.campaign_id, ..UrlPatch::default() }) {
        return Err(Answer::bad_field("body", "nothing to change: give a field, such as click_limit".to_owned()));
    }
    Ok(ChangeUrl { url, patch })
}

async fn remove(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Answer, Answer> {
    Ok(carry_out(&shared.orders, url_id(&id)?, |ask| Order::Urls(UrlOrder::Remove(ask))).await)
}
