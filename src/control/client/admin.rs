//! Requests about the supervisor's process.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;

use super::super::{LogFilterSetting, ReloadBody, Reloaded, Stopping};
use super::{Client, ClientError, read};

/// After a shutdown, the client checks at this interval whether the supervisor has stopped.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The longest time in which the supervisor may stop: longer than its open requests take.
const GONE_WITHIN: Duration = Duration::from_secs(60);

impl Client {
    /// Makes the supervisor read its config again.
    pub async fn reload(&self, body: ReloadBody) -> Result<Reloaded, ClientError> {
        read(&self.send(Method::POST, "/v1/reload", Some(body)).await?.1)
    }

    /// Changes which log lines the supervisor writes.
    pub async fn set_log_filter(&self, setting: &LogFilterSetting) -> Result<LogFilterSetting, ClientError> {
        read(&self.send(Method::PUT, "/v1/log-filter", Some(setting)).await?.1)
    }

    /// Stops the supervisor; returns when its socket no longer exists.
    ///
    /// # Errors
    /// Those of every call, and [`ClientError::StillPending`] if the supervisor does not stop.
    pub async fn shutdown(&self) -> Result<Stopping, ClientError> {
        let before = socket_file(&self.path);
        let stopping = read(&self.send(Method::POST, "/v1/shutdown", None::<()>).await?.1)?;
        let gone = async {
            // A service manager may start another supervisor at once, with a new socket at the same path.
            while before.is_some() && socket_file(&self.path) == before {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(GONE_WITHIN, gone).await.map_err(|_| ClientError::StillPending)?;
        Ok(stopping)
    }
}

/// Returns numbers that identify the socket's file, so that a new one at the same path differs.
fn socket_file(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let file = std::fs::symlink_metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.ctime(), file.ctime_nsec()))
}
