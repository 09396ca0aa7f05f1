//! `completions` and `man`, from the definitions that parse the arguments.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Arguments, CommandError};

pub(super) fn completions(shell: Shell) -> Result<(), CommandError> {
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    print(&script)
}

/// The page of the program, or of one of its commands.
pub(super) fn man(names: &[String]) -> Result<(), CommandError> {
    let mut program = Arguments::command();
    // Gives each command the name of its page, and the options that all have.
    program.build();
    let mut command = &program;
    for name in names {
        command = command.find_subcommand(name).ok_or_else(|| CommandError::UnknownCommand(names.join(" ")))?;
    }
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page).map_err(CommandError::Print)?;
    print(&page)
}

fn print(document: &[u8]) -> Result<(), CommandError> {
    std::io::stdout().lock().write_all(document).map_err(CommandError::Print)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command, those below others included.
    fn all(command: &clap::Command) -> Vec<clap::Command> {
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        below.flat_map(|below| [vec![below.clone()], all(below)].concat()).collect()
    }

    #[test]
    fn the_definitions_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_an_example_that_is_right() {
        for command in all(&Arguments::command()) {
            let name = command.get_name().to_owned();
            assert!(command.get_about().is_some(), "{name} does not say what it does");
            if command.has_subcommands() {
                continue;
            }
            let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.starts_with("Example: "), "{name} has no example: {example:?}");
            let call = example.split("traffic-generator ").find(|call| call.split(' ').any(|word| word == name));
            assert!(call.is_some(), "the example of {name} calls another command: {example}");
        }
    }

    #[test]
    fn every_example_is_understood() {
        for command in all(&Arguments::command()).iter().filter(|command| !command.has_subcommands()) {
            let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            // Each call of the program, up to what belongs to the shell; the longest word in quotes is one argument.
            for call in example.split("traffic-generator ").skip(1) {
                let call = call.split([';', '|', '&', '>', '<', '(', ')']).next().unwrap_or_default();
                let words = call.split('"').enumerate().flat_map(|(position, part)| {
                    let quoted = position % 2 == 1;
                    if quoted { vec![part] } else { part.split_whitespace().collect() }
                });
                let words = words.map(|word| word.trim_matches('\''));
                // Where the name of the program ends a path or a sentence, nothing is called.
                let words: Vec<&str> = std::iter::once("traffic-generator").chain(words).collect();
                let parsed = Arguments::command().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{words:?} of {example:?}: {}", parsed.unwrap_err());
            }
        }
    }
}
