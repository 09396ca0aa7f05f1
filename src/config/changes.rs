//! The differences between two configs, and which of them a running supervisor can apply.

use super::{Config, ControlConfig, DatabaseConfig, DisplayConfig, LogConfig, MetricsConfig, TrafficStarConfig};
use crate::domain::policy::PolicyNumbers;

/// The keys that differ, as `section.key`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The changed keys that a running supervisor can apply.
    pub at_run_time: Vec<&'static str>,
    /// The changed keys that take effect only after a restart.
    pub needs_restart: Vec<&'static str>,
    /// The keys that were given before and are no longer given: their defaults count now.
    pub vanished: Vec<String>,
    /// The names of the groups that are no longer in the config.
    pub removed_groups: Vec<String>,
}

impl Changes {
    /// Whether the new file may be incomplete, such as one that is still being written. It counts as incomplete if keys
    /// have vanished and a value would change at run time: to a default, or to a value that was cut.
    #[must_use]
    pub fn may_be_cut_off(&self) -> bool {
        !self.vanished.is_empty() && !self.at_run_time.is_empty()
    }

    /// Returns a warning for each group that is no longer in the config: the campaigns that name it start nothing.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.removed_groups.iter().map(|name| {
            format!(
                "the group {name} is no longer in the config: a campaign that names it is not started; \
                 `traffic-generator check` lists these campaigns, and `campaign set ID --group default` takes one out \
                 of the group"
            )
        })
    }
}

/// Returns the keys of a section that differ. Every field of the type has to be listed: those to compare before `;`,
/// the others after it. So the compiler asks of each new field whether a reload applies it or a restart is needed.
macro_rules! changed {
    ($section:literal, $present:expr, $fresh:expr, $type:ident { $($key:ident),*; $($other:ident),* }) => {{
        let $type { $($key,)* $($other: _,)* } = $present;
        let keys = [$((concat!($section, ".", stringify!($key)), *$key != $fresh.$key)),*];
        keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect::<Vec<&'static str>>()
    }};
}

impl Config {
    /// Returns the differences between this config and `fresh`.
    #[must_use]
    pub fn changes_to(&self, fresh: &Self) -> Changes {
        let Self {
            file: _,
            database,
            control,
            trafficstar,
            generator,
            metrics,
            alerts,
            receivers,
            display,
            log,
            given,
            warnings: _,
        } = self;
        let changes_alerts = *alerts != fresh.alerts || *receivers != fresh.receivers;
        let at_run_time = [
            changed_numbers(generator, &fresh.generator),
            changed!("trafficstar", trafficstar, fresh.trafficstar, TrafficStarConfig {
                confirm_within;
                base_url, api_key_file, requests_per_minute, timeout
            }),
            changed!("display", display, fresh.display, DisplayConfig { time_zone, digest; }),
            changes_alerts.then_some("alerts").into_iter().collect(),
            changed!("log", log, fresh.log, LogConfig { filter; format }),
        ];
        let needs_restart = [
            changed!("database", database, fresh.database, DatabaseConfig { url, password_file, keep_history; }),
            changed!("control", control, fresh.control, ControlConfig { socket, mode; }),
            changed!("trafficstar", trafficstar, fresh.trafficstar, TrafficStarConfig {
                base_url, api_key_file, requests_per_minute, timeout;
                confirm_within
            }),
            changed!("metrics", metrics, fresh.metrics, MetricsConfig { listen, per_campaign; }),
            changed!("log", log, fresh.log, LogConfig { format; filter }),
        ];
        let vanished = given.difference(&fresh.given).cloned().collect();
        let is_removed = |name: &String| !fresh.generator.groups.iter().any(|group| group.name == *name);
        let removed_groups = generator.groups.iter().map(|group| group.name.clone()).filter(is_removed).collect();
        let (at_run_time, needs_restart) = (at_run_time.concat(), needs_restart.concat());
        Changes { at_run_time, needs_restart, vanished, removed_groups }
    }

    /// Copies the values from `fresh` that a running supervisor can apply.
    pub fn take_over(&mut self, fresh: Self) {
        self.generator = fresh.generator.answered_within(self.generator.answer_within);
        self.trafficstar.confirm_within = fresh.trafficstar.confirm_within;
        self.alerts = fresh.alerts;
        self.receivers = fresh.receivers;
        self.display = fresh.display;
        self.log.filter = fresh.log.filter;
        self.given = fresh.given;
    }
}

fn changed_numbers(present: &PolicyNumbers, fresh: &PolicyNumbers) -> Vec<&'static str> {
    let shared =
        [("groups", present.groups != fresh.groups), ("account", present.account_limit != fresh.account_limit)];
    let shared = shared.into_iter().filter(|(_, differs)| *differs).map(|(section, _)| section);
    let mut changed = changed!("generator", present, fresh, PolicyNumbers {
        tick, cooldown, spend_limit, warn_at, activate_clicks, pause_clicks, day_end, high_spend,
        high_activate_clicks, high_pause_clicks, price_per_thousand, top_up_ceiling, top_up_wait, top_up_interval,
        daily_budget, contested_after,
        contested_backoff, stored_spend_max_age, midnight_doubt, implausible_clicks, adopt_sets_end_time, mode;
        // These are configured in other sections: the first two are compared above.
        groups, account_limit, confirm_within, answer_within
    });
    changed.extend(shared);
    changed
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
    fn each_changed_key_is_named_once_and_only_keys_that_need_a_restart_keep_their_value() {
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
            warn_at = "70%"
            high_spend = "pause"
            high_activate_clicks = 500
            high_pause_clicks = 5
            price_per_thousand = "0.2"
            top_up_ceiling = "50"
            top_up_wait = "5m"
            top_up_interval = "6m"
            daily_budget = "6.00"
            contested_after = 9
            contested_backoff = "10m"
            stored_spend_max_age = "11m"
            midnight_doubt = "12m"
            implausible_clicks = 1000000
            adopt_sets_end_time = true
            mode = "observe"
            [[groups]]
            name = "shoes"
            [account]
            spend_limit = "500.00"
            high_spend = "pause"
            [metrics]
            listen = "127.0.0.1:9464"
            per_campaign = true
            [[alerts]]
            name = "ops"
            url = "http://127.0.0.1:1/"
            template = "slack"
            [display]
            time_zone = "Europe/Berlin"
            digest = "08:00"
            [log]
            filter = "warn"
            format = "json"
            "#,
        );
        let changes = present.changes_to(&fresh);
        assert_eq!(changes.at_run_time.len(), 29, "{changes:#?}");
        assert_eq!(changes.needs_restart.len(), 12, "{changes:#?}");
        present.take_over(fresh.clone());
        let left = present.changes_to(&fresh);
        assert_eq!(left, Changes { needs_restart: changes.needs_restart, ..Changes::default() });
        assert_eq!(fresh.changes_to(&fresh), Changes::default());
    }

    #[test]
    fn a_config_may_be_cut_off_if_keys_vanished_and_a_value_changes() {
        let present = parse(
            "[generator]\nmode = \"observe\"\nspend_limit = \"3.00\"\npause_clicks = 5000\n[log]\nformat = \"json\"\n\
             [[groups]]\nname = \"shoes\"\nspend_limit = \"9.00\"\nhigh_spend = \"pause\"\n",
        );
        let whole = "[generator]\nmode = \"observe\"\nspend_limit = \"3.00\"\npause_clicks = 5000\n";
        let json = "[log]\nformat = \"json\"\n";
        let group = "[[groups]]\nname = \"shoes\"\nspend_limit = \"9.00\"\nhigh_spend = \"pause\"\n";
        let nothing_cut = [whole, json, group].concat();
        let cases = [
            ("a default would come into force", [json, group].concat(), true),
            ("cut off within a number", whole.replace("5000", "5"), true),
            ("a group has vanished", [whole, json].concat(), true),
            ("a group's limit has vanished", nothing_cut.replace("spend_limit = \"9.00\"\n", ""), true),
            ("only a key with its default value has vanished", nothing_cut.replace("pause_clicks = 5000\n", ""), false),
            ("a value has changed, and no key has vanished", nothing_cut.replace("observe", "act"), false),
        ];
        for (name, text, expected) in cases {
            assert_eq!(present.changes_to(&parse(&text)).may_be_cut_off(), expected, "{name}");
        }
    }
}
