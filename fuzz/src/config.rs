//! A config file, as an operator's editor left it, and variables: below a line `---`, one `NAME=VALUE` a line.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use traffic_generator::config::{Config, Environment};

use super::expected::micros_of_text;

const FILE: &str = "config.toml";
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Stands for a password where a database's URL may hold one.
const SECRET: &str = "hunter2";

/// Every value is within its bounds, or each problem is a line that says where it is.
pub fn check(bytes: &[u8]) {
    let Ok(all) = std::str::from_utf8(bytes) else { return };
    let (text, variables) = all.split_once("\n---\n").unwrap_or((all, ""));
    let environment: Environment = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let shown = match Config::parse(Path::new(FILE), text, &environment) {
        Ok(config) => {
            check_bounds(&config);
            check_written(&config, text, &environment);
            check_warnings(&config);
            assert!(config.changes_to(&config) == traffic_generator::config::Changes::default());
            format!("{config:?}")
        }
        Err(errors) => {
            let lines: Vec<String> = errors.lines().collect();
            assert!(!lines.is_empty(), "refused without a reason");
            for line in &lines {
                check_problem(line, text, &environment);
            }
            format!("{errors}{errors:?}")
        }
    };
    if holds_secrets_in_urls_alone(all) {
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

/// A problem is one line that begins with its place.
fn check_problem(line: &str, text: &str, environment: &Environment) {
    assert!(!line.contains(char::is_control), "{line:?}");
    if let Some(place) = line.strip_prefix(&format!("{FILE}:")) {
        let (number, message) = place.split_once(": ").unwrap_or_else(|| panic!("no message: {line}"));
        let number: usize = number.parse().unwrap_or_else(|_| panic!("no line number: {line}"));
        assert!((1..=text.matches('\n').count() + 1).contains(&number) && !message.is_empty(), "{line}");
    } else {
        let escaped = |name: &str| {
            name.chars()
                .flat_map(|letter| match letter.is_control() {
                    true => letter.escape_default().collect(),
                    false => vec![letter],
                })
                .collect::<String>()
        };
        assert!(environment.keys().any(|name| line.starts_with(&format!("{}: ", escaped(name)))), "no place: {line}");
    }
}

fn check_warnings(config: &Config) {
    assert_eq!(
        config.warnings.len(),
        usize::from(config.trafficstar.requests_per_minute > 100) + usize::from(config.trafficstar.timeout.is_zero())
    );
}

fn check_bounds(config: &Config) {
    let (database, control, remote) = (&config.database, &config.control, &config.trafficstar);
    let policy = &config.generator;
    assert!(["sqlite", "postgres", "postgresql"].contains(&database.url.scheme()));
    assert!((DAY..=DAY * 36_500).contains(&database.keep_history));
    let socket = control.socket.as_os_str();
    assert!(!socket.is_empty() && socket.len() <= 107 && control.mode <= 0o777);
    assert!(remote.requests_per_minute >= 1);
    assert!(remote.timeout <= DAY * 365 && remote.confirm_within <= DAY * 365);
    let is_loopback =
        ["localhost", "127.", "[::1]"].iter().any(|host| remote.base_url.starts_with(&format!("http://{host}")));
    assert!(remote.base_url.starts_with("https://") || is_loopback, "{}", remote.base_url);
    assert!(!remote.base_url.ends_with('/') && !remote.base_url.contains(['?', '#']), "{}", remote.base_url);
    assert!(policy.activate_clicks > policy.pause_clicks);
    assert!(policy.day_end > NaiveTime::MIN);
    assert_eq!(policy.confirm_within.to_std().ok(), Some(remote.confirm_within));
    let spans =
        [policy.cooldown, policy.stored_spend_max_age, policy.contested_backoff.unwrap_or_default(), policy.tick];
    let now: DateTime<Utc> = "2026-11-22T23:59:30Z".parse().expect("a time");
    for span in spans {
        assert!((TimeDelta::zero()..=TimeDelta::days(365)).contains(&span), "{span}");
    }
    let next = policy.next_grid_point(now);
    assert!(policy.tick >= TimeDelta::milliseconds(100) && next > now && next - now <= policy.tick, "{next}");
}

/// What TOML's own parser reads in the file is in force, where no variable says otherwise.
fn check_written(config: &Config, text: &str, environment: &Environment) {
    if !environment.is_empty() {
        return;
    }
    let table: toml::Table = toml::from_str(text).unwrap_or_else(|error| panic!("it was taken for TOML: {error}"));
    let written = |name: &str| table.get("generator").and_then(|section| section.get(name));
    let policy = &config.generator;
    let clicks =
        |name: &str, default: u64| written(name).map_or(Some(default), |value| value.as_integer()?.try_into().ok());
    assert_eq!(clicks("activate_clicks", 15_000), Some(policy.activate_clicks.0));
    assert_eq!(clicks("pause_clicks", 5_000), Some(policy.pause_clicks.0));
    let limit = written("spend_limit").map_or(Some(10_000_000), |value| micros_of_text(value.as_str()?));
    assert_eq!(limit, Some(policy.spend_limit.micros()));
    assert_eq!(written("mode").map_or(Some("act"), toml::Value::as_str), Some(policy.mode.as_str()));
}

/// Whether the secret stands nowhere but in the value of a line `url = …`, where a database's password may be.
fn holds_secrets_in_urls_alone(text: &str) -> bool {
    let is_url = |line: &str| {
        let named = line.split_once('=').filter(|(name, _)| !name.contains(SECRET));
        named.is_some_and(|(name, _)| ["url", "TRAFFIC_GENERATOR__DATABASE__URL"].contains(&name.trim()))
    };
    let mut section = "";
    for line in text.lines() {
        if line.starts_with('[') || line == "---" {
            section = line;
        }
        if line.contains(SECRET) && !(is_url(line) && ["[database]", "---"].contains(&section)) {
            return false;
        }
    }
    // Over several lines, quotes and brackets make something else of what looks like a line of its own.
    !["\"\"\"", "'''"].iter().any(|quotes| text.contains(quotes))
}
