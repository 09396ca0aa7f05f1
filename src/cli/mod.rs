//! The program's commands: what they are called, and what each does with its result.
//!
//! Results go to stdout, messages to stderr. Exit status: 0 done, 1 it failed or the answer is no, 2 usage, 3 no
//! supervisor answers on the socket. Deliberately absent: anything that a command does by itself; `run`, `check` and
//! `migrate` call the library, and so does `account` where no supervisor answers; all others ask it through the control API.

mod account;
mod admin;
mod attention;
mod campaign;
mod check;
mod completion;
mod condition;
mod confirm;
mod documents;
mod draw;
mod error;
mod explain;
mod failure;
mod heading;
mod health;
mod help;
mod history;
mod migrate;
mod orders;
mod print;
mod progress;
mod render;
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
use self::print::{complain, remark, to_json, to_line};
use self::target::Target;
use crate::config::{Config, ConfigErrors, process_environment};
use crate::control::client::Client;
use crate::control::{CampaignPatch, HoldBody};
use crate::daemon;
use crate::domain::action::Step;
use crate::domain::journal::JournalQuery;
use crate::domain::order::ForceKind;
use crate::domain::phase::PhaseWord;
use crate::error_chain::in_full;
use crate::telemetry;

/// Guards TrafficStars campaigns: runs and pauses them by today's spend and the clicks that remain.
#[derive(Debug, Parser)]
#[command(name = "traffic-generator", version, about, arg_required_else_help = true)]
struct Arguments {
    /// The config file [default: config.toml here, which nobody else may be able to write, then /etc/traffic-generator/config.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    config: Option<PathBuf>,
    /// Talk to the supervisor behind this socket, without reading a config
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
    /// Run the supervisor, in the foreground; `migrate` makes its database
    #[command(after_help = "Example: TRAFFICSTAR_API_KEY=… traffic-generator run --config config.toml")]
    Run,
    /// Check config, database, API key, socket folder and the account; changes nothing
    ///
    /// The database is opened for writing, and left as it is. TrafficStars is asked whether the key works, how far this
    /// machine's clock is from its own, how many campaigns the account has, which campaigns of the database it does not know or
    /// has blocked, the account's time zone, and what a tick costs in requests. It sends 10 requests at most, and is fine beside
    /// a running supervisor. Prints a line for each thing that it looked at: ✓ it is right, ! worth knowing, ✗ a problem and
    /// below it what to do. Exits with 1 where there is a problem.
    #[command(after_help = "Example: traffic-generator check --offline && systemctl restart traffic-generator")]
    Check {
        /// Ask TrafficStars nothing
        #[arg(long)]
        offline: bool,
    },
    /// Make the database, or bring its schema up to date (`run` does the latter, too)
    #[command(after_help = "Example: traffic-generator migrate --config config.toml")]
    Migrate,
    /// Say whether all is well, what is spent, and how each campaign is, trouble first
    #[command(after_help = "Example: traffic-generator status 1 2")]
    Status {
        /// Ids, names, or `ts:` and ids at TrafficStars; all campaigns where none is given
        #[arg(value_name = "ID", allow_negative_numbers = true)]
        ids: Vec<Target>,
        #[command(flatten)]
        shown: status::Shown,
    },
    /// Say whether the guard can keep its promises, and if not, why; exits with 1 then
    #[command(after_help = "Example: traffic-generator health || echo somebody should look")]
    Health,
    /// Print the actor state dump, or one campaign's, as JSON
    #[command(after_help = "Example: traffic-generator dump | jq '.campaigns[] | select(.contested)'")]
    Dump {
        /// A campaign's id, its name, or `ts:` and its id at TrafficStars; the whole dump where none is given
        #[arg(value_name = "ID", allow_negative_numbers = true)]
        id: Option<Target>,
    },
    /// Say why a campaign is (not) running, and what happens next
    #[command(after_help = "Example: traffic-generator explain 1")]
    Explain {
        #[command(flatten)]
        one: One,
        /// All that it rests on, too: the promise, each fact with its source, timers, the last decisions
        #[arg(long, short)]
        verbose: bool,
    },
    /// Guard a campaign
    #[command(after_help = "Example: traffic-generator enable 1")]
    Enable {
        #[command(flatten)]
        one: One,
        /// Although it has no active URL: no clicks remain then, so that it is paused at once where it runs
        #[arg(long)]
        anyway: bool,
    },
    /// Stop guarding a campaign; returns when nothing is sent for it any more
    #[command(after_help = "Example: traffic-generator disable 1 --pause")]
    Disable {
        #[command(flatten)]
        one: One,
        /// Pause it first; it stays guarded if that fails
        #[arg(long)]
        pause: bool,
        /// Let it run on with nobody to stop it. Without this and without --pause, one that runs stays guarded
        #[arg(long, conflicts_with = "pause")]
        leave_running: bool,
    },
    /// Show what the account holds at TrafficStars, guarded or not; TrafficStars is asked now
    ///
    /// The supervisor asks, within the account's limit of requests. Where none answers on the config's socket, TrafficStars is asked
    /// from here, with the config's API key.
    #[command(after_help = "Example: traffic-generator account --json | jq '.[] | select(.guarded | not)'")]
    Account,
    /// Show, add, change and remove campaigns
    #[command(subcommand, after_help = "Example: traffic-generator campaign list")]
    Campaign(campaign::Verb),
    /// Show, add, change and remove the URLs of campaigns
    #[command(subcommand, after_help = "Example: traffic-generator url list 1")]
    Url(url::Verb),
    /// Show the journal, newest entry first: what was asked of TrafficStars, why, and what came of it
    #[command(after_help = "Example: traffic-generator history 1 --since 24h")]
    History {
        /// A campaign's id, its name, or `ts:` and its id at TrafficStars; all campaigns where none is given
        #[arg(value_name = "ID", allow_negative_numbers = true)]
        id: Option<Target>,
        /// Only what was requested in this time, `90s`, `24h`, `7d`, or from a date on, `2026-11-22` (UTC)
        #[arg(long, value_name = "DURATION|DATE", allow_hyphen_values = true)]
        since: Option<history::Since>,
        /// Only what got this far
        #[arg(long, visible_alias = "state", value_name = "STEP", value_parser = history::step())]
        step: Option<Step>,
        /// So many entries at the most
        #[arg(long, value_name = "N", default_value_t = JournalQuery::default().limit,
              value_parser = values::entries, allow_hyphen_values = true)]
        limit: u32,
    },
    /// Print what happens as it happens, until interrupted; with --json an object a line
    #[command(after_help = "Example: traffic-generator watch --json | jq 'select(.warning)'")]
    Watch {
        /// A campaign's id, its name, or `ts:` and its id at TrafficStars; all campaigns where none is given
        #[arg(value_name = "ID", allow_negative_numbers = true)]
        id: Option<Target>,
    },
    /// Wait until a campaign is in a state
    #[command(
        after_help = "Example: traffic-generator wait 1 --until paused-guarded --timeout 5m && echo it is paused"
    )]
    Wait {
        #[command(flatten)]
        one: One,
        /// The state
        #[arg(long, value_name = "STATE", value_parser = values::one_of::<PhaseWord>(PhaseWord::ALL.map(PhaseWord::as_str)))]
        until: PhaseWord,
        /// How long at the most; past it the exit status is 1
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = values::duration,
              allow_hyphen_values = true)]
        timeout: Duration,
    },
    /// Tick now, or act now whatever spend and clicks say; returns when that has come about
    #[command(
        group = ArgGroup::new("which").args(["id", "all"]).required(true),
        after_help = "Example: traffic-generator process shoes --force pause"
    )]
    Process {
        /// The campaign's id, its name, or `ts:` and its id at TrafficStars
        #[arg(value_name = "ID", allow_negative_numbers = true)]
        id: Option<Target>,
        /// Every guarded campaign
        #[arg(long)]
        all: bool,
        /// Do this now, and guard it; works once on a campaign whose generator is disabled
        #[arg(long, value_name = "ACTION", value_parser = values::force())]
        force: Option<ForceKind>,
        #[command(flatten)]
        sure: Confirmation,
    },
    /// Keep the guard's hands off a campaign: it is watched, and sent nothing
    #[command(after_help = "Example: traffic-generator hold 1 --for 2h --reason \"new creatives\" --pause")]
    Hold {
        #[command(flatten)]
        one: One,
        /// How long, like 90s or 2h [default: until it is released]
        #[arg(long = "for", value_name = "DURATION", value_parser = values::hold_span, allow_hyphen_values = true)]
        lasts: Option<String>,
        /// Why: shown to everybody who looks at the campaign later
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
        /// Why: shown to everybody who looks at the campaign later
        #[arg(long, value_name = "TEXT", value_parser = values::reason)]
        reason: String,
        /// Do it without a supervisor, from database and API alone; needs the config and the API key. Beside a supervisor that
        /// is seen to be alive it stores the order only
        #[arg(long, conflicts_with = "socket")]
        direct: bool,
        #[command(flatten)]
        sure: Confirmation,
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
    Shutdown(Confirmation),
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
        /// Write every page into this folder, such as /usr/local/share/man/man1
        #[arg(long, value_name = "DIR", conflicts_with = "command")]
        all: Option<PathBuf>,
    },
    /// Print what completes a line; for the scripts of `completions`
    #[command(hide = true, after_help = "Example: traffic-generator complete -- status ''")]
    Complete {
        /// The line up to the cursor, the program's name included; the words are split off it
        #[arg(long, value_name = "LINE", allow_hyphen_values = true)]
        line: Option<String>,
        /// Its words up to the cursor, the program's name left out
        #[arg(value_name = "WORD", last = true)]
        words: Vec<String>,
    },
    /// Watch all campaigns live on the whole screen, and give orders by keys; `?` shows them
    #[command(after_help = "Example: NO_COLOR=1 traffic-generator top --socket /run/traffic-generator/control.sock")]
    Top,
}

/// What a command about one campaign needs.
#[derive(Debug, Args)]
struct One {
    /// The campaign's id, its name, or `ts:` and its id at TrafficStars
    #[arg(value_name = "ID", allow_negative_numbers = true)]
    id: Target,
}

/// Parses the arguments, carries the command out, and answers with the exit status.
#[must_use]
pub fn main() -> ExitCode {
    daemon::process::keep_secrets();
    let arguments = match Arguments::from_command_line() {
        Ok(arguments) => arguments,
        Err(misuse) => return told(&misuse),
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
        errors.lines().for_each(|line| complain("error", &line));
    } else if matches!(error, CommandError::OrderStands) {
        remark(&in_full(error));
    } else if !error.is_told() {
        complain("error", &in_full(error));
    }
}

/// What is wrong with the arguments, or the help that was asked for.
fn told(misuse: &clap::Error) -> ExitCode {
    // Where it cannot be printed, nobody is left to tell.
    let _ = misuse.print();
    if misuse.use_stderr() {
        failure::print_misuse(misuse);
    }
    ExitCode::from(u8::try_from(misuse.exit_code()).unwrap_or(2))
}

fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let config = arguments.load_config()?;
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
        Command::Status { ids, shown } => arguments.wait_for(status::status(arguments, ids, *shown)),
        Command::Health => arguments.wait_for(health::health(arguments)),
        Command::Dump { id } => arguments.wait_for(status::dump(arguments, id.as_ref())),
        Command::Explain { one: One { id }, verbose } => arguments.wait_for(explain::explain(arguments, id, *verbose)),
        Command::Enable { one: One { id }, anyway } => {
            arguments.wait_for(campaign::set_generator(arguments, id, &CampaignPatch::enable(*anyway)))
        }
        Command::Disable { one: One { id }, pause, leave_running } => {
            let patch = CampaignPatch::disable(*pause, *leave_running);
            arguments.wait_for(campaign::set_generator(arguments, id, &patch))
        }
        Command::Account => arguments.wait_for(account::account(arguments)),
        Command::Campaign(verb) => arguments.wait_for(campaign::carry_out(arguments, verb)),
        Command::Url(verb) => arguments.wait_for(url::carry_out(arguments, verb)),
        Command::History { id, since, step, limit } => {
            let asked = history::Asked { since: *since, limit: *limit, step: *step };
            arguments.wait_for(history::history(arguments, id.as_ref(), asked))
        }
        Command::Watch { id } => arguments.wait_for(watch::watch(arguments, id.as_ref())),
        Command::Wait { one: One { id }, until, timeout } => {
            arguments.wait_for(wait::wait(arguments, id, *until, *timeout))
        }
        Command::Process { id: Some(id), force, .. } => arguments.wait_for(orders::process(arguments, id, *force)),
        Command::Process { id: None, force, sure, .. } => {
            arguments.wait_for(orders::process_all(arguments, *force, *sure))
        }
        Command::Hold { one: One { id }, lasts, reason, pause } => {
            let body = HoldBody { lasts: lasts.clone(), reason: reason.clone(), pause: *pause };
            arguments.wait_for(orders::hold(arguments, id, &body))
        }
        Command::Release(One { id }) => arguments.wait_for(orders::release(arguments, id)),
        Command::PauseAll { reason, direct: true, sure } => orders::pause_all_direct(arguments, reason, *sure),
        Command::PauseAll { reason, direct: false, sure } => {
            arguments.wait_for(orders::pause_all(arguments, reason, *sure))
        }
        Command::ReleaseAll => arguments.wait_for(orders::release_all(arguments)),
        Command::Reload { accept } => arguments.wait_for(admin::reload(arguments, *accept)),
        Command::LogFilter { filter } => arguments.wait_for(admin::log_filter(arguments, filter)),
        Command::Shutdown(sure) => arguments.wait_for(admin::shutdown(arguments, *sure)),
        Command::Completions { shell } => documents::completions(*shell),
        Command::Man { all: Some(folder), .. } => documents::all_pages(arguments, folder),
        Command::Man { command, all: None } => documents::man(command),
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
