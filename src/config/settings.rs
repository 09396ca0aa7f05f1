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
    /// The number of the section among those of this name, from 1, if it is written `[[section]]`. No variable overrides
    /// such a key.
    number: Option<usize>,
    name: &'static str,
}

impl Key {
    /// Returns a key of a section that exists once.
    const fn of(section: &'static str, name: &'static str) -> Self {
        Self { section, number: None, name }
    }

    /// Returns the key's name, which no other key has.
    fn dotted(self) -> String {
        let number = self.number.map(|number| format!(" {number}")).unwrap_or_default();
        format!("{}{number}.{}", self.section, self.name)
    }

    /// Returns the key's name for messages, which name its line, too.
    fn shown(self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// Returns the name of the variable that overrides the key.
    fn variable(self) -> Option<String> {
        let Self { section, number, name } = self;
        number.is_none().then(|| format!("{VARIABLE_PREFIX}{section}__{name}").to_uppercase())
    }
}

/// A section: its place and its keys.
type Section = (Place, BTreeMap<String, Setting>);

/// All settings that were written, and the errors found so far.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    file: &'a Path,
    environment: &'a Environment,
    sections: BTreeMap<String, Section>,
    /// The sections that are written `[[section]]`.
    lists: BTreeMap<String, Vec<Section>>,
    outside_sections: Vec<(String, Place)>,
    /// The keys that were read so far.
    known: Vec<Key>,
    /// The names of the sections that may be written several times.
    known_lists: Vec<&'static str>,
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
            lists: BTreeMap::new(),
            outside_sections: Vec::new(),
            known: Vec::new(),
            known_lists: Vec::new(),
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
            let keys = |table: &DeTable<'_>| {
                let setting = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
                    let setting = Setting { place: place(key.span()), raw: Raw::from_toml(value.get_ref()) };
                    (key.get_ref().to_string(), setting)
                };
                table.iter().map(setting).collect()
            };
            let section = |value: &Spanned<DeValue<'_>>| Some((place(value.span()), keys(value.get_ref().as_table()?)));
            let list =
                value.get_ref().as_array().and_then(|items| items.iter().map(section).collect::<Option<Vec<_>>>());
            if let Some(table) = value.get_ref().as_table() {
                settings.sections.insert(name, (section_place, keys(table)));
            } else if let Some(sections) = list.filter(|sections| !sections.is_empty()) {
                settings.lists.insert(name, sections);
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
        self.read_key(Key::of(section, name), default, parse)
    }

    /// Like [`Settings::get`], for a key without a default in one of several sections of a name. `number` counts from 1.
    pub(super) fn get_of<T>(
        &mut self,
        (section, number): (&'static str, usize),
        name: &'static str,
        parse: impl FnOnce(&Raw) -> Result<T, String>,
    ) -> Option<T> {
        self.read_key(Key { section, number: Some(number), name }, None, |raw| parse(raw).map(Some))
    }

    /// Returns how many sections of this name are written, each as `[[section]]`.
    pub(super) fn count(&mut self, section: &'static str) -> usize {
        self.known_lists.push(section);
        self.lists.get(section).map_or(0, Vec::len)
    }

    /// Records that a section lacks a key, or that its keys contradict each other. A key whose value was refused already
    /// is not reported again.
    pub(super) fn refuse_in(
        &mut self,
        section: &'static str,
        number: Option<usize>,
        name: &'static str,
        message: &str,
    ) {
        let key = Key { section, number, name };
        if !self.refused.contains(&key) {
            self.refuse(key, message.to_owned());
        }
    }

    /// Returns the place of a key in one of several sections of a name.
    pub(super) fn place_of(&self, (section, number): (&'static str, usize), name: &'static str) -> Place {
        self.place(Key { section, number: Some(number), name })
    }

    /// Whether a value of one of these keys was refused, in one of several sections of a name.
    pub(super) fn has_refused(&self, (section, number): (&'static str, usize), names: &[&'static str]) -> bool {
        names.iter().any(|name| self.refused.contains(&Key { section, number: Some(number), name }))
    }

    /// Records that a variable of this program is unknown.
    pub(super) fn refuse_variable(&mut self, name: &str, hint: &str) {
        let (place, what) = (Place::Variable(name.to_owned()), "variable of this program");
        self.errors.push(ConfigError::Unknown { place, what, name: name.to_owned(), hint: hint.to_owned() });
    }

    fn read_key<T>(&mut self, key: Key, default: T, parse: impl FnOnce(&Raw) -> Result<T, String>) -> T {
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
        let key = Key::of(section, name);
        let place = self.place(key);
        self.warnings.push(format!("{place}: {}: {message}", key.dotted()));
    }

    /// Refuses a file that a setting names, or what is in it.
    pub(super) fn refuse_file(&mut self, error: ConfigError) {
        self.errors.push(error);
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
        if let Some((variable, text)) = variable.and_then(|name| self.environment.get(&name).map(|text| (name, text))) {
            return Some(Setting { place: Place::Variable(variable), raw: Raw::Variable(text.clone()) });
        }
        self.section(key).and_then(|(_, keys)| keys.get(key.name)).cloned()
    }

    fn section(&self, key: Key) -> Option<&Section> {
        match key.number {
            None => self.sections.get(key.section),
            Some(number) => self.lists.get(key.section)?.get(number.checked_sub(1)?),
        }
    }

    /// Returns the place of a key; that of its section if the key is not written.
    fn place(&self, key: Key) -> Place {
        let of_section = || self.section(key).map(|(place, _)| place.clone());
        let place = self.written(key).map(|setting| setting.place).or_else(of_section);
        place.unwrap_or_else(|| Place::Line(self.file.to_path_buf(), 1))
    }

    fn refuse(&mut self, key: Key, message: String) {
        self.refused.push(key);
        self.errors.push(ConfigError::BadValue { place: self.place(key), key: key.shown(), message });
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
        let keys: Vec<Key> = names.into_iter().map(|name| Key::of("generator", name)).collect();
        if keys.iter().any(|key| self.refused.contains(key)) {
            return;
        }
        if let Some(key) = keys.iter().find(|key| self.written(**key).is_some()).or(keys.first()) {
            self.refuse(*key, error.to_string());
        }
    }

    fn refuse_unknown_sections(&mut self) {
        let known: BTreeSet<&str> = self.known_sections().collect();
        let mut unknown = Vec::new();
        for (name, (place, _)) in &self.sections {
            if self.known_lists.contains(&name.as_str()) {
                let hint = format!("; write [[{name}]], once for each of them");
                unknown.push(ConfigError::Unknown { place: place.clone(), what: "section", name: name.clone(), hint });
            } else if !known.contains(name.as_str()) {
                let hint = suggestion(name, known.iter().copied())
                    .map_or_else(|| format!("; the sections are {}", enumerate(&known)), did_you_mean);
                unknown.push(ConfigError::Unknown { place: place.clone(), what: "section", name: name.clone(), hint });
            }
        }
        let lists = self.lists.iter().filter(|(name, _)| !self.known_lists.contains(&name.as_str()));
        let lists = lists.filter_map(|(name, sections)| Some((name, &sections.first()?.0)));
        for (name, place) in self.outside_sections.iter().map(|(name, place)| (name, place)).chain(lists) {
            let hint = if self.known_lists.contains(&name.as_str()) {
                format!("; write a line [[{name}]] and its keys below it")
            } else if known.contains(name.as_str()) {
                format!("; write a line [{name}] and its keys below it")
            } else {
                self.where_it_belongs(name)
                    .or_else(|| {
                        suggestion(name, self.known_lists.iter().copied())
                            .map(|list| format!("; did you mean [[{list}]]?"))
                    })
                    .unwrap_or_else(|| format!("; the sections are {}", enumerate(&known)))
            };
            let what = "key outside the sections";
            unknown.push(ConfigError::Unknown { place: place.clone(), what, name: name.clone(), hint });
        }
        self.errors.extend(unknown);
    }

    fn refuse_unknown_keys(&mut self) {
        let mut unknown = Vec::new();
        let lists = self.lists.iter().flat_map(|(name, sections)| {
            sections.iter().zip(1..).map(move |((_, keys), number)| (name, Some(number), keys))
        });
        let sections = self.sections.iter().map(|(name, (_, keys))| (name, None, keys)).chain(lists);
        for (section, number, keys) in sections {
            let is_here = |key: &&Key| key.section == section && key.number == number;
            let known: BTreeSet<&str> = self.known.iter().filter(is_here).map(|key| key.name).collect();
            let written = if number.is_some() { format!("[[{section}]]") } else { format!("[{section}]") };
            // An unknown section is one mistake: its keys are not reported one by one.
            for (name, setting) in keys.iter().filter(|_| !known.is_empty()) {
                if !known.contains(name.as_str()) {
                    let hint = self
                        .where_it_belongs(name)
                        .or_else(|| suggestion(name, known.iter().copied()).map(did_you_mean))
                        .unwrap_or_else(|| format!("; the keys of {written} are {}", enumerate(&known)));
                    let name = format!("{section}.{name}");
                    unknown.push(ConfigError::Unknown { place: setting.place.clone(), what: "key", name, hint });
                }
            }
        }
        self.errors.extend(unknown);
    }

    fn known_sections(&self) -> impl Iterator<Item = &'static str> {
        let once = self.known.iter().filter(|key| key.number.is_none()).map(|key| key.section);
        once.chain(self.known_lists.iter().copied())
    }

    /// Refuses misspelt variables: otherwise they would be ignored silently, and the operator would rely on them.
    fn refuse_unknown_variables(&mut self) {
        let known: BTreeSet<String> = self.known.iter().filter_map(|key| key.variable()).collect();
        for name in self.environment.keys().filter(|name| !known.contains(*name)) {
            let meant = nearest(&name.to_uppercase(), known.iter().map(String::as_str), 2);
            if meant.is_some() || name.starts_with(VARIABLE_PREFIX) {
                let list = self
                    .known_lists
                    .iter()
                    .find(|list| name.starts_with(&format!("{VARIABLE_PREFIX}{list}__").to_uppercase()));
                let hint = match (meant, list) {
                    (Some(meant), _) => did_you_mean(meant),
                    (None, Some(list)) => format!("; [[{list}]] can only be written in the file"),
                    (None, None) => {
                        format!("; write {VARIABLE_PREFIX}SECTION__KEY with a section and a key of config.toml")
                    }
                };
                let (place, what) = (Place::Variable(name.clone()), "variable of this program");
                self.errors.push(ConfigError::Unknown { place, what, name: name.clone(), hint });
            }
        }
    }

    /// Returns a hint that names the sections which have a key of this name. `None` if no section has it.
    fn where_it_belongs(&self, name: &str) -> Option<String> {
        let of_once = self.known.iter().filter(|key| key.name == name && key.number.is_none());
        let sections: Vec<String> = of_once.map(|key| format!("[{}]", key.section)).collect();
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
