//! The secrets of a configuration: the API key, and the database's password if the URL has none.
//!
//! No secret is ever displayed, neither by `Debug` nor in an error.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use thiserror::Error;

use super::{AlertConfig, Config, Environment, trust};
use crate::store::Password;

/// The environment variable with the API key. It comes before the file.
const API_KEY_VARIABLE: &str = "TRAFFICSTAR_API_KEY";

/// The config key that names the file with the API key.
pub const API_KEY_FILE: &str = "trafficstar.api_key_file";

/// The beginning of every JWT: `{"` in Base64.
const JWT_BEGINS_WITH: &str = "eyJ";

/// The environment variable with the database's password. PostgreSQL's own programs read it, too.
const PASSWORD_VARIABLE: &str = "PGPASSWORD";

/// The reason why there is no usable API key. Each variant holds the place of the key, in words.
#[derive(Debug, Error)]
pub enum ApiKeyError {
    /// Neither the variable nor the file exists.
    #[error(
        "no API key: put it into {0} with mode 0600, or into the environment variable {API_KEY_VARIABLE}; you find the key \
         on your TrafficStars profile page"
    )]
    None(String),
    /// The file exists but cannot be read.
    #[error("the API key cannot be read from {0}; it must be a text file that this user may read")]
    Unreadable(String, #[source] std::io::Error),
    /// The variable or the file is empty.
    #[error("{0} is empty: put the API key of your TrafficStars profile page there")]
    Empty(String),
    /// The text is only a part of a key. A key is a JWT: three parts with dots between them.
    #[error(
        "{0} holds only a part of an API key. A whole key is three parts with dots between them, in one line: copy the whole \
         key from your TrafficStars profile page, from `eyJ` to its end"
    )]
    CutOff(String),
    /// The text is not a key. A key is one word of ASCII characters.
    #[error(
        "{0} does not hold an API key, since a key contains no space and no line break: copy the key from your TrafficStars \
         profile page"
    )]
    NotOneWord(String),
}

/// A file with a secret that every user of this machine may read or change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{key}: every user of this machine may read or change the file (mode {mode:04o}): run `chmod 600` on it")]
pub struct ExposedSecret {
    /// The config key that names the file.
    pub key: &'static str,
    /// The permission bits of the file.
    pub mode: u32,
}

impl Config {
    /// Returns the database's password: the environment's `PGPASSWORD`, or else the file `database.password_file`.
    /// `None` if neither is set.
    #[must_use]
    pub fn database_password(&self, environment: &Environment) -> Option<Password> {
        // An empty variable counts as not set, as in PostgreSQL's own programs.
        let text = environment.get(PASSWORD_VARIABLE).filter(|text| !text.is_empty());
        let text = text.map(|text| Password::Text(SecretString::from(text.as_str())));
        text.or_else(|| self.database.password_file.clone().map(Password::File))
    }

    /// Returns the files with secrets that every user of this machine may read or change.
    #[must_use]
    pub fn exposed_secrets(&self, environment: &Environment) -> Vec<ExposedSecret> {
        let password = self.database_password(environment).and_then(|password| match password {
            Password::Text(_) => None,
            Password::File(file) => Some(file),
        });
        let files = [(API_KEY_FILE, self.named_key_file(environment).cloned()), ("database.password_file", password)];
        let of_alerts = self.alerts.iter().flat_map(AlertConfig::secret_files);
        let of_alerts = of_alerts.map(|(key, file)| (key, Some(file.to_path_buf())));
        let exposed = |(key, file): (_, Option<PathBuf>)| {
            Some(ExposedSecret { key, mode: trust::mode(file.as_deref()?).filter(|mode| trust::is_exposed(*mode))? })
        };
        files.into_iter().chain(of_alerts).filter_map(exposed).collect()
    }

    /// Returns all warnings, one line each: those about the config, and those about the files that it names.
    #[must_use]
    pub fn all_warnings(&self, environment: &Environment) -> Vec<String> {
        let exposed = self.exposed_secrets(environment);
        self.warnings.iter().cloned().chain(exposed.iter().map(ExposedSecret::to_string)).collect()
    }

    /// Returns the file from which the API key is read. `None` if the environment has the key.
    fn named_key_file(&self, environment: &Environment) -> Option<&PathBuf> {
        (!environment.contains_key(API_KEY_VARIABLE)).then_some(&self.trafficstar.api_key_file)
    }

    /// Returns the place of the API key, in words.
    #[must_use]
    pub fn api_key_place(&self, environment: &Environment) -> String {
        match self.named_key_file(environment) {
            Some(file) => shown_key_file(file),
            None => format!("the environment variable {API_KEY_VARIABLE}"),
        }
    }

    /// Returns the permission bits of the file with the API key. `None` if there is no such file, or the environment
    /// has the key.
    #[must_use]
    pub fn api_key_mode(&self, environment: &Environment) -> Option<u32> {
        trust::mode(self.named_key_file(environment)?)
    }

    /// Returns the API key: the environment's `TRAFFICSTAR_API_KEY`, or else the text of `trafficstar.api_key_file`.
    ///
    /// # Errors
    /// There is no key, or the text cannot be a key. The message says where to put the key.
    pub fn api_key(&self, environment: &Environment) -> Result<SecretString, ApiKeyError> {
        let place = self.api_key_place(environment);
        if let Some(key) = environment.get(API_KEY_VARIABLE) {
            return checked_key(key, place);
        }
        match std::fs::read_to_string(&self.trafficstar.api_key_file) {
            Ok(key) => checked_key(&key, place),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Err(ApiKeyError::None(place)),
            Err(cause) => Err(ApiKeyError::Unreadable(place, cause)),
        }
    }
}

fn checked_key(text: &str, place: String) -> Result<SecretString, ApiKeyError> {
    let key = text.trim();
    if key.is_empty() {
        Err(ApiKeyError::Empty(place))
    } else if !key.chars().all(|character| character.is_ascii_graphic()) {
        Err(ApiKeyError::NotOneWord(place))
    } else if key.starts_with(JWT_BEGINS_WITH) && !is_whole_jwt(key) {
        Err(ApiKeyError::CutOff(place))
    } else {
        Ok(SecretString::from(key))
    }
}

/// Whether a JWT has its three parts. A key that was cut right after a dot has an empty part.
fn is_whole_jwt(key: &str) -> bool {
    key.split('.').count() == 3 && key.split('.').all(|part| !part.is_empty())
}

/// Returns the file's name for messages. A relative name may be the key itself, written into `api_key_file` by mistake,
/// so it is not shown.
fn shown_key_file(file: &Path) -> String {
    if file.is_absolute() {
        file.display().to_string()
    } else {
        "the file that `trafficstar.api_key_file` names".to_owned()
    }
}
