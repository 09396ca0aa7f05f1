//! What differs between two configs, and what of it a running supervisor can take over.

use super::{Config, ControlConfig, DatabaseConfig, LogConfig, TrafficStarConfig};
use crate::domain::policy::PolicyNumbers;

/// The keys that differ, as `section.key`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// A running supervisor can take them over.
    pub at_run_time: Vec<&'static str>,
    /// It has to be started anew.
    pub needs_restart: Vec<&'static str>,
    /// They were given, and are not any more: their defaults count.
    pub vanished: Vec<String>,
}

impl Changes {
    /// Whether keys are lost, and something would change at run time: a default that comes into force, or the last value
    /// before the cut.
    #[must_use]
    pub fn may_be_cut_off(&self) -> bool {
        !self.vanished.is_empty() && !self.at_run_time.is_empty()
    }
}

/// Those keys of a section that differ, of the fields before `;`. The others of its type stand behind that, so that a new key has
/// to say here whether it needs a restart.
macro_rules! changed {
    ($section:literal, $present:expr, $fresh:expr, $type:ident { $($key:ident),*; $($other:ident),* }) => {{
        let $type { $($key,)* $($other: _,)* } = $present;
        let keys = [$((concat!($section, ".", stringify!($key)), *$key != $fresh.$key)),*];
        keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect::<Vec<&'static str>>()
    }};
}

impl Config {
    /// How `fresh` differs from this one.
    #[must_use]
    pub fn changes_to(&self, fresh: &Self) -> Changes {
        let Self { file: _, database, control, trafficstar, generator, log, given, warnings: _ } = self;
        let at_run_time = [
            changed_numbers(generator, &fresh.generator),
            changed!("trafficstar", trafficstar, fresh.trafficstar, TrafficStarConfig {
                confirm_within;
                base_url, api_key_file, requests_per_minute, timeout
            }),
            changed!("log", log, fresh.log, LogConfig { filter; format }),
        ];
        let needs_restart = [
            changed!("database", database, fresh.database, DatabaseConfig { url, password_file, keep_history; }),
            changed!("control", control, fresh.control, ControlConfig { socket, mode; }),
            changed!("trafficstar", trafficstar, fresh.trafficstar, TrafficStarConfig {
                base_url, api_key_file, requests_per_minute, timeout;
                confirm_within
            }),
            changed!("log", log, fresh.log, LogConfig { format; filter }),
        ];
        let vanished = given.difference(&fresh.given).cloned().collect();
        Changes { at_run_time: at_run_time.concat(), needs_restart: needs_restart.concat(), vanished }
    }

    /// Takes over from `fresh` what a running supervisor can.
    pub fn take_over(&mut self, fresh: Self) {
        self.generator = fresh.generator.answered_within(self.generator.answer_within);
        self.trafficstar.confirm_within = fresh.trafficstar.confirm_within;
        self.log.filter = fresh.log.filter;
        self.given = fresh.given;
    }
}

fn changed_numbers(present: &PolicyNumbers, fresh: &PolicyNumbers) -> Vec<&'static str> {
    changed!("generator", present, fresh, PolicyNumbers {
        tick, cooldown, spend_limit, activate_clicks, pause_clicks, day_end, high_spend, contested_after,
        contested_backoff, stored_spend_max_age, midnight_doubt, implausible_clicks, adopt_sets_end_time, mode;
        // They are [trafficstar]'s, where they are configured.
        confirm_within, answer_within
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Environment;

    fn parse(text: &str) -> Config {
        Config::parse(Path::new("config.toml"), text, &Environment::new()).unwrap()
    }

    #[test]
    fn each_key_that_differs_is_named_once_and_what_can_be_is_taken_over() {
        let mut present = parse("[generator]\nmode = \"act\"");
        let fresh = parse(
            r#"
            [database]
            url = "sqlite://other.db"
            password_file = "other"
            keep_history = "7d"
            [control]
            socket = "other.sock"
            mode = "0660"
            [trafficstar]
            base_url = "https://other.example"
            api_key_file = "other"
            requests_per_minute = 10
            timeout = "1s"
            confirm_within = "2s"
            [generator]
            tick = "3s"
            cooldown = "4s"
            spend_limit = "5.00"
            activate_clicks = 600
            pause_clicks = 7
            day_end = "08:00"
            contested_after = 9
            contested_backoff = "10m"
            stored_spend_max_age = "11m"
            midnight_doubt = "12m"
            implausible_clicks = 1000000
            adopt_sets_end_time = true
            mode = "observe"
            [log]
            filter = "warn"
            format = "json"
            "#,
        );
        let changes = present.changes_to(&fresh);
        // high_spend has one value.
        assert_eq!(changes.at_run_time.len(), 15, "{changes:#?}");
        assert_eq!(changes.needs_restart.len(), 10, "{changes:#?}");
        present.take_over(fresh.clone());
        let left = present.changes_to(&fresh);
        assert_eq!(left, Changes { needs_restart: changes.needs_restart, ..Changes::default() });
        assert_eq!(fresh.changes_to(&fresh), Changes::default());
    }

    #[test]
    fn a_config_that_lost_keys_may_be_cut_off_if_anything_changes() {
        let present = parse(
            "[generator]\nmode = \"observe\"\nspend_limit = \"3.00\"\npause_clicks = 5000\n[log]\nformat = \"json\"",
        );
        let whole = "[generator]\nmode = \"observe\"\nspend_limit = \"3.00\"\npause_clicks = 5000\n";
        let json = "[log]\nformat = \"json\"";
        let cases = [
            ("a default would come into force", json.to_owned(), true),
            ("cut off within a number", whole.replace("5000", "5"), true),
            ("only what is the default anyway is lost", whole.replace("pause_clicks = 5000\n", "") + json, false),
            ("changed, and nothing lost", whole.replace("observe", "act") + json, false),
        ];
        for (name, text, expected) in cases {
            assert_eq!(present.changes_to(&parse(&text)).may_be_cut_off(), expected, "{name}");
        }
    }
}
