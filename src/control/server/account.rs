//! The account's campaigns at TrafficStars. The supervisor reads them, within the account's request limit.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;

use super::super::{AccountCampaign, Order, remote_id};
use super::Shared;
use super::answer::{Answer, carry_out_within, patience};
use super::route::{GET, Route};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(GET, "/v1/account", account, "List the account's campaigns, as TrafficStars reports them now")
            .query::<i64>("trafficstar_id", "Only the campaign with this id at TrafficStars")
            .waits_as_preferred()
            .answers_list::<AccountCampaign>(200, "The campaigns, sorted by their ids at TrafficStars")
            .refuses(404, "The account has no such campaign"),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    trafficstar_id: Option<String>,
}

async fn account(
    State(shared): State<Shared>,
    headers: HeaderMap,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Answer, Answer> {
    let Query(Wanted { trafficstar_id }) =
        query.map_err(|rejection| Answer::bad_field("query", rejection.body_text()))?;
    let question = trafficstar_id.as_deref().map(remote_id).transpose();
    let question = question.map_err(|error| Answer::bad_field("trafficstar_id", error.to_string()))?;
    Ok(carry_out_within(patience(&headers), &shared.orders, question, Order::ReadAccount).await)
}
