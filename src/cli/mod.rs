//! This room has the program's commands: their names, their arguments, and what each shows of its result. It leaves the
//! work to others: most commands send requests to the supervisor's control API. `run`, `check`, `migrate` and
//! `pause-all --direct` call `daemon`, and so does `account` if no supervisor answers.
//!
//! Results go to stdout, messages to stderr. Exit status: 0 done, 1 it failed or the answer is no, 2 usage, 3 no
//! supervisor answers on the socket.

mod account;
mod alert;
mod attention;
mod campaign;
mod check;
mod completion;
mod condition;
mod confirm;
mod disable;
mod documents;
mod draw;
mod dump;
mod enable;
mod error;
mod explain;
mod failure;
mod heading;
mod health;
mod help;
mod history;
mod hold;
mod log_filter;
mod manual;
mod migrate;
mod order_report;
mod pause_all;
mod print;
mod process;
mod progress;
mod reload;
mod render;
mod shutdown;
mod status;
mod target;
#[cfg(test)]
mod tests;
mod top;
mod url;
mod values;
mod wait;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use self::confirm::Confirmation;
use self::error::CommandError;
use self::print::{Complaint, complain, remark, to_json, to_line};
use self::target::Target;
use crate::config::{Config, ConfigErrors, process_environment};
use crate::control::HoldBody;
use crate::control::client::Client;
use crate::daemon;
use crate::domain::action::Step;
use crate::domain::journal::JournalQuery;
use crate::domain::order::ForceKind;
use crate::domain::phase::PhaseWord;
use crate::error_chain::in_full;
use crate::telemetry;

/// Guards TrafficStars campaigns: runs and pauses them by today's spend and their remaining clicks
#[derive(Debug, Parser)]
#[command(name = "traffic-generator", version, about, arg_required_else_help = true)]
struct Arguments {
    /// The config file [default: config.toml in this folder, which only you may be able to write; if it does not exist,
    /// /etc/traffic-generator/config.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    config: Option<PathBuf>,
    /// Send requests to the supervisor on this socket; no config file is read
    #[arg(long, global = true, value_name = "PATH", help_heading = "Global options")]
    socket: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long, global = true, help_heading = "Global options")]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the supervisor in the foreground; create its database with `migrate` first
    #[command(after_help = "Example: TRAFFICSTAR_API_KEY=… traffic-generator run --config config.toml")]
    Run,
    /// Check config, database, API key, socket folder and account; changes nothing
    ///
    /// Opens the database for writing and does not change it. Reads from TrafficStars, with at most 10 requests. The
    /// reads show whether the API key works, how much the clocks differ, and how many campaigns the account has. They
    /// also show the campaigns of the database that TrafficStars does not know or has blocked, the account's time zone,
    /// and the requests that a tick needs. A supervisor may run at the same time. Prints one line per check: ✓ right,
    /// ! worth knowing, ✗ a problem, with advice below it. Exits with 1 if there is a problem.
    #[command(after_help = "Example: traffic-generator check --offline && systemctl restart traffic-generator")]
    Check {
        /// Send no request to TrafficStars
        #[arg(long)]
        offline: bool,
    },
    /// Create the database or update its schema (`run` also updates the schema)
    #[command(after_help = "Example: traffic-generator migrate --config config.toml")]
    Migrate,
    /// Show the guard's health, today's spend and each campaign's state, trouble first
    #[command(after_help = "Example: traffic-generator status 1 2")]
    Status {
        /// Campaigns, each by its id, its name, or `ts:` and its id at TrafficStars [default: all]
        #[arg(value_name = "ID", allow_negative_numbers = true)]
        ids: Vec<Target>,
        #[command(flatten)]
        shown: status::Shown,
    },
    /// Say whether the guard can keep its promises; if it cannot, say why and exit with 1
    #[command(after_help = "Example: traffic-generator health || echo the guard needs attention")]
    Health,
    /// Print the program's whole state, or one campaign's, as JSON
    #[command(after_help = "Example: traffic-generator dump | jq '.campaigns[] | select(.contested)'")]
    Dump {
        /// A campaign's id, its name, or `ts:` and its id at TrafficStars [default: the whole dump]
        #[arg(value_name = "ID", allow_negative_numbers = true)]
        id: Option<Target>,
    },
    /// Say why a campaign is (not) running, and what happens next
    #[command(after_help = "Example: traffic-generator explain 1")]
    Explain {
        #[command(flatten)]
        one: One,
        /// Show also the promise, the thresholds, the timers, the last action and the last decisions
        #[arg(long, short)]
        verbose: bool,
    },
    /// Guard a campaign
    #[command(after_help = "Example: traffic-generator enable 1")]
    Enable {
        #[command(flatten)]
        one: One,
        /// Guard it even without an active URL: it then has no remaining clicks, and is paused at once if it runs
        #[arg(long)]
        anyway: bool,
        /// Pause it first, and decide after this time, like 10m; until then it is on hold
        #[arg(long, value_name = "DURATION", value_parser = values::hold_span, allow_hyphen_values = true)]
        pause_first: Option<String>,
    },
    /// Stop guarding a campaign; returns when no more requests are sent for it
    #[command(after_help = "Example: traffic-generator disable 1 --pause")]
    Disable {
        #[command(flatten)]
        one: One,
        /// Pause it first; if the pause fails, it stays guarded
        #[arg(long)]
        pause: bool,
        /// Let it keep running, unguarded. Without this and without --pause, a running campaign stays guarded
        #[arg(long, conflicts_with = "pause")]
        leave_running: bool,
    },
    /// List the account's campaigns, guarded or not, as TrafficStars reports them now
    ///
    /// The supervisor sends the requests, within the account's request limit. If no supervisor answers on the config's
    /// socket, this command sends them itself, with the config's API key.
    #[command(after_help = "Example: traffic-generator account --json | jq '.[] | select(.guarded | not)'")]
    Account,
    /// Show the alerts, send a test, take an alert over, mute alerts
    #[command(subcommand, after_help = "Example: traffic-generator alert list")]
    Alert(alert::Verb),
    /// Show, add, change and remove campaigns
    #[command(subcommand, after_help = "Example: traffic-generator campaign list")]
    Campaign(Box<campaign::Verb>),
    /// Show, add, change and remove the URLs of campaigns
    #[command(subcommand, after_help = "Example: traffic-generator url list 1")]
    Url(url::Verb),
    /// Show the journal, newest entry first: each action requested from TrafficStars, its reason and its result
    #[command(after_help = "Example: traffic-generator history 1 --since 24h")]
    History {
        /// A campaign's id, its name, or `ts:` and its id at TrafficStars [default: all campaigns]
        #[arg(value_name = "ID", allow_negative_numbers = true)]
        id: Option<Target>,
        /// Only actions requested within this time (`90s`, `24h`, `7d`) or since this date (`2026-11-22`, UTC)
        #[arg(long, value_name = "DURATION|DATE", allow_hyphen_values = true)]
        since: Option<history::Since>,
        /// Only actions whose last step is this one
        #[arg(long, visible_alias = "state", value_name = "STEP", value_parser = history::step())]
        step: Option<Step>,
        /// Show at most this many entries
        #[arg(long, value_name = "N", default_value_t = JournalQuery::default().limit,
              value_parser = values::entries, allow_hyphen_values = true)]
        limit: u32,
        /// Show spends and daily budgets, with the sums of top-ups, since midnight UTC or `--since`
        #[arg(long)]
        money: bool,
    },
    /// Print events as they happen, until Ctrl-C; with --json one object per line
    #[command(after_help = "Example: traffic-generator watch --json | jq 'select(.warning)'")]
    Watch {
        /// A campaign's id, its name, or `ts:` and its id at TrafficStars [default: all campaigns]
        #[arg(value_name = "ID", allow_negative_numbers = true)]
        id: Option<Target>,
    },
    /// Wait until a campaign reaches a state
    #[command(
        after_help = "Example: traffic-generator wait 1 --until paused-guarded --timeout 5m && echo it is paused"
    )]
    Wait {
        #[command(flatten)]
        one: One,
        /// The state to wait for
        #[arg(long, value_name = "STATE", value_parser = values::one_of::<PhaseWord>(PhaseWord::ALL.map(PhaseWord::as_str)))]
        until: PhaseWord,
        /// Wait at most this long, then exit with 1
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = values::duration,
              allow_hyphen_values = true)]
        timeout: Duration,
    },
    /// Run a tick now, or force an action regardless of spend and clicks; returns when it is done
    #[command(
        group = ArgGroup::new("which").args(["id", "all"]).required(true),
        after_help = "Example: traffic-generator process shoes --force pause"
    )]
    Process {
        /// The campaign's id, its name, or `ts:` and its id at TrafficStars
        #[arg(value_name = "ID", allow_negative_numbers = true)]
        id: Option<Target>,
        /// Process every guarded campaign
        #[arg(long)]
        all: bool,
        /// Do this now, and guard the campaign in that state; if its generator is disabled, do it once without guarding
        #[arg(long, value_name = "ACTION", value_parser = values::force())]
        force: Option<ForceKind>,
        #[command(flatten)]
        sure: Confirmation,
    },
    /// Put a campaign on hold: the guard watches it and sends no requests that change it
    #[command(after_help = "Example: traffic-generator hold 1 --for 2h --reason \"new creatives\" --pause")]
    Hold {
        #[command(flatten)]
        one: One,
        /// The hold's duration, like 90s or 2h [default: until `release`]
        #[arg(long = "for", value_name = "DURATION", value_parser = values::hold_span, allow_hyphen_values = true)]
        lasts: Option<String>,
        /// The reason, shown with the hold
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Pause the campaign first, and keep it paused
        #[arg(long)]
        pause: bool,
    },
    /// End a campaign's hold
    #[command(after_help = "Example: traffic-generator release 1")]
    Release(One),
    /// The panic button: pause every campaign now, and keep all paused until `release-all`
    #[command(after_help = "Example: traffic-generator pause-all --reason \"wrong landing page\"")]
    PauseAll {
        /// The reason, shown with the hold
        #[arg(long, value_name = "TEXT", value_parser = values::reason)]
        reason: String,
        /// Do it without a supervisor, with the config's database and API key. If a supervisor is seen to be alive,
        /// only store the order: that supervisor carries it out
        #[arg(long, conflicts_with = "socket")]
        direct: bool,
        #[command(flatten)]
        sure: Confirmation,
    },
    /// End the hold that `pause-all` has put on all campaigns
    #[command(after_help = "Example: traffic-generator release-all")]
    ReleaseAll,
    /// Make the supervisor read its config again; prints which keys are in force now and which need a restart
    #[command(after_help = "Example: traffic-generator check && traffic-generator reload")]
    Reload {
        /// Accept that keys were removed from the config; their defaults are used
        #[arg(long)]
        accept: bool,
    },
    /// Change which log lines the supervisor writes, until a reload or a restart
    #[command(after_help = "Example: traffic-generator log-filter info,traffic_generator=debug")]
    LogFilter {
        /// A level (error, warn, info, debug, trace, off), or directives per module
        #[arg(value_name = "FILTER")]
        filter: String,
    },
    /// Stop the supervisor after its open requests; returns when it has stopped
    #[command(after_help = "Example: traffic-generator shutdown --socket /run/traffic-generator/control.sock")]
    Shutdown(Confirmation),
    /// Print a shell script that completes this program's commands, options and campaigns
    #[command(after_help = "Example: traffic-generator completions bash > \
                            /usr/share/bash-completion/completions/traffic-generator")]
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print a manual page, for `man -l -`
    #[command(after_help = "Example: traffic-generator man run | man -l -")]
    Man {
        /// The command that the page describes [default: the whole program]
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
        /// Write every page into this folder, such as /usr/local/share/man/man1
        #[arg(long, value_name = "DIR", conflicts_with = "command")]
        all: Option<PathBuf>,
    },
    /// Print the operator's manual: its contents, a topic, or all topics
    #[command(after_help = "Example: traffic-generator manual limit")]
    Manual {
        /// The topic [default: the table of contents]
        #[arg(value_name = "TOPIC")]
        topic: Option<manual::Topic>,
        /// Print every topic
        #[arg(long, conflicts_with = "topic")]
        all: bool,
    },
    /// Print the candidates that complete a line; the scripts of `completions` call this
    #[command(hide = true, after_help = "Example: traffic-generator complete -- status ''")]
    Complete {
        /// The line up to the cursor, with the program's name; this command splits it into words
        #[arg(long, value_name = "LINE", allow_hyphen_values = true)]
        line: Option<String>,
        /// The words up to the cursor, without the program's name
        #[arg(value_name = "WORD", last = true)]
        words: Vec<String>,
    },
    /// Watch all campaigns on a full screen, and give orders with keys; `?` lists the keys
    #[command(after_help = "Example: NO_COLOR=1 traffic-generator top --socket /run/traffic-generator/control.sock")]
    Top,
}

/// The argument of a command about one campaign.
#[derive(Debug, Args)]
struct One {
    /// The campaign's id, its name, or `ts:` and its id at TrafficStars
    #[arg(value_name = "ID", allow_negative_numbers = true)]
    id: Target,
}

/// Parses the arguments, carries out the command, and returns the exit status.
#[must_use]
pub fn main() -> ExitCode {
    daemon::os_limits::keep_secrets();
    let arguments = match Arguments::from_command_line() {
        Ok(arguments) => arguments,
        Err(misuse) => return print_misuse(&misuse),
    };
    match carry_out(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            if arguments.json {
                failure::print(&error);
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn report(error: &CommandError) {
    if let CommandError::Config(errors) = error {
        errors.lines().for_each(|line| complain(Complaint::Error, &line));
    } else if matches!(error, CommandError::OrderGiven | CommandError::Interrupted) {
        remark(&in_full(error));
    } else if !error.is_printed() {
        complain(Complaint::Error, &in_full(error));
    }
}

/// Prints what is wrong with the arguments, or the help that was requested.
fn print_misuse(misuse: &clap::Error) -> ExitCode {
    // If stderr or stdout is closed, the exit status remains.
    let _ = misuse.print();
    if misuse.use_stderr() {
        failure::print_misuse(misuse);
    }
    ExitCode::from(u8::try_from(misuse.exit_code()).unwrap_or(2))
}

fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let config = arguments.load_to_guard()?;
    let api_key = config.api_key(&process_environment())?;
    let log = telemetry::init(&config.log)?;
    for warning in config.all_warnings(&process_environment()) {
        tracing::warn!("{warning}");
    }
    let ended = daemon::run(&config, api_key, log.clone()).map_err(CommandError::from);
    let is_written = log.finish();
    if let Err(error) = &ended
        && !is_written
    {
        // The log could not be written to stderr in time, so the error's text would block there, too: the program would
        // never end.
        std::process::exit(i32::from(error.exit_code()));
    }
    ended
}

fn carry_out(arguments: &Arguments) -> Result<(), CommandError> {
    match &arguments.command {
        Command::Run => run(arguments),
        Command::Check { offline } => arguments.wait_for(check::check(arguments, *offline)),
        Command::Migrate => arguments.wait_for(migrate::migrate(arguments)),
        Command::Status { ids, shown } => arguments.wait_for(status::status(arguments, ids, *shown)),
        Command::Health => arguments.wait_for(health::health(arguments)),
        Command::Dump { id } => arguments.wait_for(dump::dump(arguments, id.as_ref())),
        Command::Explain { one: One { id }, verbose } => arguments.wait_for(explain::explain(arguments, id, *verbose)),
        Command::Enable { one: One { id }, anyway, pause_first } => {
            arguments.wait_for(enable::enable(arguments, id, *anyway, pause_first.clone()))
        }
        Command::Disable { one: One { id }, pause, leave_running } => {
            arguments.wait_for(disable::disable(arguments, id, *pause, *leave_running))
        }
        Command::Account => arguments.wait_for(account::account(arguments)),
        Command::Alert(verb) => arguments.wait_for(alert::carry_out(arguments, verb)),
        Command::Campaign(verb) => arguments.wait_for(campaign::carry_out(arguments, verb)),
        Command::Url(verb) => arguments.wait_for(url::carry_out(arguments, verb)),
        Command::History { id, since, step, limit, money } => {
            let asked = history::Asked { since: *since, limit: *limit, step: *step, money: *money };
            arguments.wait_for(history::history(arguments, id.as_ref(), asked))
        }
        Command::Watch { id } => arguments.wait_for(watch::watch(arguments, id.as_ref())),
        Command::Wait { one: One { id }, until, timeout } => {
            arguments.wait_for(wait::wait(arguments, id, *until, *timeout))
        }
        Command::Process { id: Some(id), force, .. } => arguments.wait_for(process::process(arguments, id, *force)),
        Command::Process { id: None, force, sure, .. } => {
            arguments.wait_for(process::process_all(arguments, *force, *sure))
        }
        Command::Hold { one: One { id }, lasts, reason, pause } => {
            let body = HoldBody { lasts: lasts.clone(), reason: reason.clone(), pause: *pause };
            arguments.wait_for(hold::hold(arguments, id, &body))
        }
        Command::Release(One { id }) => arguments.wait_for(hold::release(arguments, id)),
        Command::PauseAll { reason, direct: true, sure } => pause_all::pause_all_direct(arguments, reason, *sure),
        Command::PauseAll { reason, direct: false, sure } => {
            arguments.wait_for(pause_all::pause_all(arguments, reason, *sure))
        }
        Command::ReleaseAll => arguments.wait_for(pause_all::release_all(arguments)),
        Command::Reload { accept } => arguments.wait_for(reload::reload(arguments, *accept)),
        Command::LogFilter { filter } => arguments.wait_for(log_filter::log_filter(arguments, filter)),
        Command::Shutdown(sure) => arguments.wait_for(shutdown::shutdown(arguments, *sure)),
        Command::Completions { shell } => documents::completions(*shell),
        Command::Man { all: Some(folder), .. } => documents::all_pages(arguments, folder),
        Command::Man { command, all: None } => documents::man(command),
        Command::Manual { topic, all } => manual::manual(*topic, *all),
        Command::Complete { line, words } => completion::complete(arguments, line.as_deref(), words),
        Command::Top => top::top(arguments),
    }
}

impl Arguments {
    fn from_command_line() -> Result<Self, clap::Error> {
        let matches = help::definition().try_get_matches()?;
        help::refuse_json(&matches)?;
        Self::from_arg_matches(&matches)
    }

    fn load_config(&self) -> Result<Config, ConfigErrors> {
        Config::load(self.config.as_deref(), &process_environment())
    }

    fn load_to_guard(&self) -> Result<Config, ConfigErrors> {
        Config::load_to_guard(self.config.as_deref(), &process_environment())
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
}
