//! This room reads the configuration: `config.toml`, overridden by the environment. It leaves command-line arguments to
//! `cli`, a campaign's own overrides to `store`, and the rules' default numbers to `domain`.
//!
//! [`Config::load`] reads both, checks every key, and returns either valid values or every problem at once. The
//! functions below that read keys from `Settings` are the only list of keys: a key that none of them reads is unknown.
//! `config.toml` in the project's root shows each key with its default; a test compares the two.
//!
//! Deliberately absent: connections to anything.
//!
//! # A new key
//!
//! 1. Add the field: a rule's number to `PolicyNumbers` in `domain/policy.rs` (with its default, and its bounds in
//!    `validate`), any other key to a struct of this file.
//! 2. Read it in one of the functions `read_…` below. `value.rs` has the kinds of values.
//! 3. Say in `changes.rs` whether a reload applies it or a restart is needed. The compiler asks for this in
//!    `changes_to`, but not in `take_over`, which copies what a reload applies, nor in the tests there.
//! 4. Write it into `config.toml` with a comment and its default: a test asks for it. A rule's number belongs in
//!    RULES.md, any other key in its topic of the manual (`cli/manual`).
//! 5. Add it to `tests.rs`: `every_key_sets_its_field`, and the list of keys without a default if it has none.
//! 6. Pass it to its user: `daemon.rs` and `daemon/roles.rs` build the actors from the config.
//! 7. If a campaign may override it, change these, too:
//!    - one migration for each database (`migrations`), and `store/schema.rs`;
//!    - the row and `policy` in `store/campaigns.rs`, and `store/catalog.rs`;
//!    - `actors/supervisor/catalog.rs`, and the types and `API.md` of `control`;
//!    - the option in `cli/campaign.rs`, and the manual's topic `campaigns`.

mod alert_values;
mod alerts;
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
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use alerts::{AlertConfig, DisplayConfig};
pub use changes::Changes;
pub use error::{ConfigError, ConfigErrors, Place};
pub use secret::{API_KEY_FILE, ApiKeyError, ExposedSecret};
pub use value::{LogFilter, LogFilterError, LogFormat};

use crate::alerts::receiver::Receiver;
use crate::domain::policy::{Group, HighSpend, Policy, PolicyError, PolicyNumbers, SharedLimit};
use crate::store::DatabaseUrl;
use alerts::{read_alerts, read_display, read_receivers};
use settings::Settings;
pub(crate) use settings::suggestion;

/// Environment variables, name to value.
pub type Environment = BTreeMap<String, String>;

/// The places where the program looks for a config file if the operator does not name one, in this order.
const DEFAULT_FILES: [&str; 2] = ["config.toml", "/etc/traffic-generator/config.toml"];

/// The number of requests that TrafficStars allows one account in any 60 seconds.
const ACCOUNT_REQUESTS_PER_MINUTE: u32 = 100;

/// The whole configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The path of the config file.
    pub file: PathBuf,
    /// The database with the campaigns, promises and the journal.
    pub database: DatabaseConfig,
    /// The control socket for operators.
    pub control: ControlConfig,
    /// The access to TrafficStars' API.
    pub trafficstar: TrafficStarConfig,
    /// The numbers of the rules, which a campaign may override.
    pub generator: Policy,
    /// The metrics for Prometheus.
    pub metrics: MetricsConfig,
    /// The receivers of alerts, as written.
    pub alerts: Vec<AlertConfig>,
    /// The receivers of alerts, with what their files contain. Empty unless [`Config::load_to_guard`] has read the files.
    pub receivers: Vec<Receiver>,
    /// How times are shown to people.
    pub display: DisplayConfig,
    /// The filter and the format of the log.
    pub log: LogConfig,
    /// The keys that the file or the environment gives, as `section.key`, or as
    /// `groups.name.key`. The other keys have their defaults.
    pub given: BTreeSet<String>,
    /// Warnings about values that are allowed but look like a mistake, one line each, for the operator.
    pub warnings: Vec<String>,
}

/// `[database]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// The database's URL: a SQLite file, or a PostgreSQL server.
    pub url: DatabaseUrl,
    /// The file with the server's password, if neither the URL nor the environment has it: see
    /// [`Config::database_password`].
    pub password_file: Option<PathBuf>,
    /// The time for which the journal and the spends of past days are kept.
    pub keep_history: Duration,
}

/// `[control]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlConfig {
    /// The path of the Unix socket; a relative path starts at the working directory.
    pub socket: PathBuf,
    /// The permission bits of the socket.
    pub mode: u32,
}

/// `[trafficstar]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficStarConfig {
    /// The URL of the API: scheme, host and perhaps a path, without a slash at its end.
    pub base_url: String,
    /// The file with the API key, if the environment does not have it: see [`Config::api_key`].
    pub api_key_file: PathBuf,
    /// The most requests in any 60 seconds.
    pub requests_per_minute: u32,
    /// The longest time for one request.
    pub timeout: Duration,
    /// The time after an accepted action in which a read may still show the old state. The policy holds the same value.
    pub confirm_within: Duration,
}

/// `[metrics]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsConfig {
    /// The TCP address that serves the metrics, beside the control socket: of this machine only. `None` for no address.
    pub listen: Option<SocketAddr>,
    /// Whether there are metrics of each single campaign.
    pub per_campaign: bool,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The filter that decides which lines are written.
    pub filter: LogFilter,
    /// The format of the lines: for people or for programs.
    pub format: LogFormat,
}

/// Returns the environment variables of this process. Bytes that are not UTF-8 are replaced; a variable of the program
/// with such a value is refused later.
#[must_use]
pub fn process_environment() -> Environment {
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect()
}

impl Config {
    /// Reads `file`, or the first default file that exists, and lets `environment` override it. This is for commands: the
    /// secrets of receivers of alerts are not read. They belong to the guard, and the operator of a command may not read
    /// them.
    ///
    /// # Errors
    /// There is no such file, or it cannot be read. Or a key or value in it or in the environment is unknown or wrong;
    /// the error then contains all of them. Or the file was found in the working directory, and another user may have
    /// written it.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, ConfigErrors> {
        Self::load_for(Reader::Command, file, environment)
    }

    /// Does the same for the guard, and for a check of what it would do: the files that receivers of alerts name are read,
    /// too.
    ///
    /// # Errors
    /// As [`Config::load`]; or such a file cannot be read, or what is in it is wrong.
    pub fn load_to_guard(file: Option<&Path>, environment: &Environment) -> Result<Self, ConfigErrors> {
        Self::load_for(Reader::Guard, file, environment)
    }

    fn load_for(reader: Reader, file: Option<&Path>, environment: &Environment) -> Result<Self, ConfigErrors> {
        match file {
            Some(file) => Self::load_first(reader, &[file], true, environment),
            None => Self::load_first(reader, &DEFAULT_FILES.map(Path::new), false, environment),
        }
    }

    fn load_first(
        reader: Reader,
        files: &[&Path],
        named: bool,
        environment: &Environment,
    ) -> Result<Self, ConfigErrors> {
        for file in files {
            let opened = match File::open(file) {
                Ok(opened) => opened,
                Err(cause) if cause.kind() == ErrorKind::NotFound => continue,
                // A command that runs as another user, by `runuser` or `sudo -u`, may stand in a folder that this user
                // may not even search. No config there can be meant.
                Err(cause) if cause.kind() == ErrorKind::PermissionDenied && !named && is_hidden(file) => continue,
                // A file that exists but cannot be read is an error. The program does not use the next file instead,
                // since the operator meant this one.
                Err(cause) => return Err(ConfigError::Unreadable(file.to_path_buf(), cause).into()),
            };
            let text = Self::text(file, opened, named || file.is_absolute())?;
            return Self::parse_for(reader, file, &text, environment);
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
    /// Every unknown key and every wrong value in either. If the text is not TOML, only the first place where it is
    /// not.
    pub fn parse(file: &Path, text: &str, environment: &Environment) -> Result<Self, ConfigErrors> {
        Self::parse_for(Reader::Text, file, text, environment)
    }

    fn parse_for(reader: Reader, file: &Path, text: &str, environment: &Environment) -> Result<Self, ConfigErrors> {
        let mut settings = Settings::read(file, text, environment)?;
        let database = read_database(&mut settings);
        let control = read_control(&mut settings);
        let trafficstar = read_trafficstar(&mut settings);
        let numbers = read_generator(&mut settings, &trafficstar);
        let metrics = read_metrics(&mut settings);
        let display = read_display(&mut settings);
        let alerts = read_alerts(&mut settings, environment, reader != Reader::Command);
        let receivers = if reader == Reader::Guard { read_receivers(&mut settings, &alerts) } else { Vec::new() };
        let log = read_log(&mut settings);
        let mut given = settings.given();
        let (generator, warnings) = settings.finish(validated(numbers))?;
        given.extend(generator.groups.iter().flat_map(given_keys));
        Ok(Self {
            file: file.to_path_buf(),
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
            warnings,
        })
    }
}

/// Who reads a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// A command. What only the guard needs may be missing, for example a variable that only its service has.
    Command,
    /// A check of the text alone.
    Text,
    /// The guard, or a check of all that it needs.
    Guard,
}

/// Whether this user may not search the folder of a file.
fn is_hidden(file: &Path) -> bool {
    std::fs::symlink_metadata(file).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
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
    // A plain http URL is a stand-in on this machine, such as the sandbox, which has no account limit.
    if config.requests_per_minute > ACCOUNT_REQUESTS_PER_MINUTE && config.base_url.starts_with("https://") {
        let (wanted, allowed) = (config.requests_per_minute, ACCOUNT_REQUESTS_PER_MINUTE);
        let message = format!("{wanted} is more than the {allowed} that TrafficStars allows one account");
        settings.warn(section, "requests_per_minute", &message);
    }
    if config.timeout.is_zero() {
        settings.warn(section, "timeout", "with a time-out of 0 every request fails: write a duration like \"15s\"");
    }
    config
}

/// Builds the policy. A campaign may choose `top-up` by itself, so the numbers for it, which are those for `guard`, too,
/// must be valid under every policy.
fn validated(numbers: PolicyNumbers) -> Result<Policy, PolicyError> {
    PolicyNumbers { high_spend: HighSpend::TopUp, ..numbers.clone() }.validate()?;
    numbers.validate()
}

fn read_generator(settings: &mut Settings<'_>, trafficstar: &TrafficStarConfig) -> PolicyNumbers {
    let section = "generator";
    let default = PolicyNumbers::default();
    PolicyNumbers {
        tick: settings.get(section, "tick", default.tick, value::tick),
        cooldown: settings.get(section, "cooldown", default.cooldown, value::time_delta),
        spend_limit: settings.get(section, "spend_limit", default.spend_limit, value::spend_limit),
        activate_clicks: settings.get(section, "activate_clicks", default.activate_clicks, value::clicks),
        pause_clicks: settings.get(section, "pause_clicks", default.pause_clicks, value::clicks),
        day_end: settings.get(section, "day_end", default.day_end, value::time_of_day),
        warn_at: settings.get(section, "warn_at", None, |raw| value::percent(raw).map(Some)),
        high_spend: settings.get(section, "high_spend", default.high_spend, value::word),
        high_activate_clicks: settings
            .get(section, "high_activate_clicks", default.high_activate_clicks, |raw| value::clicks(raw).map(Some)),
        high_pause_clicks: settings
            .get(section, "high_pause_clicks", default.high_pause_clicks, |raw| value::clicks(raw).map(Some)),
        price_per_thousand: settings.get(section, "price_per_thousand", None, |raw| value::money(raw).map(Some)),
        top_up_ceiling: settings.get(section, "top_up_ceiling", None, |raw| value::money(raw).map(Some)),
        top_up_wait: settings.get(section, "top_up_wait", default.top_up_wait, value::time_delta),
        top_up_interval: settings.get(section, "top_up_interval", default.top_up_interval, value::time_delta),
        daily_budget: settings.get(section, "daily_budget", None, |raw| value::money(raw).map(Some)),
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
        groups: read_groups(settings).into(),
        account_limit: read_account(settings),
    }
}

fn read_groups(settings: &mut Settings<'_>) -> Vec<Group> {
    let section = "groups";
    let mut groups: Vec<Group> = Vec::new();
    for number in 1..=settings.count(section) {
        let one = (section, number);
        let name = settings.get_of(one, "name", value::group_name);
        let spend_limit = settings.get_of(one, "spend_limit", value::spend_limit);
        let high_spend = settings.get_of(one, "high_spend", value::word);
        let bad_name = match &name {
            None => Some("is missing: `campaigns.group_name` refers to the group by it".to_owned()),
            Some(name) if groups.iter().any(|group| group.name == *name) => {
                Some(format!("another group is named {name} already"))
            }
            Some(_) => None,
        };
        let bad_policy = spend_limit.and_then(|_| refusal_at_limit(high_spend));
        for (key, why) in [("name", bad_name), ("high_spend", bad_policy)] {
            if let Some(why) = why {
                settings.refuse_in(section, Some(number), key, &why);
            }
        }
        let limit =
            spend_limit.zip(high_spend).map(|(spend_limit, high_spend)| SharedLimit { spend_limit, high_spend });
        let high_spend = high_spend.filter(|_| spend_limit.is_none());
        groups.extend(name.map(|name| Group { name, limit, high_spend }));
    }
    groups
}

/// Returns the keys that the file gives for a group, as `groups.name.key`.
fn given_keys(group: &Group) -> impl Iterator<Item = String> {
    let Group { name, limit, high_spend } = group;
    let keys =
        [("name", true), ("spend_limit", limit.is_some()), ("high_spend", limit.is_some() || high_spend.is_some())];
    keys.into_iter().filter(|(_, is_given)| *is_given).map(move |(key, _)| format!("groups.{name}.{key}"))
}

fn read_account(settings: &mut Settings<'_>) -> Option<SharedLimit> {
    let section = "account";
    let spend_limit = settings.get(section, "spend_limit", None, |raw| value::spend_limit(raw).map(Some));
    let high_spend = settings.get(section, "high_spend", None, |raw| value::word(raw).map(Some));
    let refused = match (spend_limit, high_spend) {
        (Some(_), policy) => refusal_at_limit(policy).map(|why| ("high_spend", why)),
        (None, Some(_)) => Some(("spend_limit", "is missing: high_spend is for this limit".to_owned())),
        (None, None) => None,
    };
    if let Some((key, why)) = refused {
        settings.refuse_in(section, None, key, &why);
    }
    spend_limit.zip(high_spend).map(|(spend_limit, high_spend)| SharedLimit { spend_limit, high_spend })
}

/// Returns why a policy does not fit a limit that several campaigns share. `None` if it fits.
fn refusal_at_limit(policy: Option<HighSpend>) -> Option<String> {
    match policy {
        None => Some("is missing: write what happens at the limit: observe, guard or pause".to_owned()),
        Some(HighSpend::TopUp) => {
            Some("top-up raises one campaign's budget at its own limit: write observe, guard or pause".to_owned())
        }
        Some(HighSpend::Observe | HighSpend::Guard | HighSpend::Pause) => None,
    }
}

fn read_metrics(settings: &mut Settings<'_>) -> MetricsConfig {
    let section = "metrics";
    MetricsConfig {
        listen: settings.get(section, "listen", None, |raw| value::loopback_address(raw).map(Some)),
        per_campaign: settings.get(section, "per_campaign", false, value::boolean),
    }
}

fn read_log(settings: &mut Settings<'_>) -> LogConfig {
    LogConfig {
        filter: settings.get("log", "filter", LogFilter::default(), value::word),
        format: settings.get("log", "format", LogFormat::Text, value::word),
    }
}
