//! The lock against a second supervisor on the same SQLite file. The operating system releases it when the process that
//! holds it ends, however that happens.
//!
//! Deliberately absent: PostgreSQL. Several supervisors may share one server, and a lease decides which of them leads
//! ([`super::LeaseStore`]).

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::Store;
use super::connection::blocking;
use super::error::{Fault, StoreError};
use super::sqlite::companion;
use super::url::{DatabaseUrl, Target};

/// Only the owner may open the lock file: a user who can read it can lock it, and so keep the guard from starting.
const OWNER_ALONE: u32 = 0o600;

/// The lock of the supervisor that guards the database. Dropping it releases the lock.
#[must_use = "the lock ends when this is dropped"]
#[derive(Debug)]
pub struct SupervisorLock {
    /// The path of the locked file. The file stays when the lock ends: if it were removed, two supervisors could each
    /// hold a lock, on two different files.
    path: PathBuf,
    database: PathBuf,
    file: File,
}

impl SupervisorLock {
    /// Whether the path still leads to the locked file. If somebody has removed or replaced the file, another
    /// supervisor may already guard the database.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        let identity = |found: fs::Metadata| (found.dev(), found.ino());
        match (fs::symlink_metadata(&self.path), self.file.metadata()) {
            (Ok(found), Ok(held)) => identity(found) == identity(held),
            // If the database is gone, too, its disk is probably gone: no other supervisor can guard it by this path.
            (Err(error), _) if error.kind() == ErrorKind::NotFound => fs::symlink_metadata(&self.database).is_err(),
            // A file that cannot be inspected cannot be locked by another supervisor either.
            (Err(_), _) | (_, Err(_)) => true,
        }
    }
}

/// The state of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// No process holds the lock.
    Free,
    /// A process holds the lock. Its id, if the lock file names it.
    Held(Option<u32>),
    /// The database has no lock, but a lease.
    None,
}

impl Store {
    /// Reads the state of the lock. It neither takes the lock nor creates a file.
    ///
    /// # Errors
    /// This user could not take the lock.
    pub async fn lock_state(&self) -> Result<LockState, StoreError> {
        let url = self.url.clone();
        let look = move || match &url.target {
            Target::Sqlite(path) => Ok(look_at_lock(path)?),
            Target::Postgres(_) => Ok(LockState::None),
        };
        blocking(look).await.map_err(|source| StoreError::Lock { database: self.url.to_string(), source })
    }

    /// Takes the lock without waiting. Returns `None` for a database that has a lease instead.
    ///
    /// # Errors
    /// [`StoreError::AlreadyGuarded`] while another supervisor holds the lock; [`StoreError::NoDatabase`] if there is
    /// no database file; [`StoreError::Lock`] if the lock file cannot be opened or locked.
    pub async fn lock(&self) -> Result<Option<SupervisorLock>, StoreError> {
        let url = self.url.clone();
        let lock = move || match &url.target {
            Target::Sqlite(path) => lock_file(path, &url).map(Some),
            Target::Postgres(_) => Ok(None),
        };
        let locked = blocking(move || Ok(lock())).await;
        locked.map_err(|source| StoreError::Lock { database: self.url.to_string(), source })?
    }
}

fn lock_file(database: &Path, url: &DatabaseUrl) -> Result<SupervisorLock, StoreError> {
    let fault = |error: std::io::Error| StoreError::Lock { database: url.to_string(), source: Fault::File(error) };
    // One lock for one database file, even if several links lead to it: the lock's path comes from the file's real
    // path.
    let database = match fs::canonicalize(database) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(StoreError::NoDatabase { database: url.to_string() });
        }
        found => found.map_err(fault)?,
    };
    let path = companion(&database, ".lock");
    let mut file = open(&path, true).map_err(fault)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = holder_of(&mut file);
            return Err(StoreError::AlreadyGuarded { database: url.to_string(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(fault(error)),
    }
    // Only after the lock is taken: the errors of these checks advise the operator to remove the file, and a running
    // supervisor's lock file must not be removed.
    keep_to_owner(&path, &file).map_err(fault)?;
    // The pid is only for messages: a full disk must not keep the supervisor from guarding.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "pid {}", std::process::id()));
    Ok(SupervisorLock { path, database, file })
}

/// Reads the state of the lock beside a database. It takes a shared lock for a moment, so that several processes can
/// look at the same time.
fn look_at_lock(database: &Path) -> std::io::Result<LockState> {
    let found = fs::canonicalize(database).and_then(|database| open(&companion(&database, ".lock"), false));
    let mut file = match found {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(LockState::Free),
        found => found?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(LockState::Free),
        Err(TryLockError::WouldBlock) => Ok(LockState::Held(holder_of(&mut file))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Reads the id of the process that holds the lock. It is only for messages: `None` if it cannot be read.
fn holder_of(file: &mut File) -> Option<u32> {
    let mut holder = String::new();
    file.read_to_string(&mut holder).ok()?;
    holder.trim().strip_prefix("pid ")?.parse().ok()
}

/// Opens the lock file and follows no link. The tracker may write to the folder, too: through a link that it put there,
/// the guard would overwrite another file.
fn open(path: &Path, is_made: bool) -> std::io::Result<File> {
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(is_made).truncate(false).mode(OWNER_ALONE).custom_flags(no_link);
    match options.open(path) {
        Err(_) if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) => Err(to_remove(path, "is a link")),
        opened => opened,
    }
}

/// Refuses a file that has a second name, and takes the permissions from other users: an earlier version let every user
/// read the file.
fn keep_to_owner(path: &Path, file: &File) -> std::io::Result<()> {
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(to_remove(path, "is not a file"));
    }
    if found.nlink() > 1 {
        return Err(to_remove(path, "has a second name (a hard link)"));
    }
    if found.permissions().mode() & 0o777 == OWNER_ALONE {
        return Ok(());
    }
    let taken = file.set_permissions(Permissions::from_mode(OWNER_ALONE));
    taken.map_err(|_| to_remove(path, "belongs to another user, and others may read it"))
}

fn to_remove(path: &Path, problem: &str) -> std::io::Error {
    std::io::Error::other(format!("{} {problem}: remove it", path.display()))
}
