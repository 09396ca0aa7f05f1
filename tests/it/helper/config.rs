//! The guard's config file.

use std::path::Path;
use std::time::Duration;

use chrono::NaiveDate;
use toml::{Table, Value};

/// Long enough for the requests of an activation, on a machine with much to do.
pub(crate) const TICK: Duration = Duration::from_millis(700);

/// What goes into config.toml: short times, and no limit that a test would run into, unless it sets one.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    table: Table,
}

impl Default for Config {
    fn default() -> Self {
        let empty = Self { table: Table::new() };
        empty
            .set("trafficstar", "requests_per_minute", 100_000)
            .set("trafficstar", "timeout", "10s")
            .set("trafficstar", "confirm_within", "3s")
            .set("generator", "tick", format!("{}ms", TICK.as_millis()))
            .set("generator", "cooldown", "2s")
            .set("generator", "day_end", "23:59")
            // Tests that run in the hours after midnight are about other things.
            .set("generator", "midnight_doubt", "0s")
            .set("log", "filter", "info,traffic_generator=debug")
    }
}

impl Config {
    /// The same with another value.
    pub(crate) fn set(mut self, section: &str, key: &str, value: impl Into<Value>) -> Self {
        let section = self.table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        section.as_table_mut().unwrap().insert(key.to_owned(), value.into());
        self
    }

    pub(crate) fn generator(self, key: &str, value: impl Into<Value>) -> Self {
        self.set("generator", key, value)
    }

    /// The same on this database, unless it names one already.
    pub(super) fn on_database(self, url: &str) -> Self {
        if self.table.get("database").is_some_and(|section| section.get("url").is_some()) {
            return self;
        }
        self.set("database", "url", url)
    }

    /// Where the database is.
    pub(super) fn database_url(&self) -> &str {
        self.table["database"]["url"].as_str().unwrap()
    }

    /// The end time that activations of a day get, as it travels.
    pub(crate) fn day_end_on(&self, day: NaiveDate) -> String {
        let day_end = self.table["generator"]["day_end"].as_str().unwrap();
        format!("{day} {day_end}:00")
    }

    pub(super) fn write(&self, file: &Path) {
        std::fs::write(file, self.table.to_string()).unwrap();
    }
}
