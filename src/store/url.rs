//! Where the database is: `sqlite://path` or `postgres://user:password@host/name`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::SecretString;
use thiserror::Error;

use super::postgres::Server;

/// Where the database is. Never shows a password.
#[derive(Clone)]
pub struct DatabaseUrl {
    pub(super) target: Target,
}

#[derive(Clone)]
pub(super) enum Target {
    /// A file, relative to the working directory or absolute.
    Sqlite(PathBuf),
    /// A server. Its `Debug` hides the password.
    Postgres(Box<Server>),
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
    /// What stands behind `postgres://` cannot be read.
    #[error(
        "postgres:// must be followed by user@host/name and perhaps by ?name=value with parameters of libpq that this \
         program knows; percent-encode what is special in a password or a path"
    )]
    Postgres,
    /// A word of libpq's for encryption that keeps out who listens, and not who stands in between.
    #[error(
        "postgres:// sets sslmode={0}, which trusts a server that was not checked: write sslmode=verify-full, with \
         sslrootcert=FILE for an authority of your own; or sslmode=disable in a network that you trust"
    )]
    Unchecked(&'static str),
    /// `sslmode` with a word that nobody taught us.
    #[error("postgres:// sets sslmode to an unknown word: write verify-full or disable")]
    TlsMode,
}

/// A password that does not stand in the URL.
#[derive(Debug, Clone)]
pub enum Password {
    /// The password itself. Its `Debug` hides it.
    Text(SecretString),
    /// A file that holds it and nothing else, read at each connection.
    File(PathBuf),
}

const SQLITE_SCHEME: &str = "sqlite";
const POSTGRES_SCHEMES: [&str; 2] = ["postgres", "postgresql"];

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(DatabaseUrlError::NoScheme)?;
        let target = match scheme {
            SQLITE_SCHEME => Target::Sqlite(sqlite_path(rest)?),
            _ if POSTGRES_SCHEMES.contains(&scheme) => Target::Postgres(Box::new(Server::parse(text.trim())?)),
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
    /// The same with a password, for a server whose URL has none.
    #[must_use]
    pub fn or_password(self, password: Password) -> Self {
        let target = match self.target {
            Target::Sqlite(path) => Target::Sqlite(path),
            Target::Postgres(server) => Target::Postgres(Box::new(server.or_password(password))),
        };
        Self { target }
    }

    /// The file of a SQLite database.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.target {
            Target::Sqlite(path) => Some(path),
            Target::Postgres(_) => None,
        }
    }
}

impl fmt::Display for DatabaseUrl {
    /// For messages: which database, without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Target::Postgres(server) => f.write_str(&server.shown()),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
