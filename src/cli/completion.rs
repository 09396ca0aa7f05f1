//! Completion of a line that is being typed: commands, options, words, and the campaigns that the supervisor knows.
//!
//! The script of each shell passes the typed line to the hidden command `complete`. The command prints one candidate
//! per line, with its meaning behind a tab. [`FILES`] makes the shell complete file names itself. The command is quick,
//! and prints nothing if no supervisor answers: an error would break the line that is being typed.

#[cfg(test)]
mod tests;

use std::any::TypeId;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, Command};
use clap_complete::Shell;

use super::help::definition;
use super::target::{REMOTE, Target};
use super::{Arguments, CommandError};
use crate::config::{Config, process_environment};
use crate::control::Campaign;
use crate::control::client::Client;
use crate::printable::printable;

/// The longest time that completion waits for the campaigns' names.
const NAMES_WITHIN: Duration = Duration::from_secs(1);
/// The answer that asks the shell to complete file names.
const FILES: &str = ":files";

/// A possible word, and its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    text: String,
    meaning: String,
}

/// The words before the word that is to be completed.
#[derive(Debug, Clone)]
struct Typed<'d> {
    command: &'d Command,
    /// The option whose value comes next.
    awaited: Option<&'d Arg>,
    /// The number of arguments that are no options.
    positionals: usize,
    /// Whether `--` was typed: after it there are no options.
    options_have_ended: bool,
    socket: Option<PathBuf>,
    config: Option<PathBuf>,
}

/// Returns the program's own script for a shell, or `None` if it has none.
pub(super) fn script(shell: Shell) -> Option<&'static str> {
    let ours = [
        (Shell::Bash, include_str!("completion/script.bash")),
        (Shell::Zsh, include_str!("completion/script.zsh")),
        (Shell::Fish, include_str!("completion/script.fish")),
    ];
    ours.into_iter().find(|(of, _)| *of == shell).map(|(_, script)| script)
}

/// Prints the candidates for the last word. `line` is a whole line that the shell has not split; otherwise `words`
/// counts.
pub(super) fn complete(arguments: &Arguments, line: Option<&str>, words: &[String]) -> Result<(), CommandError> {
    let mut program = definition();
    program.build();
    let words = line.map_or_else(|| words.to_vec(), |line| split(line).into_iter().skip(1).collect());
    let Some((last, before)) = words.split_last() else { return Ok(()) };
    let typed = Typed::read(&program, before);
    let mut stdout = std::io::stdout().lock();
    for Candidate { text, meaning } in candidates(&typed, last, || campaigns(arguments, &typed)) {
        writeln!(stdout, "{text}\t{meaning}").map_err(CommandError::Print)?;
    }
    Ok(())
}

/// Returns the campaigns of the supervisor that the line names, or none if it does not answer at once.
fn campaigns(arguments: &Arguments, typed: &Typed<'_>) -> Vec<Campaign> {
    let socket = typed.socket.clone().or_else(|| {
        let config = Config::load(typed.config.as_deref(), &process_environment());
        config.ok().map(|config| config.control.socket)
    });
    let listed = async {
        let client = Client::new(&socket.unwrap_or_default())?;
        Ok(tokio::time::timeout(NAMES_WITHIN, client.campaigns()).await)
    };
    arguments.wait_for(listed).ok().and_then(|listed| listed.ok()?.ok()).unwrap_or_default()
}

/// Returns the possible words that begin like the last word.
fn candidates(typed: &Typed<'_>, last: &str, campaigns: impl FnOnce() -> Vec<Campaign>) -> Vec<Candidate> {
    let with_value = last.split_once('=').and_then(|(name, begun)| Some((typed.option(name)?, name, begun)));
    if let Some(option) = typed.awaited {
        values(option, last, campaigns)
    } else if let Some((option, name, begun)) = with_value {
        let values = values(option, begun, campaigns).into_iter();
        values.map(|value| Candidate { text: format!("{name}={}", value.text), ..value }).collect()
    } else if last.starts_with('-') && !typed.options_have_ended {
        beginning_with(last, typed.options())
    } else {
        let argument = typed.positional().map(|argument| values(argument, last, campaigns)).unwrap_or_default();
        beginning_with(last, typed.subcommands()).into_iter().chain(argument).collect()
    }
}

fn beginning_with(begun: &str, candidates: impl IntoIterator<Item = Candidate>) -> Vec<Candidate> {
    candidates.into_iter().filter(|candidate| candidate.text.starts_with(begun)).collect()
}

/// Returns the values that an argument can have, if they are known.
fn values(argument: &Arg, begun: &str, campaigns: impl FnOnce() -> Vec<Campaign>) -> Vec<Candidate> {
    let kind = argument.get_value_parser().type_id();
    if kind == TypeId::of::<PathBuf>() {
        return vec![Candidate { text: FILES.to_owned(), meaning: String::new() }];
    }
    if kind == TypeId::of::<Target>() {
        return beginning_with(begun, names(&campaigns(), begun));
    }
    let words = argument.get_possible_values().into_iter().filter(|word| !word.is_hide_set());
    beginning_with(
        begun,
        words.map(|word| Candidate {
            text: word.get_name().to_owned(),
            meaning: word.get_help().map(first_line).unwrap_or_default(),
        }),
    )
}

/// Returns the ids and names of each campaign. A name is left out if it has line breaks or is not unique.
fn names(campaigns: &[Campaign], begun: &str) -> Vec<Candidate> {
    let is_one = |name: &str| campaigns.iter().filter(|other| other.name == name).count() == 1;
    let is_name = |name: &str| {
        let is_read_as_name = name.parse() == Ok(Target::Name(name.to_owned()));
        is_read_as_name && !name.starts_with('-') && printable(name) == name && is_one(name)
    };
    let all = campaigns.iter().flat_map(|campaign| {
        let Campaign { id, name, trafficstar_id, .. } = campaign;
        let name_shown = printable(name);
        let by_id = Candidate { text: id.to_string(), meaning: name_shown.clone() };
        let by_name = is_name(name).then(|| Candidate { text: name.clone(), meaning: format!("campaign {id}") });
        let by_remote = begun.starts_with("ts").then(|| Candidate {
            text: format!("{REMOTE}{trafficstar_id}"),
            meaning: format!("campaign {id} ({name_shown})"),
        });
        [Some(by_id), by_name, by_remote].into_iter().flatten()
    });
    all.collect()
}

impl<'d> Typed<'d> {
    fn read(program: &'d Command, words: &[String]) -> Self {
        let begin = Self {
            command: program,
            awaited: None,
            positionals: 0,
            options_have_ended: false,
            socket: None,
            config: None,
        };
        words.iter().fold(begin, |typed, word| typed.and(word))
    }

    /// Returns the same with one more word.
    fn and(mut self, word: &str) -> Self {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        if let Some(option) = self.awaited.take() {
            self.keep(option, word);
        } else if !self.options_have_ended && word.starts_with('-') {
            self.options_have_ended = word == "--";
            match (self.option(name), value) {
                (Some(option), Some(value)) => self.keep(option, value),
                (option, _) => self.awaited = option,
            }
        } else if self.positionals == 0
            && !self.options_have_ended
            && let Some(below) = self.command.find_subcommand(word)
        {
            self.command = below;
        } else {
            self.positionals += 1;
        }
        self
    }

    fn keep(&mut self, option: &Arg, value: &str) {
        match option.get_id().as_str() {
            "socket" => self.socket = Some(value.into()),
            "config" => self.config = Some(value.into()),
            _ => {}
        }
    }

    /// Returns the option of this name, if it takes a value.
    fn option(&self, name: &str) -> Option<&'d Arg> {
        let long = name.strip_prefix("--")?;
        let mut all = self.command.get_arguments();
        all.find(|option| option.get_long() == Some(long) && option.get_action().takes_values())
    }

    fn options(&self) -> impl Iterator<Item = Candidate> + use<'d> {
        let shown = self.command.get_arguments().filter(|option| !option.is_hide_set());
        shown.filter_map(|option| {
            let text = format!("--{}", option.get_long()?);
            Some(Candidate { text, meaning: option.get_help().map(first_line).unwrap_or_default() })
        })
    }

    fn subcommands(&self) -> impl Iterator<Item = Candidate> + use<'d> {
        let can_follow = self.positionals == 0 && !self.options_have_ended;
        let shown = self.command.get_subcommands().filter(move |below| can_follow && !below.is_hide_set());
        shown.map(|below| Candidate {
            text: below.get_name().to_owned(),
            meaning: below.get_about().map(first_line).unwrap_or_default(),
        })
    }

    /// Returns the positional argument that comes next.
    fn positional(&self) -> Option<&'d Arg> {
        let takes_many = |argument: &&Arg| argument.get_num_args().is_some_and(|count| count.max_values() > 1);
        let all = || self.command.get_positionals();
        all().nth(self.positionals).or_else(|| all().last().filter(takes_many))
    }
}

fn first_line(text: &clap::builder::StyledStr) -> String {
    text.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Splits a line into words like a shell. If the line ends with a space, the last word is empty.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut characters = line.trim_start().chars();
    while let Some(character) = characters.next() {
        let in_word = match (quote, character) {
            (None, ' ' | '\t' | '\n') => {
                // Several spaces separate like one.
                if words.last().is_some_and(|word| !word.is_empty()) {
                    words.push(String::new());
                }
                None
            }
            (None, '\'' | '"') => {
                quote = Some(character);
                None
            }
            (Some(open), _) if open == character => {
                quote = None;
                None
            }
            (None | Some('"'), '\\') => characters.next(),
            (None | Some(_), _) => Some(character),
        };
        if let Some(word) = words.last_mut() {
            word.extend(in_word);
        }
    }
    words
}
