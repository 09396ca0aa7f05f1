//! What an operator configures: `config.toml`, overridden by the environment.
//!
//! [`Config::load`] reads both, checks every key, and hands back either values that make sense or every problem at once.
//! The one list of keys is the functions below that ask `Settings` for them: a key that nobody asks for is unknown.
//! `config.toml` in the project's root shows each key with its default; a test compares the two.
//!
//! Deliberately absent: command-line arguments (`cli`), a campaign's own overrides (`store`), and connecting to anything.

mod changes;
mod error;
mod secret;
mod settings;
#[cfg(test)]
mod tests;
mod trust;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use changes::Changes;
pub use error::{ConfigError, ConfigErrors, Place};
pub use secret::{API_KEY_FILE, ApiKeyError, ExposedSecret};
pub use value::{LogFilter, LogFilterError, LogFormat};

use crate::domain::policy::{Policy, PolicyNumbers};
use crate::store::DatabaseUrl;
use settings::Settings;
pub(crate) use settings::suggestion;

/// Environment variables, name to value.
pub type Environment = BTreeMap<String, String>;

/// Where a config is looked for when none is named, in this order.
const DEFAULT_FILES: [&str; 2] = ["config.toml", "/etc/traffic-generator/config.toml"];

/// Requests that TrafficStars allows one account in any 60 seconds.
const ACCOUNT_REQUESTS_PER_MINUTE: u32 = 100;

/// Everything that an operator configures, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file it came from.
    pub file: PathBuf,
    /// Where campaigns, promises and the journal are stored.
    pub database: DatabaseConfig,
    /// The socket that operators talk to.
    pub control: ControlConfig,
    /// The remote.
    pub trafficstar: TrafficStarConfig,
    /// The rules' numbers, which a campaign may override.
    pub generator: Policy,
    /// What is logged, and how.
    pub log: LogConfig,
    /// The keys that the file or the environment gives, as `section.key`. The others have their defaults.
    pub given: BTreeSet<String>,
    /// What is allowed and still looks like a mistake, a line each, for the operator.
    pub warnings: Vec<String>,
}

/// `[database]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// A file, or a server.
    pub url: DatabaseUrl,
    /// The file that holds the server's password, unless the URL or the environment does: see
    /// [`Config::database_password`].
    pub password_file: Option<PathBuf>,
    /// How long the journal and the spends of past days are kept.
    pub keep_history: Duration,
}

/// `[control]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlConfig {
    /// The Unix socket; a relative path starts at the working directory.
    pub socket: PathBuf,
    /// Its permission bits.
    pub mode: u32,
}

/// `[trafficstar]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficStarConfig {
    /// Scheme, host and perhaps a path, without a slash at its end.
    pub base_url: String,
    /// The file that holds the API key, unless the environment does: see [`Config::api_key`].
    pub api_key_file: PathBuf,
    /// At most this many requests in any 60 seconds.
    pub requests_per_minute: u32,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long after an accepted action a read may still show the old state; the policy holds the same value.
    pub confirm_within: Duration,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Which lines are written.
    pub filter: LogFilter,
    /// For people or for programs.
    pub format: LogFormat,
}

/// The variables of this process. What is not UTF-8 is kept as far as it goes: if it is ours, its value is refused.
#[must_use]
pub fn process_environment() -> Environment {
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect()
}

impl Config {
    /// Reads `file`, or the first default file that exists, and lets `environment` override it.
    ///
    /// # Errors
    /// There is no such file, it cannot be read, or anything in it or in the environment is unknown or wrong: all of it. A
    /// file of the working directory that nobody named may be somebody else's.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, ConfigErrors> {
        match file {
            Some(file) => Self::load_first(&[file], true, environment),
            None => Self::load_first(&DEFAULT_FILES.map(Path::new), false, environment),
        }
    }

    fn load_first(files: &[&Path], named: bool, environment: &Environment) -> Result<Self, ConfigErrors> {
        for file in files {
            let opened = match File::open(file) {
                Ok(opened) => opened,
                Err(cause) if cause.kind() == ErrorKind::NotFound => continue,
                // A file that is there and cannot be read is not passed over for another one: the operator meant it.
                Err(cause) => return Err(ConfigError::Unreadable(file.to_path_buf(), cause).into()),
            };
            let text = Self::text(file, opened, named || file.is_absolute())?;
            return Self::parse(file, &text, environment);
        }
        let searched = files.iter().map(|file| file.to_path_buf()).collect();
        Err(ConfigError::NoFile(searched).into())
    }

    fn text(file: &Path, mut opened: File, trusted: bool) -> Result<String, ConfigError> {
        let unreadable = |cause| ConfigError::Unreadable(file.to_path_buf(), cause);
        if !trusted && let Some(doubt) = trust::doubt(file, &opened).map_err(unreadable)? {
            return Err(ConfigError::Doubtful(file.to_path_buf(), doubt));
        }
        let mut text = String::new();
        opened.read_to_string(&mut text).map_err(unreadable)?;
        Ok(text)
    }

    /// Checks the text of a config file together with `environment`.
    ///
    /// # Errors
    /// Everything that is unknown or wrong in either; of a text that is not TOML, the first place.
    pub fn parse(file: &Path, text: &str, environment: &Environment) -> Result<Self, ConfigErrors> {
        let mut settings = Settings::read(file, text, environment)?;
        let database = read_database(&mut settings);
        let control = read_control(&mut settings);
        let trafficstar = read_trafficstar(&mut settings);
        let numbers = read_generator(&mut settings, &trafficstar);
        let log = read_log(&mut settings);
        let given = settings.given();
        let (generator, warnings) = settings.finish(numbers.validate())?;
        Ok(Self { file: file.to_path_buf(), database, control, trafficstar, generator, log, given, warnings })
    }
}

fn read_database(settings: &mut Settings<'_>) -> DatabaseConfig {
    let section = "database";
    DatabaseConfig {
        url: settings.get(section, "url", DatabaseUrl::default(), value::database_url),
        password_file: settings.get(section, "password_file", None, |raw| value::path(raw).map(Some)),
        keep_history: settings.get(section, "keep_history", Duration::from_hours(24 * 90), value::keeping),
    }
}

fn read_control(settings: &mut Settings<'_>) -> ControlConfig {
    ControlConfig {
        socket: settings.get("control", "socket", "traffic-generator.sock".into(), value::socket_path),
        mode: settings.get("control", "mode", 0o600, value::permission_bits),
    }
}

fn read_trafficstar(settings: &mut Settings<'_>) -> TrafficStarConfig {
    let section = "trafficstar";
    let config = TrafficStarConfig {
        base_url: settings.get(section, "base_url", "https://api.trafficstars.com".to_owned(), value::base_url),
        api_key_file: settings.get(section, "api_key_file", "/etc/traffic-generator/api-key".into(), value::path),
        requests_per_minute: settings.get(section, "requests_per_minute", 90, |raw| value::whole_number(raw, 1)),
        timeout: settings.get(section, "timeout", Duration::from_secs(15), value::timeout),
        confirm_within: settings.get(section, "confirm_within", Duration::from_secs(30), value::confirmation),
    };
    // Plain http is for a stand-in on this machine, which has no account's limit.
    if config.requests_per_minute > ACCOUNT_REQUESTS_PER_MINUTE && config.base_url.starts_with("https://") {
        let (asked, allowed) = (config.requests_per_minute, ACCOUNT_REQUESTS_PER_MINUTE);
        settings.warn(section, "requests_per_minute", &format!("{asked} is more than the {allowed} of an account"));
    }
    if config.timeout.is_zero() {
        settings.warn(section, "timeout", "without any time every request fails");
    }
    config
}

/// Of the high-spend policies that are not there yet.
const HIGH_SPEND_KEYS: [&str; 7] = [
    "daily_budget",
    "high_activate_clicks",
    "high_pause_clicks",
    "price_per_thousand",
    "top_up_ceiling",
    "top_up_wait",
    "warn_at",
];

fn read_generator(settings: &mut Settings<'_>, trafficstar: &TrafficStarConfig) -> PolicyNumbers {
    let section = "generator";
    let default = PolicyNumbers::default();
    let numbers = PolicyNumbers {
        tick: settings.get(section, "tick", default.tick, value::tick),
        cooldown: settings.get(section, "cooldown", default.cooldown, value::time_delta),
        spend_limit: settings.get(section, "spend_limit", default.spend_limit, value::spend_limit),
        activate_clicks: settings.get(section, "activate_clicks", default.activate_clicks, value::clicks),
        pause_clicks: settings.get(section, "pause_clicks", default.pause_clicks, value::clicks),
        day_end: settings.get(section, "day_end", default.day_end, value::time_of_day),
        high_spend: settings.get(section, "high_spend", default.high_spend, value::word),
        confirm_within: chrono::Duration::from_std(trafficstar.confirm_within).unwrap_or(default.confirm_within),
        answer_within: chrono::Duration::from_std(trafficstar.timeout).unwrap_or(default.answer_within),
        contested_after: settings
            .get(section, "contested_after", default.contested_after, |raw| value::whole_number(raw, 0)),
        contested_backoff: settings
            .get(section, "contested_backoff", default.contested_backoff, |raw| value::time_delta(raw).map(Some)),
        stored_spend_max_age: settings.get(
            section,
            "stored_spend_max_age",
            default.stored_spend_max_age,
            value::time_delta,
        ),
        midnight_doubt: settings.get(section, "midnight_doubt", default.midnight_doubt, value::time_delta),
        implausible_clicks: settings
            .get(section, "implausible_clicks", default.implausible_clicks, |raw| value::clicks(raw).map(Some)),
        adopt_sets_end_time: settings.get(section, "adopt_sets_end_time", default.adopt_sets_end_time, value::boolean),
        mode: settings.get(section, "mode", default.mode, value::word),
    };
    settings.refuse_until_it_works(section, &HIGH_SPEND_KEYS);
    // Every config.toml that came with an earlier version has it: an upgrade must not end the guard.
    settings.warn_of(section, "top_up_interval", "has no effect: delete it");
    numbers
}

fn read_log(settings: &mut Settings<'_>) -> LogConfig {
    LogConfig {
        filter: settings.get("log", "filter", LogFilter::default(), value::word),
        format: settings.get("log", "format", LogFormat::Text, value::word),
    }
}
