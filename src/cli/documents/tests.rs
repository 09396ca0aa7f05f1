//! The definitions are sound, and the examples and the README call the program as it is.

use std::collections::{BTreeMap, BTreeSet};

use clap::error::ErrorKind;

use super::super::help::{GROUPS, refuse_json};
use super::*;

/// Every command, those below others included.
fn all(command: &clap::Command) -> Vec<clap::Command> {
    let below = command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set());
    below.flat_map(|below| [vec![below.clone()], all(below)].concat()).collect()
}

#[test]
fn the_definitions_are_sound() {
    definition().debug_assert();
}

#[test]
fn every_command_says_what_it_does_and_shows_an_example_that_is_right() {
    for command in all(&definition()) {
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
    if let Err(error) = definition().try_get_matches_from(words) {
        assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{words:?} of {place:?}: {error}");
    }
}

#[test]
fn the_overview_has_every_command_once() {
    let program = definition();
    let shown = program.get_subcommands().filter(|command| !command.is_hide_set()).map(clap::Command::get_name);
    let mut shown: Vec<&str> = shown.chain(["help"]).collect();
    let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
    shown.sort_unstable();
    grouped.sort_unstable();
    assert_eq!(grouped, shown);
    let help = definition().render_long_help().to_string();
    let headings = ["\nLook:\n", "\nOperate:\n", "\nOptions:\n", "\nExit status:\n", "\nEnvironment:\n", "\nFiles:\n"];
    for said in headings.into_iter().chain(["Say why a campaign is (not) running", "TRAFFICSTAR_API_KEY"]) {
        assert!(help.contains(said), "{said:?} is not in\n{help}");
    }
}

#[test]
fn json_is_offered_where_there_is_some_and_refused_elsewhere() {
    for command in all(&built()) {
        let name = command.get_name().to_owned();
        let is_shown = command.get_arguments().any(|argument| argument.get_id() == "json" && !argument.is_hide_set());
        let prints_none = ["run", "top", "completions", "man", "manual"].contains(&name.as_str());
        assert_eq!(is_shown, !prints_none, "{name}");
        if is_shown {
            let mut command = command;
            let help = command.render_help().to_string();
            let global = help.split("Global options:").nth(1).unwrap_or_default();
            assert!(["--config", "--socket", "--json"].iter().all(|option| global.contains(option)), "{help}");
        }
    }
    let parsed = |words: &[&str]| {
        let matches = definition().try_get_matches_from(words).unwrap();
        refuse_json(&matches).map_err(|error| error.exit_code())
    };
    assert_eq!(parsed(&["traffic-generator", "run", "--json"]), Err(2));
    assert_eq!(parsed(&["traffic-generator", "--json", "man"]), Err(2));
    assert_eq!(parsed(&["traffic-generator", "--json", "status"]), Ok(()));
}

#[test]
fn the_long_help_of_every_command_ends_with_its_example_and_what_holds_for_all_and_the_short_one_is_short() {
    let headings = ["Exit status:", "Environment:", "Files:"];
    for mut command in all(&built()) {
        let name = command.get_name().to_owned();
        let (long, short) = (command.render_long_help().to_string(), command.render_help().to_string());
        let found =
            |text: &str, words: &str| text.find(words).unwrap_or_else(|| panic!("{name} has no {words}: {text}"));
        let places = ["Example: "].iter().chain(&headings).map(|heading| found(&long, heading));
        assert!(places.is_sorted(), "{long}");
        assert!(long.trim_end().ends_with("the config where there is none"), "{long}");
        assert!(short.contains("Example: ") && !headings.iter().any(|heading| short.contains(heading)), "{short}");
    }
}

#[test]
fn every_man_page_names_the_manual_and_the_programs_own_lists_its_topics() {
    let program = built();
    for command in with_subcommands(&program) {
        let page = page(&program, command).replace("\\*(Aq", "'").replace('\\', "");
        let (_, referred) = page.split_once(".SH \"SEE ALSO\"").unwrap();
        assert!(referred.contains("traffic-generator manual TOPIC"), "{referred}");
        let is_the_manual = page_name(command) == MANUAL;
        assert_eq!(referred.contains("fBtraffic-generator-manualfR(1)"), !is_the_manual, "{referred}");
        let lists_topics = is_the_manual || page_name(command) == "traffic-generator";
        for topic in Topic::value_variants() {
            let entry = format!(".TP\nfB{}fR\n{}", topic.name(), topic.about());
            assert_eq!(page.contains(&entry), lists_topics, "{entry} in {page}");
        }
    }
}

#[test]
fn every_page_ends_with_what_holds_for_all_and_refers_to_pages_that_there_are() {
    let program = built();
    let pages = with_subcommands(&program);
    let names: Vec<&str> = pages.iter().map(|command| page_name(command)).collect();
    for command in &pages {
        let page = page(&program, command);
        for said in [".SH \"EXIT STATUS\"", ".SH ENVIRONMENT", ".SH FILES", ".SH \"SEE ALSO\"", "traffic\\-generator"] {
            assert!(page.contains(said), "{said} is not in\n{page}");
        }
        let has_example = page.contains(".SH EXAMPLES\n");
        assert_eq!(has_example, page_name(command) != "traffic-generator", "{page}");
        let (_, referred) = page.split_once(".SH \"SEE ALSO\"").unwrap();
        for name in referred.split("(1)").filter_map(|text| text.split("\\fB").nth(1)) {
            let name = name.replace('\\', "").replace("fR", "");
            assert!(names.contains(&name.as_str()), "{name}: {referred}");
        }
    }
}

#[test]
fn every_example_is_understood() {
    for command in all(&definition()).iter().filter(|command| !command.has_subcommands()) {
        let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        calls(&example).iter().for_each(|words| assert_understood(words, &example));
    }
}

#[test]
fn every_option_says_what_it_is() {
    for command in all(&definition()) {
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} does not explain {}", command.get_name(), argument.get_id());
        }
    }
}

const README: &str = include_str!("../../../README.md");
const TESTS: &str = include_str!("../../../tests/README.md");

/// A README as long as this is read to its end; the manual has the rest.
const MOST_LINES_OF_THE_README: usize = 200;

#[test]
fn the_readme_is_short_and_names_the_manual() {
    let lines = README.lines().count();
    assert!(lines <= MOST_LINES_OF_THE_README, "README.md has {lines} lines");
    assert!(README.contains("`traffic-generator manual`"), "README.md does not name the manual");
}

/// Returns the texts that a reader is shown to type: the lines of a page's blocks that begin with the program's name,
/// and the spans in backticks in its paragraphs.
fn typed(page: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = Vec::new();
    for (position, part) in page.split("```").enumerate() {
        if position % 2 == 1 {
            let typed = part.lines().map(|line| line.trim_start().trim_start_matches("$ "));
            lines.extend(typed.filter(|line| line.starts_with("traffic-generator ")));
        } else {
            let spans = part.split('`').skip(1).step_by(2);
            lines.extend(spans.filter(|span| span.starts_with("traffic-generator ")));
        }
    }
    lines
}

#[test]
fn every_command_line_of_the_readme_and_of_the_manual_is_understood() {
    let topics = Topic::value_variants().iter().map(|topic| (topic.name(), topic.text()));
    let pages = topics.chain([("README.md".to_owned(), README), ("tests/README.md".to_owned(), TESTS)]);
    let mut count = 0;
    for (name, page) in pages {
        for line in typed(page) {
            for words in calls(line) {
                count += 1;
                // In a paragraph an argument may have a name only.
                let words: Vec<&str> = words.iter().map(|word| if *word == "ID" { "1" } else { word }).collect();
                assert_understood(&words, &format!("{line} ({name})"));
            }
        }
    }
    assert!(count > 60, "the search finds {count} calls only");
}

/// Every command has a place where an operator learns what it is for.
#[test]
fn the_manual_names_every_command() {
    let manual: String = Topic::value_variants().iter().map(|topic| topic.text()).collect();
    for command in definition().get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        let is_named = manual.contains(&format!("traffic-generator {name}")) || manual.contains(&format!("`{name}`"));
        // The page of contents names the manual itself.
        assert!(is_named || name == "manual", "no topic of the manual names `{name}`");
    }
}

/// The table of commands has every command with every option of its own, and the line below it those that all have.
#[test]
fn the_readme_lists_every_command_with_its_options_and_no_other() {
    let (_, section) = README.split_once("\n## Commands\n").expect("the heading");
    let section = section.split("\n## ").next().unwrap();
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
        let own = command
            .get_arguments()
            .filter(|argument| !argument.is_global_set() && !argument.is_hide_set() && argument.get_id() != "help");
        own.filter_map(|argument| Some(format!("--{}", argument.get_long()?))).collect()
    };
    let program = definition();
    let shown = program.get_subcommands().filter(|command| !command.is_hide_set());
    let commands = shown.map(|command| (command.get_name().to_owned(), options(command)));
    assert_eq!(listed, commands.collect(), "README.md on the left, the program on the right");
    for argument in program.get_arguments().filter(|argument| argument.is_global_set()) {
        let option = format!("`--{}", argument.get_long().expect("an option"));
        assert!(section.contains(&option), "{option} is not in README.md");
    }
}

/// `campaign list | add | set | remove`.
#[test]
fn the_readme_lists_every_verb_of_a_command_that_has_some() {
    for command in definition().get_subcommands().filter(|command| command.has_subcommands()) {
        let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let span = format!("`{} {}`", command.get_name(), verbs.join(" \\| "));
        assert!(README.contains(&span), "README.md does not list {span}");
    }
}
