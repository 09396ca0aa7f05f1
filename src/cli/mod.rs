//! The program's commands: what they are called, and what each does with its result.
//!
//! Results go to stdout, messages to stderr. Exit status: 0 done, 1 it failed or the answer is no, 2 usage, 3 no
//! supervisor answers on the socket. Deliberately absent: anything that a command does by itself; `run`, `check` and
//! `migrate` call the library, all others ask the supervisor through the control API.

mod campaign;
mod check;
mod confirm;
mod documents;
pub mod explain;
mod history;
mod migrate;
mod operate;
mod orders;
mod progress;
pub mod render;
mod status;
mod top;
mod url;
mod wait;
mod watch;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use serde::Serialize;
use thiserror::Error;

use self::confirm::Sure;
use crate::config::{ApiKeyError, Config, ConfigErrors, process_environment};
use crate::control::client::{Client, ClientError};
use crate::control::{CampaignPatch, HoldBody};
use crate::daemon::{self, RunError};
use crate::domain::ids::CampaignId;
use crate::domain::journal::{JournalQuery, MOST_ENTRIES};
use crate::domain::order::ForceKind;
use crate::domain::phase::PhaseWord;
use crate::error_chain::in_full;
use crate::printable::{escaped_json, printable};
use crate::telemetry::{self, TelemetryError};

/// Guards TrafficStars campaigns: runs and pauses them by today's spend and the clicks that remain.
#[derive(Debug, Parser)]
#[command(name = "traffic-generator", version, about, arg_required_else_help = true)]
struct Arguments {
    /// The config file [default: config.toml here, which nobody else may be able to write, then /etc/traffic-generator/config.toml]
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
    /// Run the supervisor, in the foreground; `migrate` makes its database
    #[command(after_help = "Example: TRAFFICSTAR_API_KEY=… traffic-generator run --config config.toml")]
    Run,
    /// Check config, database, API key, socket folder and the account; changes nothing
    ///
    /// TrafficStars is asked whether the key works, how far this machine's clock is from its own, which campaigns of the
    /// database it does not know or has blocked, the account's time zone, and what a tick costs in requests. It sends
    /// 10 requests at most, and is fine beside a running supervisor. Prints what is worth knowing (`note: …`), then every problem, one a line, or that all is well.
    #[command(after_help = "Example: traffic-generator check --offline && systemctl restart traffic-generator")]
    Check {
        /// Ask TrafficStars nothing
        #[arg(long)]
        offline: bool,
    },
    /// Make the database, or bring its schema up to date (`run` does the latter, too)
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
    Explain(One),
    /// Guard a campaign
    #[command(after_help = "Example: traffic-generator enable 1")]
    Enable {
        /// The campaign's id
        #[arg(value_name = "ID")]
        id: i64,
        /// Although it has no active URL: no clicks remain then, so that it is paused at once where it runs
        #[arg(long)]
        anyway: bool,
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
        /// Let it run on with nobody to stop it. Without this and without --pause, one that runs stays guarded
        #[arg(long, conflicts_with = "pause")]
        leave_running: bool,
    },
    /// Show, add, change and remove campaigns
    #[command(subcommand, after_help = "Example: traffic-generator campaign list")]
    Campaign(campaign::Verb),
    /// Show, add, change and remove the URLs of campaigns
    #[command(subcommand, after_help = "Example: traffic-generator url list 1")]
    Url(url::Verb),
    /// Show the journal, newest entry first: what was asked of TrafficStars, why, and what came of it
    #[command(after_help = "Example: traffic-generator history 1 --since 24h")]
    History {
        /// A campaign id; all campaigns where none is given
        #[arg(value_name = "ID")]
        id: Option<i64>,
        /// Only what was requested in this time: `90s`, `24h`, `7d`
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        since: Option<Duration>,
        /// So many entries at the most
        #[arg(long, value_name = "N", default_value_t = JournalQuery::default().limit,
              value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_ENTRIES)))]
        limit: u32,
    },
    /// Print what happens as it happens, until interrupted; with --json an object a line
    #[command(after_help = "Example: traffic-generator watch --json | jq 'select(.warning)'")]
    Watch {
        /// A campaign id; all campaigns where none is given
        #[arg(value_name = "ID")]
        id: Option<i64>,
    },
    /// Wait until a campaign is in a state
    #[command(
        after_help = "Example: traffic-generator wait 1 --until paused-guarded --timeout 5m && echo it is paused"
    )]
    Wait {
        /// The campaign's id
        #[arg(value_name = "ID")]
        id: i64,
        /// The state
        #[arg(long, value_name = "STATE", value_parser = state_word())]
        until: PhaseWord,
        /// How long at the most; past it the exit status is 1
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
        timeout: Duration,
    },
    /// Tick now, or act now whatever spend and clicks say; returns when that has come about
    #[command(after_help = "Example: traffic-generator process 1 --force pause")]
    Process {
        /// The campaign's id
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
        id: Option<i64>,
        /// Every guarded campaign
        #[arg(long)]
        all: bool,
        /// Do this now, and guard it; works once on a campaign whose generator is disabled
        #[arg(long, value_name = "ACTION", value_parser = force_word())]
        force: Option<ForceKind>,
        #[command(flatten)]
        sure: Sure,
    },
    /// Keep the guard's hands off a campaign: it is watched, and sent nothing
    #[command(after_help = "Example: traffic-generator hold 1 --for 2h --reason \"new creatives\" --pause")]
    Hold {
        /// The campaign's id
        #[arg(value_name = "ID")]
        id: i64,
        /// How long, like 90s or 2h [default: until it is released]
        #[arg(long = "for", value_name = "DURATION", value_parser = orders::humantime_text)]
        lasts: Option<String>,
        /// Why, for whoever looks at it later
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Pause it first, and keep it paused
        #[arg(long)]
        pause: bool,
    },
    /// End a campaign's hold
    #[command(after_help = "Example: traffic-generator release 1")]
    Release(One),
    /// The panic button: pause every campaign at once, and keep all of them paused until `release-all`
    #[command(after_help = "Example: traffic-generator pause-all --reason \"wrong landing page\"")]
    PauseAll {
        /// Why, for whoever looks at it later
        #[arg(long, value_name = "TEXT", value_parser = orders::reason_text)]
        reason: String,
        /// Do it without a supervisor, from database and API alone; needs the config and the API key. Beside a supervisor that
        /// is seen to be alive it stores the order only
        #[arg(long, conflicts_with = "socket")]
        direct: bool,
        #[command(flatten)]
        sure: Sure,
    },
    /// End what `pause-all` began
    #[command(after_help = "Example: traffic-generator release-all")]
    ReleaseAll,
    /// Let the supervisor read its config anew; says what is in force now, and what needs a restart
    #[command(after_help = "Example: traffic-generator check && traffic-generator reload")]
    Reload {
        /// Accept that keys were removed from the config, and use their defaults
        #[arg(long)]
        accept: bool,
    },
    /// Let the supervisor write other log lines, until a reload or its end
    #[command(after_help = "Example: traffic-generator log-filter info,traffic_generator=debug")]
    LogFilter {
        /// A level (error, warn, info, debug, trace, off), or directives by module
        #[arg(value_name = "FILTER")]
        filter: String,
    },
    /// Stop the supervisor in order; returns when it has stopped
    #[command(after_help = "Example: traffic-generator shutdown --socket /run/traffic-generator/control.sock")]
    Shutdown(Sure),
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

/// What a command about one campaign needs.
#[derive(Debug, Args)]
struct One {
    /// The campaign's id
    #[arg(value_name = "ID")]
    id: i64,
}

fn state_word() -> impl TypedValueParser<Value = PhaseWord> {
    PossibleValuesParser::new(PhaseWord::ALL.map(PhaseWord::as_str)).try_map(|word| word.parse())
}

/// What `--force` may be.
fn force_word() -> impl TypedValueParser<Value = ForceKind> {
    PossibleValuesParser::new(["activate", "pause"])
        .map(|word| if word == "pause" { ForceKind::Pause } else { ForceKind::Activate })
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
    #[error("the signals of the operating system cannot be heard")]
    Signals(#[source] std::io::Error),
    #[error("campaign {campaign} has not reached {wanted} within {}: it is {state}", humantime::format_duration(*limit))]
    NotReached { campaign: CampaignId, wanted: PhaseWord, limit: Duration, state: PhaseWord },
    #[error(
        "no supervisor answers on {}, so nothing was paused. Pause without one: give the same command with --direct, which uses \
         the config's database and API key",
        .0.display()
    )]
    NothingPaused(PathBuf),
    #[error("it is on hold and was not paused: {0}")]
    NotPaused(String),
    /// What is wrong where has been printed.
    #[error("{failed} of {of} campaigns were not {done} (above)")]
    NotEverywhere { failed: usize, of: u64, done: &'static str },
    /// Who waited was interrupted; the supervisor was not.
    #[error("The order stands; the supervisor carries it out. See: traffic-generator status")]
    OrderStands,
    #[error("nothing was done")]
    NotConfirmed,
    #[error(
        "nothing to change: give an option, such as --spend-limit or --mode; `traffic-generator campaign set --help` lists them"
    )]
    NothingToSet,
    /// What its answer says of it has been printed.
    #[error("it is in trouble")]
    InTrouble,
    #[error("there is no command `{0}`: `traffic-generator --help` lists them")]
    UnknownCommand(String),
    /// `check` has printed what is wrong.
    #[error("the check failed")]
    CheckFailed,
}

impl CommandError {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Client(ClientError::NoSupervisor(_) | ClientError::NoConnection(..) | ClientError::Lost(..))
            | Self::NothingPaused(_) => 3,
            Self::Top(top::TopError::NoJson) | Self::NothingToSet => 2,
            Self::OrderStands => 130,
            Self::Config(_)
            | Self::ApiKey(_)
            | Self::Telemetry(_)
            | Self::Run(_)
            | Self::Client(_)
            | Self::Top(_)
            | Self::Print(_)
            | Self::Runtime(_)
            | Self::UnknownCampaign(_)
            | Self::Signals(_)
            | Self::NotPaused(_)
            | Self::NotReached { .. }
            | Self::NotEverywhere { .. }
            | Self::UnknownCommand(_)
            | Self::CheckFailed
            | Self::NotConfirmed
            | Self::InTrouble => 1,
        }
    }

    /// Whoever reads the result has stopped reading (`| head`): nothing is wrong, and nobody is left to tell.
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Print(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    fn report(&self) {
        if let Self::Config(errors) = self {
            for line in errors.lines() {
                complain("error", &line);
            }
        } else if matches!(self, Self::OrderStands) {
            remark(&in_full(self));
        } else if !matches!(self, Self::CheckFailed | Self::InTrouble) {
            complain("error", &in_full(self));
        }
    }
}

/// An error or a warning for people.
fn complain(kind: &str, message: &str) {
    remark(&format!("{kind}: {message}"));
}

/// A message for people. Where nobody can read it, nothing is left to do about it: `eprintln!` would panic.
fn remark(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", printable(message));
}

/// Parses the arguments, carries the command out, and answers with the exit status.
#[must_use]
pub fn main() -> ExitCode {
    daemon::process::keep_secrets();
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

fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let config = arguments.load_config()?;
    let api_key = config.api_key(&process_environment())?;
    let log = telemetry::init(&config.log)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let ended = daemon::run(&config, api_key, log.clone()).map_err(CommandError::from);
    let is_written = log.finish();
    if let Err(error) = &ended
        && !is_written
    {
        // Its text would wait for the reader of stderr, as the log does, and the program would never end.
        std::process::exit(i32::from(error.exit_code()));
    }
    ended
}

fn carry_out(arguments: &Arguments) -> Result<(), CommandError> {
    match &arguments.command {
        Command::Run => run(arguments),
        Command::Check { offline } => arguments.wait_for(check::check(arguments, *offline)),
        Command::Migrate => arguments.wait_for(migrate::migrate(arguments)),
        Command::Status { ids } => arguments.wait_for(status::status(arguments, ids)),
        Command::Dump { id } => arguments.wait_for(status::dump(arguments, *id)),
        Command::Explain(One { id }) => arguments.wait_for(explain::explain(arguments, *id)),
        Command::Enable { id, anyway } => {
            arguments.wait_for(campaign::set_generator(arguments, *id, &CampaignPatch::enable(*anyway)))
        }
        Command::Disable { id, pause, leave_running } => {
            let patch = CampaignPatch::disable(*pause, *leave_running);
            arguments.wait_for(campaign::set_generator(arguments, *id, &patch))
        }
        Command::Campaign(verb) => arguments.wait_for(campaign::carry_out(arguments, verb)),
        Command::Url(verb) => arguments.wait_for(url::carry_out(arguments, verb)),
        Command::History { id, since, limit } => arguments.wait_for(history::history(arguments, *id, *since, *limit)),
        Command::Watch { id } => arguments.wait_for(watch::watch(arguments, *id)),
        Command::Wait { id, until, timeout } => arguments.wait_for(wait::wait(arguments, *id, *until, *timeout)),
        Command::Process { id: Some(id), force, .. } => arguments.wait_for(orders::process(arguments, *id, *force)),
        Command::Process { id: None, force, sure, .. } => {
            arguments.wait_for(orders::process_all(arguments, *force, *sure))
        }
        Command::Hold { id, lasts, reason, pause } => {
            let body = HoldBody { lasts: lasts.clone(), reason: reason.clone(), pause: *pause };
            arguments.wait_for(orders::hold(arguments, *id, &body))
        }
        Command::Release(One { id }) => arguments.wait_for(orders::release(arguments, *id)),
        Command::PauseAll { reason, direct: true, sure } => orders::pause_all_direct(arguments, reason, *sure),
        Command::PauseAll { reason, direct: false, sure } => {
            arguments.wait_for(orders::pause_all(arguments, reason, *sure))
        }
        Command::ReleaseAll => arguments.wait_for(orders::release_all(arguments)),
        Command::Reload { accept } => arguments.wait_for(operate::reload(arguments, *accept)),
        Command::LogFilter { filter } => arguments.wait_for(operate::log_filter(arguments, filter)),
        Command::Shutdown(sure) => arguments.wait_for(operate::shutdown(arguments, *sure)),
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
        let client = Client::new(&path)?;
        Ok(if self.json { client } else { client.for_people() })
    }

    fn wait_for<T>(&self, command: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::Runtime)?;
        runtime.block_on(command)
    }

    /// Prints a result: as JSON, or as `text` says it.
    fn print(&self, result: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), CommandError> {
        // Where a line ends is ours to say: what came from outside has no line breaks any more.
        let lines = || text().split('\n').map(printable).collect::<Vec<_>>().join("\n");
        let printed = if self.json { to_json(result)? } else { lines() };
        writeln!(std::io::stdout().lock(), "{}", printed.trim_end()).map_err(CommandError::Print)
    }
}

fn to_json(result: &impl Serialize) -> Result<String, CommandError> {
    let json = serde_json::to_string_pretty(result).map_err(|error| CommandError::Print(error.into()))?;
    Ok(escaped_json(json))
}
