//! `check`'s look at this machine: the config, the database and its lock, the key, the socket's folder.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::findings::{Check, Findings};
use crate::config::{API_KEY_FILE, Config, Environment};
use crate::control::server::{SocketError, refuse_if_taken};
use crate::daemon::store_of;
use crate::error_chain::in_full;
use crate::store::{CampaignRow, LockState, SchemaState, Store};

const DATABASE: &str = "database";
const SOCKET: &str = "socket folder";

/// The config that was read, and what looks like a mistake in it.
pub(super) fn config(config: &Config, findings: &mut Findings) {
    findings.add(Check::ok("config file", absolute(&config.file).display().to_string()));
    for warning in &config.warnings {
        findings.add(Check::note("config file", warning));
    }
}

/// The database and its lock; its campaigns, where they can be read.
pub(super) async fn database(config: &Config, findings: &mut Findings) -> Option<Vec<CampaignRow>> {
    let store = store_of(config);
    let file = config.database.url.sqlite_path();
    let shown =
        file.map_or_else(|| config.database.url.to_string(), |file| format!("sqlite {}", absolute(file).display()));
    if let Some(folder) = file.map(folder_of).filter(|folder| !folder.exists()) {
        findings.add(Check::problem(DATABASE, format!("the folder {} is missing", folder.display())).advise("make it"));
        return None;
    }
    let problems = file.map(missing_rights).unwrap_or_default();
    let is_ours = problems.is_empty();
    problems.into_iter().for_each(|problem| findings.add(problem));
    let rows = if let Some(problem) = schema_problem(&store).await {
        findings.add(problem);
        None
    } else {
        contents(&store, &shown, is_ours, findings).await
    };
    if is_ours && file.is_some_and(Path::exists) {
        findings.add(lock(&store).await);
    }
    rows
}

/// The campaigns, and whether anything can be written, where that was not refused already.
async fn contents(store: &Store, shown: &str, is_ours: bool, findings: &mut Findings) -> Option<Vec<CampaignRow>> {
    let written = if is_ours { store.try_to_write().await } else { Ok(()) };
    let rows = match store.campaigns().await {
        Ok(rows) => rows,
        Err(error) => {
            findings.add(Check::problem(DATABASE, in_full(&error)));
            return None;
        }
    };
    let campaigns = if rows.len() == 1 { "1 campaign".to_owned() } else { format!("{} campaigns", rows.len()) };
    let seen = format!("{shown}, {campaigns}, schema current");
    match written {
        Ok(()) if is_ours => findings.add(Check::ok(DATABASE, format!("{seen}, writable"))),
        Ok(()) => {}
        Err(error) if error.is_locked() => {
            let locked =
                format!("{seen}; somebody else writes at this moment, so that it was not tried whether it is writable");
            findings.add(Check::note(DATABASE, locked).advise("check again in a moment"));
        }
        Err(error) => findings.add(Check::problem(DATABASE, in_full(&error))),
    }
    Some(rows)
}

/// What this user may not do with a SQLite file and its folder.
fn missing_rights(file: &Path) -> Vec<Check> {
    // The files beside it are made where it is, whatever links lead to it.
    let file = fs::canonicalize(file).unwrap_or_else(|_| absolute(file));
    let folder = folder_of(&file);
    let may = |path: &Path, access| rustix::fs::access(path, access).is_ok();
    let mut problems = Vec::new();
    if !may(&folder, Access::WRITE_OK | Access::EXEC_OK) {
        let problem =
            format!("the folder {} may not be written: SQLite's log and the lock are made in it", folder.display());
        problems.push(Check::problem(DATABASE, problem).advise("give this user the right to write it"));
    }
    if file.exists() && !may(&file, Access::WRITE_OK) {
        let problem = format!("{} is read-only for this user", file.display());
        problems.push(Check::problem(DATABASE, problem).advise("give this user the right to write it"));
    }
    problems
}

async fn schema_problem(store: &Store) -> Option<Check> {
    let (problem, advice) = match store.schema().await {
        Ok(SchemaState::UpToDate) => return None,
        Ok(SchemaState::Missing) => {
            ("the database is not there yet".to_owned(), "`traffic-generator migrate` makes it")
        }
        Ok(SchemaState::Empty) => ("the database is empty".to_owned(), "`traffic-generator migrate` makes its tables"),
        Ok(SchemaState::Behind(migrations)) => (
            format!("the database's schema is behind ({})", migrations.join(", ")),
            "`traffic-generator migrate` brings it up to date",
        ),
        Ok(SchemaState::NoLeadership) => (
            "the row of the table `leadership` is lost, so that nobody can lead".to_owned(),
            "`traffic-generator migrate` makes it again",
        ),
        Ok(SchemaState::Newer(versions)) => (
            format!("the database was written by a newer version of this program ({})", versions.join(", ")),
            "install that version",
        ),
        Ok(SchemaState::Foreign(tables)) => (
            format!("the database belongs to another program (it has the tables {})", tables.join(", ")),
            "set [database] url to another one",
        ),
        Err(error) => return Some(Check::problem(DATABASE, in_full(&error))),
    };
    Some(Check::problem(DATABASE, problem).advise(advice))
}

async fn lock(store: &Store) -> Check {
    let what = "lock";
    match store.lock_state().await {
        Ok(LockState::Held(holder)) => {
            let holder = holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
            Check::ok(what, format!("a supervisor runs on the database{holder}"))
        }
        Ok(LockState::Free | LockState::None) => Check::ok(what, "free: no supervisor runs on the database"),
        Err(error) => Check::problem(what, in_full(&error)),
    }
}

/// Where the key is, for one that was found.
pub(super) fn api_key(config: &Config, environment: &Environment) -> Check {
    let what = "API key";
    let mode = config.api_key_mode(environment).map(|mode| format!(" (mode {mode:04o})")).unwrap_or_default();
    let place = format!("from {}{mode}", config.api_key_place(environment));
    if config.exposed_secrets(environment).iter().any(|secret| secret.key == API_KEY_FILE) {
        let exposed = format!("{place}: every user of this machine may read or change the file");
        return Check::note(what, exposed).advise("chmod 600 it");
    }
    Check::ok(what, place)
}

/// Other files with a secret in them that everybody may read.
pub(super) fn other_secrets(config: &Config, environment: &Environment, findings: &mut Findings) {
    let others = config.exposed_secrets(environment).into_iter().filter(|secret| secret.key != API_KEY_FILE);
    others.for_each(|secret| findings.add(Check::note("password", secret.to_string())));
}

/// The folder in which the control socket is made.
pub(super) async fn socket(config: &Config) -> Check {
    let is_taken = match refuse_if_taken(&config.control.socket).await {
        Ok(()) => false,
        // A supervisor may run beside a check.
        Err(SocketError::Taken(_)) => true,
        Err(error) => return Check::problem(SOCKET, in_full(&error)),
    };
    let folder = folder_of(&config.control.socket);
    let shown = folder.display();
    match fs::metadata(&folder) {
        Ok(metadata) if !metadata.is_dir() => {
            Check::problem(SOCKET, format!("{shown} is no folder: [control] socket cannot be made in it"))
        }
        Ok(_) if rustix::fs::access(&folder, Access::WRITE_OK | Access::EXEC_OK).is_err() => {
            let problem = format!("the folder {shown} may not be written: [control] socket cannot be made in it");
            Check::problem(SOCKET, problem).advise("give this user the right to write it")
        }
        Ok(_) if is_taken => Check::ok(SOCKET, format!("{shown}; a supervisor answers on the socket")),
        Ok(_) => Check::ok(SOCKET, shown.to_string()),
        Err(error) => {
            let problem = format!("the folder {shown} of [control] socket cannot be used: {}", in_full(&error));
            Check::problem(SOCKET, problem).advise("make it")
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn folder_of(file: &Path) -> PathBuf {
    absolute(file).parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf)
}
