//! Where the database is: `sqlite://path` or `postgres://user:password@host/name`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

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
    Postgres(Box<Config>),
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
        "postgres:// must be followed by user:password@host/name; percent-encode what is special in a password, and write \
         sslmode=disable or sslmode=prefer if at all: encrypted connections are not there yet"
    )]
    Postgres,
    /// `sslmode=require`.
    #[error(
        "postgres:// asks for an encrypted connection (sslmode=require), which is not there yet: use a Unix socket"
    )]
    TlsDemanded,
}

const SQLITE_SCHEME: &str = "sqlite";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);
const POSTGRES_SCHEMES: [&str; 2] = ["postgres", "postgresql"];

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(DatabaseUrlError::NoScheme)?;
        let target = match scheme {
            SQLITE_SCHEME => Target::Sqlite(sqlite_path(rest)?),
            _ if POSTGRES_SCHEMES.contains(&scheme) => Target::Postgres(postgres_config(text.trim())?),
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

/// The settings of a URL, and time limits where it sets none: a server that does not answer must not hold up the guard.
fn postgres_config(url: &str) -> Result<Box<Config>, DatabaseUrlError> {
    // The cause is left out: it may quote a piece of the password.
    let mut config: Config = url.parse().map_err(|_| DatabaseUrlError::Postgres)?;
    if config.get_hosts().is_empty() {
        return Err(DatabaseUrlError::Postgres);
    }
    if !matches!(config.get_ssl_mode(), SslMode::Disable | SslMode::Prefer) {
        return Err(DatabaseUrlError::TlsDemanded);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
    }
    // By this name another supervisor, and the server's administrator, see who is connected.
    config.application_name(format!("traffic-generator pid {}", std::process::id()));
    Ok(Box::new(config))
}

impl DatabaseUrl {
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
            Target::Postgres(config) => {
                f.write_str("postgres://")?;
                match config.get_hosts().first() {
                    Some(Host::Tcp(host)) => f.write_str(host)?,
                    Some(Host::Unix(folder)) => write!(f, "{}", folder.display())?,
                    None => {}
                }
                write!(f, "/{}", config.get_dbname().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
