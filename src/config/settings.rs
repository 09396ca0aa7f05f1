//! The settings as written, by key. They are collected from file and environment and read one by one; all errors are
//! reported together.
//!
//! Reading a key makes it known. A key that was never read is unknown, so there is no second list of keys to maintain.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::Environment;
use super::error::{ConfigError, ConfigErrors, Place};
use super::value::Raw;
use crate::domain::policy::{Policy, PolicyError};

/// The beginning of the name of every variable that overrides a key; section and key follow.
const VARIABLE_PREFIX: &str = "TRAFFIC_GENERATOR__";

/// A value as written, and its place.
#[derive(Debug, Clone)]
struct Setting {
    place: Place,
    raw: Raw,
}

/// A key's full name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    section: &'static str,
    name: &'static str,
}

impl Key {
    fn dotted(self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// Returns the name of the variable that overrides the key.
    fn variable(self) -> String {
        format!("{VARIABLE_PREFIX}{}__{}", self.section, self.name).to_uppercase()
    }
}

/// All settings that were written, and the errors found so far.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    file: &'a Path,
    environment: &'a Environment,
    sections: BTreeMap<String, (Place, BTreeMap<String, Setting>)>,
    outside_sections: Vec<(String, Place)>,
    /// The keys that were read so far.
    known: Vec<Key>,
    /// The keys whose value was refused. Rules that compare them with other keys are not checked.
    refused: Vec<Key>,
    errors: Vec<ConfigError>,
    warnings: Vec<String>,
}

impl<'a> Settings<'a> {
    /// Parses the text.
    ///
    /// # Errors
    /// The text is not TOML. The error has only the first place where it is not, since messages about the rest would be
    /// guesses.
    pub(super) fn read(file: &'a Path, text: &str, environment: &'a Environment) -> Result<Self, ConfigError> {
        let mut settings = Self {
            file,
            environment,
            sections: BTreeMap::new(),
            outside_sections: Vec::new(),
            known: Vec::new(),
            refused: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
        };
        let place = |span: Range<usize>| Place::Line(file.to_path_buf(), line_of(text, span.start));
        let root = DeTable::parse(text).map_err(|error| {
            ConfigError::Syntax(place(error.span().unwrap_or_default()), error.message().to_owned())
        })?;
        for (name, value) in root.get_ref() {
            let section_place = place(name.span());
            let name = name.get_ref().to_string();
            if let DeValue::Table(table) = value.get_ref() {
                let setting = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
                    let setting = Setting { place: place(key.span()), raw: Raw::from_toml(value.get_ref()) };
                    (key.get_ref().to_string(), setting)
                };
                settings.sections.insert(name, (section_place, table.iter().map(setting).collect()));
            } else {
                settings.outside_sections.push((name, section_place));
            }
        }
        Ok(settings)
    }

    /// Returns the value of a key: the environment's, else the file's, else `default`. For a bad value it records an
    /// error and returns `default`, so that the other keys are checked, too.
    pub(super) fn get<T>(
        &mut self,
        section: &'static str,
        name: &'static str,
        default: T,
        parse: impl FnOnce(&Raw) -> Result<T, String>,
    ) -> T {
        let key = Key { section, name };
        self.known.push(key);
        let Some(setting) = self.written(key) else { return default };
        parse(&setting.raw).unwrap_or_else(|message| {
            self.refuse(key, message);
            default
        })
    }

    /// Returns the known keys that were written, as `section.key`.
    pub(super) fn given(&self) -> BTreeSet<String> {
        self.known.iter().filter(|key| self.written(**key).is_some()).map(|key| key.dotted()).collect()
    }

    /// Adds a warning about an allowed value.
    pub(super) fn warn(&mut self, section: &'static str, name: &'static str, message: &str) {
        let key = Key { section, name };
        let place = self.place(key);
        self.warnings.push(format!("{place}: {}: {message}", key.dotted()));
    }

    /// Returns the policy and the warnings, or every error that was found.
    pub(super) fn finish(mut self, policy: Result<Policy, PolicyError>) -> Result<(Policy, Vec<String>), ConfigErrors> {
        if let Err(error) = &policy {
            self.refuse_policy(error);
        }
        self.refuse_unknown_sections();
        self.refuse_unknown_keys();
        self.refuse_unknown_variables();
        if self.errors.is_empty() && self.given().is_empty() {
            self.errors.push(ConfigError::NoKey(self.file.to_path_buf()));
        }
        match policy {
            Ok(policy) if self.errors.is_empty() => Ok((policy, self.warnings)),
            Ok(_) | Err(_) => Err(ConfigErrors::new(self.errors)),
        }
    }

    fn written(&self, key: Key) -> Option<Setting> {
        let variable = key.variable();
        if let Some(text) = self.environment.get(&variable) {
            return Some(Setting { place: Place::Variable(variable), raw: Raw::Variable(text.clone()) });
        }
        self.sections.get(key.section).and_then(|(_, keys)| keys.get(key.name)).cloned()
    }

    fn place(&self, key: Key) -> Place {
        self.written(key).map_or_else(|| Place::Line(self.file.to_path_buf(), 1), |setting| setting.place)
    }

    fn refuse(&mut self, key: Key, message: String) {
        self.refused.push(key);
        self.errors.push(ConfigError::BadValue { place: self.place(key), key: key.dotted(), message });
    }

    /// Adds an error about numbers that are valid by themselves but contradict each other.
    fn refuse_policy(&mut self, error: &PolicyError) {
        let names = match error {
            PolicyError::ThresholdsMeet { .. } => vec!["activate_clicks", "pause_clicks"],
            PolicyError::HighThresholdsMeet { .. } => {
                vec!["high_activate_clicks", "high_pause_clicks", "activate_clicks", "pause_clicks"]
            }
            PolicyError::ImplausibleTooLow { .. } => {
                vec!["implausible_clicks", "activate_clicks", "high_activate_clicks"]
            }
            PolicyError::CeilingTooLow { .. } => vec!["top_up_ceiling", "spend_limit"],
            PolicyError::DailyBudgetTooLow { .. } => vec!["daily_budget", "spend_limit"],
            PolicyError::DailyBudgetAboveCeiling { .. } => vec!["daily_budget", "top_up_ceiling"],
            PolicyError::TickTooShort => vec!["tick"],
            PolicyError::Negative { key } | PolicyError::TooLong { key } => vec![*key],
        };
        let keys: Vec<Key> = names.into_iter().map(|name| Key { section: "generator", name }).collect();
        if keys.iter().any(|key| self.refused.contains(key)) {
            return;
        }
        if let Some(key) = keys.iter().find(|key| self.written(**key).is_some()).or(keys.first()) {
            self.refuse(*key, error.to_string());
        }
    }

    fn refuse_unknown_sections(&mut self) {
        let known: BTreeSet<&str> = self.known.iter().map(|key| key.section).collect();
        let mut unknown = Vec::new();
        for (name, (place, _)) in &self.sections {
            if !known.contains(name.as_str()) {
                let hint = suggestion(name, known.iter().copied())
                    .map_or_else(|| format!("; the sections are {}", enumerate(&known)), did_you_mean);
                unknown.push(ConfigError::Unknown { place: place.clone(), what: "section", name: name.clone(), hint });
            }
        }
        for (name, place) in &self.outside_sections {
            let hint = if known.contains(name.as_str()) {
                format!("; write a line [{name}] and its keys below it")
            } else {
                self.where_it_belongs(name).unwrap_or_else(|| format!("; the sections are {}", enumerate(&known)))
            };
            let what = "key outside the sections";
            unknown.push(ConfigError::Unknown { place: place.clone(), what, name: name.clone(), hint });
        }
        self.errors.extend(unknown);
    }

    fn refuse_unknown_keys(&mut self) {
        let mut unknown = Vec::new();
        for (section, (_, keys)) in &self.sections {
            let known: BTreeSet<&str> =
                self.known.iter().filter(|key| key.section == section).map(|key| key.name).collect();
            // An unknown section is one mistake: its keys are not reported one by one.
            for (name, setting) in keys.iter().filter(|_| !known.is_empty()) {
                if !known.contains(name.as_str()) {
                    let hint = self
                        .where_it_belongs(name)
                        .or_else(|| suggestion(name, known.iter().copied()).map(did_you_mean))
                        .unwrap_or_else(|| format!("; the keys of [{section}] are {}", enumerate(&known)));
                    let name = format!("{section}.{name}");
                    unknown.push(ConfigError::Unknown { place: setting.place.clone(), what: "key", name, hint });
                }
            }
        }
        self.errors.extend(unknown);
    }

    /// Refuses misspelt variables: otherwise they would be ignored silently, and the operator would rely on them.
    fn refuse_unknown_variables(&mut self) {
        let known: BTreeSet<String> = self.known.iter().map(|key| key.variable()).collect();
        for name in self.environment.keys().filter(|name| !known.contains(*name)) {
            let meant = nearest(&name.to_uppercase(), known.iter().map(String::as_str), 2);
            if meant.is_some() || name.starts_with(VARIABLE_PREFIX) {
                let hint = meant.map_or_else(
                    || format!("; write {VARIABLE_PREFIX}SECTION__KEY with a section and a key of config.toml"),
                    did_you_mean,
                );
                let (place, what) = (Place::Variable(name.clone()), "variable of this program");
                self.errors.push(ConfigError::Unknown { place, what, name: name.clone(), hint });
            }
        }
    }

    /// Returns a hint that names the sections which have a key of this name. `None` if no section has it.
    fn where_it_belongs(&self, name: &str) -> Option<String> {
        let sections: Vec<String> =
            self.known.iter().filter(|key| key.name == name).map(|key| format!("[{}]", key.section)).collect();
        (!sections.is_empty()).then(|| format!("; it belongs below {}", sections.join(" or ")))
    }
}

/// Returns the number of the line, counted from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn did_you_mean(name: &str) -> String {
    format!("; did you mean `{name}`?")
}

fn enumerate(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

/// Returns the name that was probably meant: one that differs in a few letters, or one of the two begins with the
/// other.
pub(crate) fn suggestion<'n>(written: &str, names: impl Iterator<Item = &'n str> + Clone) -> Option<&'n str> {
    let begins = |name: &&str| written.len() > 2 && (name.starts_with(written) || written.starts_with(name));
    let tolerated = (written.chars().count() / 3).clamp(1, 4);
    nearest(written, names.clone(), tolerated).or_else(|| names.into_iter().find(begins))
}

fn nearest<'n>(written: &str, names: impl Iterator<Item = &'n str>, tolerated: usize) -> Option<&'n str> {
    names
        .filter(|name| name.len().abs_diff(written.len()) <= tolerated)
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, _)| *distance <= tolerated)
        .min()
        .map(|(_, name)| name)
}
