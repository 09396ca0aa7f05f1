//! Serves the journal.

use axum::extract::{RawQuery, State};
use chrono::{DateTime, Utc};

use super::super::Order;
use super::Shared;
use super::answer::{Answer, ask};
use super::query::Parameters;
use super::route::{GET, Route};
use crate::domain::ids::CampaignId;
use crate::domain::journal::{JournalEntry, JournalQuery, MOST_ENTRIES};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(GET, "/v1/journal", journal, "The actions requested from TrafficStars, with their last steps")
            .query::<i64>("campaign", "Only the entries of this campaign, by its database id")
            .query::<String>("since", "Only actions that were requested at this time (RFC 3339) or later")
            .query::<u32>("limit", "The largest number of entries, from 1 to 10000 [default: 100]")
            .answers_list::<JournalEntry>(200, "The entries, newest first"),
    ]
}

async fn journal(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Result<Answer, Answer> {
    let question = journal_query(query.as_deref())?;
    Ok(Answer::of(ask(&shared.orders, question, Order::ReadJournal).await))
}

fn journal_query(query: Option<&str>) -> Result<JournalQuery, Answer> {
    let mut parameters = Parameters::new(query);
    let campaign: Option<i64> = parameters.take("campaign", "a campaign id: give a number")?;
    let since: Option<DateTime<Utc>> = parameters.take("since", "an RFC 3339 time such as 2026-11-22T12:00:00Z")?;
    let limit: Option<u32> = parameters.take("limit", "a number of entries")?;
    parameters.finish(&["campaign", "since", "limit"])?;
    let limit = limit.unwrap_or(JournalQuery::default().limit);
    if !(1..=MOST_ENTRIES).contains(&limit) {
        return Err(Answer::bad_field("limit", format!("{limit} is not between 1 and {MOST_ENTRIES}")));
    }
    Ok(JournalQuery { campaign: campaign.map(CampaignId), since, limit })
}
