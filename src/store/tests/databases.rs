//! Fresh databases for tests: every rule of the store is shown on each kind that the program can use.

use std::path::PathBuf;

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use tempfile::TempDir;

use super::super::{DatabaseUrl, Store};

/// An empty database that lives as long as this.
pub(super) struct TestDatabase {
    pub(super) url: DatabaseUrl,
    pub(super) folder: TempDir,
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = diesel::sql_types::Text)]
    answer: String,
}

impl TestDatabase {
    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("test.db").display()).parse().unwrap();
        Self { url, folder }
    }

    /// A store whose tables are there.
    pub(super) async fn store(&self) -> Store {
        let store = Store::connect(&self.url).unwrap();
        store.migrate().await.unwrap();
        store
    }

    /// What another program does, by a connection of its own.
    pub(super) fn execute(&self, sql: &str) {
        self.connection().batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// What another program reads: one text.
    pub(super) fn read(&self, expression: &str) -> String {
        let query = format!("SELECT CAST(({expression}) AS TEXT) AS answer");
        diesel::sql_query(query).get_result::<Answer>(&mut self.connection()).unwrap().answer
    }

    fn connection(&self) -> SqliteConnection {
        let mut connection = SqliteConnection::establish(&self.file().to_string_lossy()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON").unwrap();
        connection
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

/// Shows a rule on a fresh database of each kind.
pub(super) async fn on_every_database(rule: impl AsyncFn(TestDatabase)) {
    rule(TestDatabase::sqlite()).await;
}
