//! The demo's folder: config, database and socket, removed at the end.

use std::io;
use std::path::PathBuf;

use tempfile::TempDir;
use thiserror::Error;

/// Enough for a tick every two seconds.
pub(super) const REQUESTS_PER_MINUTE: usize = 6000;

/// The folder.
pub(super) struct Stage {
    folder: TempDir,
}

/// Why there is no folder, or nothing in it.
#[derive(Debug, Error)]
pub(crate) enum StageError {
    #[error("cannot make a temporary folder: check TMPDIR and the space there")]
    Folder(#[source] io::Error),
    #[error("cannot write the demo's config.toml")]
    Config(#[source] io::Error),
}

impl Stage {
    pub(super) fn new() -> Result<Self, StageError> {
        let folder = tempfile::Builder::new().prefix("traffic-generator-").tempdir().map_err(StageError::Folder)?;
        Ok(Self { folder })
    }

    pub(super) fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.path().join("guard.db")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// The rules are the real ones; only the times are short enough to watch.
    pub(super) fn write_config(&self, base_url: &str) -> Result<(), StageError> {
        let (database, socket) = (self.database(), self.socket());
        let text = format!(
            r#"[database]
url = "sqlite://{database}"

[control]
socket = "{socket}"

[trafficstar]
base_url = "{base_url}"
requests_per_minute = {REQUESTS_PER_MINUTE}
confirm_within = "5s"

[generator]
tick = "2s"
cooldown = "10s"

[log]
filter = "info"
"#,
            database = escaped(&database),
            socket = escaped(&socket),
        );
        std::fs::write(self.config(), text).map_err(StageError::Config)
    }
}

/// A path as it stands in a TOML string.
fn escaped(path: &std::path::Path) -> String {
    path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"")
}
