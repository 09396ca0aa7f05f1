//! `completions` and `man`, from the definitions that parse the arguments.

#[cfg(test)]
mod tests;

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
