//! The number of requests sent to TrafficStars in the last minutes. It is stored because the account's limit also
//! counts requests of a process that has ended.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;

use super::Store;
use super::error::StoreError;
use super::pools::{db, db_write};
use super::schema::requests_sent;

/// Counts older than this are deleted. It is longer than a request counts against the limit.
const KEPT_FOR: Duration = Duration::minutes(10);

impl Store {
    /// Adds `requests`, which may be sent until `by`, to the count. `unused` subtracts requests of an earlier count
    /// that were never sent. Old counts are deleted. Once this returns, the count survives the process.
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

    /// Reads the requests that were sent at `since` or later. Returns one pair for each second with requests: the end
    /// of that second, and the number of requests.
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
