//! The built program: a test runs it as a child process, stops or kills it, and uses its commands and its socket.

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

/// The result of a command that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Returns everything that the command printed, to stdout and stderr.
    pub(crate) fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Returns what the command printed to stdout. Fails the test if the command failed.
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.code, 0, "{}", self.output());
        self.stdout
    }
}

/// Returns a command that runs `program`, with its arguments and environment, by way of the program `by` with these
/// arguments.
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

/// The program with its config, and its child process while it runs.
#[derive(Default)]
pub(crate) struct Guard {
    folder: PathBuf,
    /// The config that the next start reads.
    pub(crate) config: Config,
    child: Option<Child>,
    /// The API key that the guard sends to TrafficStars.
    pub(super) api_key: String,
    /// The file of the certificate that the guard trusts. `None` if it trusts the system's.
    pub(super) certificate: Option<PathBuf>,
    /// Whether the system's directory of users hangs for the guard.
    pub(crate) has_hung_directory: bool,
    /// Further variables of the guard's environment.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// The clock that the guard uses. `None` if it uses the machine's.
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
        let mut guard = Self::default();
        (guard.folder, guard.config, guard.api_key) = (folder, config, "sandbox-api-key".to_owned());
        guard
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

    /// Writes the config, for a guard that reloads it while it runs.
    pub(crate) fn write_config(&self) {
        self.config.write(&self.config_file());
    }

    /// Sends a signal, and does not wait for its effect.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Waits until the guard has ended by itself. Fails the test if it ended with an error.
    pub(crate) fn wait_for_end(&mut self) {
        let status = self.end();
        assert!(status.success(), "the guard ended with {status}");
    }

    /// Returns one of the program's commands, ready to be started.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = self.program_without_config(arguments);
        command.arg("--config").arg(self.folder.join("config.toml"));
        command
    }

    /// Returns the same without `--config`. The working directory is the guard's folder, as it is there.
    pub(crate) fn program_without_config(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(&self.folder);
        for (name, _) in std::env::vars_os() {
            // The person who runs the tests may have set these for a guard of their own.
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
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs one of the program's commands to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        Done::of(&mut self.program(arguments))
    }

    /// Does the same on another database than the running guard's.
    pub(crate) fn run_on_another_database(&self, arguments: &[&str]) -> Done {
        let url = format!("sqlite://{}", self.folder.join("other.db").display());
        self.run_with(&[("TRAFFIC_GENERATOR__DATABASE__URL", &url)], arguments)
    }

    /// Does the same with these variables in the environment.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Done {
        Done::of(self.program(arguments).envs(variables.iter().copied()))
    }

    fn spawn(&self, log: impl Into<Stdio>) -> Child {
        assert!(self.child.is_none(), "the guard runs already");
        self.config.write(&self.folder.join("config.toml"));
        self.program(&["run"]).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    /// Starts the guard with its log in this pipe, which no thread reads.
    pub(crate) fn start_unread(&mut self, log: &PipeWriter) {
        self.child = Some(self.spawn(log.try_clone().unwrap()));
    }

    /// Starts the guard, and does not wait until it is ready.
    pub(crate) fn start(&mut self) {
        let mut child = self.spawn(Stdio::piped());
        gather(child.stderr.take().unwrap(), &self.log);
        self.child = Some(child);
    }

    /// Stops the guard as a service manager does, by SIGTERM, and waits until it has ended.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        assert!(status.success(), "the guard ended with {status}");
    }

    /// Kills the guard by SIGKILL, which has the effect of a power cut. Does nothing if the guard does not run.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The guard may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some())
    }

    /// Waits until the guard has ended by itself, and returns its exit status.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.child.take().unwrap().wait().unwrap()
    }

    pub(super) fn assert_alive(&mut self) {
        let status = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
        assert!(status.is_none(), "the guard has ended by itself: {status:?}");
    }

    /// Returns what the guard has written to stderr, in all its runs.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Returns the answer to `GET /v1/state`.
    pub(crate) fn state(&self) -> Value {
        self.try_state().unwrap()
    }

    /// Returns the socket's answer to a GET.
    pub(crate) fn get(&self, path: &str) -> Reply {
        ask(&self.socket(), "GET", path, "")
    }

    /// Does the same, and returns an error if the guard does not answer.
    pub(crate) fn try_state(&self) -> std::io::Result<Value> {
        match self.try_get("/v1/state")? {
            (200, state) => Ok(state),
            (status, problem) => Err(std::io::Error::other(format!("{status}: {problem}"))),
        }
    }

    /// Sends a request with an optional body. Returns the status code and the JSON body, which is null if the answer is
    /// empty.
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

    /// Sends a GET, and reads nothing of the answer.
    pub(crate) fn open(&self, path: &str) -> UnixStream {
        self.try_open(path).unwrap()
    }

    fn try_open(&self, path: &str) -> std::io::Result<UnixStream> {
        let mut stream = UnixStream::connect(self.folder.join("guard.sock"))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        Ok(stream)
    }
}

impl Drop for Guard {
    /// A test that fails leaves no guard behind, which would go on in the background.
    fn drop(&mut self) {
        self.kill();
    }
}
