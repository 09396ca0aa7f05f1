//! Reading the journal for operators.

use diesel::prelude::*;

use super::Store;
use super::error::{Fault, StoreError};
use super::pools::db;
use super::records::{DecisionRow, StepRow, action};
use super::schema::{journal, journal_steps};
use super::values::{BadValue, Stamp};
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::journal::{JournalEntry, JournalQuery, MOST_ENTRIES};

impl Store {
    /// Reads the entries that match the query, the newest first.
    ///
    /// # Errors
    /// The database does not answer, or an entry holds an invalid value.
    pub async fn journal(&self, query: JournalQuery) -> Result<Vec<JournalEntry>, StoreError> {
        db!(self, move |connection| {
            let mut entries = journal::table.inner_join(journal_steps::table).into_boxed();
            if let Some(campaign) = query.campaign {
                entries = entries.filter(journal::campaign_id.eq(campaign.0));
            }
            if let Some(since) = query.since {
                entries = entries.filter(journal::requested_at.ge(Stamp::from(since)));
            }
            let rows: Vec<(i64, DecisionRow, StepRow)> = entries
                .order((journal::requested_at.desc(), journal::id.desc()))
                .limit(query.limit.min(MOST_ENTRIES).into())
                .select((journal::id, DecisionRow::as_select(), StepRow::as_select()))
                .load(connection)?;
            let entries = rows.into_iter().map(|(id, decision, steps)| entry(id, decision, steps));
            entries.collect::<Result<_, BadValue>>().map_err(Fault::Value)
        })
        .map_err(StoreError::ReadJournal)
    }
}

fn entry(id: i64, mut decision: DecisionRow, steps: StepRow) -> Result<JournalEntry, BadValue> {
    let (campaign_id, trafficstar_id) = (CampaignId(decision.campaign_id), RemoteId(decision.trafficstar_id));
    let by = decision.by.take();
    let action = action(id, decision, steps)?;
    Ok(JournalEntry {
        id,
        campaign_id,
        trafficstar_id,
        kind: action.kind,
        trigger: action.trigger,
        reason: action.reason,
        spend: action.spend,
        remaining_clicks: action.remaining_clicks,
        remote_status: action.remote_status,
        state_before: action.state_before,
        state_after: action.state_after,
        step: action.step,
        by,
        late: action.late,
        budget: action.budget,
        requested_at: action.requested_at,
        accepted_at: action.accepted_at,
        confirmed_at: action.confirmed_at,
        failed_at: action.failed_at,
        error: action.error,
    })
}
