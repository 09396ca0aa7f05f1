//! SQLite: opening the database file, and setting up connections to it.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
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

/// `busy_timeout` comes first, since the other settings may have to wait for a lock. `synchronous` is FULL, because a
/// stored journal entry must survive a power cut: it records that a request was sent. The write-ahead log is a setting
/// of the file, not of a connection: `migrate` sets it, and connecting changes no file.
///
/// A slow reader can let the log grow. `journal_size_limit` cuts it to 64 MiB at its next reset; without it SQLite
/// would keep the file's size for ever.
const PRAGMAS: [&str; 4] = [
    "PRAGMA busy_timeout = 2000",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 67108864",
];
/// Connections for reading. Readers never wait for the writer; several connections let operators read during a tick.
const READERS: u32 = 3;
/// Connections for writing. SQLite has one writer at a time, so more connections would only wait for each other.
pub(super) const WRITERS: u32 = 1;
/// Ids per query, so that a query stays below SQLite's limit of bound values.
const IDS_PER_QUERY: usize = 1_000;

type SqlitePool = Pool<SqliteManager>;
type SqlitePooled = PooledConnection<SqliteManager>;

/// The connections to one file.
#[derive(Clone)]
pub(super) struct SqlitePools {
    path: PathBuf,
    readers: SqlitePool,
    writer: SqlitePool,
    /// The device and inode number of the file that was opened first. Another file at the same path is another
    /// database.
    identity: Arc<OnceLock<(u64, u64)>>,
}

impl SqlitePools {
    /// Creates the pools for a file. They open no connection yet.
    pub(super) fn new(path: &Path, mode: OpenMode) -> Self {
        Self {
            path: path.to_owned(),
            readers: pool(path, mode, READERS),
            writer: pool(path, mode, WRITERS),
            identity: Arc::default(),
        }
    }

    /// Returns pools that only read. They can read a file that the other pools cannot open, because its log can be
    /// neither read nor created.
    pub(super) fn only_reading(&self) -> Self {
        Self::new(&self.path, OpenMode::ReadOnly)
    }

    /// Returns a connection for a body that only reads.
    pub(super) fn reader(&self) -> Result<SqlitePooled, Fault> {
        self.connection(&self.readers)
    }

    /// Returns the connection for a body that writes.
    pub(super) fn writer(&self) -> Result<SqlitePooled, Fault> {
        self.connection(&self.writer)
    }

    /// Returns the size of the write-ahead log in bytes; 0 if there is no log.
    pub(super) fn log_bytes(&self) -> u64 {
        fs::metadata(companion(&self.path, "-wal")).map_or(0, |log| log.len())
    }

    /// Returns a connection, if the path still leads to the file that was opened first. Otherwise writes would go into
    /// a deleted or moved file and be lost, and SQLite would not report it.
    fn connection(&self, pool: &SqlitePool) -> Result<SqlitePooled, Fault> {
        let identity = || fs::metadata(&self.path).ok().map(|file| (file.dev(), file.ino()));
        if self.identity.get().is_some_and(|opened| identity() != Some(*opened)) {
            return Err(Fault::Replaced);
        }
        let connection = pool.get()?;
        if let Some(opened) = identity() {
            // Only the first call sets the identity.
            let _ = self.identity.set(opened);
        }
        Ok(connection)
    }
}

/// The mode in which a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenMode {
    /// For reading only: neither the file nor its companion files are created or changed.
    ReadOnly,
    /// For normal work: a missing file is an error and is not created.
    ReadWrite,
    /// For the first migration: a missing file is created.
    Create,
}

fn pool(path: &Path, mode: OpenMode, connections: u32) -> SqlitePool {
    pool_builder(connections).build_unchecked(SqliteManager { path: path.to_owned(), mode })
}

/// Creates and checks the pools' connections.
#[derive(Debug)]
pub(super) struct SqliteManager {
    path: PathBuf,
    mode: OpenMode,
}

/// A connection that a pool lends.
pub(super) struct SqliteLent {
    connection: SqliteConnection,
    /// Whether the pool must close the connection instead of lending it again.
    must_close: bool,
}

impl SqliteLent {
    /// Runs `body` with the connection.
    pub(super) fn run<T>(&mut self, body: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>) -> Result<T, Fault> {
        let outcome = body(&mut self.connection);
        self.must_close = outcome.as_ref().is_err_and(Fault::breaks_connection);
        outcome
    }
}

impl ManageConnection for SqliteManager {
    type Connection = SqliteLent;
    type Error = ConnectFailure;

    fn connect(&self) -> Result<SqliteLent, ConnectFailure> {
        let opened = open(&self.path, self.mode).map_err(|error| ConnectFailure::new(&error));
        opened.map(|connection| SqliteLent { connection, must_close: false })
    }

    fn is_valid(&self, lent: &mut SqliteLent) -> Result<(), ConnectFailure> {
        lent.connection.ping().map_err(|error| ConnectFailure::new(&error))
    }

    /// Whether the connection must not be used again: its last fault says so, or a transaction was left open. A
    /// connection to a read-only file is among them, since the file may be writable by now.
    fn has_broken(&self, lent: &mut SqliteLent) -> bool {
        lent.must_close || std::thread::panicking() || lent.connection.is_broken()
    }
}

/// The owner and the group, such as the tracker's group, may use the database; other users must not read the journal
/// and the operators' names. SQLite gives its companion files the same permissions.
const NOT_FOR_OTHERS: u32 = 0o660;

/// The permission bits of a folder that was made for a group: what is created there belongs to the group, which may
/// write.
const FOR_A_GROUP: u32 = 0o2020;

/// Creates the file if it does not exist. SQLite itself would let every user of the machine read it.
fn create(path: &Path) {
    // If the file cannot be created, SQLite cannot open it either, and reports the cause.
    let Ok(file) = OpenOptions::new().write(true).create_new(true).mode(NOT_FOR_OTHERS).open(path) else { return };
    let folder = path.parent().and_then(|folder| folder.metadata().ok());
    if folder.is_some_and(|folder| folder.permissions().mode() & FOR_A_GROUP == FOR_A_GROUP) {
        // The mask of a shell usually forbids the group to write. A tracker of the group could then store no clicks. If
        // this fails, the file is as the mask wants it.
        let _ = file.set_permissions(Permissions::from_mode(NOT_FOR_OTHERS));
    }
}

/// Opens a connection outside the pools.
pub(super) fn open(path: &Path, mode: OpenMode) -> Result<SqliteConnection, Fault> {
    if mode == OpenMode::Create {
        create(path);
    }
    let mut connection = SqliteConnection::establish(&uri(path, mode))?;
    PRAGMAS.iter().try_for_each(|pragma| connection.batch_execute(pragma))?;
    Ok(connection)
}

/// Whether the file is set to a write-ahead log: the 19th byte of its header says so.
pub(super) fn has_write_ahead_log(path: &Path) -> std::io::Result<bool> {
    let mut header = [0; 19];
    File::open(path)?.read_exact(&mut header)?;
    Ok(header.last() == Some(&2))
}

/// Returns an error if the file is damaged. It reads the whole file: otherwise the damage would show only when a tick
/// reads the damaged part.
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

/// Returns the URI with which SQLite opens `path`.
fn uri(path: &Path, mode: OpenMode) -> String {
    const SPECIAL: &AsciiSet = &AsciiSet::EMPTY.add(b'%').add(b'?').add(b'#');
    let path_text = path.to_string_lossy();
    let parameters = match mode {
        // Without a log beside it, no process has the file open, and the file holds all data. `immutable` keeps SQLite
        // from creating a log and a shared-memory file, which it would leave behind.
        OpenMode::ReadOnly if !companion(path, "-wal").exists() && !companion(path, "-journal").exists() => {
            "?mode=ro&immutable=1"
        }
        OpenMode::ReadOnly => "?mode=ro",
        OpenMode::ReadWrite | OpenMode::Create => "?mode=rw",
    };
    format!("file:{}{parameters}", utf8_percent_encode(&path_text, SPECIAL))
}

/// Returns the path of the database's companion file with this suffix.
pub(super) fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl StoreConnection for SqliteConnection {
    /// Uses an immediate transaction. A deferred transaction that begins to write while another one writes fails at
    /// once, instead of waiting.
    fn write<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.immediate_transaction(body)
    }

    /// Always lasts: the process that holds the lock file leads until it ends.
    fn lease_state(&mut self, _: &LeaseTerm) -> QueryResult<LeaseState> {
        Ok(LeaseState::Lasts)
    }

    /// Locks nothing more: the immediate transaction already keeps every other writer out.
    fn lock_campaigns(&mut self, ids: &[i64]) -> QueryResult<HashSet<i64>> {
        let mut locked = HashSet::with_capacity(ids.len());
        for ids in ids.chunks(IDS_PER_QUERY) {
            let found: Vec<i64> =
                campaigns::table.filter(campaigns::id.eq_any(ids)).select(campaigns::id).load(self)?;
            locked.extend(found);
        }
        Ok(locked)
    }

    /// Writes the rows one by one: diesel supports nothing else for SQLite, and there are no round trips to save.
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
