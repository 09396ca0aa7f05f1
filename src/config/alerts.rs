//! `[[alerts]]` and `[display]`: the receivers of alerts, and how times are shown to people.
//!
//! The keys are read with all others. For the guard the files that they name are read, too (`Config::load_to_guard`), so
//! that a wrong secret or template is reported by the line of its key before anything starts.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveTime;
use chrono_tz::Tz;

use super::error::{ConfigError, Place};
use super::settings::Settings;
use super::{Environment, alert_values, value};
use crate::alerts::receiver::{HookUrl, QuietHours, Receiver, WayOut};
use crate::alerts::signature::Secrets;
use crate::alerts::template::{FileTemplate, Shipped, Template};
use crate::domain::occasion::{OccasionKind, Severity};
use crate::error_chain::in_full;

const SECTION: &str = "alerts";
/// The beginning of the variables with the secrets and addresses of receivers.
pub(super) const VARIABLE_PREFIX: &str = "TRAFFIC_GENERATOR_ALERTS_";
/// The largest file with a secret, an address or a template.
const LARGEST_FILE_BYTES: u64 = 64 * 1024;
const DEFAULT_GROUP_WAIT: Duration = Duration::from_secs(10);

/// `[display]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisplayConfig {
    /// The time zone for people: the digest and the quiet hours. The rules count in UTC.
    pub time_zone: Tz,
    /// The local time of the daily digest; `None` for no digest.
    pub digest: Option<NaiveTime>,
}

/// One `[[alerts]]`, as written. The files that it names are not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertConfig {
    name: String,
    way_out: WrittenWayOut,
    secret: Option<Text>,
    template: WrittenTemplate,
    kinds: Option<BTreeSet<OccasionKind>>,
    severity: Severity,
    group_wait: Duration,
    remind_after: Option<Duration>,
    resolved: bool,
    quiet: Option<QuietHours>,
}

/// A text that may be a secret: where it is, and the place of the key that says so.
#[derive(Clone, PartialEq, Eq)]
struct Text {
    place: Place,
    key: &'static str,
    from: TextFrom,
}

#[derive(Clone, PartialEq, Eq)]
enum TextFrom {
    Here(String),
    File(PathBuf),
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.key, self.place)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum WrittenWayOut {
    Url(Text),
    Command(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum WrittenTemplate {
    Shipped(Shipped),
    File(PathBuf, Place),
}

/// Reads `[display]`.
pub(super) fn read_display(settings: &mut Settings<'_>) -> DisplayConfig {
    let section = "display";
    DisplayConfig {
        time_zone: settings.get(section, "time_zone", Tz::UTC, alert_values::time_zone),
        digest: settings.get(section, "digest", None, |raw| alert_values::local_time(raw).map(Some)),
    }
}

/// Reads every `[[alerts]]`. `must_be_whole` says whether each needs an address and a secret.
pub(super) fn read_alerts(
    settings: &mut Settings<'_>,
    environment: &Environment,
    must_be_whole: bool,
) -> Vec<AlertConfig> {
    let count = settings.count(SECTION);
    let mut alerts: Vec<AlertConfig> = Vec::new();
    let mut names = Vec::new();
    for number in 1..=count {
        let name = settings.get_of((SECTION, number), "name", alert_values::receiver_name);
        names.extend(name.clone());
        let written = read_alert(settings, environment, (number, name), must_be_whole);
        if let Some(alert) = &written
            && alerts.iter().any(|other| variable(&other.name, "") == variable(&alert.name, ""))
        {
            let why = format!("another receiver is named {} already", alert.name);
            settings.refuse_in(SECTION, Some(number), "name", &why);
        }
        alerts.extend(written);
    }
    refuse_variables_without_receiver(settings, environment, &names);
    alerts
}

/// Reads the files that the receivers name, and returns the receivers.
pub(super) fn read_receivers(settings: &mut Settings<'_>, alerts: &[AlertConfig]) -> Vec<Receiver> {
    let read = |alert: &AlertConfig| alert.read().map_err(|error| settings.refuse_file(error)).ok();
    alerts.iter().filter_map(read).collect()
}

fn read_alert(
    settings: &mut Settings<'_>,
    environment: &Environment,
    (number, name): (usize, Option<String>),
    must_be_whole: bool,
) -> Option<AlertConfig> {
    let one = (SECTION, number);
    let url = settings.get_of(one, "url", alert_values::hook_url);
    let url_file = settings.get_of(one, "url_file", value::path);
    let command = settings.get_of(one, "command", alert_values::command);
    let secret_file = settings.get_of(one, "secret_file", value::path);
    let template = settings.get_of(one, "template", value::path);
    let kinds = settings.get_of(one, "occasions", alert_values::occasions);
    let severity = settings.get_of(one, "severity", value::word);
    let group_wait = settings.get_of(one, "group_wait", alert_values::short_wait);
    let remind_after = settings.get_of(one, "remind_after", alert_values::reminder);
    let resolved = settings.get_of(one, "resolved", value::boolean);
    let quiet = settings.get_of(one, "quiet", alert_values::quiet_hours);

    let mut refuse = |key, why: &str| settings.refuse_in(SECTION, Some(number), key, why);
    let Some(name) = name else {
        refuse("name", "is missing: `alert list` and `alert test` name the receiver by it");
        return None;
    };
    let place = |key| settings.place_of(one, key);
    let given = |key, what| {
        environment.get(&variable(&name, what)).map(|text| Text {
            place: Place::Variable(variable(&name, what)),
            key,
            from: TextFrom::Here(text.clone()),
        })
    };
    let of_file =
        |key, path: Option<PathBuf>| path.map(|path| Text { place: place(key), key, from: TextFrom::File(path) });
    let has_both = url.is_some() && url_file.is_some();
    let url_here = url.map(|url| Text { place: place("url"), key: "alerts.url", from: TextFrom::Here(url) });
    let from_file = of_file("url_file", url_file).map(|text| Text { key: "alerts.url_file", ..text });
    let urls: Vec<Text> = given("alerts.url", "URL").into_iter().chain(url_here).chain(from_file).collect();
    let secret = given("alerts.secret_file", "SECRET")
        .or_else(|| of_file("secret_file", secret_file).map(|text| Text { key: "alerts.secret_file", ..text }));
    let template_place = place("template");
    let template = template.map_or(WrittenTemplate::Shipped(Shipped::Standard), |path| {
        let shipped = path.to_str().and_then(|word| word.parse().ok());
        shipped.map_or(WrittenTemplate::File(path, template_place), WrittenTemplate::Shipped)
    });
    let way_out = match (urls.into_iter().next(), command) {
        _ if has_both => Err(("url_file", "a receiver has either a url or a url_file")),
        (Some(_), Some(_)) => Err(("command", "a receiver has either a url or a command")),
        // A refused value is not missing, too.
        (None, None) if settings.has_refused(one, &["url", "url_file", "command"]) || !must_be_whole => return None,
        (None, None) => Err(("url", "is missing: write url, url_file or command")),
        (None, Some(_)) if secret.is_some() => Err(("secret_file", "is for a url: a command gets no signature")),
        (None, Some(command)) => Ok(WrittenWayOut::Command(command)),
        (Some(_), None)
            if must_be_whole && secret.is_none() && template == WrittenTemplate::Shipped(Shipped::Standard) =>
        {
            Err((
                "secret_file",
                "is missing: a message of the template standard is signed. Make a secret with `echo whsec_$(head -c 32 \
             /dev/urandom | base64)`, and give it to the receiver, too",
            ))
        }
        (Some(url), None) => Ok(WrittenWayOut::Url(url)),
    };
    let way_out = way_out.map_err(|(key, why)| settings.refuse_in(SECTION, Some(number), key, why)).ok()?;
    Some(AlertConfig {
        name,
        way_out,
        secret,
        template,
        kinds: kinds.flatten(),
        severity: severity.unwrap_or(Severity::Warning),
        group_wait: group_wait.unwrap_or(DEFAULT_GROUP_WAIT),
        remind_after,
        resolved: resolved.unwrap_or(true),
        quiet,
    })
}

/// Returns the variable of a receiver: `TRAFFIC_GENERATOR_ALERTS_OPS_SECRET`.
fn variable(name: &str, what: &str) -> String {
    format!("{VARIABLE_PREFIX}{}_{what}", name.to_uppercase().replace('-', "_"))
}

/// Refuses a variable that belongs to no receiver: it would be ignored silently.
fn refuse_variables_without_receiver(settings: &mut Settings<'_>, environment: &Environment, names: &[String]) {
    let is_known =
        |name: &str| names.iter().any(|receiver| ["SECRET", "URL"].iter().any(|what| variable(receiver, what) == name));
    for name in environment.keys().filter(|name| name.starts_with(VARIABLE_PREFIX) && !is_known(name)) {
        settings.refuse_variable(
            name,
            "; write TRAFFIC_GENERATOR_ALERTS_NAME_SECRET or …_URL with the name of a receiver in [[alerts]]",
        );
    }
}

impl AlertConfig {
    /// Returns the file with the secret, and the one with the address.
    pub(super) fn secret_files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let url = match &self.way_out {
            WrittenWayOut::Url(url) => Some(url),
            WrittenWayOut::Command(_) => None,
        };
        self.secret.iter().chain(url).filter_map(|text| match &text.from {
            TextFrom::File(path) => Some((text.key, path.as_path())),
            TextFrom::Here(_) => None,
        })
    }

    /// Reads the files that it names, and returns the receiver.
    pub(super) fn read(&self) -> Result<Receiver, ConfigError> {
        let way_out = match &self.way_out {
            WrittenWayOut::Url(text) => {
                let written = text.read()?;
                if written.trim().lines().count() > 1 {
                    return Err(text.refused("has more than one line: write the address alone into it".to_owned()));
                }
                let url = alert_values::checked_hook_url(written.trim()).map_err(|message| text.refused(message))?;
                let secrets =
                    |text: &Text| Secrets::read(&text.read()?).map_err(|error| text.refused(error.to_string()));
                let secrets = self.secret.as_ref().map(secrets).transpose()?;
                WayOut::Webhook { url: HookUrl::new(url), secrets }
            }
            WrittenWayOut::Command(words) => {
                let (program, arguments) = words
                    .split_first()
                    .map_or((PathBuf::new(), Vec::new()), |(first, rest)| (PathBuf::from(first), rest.to_vec()));
                WayOut::Command { program, arguments }
            }
        };
        let template = match &self.template {
            WrittenTemplate::Shipped(shipped) => Template::Shipped(*shipped),
            WrittenTemplate::File(path, place) => {
                let bad = |message: String| ConfigError::BadValue {
                    place: place.clone(),
                    key: format!("{SECTION}.template"),
                    message: format!("{}: {message}", path.display()),
                };
                let source = read_file(path).map_err(|message| {
                    let words = "standard, telegram, slack, discord, ntfy";
                    bad(format!("{message}; the templates of the program are {words}"))
                })?;
                let template = Template::File(FileTemplate { path: path.clone(), source: source.into() });
                template.check().map_err(|error| bad(in_full(&error)))?;
                template
            }
        };
        Ok(Receiver {
            name: self.name.clone(),
            way_out,
            template,
            kinds: self.kinds.clone(),
            severity: self.severity,
            group_wait: self.group_wait,
            remind_after: self.remind_after,
            resolved: self.resolved,
            quiet: self.quiet,
        })
    }
}

impl Text {
    fn read(&self) -> Result<String, ConfigError> {
        match &self.from {
            TextFrom::Here(text) => Ok(text.clone()),
            TextFrom::File(path) => read_file(path).map_err(|message| self.refused(message)),
        }
    }

    fn refused(&self, message: String) -> ConfigError {
        let message = match &self.from {
            TextFrom::Here(_) => message,
            TextFrom::File(path) => format!("{}: {message}", path.display()),
        };
        ConfigError::BadValue { place: self.place.clone(), key: self.key.to_owned(), message }
    }
}

/// Reads a small text file. A pipe or a device is refused: it could block the program for ever.
fn read_file(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    if !std::fs::metadata(path).map_err(cannot)?.is_file() {
        return Err("is not a file".to_owned());
    }
    let mut text = String::new();
    let file = File::open(path).map_err(cannot)?;
    let length = file.take(LARGEST_FILE_BYTES + 1).read_to_string(&mut text).map_err(cannot)?;
    if length as u64 > LARGEST_FILE_BYTES {
        return Err(format!("is larger than {} KiB", LARGEST_FILE_BYTES / 1_024));
    }
    Ok(text)
}
