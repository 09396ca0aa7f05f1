//! `check`: every problem found, one a line, or that all is well. Changes nothing; fine beside a running supervisor.
//!
//! Deliberately absent: a request to TrafficStars. It would count against the account's limit.

use std::path::Path;

use rustix::fs::Access;

use super::{Arguments, CommandError, complain};
use crate::config::{Config, process_environment};
use crate::control::server::{SocketError, refuse_if_taken};
use crate::daemon::store_of;
use crate::error_chain::in_full;
use crate::store::SchemaState;

/// Prints the problems; fails if there is one.
pub(super) async fn check(arguments: &Arguments) -> Result<(), CommandError> {
    let problems = problems(arguments).await;
    arguments.print(&problems, || match problems.as_slice() {
        [] => "All is well.".to_owned(),
        problems => problems.join("\n"),
    })?;
    if problems.is_empty() { Ok(()) } else { Err(CommandError::CheckFailed) }
}

async fn problems(arguments: &Arguments) -> Vec<String> {
    let environment = process_environment();
    let config = match arguments.load_config() {
        Ok(config) => config,
        Err(errors) => return errors.lines().collect(),
    };
    for warning in &config.warnings {
        complain("warning", warning);
    }
    let api_key = config.api_key(&environment).err().map(|error| in_full(&error));
    let database = database_problem(&config).await;
    let socket = socket_problem(&config).await;
    api_key.into_iter().chain(database).chain(socket).collect()
}

async fn database_problem(config: &Config) -> Option<String> {
    let store = match store_of(config) {
        Ok(store) => store,
        Err(error) => return Some(in_full(&error)),
    };
    match store.schema().await {
        Ok(SchemaState::UpToDate) => None,
        Ok(SchemaState::Missing) => {
            Some("the database is not there yet: `traffic-generator migrate` makes it".to_owned())
        }
        Ok(SchemaState::Empty) => {
            Some("the database is empty: `traffic-generator migrate` makes its tables".to_owned())
        }
        Ok(SchemaState::Behind(migrations)) => Some(format!(
            "the database's schema is behind ({}): `traffic-generator migrate` brings it up to date",
            migrations.join(", ")
        )),
        Ok(SchemaState::Newer(versions)) => Some(format!(
            "the database was written by a newer version of this program ({}): install that version",
            versions.join(", ")
        )),
        Ok(SchemaState::Foreign(tables)) => Some(format!(
            "the database belongs to another program (it has the tables {}): set [database] url to another one",
            tables.join(", ")
        )),
        Err(error) => Some(in_full(&error)),
    }
}

async fn socket_problem(config: &Config) -> Option<String> {
    if let Err(error @ SocketError::NotASocket(_)) = refuse_if_taken(&config.control.socket).await {
        return Some(error.to_string());
    }
    let folder = config.control.socket.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    match std::fs::metadata(folder) {
        Ok(metadata) if !metadata.is_dir() => {
            Some(format!("{} is no folder: [control] socket cannot be made in it", folder.display()))
        }
        Ok(_) if rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).is_err() => {
            Some(format!("the folder {} may not be written: [control] socket cannot be made in it", folder.display()))
        }
        Ok(_) => None,
        Err(error) => {
            Some(format!("the folder {} of [control] socket cannot be used: {error}: make it", folder.display()))
        }
    }
}
