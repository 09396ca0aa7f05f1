//! The definitions are sound, and the examples and the README call the program as it is.

use std::collections::{BTreeMap, BTreeSet};

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

/// Each call of the program in a text, up to what belongs to the shell; the longest word in quotes is one argument.
fn calls(text: &str) -> Vec<Vec<&str>> {
    text.split("traffic-generator ").skip(1).map(words).collect()
}

fn words(call: &str) -> Vec<&str> {
    let call = call.split([';', '|', '&', '>', '<', '(', ')']).next().unwrap_or_default();
    let words = call.split('"').enumerate().flat_map(|(position, part)| {
        let quoted = position % 2 == 1;
        if quoted { vec![part] } else { part.split_whitespace().collect() }
    });
    std::iter::once("traffic-generator").chain(words.map(|word| word.trim_matches('\''))).collect()
}

#[track_caller]
fn assert_understood(words: &[&str], place: &str) {
    let parsed = Arguments::command().try_get_matches_from(words);
    assert!(parsed.is_ok(), "{words:?} of {place:?}: {}", parsed.unwrap_err());
}

#[test]
fn every_example_is_understood() {
    for command in all(&Arguments::command()).iter().filter(|command| !command.has_subcommands()) {
        let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        calls(&example).iter().for_each(|words| assert_understood(words, &example));
    }
}

#[test]
fn every_option_says_what_it_is() {
    for command in all(&Arguments::command()) {
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} does not explain {}", command.get_name(), argument.get_id());
        }
    }
}

const README: &str = include_str!("../../../README.md");

/// What a reader is shown to type: the lines of its blocks that begin with the program's name, and what stands in
/// backticks in a paragraph.
#[test]
fn every_command_line_of_the_readme_is_understood() {
    let mut lines: Vec<&str> = Vec::new();
    for (position, part) in README.split("```").enumerate() {
        if position % 2 == 1 {
            let typed = part.lines().map(|line| line.trim_start().trim_start_matches("$ "));
            lines.extend(typed.filter(|line| line.starts_with("traffic-generator ")));
        } else {
            let spans = part.split('`').skip(1).step_by(2);
            lines.extend(spans.filter(|span| span.starts_with("traffic-generator ")));
        }
    }
    assert!(lines.len() > 15, "the search finds little: {lines:?}");
    for line in lines {
        for words in calls(line) {
            // In a paragraph an argument may have a name only.
            let words: Vec<&str> = words.iter().map(|word| if *word == "ID" { "1" } else { word }).collect();
            assert_understood(&words, line);
        }
    }
}

/// The table of commands has every command with every option of its own, and the line below it those that all have.
#[test]
fn the_readme_lists_every_command_with_its_options_and_no_other() {
    let (_, section) = README.split_once("\n### Commands\n").expect("the heading");
    let section = section.split("\n### ").next().unwrap();
    let mut listed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in section.lines().filter_map(|line| line.strip_prefix("| `")) {
        let row = row.replace("\\|", "/");
        let calls = row.split(" | ").next().unwrap().to_owned();
        for call in calls.split('`').step_by(2).filter(|call| !call.is_empty()) {
            let mut words = call.split([' ', '[', ']']).filter(|word| !word.is_empty());
            let options: BTreeSet<String> =
                call.split([' ', '[', ']']).filter(|word| word.starts_with("--")).map(str::to_owned).collect();
            listed.insert(words.next().unwrap().to_owned(), options);
        }
    }
    let options = |command: &clap::Command| -> BTreeSet<String> {
        let own = command.get_arguments().filter(|argument| !argument.is_global_set() && argument.get_id() != "help");
        own.filter_map(|argument| Some(format!("--{}", argument.get_long()?))).collect()
    };
    let program = Arguments::command();
    let commands = program.get_subcommands().map(|command| (command.get_name().to_owned(), options(command)));
    assert_eq!(listed, commands.collect(), "README.md on the left, the program on the right");
    for argument in program.get_arguments().filter(|argument| argument.is_global_set()) {
        let option = format!("`--{}", argument.get_long().expect("an option"));
        assert!(section.contains(&option), "{option} is not in README.md");
    }
}

/// `campaign list | add | set | remove`.
#[test]
fn the_readme_lists_every_verb_of_a_command_that_has_some() {
    for command in Arguments::command().get_subcommands().filter(|command| command.has_subcommands()) {
        let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let span = format!("`{} {}`", command.get_name(), verbs.join(" \\| "));
        assert!(README.contains(&span), "README.md does not list {span}");
    }
}
