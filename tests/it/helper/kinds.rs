//! The same test on both kinds of database.

use std::sync::atomic::{AtomicU32, Ordering};

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;

use super::{Config, in_parallel};
use crate::postgres::shared_server;

/// Tries a test on SQLite and on PostgreSQL, both at once: they mostly wait. On a machine without PostgreSQL, which is said
/// loudly, on SQLite alone.
pub(crate) fn on_both_databases(test: impl Fn(Config) + Sync) {
    let postgres = postgres_database().map(|url| Config::default().set("database", "url", url));
    in_parallel([Some(Config::default()), postgres].into_iter().flatten(), test);
}

/// The URL of a fresh database on the server that all tests share.
fn postgres_database() -> Option<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("world_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let mut server = AsyncConnectionWrapper::<AsyncPgConnection>::establish(&shared_server("postgres")?).unwrap();
    server.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    shared_server(&name)
}
