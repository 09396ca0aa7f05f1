//! The database's URL: `sqlite://path` or `postgres://user:password@host/name`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

use super::error::DatabaseUrlError;
use super::password::Password;
use super::postgres::Server;

/// The database's URL. Its `Display` and `Debug` never show a password.
#[derive(Clone)]
pub struct DatabaseUrl {
    /// The URL as it was written.
    text: SecretString,
    pub(super) target: Target,
}

#[derive(Clone)]
pub(super) enum Target {
    /// A SQLite file. The path is absolute, or relative to the working directory.
    Sqlite(PathBuf),
    /// A PostgreSQL server. Its `Debug` hides the password.
    Postgres(Box<Server>),
}

const SQLITE_SCHEME: &str = "sqlite";
const POSTGRES_SCHEMES: [&str; 2] = ["postgres", "postgresql"];

impl Default for DatabaseUrl {
    /// Returns the URL of a file in the working directory.
    fn default() -> Self {
        Self { text: "sqlite://traffic-generator.db".into(), target: Target::Sqlite("traffic-generator.db".into()) }
    }
}

impl PartialEq for DatabaseUrl {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for DatabaseUrl {}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(DatabaseUrlError::NoScheme)?;
        let target = match scheme {
            SQLITE_SCHEME => Target::Sqlite(sqlite_path(rest)?),
            _ if POSTGRES_SCHEMES.contains(&scheme) => Target::Postgres(Box::new(Server::parse(text.trim())?)),
            // A scheme consists of letters. Another text may be a part of a password, so it is not repeated.
            _ if scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                return Err(DatabaseUrlError::UnknownScheme(scheme.to_owned()));
            }
            _ => return Err(DatabaseUrlError::NoScheme),
        };
        Ok(Self { text: text.into(), target })
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
    /// Returns the same URL with a password to use if the URL of a server has none.
    #[must_use]
    pub fn or_password(self, password: Password) -> Self {
        let target = match self.target {
            Target::Sqlite(path) => Target::Sqlite(path),
            Target::Postgres(server) => Target::Postgres(Box::new(server.or_password(password))),
        };
        Self { target, ..self }
    }

    /// Returns the whole URL, perhaps with a password. Use it to connect, never to show it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// Returns the file of a SQLite database. `None` for a PostgreSQL server.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.target {
            Target::Sqlite(path) => Some(path),
            Target::Postgres(_) => None,
        }
    }
}

impl fmt::Display for DatabaseUrl {
    /// Writes the URL for messages, without a password.
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
