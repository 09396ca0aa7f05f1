//! The guard's config file.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use chrono::NaiveDate;
use toml::{Table, Value};

/// The tick of most tests: long enough for the requests of an activation on a busy machine.
pub(crate) const TICK: Duration = Duration::from_millis(700);

/// The content of config.toml. The default has short times, and limits that no test reaches unless it sets its own.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    table: Table,
    /// The files beside config.toml, by name.
    files: Vec<(String, String)>,
}

impl Default for Config {
    fn default() -> Self {
        let empty = Self { table: Table::new(), files: Vec::new() };
        empty
            .set("trafficstar", "requests_per_minute", 100_000)
            .set("trafficstar", "timeout", "10s")
            .set("trafficstar", "confirm_within", "3s")
            .set("generator", "tick", format!("{}ms", TICK.as_millis()))
            .set("generator", "cooldown", "2s")
            .set("generator", "day_end", "23:59")
            // Otherwise a test that runs in the hours after midnight would wait for a spend that is no longer in doubt.
            .set("generator", "midnight_doubt", "0s")
            .set("log", "filter", "info,traffic_generator=debug")
    }
}

impl Config {
    /// Returns the same config with another value.
    pub(crate) fn set(mut self, section: &str, key: &str, value: impl Into<Value>) -> Self {
        let section = self.table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        section.as_table_mut().unwrap().insert(key.to_owned(), value.into());
        self
    }

    pub(crate) fn generator(self, key: &str, value: impl Into<Value>) -> Self {
        self.set("generator", key, value)
    }

    /// Returns the same config with one group of campaigns.
    pub(crate) fn group(mut self, name: &str, spend_limit: &str, high_spend: &str) -> Self {
        let keys = [("name", name), ("spend_limit", spend_limit), ("high_spend", high_spend)];
        let group = keys.map(|(key, value)| (key.to_owned(), Value::from(value)));
        self.table.insert("groups".to_owned(), Value::Array(vec![Value::Table(group.into_iter().collect())]));
        self
    }

    /// Returns the same config with a receiver of alerts: a command that takes every message. With it, each metric of alerts
    /// has a value.
    pub(crate) fn with_receiver(self) -> Self {
        let command: Vec<toml::Value> = vec!["/bin/true".into()];
        self.alert(&[("name", "ops".into()), ("command", command.into())])
    }

    /// Returns the same config with one more receiver of alerts. If a key comes twice, the later one counts.
    pub(crate) fn alert(mut self, keys: &[(&str, Value)]) -> Self {
        let section: Table = keys.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let sections = self.table.entry("alerts").or_insert_with(|| Value::Array(Vec::new()));
        sections.as_array_mut().unwrap().push(Value::Table(section));
        self
    }

    /// Returns the same config with a file beside it that only its owner may read. The guard's working directory is
    /// there, so that the file's name is its path.
    pub(crate) fn file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
    }

    /// Returns the same config with the keys, the lists of sections and the files of another one.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        for (name, section) in &other.table {
            if let (Some(Value::Table(own)), Value::Table(new)) = (self.table.get_mut(name), section) {
                own.extend(new.clone());
            } else {
                self.table.insert(name.clone(), section.clone());
            }
        }
        self.files.extend(other.files.iter().cloned());
        self
    }

    /// Returns the same config without a section.
    pub(crate) fn without(mut self, section: &str) -> Self {
        assert!(self.table.remove(section).is_some(), "there is no {section}");
        self
    }

    /// Returns the same config with this database, unless it names one already.
    pub(super) fn on_database(self, url: &str) -> Self {
        if self.table.get("database").is_some_and(|section| section.get("url").is_some()) {
            return self;
        }
        self.set("database", "url", url)
    }

    /// Whether this names a database of its own, and not the usual file.
    pub(crate) fn names_a_database(&self) -> bool {
        self.table.contains_key("database")
    }

    /// Returns the database's URL.
    pub(super) fn database_url(&self) -> &str {
        self.table["database"]["url"].as_str().unwrap()
    }

    /// Returns the end time of a day's activations, in the form that requests carry.
    pub(crate) fn day_end_on(&self, day: NaiveDate) -> String {
        let day_end = self.table["generator"]["day_end"].as_str().unwrap();
        format!("{day} {day_end}:00")
    }

    pub(super) fn write(&self, file: &Path) {
        std::fs::write(file, self.table.to_string()).unwrap();
        for (name, content) in &self.files {
            let beside = file.with_file_name(name);
            std::fs::write(&beside, content).unwrap();
            std::fs::set_permissions(&beside, Permissions::from_mode(0o600)).unwrap();
        }
    }
}
