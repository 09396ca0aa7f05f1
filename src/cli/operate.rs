//! `reload`, `log-filter` and `shutdown`.

use super::{Arguments, CommandError, complain};
use crate::control::{LogFilterSetting, ReloadBody};

pub(super) async fn reload(arguments: &Arguments, accept: bool) -> Result<(), CommandError> {
    let reloaded = arguments.client()?.reload(ReloadBody { accept }).await?;
    for warning in &reloaded.warnings {
        complain("warning", warning);
    }
    arguments.print(&reloaded, || {
        let applied = match reloaded.applied.as_slice() {
            [] => "The config was read: nothing changes.".to_owned(),
            keys => format!("In force from the next tick on: {}.", keys.join(", ")),
        };
        match reloaded.needs_restart.as_slice() {
            [] => applied,
            keys => format!("{applied}\nIn force after a restart only: {}.", keys.join(", ")),
        }
    })
}

pub(super) async fn log_filter(arguments: &Arguments, filter: &str) -> Result<(), CommandError> {
    let setting = LogFilterSetting { filter: filter.to_owned() };
    let set = arguments.client()?.set_log_filter(&setting).await?;
    arguments.print(&set, || format!("Log lines are filtered by {} until a reload or the end.", set.filter))
}

pub(super) async fn shutdown(arguments: &Arguments) -> Result<(), CommandError> {
    let stopping = arguments.client()?.shutdown().await?;
    arguments.print(&stopping, || format!("The supervisor (process {}) has stopped.", stopping.pid))
}
