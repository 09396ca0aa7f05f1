//! `check`: every problem found, one a line, or that all is well. Changes nothing; fine beside a running supervisor.
//!
//! Deliberately absent: the requests to TrafficStars (`daemon::check`).

use std::path::Path;

use rustix::fs::Access;
use serde::Serialize;

use super::{Arguments, CommandError, complain};
use crate::config::{Config, process_environment};
use crate::control::server::{SocketError, refuse_if_taken};
use crate::daemon::check::Findings;
use crate::daemon::{self, store_of};
use crate::error_chain::in_full;
use crate::store::SchemaState;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Printed {
    problems: Vec<String>,
    notes: Vec<String>,
}

/// Prints what is worth knowing, and the problems; fails if there is one.
pub(super) async fn check(arguments: &Arguments, offline: bool) -> Result<(), CommandError> {
    let Findings { problems, notes } = findings(arguments, offline).await;
    let printed = Printed { problems, notes };
    arguments.print(&printed, || {
        let notes = printed.notes.iter().map(|note| format!("note: {note}"));
        let well = printed.problems.is_empty().then(|| "All is well.".to_owned());
        let lines: Vec<String> = notes.chain(printed.problems.iter().cloned()).chain(well).collect();
        lines.join("\n")
    })?;
    if printed.problems.is_empty() { Ok(()) } else { Err(CommandError::CheckFailed) }
}

async fn findings(arguments: &Arguments, offline: bool) -> Findings {
    let mut findings = Findings::default();
    let config = match arguments.load_config() {
        Ok(config) => config,
        Err(errors) => return Findings { problems: errors.lines().collect(), ..findings },
    };
    for warning in &config.warnings {
        complain("warning", warning);
    }
    let api_key = config.api_key(&process_environment());
    let database = database_problem(&config).await;
    let has_tables = database.is_none();
    findings.problems.extend(api_key.as_ref().err().map(|error| in_full(error)));
    findings.problems.extend(database);
    findings.problems.extend(socket_problem(&config).await);
    let setup = daemon::check::setup_problem(&config);
    findings.notes.extend(daemon::check::proxy_in_words(&config));
    if let Ok(api_key) = api_key
        && setup.is_none()
        && !offline
    {
        let Findings { problems, notes } = daemon::check::look(&config, api_key, has_tables).await;
        findings.problems.extend(problems);
        findings.notes.extend(notes);
    }
    findings.problems.extend(setup);
    findings
}

async fn database_problem(config: &Config) -> Option<String> {
    match store_of(config).schema().await {
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
        Ok(SchemaState::NoLeadership) => Some(
            "the row of the table `leadership` is lost, so that nobody can lead: `traffic-generator migrate` makes it again"
                .to_owned(),
        ),
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
    match refuse_if_taken(&config.control.socket).await {
        // A supervisor may run beside a check.
        Ok(()) | Err(SocketError::Taken(_)) => {}
        Err(error) => return Some(in_full(&error)),
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
