//! Orders about the supervisor's process. The daemon carries these out, not the actors.

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::Ask;

/// The body of `PUT /v1/log-filter`, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogFilterSetting {
    /// The filter of log lines: a level, or directives like `info,traffic_generator=debug`.
    pub filter: String,
}

/// The body of `POST /v1/reload`; it may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReloadBody {
    /// Accept that keys were removed from the config, and use their defaults. Without this, such a config is refused,
    /// since the file may have been cut off.
    #[serde(default)]
    pub accept: bool,
}

/// The answer to `POST /v1/reload`. Keys are named as `section.key`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// The keys whose new values are in force from each campaign's next tick on.
    pub applied: Vec<String>,
    /// The keys whose new values are in force after a restart of the supervisor.
    pub needs_restart: Vec<String>,
    /// Warnings about values that are allowed but look like mistakes.
    pub warnings: Vec<String>,
}

/// The answer to `POST /v1/shutdown`: the order was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stopping {
    /// The supervisor's process id. The process ends after its open requests.
    pub pid: u32,
}

/// An order from the control server to the daemon.
#[derive(Debug)]
pub enum AdminOrder {
    /// Read the config again.
    Reload(Ask<ReloadBody, Reloaded>),
    /// Change which log lines are written.
    SetLogFilter(Ask<LogFilterSetting, LogFilterSetting>),
    /// Stop after the open requests.
    Shutdown(Ask<(), Stopping>),
}

/// The channel to the daemon for these orders.
pub type AdminPort = mpsc::Sender<AdminOrder>;
