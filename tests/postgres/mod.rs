//! PostgreSQL servers for tests, if the machine has the programs to start them. The store's own tests and the tests of
//! the built program use them.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

const SCRIPT: &str = include_str!("server.sh");
/// The port of a server that listens on a socket alone. There it is only a part of the socket's file name, and each
/// server has a folder of its own.
const ANY_PORT: u16 = 5432;

/// A server. It ends when this value is dropped, and when the test process ends in any way: both close the pipe to it.
pub(crate) struct Server {
    _script: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    socket_folder: String,
    port: u16,
}

/// The certificate and the key of a server that encrypts, as PEM texts.
pub(crate) struct Tls {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Returns the URL of a database on the server that all tests of this process share. Returns `None` on a machine
/// without PostgreSQL, and prints a message then.
pub(crate) fn shared_server(database: &str) -> Option<String> {
    shared().map(|server| server.url(database))
}

/// Returns the folder of that server's socket.
pub(crate) fn shared_socket_folder() -> Option<PathBuf> {
    shared().map(|server| PathBuf::from(server.socket_folder.replace("%2F", "/")))
}

fn shared() -> Option<&'static Server> {
    static SHARED: OnceLock<Option<Server>> = OnceLock::new();
    SHARED.get_or_init(|| Server::start(None)).as_ref()
}

impl Server {
    /// Starts a server on a socket; with `tls` also on a port of 127.0.0.1. Returns `None` on a machine without
    /// PostgreSQL, and prints a message then.
    ///
    /// # Panics
    /// The server does not start. Or the tests run in CI, where every test must run, and PostgreSQL is missing.
    pub(crate) fn start(tls: Option<&Tls>) -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(std::env::var_os("CI").is_none(), "there is no PostgreSQL server on this machine: install one");
            // Not by `eprintln!`: the test harness would capture it and not show it.
            let message = "\n*** SKIPPED: no PostgreSQL server on this machine; tested on SQLite alone ***\n";
            std::io::stderr().write_all(message.as_bytes()).unwrap();
            return None;
        };
        let port = if tls.is_some() { free_port() } else { ANY_PORT };
        let mut command = shell();
        command.args(["-c", SCRIPT, "server.sh"]).arg(&programs).arg(port.to_string()).current_dir("/");
        if let Some(Tls { certificate, key }) = tls {
            command.env("TLS_CERTIFICATE", certificate).env("TLS_KEY", key);
        }
        let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut answers = BufReader::new(script.stdout.take().unwrap());
        let mut socket_folder = String::new();
        answers.read_line(&mut socket_folder).unwrap();
        assert!(!socket_folder.is_empty(), "the PostgreSQL server in {} did not start", programs.display());
        let commands = script.stdin.take().unwrap();
        let socket_folder = socket_folder.trim().replace('/', "%2F");
        Some(Self { _script: script, commands, answers, socket_folder, port })
    }

    /// Returns the URL of a database, by way of the socket.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://guard@{}:{}/{database}", self.socket_folder, self.port)
    }

    /// Returns the port of a server that encrypts.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server as a crash would.
    pub(crate) fn stop(&mut self) {
        self.command("stop");
    }

    /// Starts the server again.
    pub(crate) fn start_again(&mut self) {
        self.command("start");
    }

    /// Lets the server hang: its connections stay open, and it answers nothing.
    pub(crate) fn freeze(&mut self) {
        self.command("freeze");
    }

    /// Ends the hang.
    pub(crate) fn thaw(&mut self) {
        self.command("thaw");
    }

    fn command(&mut self, word: &str) {
        writeln!(self.commands, "{word}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer, "done\n", "{word}");
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Returns the folder of the newest server below Debian's `/usr/lib/postgresql`, or of the server in the path.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("pg_isready").exists())
}

/// Returns the command that runs the script. As root it switches to another user: the server refuses to run as root.
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
