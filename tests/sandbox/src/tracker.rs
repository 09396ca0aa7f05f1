//! Writes campaigns, URLs and clicks into the guard's SQLite tables, as a tracker would.

use std::error::Error;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};

/// A connection to the guard's database.
pub struct Tracker {
    connection: SqliteConnection,
}

/// The error if the guard's database cannot be used: it does not exist, it has another schema, or it was locked for too
/// long.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct TrackerError {
    doing: String,
    source: Box<dyn Error + Send + Sync>,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
}

#[derive(QueryableByName)]
struct Room {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    room: i64,
}

impl Tracker {
    /// Opens a database that the guard has made.
    pub fn open(path: &Path) -> Result<Self, TrackerError> {
        // Without `mode=rw`, SQLite would make a new, empty database.
        let escaped = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let address = format!("file:{escaped}?mode=rw");
        let mut connection =
            SqliteConnection::establish(&address).map_err(cannot(format!("open the database {}", path.display())))?;
        let set_up = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON;";
        connection.batch_execute(set_up).map_err(statement("set the connection up"))?;
        Ok(Self { connection })
    }

    /// Adds a campaign, and returns its database id.
    pub fn add_campaign(&mut self, name: &str, trafficstar_id: i64, enabled: bool) -> Result<i64, TrackerError> {
        let insert = "INSERT INTO campaigns (name, trafficstar_id, generator_enabled) VALUES (?, ?, ?) \
                      RETURNING CAST(id AS BIGINT) AS number";
        sql_query(insert)
            .bind::<Text, _>(name)
            .bind::<BigInt, _>(trafficstar_id)
            .bind::<Bool, _>(enabled)
            .get_result::<Number>(&mut self.connection)
            .map(|row| row.number.unwrap_or_default())
            .map_err(statement("add a campaign"))
    }

    /// Changes settings of a campaign. `settings` is the part of an `UPDATE` after `SET`.
    pub fn set_campaign(&mut self, trafficstar_id: i64, settings: &'static str) -> Result<(), TrackerError> {
        sql_query(format!("UPDATE campaigns SET {settings} WHERE trafficstar_id = ?"))
            .bind::<BigInt, _>(trafficstar_id)
            .execute(&mut self.connection)
            .map(|_| ())
            .map_err(statement("change a campaign"))
    }

    /// Adds a URL with `click_limit` clicks to a campaign, and returns the URL's database id.
    pub fn add_url(&mut self, trafficstar_id: i64, name: &str, click_limit: i64) -> Result<i64, TrackerError> {
        let insert = "INSERT INTO urls (campaign_id, name, target_url, click_limit) \
                      SELECT id, ?, ?, ? FROM campaigns WHERE trafficstar_id = ? \
                      RETURNING CAST(id AS BIGINT) AS number";
        sql_query(insert)
            .bind::<Text, _>(name)
            .bind::<Text, _>(format!("https://example.com/{name}"))
            .bind::<BigInt, _>(click_limit)
            .bind::<BigInt, _>(trafficstar_id)
            .get_result::<Number>(&mut self.connection)
            .map(|row| row.number.unwrap_or_default())
            .map_err(statement("add a URL"))
    }

    /// Counts `clicks` more on one URL.
    pub fn add_clicks(&mut self, url: i64, clicks: i64) -> Result<(), TrackerError> {
        sql_query("UPDATE urls SET clicks = clicks + ? WHERE id = ?")
            .bind::<BigInt, _>(clicks)
            .bind::<BigInt, _>(url)
            .execute(&mut self.connection)
            .map(|_| ())
            .map_err(statement("count clicks"))
    }

    /// Counts `clicks` clicks on the campaign's active URLs, one URL after the other, up to their limits.
    pub fn visit(&mut self, trafficstar_id: i64, clicks: i64) -> Result<(), TrackerError> {
        let select = "SELECT CAST(urls.id AS BIGINT) AS id, CAST(click_limit - clicks AS BIGINT) AS room \
                      FROM urls JOIN campaigns ON campaigns.id = urls.campaign_id \
                      WHERE trafficstar_id = ? AND urls.status = 'active' AND clicks < click_limit ORDER BY urls.id";
        let with_room: Vec<Room> = sql_query(select)
            .bind::<BigInt, _>(trafficstar_id)
            .load(&mut self.connection)
            .map_err(statement("look for URLs"))?;
        let mut left = clicks;
        for url in with_room {
            let here = left.min(url.room);
            if here > 0 {
                self.add_clicks(url.id, here)?;
                left -= here;
            }
        }
        Ok(())
    }

    /// Returns the remaining clicks of the campaign's active URLs.
    pub fn remaining_clicks(&mut self, trafficstar_id: i64) -> Result<i64, TrackerError> {
        let select = "SELECT CAST(SUM(MAX(click_limit - clicks, 0)) AS BIGINT) AS number \
                      FROM urls JOIN campaigns ON campaigns.id = urls.campaign_id \
                      WHERE trafficstar_id = ? AND urls.status = 'active'";
        sql_query(select)
            .bind::<BigInt, _>(trafficstar_id)
            .get_result::<Number>(&mut self.connection)
            .map(|row| row.number.unwrap_or_default())
            .map_err(statement("sum up the clicks"))
    }
}

fn cannot<E: Error + Send + Sync + 'static>(doing: String) -> impl FnOnce(E) -> TrackerError {
    move |source| TrackerError { doing, source: source.into() }
}

fn statement(doing: &str) -> impl FnOnce(diesel::result::Error) -> TrackerError {
    cannot(format!("{doing} in the guard's database"))
}
