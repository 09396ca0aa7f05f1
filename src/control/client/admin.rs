//! Orders about the supervisor's process.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;

use super::super::{LogFilterSetting, ReloadBody, Reloaded, Stopping};
use super::{Client, ClientError, read};

/// How often a command that ordered the end looks whether it has come.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Longer than the supervisor takes to finish what is on its way.
const GONE_WITHIN: Duration = Duration::from_secs(60);

impl Client {
    /// Lets the supervisor read its config anew.
    pub async fn reload(&self, body: ReloadBody) -> Result<Reloaded, ClientError> {
        read(&self.send(Method::POST, "/v1/reload", Some(body)).await?.1)
    }

    /// Lets the supervisor write other log lines than before.
    pub async fn set_log_filter(&self, setting: &LogFilterSetting) -> Result<LogFilterSetting, ClientError> {
        read(&self.send(Method::PUT, "/v1/log-filter", Some(setting)).await?.1)
    }

    /// Stops the supervisor; returns when its socket is gone.
    ///
    /// # Errors
    /// As every call; and a supervisor that does not end.
    pub async fn shutdown(&self) -> Result<Stopping, ClientError> {
        let before = socket_file(&self.path);
        let stopping = read(&self.send(Method::POST, "/v1/shutdown", None::<()>).await?.1)?;
        let gone = async {
            // Another supervisor may have been started there meanwhile, by whoever watches over this one.
            while before.is_some() && socket_file(&self.path) == before {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(GONE_WITHIN, gone).await.map_err(|_| ClientError::StillPending)?;
        Ok(stopping)
    }
}

/// What tells one socket at a path from the next.
fn socket_file(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let file = std::fs::symlink_metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.ctime(), file.ctime_nsec()))
}
