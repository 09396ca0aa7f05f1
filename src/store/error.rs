//! What can go wrong: one variant for each operation, the cause as its source.

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
    /// The file is not one of SQLite's.
    #[error("{} is not a SQLite database: set [database] url to another file, or move this one away", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file of the database is not there.
    #[error(
        "there is no database {database}: see whether [database] url names the right path and its disk is mounted; for a new \
         database run `traffic-generator migrate` first"
    )]
    NoDatabase {
        /// Which one.
        database: String,
    },
    /// The folder of a new database is not there.
    #[error("the folder {} is missing: make it, or set [database] url to another path", .0.display())]
    NoFolder(PathBuf),
    /// The database has no tables.
    #[error(
        "the database {database} is empty: see whether [database] url names the right one; if it does, `traffic-generator \
         migrate` makes its tables"
    )]
    NoTables {
        /// Which one.
        database: String,
    },
    /// The database could not be asked which tables it has.
    #[error("cannot read which tables the database {database} has")]
    ReadSchema {
        /// Which one.
        database: String,
        /// Why.
        #[source]
        source: Fault,
    },
    /// The database holds another program's tables.
    #[error(
        "the database {database} belongs to another program (it has the tables {}), and nothing in it was changed: set \
         [database] url to one of its own for the Traffic Generator", tables.join(", ")
    )]
    Foreign {
        /// Which one.
        database: String,
        /// What was found there.
        tables: Vec<String>,
    },
    /// The database was written by a newer version of the program.
    #[error(
        "the database {database} was written by a newer version of this program (it knows the migrations {}), and \
         nothing in it was changed: install that version", versions.join(", ")
    )]
    Newer {
        /// Which one.
        database: String,
        /// The migrations that this program does not know.
        versions: Vec<String>,
    },
    /// The tables could not be made or brought up to date.
    #[error("cannot bring the tables of the database {database} up to date")]
    Migrate {
        /// Which one.
        database: String,
        /// Why.
        #[source]
        source: Fault,
    },
    /// Reading the list of campaigns.
    #[error("cannot read the campaigns from the database")]
    ReadCampaigns(#[source] Fault),
    /// Reading what one tick needs.
    #[error("cannot read settings, clicks and spend from the database")]
    ReadTick(#[source] Fault),
    /// Reading what was promised.
    #[error("cannot read the stored promises from the database")]
    ReadPromises(#[source] Fault),
    /// Reading the journal.
    #[error("cannot read the journal from the database")]
    ReadJournal(#[source] Fault),
    /// Storing a transition.
    #[error("cannot store the promise and the journal entry in the database")]
    Save(#[source] Fault),
    /// Storing the spend of a sweep.
    #[error("cannot store the spend in the database")]
    SaveSpends(#[source] Fault),
    /// Switching a campaign's generator.
    #[error("cannot change generator_enabled in the database")]
    SetGeneratorEnabled(#[source] Fault),
    /// Adding, changing or removing a campaign.
    #[error("cannot change the table `campaigns` in the database")]
    WriteCampaign(#[source] Fault),
    /// Reading URLs.
    #[error("cannot read the URLs from the database")]
    ReadUrls(#[source] Fault),
    /// Adding, changing or removing a URL.
    #[error("cannot change the table `urls` in the database")]
    WriteUrl(#[source] Fault),
    /// Reading operators' holds.
    #[error("cannot read the holds from the database")]
    ReadHolds(#[source] Fault),
    /// Storing an operator's hold, or its end.
    #[error("cannot store the hold in the database")]
    SetHold(#[source] Fault),
    /// Looking at, taking, renewing or giving up the lease on leadership.
    #[error("cannot ask the database about the lease on leadership")]
    Lease(#[source] Fault),
    /// Counting requests that leave for TrafficStars.
    #[error("cannot count the requests that leave for TrafficStars in the database")]
    CountRequests(#[source] Fault),
    /// Reading how many requests left for TrafficStars lately.
    #[error("cannot read from the database how many requests left for TrafficStars lately")]
    ReadRequests(#[source] Fault),
    /// Deleting history that is old enough.
    #[error("cannot delete old history from the database")]
    Forget(#[source] Fault),
    /// Writing nothing, to see whether something could be written.
    #[error("the database cannot be written")]
    TryToWrite(#[source] Fault),
    /// The lock against a second supervisor could not be asked for.
    #[error("cannot lock the database {database} against a second supervisor")]
    Lock {
        /// Which one.
        database: String,
        /// Why.
        #[source]
        source: Fault,
    },
    /// Another supervisor holds the lock.
    #[error(
        "another supervisor{} guards the database {database} already: two would undo each other's work. Stop it first, or \
         talk to it with the other commands. A file beside the database that it has locked is no leftover: leave it there",
        holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
    )]
    AlreadyGuarded {
        /// Which one.
        database: String,
        /// The process that holds it, if it said so.
        holder: Option<u32>,
    },
}

/// Why an operation failed.
#[derive(Debug, Error)]
pub enum Fault {
    /// No connection could be had.
    #[error("no connection to the database: see that it is there, and not busy; it is tried again all the time")]
    Pool(#[from] PoolError),
    /// The file cannot be opened.
    #[error(transparent)]
    OpenFile(#[from] diesel::ConnectionError),
    /// The server lets no connection be made.
    #[error(transparent)]
    Connect(#[from] ConnectFailure),
    /// The connection ended during the operation.
    #[error(
        "the database server has ended the connection, or hangs: see that it runs and can be reached; it is tried again \
         all the time"
    )]
    Lost(#[source] QueryError),
    /// No room for more data.
    #[error("there is no room for the database: free some on its disk, and the next attempt succeeds")]
    Full(#[source] QueryError),
    /// The file, its folder, its disk or the server lets nothing be written.
    #[error(
        "the database lets nothing be written: give this user the right to write it (a file: its folder, too), or see \
         whether its disk or server is set to read-only; the next attempt then succeeds"
    )]
    ReadOnly(#[source] QueryError),
    /// Another program is writing, or has not ended its transaction.
    #[error(
        "another program keeps the database locked: let it end its transaction (a shell with an open BEGIN, a backup); \
         the next attempt then succeeds"
    )]
    Locked(#[source] QueryError),
    /// So much is written that this did not get its turn.
    #[error(
        "so much is written to the database that this did not get its turn within {0:?}: see whether its disk or server is \
         slow; it is tried again all the time"
    )]
    Busy(Duration),
    /// Nobody can write, and somebody has just found out why.
    #[error(transparent)]
    Shared(Arc<Fault>),
    /// What the file holds is no longer a database.
    #[error("the database is damaged: stop the supervisor, keep a copy of the file, and restore the last backup")]
    Damaged(#[source] QueryError),
    /// The database refused.
    #[error(transparent)]
    Query(QueryError),
    /// A value of our own that makes no sense.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// A migration failed.
    #[error("a migration failed")]
    Migration(#[source] Box<dyn Error + Send + Sync>),
    /// A file could not be read, written or locked.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// Another file stands at the path than the one that was opened, or none.
    #[error("the database file was deleted, moved or replaced while it was in use: restart to use what is there now")]
    Replaced,
    /// The leadership in whose name it was to be stored does not last.
    #[error("this supervisor's lease on leadership has ended, another one may lead: nothing is stored in its name")]
    NotLeading,
    /// A question about the lease took too long.
    #[error("there was no answer within {0:?}")]
    NoAnswer(Duration),
    /// The one row of `leadership` is not there.
    #[error(
        "the row of the table `leadership` is lost, so that nobody can lead: `traffic-generator migrate` makes it again"
    )]
    NoLeadership,
    /// Only PostgreSQL has a lease.
    #[error("a SQLite database has a lock, and no lease")]
    NoLeaseHere,
    /// The task that worked for us panicked, or the runtime is shutting down.
    #[error("the database task did not finish")]
    Task(#[from] JoinError),
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

/// Why no connection could be had, with all its causes: the pool keeps the text alone.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ConnectFailure(pub(super) String);

impl ConnectFailure {
    pub(super) fn new(error: &dyn Error) -> Self {
        let causes = std::iter::successors(Some(error), |error| (*error).source());
        let told = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        let advice = ADVICE.iter().find(|(cause, _)| told.contains(cause));
        Self(advice.map_or_else(|| told.clone(), |(_, advice)| format!("{told}; {advice}")))
    }
}

/// What to do about what the libraries say of an attempt to connect.
const ADVICE: [(&str, &str); 5] = [
    ("Connection refused", "see that the server runs and listens there"),
    (
        "password missing",
        "the server asks for a password: put it into the environment variable PGPASSWORD, or name its file with [database] \
         password_file",
    ),
    (
        "UnknownIssuer",
        "an authority that is not trusted has signed the server's certificate: name a file with its own with sslrootcert",
    ),
    (
        "CaUsedAsEndEntity",
        "the server shows an authority's certificate as its own: let an authority sign one for it, or make one with \
         basicConstraints=CA:FALSE",
    ),
    ("server does not support TLS", "let it (ssl = on), or, in a network that you trust, set sslmode=disable"),
];

impl StoreError {
    /// Whether it did not get its turn to write, while others did.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let fault = self.source().and_then(|fault| fault.downcast_ref());
        matches!(fault, Some(Fault::Busy(_)))
    }

    /// Whether somebody else was writing, which passes.
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
    /// Neither database tells more than a text about most of its troubles. SQLite's never changes; a server speaks the
    /// language that it was set to, and what is not understood is shown as it is.
    fn from(error: QueryError) -> Self {
        let (kind, text) = told(&error).unwrap_or((&DatabaseErrorKind::Unknown, ""));
        let lost = matches!(kind, DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection);
        let read_only = matches!(kind, DatabaseErrorKind::ReadOnlyTransaction);
        let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
        if lost || says(&["terminating connection"]) {
            Self::Lost(error)
        } else if read_only || says(&["attempt to write a readonly database"]) {
            Self::ReadOnly(error)
        } else if says(&["database or disk is full", "No space left on device"]) {
            Self::Full(error)
        } else if says(&["database is locked", "database table is locked", "due to lock timeout"]) {
            Self::Locked(error)
        } else if says(&["database disk image is malformed", "file is not a database"]) {
            Self::Damaged(error)
        } else {
            Self::Query(error)
        }
    }
}

/// What the database itself said, if it did.
fn told(error: &QueryError) -> Option<(&DatabaseErrorKind, &str)> {
    if let QueryError::DatabaseError(kind, told) = error {
        Some((kind, told.message()))
    } else if let QueryError::RollbackErrorOnCommit { commit_error, .. } = error {
        told(commit_error)
    } else {
        None
    }
}

impl Fault {
    /// Whether another connection may succeed where this one cannot.
    pub(super) const fn spends_connection(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::ReadOnly(_) | Self::Damaged(_))
    }

    /// Whether it is about the database, and not about what was to be written.
    pub(super) const fn keeps_all_from_writing(&self) -> bool {
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
