//! The tables: reading the state of their schema, and bringing it up to date.
//!
//! The migrations are compiled into the program. There is no way back: no migration undoes another one.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel::sqlite::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::{StoreConnection, blocking};
use super::error::{Fault, StoreError};
use super::lease;
use super::postgres::{self, PgConnection};
use super::schema::__diesel_schema_migrations as migrations_table;
use super::sqlite::{self, OpenMode};
use super::url::Target;
use super::{DatabaseUrl, Store};

const MIGRATIONS_TABLE: &str = "__diesel_schema_migrations";
/// The first bytes of every SQLite database.
const SQLITE_HEADER: &[u8; 16] = b"SQLite format 3\0";

/// The state of a database's schema, as this version of the program sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    /// The file of a SQLite database does not exist.
    Missing,
    /// The database has no tables.
    Empty,
    /// The database is the program's own, and migrations are missing. Holds their names.
    Behind(Vec<String>),
    /// The database is the program's own and up to date.
    UpToDate,
    /// The database is up to date, but the row of the table `leadership` is missing, so no supervisor can lead.
    NoLeadership,
    /// A newer version of the program has migrated the database. Holds the versions of the migrations that are unknown
    /// here.
    Newer(Vec<String>),
    /// The database belongs to another program. Holds the names of its tables.
    Foreign(Vec<String>),
}

/// A migration that this version of the program has.
struct Known {
    version: String,
    name: String,
}

impl Store {
    /// Reads the state of the schema. It creates and changes nothing.
    ///
    /// # Errors
    /// The database cannot be read, or the file is not a SQLite database.
    pub async fn schema(&self) -> Result<SchemaState, StoreError> {
        let url = self.url.clone();
        let inspected = blocking(move || Ok(inspect(&url))).await;
        inspected.map_err(|source| StoreError::ReadSchema { database: self.url.to_string(), source })?
    }

    /// Creates the tables or brings them up to date. Returns the names of the applied migrations. It does not change a
    /// byte of another program's database, of a database of a newer version, or of one that is up to date.
    ///
    /// # Errors
    /// The database is another program's or a newer version's, or a migration failed. Then no migration was applied.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        self.bring_up_to_date(OpenMode::Create).await
    }

    /// Like [`Store::migrate`], but only for a database that already has its tables. It never creates a database: at a
    /// wrong path, or on a disk that is not mounted, that would hide the operator's mistake behind an empty database.
    ///
    /// # Errors
    /// As [`Store::migrate`]; also if the database does not exist, or is empty.
    pub async fn upgrade(&self) -> Result<Vec<String>, StoreError> {
        self.bring_up_to_date(OpenMode::ReadWrite).await
    }

    async fn bring_up_to_date(&self, mode: OpenMode) -> Result<Vec<String>, StoreError> {
        let url = self.url.clone();
        let migrated = blocking(move || Ok(migrate(&url, mode))).await;
        migrated.map_err(|source| StoreError::Migrate { database: self.url.to_string(), source })?
    }
}

fn inspect(url: &DatabaseUrl) -> Result<SchemaState, StoreError> {
    let fault = |source| StoreError::ReadSchema { database: url.to_string(), source };
    match &url.target {
        Target::Sqlite(path) => {
            if let Some(state) = judge_file(path, url)? {
                return Ok(state);
            }
            let state = sqlite::open(path, OpenMode::ReadOnly).and_then(|mut connection| {
                sqlite::refuse_damage(&mut connection)?;
                read_state(&mut connection)
            });
            state.map_err(fault)
        }
        Target::Postgres(server) => postgres::open(server)
            .map_err(Fault::from)
            .and_then(|mut connection| read_state(&mut connection))
            .map_err(fault),
    }
}

/// Judges the file by its first bytes, before SQLite opens it. `None` if it begins like a SQLite database.
fn judge_file(path: &Path, url: &DatabaseUrl) -> Result<Option<SchemaState>, StoreError> {
    let fault = |error| StoreError::ReadSchema { database: url.to_string(), source: Fault::File(error) };
    let mut beginning = Vec::new();
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some(SchemaState::Missing)),
        opened => opened.map_err(fault)?,
    };
    file.take(SQLITE_HEADER.len() as u64).read_to_end(&mut beginning).map_err(fault)?;
    if beginning.is_empty() {
        return Ok(Some(SchemaState::Empty));
    }
    if beginning != SQLITE_HEADER {
        return Err(StoreError::NotADatabase { path: path.to_owned() });
    }
    Ok(None)
}

/// Returns an error that names the folder, if the folder of a new database is missing. SQLite's own error would only
/// say that it cannot open the file.
fn refuse_missing_folder(url: &DatabaseUrl) -> Result<(), StoreError> {
    let folder = url.sqlite_path().and_then(|file| std::path::absolute(file).ok()?.parent().map(Path::to_path_buf));
    folder.filter(|folder| !folder.exists()).map_or(Ok(()), |folder| Err(StoreError::NoFolder(folder)))
}

fn migrate(url: &DatabaseUrl, mode: OpenMode) -> Result<Vec<String>, StoreError> {
    // The state is read before the file is opened for writing, since opening alone may change a file.
    let state = inspect(url)?;
    refuse(&state, mode, url)?;
    // A database that is up to date is not opened for writing: that would wait for other writers, and need the right to
    // write.
    if state == SchemaState::UpToDate && has_write_ahead_log(url)? {
        return Ok(Vec::new());
    }
    let outcome = match &url.target {
        Target::Sqlite(path) => sqlite::open(path, mode).and_then(|mut connection| {
            let outcome = migrate_here(&mut connection)?;
            if outcome.0.is_ours() {
                // With a write-ahead log, readers and the writer do not wait for each other. The file keeps the
                // setting.
                connection.batch_execute("PRAGMA journal_mode = WAL")?;
            }
            Ok(outcome)
        }),
        Target::Postgres(server) => {
            postgres::open(server).map_err(Fault::from).and_then(|mut connection| migrate_here(&mut connection))
        }
    };
    let (found, applied) = outcome.map_err(|source| StoreError::Migrate { database: url.to_string(), source })?;
    refuse(&found, OpenMode::Create, url)?;
    Ok(applied)
}

/// Applies all missing migrations in one transaction. The transaction reads the state once more, since another process
/// may have been faster. Returns the state before the migrations, and the names of the applied ones.
fn migrate_here<C: SchemaConnection>(connection: &mut C) -> Result<(SchemaState, Vec<String>), Fault> {
    connection.write(|connection| {
        connection.lock_migrations()?;
        let found = read_state(connection)?;
        if !found.is_ours() {
            return Ok((found, Vec::new()));
        }
        let applied = connection.apply_missing()?;
        let known = C::known_migrations()?;
        let names = known.into_iter().filter(|known| applied.contains(&known.version)).map(|known| known.name);
        let mut names: Vec<String> = names.collect();
        if connection.restore_leadership()? {
            names.push("the missing row of `leadership`".to_owned());
        }
        Ok((found, names))
    })
}

/// Whether the database file is set to a write-ahead log. A file that was restored from a back-up may have lost the
/// setting.
fn has_write_ahead_log(url: &DatabaseUrl) -> Result<bool, StoreError> {
    let fault = |error| StoreError::ReadSchema { database: url.to_string(), source: Fault::File(error) };
    match &url.target {
        Target::Sqlite(path) => sqlite::has_write_ahead_log(path).map_err(fault),
        Target::Postgres(_) => Ok(true),
    }
}

/// Returns an error for a database that must not be changed. Only [`OpenMode::Create`] creates tables in an empty
/// database.
fn refuse(state: &SchemaState, mode: OpenMode, url: &DatabaseUrl) -> Result<(), StoreError> {
    let database = url.to_string();
    match state {
        SchemaState::Missing if mode != OpenMode::Create => Err(StoreError::NoDatabase { database }),
        SchemaState::Missing => refuse_missing_folder(url),
        SchemaState::Empty if mode != OpenMode::Create => Err(StoreError::NoTables { database }),
        SchemaState::Foreign(tables) => Err(StoreError::Foreign { database, tables: tables.clone() }),
        SchemaState::Newer(versions) => Err(StoreError::Newer { database, versions: versions.clone() }),
        SchemaState::Empty | SchemaState::Behind(_) | SchemaState::UpToDate | SchemaState::NoLeadership => Ok(()),
    }
}

impl SchemaState {
    /// Whether this program may bring the database up to date.
    const fn is_ours(&self) -> bool {
        match self {
            Self::Missing | Self::Empty | Self::Behind(_) | Self::UpToDate | Self::NoLeadership => true,
            Self::Newer(_) | Self::Foreign(_) => false,
        }
    }

    fn judge(tables: Vec<String>, applied: &[String], known: &[Known]) -> Self {
        if tables.is_empty() {
            return Self::Empty;
        }
        let is_ours = known.first().is_some_and(|first| applied.contains(&first.version));
        if !is_ours {
            return Self::Foreign(tables);
        }
        let unknown: Vec<String> =
            applied.iter().filter(|version| known.iter().all(|known| known.version != **version)).cloned().collect();
        if !unknown.is_empty() {
            return Self::Newer(unknown);
        }
        let pending: Vec<String> =
            known.iter().filter(|known| !applied.contains(&known.version)).map(|known| known.name.clone()).collect();
        if pending.is_empty() { Self::UpToDate } else { Self::Behind(pending) }
    }
}

fn read_state<C: SchemaConnection>(connection: &mut C) -> Result<SchemaState, Fault> {
    let tables = connection.table_names()?;
    let applied =
        if tables.iter().any(|table| table == MIGRATIONS_TABLE) { connection.applied_versions()? } else { Vec::new() };
    let state = SchemaState::judge(tables, &applied, &C::known_migrations()?);
    if state == SchemaState::UpToDate && connection.lacks_leadership()? {
        return Ok(SchemaState::NoLeadership);
    }
    Ok(state)
}

/// The statements about the schema, which differ between the databases.
trait SchemaConnection: StoreConnection + MigrationHarness<<Self as Connection>::Backend> {
    const MIGRATIONS: EmbeddedMigrations;

    /// Returns the program's migrations, in the order in which they are applied.
    fn known_migrations() -> Result<Vec<Known>, Fault> {
        let migrations: Vec<Box<dyn Migration<Self::Backend>>> =
            Self::MIGRATIONS.migrations().map_err(Fault::Migration)?;
        let mut known: Vec<Known> = migrations
            .iter()
            .map(|migration| migration.name())
            .map(|name| Known { version: name.version().to_string(), name: name.to_string() })
            .collect();
        known.sort_unstable_by(|one, other| one.version.cmp(&other.version));
        Ok(known)
    }

    /// Applies the missing migrations. Returns their versions.
    fn apply_missing(&mut self) -> Result<Vec<String>, Fault> {
        let applied = self.run_pending_migrations(Self::MIGRATIONS).map_err(Fault::Migration)?;
        Ok(applied.iter().map(ToString::to_string).collect())
    }

    /// Returns the names of the tables and views, without the database's internal ones.
    fn table_names(&mut self) -> Result<Vec<String>, Fault>;
    /// Returns the versions of the applied migrations.
    fn applied_versions(&mut self) -> Result<Vec<String>, Fault>;
    /// Keeps other processes from migrating until the transaction ends.
    fn lock_migrations(&mut self) -> Result<(), Fault>;
    /// Whether the row of the table `leadership` is missing, so that no supervisor can lead. Always false for SQLite,
    /// where a lock on a file decides leadership.
    fn lacks_leadership(&mut self) -> Result<bool, Fault> {
        Ok(false)
    }
    /// Restores that row if it is missing. Returns whether it was missing.
    fn restore_leadership(&mut self) -> Result<bool, Fault> {
        Ok(false)
    }
}

impl SchemaConnection for SqliteConnection {
    const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

    fn table_names(&mut self) -> Result<Vec<String>, Fault> {
        Ok(sqlite_schema::table
            .filter(sqlite_schema::kind.eq_any(["table", "view"]))
            .filter(sqlite_schema::name.not_like("sqlite\\_%").escape('\\'))
            .order(sqlite_schema::name)
            .select(sqlite_schema::name)
            .load(self)?)
    }

    fn applied_versions(&mut self) -> Result<Vec<String>, Fault> {
        Ok(migrations_table::table.order(migrations_table::version).select(migrations_table::version).load(self)?)
    }

    /// Does nothing: the immediate transaction already keeps every other writer out.
    fn lock_migrations(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

impl SchemaConnection for PgConnection {
    const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

    /// Returns the tables of the schema in which PostgreSQL creates unqualified names, also those that this user may
    /// not read.
    fn table_names(&mut self) -> Result<Vec<String>, Fault> {
        Ok(pg_class::table
            .filter(pg_class::relkind.eq_any(["r", "p", "v", "m", "f"]))
            .filter(sql::<Bool>("relnamespace = current_schema()::regnamespace"))
            .order(pg_class::relname)
            .select(pg_class::relname)
            .load(self)?)
    }

    fn applied_versions(&mut self) -> Result<Vec<String>, Fault> {
        Ok(migrations_table::table.order(migrations_table::version).select(migrations_table::version).load(self)?)
    }

    /// Raises the time limits first: a migration of a large table, or another process's migration, may take long.
    fn lock_migrations(&mut self) -> Result<(), Fault> {
        self.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '1min'")?;
        diesel::sql_query("SELECT pg_advisory_xact_lock($1)").bind::<BigInt, _>(MIGRATIONS_LOCK_KEY).execute(self)?;
        Ok(())
    }

    fn lacks_leadership(&mut self) -> Result<bool, Fault> {
        Ok(lease::is_lost(self)?)
    }

    fn restore_leadership(&mut self) -> Result<bool, Fault> {
        Ok(lease::restore(self)?)
    }
}

/// The key of the advisory lock that every process takes to migrate a PostgreSQL database: the letters of `traffmig`.
const MIGRATIONS_LOCK_KEY: i64 = i64::from_be_bytes(*b"traffmig");

diesel::table! {
    // PostgreSQL's catalogue of tables and views.
    pg_class (relname) {
        relname -> Text,
        relkind -> Text,
    }
}

diesel::table! {
    // SQLite's catalogue of tables and views.
    sqlite_schema (name) {
        name -> Text,
        #[sql_name = "type"]
        kind -> Text,
    }
}
