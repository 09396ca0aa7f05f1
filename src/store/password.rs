//! The password for a server whose URL has no password.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// A password that is not part of the URL.
#[derive(Debug, Clone)]
pub enum Password {
    /// The password itself. Its `Debug` hides it.
    Text(SecretString),
    /// The path of a file that holds only the password. It is read for each new connection.
    File(PathBuf),
}

/// The reason why the password file cannot be read.
#[derive(Debug, Error)]
#[error("[database] password_file: {} cannot be read; it must be a text file that this user may read", shown(.file))]
pub(super) struct PasswordError {
    file: PathBuf,
    #[source]
    source: std::io::Error,
}

impl Password {
    /// Returns the password. A file is read at each call, so that a changed file takes effect with the next connection.
    pub(super) fn read(&self) -> Result<SecretString, PasswordError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(file) => {
                let text = std::fs::read_to_string(file)
                    .map(SecretString::from)
                    .map_err(|source| PasswordError { file: file.clone(), source })?;
                // Editors add a line break at the end, which is not part of the password.
                Ok(text.expose_secret().trim_end_matches(['\r', '\n']).into())
            }
        }
    }
}

/// Returns the file's name for messages. A relative name may be the password itself, written into `password_file` by
/// mistake, so it is not shown.
fn shown(file: &Path) -> String {
    if file.is_absolute() { file.display().to_string() } else { "the file that this key names".to_owned() }
}
