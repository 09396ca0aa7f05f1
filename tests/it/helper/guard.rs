//! The built program: run as a child, told to stop or killed, and spoken to by its commands and over its socket.

use std::io::{PipeWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::background::{Text, gather};
use super::clock::{Clock, hang_directory};
use super::{Config, Reply, ask};

const PROGRAM: &str = env!("CARGO_BIN_EXE_traffic-generator");

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// Runs it to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// All that it said, on both of its streams.
    pub(crate) fn told(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// What it printed; it has to have succeeded.
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.code, 0, "{}", self.told());
        self.stdout
    }
}

/// The same program with its environment, run by another one that is told so by these arguments and its own.
pub(crate) fn behind(program: &Command, by: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(by);
    command.args(arguments).arg(program.get_program()).args(program.get_args()).stdin(Stdio::null());
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// The program with its config, and its child while it runs.
#[derive(Default)]
pub(crate) struct Guard {
    folder: PathBuf,
    /// What the next start reads.
    pub(crate) config: Config,
    child: Option<Child>,
    /// What it shows to TrafficStars.
    pub(super) api_key: String,
    /// The certificate that it trusts, if not the system's.
    pub(super) certificate: Option<PathBuf>,
    /// Its system asks a directory for the names of users, and that hangs.
    pub(crate) has_hung_directory: bool,
    /// What is in its environment, too.
    pub(crate) variables: Vec<(&'static str, &'static str)>,
    /// The clock that it lives by, where a test sets one.
    pub(super) clock: Option<Clock>,
    log: Text,
}

impl Guard {
    pub(super) fn new(folder: &Path, base_url: &str, config: Config) -> Self {
        let folder = folder.to_owned();
        let at = |name: &str| folder.join(name).display().to_string();
        let config = config
            .on_database(&format!("sqlite://{}", at("guard.db")))
            .set("control", "socket", at("guard.sock"))
            .set("trafficstar", "base_url", base_url);
        config.write(&folder.join("config.toml"));
        Self { folder, config, api_key: "sandbox-api-key".to_owned(), ..Self::default() }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("guard.sock")
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    pub(crate) fn move_file(&self, from: &str, to: &str) {
        std::fs::rename(self.folder.join(from), self.folder.join(to)).unwrap();
    }

    /// Writes the config, for a guard that reads it anew while it runs.
    pub(crate) fn write_config(&self) {
        self.config.write(&self.config_file());
    }

    /// Sends a signal, and does not wait for what comes of it.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Waits until it has ended by itself, as it should.
    pub(crate) fn wait_for_end(&mut self) {
        let status = self.end();
        assert!(status.success(), "the guard ended with {status}");
    }

    /// One of the program's commands, to be begun.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = self.program_without_config(arguments);
        command.arg("--config").arg(self.folder.join("config.toml"));
        command
    }

    /// The same, where its folder is the working directory, and no config is named.
    pub(crate) fn program_without_config(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(&self.folder);
        for (name, _) in std::env::vars_os() {
            // What somebody has set for a supervisor of their own is not meant for this one.
            if name.to_str().is_some_and(|name| name.starts_with("TRAFFIC_GENERATOR__") || name == "PGPASSWORD") {
                command.env_remove(name);
            }
        }
        command.env("TRAFFICSTAR_API_KEY", &self.api_key).stdin(Stdio::null());
        if let Some(certificate) = &self.certificate {
            command.env("SSL_CERT_FILE", certificate);
        }
        if self.has_hung_directory {
            hang_directory(&mut command);
        }
        if let Some(clock) = &self.clock {
            clock.keep(&mut command);
        }
        command.envs(self.variables.iter().copied());
        command
    }

    /// Runs one of the program's commands to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        Done::of(&mut self.program(arguments))
    }

    /// The same with another database than the running one's.
    pub(crate) fn run_on_another_database(&self, arguments: &[&str]) -> Done {
        let url = format!("sqlite://{}", self.folder.join("other.db").display());
        self.run_with(&[("TRAFFIC_GENERATOR__DATABASE__URL", &url)], arguments)
    }

    /// The same with these variables in its environment.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Done {
        Done::of(self.program(arguments).envs(variables.iter().copied()))
    }

    fn spawn(&self, log: impl Into<Stdio>) -> Child {
        assert!(self.child.is_none(), "the guard runs already");
        self.config.write(&self.folder.join("config.toml"));
        self.program(&["run"]).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    /// Starts it with its log in this pipe, which nobody reads.
    pub(crate) fn start_unread(&mut self, log: &PipeWriter) {
        self.child = Some(self.spawn(log.try_clone().unwrap()));
    }

    /// Starts it, and waits for nothing.
    pub(crate) fn start(&mut self) {
        let mut child = self.spawn(Stdio::piped());
        gather(child.stderr.take().unwrap(), &self.log);
        self.child = Some(child);
    }

    /// Ends it as a service manager does, by SIGTERM, and waits for it to finish.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        assert!(status.success(), "the guard ended with {status}");
    }

    /// Ends it as a power cut does, by SIGKILL. Does nothing where it does not run.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some())
    }

    /// Waits until it has ended by itself, and answers how.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.child.take().unwrap().wait().unwrap()
    }

    pub(super) fn assert_alive(&mut self) {
        let status = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
        assert!(status.is_none(), "the guard has ended by itself: {status:?}");
    }

    /// What it has written to stderr, in all its runs.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// `GET /v1/state`.
    pub(crate) fn state(&self) -> Value {
        self.try_state().unwrap()
    }

    /// What the socket answers to a GET.
    pub(crate) fn get(&self, path: &str) -> Reply {
        ask(&self.socket(), "GET", path, "")
    }

    /// The same, where it may not answer.
    pub(crate) fn try_state(&self) -> std::io::Result<Value> {
        match self.try_get("/v1/state")? {
            (200, state) => Ok(state),
            (status, problem) => Err(std::io::Error::other(format!("{status}: {problem}"))),
        }
    }

    /// Sends a request, with a body where one is given: the status code and the JSON body, null where that is empty.
    pub(crate) fn request(&self, method: &str, path: &str, body: Option<&str>) -> (u16, Value) {
        let reply = ask(&self.socket(), method, path, body.unwrap_or_default());
        (reply.status, if reply.text.is_empty() { Value::Null } else { reply.json() })
    }

    fn try_get(&self, path: &str) -> std::io::Result<(u16, Value)> {
        let mut answer = String::new();
        self.try_open(path)?.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| std::io::Error::other("no answer"))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other(head.to_owned()))?;
        Ok((status, serde_json::from_str(body)?))
    }

    /// `GET`s something and reads nothing of its answer.
    pub(crate) fn open(&self, path: &str) -> UnixStream {
        self.try_open(path).unwrap()
    }

    fn try_open(&self, path: &str) -> std::io::Result<UnixStream> {
        let mut stream = UnixStream::connect(self.folder.join("guard.sock"))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        Ok(stream)
    }
}
