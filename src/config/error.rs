//! The errors of a configuration, worded for the operator.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Every problem that was found: first those of the file, in its order, then those of the environment. Displays one
/// problem per line.
#[derive(Debug)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
}

/// The place where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A config file and the line in it, counted from 1.
    Line(PathBuf, usize),
    /// The name of an environment variable.
    Variable(String),
}

/// One problem of a configuration. No text contains a value that may be a secret.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// None of the config files exists. Holds their paths.
    #[error(
        "no config file: looked for {}; copy the config.toml that comes with the program to one of these places, or name \
         another file with --config FILE",
        list(.0)
    )]
    NoFile(Vec<PathBuf>),
    /// The file exists but cannot be read.
    #[error("{}: cannot be read; it must be a file of UTF-8 text that this user may read", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// The file was found in the working directory, the operator did not name it, and another user may have written it.
    #[error(
        "{}: {}, so another user could have the API key sent to a server of their own. If you trust the file, name it: \
         --config {}. If not, move it away, or work in another folder. To use it without naming it, the file and its folder \
         must belong to you, and no other user may have the permission to write them",
        .0.display(),
        .1,
        .0.display()
    )]
    Doubtful(PathBuf, String),
    /// The file gives no key. A file that was cut off, or is still being written, looks like that, and must not count
    /// as all defaults.
    #[error(
        "{}: the file gives no key, so it may have been cut off. The program does not run on defaults alone: copy the \
         config.toml that comes with the program to this place",
        .0.display()
    )]
    NoKey(PathBuf),
    /// A line is not TOML. The error leaves out its content, which may hold a password.
    #[error("{0}: not valid TOML: {1}")]
    Syntax(Place, String),
    /// A section or key does not exist.
    #[error("{place}: `{name}` is not a {what}{hint}")]
    Unknown {
        /// The place of the name: a line of a config file, or an environment variable.
        place: Place,
        /// The kind of name that is expected, such as `section` or `key`.
        what: &'static str,
        /// The name as written.
        name: String,
        /// A hint for the operator, such as the name that was probably meant.
        hint: String,
    },
    /// A key has a value that is not allowed.
    #[error("{place}: {key}: {message}")]
    BadValue {
        /// The place of the value: a line of a config file, or an environment variable.
        place: Place,
        /// The key, as `section.key`.
        key: String,
        /// The fault of the value, and a valid value to write instead.
        message: String,
    },
}

impl ConfigError {
    /// Returns the line or variable. `None` if the problem concerns the whole file.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::NoFile(_) | Self::Unreadable(..) | Self::Doubtful(..) | Self::NoKey(_) => None,
            Self::Syntax(place, _) | Self::Unknown { place, .. } | Self::BadValue { place, .. } => Some(place),
        }
    }
}

impl ConfigErrors {
    pub(super) fn new(mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by(|left, right| left.place().cmp(&right.place()));
        Self { errors }
    }

    /// Returns the problems, one line of text each.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.errors.iter().map(|error| {
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            one_line(&format!("{error}{cause}"))
        })
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, line) in self.lines().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}{line}")?;
        }
        Ok(())
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self::new(vec![error])
    }
}

/// It has no source: each line above already contains its cause.
impl std::error::Error for ConfigErrors {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line) => write!(f, "{}:{line}", file.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

fn list(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    names.join(" and ")
}

/// Escapes line breaks and terminal escapes, which a key or value may contain but a message must not.
fn one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, character| {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
        line
    })
}
