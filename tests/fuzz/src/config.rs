//! A config file, and variables: below a line `---`, each line is `NAME=VALUE`.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use traffic_generator::config::{Config, Environment};
use traffic_generator::domain::money::Money;

use super::expected::micros_of_text;

const FILE: &str = "config.toml";
const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);
/// The password in the inputs, where a database's URL may have one.
const SECRET: &str = "hunter2";

/// Either every value is within its bounds, or each problem is one line that says where it is.
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

/// A problem is one line, and begins with its place.
fn check_problem(line: &str, text: &str, environment: &Environment) {
    assert!(!line.contains(char::is_control), "{line:?}");
    if line.starts_with(&format!("{FILE}: the file gives no key")) {
        let is_key = |line: &str| !line.trim_start().starts_with('#') && line.contains('=') && !line.contains('{');
        assert!(!text.lines().any(is_key), "it has a key: {text}");
        return;
    }
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
    let remote = &config.trafficstar;
    // Without TLS the server is a stand-in on this machine, which has no account's limit.
    let is_account = remote.base_url.starts_with("https://");
    let odd = [is_account && remote.requests_per_minute > 100, remote.timeout.is_zero()];
    assert_eq!(config.warnings.len(), odd.into_iter().filter(|odd| *odd).count());
}

fn check_bounds(config: &Config) {
    let (database, control, remote) = (&config.database, &config.control, &config.trafficstar);
    let policy = &config.generator;
    let schemes = ["sqlite://", "postgres://", "postgresql://"];
    assert!(schemes.iter().any(|scheme| database.url.expose().trim_start().starts_with(scheme)));
    assert!((DAY..=DAY * 36_500).contains(&database.keep_history));
    let socket = control.socket.as_os_str();
    assert!(!socket.is_empty() && socket.len() <= 107 && control.mode <= 0o777 && control.mode & 0o002 == 0);
    assert!(remote.requests_per_minute >= 1);
    assert!(remote.timeout <= MINUTE * 5 && remote.confirm_within <= MINUTE * 15);
    assert!(remote.base_url.starts_with("https://") || is_of_this_machine(&remote.base_url), "{}", remote.base_url);
    assert!(!remote.base_url.ends_with('/') && !remote.base_url.contains(['?', '#']), "{}", remote.base_url);
    assert!(policy.activate_clicks > policy.pause_clicks);
    let high_pause = policy.high_pause_clicks.unwrap_or(policy.pause_clicks);
    assert!(policy.high_activate_clicks.unwrap_or(policy.activate_clicks) > high_pause);
    assert!(policy.day_end > NaiveTime::MIN);
    assert_eq!(policy.confirm_within.to_std().ok(), Some(remote.confirm_within));
    let spans =
        [policy.cooldown, policy.stored_spend_max_age, policy.contested_backoff.unwrap_or_default(), policy.tick];
    let now: DateTime<Utc> = "2026-11-22T23:59:30Z".parse().expect("a time");
    for span in spans {
        assert!((TimeDelta::zero()..=TimeDelta::days(1)).contains(&span), "{span}");
    }
    assert!(policy.tick <= TimeDelta::hours(1) && policy.spend_limit > Money::ZERO);
    let next = policy.next_grid_point(now);
    assert!(policy.tick >= TimeDelta::milliseconds(100) && next > now && next - now <= policy.tick, "{next}");
}

/// Whether a URL is plain http to this machine.
fn is_of_this_machine(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let host = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(host, _)| host);
    let is_loopback = |address: Ipv4Addr| address.octets().first() == Some(&127);
    ["localhost", "[::1]"].contains(&host) || host.parse().is_ok_and(is_loopback)
}

/// The notation of a key's value.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Number,
    Flag,
    Amount,
    Span,
    Clock,
    Bits,
}

impl Kind {
    /// Returns the meaning of a variable's text, in a form that can be compared. `None` if it is no such value, or a
    /// span in a notation that this test does not read.
    fn meaning(self, text: &str) -> Option<String> {
        match self {
            Self::Text | Self::Flag => Some(text.to_owned()),
            Self::Number => Some(text.parse::<i64>().ok()?.to_string()),
            Self::Amount => Some(micros_of_text(text)?.to_string()),
            Self::Span => Some(milliseconds(text)?.to_string()),
            Self::Clock => {
                let (hour, minute) = text.split_once(':')?;
                let (hour, minute): (u32, u32) = (hour.trim().parse().ok()?, minute.trim().parse().ok()?);
                Some(NaiveTime::from_hms_opt(hour, minute, 0)?.to_string())
            }
            Self::Bits => Some(u32::from_str_radix(text, 8).ok()?.to_string()),
        }
    }

    /// Returns the meaning of a value in the file. Numbers and flags have no quotes there; all other values have them.
    fn meaning_in_file(self, value: &toml::Value) -> Option<String> {
        match self {
            Self::Number => Some(value.as_integer()?.to_string()),
            Self::Flag => Some(value.as_bool()?.to_string()),
            Self::Text | Self::Amount | Self::Span | Self::Clock | Self::Bits => self.meaning(value.as_str()?),
        }
    }
}

/// The milliseconds of a span like `1h 30m`.
fn milliseconds(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    text.split(' ').try_fold(0_u64, |sum, part| {
        let digits = part.len() - part.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let (number, unit) = part.split_at(digits);
        let (_, length) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        sum.checked_add(number.parse::<u64>().ok()?.checked_mul(length)?)
    })
}

/// Section, key, notation, the default as an operator writes it, and the value that was read.
type Read = (&'static str, &'static str, Kind, Option<&'static str>, Option<String>);

/// Returns the values in force, key by key.
fn in_force(config: &Config) -> Vec<Read> {
    let (remote, policy) = (&config.trafficstar, &config.generator);
    let path = |path: &Path| Some(path.display().to_string());
    let text = |text: &str| Some(text.to_owned());
    let number = |number: u64| Some(number.to_string());
    let span = |span: Duration| Some(span.as_millis().to_string());
    let delta = |span: TimeDelta| Some(span.num_milliseconds().to_string());
    let flag = |flag: bool| Some(flag.to_string());
    let database = &config.database;
    vec![
        ("database", "url", Kind::Text, Some("sqlite://traffic-generator.db"), text(database.url.expose())),
        ("database", "password_file", Kind::Text, None, database.password_file.as_deref().and_then(path)),
        ("database", "keep_history", Kind::Span, Some("90d"), span(database.keep_history)),
        ("control", "socket", Kind::Text, Some("traffic-generator.sock"), path(&config.control.socket)),
        ("control", "mode", Kind::Bits, Some("0600"), number(config.control.mode.into())),
        ("trafficstar", "api_key_file", Kind::Text, Some("/etc/traffic-generator/api-key"), path(&remote.api_key_file)),
        ("trafficstar", "requests_per_minute", Kind::Number, Some("90"), number(remote.requests_per_minute.into())),
        ("trafficstar", "timeout", Kind::Span, Some("15s"), span(remote.timeout)),
        ("trafficstar", "confirm_within", Kind::Span, Some("30s"), span(remote.confirm_within)),
        ("generator", "tick", Kind::Span, Some("1m"), delta(policy.tick)),
        ("generator", "cooldown", Kind::Span, Some("2m"), delta(policy.cooldown)),
        ("generator", "spend_limit", Kind::Amount, Some("10.00"), Some(policy.spend_limit.micros().to_string())),
        ("generator", "activate_clicks", Kind::Number, Some("15000"), number(policy.activate_clicks.0)),
        ("generator", "pause_clicks", Kind::Number, Some("5000"), number(policy.pause_clicks.0)),
        ("generator", "day_end", Kind::Clock, Some("23:59"), Some(policy.day_end.to_string())),
        ("generator", "high_spend", Kind::Text, Some("observe"), text(policy.high_spend.as_str())),
        (
            "generator",
            "high_activate_clicks",
            Kind::Number,
            None,
            policy.high_activate_clicks.and_then(|clicks| number(clicks.0)),
        ),
        (
            "generator",
            "high_pause_clicks",
            Kind::Number,
            None,
            policy.high_pause_clicks.and_then(|clicks| number(clicks.0)),
        ),
        ("generator", "contested_after", Kind::Number, Some("6"), number(policy.contested_after.into())),
        ("generator", "contested_backoff", Kind::Span, None, policy.contested_backoff.and_then(delta)),
        ("generator", "stored_spend_max_age", Kind::Span, Some("30m"), delta(policy.stored_spend_max_age)),
        ("generator", "adopt_sets_end_time", Kind::Flag, Some("false"), flag(policy.adopt_sets_end_time)),
        ("generator", "mode", Kind::Text, Some("act"), text(policy.mode.as_str())),
        ("log", "filter", Kind::Text, Some("info"), text(config.log.filter.as_str())),
    ]
}

/// The value in force is the variable's; without one, what TOML's own parser reads in the file; else the default.
fn check_written(config: &Config, text: &str, environment: &Environment) {
    let table: toml::Table = toml::from_str(text).unwrap_or_else(|error| panic!("no TOML, but accepted: {error}"));
    for (section, key, kind, default, read) in in_force(config) {
        let variable = environment.get(&format!("TRAFFIC_GENERATOR__{section}__{key}").to_uppercase());
        let in_file = table.get(section).and_then(|section| section.get(key));
        let meant = match (variable, in_file) {
            (Some(text), _) => kind.meaning(text),
            (None, Some(value)) => kind.meaning_in_file(value),
            (None, None) => default.and_then(|text| kind.meaning(text)),
        };
        // A span has notations that this test does not read.
        let is_other_span = kind == Kind::Span && meant.is_none() && (variable.is_some() || in_file.is_some());
        assert!(meant == read || is_other_span, "[{section}] {key} is {read:?}, but its text means {meant:?}");
    }
}

/// Whether the secret occurs only where a password may be: in a line `url = …` of the database, or before the `@` of a
/// line `base_url = …`, where it is refused.
fn holds_secrets_in_urls_alone(text: &str) -> bool {
    let is_hidden = |section: &str, line: &str| {
        let Some((name, value)) = line.split_once('=').filter(|(name, _)| !name.contains(SECRET)) else { return false };
        match (section, name.trim()) {
            ("[database]", "url") | ("---", "TRAFFIC_GENERATOR__DATABASE__URL") => true,
            ("[trafficstar]", "base_url") | ("---", "TRAFFIC_GENERATOR__TRAFFICSTAR__BASE_URL") => is_password(value),
            _ => false,
        }
    };
    let mut section = "";
    for line in text.lines() {
        if line.starts_with('[') || line == "---" {
            section = line;
        }
        if line.contains(SECRET) && !is_hidden(section, line) {
            return false;
        }
    }
    // Within multi-line strings a line that looks like a section or a key is part of a value.
    !["\"\"\"", "'''"].iter().any(|quotes| text.contains(quotes))
}

/// Whether the secret occurs only as the URL's password.
fn is_password(written: &str) -> bool {
    let Some((before, after)) = written.trim().split_once(SECRET) else { return false };
    let user = before.trim_start_matches('"').strip_prefix("https://").and_then(|before| before.strip_suffix(':'));
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    user.is_some_and(is_word) && after.strip_prefix('@').is_some_and(|host| !host.contains(SECRET))
}
