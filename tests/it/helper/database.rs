//! The guard's database, written as a tracker writes it and read as an operator reads it.

use std::fmt;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use sandbox::Tracker;

/// The database while the guard uses it.
pub(crate) struct Database {
    /// Writes as a tracker does.
    pub(crate) tracker: Tracker,
    path: PathBuf,
    connection: SqliteConnection,
}

/// One entry of the journal. It prints as `pause by tick: confirmed, idle → cooling-down`.
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

const JOURNAL: &str = "SELECT kind, \"trigger\", reason, spend_micros, remaining_clicks, remote_status, state_before, \
     state_after, late, step, error FROM journal JOIN journal_steps ON journal_id = id WHERE trafficstar_id = ? \
     ORDER BY id";

/// What the error of a request says that waited too long and never left.
const NEVER_LEFT: &str = "the request was not sent";

impl Entry {
    fn never_left(&self) -> bool {
        self.step == "failed" && self.error.as_deref().is_some_and(|error| error.contains(NEVER_LEFT))
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
    pub(super) fn open(path: PathBuf) -> Self {
        Self { tracker: Tracker::open(&path).unwrap(), connection: connect(&path), path }
    }

    /// Another connection, for a transaction that stays open.
    pub(crate) fn connect(&self) -> SqliteConnection {
        connect(&self.path)
    }

    /// Adds a disabled campaign of one URL with room for so many clicks. Until it is enabled nobody looks at it.
    pub(crate) fn add_campaign(&mut self, trafficstar_id: i64, remaining_clicks: i64) {
        self.tracker.add_campaign(&format!("campaign {trafficstar_id}"), trafficstar_id, false).unwrap();
        self.tracker.add_url(trafficstar_id, "first", remaining_clicks).unwrap();
    }

    /// Enables a campaign's generator.
    pub(crate) fn enable(&mut self, trafficstar_id: i64) {
        self.execute(&format!("UPDATE campaigns SET generator_enabled = 1 WHERE trafficstar_id = {trafficstar_id}"));
    }

    /// Lets so many clicks remain, all on the campaign's first URL.
    pub(crate) fn set_remaining_clicks(&mut self, trafficstar_id: i64, clicks: i64) {
        self.execute(&format!(
            "UPDATE urls SET click_limit = CASE name WHEN 'first' THEN {clicks} ELSE 0 END, clicks = 0 \
             WHERE campaign_id = (SELECT id FROM campaigns WHERE trafficstar_id = {trafficstar_id})"
        ));
    }

    /// Executes statements that answer nothing.
    pub(crate) fn execute(&mut self, sql: &str) {
        self.connection.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The whole number that a query answers in its column `number`.
    pub(crate) fn number(&mut self, sql: &str) -> i64 {
        sql_query(sql)
            .get_result::<Number>(&mut self.connection)
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
            .number
    }

    /// The key of a campaign's row.
    pub(crate) fn row_id(&mut self, trafficstar_id: i64) -> i64 {
        self.number(&format!(
            "SELECT CAST(id AS BIGINT) AS number FROM campaigns WHERE trafficstar_id = {trafficstar_id}"
        ))
    }

    /// A campaign's journal, oldest first, in as many entries as on a machine that is never slow. There, nothing is too
    /// late to leave: an attempt that is, is repeated by the next tick, and together they are one entry here, with the
    /// first's cause and the last's end; an end time that was too late to follow its pause is part of the pause.
    pub(crate) fn journal(&mut self, trafficstar_id: i64) -> Vec<Entry> {
        let mut together: Vec<Entry> = Vec::new();
        let mut repeats = false;
        for entry in self.journal_in_full(trafficstar_id) {
            let never_left = entry.never_left();
            let follows_pause = entry.kind == "set-end-time" && entry.trigger == "recovery";
            match together.last_mut() {
                Some(last) if follows_pause && last.kind == "pause" => {}
                Some(last) if repeats && last.kind == entry.kind => {
                    last.state_after = entry.state_after;
                    last.step = entry.step;
                    last.error = entry.error;
                    repeats = never_left;
                }
                Some(_) | None => {
                    together.push(entry);
                    repeats = never_left;
                }
            }
        }
        together
    }

    /// A campaign's journal, oldest first, every attempt by itself.
    pub(crate) fn journal_in_full(&mut self, trafficstar_id: i64) -> Vec<Entry> {
        sql_query(JOURNAL).bind::<BigInt, _>(trafficstar_id).load(&mut self.connection).unwrap()
    }
}

fn connect(path: &Path) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 20000; PRAGMA foreign_keys = ON;").unwrap();
    connection
}
