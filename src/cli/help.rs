//! The parts of `--help` and of the man pages that are about the program as a whole.

use std::fmt::Write;

use clap::builder::Styles;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory};

use super::Arguments;

/// The commands in groups, by their purpose: clap itself has no groups of commands.
pub(super) const GROUPS: [(&str, &[&str]); 5] = [
    ("Look", &["status", "health", "top", "explain", "history", "watch", "wait", "alert", "account", "dump"]),
    ("Give orders", &["enable", "disable", "process", "hold", "release", "pause-all", "release-all"]),
    ("Manage", &["campaign", "url"]),
    ("Operate", &["run", "check", "migrate", "reload", "log-filter", "shutdown"]),
    ("Read", &["manual", "man", "completions", "help"]),
];

/// The commands whose result cannot be printed as JSON.
const WITHOUT_JSON: [&str; 5] = ["run", "top", "completions", "man", "manual"];

/// A title, and the entries below it: a word and its meaning each.
pub(super) type Section = (&'static str, &'static [(&'static str, &'static str)]);

/// The sections that hold for every command.
pub(super) const SECTIONS: [Section; 3] = [
    (
        "Exit status",
        &[
            ("0", "done"),
            ("1", "it failed, or the answer is no"),
            ("2", "the arguments are wrong"),
            ("3", "no supervisor answers on the socket"),
            ("130", "Ctrl-C: an order that was given is still carried out"),
        ],
    ),
    (
        "Environment",
        &[
            ("TRAFFICSTAR_API_KEY", "the API key; it comes before [trafficstar] api_key_file"),
            ("TRAFFIC_GENERATOR__…", "any key of the config: TRAFFIC_GENERATOR__GENERATOR__TICK=30s"),
            ("TRAFFIC_GENERATOR_ALERTS_…", "a receiver's secret or address: TRAFFIC_GENERATOR_ALERTS_OPS_SECRET"),
            ("PGPASSWORD", "the password of a PostgreSQL database"),
            ("NOTIFY_SOCKET", "run tells the service manager there that it is ready, and that it lives"),
            ("JOURNAL_STREAM", "log lines begin with their priority, if it names stderr"),
            ("NO_COLOR", "anything: no colours"),
            ("TERM", "dumb: no colours"),
        ],
    ),
    (
        "Files",
        &[
            ("config.toml", "the config, in the working directory"),
            ("/etc/traffic-generator/config.toml", "the config where there is none"),
        ],
    ),
];

/// Returns the program's commands and options, for the parser, the help and the completion.
pub(super) fn definition() -> Command {
    let program = Arguments::command().mut_subcommands(|command| {
        with_sections(if WITHOUT_JSON.contains(&command.get_name()) {
            // In the place of the global one, which would be shown.
            command.arg(Arg::new("json").long("json").action(ArgAction::SetTrue).hide(true).help("Refused"))
        } else {
            command
        })
    });
    let template = template(&program);
    program.help_template(template).after_help(sections())
}

/// Returns the command so that its `--help`, and that of its subcommands, ends with its example and the sections. `-h`
/// has the example alone.
fn with_sections(command: Command) -> Command {
    let example = command.get_after_help().map(|example| format!("{}\n\n", example.ansi())).unwrap_or_default();
    command.after_long_help(example + &sections()).mut_subcommands(with_sections)
}

/// Returns a clap error if `--json` is given to a command of [`WITHOUT_JSON`].
pub(super) fn refuse_json(matches: &ArgMatches) -> Result<(), clap::Error> {
    match matches.subcommand() {
        Some((name, _)) if matches.get_flag("json") && WITHOUT_JSON.contains(&name) => {
            let refusal = format!("`{name}` prints no result that could be JSON: leave --json out");
            Err(definition().error(ErrorKind::ArgumentConflict, refusal))
        }
        Some(_) | None => Ok(()),
    }
}

/// Returns the template of the program's help, with the commands in their groups.
fn template(program: &Command) -> String {
    let styles = Styles::default();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut text = "{about-with-newline}\n{usage-heading} {usage}\n\n".to_owned();
    for (title, names) in GROUPS {
        // Writing to a string succeeds.
        let _ = writeln!(text, "{header}{title}:{header:#}");
        for name in names {
            let about = program.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            let about = about.unwrap_or_else(|| "Print this message, or the help of a command".to_owned());
            let _ = writeln!(text, "  {literal}{name:<11}{literal:#}  {about}");
        }
        text.push('\n');
    }
    let _ = write!(text, "{header}Options:{header:#}\n{{options}}{{after-help}}");
    text
}

fn sections() -> String {
    let styles = Styles::default();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let sections = SECTIONS.iter().map(|(title, items)| {
        let longest = items.iter().map(|(word, _)| word.chars().count()).max().unwrap_or_default();
        let lines = items.iter().map(|(word, meaning)| format!("\n  {literal}{word:<longest$}{literal:#}  {meaning}"));
        format!("{header}{title}:{header:#}{}", lines.collect::<String>())
    });
    sections.collect::<Vec<_>>().join("\n\n")
}
