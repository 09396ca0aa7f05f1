//! What can be wrong with a configuration, in words for the operator.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Every problem that was found, in the order of the file, then the environment's. Displays one problem a line.
#[derive(Debug)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
}

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of the config file, counted from 1.
    Line(PathBuf, usize),
    /// An environment variable, by name.
    Variable(String),
}

/// One problem of a configuration. None of the texts holds a value that may be a secret.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// None of the files exists.
    #[error(
        "no config file: looked for {}; copy the config.toml that comes with the program there, or name another with \
         --config FILE",
        list(.0)
    )]
    NoFile(Vec<PathBuf>),
    /// The file is there and cannot be read.
    #[error("{}: cannot be read; it must be a file of UTF-8 text that this user may read", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// It was found, and not named, and somebody else can have written it.
    #[error(
        "{}: {}, who could have the API key sent to a server of their own. If you trust it, name it: --config {}. If not, \
         move it away, or work in another folder. To use it unnamed, let it and its folder belong to you, and take from all \
         others the permission to write them",
        .0.display(),
        .1,
        .0.display()
    )]
    Doubtful(PathBuf, String),
    /// There is nothing in it. A file that was cut off, or is being written, has the default of every key.
    #[error(
        "{}: it gives no key, as if it had been cut off: the program does not run on defaults alone. Copy the config.toml that comes \
         with the program there",
        .0.display()
    )]
    NoKey(PathBuf),
    /// A line is not TOML. Its content is left out: it may hold a password.
    #[error("{0}: not valid TOML: {1}")]
    Syntax(Place, String),
    /// A section or key that does not exist.
    #[error("{place}: `{name}` is not a {what}{hint}")]
    Unknown {
        /// Where it stands.
        place: Place,
        /// What it would have to be, such as `section` or `key`.
        what: &'static str,
        /// The name as written.
        name: String,
        /// What was perhaps meant.
        hint: String,
    },
    /// A value that the key cannot have.
    #[error("{place}: {key}: {message}")]
    BadValue {
        /// Where it stands.
        place: Place,
        /// Section and key.
        key: String,
        /// What is wrong, and what would be right.
        message: String,
    },
}

impl ConfigError {
    /// The line or variable; `None` where the file as a whole is the problem.
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

    /// The problems, one line of text each.
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

/// Each line above tells its cause already, so this has none of its own.
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

/// A key or value can hold line breaks and terminal escapes; a message never does.
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
