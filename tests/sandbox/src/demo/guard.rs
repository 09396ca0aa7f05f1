//! The main program as the demo sees it: built by cargo, run as a child, spoken to by its own commands.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::{Voice, say};

const NAME: &str = "traffic-generator";
const ENVIRONMENT_PREFIX: &str = "TRAFFIC_GENERATOR__";
const ENDS_WITHIN: Duration = Duration::from_secs(10);
const STATUS_WITHIN: Duration = Duration::from_secs(5);

/// Why the main program is not there, or not running.
#[derive(Debug, Error)]
pub(crate) enum GuardError {
    #[error("cannot tell where this program is")]
    Whereabouts(#[source] io::Error),
    #[error("cannot run {what}")]
    Spawn {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("building the main program failed ({0}): what cargo says is above")]
    Build(ExitStatus),
    #[error("there is no {}: start the demo by `cargo run -p sandbox -- demo`, which builds it", .0.display())]
    NotBuilt(PathBuf),
    #[error("`traffic-generator migrate` failed ({0}): what it says is above")]
    Migrate(ExitStatus),
    #[error("the guard ended by itself ({0}): what it says is above")]
    Ended(ExitStatus),
    #[error("cannot wait for the guard's end")]
    Wait(#[source] io::Error),
}

/// The built program.
pub(super) struct Program {
    path: PathBuf,
}

/// The built program with what it is to run on.
pub(super) struct ConfiguredProgram {
    program: Program,
    config: PathBuf,
    api_key: String,
}

impl Program {
    /// Builds it into the folder that this program runs from. Without cargo (not started by `cargo run`) it has to be
    /// there.
    pub(super) async fn build() -> Result<Self, GuardError> {
        let here = std::env::current_exe().map_err(GuardError::Whereabouts)?;
        let folder = here.parent().map(PathBuf::from).unwrap_or_default();
        if let Some(cargo) = std::env::var_os("CARGO") {
            say(Voice::Sandbox, "Building the main program; the first time this takes some minutes.");
            let status = Self::cargo_build(&cargo, &folder)
                .status()
                .await
                .map_err(|source| GuardError::Spawn { what: "cargo".to_owned(), source })?;
            if !status.success() {
                return Err(GuardError::Build(status));
            }
        }
        let path = folder.join(NAME);
        if path.is_file() { Ok(Self { path }) } else { Err(GuardError::NotBuilt(path)) }
    }

    fn cargo_build(cargo: &OsString, folder: &std::path::Path) -> Command {
        let mut command = Command::new(cargo);
        command.args(["build", "--package", NAME, "--bin", NAME]);
        if let Some(manifest_folder) = std::env::var_os("CARGO_MANIFEST_DIR") {
            command.arg("--manifest-path").arg(PathBuf::from(manifest_folder).join("Cargo.toml"));
        }
        // The folder is named after the profile, except for the one named dev.
        match folder.file_name().and_then(|name| name.to_str()) {
            None | Some("debug") => {}
            Some(profile) => {
                command.args(["--profile", profile]);
            }
        }
        command
    }

    pub(super) fn with_config(self, config: PathBuf, api_key: String) -> ConfiguredProgram {
        ConfiguredProgram { program: self, config, api_key }
    }
}

impl ConfiguredProgram {
    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program.path);
        command
            .arg(verb)
            .arg("--config")
            .arg(&self.config)
            .env("TRAFFICSTAR_API_KEY", &self.api_key)
            .env("NO_COLOR", "1");
        // What the viewer has set for a supervisor of their own is not meant for this one.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with(ENVIRONMENT_PREFIX)) {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn spawn_error(&self) -> impl Fn(io::Error) -> GuardError + '_ {
        |source| GuardError::Spawn { what: self.program.path.display().to_string(), source }
    }

    /// Makes the database.
    pub(super) async fn migrate(&self) -> Result<(), GuardError> {
        let output = self.command("migrate").output().await.map_err(self.spawn_error())?;
        say_all(Voice::Guard, &output);
        if output.status.success() { Ok(()) } else { Err(GuardError::Migrate(output.status)) }
    }
}

fn say_all(voice: Voice, output: &Output) {
    for stream in [&output.stdout, &output.stderr] {
        say(voice, String::from_utf8_lossy(stream).trim_end());
    }
}

/// The running supervisor. Its log is passed through as it comes.
pub(super) struct Guard {
    child: Child,
    logs: Vec<JoinHandle<()>>,
    /// The last table that was asked for.
    status: Option<JoinHandle<()>>,
    program: PathBuf,
    socket: PathBuf,
}

impl Guard {
    pub(super) fn start(program: &ConfiguredProgram, socket: PathBuf) -> Result<Self, GuardError> {
        let mut child = program
            .command("run")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(program.spawn_error())?;
        let stdout = child.stdout.take().map(pass_through);
        let stderr = child.stderr.take().map(pass_through);
        let logs = stdout.into_iter().chain(stderr).collect();
        Ok(Self { child, logs, status: None, program: program.program.path.clone(), socket })
    }

    /// Prints what `traffic-generator status` prints, without holding the play up.
    pub(super) fn print_status(&mut self) {
        let mut command = Command::new(&self.program);
        command.arg("status").arg("--socket").arg(&self.socket).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).kill_on_drop(true);
        let status = tokio::spawn(async move {
            match tokio::time::timeout(STATUS_WITHIN, command.output()).await {
                Ok(Ok(output)) => say_all(Voice::Status, &output),
                Ok(Err(error)) => say(Voice::Status, &format!("cannot ask for the status: {error}")),
                Err(_) => say(Voice::Status, "the guard does not answer"),
            }
        });
        self.status = Some(status);
    }

    /// Ends only if the supervisor does, which it should not.
    pub(super) async fn ended(&mut self) -> GuardError {
        match self.child.wait().await {
            Ok(status) => GuardError::Ended(status),
            Err(error) => GuardError::Wait(error),
        }
    }

    /// Asks it to end, and ends it if it does not.
    pub(super) async fn stop(mut self) -> Result<(), GuardError> {
        // A table that is asked for while the guard ends would only tell that nobody answers.
        if let Some(status) = self.status.take() {
            status.abort();
        }
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let asked = kill_process(pid, Signal::TERM).is_ok();
            let ended = asked && tokio::time::timeout(ENDS_WITHIN, self.child.wait()).await.is_ok();
            if !ended {
                say(Voice::Sandbox, "The guard did not end when asked to: it is killed.");
                self.child.kill().await.map_err(GuardError::Wait)?;
            }
        }
        for log in self.logs.drain(..) {
            // A log that panicked has nothing left to say.
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
