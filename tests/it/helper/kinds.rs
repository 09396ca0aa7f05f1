//! Runs a test on both kinds of database.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{Config, Database, in_parallel};
use crate::postgres::shared_server;

/// Runs a test on SQLite and on PostgreSQL, both at once, because they mostly wait. On a machine without PostgreSQL it
/// runs the test on SQLite alone, and prints a message.
pub(crate) fn on_both_databases(test: impl Fn(Config) + Sync) {
    let url = new_postgres_database().and_then(|name| shared_server(&name));
    let postgres = url.map(|url| Config::default().set("database", "url", url));
    in_parallel([Some(Config::default()), postgres].into_iter().flatten(), test);
}

/// Creates a database on the server that all tests share, and returns its name. Returns `None` on a machine without
/// PostgreSQL.
pub(super) fn new_postgres_database() -> Option<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("world_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    Database::open(&shared_server("postgres")?).execute(&format!("CREATE DATABASE {name}"));
    Some(name)
}
