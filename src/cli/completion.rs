//! Completion of a line that is being typed: of commands, options, words, and of campaigns as the supervisor knows them.
//!
//! The script of each shell hands over what was typed, and shows what the hidden command `complete` answers: a candidate
//! a line, and what it is behind a tab. [`FILES`] alone stands for the names of files, which a shell knows better.
//! It is quick, and silent where no supervisor answers: nobody has asked for an error in the middle of a line.

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

/// A person who types waits for names no longer than this.
const NAMES_WITHIN: Duration = Duration::from_secs(1);
/// Answered where a file is to be named.
const FILES: &str = ":files";

/// What may stand in a place of the line, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    text: String,
    meaning: String,
}

/// What was typed before the word that is to be completed.
#[derive(Debug, Clone)]
struct Typed<'d> {
    command: &'d Command,
    /// The option whose value comes next.
    awaited: Option<&'d Arg>,
    /// So many arguments stand there without an option.
    positionals: usize,
    /// Behind `--` there are no options.
    options_have_ended: bool,
    socket: Option<PathBuf>,
    config: Option<PathBuf>,
}

/// The script that completes in a shell, if it is one of ours.
pub(super) fn script(shell: Shell) -> Option<&'static str> {
    let ours = [
        (Shell::Bash, include_str!("completion/script.bash")),
        (Shell::Zsh, include_str!("completion/script.zsh")),
        (Shell::Fish, include_str!("completion/script.fish")),
    ];
    ours.into_iter().find(|(of, _)| *of == shell).map(|(_, script)| script)
}

/// Prints what may stand in the place of the last word; a `line` is one that no shell has split.
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

/// Those of the supervisor that the line is about; none where it does not answer at once.
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

/// What may follow what was typed, and begins like the last word.
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

/// The values that an argument can have, where they are known.
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

/// What each campaign can be called, if that is one line and means this campaign alone.
fn names(campaigns: &[Campaign], begun: &str) -> Vec<Candidate> {
    let is_one = |name: &str| campaigns.iter().filter(|other| other.name == name).count() == 1;
    let is_name = |name: &str| {
        let meant = name.parse() == Ok(Target::Name(name.to_owned()));
        meant && !name.starts_with('-') && printable(name) == name && is_one(name)
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

    /// The same with one more word.
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

    /// An option that takes a value.
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

    /// The argument without an option that comes next.
    fn positional(&self) -> Option<&'d Arg> {
        let takes_many = |argument: &&Arg| argument.get_num_args().is_some_and(|count| count.max_values() > 1);
        let all = || self.command.get_positionals();
        all().nth(self.positionals).or_else(|| all().last().filter(takes_many))
    }
}

fn first_line(text: &clap::builder::StyledStr) -> String {
    text.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The words of a line as a shell would take them; the last one is empty behind a space.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut characters = line.trim_start().chars();
    while let Some(character) = characters.next() {
        let in_word = match (quote, character) {
            (None, ' ' | '\t' | '\n') => {
                // Several spaces are one.
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
