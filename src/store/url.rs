//! Where the database is: `sqlite://path` or `postgres://user:password@host/name`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

use super::error::DatabaseUrlError;
use super::password::Password;
use super::postgres::Server;

/// Where the database is. Never shows a password.
#[derive(Clone)]
pub struct DatabaseUrl {
    /// As it was written.
    text: SecretString,
    pub(super) target: Target,
}

#[derive(Clone)]
pub(super) enum Target {
    /// A file, relative to the working directory or absolute.
    Sqlite(PathBuf),
    /// A server. Its `Debug` hides the password.
    Postgres(Box<Server>),
}

const SQLITE_SCHEME: &str = "sqlite";
const POSTGRES_SCHEMES: [&str; 2] = ["postgres", "postgresql"];

impl Default for DatabaseUrl {
    /// A file in the working directory.
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
            // A scheme is letters: anything else may be a piece of a password.
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
    /// The same with a password, for a server whose URL has none.
    #[must_use]
    pub fn or_password(self, password: Password) -> Self {
        let target = match self.target {
            Target::Sqlite(path) => Target::Sqlite(path),
            Target::Postgres(server) => Target::Postgres(Box::new(server.or_password(password))),
        };
        Self { target, ..self }
    }

    /// All of it, perhaps with a password: for connecting, never for showing.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
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
