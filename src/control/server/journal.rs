//! The journal.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::routing::get;
use chrono::{DateTime, Utc};

use super::super::Order;
use super::Shared;
use super::answer::{Answer, ask};
use super::query::Parameters;
use crate::domain::ids::CampaignId;
use crate::domain::journal::{JournalQuery, MOST_ENTRIES};

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/v1/journal", get(journal))
}

async fn journal(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Answer {
    let question = match journal_query(query.as_deref()) {
        Ok(question) => question,
        Err(problem) => return problem,
    };
    Answer::of(ask(&shared.orders, question, Order::ReadJournal).await)
}

fn journal_query(query: Option<&str>) -> Result<JournalQuery, Answer> {
    let mut parameters = Parameters::new(query);
    let campaign: Option<i64> = parameters.take("campaign", "a campaign id: give a number")?;
    let since: Option<DateTime<Utc>> =
        parameters.take("since", "a time as RFC 3339 has it, such as 2026-11-22T12:00:00Z")?;
    let limit: Option<u32> = parameters.take("limit", "a number of entries")?;
    parameters.finish(&["campaign", "since", "limit"])?;
    let limit = limit.unwrap_or(JournalQuery::default().limit);
    if !(1..=MOST_ENTRIES).contains(&limit) {
        return Err(Answer::bad_field("limit", format!("{limit} is not between 1 and {MOST_ENTRIES}")));
    }
    Ok(JournalQuery { campaign: campaign.map(CampaignId), since, limit })
}
