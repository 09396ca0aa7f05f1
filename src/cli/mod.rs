//! The program's commands: what they are called, and what each does with its result.
//!
//! Results go to stdout, messages to stderr. Exit status: 0 done, 1 it failed or the answer is no, 2 usage, 3 no
//! supervisor answers on the socket. Deliberately absent: anything that a command does by itself; `run`, `check` and
//! `migrate` call the library, all others ask the supervisor through the control API.

mod check;
mod documents;
pub mod explain;
mod generator;
mod migrate;
mod operate;
pub mod render;
mod status;
mod top;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use serde::Serialize;
use thiserror::Error;

use crate::config::{ApiKeyError, Config, ConfigErrors, process_environment};
use crate::control::CampaignPatch;
use crate::control::client::{Client, ClientError};
use crate::daemon::{self, RunError};
use crate::domain::facts::CampaignId;
use crate::error_chain::in_full;
use crate::telemetry::{self, TelemetryError};

/// Guards TrafficStars campaigns: runs and pauses them by today's spend and the clicks that remain.
#[derive(Debug, Parser)]
#[command(name = "traffic-generator", version, about, arg_required_else_help = true)]
struct Arguments {
    /// The config file [default: config.toml here, then /etc/traffic-generator/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Talk to the supervisor behind this socket, without reading a config
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the supervisor, in the foreground
    #[command(after_help = "Example: TRAFFICSTAR_API_KEY=… traffic-generator run --config config.toml")]
    Run,
    /// Check config, database, API key and socket folder; changes nothing
    #[command(after_help = "Example: traffic-generator check && systemctl restart traffic-generator")]
    Check,
    /// Bring the database's schema up to date (`run` does so too)
    #[command(after_help = "Example: traffic-generator migrate --config config.toml")]
    Migrate,
    /// Show campaigns: state, remote, spend, remaining clicks, next tick, last action, error
    #[command(after_help = "Example: traffic-generator status 1 2")]
    Status {
        /// Campaign ids; all campaigns where none is given
        #[arg(value_name = "ID")]
        ids: Vec<i64>,
    },
    /// Print the actor state dump, or one campaign's, as JSON
    #[command(after_help = "Example: traffic-generator dump | jq '.campaigns[] | select(.contested)'")]
    Dump {
        /// A campaign id; the whole dump where none is given
        #[arg(value_name = "ID")]
        id: Option<i64>,
    },
    /// Say why a campaign is (not) running, and what happens next
    #[command(after_help = "Example: traffic-generator explain 1")]
    Explain {
        /// The campaign's id
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Guard a campaign
    #[command(after_help = "Example: traffic-generator enable 1")]
    Enable {
        /// The campaign's id
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Stop guarding a campaign; returns when nothing is sent for it any more
    #[command(after_help = "Example: traffic-generator disable 1 --pause")]
    Disable {
        /// The campaign's id
        #[arg(value_name = "ID")]
        id: i64,
        /// Pause it first; it stays guarded if that fails
        #[arg(long)]
        pause: bool,
    },
    /// Let the supervisor read its config anew; says what is in force now, and what needs a restart
    #[command(after_help = "Example: traffic-generator check && traffic-generator reload")]
    Reload,
    /// Let the supervisor write other log lines, until a reload or its end
    #[command(after_help = "Example: traffic-generator log-filter info,traffic_generator=debug")]
    LogFilter {
        /// A level (error, warn, info, debug, trace, off), or directives by module
        #[arg(value_name = "FILTER")]
        filter: String,
    },
    /// Stop the supervisor in order; returns when it has stopped
    #[command(after_help = "Example: traffic-generator shutdown --socket /run/traffic-generator/control.sock")]
    Shutdown,
    /// Print a script that completes this program's commands and options in a shell
    #[command(after_help = "Example: traffic-generator completions bash > \
                            /usr/share/bash-completion/completions/traffic-generator")]
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the manual page, or one of a command, for `man -l -`
    #[command(after_help = "Example: traffic-generator man run | man -l -")]
    Man {
        /// A command; the whole program where none is given
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Watch all campaigns live on the whole screen, and give orders by keys; `?` shows them
    #[command(after_help = "Example: NO_COLOR=1 traffic-generator top --socket /run/traffic-generator/control.sock")]
    Top,
}

/// Why a command ended with something else than 0.
#[derive(Debug, Error)]
enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Top(#[from] top::TopError),
    #[error("the result cannot be printed")]
    Print(#[source] std::io::Error),
    #[error("the runtime could not be started")]
    Runtime(#[source] std::io::Error),
    #[error("there is no campaign {0}")]
    UnknownCampaign(CampaignId),
    #[error("there is no command `{0}`: `traffic-generator --help` lists them")]
    UnknownCommand(String),
    /// `check` has printed what is wrong.
    #[error("the check failed")]
    CheckFailed,
}

impl CommandError {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Client(ClientError::NoSupervisor { .. }) => 3,
            Self::Top(top::TopError::NoJson) => 2,
            Self::Config(_)
            | Self::ApiKey(_)
            | Self::Telemetry(_)
            | Self::Run(_)
            | Self::Client(_)
            | Self::Top(_)
            | Self::Print(_)
            | Self::Runtime(_)
            | Self::UnknownCampaign(_)
            | Self::UnknownCommand(_)
            | Self::CheckFailed => 1,
        }
    }

    /// Whoever reads the result has stopped reading (`| head`): nothing is wrong, and nobody is left to tell.
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Print(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    fn report(&self) {
        if let Self::Config(errors) = self {
            for line in errors.lines() {
                eprintln!("error: {line}");
            }
        } else if !matches!(self, Self::CheckFailed) {
            eprintln!("error: {}", in_full(self));
        }
    }
}

/// Parses the arguments, carries the command out, and answers with the exit status.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match carry_out(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            error.report();
            ExitCode::from(error.exit_code())
        }
    }
}

fn carry_out(arguments: &Arguments) -> Result<(), CommandError> {
    match &arguments.command {
        Command::Run => {
            let config = arguments.load_config()?;
            let api_key = config.api_key(&process_environment())?;
            let log = telemetry::init(&config.log)?;
            for warning in &config.warnings {
                tracing::warn!("{warning}");
            }
            Ok(daemon::run(&config, api_key, log)?)
        }
        Command::Check => arguments.wait_for(check::check(arguments)),
        Command::Migrate => arguments.wait_for(migrate::migrate(arguments)),
        Command::Status { ids } => arguments.wait_for(status::status(arguments, ids)),
        Command::Dump { id } => arguments.wait_for(status::dump(arguments, *id)),
        Command::Explain { id } => arguments.wait_for(explain::explain(arguments, *id)),
        Command::Enable { id } => {
            let patch = CampaignPatch { generator_enabled: Some(true), pause: false };
            arguments.wait_for(generator::set_generator(arguments, *id, patch))
        }
        Command::Disable { id, pause } => {
            let patch = CampaignPatch { generator_enabled: Some(false), pause: *pause };
            arguments.wait_for(generator::set_generator(arguments, *id, patch))
        }
        Command::Reload => arguments.wait_for(operate::reload(arguments)),
        Command::LogFilter { filter } => arguments.wait_for(operate::log_filter(arguments, filter)),
        Command::Shutdown => arguments.wait_for(operate::shutdown(arguments)),
        Command::Completions { shell } => documents::completions(*shell),
        Command::Man { command } => documents::man(command),
        Command::Top => top::top(arguments),
    }
}

impl Arguments {
    fn load_config(&self) -> Result<Config, ConfigErrors> {
        Config::load(self.config.as_deref(), &process_environment())
    }

    fn client(&self) -> Result<Client, CommandError> {
        let path = match &self.socket {
            Some(path) => path.clone(),
            None => self.load_config()?.control.socket,
        };
        Ok(Client::new(&path)?)
    }

    fn wait_for<T>(&self, command: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::Runtime)?;
        runtime.block_on(command)
    }

    /// Prints a result: as JSON, or as `text` says it.
    fn print(&self, result: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), CommandError> {
        let printed = if self.json { to_json(result)? } else { text() };
        writeln!(std::io::stdout().lock(), "{}", printed.trim_end()).map_err(CommandError::Print)
    }
}

fn to_json(result: &impl Serialize) -> Result<String, CommandError> {
    serde_json::to_string_pretty(result).map_err(|error| CommandError::Print(error.into()))
}
