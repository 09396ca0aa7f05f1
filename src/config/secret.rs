//! The secrets of a configuration: the database's password where its URL holds none, and the API key.
//!
//! None is ever displayed: not by `Debug`, not in an error.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use thiserror::Error;

use super::{Config, Environment, trust};
use crate::store::Password;

/// The variable that holds the API key, if it does not stand in a file.
const API_KEY_VARIABLE: &str = "TRAFFICSTAR_API_KEY";

/// The key of the config that names its file.
pub const API_KEY_FILE: &str = "trafficstar.api_key_file";

/// `{"` in Base64, with which every JWT begins.
const JWT_BEGINS_WITH: &str = "eyJ";

/// The variable that holds the database's password, as every program of PostgreSQL reads it.
const PASSWORD_VARIABLE: &str = "PGPASSWORD";

/// Why there is no API key.
#[derive(Debug, Error)]
pub enum ApiKeyError {
    /// Neither the variable nor the file exists.
    #[error(
        "no API key: put it into {0} with mode 0600, or into the environment variable {API_KEY_VARIABLE}; it stands \
         on your TrafficStars profile page"
    )]
    None(String),
    /// The file is there and cannot be read.
    #[error("the API key cannot be read from {0}; it must be a text file that this user may read")]
    Unreadable(String, #[source] std::io::Error),
    /// There is nothing in this place: the variable, or the file.
    #[error("{0} holds no API key: it is empty; put the key of your TrafficStars profile page there")]
    Empty(String),
    /// A key is a JWT: three parts with dots between them.
    #[error(
        "{0} holds a part of an API key: it was cut off. A whole key is three parts with dots between them, in one line; \
         copy it anew from your TrafficStars profile page, from `eyJ` to its very end"
    )]
    CutOff(String),
    /// A key is one word of ASCII characters.
    #[error("{0} holds something else than an API key: a key has no space and no line break within it")]
    NotOneWord(String),
}

/// A file with a secret in it that every user of this machine may read or change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{key}: every user of this machine may read or change the file (mode {mode:04o}): chmod 600 it")]
pub struct ExposedSecret {
    /// The key of the config that names it.
    pub key: &'static str,
    /// Its permissions.
    pub mode: u32,
}

impl Config {
    /// Where the database's password is: the environment's `PGPASSWORD`, or else the file `database.password_file`.
    #[must_use]
    pub fn database_password(&self, environment: &Environment) -> Option<Password> {
        // An empty one is none to every program of PostgreSQL.
        let text = environment.get(PASSWORD_VARIABLE).filter(|text| !text.is_empty());
        let text = text.map(|text| Password::Text(SecretString::from(text.as_str())));
        text.or_else(|| self.database.password_file.clone().map(Password::File))
    }

    /// The files with secrets that every user of this machine may read or change.
    #[must_use]
    pub fn exposed_secrets(&self, environment: &Environment) -> Vec<ExposedSecret> {
        let password = self.database_password(environment).and_then(|password| match password {
            Password::Text(_) => None,
            Password::File(file) => Some(file),
        });
        let files = [(API_KEY_FILE, self.named_key_file(environment).cloned()), ("database.password_file", password)];
        let exposed = |(key, file): (_, Option<PathBuf>)| {
            Some(ExposedSecret { key, mode: trust::mode(file.as_deref()?).filter(|mode| trust::is_exposed(*mode))? })
        };
        files.into_iter().filter_map(exposed).collect()
    }

    /// What is allowed and still looks like a mistake, a line each: in the config, and in the files that it names.
    #[must_use]
    pub fn all_warnings(&self, environment: &Environment) -> Vec<String> {
        let exposed = self.exposed_secrets(environment);
        self.warnings.iter().cloned().chain(exposed.iter().map(ExposedSecret::to_string)).collect()
    }

    /// The file that the API key is read from; none where the environment has it.
    fn named_key_file(&self, environment: &Environment) -> Option<&PathBuf> {
        (!environment.contains_key(API_KEY_VARIABLE)).then_some(&self.trafficstar.api_key_file)
    }

    /// Where the API key is looked for, in words.
    #[must_use]
    pub fn api_key_place(&self, environment: &Environment) -> String {
        match self.named_key_file(environment) {
            Some(file) => shown_key_file(file),
            None => format!("the environment variable {API_KEY_VARIABLE}"),
        }
    }

    /// The permissions of the file that it is read from.
    #[must_use]
    pub fn api_key_mode(&self, environment: &Environment) -> Option<u32> {
        trust::mode(self.named_key_file(environment)?)
    }

    /// The API key: the environment's `TRAFFICSTAR_API_KEY`, or else the text of `trafficstar.api_key_file`.
    ///
    /// # Errors
    /// There is none, or what is there cannot be one. The message says where to put it.
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

/// What is cut off right behind a dot has an empty part.
fn is_whole_jwt(key: &str) -> bool {
    key.split('.').count() == 3 && key.split('.').all(|part| !part.is_empty())
}

/// Whoever takes `api_key_file` for the place of the key itself must not find the key in a log.
fn shown_key_file(file: &Path) -> String {
    if file.is_absolute() {
        file.display().to_string()
    } else {
        "the file that `trafficstar.api_key_file` names".to_owned()
    }
}
