//! The part of `check` that examines this machine: the config, the database and its lock, the API key, the socket's
//! folder.

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

/// Adds the config file, and its warnings.
pub(super) fn config(config: &Config, findings: &mut Findings) {
    findings.add(Check::ok("config file", absolute(&config.file).display().to_string()));
    for warning in &config.warnings {
        findings.add(Check::note("config file", warning));
    }
}

/// Examines the database and its lock. Returns the campaigns; `None` if they cannot be read.
pub(super) async fn database(config: &Config, findings: &mut Findings) -> Option<Vec<CampaignRow>> {
    let store = store_of(config);
    let file = config.database.url.sqlite_path();
    let shown =
        file.map_or_else(|| config.database.url.to_string(), |file| format!("sqlite {}", absolute(file).display()));
    if let Some(folder) = file.map(folder_of).filter(|folder| !folder.exists()) {
        findings.add(
            Check::problem(DATABASE, format!("the folder {} does not exist", folder.display())).advise("create it"),
        );
        return None;
    }
    let problems = file.map(missing_rights).unwrap_or_default();
    let has_rights = problems.is_empty();
    problems.into_iter().for_each(|problem| findings.add(problem));
    let rows = if let Some(problem) = schema_problem(&store).await {
        findings.add(problem);
        None
    } else {
        contents(&store, &shown, has_rights, findings).await
    };
    let invalid = rows.iter().flatten().filter_map(|row| row.policy(&config.generator).err());
    invalid.for_each(|error| findings.add(Check::problem("campaign", in_full(&error))));
    if has_rights && file.is_some_and(Path::exists) {
        findings.add(lock(&store).await);
    }
    rows
}

/// Reads the campaigns, and tries to write if this user has the rights.
async fn contents(store: &Store, shown: &str, has_rights: bool, findings: &mut Findings) -> Option<Vec<CampaignRow>> {
    let written = if has_rights { store.try_to_write().await } else { Ok(()) };
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
        Ok(()) if has_rights => findings.add(Check::ok(DATABASE, format!("{seen}, writable"))),
        Ok(()) => {}
        Err(error) if error.is_locked() => {
            let locked = format!(
                "{seen}; another program writes at this moment, so it is unknown whether the database is writable"
            );
            findings.add(Check::note(DATABASE, locked).advise("check again in a moment"));
        }
        Err(error) => findings.add(Check::problem(DATABASE, in_full(&error))),
    }
    Some(rows)
}

/// Returns the rights that this user lacks on a SQLite file and its folder.
fn missing_rights(file: &Path) -> Vec<Check> {
    // SQLite creates its files beside the file itself, not beside a link to it.
    let file = fs::canonicalize(file).unwrap_or_else(|_| absolute(file));
    let folder = folder_of(&file);
    let may = |path: &Path, access| rustix::fs::access(path, access).is_ok();
    let mut problems = Vec::new();
    if !may(&folder, Access::WRITE_OK | Access::EXEC_OK) {
        let problem = format!(
            "this user cannot write in the folder {}, where SQLite's log and the lock are created",
            folder.display()
        );
        problems.push(Check::problem(DATABASE, problem).advise("give this user the right to write in it"));
    }
    if file.exists() && !may(&file, Access::WRITE_OK) {
        let problem = format!("{} is read-only for this user", file.display());
        problems.push(Check::problem(DATABASE, problem).advise("give this user the right to write it"));
    }
    problems
}

/// Returns what is wrong with the schema; `None` if it is up to date.
async fn schema_problem(store: &Store) -> Option<Check> {
    let (problem, advice) = match store.schema().await {
        Ok(SchemaState::UpToDate) => return None,
        Ok(SchemaState::Missing) => {
            ("the database does not exist yet".to_owned(), "`traffic-generator migrate` creates it")
        }
        Ok(SchemaState::Empty) => {
            ("the database is empty".to_owned(), "`traffic-generator migrate` creates its tables")
        }
        Ok(SchemaState::Behind(migrations)) => (
            format!("the database's schema is behind ({})", migrations.join(", ")),
            "`traffic-generator migrate` brings it up to date",
        ),
        Ok(SchemaState::NoLeadership) => (
            "the row of the table `leadership` is missing, so no supervisor can lead".to_owned(),
            "`traffic-generator migrate` creates it again",
        ),
        Ok(SchemaState::Newer(versions)) => (
            format!("the database was written by a newer version of this program ({})", versions.join(", ")),
            "install that version",
        ),
        Ok(SchemaState::Foreign(tables)) => (
            format!("the database belongs to another program (it has the tables {})", tables.join(", ")),
            "set [database] url to another database",
        ),
        Err(error) => return Some(Check::problem(DATABASE, in_full(&error))),
    };
    Some(Check::problem(DATABASE, problem).advise(advice))
}

/// Returns whether a supervisor has the lock.
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

/// Returns the place of an API key that was found.
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

/// Adds the other files with secrets that every user of this machine may read or change.
pub(super) fn other_secrets(config: &Config, environment: &Environment, findings: &mut Findings) {
    let others = config.exposed_secrets(environment).into_iter().filter(|secret| secret.key != API_KEY_FILE);
    others.for_each(|secret| findings.add(Check::note("password", secret.to_string())));
}

/// Examines the folder in which the control socket is created.
pub(super) async fn socket(config: &Config) -> Check {
    let is_taken = match refuse_if_taken(&config.control.socket).await {
        Ok(()) => false,
        // A running supervisor is no problem for a check.
        Err(SocketError::Taken(_)) => true,
        Err(error) => return Check::problem(SOCKET, in_full(&error)),
    };
    let folder = folder_of(&config.control.socket);
    let shown = folder.display();
    match fs::metadata(&folder) {
        Ok(metadata) if !metadata.is_dir() => {
            Check::problem(SOCKET, format!("{shown} is not a folder: [control] socket cannot be created in it"))
        }
        Ok(_) if rustix::fs::access(&folder, Access::WRITE_OK | Access::EXEC_OK).is_err() => {
            let problem = format!("this user cannot write in the folder {shown}, where [control] socket is created");
            Check::problem(SOCKET, problem).advise("give this user the right to write in it")
        }
        Ok(_) if is_taken => Check::ok(SOCKET, format!("{shown}; a supervisor answers on the socket")),
        Ok(_) => Check::ok(SOCKET, shown.to_string()),
        Err(error) => {
            let problem = format!("the folder {shown} of [control] socket cannot be used: {}", in_full(&error));
            Check::problem(SOCKET, problem).advise("create it")
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn folder_of(file: &Path) -> PathBuf {
    absolute(file).parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf)
}
