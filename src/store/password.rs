//! The password of a server whose URL has none.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// A password that does not stand in the URL.
#[derive(Debug, Clone)]
pub enum Password {
    /// The password itself. Its `Debug` hides it.
    Text(SecretString),
    /// A file that holds it and nothing else, read at each connection.
    File(PathBuf),
}

/// Why there is no password to connect with.
#[derive(Debug, Error)]
#[error("[database] password_file: {} cannot be read; it must be a text file that this user may read", shown(.file))]
pub(super) struct PasswordError {
    file: PathBuf,
    #[source]
    source: std::io::Error,
}

impl Password {
    /// The password itself. A file is read now, so that a changed one counts from the next connection on.
    pub(super) fn read(&self) -> Result<SecretString, PasswordError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(file) => {
                let text = std::fs::read_to_string(file)
                    .map(SecretString::from)
                    .map_err(|source| PasswordError { file: file.clone(), source })?;
                // An editor ends the last line; a password ends before.
                Ok(text.expose_secret().trim_end_matches(['\r', '\n']).into())
            }
        }
    }
}

/// The file's name for a log. A relative name may be the password itself, written into `password_file`: it is not shown.
fn shown(file: &Path) -> String {
    if file.is_absolute() { file.display().to_string() } else { "the file that it names".to_owned() }
}
