//! Where the database is: `sqlite://path` or `postgres://user:password@host/name`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

/// Where the database is. Never shows a password.
#[derive(Clone)]
pub struct DatabaseUrl {
    pub(super) target: Target,
}

#[derive(Clone)]
pub(super) enum Target {
    /// A file, relative to the working directory or absolute.
    Sqlite(PathBuf),
    /// Not there yet: the URL is not kept, since it may hold a password.
    Postgres,
}

/// Why a text names no database. It never repeats the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DatabaseUrlError {
    /// No `://` in it.
    #[error("write it as sqlite://path/to/file.db or postgres://user@host/name")]
    NoScheme,
    /// A scheme that nobody taught us.
    #[error("`{0}://` is not known: use sqlite:// or postgres://")]
    UnknownScheme(String),
    /// `sqlite://` without a path.
    #[error("sqlite:// needs the path of a file behind it, like sqlite://traffic-generator.db")]
    NoPath,
    /// What is kept in memory is lost with the process, and nothing may be lost.
    #[error("sqlite:// needs a file: a database in memory would lose every promise with the process")]
    InMemory,
    /// `sqlite://path?key=value`.
    #[error("sqlite:// takes the path of a file and nothing else: leave out what begins with `?`")]
    Parameters,
}

const SQLITE_SCHEME: &str = "sqlite";
const POSTGRES_SCHEMES: [&str; 2] = ["postgres", "postgresql"];

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(DatabaseUrlError::NoScheme)?;
        let target = match scheme {
            SQLITE_SCHEME => Target::Sqlite(sqlite_path(rest)?),
            _ if POSTGRES_SCHEMES.contains(&scheme) => Target::Postgres,
            // A scheme is letters: anything else may be a piece of a password.
            _ if scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                return Err(DatabaseUrlError::UnknownScheme(scheme.to_owned()));
            }
            _ => return Err(DatabaseUrlError::NoScheme),
        };
        Ok(Self { target })
    }
}

fn sqlite_path(rest: &str) -> Result<PathBuf, DatabaseUrlError> {
    if rest.is_empty() || rest.ends_with('/') || rest.contains('\0') {
        return Err(DatabaseUrlError::NoPath);
    }
    if rest.starts_with(":memory:") {
        return Err(DatabaseUrlError::InMemory);
    }
    if rest.contains('?') {
        return Err(DatabaseUrlError::Parameters);
    }
    Ok(PathBuf::from(rest))
}

impl DatabaseUrl {
    /// The file of a SQLite database.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.target {
            Target::Sqlite(path) => Some(path),
            Target::Postgres => None,
        }
    }
}

impl fmt::Display for DatabaseUrl {
    /// For messages: which database, without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Target::Postgres => f.write_str("postgres://…"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a SQLite file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenMode {
    /// For looking only: neither the file nor its companions are made or changed.
    ReadOnly,
    /// For work: a file that is not there is an error, not a new and empty database.
    ReadWrite,
    /// For the first migration.
    Create,
}

/// The URI by which SQLite opens `path`.
pub(super) fn sqlite_uri(path: &Path, mode: OpenMode) -> String {
    let mut uri = String::from("file:");
    for character in path.to_string_lossy().chars() {
        match character {
            '%' => uri.push_str("%25"),
            '?' => uri.push_str("%3f"),
            '#' => uri.push_str("%23"),
            other => uri.push(other),
        }
    }
    uri.push_str(match mode {
        // Without a write-ahead log nobody has the file open, and it is the whole truth. Saying so to SQLite keeps it from
        // leaving a log and a lock table behind.
        OpenMode::ReadOnly if !companion(path, "-wal").exists() && !companion(path, "-journal").exists() => {
            "?mode=ro&immutable=1"
        }
        OpenMode::ReadOnly => "?mode=ro",
        OpenMode::ReadWrite => "?mode=rw",
        OpenMode::Create => "?mode=rwc",
    });
    uri
}

/// The file that stands beside the database file, its name ending in `suffix`.
pub(super) fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
