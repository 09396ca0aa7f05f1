//! `migrate`: brings the database's schema up to date.

use super::{Arguments, CommandError};
use crate::daemon::{self, RunError};

pub(super) async fn migrate(arguments: &Arguments) -> Result<(), CommandError> {
    let store = daemon::store_of(&arguments.load_config()?);
    let applied = store.migrate().await.map_err(RunError::from)?;
    arguments.print(&applied, || match applied.as_slice() {
        [] => "The database's schema is up to date.".to_owned(),
        applied => format!("The database's schema was brought up to date: {}.", applied.join(", ")),
    })
}
