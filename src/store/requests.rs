//! How many requests left for TrafficStars lately: the account's limit outlives the process.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;

use super::Store;
use super::error::StoreError;
use super::pools::{db, db_write};
use super::schema::requests_sent;

/// Longer than any request counts. A clock that was set ahead and back leaves nothing behind for ever.
const KEPT_FOR: Duration = Duration::minutes(10);

impl Store {
    /// Counts requests that leave until `by`, takes back those of an earlier count that never left, and forgets those of long
    /// ago. On return the count outlives the process.
    pub async fn count_requests(
        &self,
        requests: u64,
        by: DateTime<Utc>,
        unused: Option<(DateTime<Utc>, u64)>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let (second, forgotten) = (by.timestamp(), (now - KEPT_FOR).timestamp());
        let count = |requests: u64| i64::try_from(requests).unwrap_or(i64::MAX);
        let (requests, unused) = (count(requests), unused.map(|(by, unused)| (by.timestamp(), count(unused))));
        db_write!(self, move |connection| {
            diesel::delete(requests_sent::table.filter(requests_sent::unix_second.lt(forgotten)))
                .execute(connection)?;
            if let Some((second, unused)) = unused {
                let row = requests_sent::table.filter(requests_sent::unix_second.eq(second));
                diesel::update(row)
                    .set(requests_sent::requests.eq(requests_sent::requests - unused))
                    .execute(connection)?;
            }
            diesel::insert_into(requests_sent::table)
                .values((requests_sent::unix_second.eq(second), requests_sent::requests.eq(requests)))
                .on_conflict(requests_sent::unix_second)
                .do_update()
                .set(requests_sent::requests.eq(requests_sent::requests + requests))
                .execute(connection)?;
            Ok(())
        })
        .map_err(StoreError::CountRequests)
    }

    /// The requests that left at `since` or later: the end of each second in which some did, and how many.
    pub async fn requests_sent(&self, since: DateTime<Utc>) -> Result<Vec<(DateTime<Utc>, u64)>, StoreError> {
        let since = since.timestamp();
        let rows: Vec<(i64, i64)> = db!(self, move |connection| {
            let of_late = requests_sent::table.filter(requests_sent::unix_second.ge(since));
            Ok(of_late.select((requests_sent::unix_second, requests_sent::requests)).load(connection)?)
        })
        .map_err(StoreError::ReadRequests)?;
        let sent = |(second, requests): (i64, i64)| {
            let by = DateTime::from_timestamp(second.saturating_add(1), 0)?;
            Some((by, u64::try_from(requests).unwrap_or(0)))
        };
        Ok(rows.into_iter().filter_map(sent).collect())
    }
}
