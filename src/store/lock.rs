//! The lock against a second supervisor on the same database. The operating system ends it with its holder, however that
//! one dies.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::Store;
use super::error::{Fault, StoreError};
use super::pool::blocking;
use super::postgres::{self, PgConnection, Server};
use super::sqlite::companion;
use super::url::{DatabaseUrl, Target};

/// Held by the supervisor that guards the database; dropping it lets the next one in.
#[must_use = "the lock ends when this is dropped"]
pub struct SupervisorLock {
    _held: Held,
}

enum Held {
    /// The locked file. It stays when the lock ends: removing it would let two hold "the" lock, on two files.
    File { _file: File },
    /// A connection that does nothing else: the server ends the lock with it.
    Session { _connection: Box<PgConnection> },
}

impl std::fmt::Debug for SupervisorLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SupervisorLock")
    }
}

impl Store {
    /// Takes the lock, without waiting.
    ///
    /// # Errors
    /// [`StoreError::AlreadyGuarded`] while another supervisor lives; [`StoreError::Lock`] if it cannot be asked for.
    pub async fn lock(&self) -> Result<SupervisorLock, StoreError> {
        let url = self.url.clone();
        let locked = blocking(move || Ok(lock(&url))).await;
        locked.map_err(|source| StoreError::Lock { database: self.database(), source })?
    }
}

fn lock(url: &DatabaseUrl) -> Result<SupervisorLock, StoreError> {
    let held = match &url.target {
        Target::Sqlite(path) => lock_file(path, url)?,
        Target::Postgres(server) => lock_server(server, url)?,
    };
    Ok(SupervisorLock { _held: held })
}

fn lock_file(database: &Path, url: &DatabaseUrl) -> Result<Held, StoreError> {
    let fault = |error: std::io::Error| StoreError::Lock { database: url.to_string(), source: Fault::File(error) };
    let path = companion(&real_path(database).map_err(fault)?, ".lock");
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(fault)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only for the message: what cannot be read is left out of it.
            let _ = file.read_to_string(&mut holder);
            let holder = Some(holder.trim().to_owned()).filter(|holder| !holder.is_empty());
            return Err(StoreError::AlreadyGuarded { database: url.to_string(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(fault(error)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "pid {}", std::process::id())).map_err(fault)?;
    Ok(Held::File { _file: file })
}

/// The number by which all supervisors on one PostgreSQL database know the lock: the letters of `traffgen`.
const LOCK_KEY: i64 = i64::from_be_bytes(*b"traffgen");

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    locked: bool,
}

#[derive(QueryableByName)]
struct Holder {
    #[diesel(sql_type = diesel::sql_types::Text)]
    application_name: String,
}

fn lock_server(server: &Server, url: &DatabaseUrl) -> Result<Held, StoreError> {
    let fault = |source| StoreError::Lock { database: url.to_string(), source };
    let mut connection = postgres::open(server).map_err(|error| fault(error.into()))?;
    let answer: Locked = diesel::sql_query("SELECT pg_try_advisory_lock($1) AS locked")
        .bind::<BigInt, _>(LOCK_KEY)
        .get_result(&mut connection)
        .map_err(|error| fault(error.into()))?;
    if answer.locked {
        return Ok(Held::Session { _connection: Box::new(connection) });
    }
    // Only for the message: what cannot be read is left out of it. The server shows the key in two halves.
    let holder: Option<Holder> = diesel::sql_query(
        "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) \
         WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND (classid::bigint << 32) + objid::bigint = $1",
    )
    .bind::<BigInt, _>(LOCK_KEY)
    .get_result(&mut connection)
    .ok();
    let holder = holder.map(|holder| holder.application_name).filter(|name| !name.is_empty());
    Err(StoreError::AlreadyGuarded { database: url.to_string(), holder })
}

/// One name for one database, whatever links lead to it: two names would be two locks.
fn real_path(database: &Path) -> std::io::Result<PathBuf> {
    match fs::canonicalize(database) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Ok(fs::canonicalize(folder)?.join(database.file_name().unwrap_or_default()))
        }
        found => found,
    }
}
