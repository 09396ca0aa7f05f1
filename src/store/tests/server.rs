//! A PostgreSQL server for this test process, if the machine has one to start.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

const SCRIPT: &str = include_str!("server.sh");

/// The server, started once. It ends when the process does, which closes the pipe to it.
struct Server {
    _script: Child,
    socket_folder: String,
}

/// The folder of the server's socket. `None`, said loudly, on a machine without PostgreSQL.
pub(super) fn socket_folder() -> Option<&'static str> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(start).as_ref().map(|server| server.socket_folder.as_str())
}

fn start() -> Option<Server> {
    let Some(programs) = programs() else {
        // Past the test harness, which would swallow it.
        let message = "\n*** SKIPPED: no PostgreSQL server on this machine; the store is tested on SQLite alone ***\n";
        std::io::stderr().write_all(message.as_bytes()).unwrap();
        return None;
    };
    let mut command = shell();
    command.args(["-c", SCRIPT, "server.sh"]).arg(&programs).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut script = command.current_dir("/").spawn().unwrap();
    let mut socket_folder = String::new();
    BufReader::new(script.stdout.take().unwrap()).read_line(&mut socket_folder).unwrap();
    assert!(!socket_folder.is_empty(), "the PostgreSQL server in {} did not start", programs.display());
    Some(Server { _script: script, socket_folder: socket_folder.trim().to_owned() })
}

/// The newest server that Debian has put aside, or the one in the path.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("pg_isready").exists())
}

/// The server refuses to run as root.
fn shell() -> Command {
    let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    if !is_root {
        return Command::new("sh");
    }
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let has_postgres = accounts.lines().any(|account| account.starts_with("postgres:"));
    let mut command = Command::new("runuser");
    command.args(["-u", if has_postgres { "postgres" } else { "nobody" }, "--", "sh"]);
    command
}
