//! The store's errors: one variant for each operation, with the cause as its source.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use diesel::r2d2::PoolError;
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use thiserror::Error;
use tokio::task::JoinError;

use super::values::BadValue;

/// An operation of the store that failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file is not a SQLite database.
    #[error("{} is not a SQLite database: set [database] url to another file, or move this one away", path.display())]
    NotADatabase {
        /// The file's path.
        path: PathBuf,
    },
    /// The database file does not exist.
    #[error(
        "there is no database {database}: check that [database] url names the right path, and that its disk is mounted; for \
         a new database, run `traffic-generator migrate` first"
    )]
    NoDatabase {
        /// The database's URL, without its password.
        database: String,
    },
    /// The folder of a new database does not exist.
    #[error("the folder {} does not exist: create it, or set [database] url to another path", .0.display())]
    NoFolder(PathBuf),
    /// The database has no tables.
    #[error(
        "the database {database} is empty: check that [database] url names the right one; if it does, run \
         `traffic-generator migrate` to create its tables"
    )]
    NoTables {
        /// The database's URL, without its password.
        database: String,
    },
    /// The list of the database's tables could not be read.
    #[error("cannot read which tables the database {database} has")]
    ReadSchema {
        /// The database's URL, without its password.
        database: String,
        /// The cause.
        #[source]
        source: Fault,
    },
    /// The database holds another program's tables.
    #[error(
        "the database {database} belongs to another program (it has the tables {}), and nothing in it was changed: give \
         the Traffic Generator a database of its own with [database] url", tables.join(", ")
    )]
    Foreign {
        /// The database's URL, without its password.
        database: String,
        /// The names of the tables that were found.
        tables: Vec<String>,
    },
    /// The database was written by a newer version of the program.
    #[error(
        "the database {database} was written by a newer version of this program (it knows the migrations {}), and \
         nothing in it was changed: install that version", versions.join(", ")
    )]
    Newer {
        /// The database's URL, without its password.
        database: String,
        /// The migrations that this program does not know.
        versions: Vec<String>,
    },
    /// The tables could not be created or brought up to date.
    #[error("cannot bring the tables of the database {database} up to date")]
    Migrate {
        /// The database's URL, without its password.
        database: String,
        /// The cause.
        #[source]
        source: Fault,
    },
    /// Reading the list of campaigns failed.
    #[error("cannot read the campaigns from the database")]
    ReadCampaigns(#[source] Fault),
    /// Reading the settings, clicks and spend for a tick failed.
    #[error("cannot read settings, clicks and spend from the database")]
    ReadTick(#[source] Fault),
    /// Reading the stored promises failed.
    #[error("cannot read the stored promises from the database")]
    ReadPromises(#[source] Fault),
    /// Reading the journal failed.
    #[error("cannot read the journal from the database")]
    ReadJournal(#[source] Fault),
    /// Storing a transition failed.
    #[error("cannot store the promise and the journal entry in the database")]
    Save(#[source] Fault),
    /// Storing the spend of a sweep failed.
    #[error("cannot store the spend in the database")]
    SaveSpends(#[source] Fault),
    /// Enabling or disabling a campaign's generator failed.
    #[error("cannot change generator_enabled in the database")]
    SetGeneratorEnabled(#[source] Fault),
    /// Adding, changing or removing a campaign failed.
    #[error("cannot change the table `campaigns` in the database")]
    WriteCampaign(#[source] Fault),
    /// Reading URLs failed.
    #[error("cannot read the URLs from the database")]
    ReadUrls(#[source] Fault),
    /// Adding, changing or removing a URL failed.
    #[error("cannot change the table `urls` in the database")]
    WriteUrl(#[source] Fault),
    /// Reading the operators' holds failed.
    #[error("cannot read the holds from the database")]
    ReadHolds(#[source] Fault),
    /// Storing or releasing an operator's hold failed.
    #[error("cannot store the hold in the database")]
    SetHold(#[source] Fault),
    /// Reading, taking, renewing or giving up the lease on leadership failed.
    #[error("cannot read or change the lease on leadership in the database")]
    Lease(#[source] Fault),
    /// Storing the number of requests sent to TrafficStars failed.
    #[error("cannot store in the database how many requests are sent to TrafficStars")]
    CountRequests(#[source] Fault),
    /// Reading how many requests were sent to TrafficStars in the last minutes failed.
    #[error("cannot read from the database how many requests were sent to TrafficStars in the last minutes")]
    ReadRequests(#[source] Fault),
    /// Reading occasions, deliveries, receivers or mutes failed.
    #[error("cannot read the alerts from the database")]
    ReadAlerts(#[source] Fault),
    /// Storing occasions, deliveries, receivers or mutes failed.
    #[error("cannot store the alerts in the database")]
    SaveAlerts(#[source] Fault),
    /// Deleting history older than `keep_history` failed.
    #[error("cannot delete old history from the database")]
    Forget(#[source] Fault),
    /// The test whether the database can be written failed.
    #[error("the database cannot be written")]
    TryToWrite(#[source] Fault),
    /// Taking the lock against a second supervisor failed.
    #[error("cannot lock the database {database} against a second supervisor")]
    Lock {
        /// The database's URL, without its password.
        database: String,
        /// The cause.
        #[source]
        source: Fault,
    },
    /// Another supervisor holds the lock.
    #[error(
        "another supervisor{} already guards the database {database}; two supervisors would undo each other's work. Stop \
         that supervisor first, or control it with the other commands. Do not remove its lock file beside the database",
        holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
    )]
    AlreadyGuarded {
        /// The database's URL, without its password.
        database: String,
        /// The id of the process that holds the lock, if the lock file names it.
        holder: Option<u32>,
    },
}

/// The cause of an operation's failure.
#[derive(Debug, Error)]
pub enum Fault {
    /// The pool could not provide a connection.
    #[error(
        "no connection to the database: check that it can be reached and is not overloaded; the program keeps trying"
    )]
    Pool(#[from] PoolError),
    /// The file cannot be opened.
    #[error(transparent)]
    OpenFile(#[from] diesel::ConnectionError),
    /// Connecting to the database failed.
    #[error(transparent)]
    Connect(#[from] ConnectFailure),
    /// The connection ended during the operation.
    #[error(
        "the database server closed the connection or does not respond: check that it runs and can be reached; the program \
         keeps trying"
    )]
    Lost(#[source] QueryError),
    /// The database's disk is full.
    #[error("the database's disk is full: free some space on it; the next attempt then succeeds")]
    Full(#[source] QueryError),
    /// The file, its folder, its disk or the server is read-only.
    #[error(
        "the database is read-only: give this user the right to write it (for a file: its folder, too). Or check whether \
         its disk or server is set to read-only. The next attempt then succeeds"
    )]
    ReadOnly(#[source] QueryError),
    /// Another program is writing, or has left a transaction open.
    #[error(
        "another program keeps the database locked: let it end its transaction (a shell with an open BEGIN, a backup); \
         the next attempt then succeeds"
    )]
    Locked(#[source] QueryError),
    /// The write waited too long behind other writes.
    #[error(
        "the database is busy: this write waited {0:?} behind other writes and gave up; check whether the database's disk or \
         server is slow; the program keeps trying"
    )]
    Busy(Duration),
    /// Another write failed a moment ago, for a cause that stops every write.
    #[error(transparent)]
    Shared(Arc<Fault>),
    /// The database file is damaged.
    #[error("the database is damaged: stop the supervisor, keep a copy of the file, and restore the last backup")]
    Damaged(#[source] QueryError),
    /// The database refused the statement.
    #[error(transparent)]
    Query(QueryError),
    /// A stored value of the program's own is invalid.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// A migration failed.
    #[error("a migration failed")]
    Migration(#[source] Box<dyn Error + Send + Sync>),
    /// A file could not be read, written or locked.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// The path no longer leads to the file that was opened.
    #[error("the database file was deleted, moved or replaced while it was in use: restart to use what is there now")]
    Replaced,
    /// This supervisor's leadership has ended, so it must not store anything.
    #[error("this supervisor's lease on leadership has ended, so it stored nothing: another supervisor may lead now")]
    NotLeading,
    /// A statement about the lease took too long.
    #[error("the database did not answer within {0:?}")]
    NoAnswer(Duration),
    /// The one row of the table `leadership` is missing.
    #[error(
        "the row of the table `leadership` is missing, so no supervisor can lead: run `traffic-generator migrate` to \
         restore it"
    )]
    NoLeadership,
    /// A lease was requested from a SQLite database: only PostgreSQL has one.
    #[error("a SQLite database has a lock instead of a lease")]
    NoLeaseHere,
    /// The blocking task panicked, or the runtime is shutting down.
    #[error("the database task did not finish")]
    Task(#[from] JoinError),
}

/// The reason why a text is not a database URL. It never repeats the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DatabaseUrlError {
    /// The text has no `://`.
    #[error("write it as sqlite://path/to/file.db or postgres://user@host/name")]
    NoScheme,
    /// The scheme is unknown.
    #[error("`{0}://` is unknown: use sqlite:// or postgres://")]
    UnknownScheme(String),
    /// `sqlite://` has no path.
    #[error("sqlite:// must be followed by the path of a file, like sqlite://traffic-generator.db")]
    NoPath,
    /// A database in memory is lost when the process ends.
    #[error("sqlite:// needs a file: a database in memory would lose every promise when the process ends")]
    InMemory,
    /// The SQLite URL has parameters, as in `sqlite://path?key=value`.
    #[error("sqlite:// takes only the path of a file: remove the part from `?` on")]
    Parameters,
    /// The rest of the `postgres://` URL cannot be read.
    #[error(
        "postgres:// must be followed by user@host/name and optionally by ?name=value with parameters of libpq that this \
         program supports; percent-encode special characters in a password or a path"
    )]
    Postgres,
    /// An `sslmode` of libpq that protects against passive eavesdropping, but not against an active man in the middle.
    #[error(
        "postgres:// sets sslmode={0}, which trusts a server without checking it: write sslmode=verify-full, with \
         sslrootcert=FILE for an authority of your own; or sslmode=disable in a network that you trust"
    )]
    Unchecked(&'static str),
    /// The word after `sslmode=` is unknown.
    #[error("postgres:// sets sslmode to an unknown word: write verify-full or disable")]
    TlsMode,
}

/// The reason why connecting failed, with all its causes in one text: r2d2's pool keeps only an error's text.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ConnectFailure(pub(super) String);

impl ConnectFailure {
    pub(super) fn new(error: &dyn Error) -> Self {
        let causes = std::iter::successors(Some(error), |error| (*error).source());
        let text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        let advice = ADVICE.iter().find(|(cause, _)| text.contains(cause));
        Self(advice.map_or_else(|| text.clone(), |(_, advice)| format!("{text}; {advice}")))
    }
}

/// Advice for the operator, by a piece of the libraries' error text about a failed attempt to connect.
const ADVICE: [(&str, &str); 5] = [
    ("Connection refused", "check that the server runs and listens there"),
    (
        "password missing",
        "the server asks for a password: set the environment variable PGPASSWORD, or name a file that holds the password with \
         [database] password_file",
    ),
    (
        "UnknownIssuer",
        "the server's certificate is signed by an authority that this machine does not trust: name a file with that \
         authority's certificate with sslrootcert",
    ),
    (
        "CaUsedAsEndEntity",
        "the server uses an authority's certificate as its own: have an authority sign a certificate for it, or create one \
         with basicConstraints=CA:FALSE",
    ),
    (
        "server does not support TLS",
        "enable TLS on the server (ssl = on), or, in a network that you trust, set sslmode=disable",
    ),
];

impl StoreError {
    /// Whether the write waited too long behind other writes ([`Fault::Busy`]).
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let fault = self.source().and_then(|fault| fault.downcast_ref());
        matches!(fault, Some(Fault::Busy(_)))
    }

    /// Whether another writer kept the database locked or busy. Such a failure is temporary.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        let fault = self.source().and_then(|fault| fault.downcast_ref());
        match fault {
            Some(Fault::Shared(fault)) => matches!(**fault, Fault::Locked(_)),
            fault => matches!(fault, Some(Fault::Locked(_) | Fault::Busy(_))),
        }
    }
}

impl From<QueryError> for Fault {
    /// Recognises most faults by the database's error text, since diesel passes on no code for them. SQLite's texts are
    /// fixed. A PostgreSQL server may be set to another language: a text that is not recognised is shown as it is.
    fn from(error: QueryError) -> Self {
        let (kind, text) = database_message(&error).unwrap_or((&DatabaseErrorKind::Unknown, ""));
        let lost = matches!(kind, DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection);
        let read_only = matches!(kind, DatabaseErrorKind::ReadOnlyTransaction);
        let contains = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
        if lost || contains(&["terminating connection"]) {
            Self::Lost(error)
        } else if read_only || contains(&["attempt to write a readonly database"]) {
            Self::ReadOnly(error)
        } else if contains(&["database or disk is full", "No space left on device"]) {
            Self::Full(error)
        } else if contains(&["database is locked", "database table is locked", "due to lock timeout"]) {
            Self::Locked(error)
        } else if contains(&["database disk image is malformed", "file is not a database"]) {
            Self::Damaged(error)
        } else {
            Self::Query(error)
        }
    }
}

/// Returns the kind and text of the database's own error message. `None` if the error comes from diesel.
fn database_message(error: &QueryError) -> Option<(&DatabaseErrorKind, &str)> {
    if let QueryError::DatabaseError(kind, information) = error {
        Some((kind, information.message()))
    } else if let QueryError::RollbackErrorOnCommit { commit_error, .. } = error {
        database_message(commit_error)
    } else {
        None
    }
}

impl Fault {
    /// Whether the connection must be closed, because another one may succeed where this one cannot.
    pub(super) const fn breaks_connection(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::ReadOnly(_) | Self::Damaged(_))
    }

    /// Whether the cause stops every write. Other faults concern only the one write that failed.
    pub(super) const fn stops_every_write(&self) -> bool {
        match self {
            Self::Pool(_)
            | Self::OpenFile(_)
            | Self::Connect(_)
            | Self::Lost(_)
            | Self::Full(_)
            | Self::ReadOnly(_)
            | Self::Locked(_)
            | Self::Damaged(_)
            | Self::File(_)
            | Self::Replaced => true,
            Self::Busy(_)
            | Self::Shared(_)
            | Self::Query(_)
            | Self::Value(_)
            | Self::Migration(_)
            | Self::NotLeading
            | Self::NoAnswer(_)
            | Self::NoLeaseHere
            | Self::NoLeadership
            | Self::Task(_) => false,
        }
    }
}
