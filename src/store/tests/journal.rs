//! Reading the journal.

use super::*;
use crate::domain::journal::{JournalQuery, MOST_ENTRIES};

/// Stores an action that was requested this many minutes after noon. The campaign's row need not exist.
async fn store_action(store: &Store, campaign: i64, minutes: i64, by: Option<&str>) {
    let action = Action { requested_at: noon() + Duration::minutes(minutes), ..pause(Step::Requested) };
    let entry = Entry { id: None, action, by: by.map(str::to_owned) };
    let record = Record { campaign: CampaignId(campaign), ..record(Phase::Idle, Some(entry)) };
    store.save(record, noon()).await.unwrap();
}

fn query() -> JournalQuery {
    JournalQuery::default()
}

/// Returns the campaign and the minutes after noon of each entry.
async fn read(store: &Store, query: JournalQuery) -> Vec<(i64, i64)> {
    let minutes = |at: DateTime<Utc>| at.signed_duration_since(noon()).num_minutes();
    let entries = store.journal(query).await.unwrap();
    entries.iter().map(|entry| (entry.campaign_id.0, minutes(entry.requested_at))).collect()
}

#[test]
fn the_newest_entries_come_first_by_campaign_from_a_time_on_and_no_more_than_asked_for() {
    on_every_store(async |_database, store| {
        // They are stored in another order than they were requested in, as happens with entries that are journalled
        // late.
        for (campaign, minutes) in [(1, 0), (2, 1), (1, 3), (2, 2), (2, 3)] {
            store_action(&store, campaign, minutes, None).await;
        }
        let at_minute = |minutes| Some(noon() + Duration::minutes(minutes));
        let cases = [
            (query(), vec![(2, 3), (1, 3), (2, 2), (2, 1), (1, 0)]),
            (JournalQuery { campaign: Some(CampaignId(2)), ..query() }, vec![(2, 3), (2, 2), (2, 1)]),
            (JournalQuery { campaign: Some(CampaignId(3)), ..query() }, vec![]),
            (JournalQuery { since: at_minute(2), ..query() }, vec![(2, 3), (1, 3), (2, 2)]),
            (JournalQuery { since: at_minute(4), ..query() }, vec![]),
            (JournalQuery { limit: 2, ..query() }, vec![(2, 3), (1, 3)]),
            (JournalQuery { campaign: Some(CampaignId(2)), since: at_minute(0), limit: 2 }, vec![(2, 3), (2, 2)]),
        ];
        for (query, wanted) in cases {
            assert_eq!(read(&store, query).await, wanted, "{query:?}");
        }
        let ids: Vec<i64> = store.journal(query()).await.unwrap().iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [5, 3, 4, 2, 1], "of two entries with the same time the one stored later comes first");
    });
}

#[test]
fn an_entry_whose_commit_was_not_acknowledged_is_not_written_twice() {
    with_one_campaign(async |_database, store| {
        let stored = store.save(record(Phase::Idle, new_entry(pause(Step::Requested))), noon()).await.unwrap();
        // The connection broke after the commit: the caller saw a failure, and stores the entry again.
        let again = store.save(record(Phase::Idle, new_entry(pause(Step::Failed))), noon()).await.unwrap();
        assert_eq!(stored, again);
        let entries = store.journal(query()).await.unwrap();
        assert_eq!(entries.iter().map(|entry| entry.step).collect::<Vec<_>>(), [Step::Failed]);
        assert_eq!(store.stored_campaign(CAMPAIGN).await.unwrap().unwrap().unfinished, None, "nothing is left open");
    });
}

#[test]
fn an_action_that_waited_for_its_turn_is_journalled_with_the_end_time_that_it_sets() {
    with_one_campaign(async |_database, store| {
        let id = store.save(record(Phase::Idle, new_entry(pause(Step::Requested))), noon()).await.unwrap();
        let first = pause(Step::Requested);
        let later = Action { end_time: first.end_time + Duration::minutes(1), ..first };
        let entry = Entry { id, action: later.clone(), by: None };
        assert_eq!(store.save(record(Phase::Idle, Some(entry)), noon()).await.unwrap(), id);
        let stored = store.stored_campaign(CAMPAIGN).await.unwrap().unwrap().unfinished;
        assert_eq!(stored.map(|(id, action)| (Some(id), action)), Some((id, later)));
    });
}

#[test]
fn an_entry_has_every_stored_value() {
    on_every_store(async |_database, store| {
        let action = Action {
            late: true,
            accepted_at: Some(noon() + Duration::seconds(1)),
            failed_at: Some(noon() + Duration::seconds(2)),
            error: Some("it did not show".to_owned()),
            ..pause(Step::Failed)
        };
        let entry = Entry { id: None, action, by: Some("1000 anna".to_owned()) };
        store.save(record(Phase::Idle, Some(entry)), noon()).await.unwrap();
        let entries = store.journal(query()).await.unwrap();
        let wanted = serde_json::json!([{
            "id": 1, "campaign_id": 1, "trafficstar_id": 995_224, "kind": "pause", "trigger": "tick",
            "reason": "5,000 clicks or fewer remain", "spend": "3.21", "remaining_clicks": 4999,
            "remote_status": "running", "state_before": "active-guarded", "state_after": "cooling-down",
            "step": "failed", "by": "1000 anna", "late": true, "budget": null,
            "requested_at": "2026-11-22T12:00:00.123456Z", "accepted_at": "2026-11-22T12:00:01.123456Z",
            "confirmed_at": null, "failed_at": "2026-11-22T12:00:02.123456Z", "error": "it did not show",
        }]);
        assert_eq!(serde_json::to_value(&entries).unwrap(), wanted);
    });
}

#[test]
fn a_query_returns_at_most_the_allowed_number_of_entries() {
    on_every_store(async |database, store| {
        store_action(&store, 1, 0, None).await;
        let columns = "campaign_id, trafficstar_id, kind, \"trigger\", reason, remote_status, state_before, state_after, \
                       end_time, late, requested_at";
        let n = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= {MOST_ENTRIES})");
        database.execute(&format!(
            "INSERT INTO journal ({columns}) {n} SELECT {columns} FROM journal, n; \
             INSERT INTO journal_steps (journal_id, step) SELECT id, 'confirmed' FROM journal WHERE id > 1;"
        ));
        let entries = store.journal(JournalQuery { limit: u32::MAX, ..query() }).await.unwrap();
        assert_eq!(entries.len(), MOST_ENTRIES as usize);
    });
}
