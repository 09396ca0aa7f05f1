//! The main program in the demo: cargo builds it, and the demo runs it as a child process and uses its commands.

use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::stage::Stage;
use super::{Voice, say};

const NAME: &str = "traffic-generator";
const ENVIRONMENT_PREFIX: &str = "TRAFFIC_GENERATOR__";
const CANNOT_WAIT: &str = "cannot wait for the guard's end";
const ENDS_WITHIN: Duration = Duration::from_secs(10);
const STATUS_WITHIN: Duration = Duration::from_secs(5);

/// The built program, with its config, its socket and its API key.
pub(super) struct Program {
    path: PathBuf,
    config: PathBuf,
    socket: PathBuf,
    api_key: String,
}

impl Program {
    /// Builds the program into the folder of this program. If `cargo run` did not start the demo, the program has to be
    /// there already.
    pub(super) async fn build(stage: &Stage, api_key: String) -> Result<Self, Box<dyn Error>> {
        let here =
            std::env::current_exe().map_err(|error| format!("cannot find out where this program is: {error}"))?;
        let folder = here.parent().map(PathBuf::from).unwrap_or_default();
        if let Some(cargo) = std::env::var_os("CARGO") {
            say(Voice::Sandbox, "Building the main program; the first time this takes some minutes.");
            let built = Self::cargo_build(&cargo, &folder).status().await;
            let status = built.map_err(|error| format!("cannot run cargo: {error}"))?;
            if !status.success() {
                return Err(format!("building the main program failed ({status}): what cargo says is above").into());
            }
        }
        let path = folder.join(NAME);
        if !path.is_file() {
            let path = path.display();
            let message =
                format!("there is no {path}: start the demo by `cargo run -p sandbox -- demo`, which builds it");
            return Err(message.into());
        }
        Ok(Self { path, config: stage.file("config.toml"), socket: stage.file("control.sock"), api_key })
    }

    fn cargo_build(cargo: &OsString, folder: &std::path::Path) -> Command {
        let mut command = Command::new(cargo);
        command.args(["build", "--package", NAME, "--bin", NAME]);
        if let Some(manifest_folder) = std::env::var_os("CARGO_MANIFEST_DIR") {
            command.arg("--manifest-path").arg(PathBuf::from(manifest_folder).join("Cargo.toml"));
        }
        // The folder has the profile's name; only that of the profile dev is named debug.
        match folder.file_name().and_then(|name| name.to_str()) {
            None | Some("debug") => {}
            Some(profile) => {
                command.args(["--profile", profile]);
            }
        }
        command
    }

    /// Returns one of the program's commands. Its process is killed when the child is dropped.
    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.path);
        command.arg(verb).env("TRAFFICSTAR_API_KEY", &self.api_key).env("NO_COLOR", "1");
        // The viewer may have set these for a supervisor of their own.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with(ENVIRONMENT_PREFIX)) {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn configured_command(&self, verb: &str) -> Command {
        let mut command = self.command(verb);
        command.arg("--config").arg(&self.config);
        command
    }

    /// Returns the beginning of the command lines for another terminal.
    pub(super) fn shown(&self) -> String {
        format!("{} --socket {}", self.path.display(), self.socket.display())
    }

    fn cannot_run(&self, error: &io::Error) -> String {
        format!("cannot run {}: {error}", self.path.display())
    }

    /// Makes the database.
    pub(super) async fn migrate(&self) -> Result<(), Box<dyn Error>> {
        let migrated = self.configured_command("migrate").output().await;
        let output = migrated.map_err(|error| self.cannot_run(&error))?;
        say_all(Voice::Guard, &output);
        if !output.status.success() {
            let status = output.status;
            return Err(format!("`traffic-generator migrate` failed ({status}): what it says is above").into());
        }
        Ok(())
    }
}

fn say_all(voice: Voice, output: &Output) {
    for stream in [&output.stdout, &output.stderr] {
        say(voice, String::from_utf8_lossy(stream).trim_end());
    }
}

/// The running supervisor. The demo prints its log line by line.
pub(super) struct Guard {
    child: Child,
    logs: Vec<JoinHandle<()>>,
    /// The task that prints the latest table.
    status: Option<JoinHandle<()>>,
    program: Program,
}

impl Guard {
    pub(super) fn start(program: Program) -> Result<Self, Box<dyn Error>> {
        let started = program.configured_command("run").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| program.cannot_run(&error))?;
        let stdout = child.stdout.take().map(pass_through);
        let stderr = child.stderr.take().map(pass_through);
        let logs = stdout.into_iter().chain(stderr).collect();
        Ok(Self { child, logs, status: None, program })
    }

    /// Prints the table of `traffic-generator status`, in the background.
    pub(super) fn print_status(&mut self) {
        // With --socket the config is not read.
        let mut command = self.program.command("status");
        command.arg("--socket").arg(&self.program.socket);
        let status = tokio::spawn(async move {
            match tokio::time::timeout(STATUS_WITHIN, command.output()).await {
                Ok(Ok(output)) => say_all(Voice::Status, &output),
                Ok(Err(error)) => say(Voice::Status, &format!("cannot ask for the status: {error}")),
                Err(_) => say(Voice::Status, "the guard does not answer"),
            }
        });
        self.status = Some(status);
    }

    /// Waits until the supervisor ends by itself, which is an error.
    pub(super) async fn ended(&mut self) -> Box<dyn Error> {
        match self.child.wait().await {
            Ok(status) => format!("the guard ended by itself ({status}): what it says is above").into(),
            Err(error) => format!("{CANNOT_WAIT}: {error}").into(),
        }
    }

    /// Stops the supervisor by SIGTERM, and kills it if it does not end.
    pub(super) async fn stop(mut self) -> Result<(), Box<dyn Error>> {
        // Otherwise the table would only report that the guard does not answer.
        if let Some(status) = self.status.take() {
            status.abort();
        }
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let asked = kill_process(pid, Signal::TERM).is_ok();
            let ended = asked && tokio::time::timeout(ENDS_WITHIN, self.child.wait()).await.is_ok();
            if !ended {
                say(Voice::Sandbox, "The guard did not end when asked to: it is killed.");
                self.child.kill().await.map_err(|error| format!("{CANNOT_WAIT}: {error}"))?;
            }
        }
        for log in self.logs.drain(..) {
            // A task that panicked has no more lines.
            let _ = log.await;
        }
        Ok(())
    }
}

fn pass_through(stream: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            say(Voice::Guard, &line);
        }
    })
}
