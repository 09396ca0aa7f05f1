//! SQLite's side: how its file is opened, and how a connection is set up.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ManageConnection, Pool, PooledConnection, R2D2Connection};
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel::sqlite::SqliteConnection;
use percent_encoding::{AsciiSet, utf8_percent_encode};

use super::connection::{StoreConnection, pool_builder};
use super::error::{ConnectFailure, Fault};
use super::rows::{LeaseState, LeaseTerm, SpendColumns};
use super::schema::{campaigns, spends};

/// The waiting time comes first, since the others may have to wait. FULL, because a journal entry must outlive a power cut
/// once it is stored: it says that a request was sent. The write-ahead log is no setting of a connection but of the file:
/// `migrate` sets it, and merely connecting changes no file.
///
/// A log that a reader has let grow is cut to 64 MiB when it begins anew; SQLite would keep its size for ever.
const PRAGMAS: [&str; 4] = [
    "PRAGMA busy_timeout = 2000",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 67108864",
];
/// Readers never wait for the writer; a few of them let operators read beside the ticks.
const READERS: u32 = 3;
/// SQLite has one writer at a time: more connections would only wait for each other.
pub(super) const WRITERS: u32 = 1;
/// Below what SQLite can bind in one query.
const IDS_PER_QUERY: usize = 1_000;

type SqlitePool = Pool<SqliteManager>;
type SqlitePooled = PooledConnection<SqliteManager>;

/// The connections to one file.
#[derive(Clone)]
pub(super) struct SqlitePools {
    path: PathBuf,
    readers: SqlitePool,
    writer: SqlitePool,
    /// Which file was opened first, by device and number. Another one at the same path is another database.
    identity: Arc<OnceLock<(u64, u64)>>,
}

impl SqlitePools {
    /// The pools for a file, without a connection yet.
    pub(super) fn new(path: &Path, mode: OpenMode) -> Self {
        Self {
            path: path.to_owned(),
            readers: pool(path, mode, READERS),
            writer: pool(path, mode, WRITERS),
            identity: Arc::default(),
        }
    }

    /// The same that look only, at a file that cannot even be opened for work: its log can be neither read nor made.
    pub(super) fn only_reading(&self) -> Self {
        Self::new(&self.path, OpenMode::ReadOnly)
    }

    /// A connection for a body that only reads.
    pub(super) fn reader(&self) -> Result<SqlitePooled, Fault> {
        self.connection(&self.readers)
    }

    /// The connection for a body that writes.
    pub(super) fn writer(&self) -> Result<SqlitePooled, Fault> {
        self.connection(&self.writer)
    }

    /// How large the write-ahead log is. One that is not there is empty.
    pub(super) fn log_bytes(&self) -> u64 {
        fs::metadata(companion(&self.path, "-wal")).map_or(0, |log| log.len())
    }

    /// What is written into a file that was deleted or moved away is lost, and SQLite does not say so.
    fn connection(&self, pool: &SqlitePool) -> Result<SqlitePooled, Fault> {
        let identity = || fs::metadata(&self.path).ok().map(|file| (file.dev(), file.ino()));
        if self.identity.get().is_some_and(|opened| identity() != Some(*opened)) {
            return Err(Fault::Replaced);
        }
        let connection = pool.get()?;
        if let Some(opened) = identity() {
            // Whoever opened the file first has said which one it is.
            let _ = self.identity.set(opened);
        }
        Ok(connection)
    }
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenMode {
    /// For looking only: neither the file nor its companions are made or changed.
    ReadOnly,
    /// For work: a file that is not there is an error, not a new and empty database.
    ReadWrite,
    /// For the first migration.
    Create,
}

fn pool(path: &Path, mode: OpenMode, connections: u32) -> SqlitePool {
    pool_builder(connections).build_unchecked(SqliteManager { path: path.to_owned(), mode })
}

/// Makes the pools' connections.
#[derive(Debug)]
pub(super) struct SqliteManager {
    path: PathBuf,
    mode: OpenMode,
}

/// A connection of a pool.
pub(super) struct SqliteLent {
    connection: SqliteConnection,
    is_spent: bool,
}

impl SqliteLent {
    /// Runs `body` with the connection.
    pub(super) fn run<T>(&mut self, body: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>) -> Result<T, Fault> {
        let outcome = body(&mut self.connection);
        self.is_spent = outcome.as_ref().is_err_and(Fault::spends_connection);
        outcome
    }
}

impl ManageConnection for SqliteManager {
    type Connection = SqliteLent;
    type Error = ConnectFailure;

    fn connect(&self) -> Result<SqliteLent, ConnectFailure> {
        let opened = open(&self.path, self.mode).map_err(|error| ConnectFailure::new(&error));
        opened.map(|connection| SqliteLent { connection, is_spent: false })
    }

    fn is_valid(&self, lent: &mut SqliteLent) -> Result<(), ConnectFailure> {
        lent.connection.ping().map_err(|error| ConnectFailure::new(&error))
    }

    /// A transaction left open; or a file that could only be read when it was opened, and perhaps no longer is.
    fn has_broken(&self, lent: &mut SqliteLent) -> bool {
        lent.is_spent || std::thread::panicking() || lent.connection.is_broken()
    }
}

/// For its owner and the group, such as a tracker's: the journal and the operators' names are nobody else's business. The
/// files beside the database get its permissions from SQLite.
const NOT_FOR_OTHERS: u32 = 0o660;

/// Makes the file, unless it is there: SQLite would let every user of the machine read it.
fn make(path: &Path) {
    // What keeps it from being made keeps SQLite from opening it, which says why.
    let _ = OpenOptions::new().write(true).create_new(true).mode(NOT_FOR_OTHERS).open(path);
}

/// A connection beside the pool.
pub(super) fn open(path: &Path, mode: OpenMode) -> Result<SqliteConnection, Fault> {
    if mode == OpenMode::Create {
        make(path);
    }
    let mut connection = SqliteConnection::establish(&uri(path, mode))?;
    PRAGMAS.iter().try_for_each(|pragma| connection.batch_execute(pragma))?;
    Ok(connection)
}

/// Whether the file says that it is written through a log beside it: the 19th byte of its header.
pub(super) fn has_write_ahead_log(path: &Path) -> std::io::Result<bool> {
    let mut header = [0; 19];
    File::open(path)?.read_exact(&mut header)?;
    Ok(header.last() == Some(&2))
}

/// What was damaged shows only where it is read: better now than in the middle of a tick. All of the file is read once.
pub(super) fn refuse_damage(connection: &mut SqliteConnection) -> Result<(), Fault> {
    #[derive(QueryableByName)]
    struct Finding {
        #[diesel(sql_type = diesel::sql_types::Text)]
        quick_check: String,
    }
    let Finding { quick_check } = diesel::sql_query("PRAGMA quick_check(1)").get_result(connection)?;
    if quick_check == "ok" {
        return Ok(());
    }
    Err(Fault::Damaged(QueryError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(quick_check))))
}

/// The URI by which SQLite opens `path`.
fn uri(path: &Path, mode: OpenMode) -> String {
    const WITH_A_MEANING: &AsciiSet = &AsciiSet::EMPTY.add(b'%').add(b'?').add(b'#');
    let path_text = path.to_string_lossy();
    let parameters = match mode {
        // Without a log beside it nobody has the file open, and it is the whole truth. Saying so to SQLite keeps it from
        // leaving a log and a lock table behind.
        OpenMode::ReadOnly if !companion(path, "-wal").exists() && !companion(path, "-journal").exists() => {
            "?mode=ro&immutable=1"
        }
        OpenMode::ReadOnly => "?mode=ro",
        OpenMode::ReadWrite | OpenMode::Create => "?mode=rw",
    };
    format!("file:{}{parameters}", utf8_percent_encode(&path_text, WITH_A_MEANING))
}

/// The file that stands beside the database file, its name ending in `suffix`.
pub(super) fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl StoreConnection for SqliteConnection {
    /// Immediate: a deferred one that starts to write while another writes fails at once instead of waiting.
    fn write<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.immediate_transaction(body)
    }

    /// Whoever has the file's lock reigns as long as it lives.
    fn lease_state(&mut self, _: &LeaseTerm) -> QueryResult<LeaseState> {
        Ok(LeaseState::Lasts)
    }

    /// The immediate transaction keeps every other writer out already.
    fn hold_campaigns(&mut self, ids: &[i64]) -> QueryResult<HashSet<i64>> {
        let mut held = HashSet::with_capacity(ids.len());
        for ids in ids.chunks(IDS_PER_QUERY) {
            let found: Vec<i64> =
                campaigns::table.filter(campaigns::id.eq_any(ids)).select(campaigns::id).load(self)?;
            held.extend(found);
        }
        Ok(held)
    }

    /// One by one: diesel has no other way here, and nothing is sent anywhere.
    fn upsert_spends(&mut self, rows: &[SpendColumns]) -> QueryResult<()> {
        for row in rows {
            diesel::insert_into(spends::table)
                .values(row)
                .on_conflict((spends::campaign_id, spends::day))
                .do_update()
                .set(row)
                .execute(self)?;
        }
        Ok(())
    }
}
