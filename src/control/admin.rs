//! Orders about the supervisor's process itself: not its actors but whoever composed them carries these out.

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::Ask;

/// The body of `PUT /v1/log-filter`, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogFilterSetting {
    /// Which log lines are written: a level, or directives like `info,traffic_generator=debug`.
    pub filter: String,
}

/// The body of `POST /v1/reload`; it may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReloadBody {
    /// Accept that keys were removed from the config, and use their defaults. Without, such a config is refused: it may have
    /// been cut off.
    #[serde(default)]
    pub accept: bool,
}

/// The answer to `POST /v1/reload`. Keys are named as `section.key`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// The keys whose new values are in force from each campaign's next tick on.
    pub applied: Vec<String>,
    /// The keys whose new values come into force when the supervisor is started anew.
    pub needs_restart: Vec<String>,
    /// What is allowed and still looks like a mistake.
    pub warnings: Vec<String>,
}

/// The answer to `POST /v1/shutdown`: it was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stopping {
    /// The process that ends when what is on its way is finished.
    pub pid: u32,
}

/// What the control server asks of the daemon.
#[derive(Debug)]
pub enum AdminOrder {
    /// Read the config anew.
    Reload(Ask<ReloadBody, Reloaded>),
    /// Write other log lines than before.
    SetLogFilter(Ask<LogFilterSetting, LogFilterSetting>),
    /// Stop in order.
    Shutdown(Ask<(), Stopping>),
}

/// Where operations go.
pub type AdminPort = mpsc::Sender<AdminOrder>;
