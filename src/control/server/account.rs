//! What the account holds at TrafficStars. The supervisor asks for it, within the account's one limit.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::super::{AccountCampaign, Order};
use super::Shared;
use super::answer::{self, Answer};
use super::route::{GET, Route};
use crate::domain::ids::RemoteId;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(GET, "/v1/account", account, "The campaigns of the account at TrafficStars, which is asked now")
            .query::<i64>("trafficstar_id", "Only this campaign, by its id at TrafficStars")
            .answers_list::<AccountCampaign>(200, "The campaigns, by their ids at TrafficStars")
            .refuses(404, "The account has no such campaign"),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    trafficstar_id: Option<i64>,
}

async fn account(State(shared): State<Shared>, query: Result<Query<Wanted>, QueryRejection>) -> Result<Answer, Answer> {
    let Query(Wanted { trafficstar_id }) =
        query.map_err(|rejection| Answer::bad_field("query", rejection.body_text()))?;
    let question = trafficstar_id.map(RemoteId);
    Ok(Answer::of(answer::ask(&shared.orders, question, Order::ReadAccount).await))
}
