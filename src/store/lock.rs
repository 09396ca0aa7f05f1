//! The lock against a second supervisor on the same SQLite file. The operating system ends it with its holder, however that
//! one dies.
//!
//! Deliberately absent: PostgreSQL, on which several supervisors may live and a lease says who leads ([`super::LeaseStore`]).

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

/// For its owner alone: anyone who can read the file can lock it, and so keep the guard from starting.
const OWNER_ALONE: u32 = 0o600;

/// Held by the supervisor that guards the database; dropping it lets the next one in.
#[must_use = "the lock ends when this is dropped"]
#[derive(Debug)]
pub struct SupervisorLock {
    /// Where the locked file is. It stays when the lock ends: removing it would let two hold "the" lock, on two files.
    path: PathBuf,
    database: PathBuf,
    file: File,
}

impl SupervisorLock {
    /// Whether the locked file is still the one that another supervisor would try to lock. Where somebody has removed or
    /// replaced it, another one may guard the database already.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        let identity = |found: fs::Metadata| (found.dev(), found.ino());
        match (fs::symlink_metadata(&self.path), self.file.metadata()) {
            (Ok(found), Ok(held)) => identity(found) == identity(held),
            // With its disk the database is gone, too: by this path nobody guards it.
            (Err(error), _) if error.kind() == ErrorKind::NotFound => fs::symlink_metadata(&self.database).is_err(),
            // What cannot be looked at, nobody can lock.
            (Err(_), _) | (_, Err(_)) => true,
        }
    }
}

/// Who has the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// Nobody.
    Free,
    /// A process; its id, if it said so.
    Held(Option<u32>),
    /// The database has a lease instead.
    None,
}

impl Store {
    /// Who has the lock. It is not taken, and no file is made.
    ///
    /// # Errors
    /// It could not be taken by this user.
    pub async fn lock_state(&self) -> Result<LockState, StoreError> {
        let url = self.url.clone();
        let look = move || match &url.target {
            Target::Sqlite(path) => Ok(look_at_lock(path)?),
            Target::Postgres(_) => Ok(LockState::None),
        };
        blocking(look).await.map_err(|source| StoreError::Lock { database: self.url.to_string(), source })
    }

    /// Takes the lock, without waiting; none where the database has a lease instead.
    ///
    /// # Errors
    /// [`StoreError::AlreadyGuarded`] while another supervisor holds it; [`StoreError::NoDatabase`] where there is nothing to
    /// lock; [`StoreError::Lock`] if it cannot be asked for.
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
    // One name for one database, whatever links lead to it: two names would be two locks.
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
    // Only now: while a supervisor lives, its lock must not be called a file to remove.
    keep_to_owner(&path, &file).map_err(fault)?;
    // A disk without room keeps nobody from guarding.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "pid {}", std::process::id()));
    Ok(SupervisorLock { path, database, file })
}

/// Looks at the lock beside a database. Sharing it for that moment keeps nobody else out who looks, too.
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

/// Only for messages: what cannot be read is left out of them.
fn holder_of(file: &mut File) -> Option<u32> {
    let mut holder = String::new();
    file.read_to_string(&mut holder).ok()?;
    holder.trim().strip_prefix("pid ")?.parse().ok()
}

/// The tracker may write the folder, too: a link that it has put there would let the guard write over another file.
fn open(path: &Path, is_made: bool) -> std::io::Result<File> {
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(is_made).truncate(false).mode(OWNER_ALONE).custom_flags(no_link);
    match options.open(path) {
        Err(_) if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) => Err(to_remove(path, "is a link")),
        opened => opened,
    }
}

/// Refuses a file that is another one, too, and takes it from other users: an earlier version made it for all to read.
fn keep_to_owner(path: &Path, file: &File) -> std::io::Result<()> {
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(to_remove(path, "is not a file"));
    }
    if found.nlink() > 1 {
        return Err(to_remove(path, "has another name, too"));
    }
    if found.permissions().mode() & 0o777 == OWNER_ALONE {
        return Ok(());
    }
    let taken = file.set_permissions(Permissions::from_mode(OWNER_ALONE));
    taken.map_err(|_| to_remove(path, "is another user's, and others may read it"))
}

fn to_remove(path: &Path, problem: &str) -> std::io::Error {
    std::io::Error::other(format!("{} {problem}: remove it", path.display()))
}
