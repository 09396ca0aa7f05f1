//! The guard's database: a test writes it as a tracker does, and reads it as an operator does.

use std::fmt;
use std::path::Path;

use chrono::NaiveDateTime;
use diesel::connection::SimpleConnection;
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamp};
use diesel::sqlite::Sqlite;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;

/// A connection to the database that the guard uses at the same time.
pub(crate) struct Database {
    url: String,
    connection: AnyConnection,
    /// The connection whose transaction keeps all others from writing. `None` if all may write.
    blocker: Option<AnyConnection>,
}

/// A connection to SQLite or PostgreSQL, for statements that both understand.
enum AnyConnection {
    Sqlite(SqliteConnection),
    Postgres(Box<AsyncConnectionWrapper<AsyncPgConnection>>),
}

impl AnyConnection {
    fn open(url: &str) -> Self {
        match url.strip_prefix("sqlite://") {
            Some(path) => Self::Sqlite(connect(Path::new(path))),
            None => Self::Postgres(Box::new(AsyncConnectionWrapper::establish(url).unwrap())),
        }
    }

    fn execute(&mut self, sql: &str) {
        let executed = match self {
            Self::Sqlite(connection) => connection.batch_execute(sql),
            Self::Postgres(connection) => connection.batch_execute(sql),
        };
        executed.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    fn load<T: QueryableByName<Sqlite> + QueryableByName<Pg> + 'static>(&mut self, sql: &str) -> Vec<T> {
        let loaded = match self {
            Self::Sqlite(connection) => sql_query(sql).load(connection),
            Self::Postgres(connection) => sql_query(sql).load(&mut **connection),
        };
        loaded.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn number(&mut self, sql: &str) -> i64 {
        self.load::<Number>(sql).first().unwrap_or_else(|| panic!("{sql}: no row")).number
    }
}

/// One entry of the journal. Its text looks like `pause by tick: confirmed, idle → cooling-down`.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub(crate) struct Entry {
    #[diesel(sql_type = Text)]
    pub(crate) kind: String,
    #[diesel(sql_type = Text)]
    pub(crate) trigger: String,
    #[diesel(sql_type = Text)]
    pub(crate) reason: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) spend_micros: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) remaining_clicks: Option<i64>,
    #[diesel(sql_type = Text)]
    pub(crate) remote_status: String,
    #[diesel(sql_type = Text)]
    pub(crate) state_before: String,
    #[diesel(sql_type = Text)]
    pub(crate) state_after: String,
    #[diesel(sql_type = Bool)]
    pub(crate) late: bool,
    #[diesel(sql_type = Text)]
    pub(crate) step: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) error: Option<String>,
}

/// One entry of the journal with its times (UTC).
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct TimedEntry {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) trafficstar_id: i64,
    #[diesel(sql_type = Timestamp)]
    pub(crate) end_time: NaiveDateTime,
    #[diesel(sql_type = Timestamp)]
    pub(crate) requested_at: NaiveDateTime,
    #[diesel(sql_type = Nullable<Timestamp>)]
    pub(crate) accepted_at: Option<NaiveDateTime>,
    /// The time at which the action was confirmed or failed.
    #[diesel(sql_type = Nullable<Timestamp>)]
    pub(crate) ended_at: Option<NaiveDateTime>,
    #[diesel(embed)]
    pub(crate) entry: Entry,
}

const JOURNAL: &str = "SELECT kind, \"trigger\", reason, spend_micros, remaining_clicks, remote_status, state_before, \
     state_after, late, step, error FROM journal JOIN journal_steps ON journal_id = id";

/// The error's words for a request that waited too long and was never sent.
const NEVER_SENT: &str = "the request was not sent";

impl Entry {
    fn was_never_sent(&self) -> bool {
        self.step == "failed" && self.error.as_deref().is_some_and(|error| error.contains(NEVER_SENT))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, trigger, step, state_before, state_after, .. } = self;
        let late = if self.late { ", late" } else { "" };
        write!(f, "{kind} by {trigger}: {step}, {state_before} → {state_after}{late}")
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

impl Database {
    pub(crate) fn open(url: &str) -> Self {
        Self { connection: AnyConnection::open(url), url: url.to_owned(), blocker: None }
    }

    /// Opens another connection to a SQLite database, for a transaction that stays open.
    pub(crate) fn connect(&self) -> SqliteConnection {
        connect(Path::new(self.url.strip_prefix("sqlite://").unwrap()))
    }

    /// Keeps the guard from writing, and returns the id of the newest journal entry.
    pub(crate) fn lock(&mut self) -> i64 {
        let mut blocker = AnyConnection::open(&self.url);
        blocker.execute(match blocker {
            AnyConnection::Sqlite(_) => "BEGIN IMMEDIATE",
            AnyConnection::Postgres(_) => {
                "BEGIN; LOCK TABLE promises, journal, journal_steps, spends, requests_sent, occasions, \
                 alert_deliveries, alert_receivers, alert_mutes IN EXCLUSIVE MODE"
            }
        });
        let newest = blocker.number("SELECT CAST(COALESCE(MAX(id), 0) AS BIGINT) AS number FROM journal");
        self.blocker = Some(blocker);
        newest
    }

    /// Lets the guard write again.
    pub(crate) fn unlock(&mut self) {
        self.blocker.take().unwrap().execute("ROLLBACK");
    }

    /// Fills the database with what the program had after one of its first migrations: see `tests/data`.
    pub(crate) fn restore(&mut self, migration: &str) {
        let kind = if self.url.starts_with("sqlite://") { "sqlite" } else { "postgres" };
        // The file of 000004 holds only what is new since 000002.
        let before = Some("000002").filter(|_| migration == "000004");
        for migration in before.into_iter().chain([migration]) {
            let file = format!("{}/tests/data/{kind}-after-{migration}.sql", env!("CARGO_MANIFEST_DIR"));
            self.execute(&std::fs::read_to_string(file).unwrap());
        }
    }

    /// Adds a disabled campaign with one URL that has `remaining_clicks` clicks left. The guard ignores it until it is
    /// enabled.
    pub(crate) fn add_campaign(&mut self, trafficstar_id: i64, remaining_clicks: i64) {
        self.add_row(&format!("campaign {trafficstar_id}"), trafficstar_id, false);
        self.add_url(trafficstar_id, "first", remaining_clicks);
    }

    /// Adds a campaign's row without a URL.
    pub(crate) fn add_row(&mut self, name: &str, trafficstar_id: i64, enabled: bool) {
        self.execute(&format!(
            "INSERT INTO campaigns (name, trafficstar_id, generator_enabled) VALUES ('{name}', {trafficstar_id}, {enabled})"
        ));
    }

    /// Adds a URL with `click_limit` clicks to a campaign, and returns the URL's database id.
    pub(crate) fn add_url(&mut self, trafficstar_id: i64, name: &str, click_limit: i64) -> i64 {
        self.number(&format!(
            "INSERT INTO urls (campaign_id, name, target_url, click_limit) \
             SELECT id, '{name}', 'https://example.com/{name}', {click_limit} FROM campaigns \
             WHERE trafficstar_id = {trafficstar_id} RETURNING CAST(id AS BIGINT) AS number"
        ))
    }

    /// Counts `clicks` more on one URL.
    pub(crate) fn add_clicks(&mut self, url: i64, clicks: i64) {
        self.execute(&format!("UPDATE urls SET clicks = clicks + {clicks} WHERE id = {url}"));
    }

    /// Counts `clicks` more on a campaign's first URL.
    pub(crate) fn click(&mut self, trafficstar_id: i64, clicks: i64) {
        let url = self.number(&format!(
            "SELECT CAST(MIN(urls.id) AS BIGINT) AS number FROM urls JOIN campaigns ON campaigns.id = campaign_id \
             WHERE trafficstar_id = {trafficstar_id}"
        ));
        self.add_clicks(url, clicks);
    }

    pub(crate) fn enable(&mut self, trafficstar_id: i64) {
        self.execute(&format!("UPDATE campaigns SET generator_enabled = true WHERE trafficstar_id = {trafficstar_id}"));
    }

    /// Sets the campaign's remaining clicks, all on its first URL.
    pub(crate) fn set_remaining_clicks(&mut self, trafficstar_id: i64, clicks: i64) {
        self.execute(&format!(
            "UPDATE urls SET click_limit = CASE name WHEN 'first' THEN {clicks} ELSE 0 END, clicks = 0 \
             WHERE campaign_id = (SELECT id FROM campaigns WHERE trafficstar_id = {trafficstar_id})"
        ));
    }

    pub(crate) fn execute(&mut self, sql: &str) {
        self.connection.execute(sql);
    }

    pub(super) fn load<T: QueryableByName<Sqlite> + QueryableByName<Pg> + 'static>(&mut self, sql: &str) -> Vec<T> {
        self.connection.load(sql)
    }

    /// Returns the whole number that a query yields in its column `number`.
    pub(crate) fn number(&mut self, sql: &str) -> i64 {
        self.connection.number(sql)
    }

    pub(crate) fn row_id(&mut self, trafficstar_id: i64) -> i64 {
        self.number(&format!(
            "SELECT CAST(id AS BIGINT) AS number FROM campaigns WHERE trafficstar_id = {trafficstar_id}"
        ))
    }

    /// Returns a campaign's journal, oldest first, with the entries that a fast machine would write. On a slow machine
    /// a request may wait so long that it is not sent, and the next tick repeats the action. Those attempts are merged
    /// here into one entry, with the cause of the first and the end of the last. An end time that was set too late to
    /// follow its pause counts as part of the pause.
    pub(crate) fn journal(&mut self, trafficstar_id: i64) -> Vec<Entry> {
        let mut merged: Vec<Entry> = Vec::new();
        let mut repeats = false;
        for entry in self.unmerged_journal(trafficstar_id) {
            let was_never_sent = entry.was_never_sent();
            let follows_pause = entry.kind == "set-end-time" && entry.trigger == "recovery";
            match merged.last_mut() {
                Some(last) if follows_pause && last.kind == "pause" => {}
                Some(last) if repeats && last.kind == entry.kind => {
                    last.state_after = entry.state_after;
                    last.step = entry.step;
                    last.error = entry.error;
                    repeats = was_never_sent;
                }
                Some(_) | None => {
                    merged.push(entry);
                    repeats = was_never_sent;
                }
            }
        }
        merged
    }

    /// Returns the journal of all campaigns with its times, oldest first.
    pub(crate) fn journal_with_times(&mut self) -> Vec<TimedEntry> {
        let times = "SELECT id, trafficstar_id, end_time, requested_at, accepted_at, \
             COALESCE(confirmed_at, failed_at) AS ended_at, ";
        self.connection.load(&format!("{} ORDER BY id", JOURNAL.replacen("SELECT ", times, 1)))
    }

    /// Returns a campaign's journal, oldest first, with every attempt as an entry of its own.
    pub(crate) fn unmerged_journal(&mut self, trafficstar_id: i64) -> Vec<Entry> {
        self.connection.load(&format!("{JOURNAL} WHERE trafficstar_id = {trafficstar_id} ORDER BY id"))
    }
}

fn connect(path: &Path) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 20000; PRAGMA foreign_keys = ON;").unwrap();
    connection
}
