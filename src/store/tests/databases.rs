//! New databases for tests: every test of the store runs on each kind of database that the program supports.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tempfile::TempDir;

use super::super::sqlite::OpenMode;
use super::super::url::Target;
use super::super::{DatabaseUrl, Store, postgres, sqlite};
use super::server;

/// A database for one test. It is empty at first, and a SQLite file is removed on drop.
pub(super) struct TestDatabase {
    pub(super) url: DatabaseUrl,
    /// The folder of a SQLite database; empty for a PostgreSQL one.
    folder: TempDir,
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = diesel::sql_types::Text)]
    answer: String,
}

/// Runs a test on a new database of each kind.
pub(super) fn on_every_database(rule: impl AsyncFn(TestDatabase)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        rule(TestDatabase::sqlite()).await;
        if let Some(database) = TestDatabase::postgres() {
            rule(database).await;
        }
    });
}

/// Like [`on_every_database`], with the tables created.
pub(super) fn on_every_store(rule: impl AsyncFn(TestDatabase, Store)) {
    on_every_database(async |database| {
        let store = database.store().await;
        rule(database, store).await;
    });
}

/// Like [`on_every_store`], with one campaign.
pub(super) fn with_one_campaign(rule: impl AsyncFn(TestDatabase, Store)) {
    on_every_store(async |database, store| {
        database.execute(super::ONE_CAMPAIGN);
        rule(database, store).await;
    });
}

impl TestDatabase {
    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("test.db").display()).parse().unwrap();
        Self { url, folder }
    }

    /// `None` on a machine without PostgreSQL.
    pub(super) fn postgres() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Self::at(&server::shared_server("postgres")?).execute(&format!("CREATE DATABASE {name}"));
        server::shared_server(&name).map(|url| Self::at(&url))
    }

    /// Returns the existing database at `url`.
    pub(super) fn at(url: &str) -> Self {
        Self { url: url.parse().unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    /// Returns a new database of the same kind.
    pub(super) fn another(&self) -> Self {
        match self.url.sqlite_path() {
            Some(_) => Self::sqlite(),
            None => Self::postgres().unwrap(),
        }
    }

    /// Returns a store, with the tables created.
    pub(super) async fn store(&self) -> Store {
        let store = Store::connect(&self.url);
        store.migrate().await.unwrap();
        store
    }

    /// Executes SQL over a connection of its own, as another program would.
    pub(super) fn execute(&self, sql: &str) {
        self.by_another_program(
            |connection| connection.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}")),
            |connection| connection.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}")),
        );
    }

    /// Reads one value as text over a connection of its own, as another program would.
    pub(super) fn read(&self, expression: &str) -> String {
        let query = || diesel::sql_query(format!("SELECT CAST(({expression}) AS TEXT) AS answer"));
        self.by_another_program(
            |connection| query().get_result::<Answer>(connection).unwrap().answer,
            |connection| query().get_result::<Answer>(connection).unwrap().answer,
        )
    }

    /// Runs the work on a thread of its own, since the test's thread runs asynchronous tasks.
    fn by_another_program<T: Send>(
        &self,
        on_sqlite: impl FnOnce(&mut SqliteConnection) -> T + Send,
        on_postgres: impl FnOnce(&mut postgres::PgConnection) -> T + Send,
    ) -> T {
        let work = || match &self.url.target {
            Target::Sqlite(path) => on_sqlite(&mut sqlite::open(path, OpenMode::Create).unwrap()),
            Target::Postgres(server) => on_postgres(&mut postgres::open(server).unwrap()),
        };
        std::thread::scope(|threads| threads.spawn(work).join().unwrap())
    }

    /// Returns every table with its columns.
    pub(super) fn columns(&self) -> Vec<(String, Vec<String>)> {
        let words = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let tables = match self.url.sqlite_path() {
            Some(_) => {
                "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE type = 'table' \
                 AND name NOT LIKE 'sqlite%' ORDER BY name)"
            }
            None => "SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'",
        };
        let of_table = |table: String| {
            let columns = match self.url.sqlite_path() {
                Some(_) => format!("SELECT group_concat(name) FROM pragma_table_info('{table}')"),
                None => format!(
                    "SELECT string_agg(column_name, ',' ORDER BY ordinal_position) FROM information_schema.columns \
                     WHERE table_name = '{table}'"
                ),
            };
            (table, words(self.read(&columns)))
        };
        words(self.read(tables)).into_iter().map(of_table).collect()
    }

    /// Describes the whole schema (tables, columns, keys, indexes) and the applied migrations.
    pub(super) fn description(&self) -> String {
        let schema = match self.url.sqlite_path() {
            Some(_) => "SELECT group_concat(sql, '; ') FROM (SELECT sql FROM sqlite_schema ORDER BY name)",
            None => {
                "SELECT string_agg(line, '; ' ORDER BY line) FROM ( \
                 SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default, is_identity) AS line \
                 FROM information_schema.columns WHERE table_schema = 'public' \
                 UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' \
                 UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint \
                 WHERE connamespace = 'public'::regnamespace) AS lines"
            }
        };
        let versions = match self.url.sqlite_path() {
            Some(_) => "SELECT group_concat(version) FROM (SELECT version FROM __diesel_schema_migrations ORDER BY 1)",
            None => "SELECT string_agg(version, ',' ORDER BY version) FROM __diesel_schema_migrations",
        };
        format!("{}; {}", self.read(schema), self.read(versions))
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    /// Returns every file with its bytes, to compare them before and after.
    pub(super) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = paths.map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect();
        files.sort();
        files
    }
}

/// Returns the SQL that creates a database as the program left it after this migration. The file of 000004 has only the
/// changes since 000002.
pub(super) fn frozen(database: &TestDatabase, migration: &str) -> String {
    let kind = if database.url.sqlite_path().is_some() { "sqlite" } else { "postgres" };
    let read = |migration: &str| {
        let file = format!("{}/tests/data/{kind}-after-{migration}.sql", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(file).unwrap()
    };
    if migration == "000004" { read("000002") + &read(migration) } else { read(migration) }
}
