//! The secrets of a configuration: the database's password where its URL holds none, and the API key.
//!
//! None is ever displayed: not by `Debug`, not in an error.

use std::io::ErrorKind;
use std::path::Path;

use secrecy::SecretString;
use thiserror::Error;

use super::{Config, Environment, trust};
use crate::store::Password;

/// The variable that holds the API key, if it does not stand in a file.
const API_KEY_VARIABLE: &str = "TRAFFICSTAR_API_KEY";

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

impl Config {
    /// Where the database's password is: the environment's `PGPASSWORD`, or else the file `database.password_file`.
    #[must_use]
    pub fn database_password(&self, environment: &Environment) -> Option<Password> {
        // An empty one is none to every program of PostgreSQL.
        let text = environment.get(PASSWORD_VARIABLE).filter(|text| !text.is_empty());
        let text = text.map(|text| Password::Text(SecretString::from(text.as_str())));
        text.or_else(|| self.database.password_file.clone().map(Password::File))
    }

    /// The files with secrets that every user of this machine may read or change, a warning each.
    pub(super) fn exposed_secrets(&self, environment: &Environment) -> Vec<String> {
        let key = (!environment.contains_key(API_KEY_VARIABLE)).then_some(&self.trafficstar.api_key_file);
        let password = self.database_password(environment).and_then(|password| match password {
            Password::Text(_) => None,
            Password::File(file) => Some(file),
        });
        let files = [("trafficstar.api_key_file", key), ("database.password_file", password.as_ref())];
        let exposed = files.into_iter().filter_map(|(name, file)| Some((name, trust::exposed(file?)?)));
        exposed
            .map(|(name, mode)| {
                format!(
                    "{name}: every user of this machine may read or change the file (mode {mode:04o}): chmod 600 it"
                )
            })
            .collect()
    }

    /// The API key: the environment's `TRAFFICSTAR_API_KEY`, or else the text of `trafficstar.api_key_file`.
    ///
    /// # Errors
    /// There is none, or what is there cannot be one. The message says where to put it.
    pub fn api_key(&self, environment: &Environment) -> Result<SecretString, ApiKeyError> {
        if let Some(key) = environment.get(API_KEY_VARIABLE) {
            return checked_key(key, format!("the environment variable {API_KEY_VARIABLE}"));
        }
        let file = shown_key_file(&self.trafficstar.api_key_file);
        match std::fs::read_to_string(&self.trafficstar.api_key_file) {
            Ok(key) => checked_key(&key, file),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Err(ApiKeyError::None(file)),
            Err(cause) => Err(ApiKeyError::Unreadable(file, cause)),
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
