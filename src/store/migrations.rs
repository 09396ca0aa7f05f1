//! The tables: which state they are in, and how they are brought up to date.
//!
//! The migrations are part of the program. None undoes another: a database is only ever brought forward.

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
/// With these bytes every SQLite database begins.
const SQLITE_HEADER: &[u8; 16] = b"SQLite format 3\0";

/// What a database is like, seen from this version of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    /// The file of a SQLite database is not there.
    Missing,
    /// It has no tables.
    Empty,
    /// It is ours, and these migrations are still to come.
    Behind(Vec<String>),
    /// It is ours and up to date.
    UpToDate,
    /// It is ours and up to date, but the row of `leadership` is lost: nobody can lead.
    NoLeadership,
    /// It is ours, but a newer version has been at it: these migrations are unknown here.
    Newer(Vec<String>),
    /// It is another program's: these are its tables.
    Foreign(Vec<String>),
}

/// A migration that the program knows.
struct Known {
    version: String,
    name: String,
}

impl Store {
    /// Which state the tables are in. Creates and changes nothing.
    ///
    /// # Errors
    /// The database cannot be read, or the file is not a SQLite database.
    pub async fn schema(&self) -> Result<SchemaState, StoreError> {
        let url = self.url.clone();
        let inspected = blocking(move || Ok(inspect(&url))).await;
        inspected.map_err(|source| StoreError::ReadSchema { database: self.url.to_string(), source })?
    }

    /// Makes the tables or brings them up to date; the names of what was applied. Another program's database, and one of a
    /// newer version of this program, are left as they are, to the byte. One that is up to date is not written to.
    ///
    /// # Errors
    /// The database is not ours or newer than this program, or a migration failed: then none was applied.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        self.bring_up_to_date(OpenMode::Create).await
    }

    /// The same for a database that has its tables: it makes none, since a wrong path, or a disk that is not mounted, would
    /// look like a database without campaigns.
    ///
    /// # Errors
    /// As [`Store::migrate`]; the database is not there, or empty.
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

/// What can be said from the file alone, before SQLite is let near it.
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

/// SQLite would only say that it cannot open the file.
fn refuse_missing_folder(url: &DatabaseUrl) -> Result<(), StoreError> {
    let folder = url.sqlite_path().and_then(|file| std::path::absolute(file).ok()?.parent().map(Path::to_path_buf));
    folder.filter(|folder| !folder.exists()).map_or(Ok(()), |folder| Err(StoreError::NoFolder(folder)))
}

fn migrate(url: &DatabaseUrl, mode: OpenMode) -> Result<Vec<String>, StoreError> {
    // Looked at before it is opened for writing: opening alone may change a file.
    let state = inspect(url)?;
    refuse(&state, mode, url)?;
    // Whoever only wants to know that it is up to date waits for no other writer, and needs no right to write.
    if state == SchemaState::UpToDate && has_its_log(url)? {
        return Ok(Vec::new());
    }
    let outcome = match &url.target {
        Target::Sqlite(path) => sqlite::open(path, mode).and_then(|mut connection| {
            let outcome = migrate_here(&mut connection)?;
            if outcome.0.is_ours() {
                // Readers and the one writer do not wait for each other. The file keeps the setting.
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

/// All missing migrations in one transaction, in which the state is looked at once more: another process may have been
/// faster. The state found, and the names applied.
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
            names.push("the lost row of `leadership`".to_owned());
        }
        Ok((found, names))
    })
}

/// Whether readers and the one writer do not wait for each other. A file that was restored from a back-up may have lost
/// the setting.
fn has_its_log(url: &DatabaseUrl) -> Result<bool, StoreError> {
    let fault = |error| StoreError::ReadSchema { database: url.to_string(), source: Fault::File(error) };
    match &url.target {
        Target::Sqlite(path) => sqlite::has_write_ahead_log(path).map_err(fault),
        Target::Postgres(_) => Ok(true),
    }
}

/// Refuses what is not ours to change. Tables are made where the database is made, and nowhere else.
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
    /// Whether this program may bring it up to date.
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

/// How each database is asked about its tables.
trait SchemaConnection: StoreConnection + MigrationHarness<<Self as Connection>::Backend> {
    const MIGRATIONS: EmbeddedMigrations;

    /// In the order in which they are applied.
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

    /// Applies what is missing; the versions applied.
    fn apply_missing(&mut self) -> Result<Vec<String>, Fault> {
        let applied = self.run_pending_migrations(Self::MIGRATIONS).map_err(Fault::Migration)?;
        Ok(applied.iter().map(ToString::to_string).collect())
    }

    /// Tables and views, without the database's own.
    fn table_names(&mut self) -> Result<Vec<String>, Fault>;
    fn applied_versions(&mut self) -> Result<Vec<String>, Fault>;
    /// Keeps others from migrating until the transaction ends.
    fn lock_migrations(&mut self) -> Result<(), Fault>;
    /// Whether nobody can lead, since the row of `leadership` is lost. Never where a lock on a file says who leads.
    fn lacks_leadership(&mut self) -> Result<bool, Fault> {
        Ok(false)
    }
    /// Makes that row again, if it is lost; whether it was.
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

    /// The immediate transaction keeps every other writer out already.
    fn lock_migrations(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

impl SchemaConnection for PgConnection {
    const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

    /// Those of the schema in which unqualified names are made, whether or not we may read them.
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

    /// A table may be large, and another process be at it: neither is a reason to give up.
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

/// The number by which all that migrate one PostgreSQL database know their lock: the letters of `traffmig`.
const MIGRATIONS_LOCK_KEY: i64 = i64::from_be_bytes(*b"traffmig");

diesel::table! {
    // PostgreSQL's list of what there is.
    pg_class (relname) {
        relname -> Text,
        relkind -> Text,
    }
}

diesel::table! {
    // SQLite's list of what there is.
    sqlite_schema (name) {
        name -> Text,
        #[sql_name = "type"]
        kind -> Text,
    }
}
