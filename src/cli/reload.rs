//! `reload`: the supervisor reads its config again.

use super::{Arguments, CommandError, Complaint, complain};
use crate::control::ReloadBody;

pub(super) async fn reload(arguments: &Arguments, accept: bool) -> Result<(), CommandError> {
    let reloaded = arguments.client()?.reload(ReloadBody { accept }).await?;
    for warning in &reloaded.warnings {
        complain(Complaint::Warning, warning);
    }
    arguments.print(&reloaded, || {
        let applied = match reloaded.applied.as_slice() {
            [] => "The config was read: nothing has changed.".to_owned(),
            keys => format!("In force from each campaign's next tick on: {}.", keys.join(", ")),
        };
        match reloaded.needs_restart.as_slice() {
            [] => applied,
            keys => format!("{applied}\nIn force only after a restart: {}.", keys.join(", ")),
        }
    })
}
