//! How many requests left for TrafficStars lately: the account's limit outlives the process.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;

use super::Store;
use super::connection::StoreConnection;
use super::error::StoreError;
use super::pools::{db, db_write};
use super::schema::requests_sent;

/// Longer than any request counts. A clock that was set ahead and back leaves nothing behind for ever.
const KEPT_FOR: Duration = Duration::minutes(10);

/// Requests that left within one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestsSent {
    /// The end of that second.
    pub by: DateTime<Utc>,
    /// How many.
    pub requests: u64,
}

impl Store {
    /// Counts requests that leave at `now`, and forgets those of long ago. On return the count outlives the process.
    ///
    /// # Errors
    /// The database does not answer; then nothing was counted.
    pub async fn count_requests(&self, requests: u64, now: DateTime<Utc>) -> Result<(), StoreError> {
        let requests = i64::try_from(requests).unwrap_or(i64::MAX);
        let (second, forgotten) = (now.timestamp(), (now - KEPT_FOR).timestamp());
        db_write!(self, move |connection| {
            connection.write(|connection| {
                diesel::delete(requests_sent::table.filter(requests_sent::unix_second.lt(forgotten)))
                    .execute(connection)?;
                diesel::insert_into(requests_sent::table)
                    .values((requests_sent::unix_second.eq(second), requests_sent::requests.eq(requests)))
                    .on_conflict(requests_sent::unix_second)
                    .do_update()
                    .set(requests_sent::requests.eq(requests_sent::requests + requests))
                    .execute(connection)?;
                Ok(())
            })
        })
        .map_err(StoreError::CountRequests)
    }

    /// The requests that left at `since` or later.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn requests_sent(&self, since: DateTime<Utc>) -> Result<Vec<RequestsSent>, StoreError> {
        let since = since.timestamp();
        let rows: Vec<(i64, i64)> = db!(self, move |connection| {
            let of_late = requests_sent::table.filter(requests_sent::unix_second.ge(since));
            Ok(of_late.select((requests_sent::unix_second, requests_sent::requests)).load(connection)?)
        })
        .map_err(StoreError::ReadRequests)?;
        let sent = |(second, requests): (i64, i64)| {
            let by = DateTime::from_timestamp(second.saturating_add(1), 0)?;
            Some(RequestsSent { by, requests: u64::try_from(requests).unwrap_or(0) })
        };
        Ok(rows.into_iter().filter_map(sent).collect())
    }
}
