//! One parser for each kind of value. It returns the value, or a message that says what to write instead.
//!
//! Deliberately absent: the place of the value, which `settings` puts in front of the message.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use chrono::NaiveTime;
use toml::de::DeValue;
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

use crate::domain::money::{Clicks, Money, Percent};
use crate::domain::policy::UnknownWord;
use crate::store::{DatabaseUrl, DatabaseUrlError};

/// The longest duration of most keys. A longer one is a mistake, since the spend is counted per day.
const LONGEST: Duration = Duration::from_hours(24);
/// The longest tick. A campaign that is read more rarely is hardly guarded.
pub(super) const LONGEST_TICK: Duration = Duration::from_hours(1);
/// The longest time-out. A pause may have to wait this long for a connection that hangs.
const LONGEST_TIMEOUT: Duration = Duration::from_mins(5);
/// The longest `confirm_within`. Until it has passed, a campaign that still runs after a pause is not paused again.
const LONGEST_CONFIRMATION: Duration = Duration::from_mins(15);
const SHORTEST_TICK: Duration = Duration::from_millis(100);
/// The longest path in bytes that a Unix socket's address can hold, without the closing zero.
const LONGEST_SOCKET_PATH: usize = 107;
const SHORTEST_KEEPING: Duration = Duration::from_hours(24);
const LONGEST_KEEPING: Duration = Duration::from_hours(24 * 36_500);
const KEEPING_EXAMPLES: &str = "write a duration like \"90d\" or \"1year\"";
const DURATION_EXAMPLES: &str = "write a duration like \"90s\", \"2m\" or \"1h 30m\"";

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    /// A text in quotes.
    Text(String),
    /// A number that fits into 64 bits.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list.
    List(Vec<Raw>),
    /// A kind of value that no key takes. Holds its description for messages.
    Other(&'static str),
    /// The text of an environment variable. It is parsed as any of the first three.
    Variable(String),
}

impl Raw {
    pub(super) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Self::Other("a number of more than 64 bits"), Self::Integer),
            DeValue::Boolean(value) => Self::Boolean(*value),
            DeValue::Float(_) => Self::Other("a number with a fraction"),
            DeValue::Datetime(_) => Self::Other("a date or time without quotes"),
            DeValue::Array(items) => Self::List(items.iter().map(|item| Self::from_toml(item.get_ref())).collect()),
            DeValue::Table(_) => Self::Other("a section"),
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            // Bytes that are not UTF-8 were replaced by this character: such a value cannot be intended.
            Self::Variable(text) if text.contains(char::REPLACEMENT_CHARACTER) => None,
            Self::Text(text) | Self::Variable(text) => Some(text),
            Self::Integer(_) | Self::Boolean(_) | Self::List(_) | Self::Other(_) => None,
        }
    }

    /// Returns the texts of a list.
    pub(super) fn texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::List(items) => items.iter().map(Self::text).collect(),
            Self::Text(_) | Self::Integer(_) | Self::Boolean(_) | Self::Other(_) | Self::Variable(_) => None,
        }
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Variable(text) => write!(f, "{text:?}"),
            Self::Integer(number) => number.fmt(f),
            Self::Boolean(value) => value.fmt(f),
            Self::List(_) => f.write_str("a list"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// Parses a text with the type's own parser.
pub(super) fn word<T: FromStr<Err: fmt::Display>>(raw: &Raw) -> Result<T, String> {
    let text = raw.text().ok_or_else(|| format!("{raw} is not text in quotes"))?;
    text.parse().map_err(|error: T::Err| error.to_string())
}

pub(super) fn boolean(raw: &Raw) -> Result<bool, String> {
    match raw {
        Raw::Boolean(value) => Some(*value),
        Raw::Variable(text) => text.parse().ok(),
        Raw::Text(_) | Raw::Integer(_) | Raw::List(_) | Raw::Other(_) => None,
    }
    .ok_or_else(|| format!("{raw} is neither true nor false (without quotes)"))
}

pub(super) fn whole_number(raw: &Raw, least: u32) -> Result<u32, String> {
    integer(raw)
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| *number >= least)
        .ok_or_else(|| format!("{raw} is not a whole number from {least} to {} (without quotes)", u32::MAX))
}

pub(super) fn clicks(raw: &Raw) -> Result<Clicks, String> {
    integer(raw)
        .and_then(|number| u64::try_from(number).ok())
        .map(Clicks)
        .ok_or_else(|| format!("{raw} is not a whole number from 0 on (without quotes)"))
}

fn integer(raw: &Raw) -> Option<i64> {
    match raw {
        Raw::Integer(number) => Some(*number),
        Raw::Variable(text) => text.parse().ok(),
        Raw::Text(_) | Raw::Boolean(_) | Raw::List(_) | Raw::Other(_) => None,
    }
}

/// Parses an amount of money. It must be a text in quotes: a TOML number with a fraction is a float, which is not
/// exact.
pub(super) fn money(raw: &Raw) -> Result<Money, String> {
    let text = raw.text().ok_or_else(|| format!("{raw} is not an amount in quotes: write it like \"10.00\""))?;
    text.parse().map_err(|error: crate::domain::money::MoneyError| error.to_string())
}

/// Parses a part of a limit, such as `80%`. At 100% the limit itself is reported.
pub(super) fn percent(raw: &Raw) -> Result<Percent, String> {
    let number =
        raw.text().and_then(|text| text.trim().strip_suffix('%')).and_then(|digits| digits.trim().parse().ok());
    number
        .filter(|percent| (1..=99).contains(percent))
        .map(Percent)
        .ok_or_else(|| format!("{raw} is not a part of the limit: write it like \"80%\", from \"1%\" to \"99%\""))
}

/// Parses the spend limit. A limit of 0 is refused: it is reached before anything is spent.
pub(super) fn spend_limit(raw: &Raw) -> Result<Money, String> {
    match money(raw)? {
        Money::ZERO => Err(format!(
            "{raw} is always reached, so no campaign would be guarded: write an amount above 0, or [generator] mode = \
             \"observe\" to watch only"
        )),
        limit => Ok(limit),
    }
}

pub(super) fn timeout(raw: &Raw) -> Result<Duration, String> {
    duration_up_to(raw, LONGEST_TIMEOUT)
}

pub(super) fn confirmation(raw: &Raw) -> Result<Duration, String> {
    duration_up_to(raw, LONGEST_CONFIRMATION)
}

pub(super) fn duration_up_to(raw: &Raw, longest: Duration) -> Result<Duration, String> {
    let text = raw.text().ok_or_else(|| format!("{raw} is not text in quotes: {DURATION_EXAMPLES}"))?;
    let duration = match humantime::parse_duration(text) {
        Ok(duration) => duration,
        Err(humantime::DurationError::NumberOverflow) => Duration::MAX,
        Err(_) => return Err(format!("{raw} is not a duration: {DURATION_EXAMPLES}")),
    };
    if duration > longest {
        return Err(format!("{raw} is too long: at most {}", humantime::format_duration(longest)));
    }
    Ok(duration)
}

/// Parses how long history is kept. It is at least a day, since the rules need yesterday's spend.
pub(super) fn keeping(raw: &Raw) -> Result<Duration, String> {
    let text = raw.text().ok_or_else(|| format!("{raw} is not text in quotes: {KEEPING_EXAMPLES}"))?;
    match humantime::parse_duration(text) {
        Ok(time) if time < SHORTEST_KEEPING => Err(format!("{raw} is too short: at least 1day")),
        Ok(time) if time <= LONGEST_KEEPING => Ok(time),
        Ok(_) | Err(humantime::DurationError::NumberOverflow) => Err(format!("{raw} is too long: at most 36500days")),
        Err(_) => Err(format!("{raw} is not a duration: {KEEPING_EXAMPLES}")),
    }
}

pub(super) fn time_delta(raw: &Raw) -> Result<chrono::Duration, String> {
    chrono::Duration::from_std(duration_up_to(raw, LONGEST)?).map_err(|error| format!("{raw}: {error}"))
}

pub(super) fn tick(raw: &Raw) -> Result<chrono::Duration, String> {
    let tick = duration_up_to(raw, LONGEST_TICK)?;
    if tick < SHORTEST_TICK {
        return Err(format!("{raw} is too short: at least {}", humantime::format_duration(SHORTEST_TICK)));
    }
    chrono::Duration::from_std(tick).map_err(|error| format!("{raw}: {error}"))
}

/// Parses the day end, `HH:MM`. 00:00 is refused: the day would end when it begins, and no campaign would ever be
/// activated.
pub(super) fn time_of_day(raw: &Raw) -> Result<NaiveTime, String> {
    raw.text()
        .filter(|text| text.len() == "23:59".len())
        .and_then(|text| NaiveTime::parse_from_str(text, "%H:%M").ok())
        .filter(|time| *time > NaiveTime::MIN)
        .ok_or_else(|| format!("{raw} is not a time of day: write hours and minutes (UTC) from \"00:01\" to \"23:59\""))
}

/// Parses octal digits in quotes, as `chmod` takes them; a TOML number would be decimal. A user who may write to the
/// socket can spend money, so a mode that lets all users write is refused.
pub(super) fn permission_bits(raw: &Raw) -> Result<u32, String> {
    const OTHERS_WRITE: u32 = 0o002;
    let bits = raw
        .text()
        .filter(|text| matches!(text.len(), 3 | 4) && text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| u32::from_str_radix(text, 8).ok())
        .filter(|bits| *bits <= 0o777)
        .ok_or_else(|| format!("{raw} is not a file mode: write octal digits in quotes, like \"0600\" or \"0660\""))?;
    if bits & OTHERS_WRITE != 0 {
        return Err(format!(
            "{raw} lets every user of this machine spend money: write \"0660\", and set the group of the socket's folder"
        ));
    }
    Ok(bits)
}

pub(super) fn path(raw: &Raw) -> Result<PathBuf, String> {
    // The message leaves out the value: operators have pasted a key here instead of a path.
    raw.text()
        .filter(|text| !text.trim().is_empty() && !text.contains('\0'))
        .map(PathBuf::from)
        .ok_or_else(|| "write the path of a file in quotes".to_owned())
}

pub(super) fn socket_path(raw: &Raw) -> Result<PathBuf, String> {
    let path = path(raw)?;
    let length = path.as_os_str().len();
    if length <= LONGEST_SOCKET_PATH {
        Ok(path)
    } else {
        Err(format!(
            "the path has {length} bytes, but a Unix socket's path may have at most {LONGEST_SOCKET_PATH}: write a shorter one"
        ))
    }
}

/// The longest name of a group.
const LONGEST_GROUP_NAME: usize = 100;

/// Parses an address that only programs on this machine reach: the metrics have no other protection.
pub(super) fn loopback_address(raw: &Raw) -> Result<SocketAddr, String> {
    let example = "write an address of this machine with a port, such as \"127.0.0.1:9464\"";
    let address = raw.text().and_then(|text| text.parse::<SocketAddr>().ok());
    let address =
        address.filter(|address| address.port() > 0).ok_or_else(|| format!("{raw} is not an address: {example}"))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!("{raw} can be reached from other machines, and the metrics need no password: {example}"))
    }
}

/// Parses a group's name. `default` is the word with which an operator takes a campaign out of its group.
pub(super) fn group_name(raw: &Raw) -> Result<String, String> {
    let is_name = |name: &&str| {
        !name.is_empty()
            && name.trim() == *name
            && *name != "default"
            && name.chars().count() <= LONGEST_GROUP_NAME
            && !name.contains(char::is_control)
    };
    raw.text().filter(is_name).map(str::to_owned).ok_or_else(|| {
        format!(
            "{raw} is not a group's name: write up to {LONGEST_GROUP_NAME} characters in quotes, other than \"default\""
        )
    })
}

/// Parses the database's URL. Messages contain at most its scheme: the rest may hold a password.
pub(super) fn database_url(raw: &Raw) -> Result<DatabaseUrl, String> {
    let text = raw.text().ok_or("this is not text in quotes: write sqlite://FILE or postgres://USER@HOST/NAME")?;
    text.parse().map_err(|error: DatabaseUrlError| error.to_string())
}

/// Parses the URL of the API; the result has no slash at its end. Every request carries the API key or the token, so
/// plain http is allowed only within this machine. A text that contains a password is not repeated in the message.
pub(super) fn base_url(raw: &Raw) -> Result<String, String> {
    let right = "write one like \"https://api.trafficstars.com\"";
    let text = raw.text().ok_or_else(|| format!("this is not text in quotes: {right}"))?;
    let url = Url::parse(text).map_err(|error| format!("not a URL ({error}): {right}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("the URL must not contain a user name or password: {right}"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("the URL must not contain `?` or `#`: {right}"));
    }
    if let Some(version) = version_at_end(&url) {
        return Err(format!("remove `/{version}` from the URL, since each request adds its own version: {right}"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(url.host()) => {}
        "http" => return Err(format!("http:// is for a loopback address only (localhost, 127.0.0.1, [::1]): {right}")),
        scheme => return Err(format!("{scheme}: is not https://: {right}")),
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Returns the version of the API, such as `v1`, if the path ends with one.
fn version_at_end(url: &Url) -> Option<&str> {
    let last = url.path_segments()?.rfind(|segment| !segment.is_empty())?;
    let number = last.strip_prefix('v')?;
    (number.starts_with(|first: char| first.is_ascii_digit())
        && number.chars().all(|character| character.is_ascii_digit() || character == '.'))
    .then_some(last)
}

pub(super) fn is_loopback(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => Ipv4Addr::is_loopback(&address),
        Some(Host::Ipv6(address)) => Ipv6Addr::is_loopback(&address),
        None => false,
    }
}

/// The filter that decides which log lines are written: a level, or directives like `info,traffic_generator=debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    text: String,
}

/// The reason why a text is not a [`LogFilter`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a log filter: {problem}")]
pub struct LogFilterError {
    text: String,
    problem: String,
}

impl LogFilter {
    /// Returns the directives.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self { text: "info".to_owned() }
    }
}

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
/// The target of the audit trail's lines, which say who gave which command.
const AUDIT_TARGET: &str = "audit";

impl FromStr for LogFilter {
    type Err = LogFilterError;

    fn from_str(text: &str) -> Result<Self, LogFilterError> {
        let misspelt = |directive: &str| {
            let directive = directive.trim().to_lowercase();
            let near = |level: &&&str| strsim::damerau_levenshtein(&directive, level) <= 1;
            LEVELS.iter().filter(|_| !LEVELS.contains(&directive.as_str())).find(near).copied()
        };
        let about_audit = |directive: &&str| {
            let rest = directive.trim().strip_prefix(AUDIT_TARGET);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', '[', '{']))
        };
        let problem = if let Some(directive) = text.split(',').find(about_audit).map(str::trim) {
            // The audit trail watches the operators, so they must not be able to silence it.
            format!("the audit trail passes every filter: leave {directive:?} out")
        } else if let Some(level) = text.split(',').find_map(misspelt) {
            // The library takes a misspelt level for the name of a module, and would write no line at all.
            format!("for the level write {level:?}")
        } else if !text.trim().is_empty() && text.split(',').map(str::trim).all(is_for_other_crates) {
            // Such a filter would silence every line of the program.
            "it matches no line of the program: write a level, or \"traffic_generator=debug\"".to_owned()
        } else if text.trim().is_empty() || EnvFilter::try_new(text).is_err() {
            "write a level (error, warn, info, debug, trace, off) or directives like \"info,traffic_generator=debug\""
                .to_owned()
        } else {
            return Ok(Self { text: text.to_owned() });
        };
        Err(LogFilterError { text: text.to_owned(), problem })
    }
}

/// Whether a directive matches only lines of other crates. The library accepts any word as a target.
fn is_for_other_crates(directive: &str) -> bool {
    let target = directive.split(['=', '[', '{']).next().unwrap_or_default().trim();
    let first = target.split("::").next().unwrap_or_default();
    !LEVELS.contains(&target.to_lowercase().as_str()) && !first.is_empty() && first != "traffic_generator"
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text per event, for people.
    Text,
    /// One JSON object per line, for programs.
    Json,
}

impl FromStr for LogFormat {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownWord::new(word, "text, json")),
        }
    }
}
