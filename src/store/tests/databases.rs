//! Fresh databases for tests: every rule of the store is shown on each kind that the program can use.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tempfile::TempDir;

use super::super::sqlite::OpenMode;
use super::super::url::Target;
use super::super::{DatabaseUrl, Store, postgres, sqlite};
use super::server;

/// An empty database that lives as long as this.
pub(super) struct TestDatabase {
    pub(super) url: DatabaseUrl,
    /// Where a SQLite database is; empty beside a PostgreSQL one.
    folder: TempDir,
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = diesel::sql_types::Text)]
    answer: String,
}

/// Shows a rule on a fresh database of each kind.
pub(super) async fn on_every_database(rule: impl AsyncFn(TestDatabase)) {
    rule(TestDatabase::sqlite()).await;
    if let Some(database) = TestDatabase::postgres() {
        rule(database).await;
    }
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
        let socket_folder = server::socket_folder()?;
        let at_server = |name: &str| Self {
            url: format!("postgres://guard@{}/{name}", socket_folder.replace('/', "%2F")).parse().unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        at_server("postgres").execute(&format!("CREATE DATABASE {name}"));
        Some(at_server(&name))
    }

    /// A store whose tables are there.
    pub(super) async fn store(&self) -> Store {
        let store = Store::connect(&self.url);
        store.migrate().await.unwrap();
        store
    }

    /// What another program does, by a connection of its own.
    pub(super) fn execute(&self, sql: &str) {
        self.by_another_program(
            |connection| connection.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}")),
            |connection| connection.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}")),
        );
    }

    /// What another program reads: one value as text.
    pub(super) fn read(&self, expression: &str) -> String {
        let query = || diesel::sql_query(format!("SELECT CAST(({expression}) AS TEXT) AS answer"));
        self.by_another_program(
            |connection| query().get_result::<Answer>(connection).unwrap().answer,
            |connection| query().get_result::<Answer>(connection).unwrap().answer,
        )
    }

    /// On a thread of its own, since a test's thread runs asynchronous tasks.
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

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    /// Every file with its bytes, to compare before and after.
    pub(super) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = paths.map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect();
        files.sort();
        files
    }
}
