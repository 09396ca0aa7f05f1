//! `completions` and `man`, from the definitions that parse the arguments.

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;

use clap::{Command, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::help::{SECTIONS, definition};
use super::manual::Topic;
use super::{Arguments, CommandError, completion};

/// The name of the manual's own page.
const MANUAL: &str = "traffic-generator-manual";

/// Prints a completion script. The scripts of bash, zsh and fish call the program itself (`completion`), so that they
/// complete campaigns, too.
pub(super) fn completions(shell: Shell) -> Result<(), CommandError> {
    if let Some(script) = completion::script(shell) {
        return print(script.as_bytes());
    }
    let mut command = definition();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    print(&script)
}

/// Prints the page of the program, or of one of its commands.
pub(super) fn man(names: &[String]) -> Result<(), CommandError> {
    let program = built();
    let mut command = &program;
    for name in names {
        command = command.find_subcommand(name).ok_or_else(|| CommandError::UnknownCommand(names.join(" ")))?;
    }
    print(page(&program, command).as_bytes())
}

/// Writes all pages as files into a folder, so that `man` finds the pages that a page refers to.
pub(super) fn all_pages(arguments: &Arguments, folder: &Path) -> Result<(), CommandError> {
    let program = built();
    let pages = with_subcommands(&program);
    for command in &pages {
        let path = folder.join(format!("{}.1", page_name(command)));
        std::fs::write(&path, page(&program, command)).map_err(|error| CommandError::Page(path, error))?;
    }
    arguments.print(&(), || format!("{} pages were written into {}.", pages.len(), folder.display()))
}

/// Returns the definitions, with each command's full name and the options that all commands have.
fn built() -> Command {
    let mut program = definition();
    program.build();
    program
}

/// Returns a command and all commands below it that are not hidden.
fn with_subcommands(command: &Command) -> Vec<&Command> {
    let shown = command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
    std::iter::once(command).chain(shown.flat_map(with_subcommands)).collect()
}

fn page_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(program: &Command, command: &Command) -> String {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    let mut render = |section: fn(&Man, &mut dyn Write) -> std::io::Result<()>| {
        // Writing into memory succeeds.
        let _ = section(&man, &mut page);
    };
    render(Man::render_title);
    render(Man::render_name_section);
    render(Man::render_synopsis_section);
    render(Man::render_description_section);
    render(Man::render_options_section);
    if command.has_subcommands() {
        render(Man::render_subcommands_section);
    }
    String::from_utf8_lossy(&page).into_owned() + &rest(program, command)
}

/// Returns the parts that the library has no section for.
fn rest(program: &Command, command: &Command) -> String {
    let mut roff = Roff::new();
    for (title, items) in SECTIONS {
        roff.control("SH", [title.to_uppercase().as_str()]);
        for (word, meaning) in items {
            roff.control("TP", []);
            roff.text([bold(*word)]);
            roff.text([roman(*meaning)]);
        }
    }
    let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    if let Some(example) = example.strip_prefix("Example: ") {
        roff.control("SH", ["EXAMPLES"]);
        roff.text([roman(example)]);
    }
    if [program.get_name(), MANUAL].contains(&page_name(command)) {
        roff.control("SH", ["TOPICS OF THE MANUAL"]);
        for topic in Topic::value_variants() {
            roff.control("TP", []);
            roff.text([bold(topic.name())]);
            roff.text([roman(topic.about())]);
        }
    }
    let others: Vec<Inline> = with_subcommands(program)
        .into_iter()
        .filter(|other| is_related(command, other))
        .enumerate()
        .flat_map(|(position, other)| {
            let separator = if position == 0 { "" } else { ", " };
            [roman(separator), bold(page_name(other)), roman("(1)")]
        })
        .collect();
    roff.control("SH", ["SEE ALSO"]);
    roff.text(others);
    roff.control("PP", []);
    roff.text([roman("The operator's manual: traffic-generator manual TOPIC")]);
    roff.render()
}

/// Whether the page of a command refers to another one. The page of the program refers to all commands. Each other page
/// refers to the commands above and below it, and to the manual.
fn is_related(command: &Command, other: &Command) -> bool {
    let (own, other) = (page_name(command), page_name(other));
    let is_below = |name: &str, above: &str| name.strip_prefix(above).is_some_and(|rest| rest.starts_with('-'));
    own != other && (other == MANUAL || is_below(own, other) || is_below(other, own))
}

fn print(document: &[u8]) -> Result<(), CommandError> {
    std::io::stdout().lock().write_all(document).map_err(CommandError::Print)
}
