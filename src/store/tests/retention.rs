//! Old history is deleted, and other writes do not wait for that.

use super::super::retention::ROWS_PER_TRANSACTION;
use super::*;
use crate::domain::journal::JournalQuery;

const ANOTHER_CAMPAIGN: &str = "INSERT INTO campaigns (name, trafficstar_id) VALUES ('two', 2)";

async fn store_entry(store: &Store, campaign: i64, days_ago: i64, step: Step) {
    let requested_at = noon() - Duration::days(days_ago);
    let record = Record {
        campaign: CampaignId(campaign),
        ..record(Phase::Idle, new_entry(Action { requested_at, ..pause(step) }))
    };
    store.save(record, noon()).await.unwrap();
}

/// Deletes all history that is older than ten days.
async fn forget(store: &Store) -> usize {
    let mut all = 0;
    loop {
        match store.forget_before(noon() - Duration::days(10)).await.unwrap() {
            0 => return all,
            deleted => all += deleted,
        }
    }
}

/// Adds this many old entries of campaign 404, which does not exist.
fn add_old_entries(database: &TestDatabase, count: i64) {
    let columns = "campaign_id, trafficstar_id, kind, \"trigger\", reason, remote_status, state_before, state_after, \
                   end_time, late, requested_at";
    let n = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})");
    let old = "404, 1, 'pause', 'tick', 'r', 'running', 'idle', 'idle'";
    let time = if database.url.sqlite_path().is_some() { "'2020-01-01 00:00:00'" } else { "TIMESTAMP '2020-01-01'" };
    database.execute(&format!(
        "INSERT INTO journal ({columns}) {n} SELECT {old}, {time}, false, {time} FROM n; \
         INSERT INTO journal_steps (journal_id, step) SELECT id, 'confirmed' FROM journal WHERE campaign_id = 404;"
    ));
}

#[test]
fn old_entries_are_deleted_except_unfinished_ones_and_the_newest_of_each_campaign() {
    with_one_campaign(async |database, store| {
        database.execute(ANOTHER_CAMPAIGN);
        let entries = [
            (1, 30, Step::Requested),
            (1, 29, Step::Accepted),
            (1, 28, Step::Confirmed),
            (1, 11, Step::Failed),
            (1, 9, Step::ObservedOnly),
            (2, 40, Step::Confirmed),
            (2, 39, Step::Failed),
            (404, 50, Step::Confirmed),
            (404, 49, Step::Requested),
            (404, 1, Step::Confirmed),
        ];
        for (campaign, days_ago, step) in entries {
            store_entry(&store, campaign, days_ago, step).await;
        }
        assert_eq!(forget(&store).await, 4);
        let left = store.journal(JournalQuery::default()).await.unwrap();
        let mut left: Vec<_> = left.iter().map(|entry| entry.id).collect();
        left.sort_unstable();
        assert_eq!(left, [1, 2, 5, 7, 9, 10]);
        assert_eq!(database.read("SELECT count(*) FROM journal_steps"), "6");
        assert_eq!(forget(&store).await, 0);
    });
}

#[test]
fn old_spends_are_deleted_and_newer_ones_are_kept() {
    with_one_campaign(async |database, store| {
        let days = [400, 30, 11, 10, 1, 0];
        store.save_spends(days.map(|ago| spend_row(noon() - Duration::days(ago), "1")).to_vec()).await.unwrap();
        assert_eq!(forget(&store).await, 3);
        assert_eq!(database.read("SELECT count(*) FROM spends"), "3");
        let spends = reading(&store).await.spends.unwrap();
        assert!(spends.today.is_some() && spends.yesterday.is_some());
    });
}

#[test]
fn a_long_history_is_deleted_in_small_pieces() {
    on_every_store(async |database, store| {
        add_old_entries(&database, 2 * ROWS_PER_TRANSACTION + 1);
        let piece = usize::try_from(ROWS_PER_TRANSACTION).unwrap();
        for deleted in [piece, piece, 1, 0] {
            assert_eq!(store.forget_before(noon()).await.unwrap(), deleted);
        }
    });
}

#[test]
fn a_write_does_not_wait_until_the_whole_history_is_deleted() {
    with_one_campaign(async |database, store| {
        add_old_entries(&database, 40 * ROWS_PER_TRANSACTION);
        let old_rows = || database.read("SELECT count(*) FROM journal WHERE campaign_id = 404").parse::<i64>().unwrap();
        let writes = async {
            let mut left = Vec::new();
            for _ in 0..3 {
                store_entry(&store, 1, 0, Step::Confirmed).await;
                left.push(old_rows());
            }
            left
        };
        let (forgotten, left) = tokio::join!(forget(&store), writes);
        assert_eq!(i64::try_from(forgotten).unwrap(), 40 * ROWS_PER_TRANSACTION);
        assert!(left[0] > 0, "the first write ended only when {left:?} old rows were left");
        assert_eq!(database.read("SELECT count(*) FROM journal"), "3");
    });
}
