//! The demo's folder, with config, database and socket. It is removed at the end.

use std::path::PathBuf;

use tempfile::TempDir;

/// Enough for a tick every two seconds.
pub(super) const REQUESTS_PER_MINUTE: usize = 6000;

/// The demo's folder.
pub(super) struct Stage {
    folder: TempDir,
}

impl Stage {
    pub(super) fn new() -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("traffic-generator-").tempdir();
        let cannot = |error| format!("cannot make a temporary folder: check TMPDIR and the space there: {error}");
        Ok(Self { folder: folder.map_err(cannot)? })
    }

    /// Returns the path of a file in the folder: `config.toml`, `guard.db` or `control.sock`.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the demo's config: the normal rules, with times that are short enough to watch.
    pub(super) fn write_config(&self, base_url: &str) -> Result<(), String> {
        let (database, socket) = (self.file("guard.db"), self.file("control.sock"));
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
top_up_wait = "10s"
top_up_interval = "12s"

[[groups]]
name = "winter"
spend_limit = "8.00"
high_spend = "pause"

[log]
filter = "info"
"#,
            database = escaped(&database),
            socket = escaped(&socket),
        );
        std::fs::write(self.file("config.toml"), text)
            .map_err(|error| format!("cannot write the demo's config.toml: {error}"))
    }
}

/// Returns a path, escaped for a TOML string.
fn escaped(path: &std::path::Path) -> String {
    path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"")
}
