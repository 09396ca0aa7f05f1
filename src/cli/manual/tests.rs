//! The topics are complete, short and printed as they are; headings are bold on a terminal.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

/// A longer page is two topics.
const MOST_LINES: usize = 150;

#[test]
fn every_file_beside_is_a_topic_and_every_topic_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/manual");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let pages = files.filter(|file| file.extension().is_some_and(|end| end == "md"));
    let pages: BTreeSet<String> = pages.map(|page| page.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let topics: BTreeSet<String> = Topic::value_variants().iter().map(|topic| topic.name()).collect();
    assert_eq!(pages, topics, "the files on the left, the topics on the right");
    let contents = contents();
    for topic in Topic::value_variants() {
        let line = contents.lines().find(|line| line.starts_with(&format!("  {} ", topic.name()))).unwrap();
        assert!(!topic.about().is_empty() && line.ends_with(&topic.about()), "{line}");
    }
}

#[test]
fn every_topic_begins_with_what_it_is_about_and_is_short() {
    for topic in Topic::value_variants() {
        let lines: Vec<&str> = topic.text().lines().collect();
        let name = topic.name();
        assert!(lines[0].starts_with("# ") && lines[1].is_empty() && lines[2].starts_with("This page "), "{name}");
        assert!(lines.len() <= MOST_LINES, "{name} has {} lines", lines.len());
        assert!(topic.text().ends_with('\n'), "{name} does not end with a line break");
    }
}

/// Outputs, tables and statements are as wide as they are.
#[test]
fn the_paragraphs_of_every_topic_fit_a_terminal_of_80_columns() {
    for topic in Topic::value_variants() {
        let paragraphs = topic.text().split("```").step_by(2).flat_map(str::lines);
        for line in paragraphs.filter(|line| !line.starts_with('|')) {
            assert!(line.chars().count() <= 80, "{}: {line}", topic.name());
        }
    }
}

#[test]
fn without_colours_a_page_is_printed_as_it_is_and_with_colours_its_headings_are_bold() {
    let page = "# One\n\ntext # no heading\n\n```sh\n# a comment\n```\n\n## Two\n";
    assert_eq!(drawn(page, Theme::PLAIN), page);
    let bold = "\x1b[1mOne\x1b[0m\n\ntext # no heading\n\n```sh\n# a comment\n```\n\n\x1b[1mTwo\x1b[0m\n";
    assert_eq!(drawn(page, Theme::COLORED), bold);
    for topic in Topic::value_variants() {
        let text = topic.text();
        assert_eq!(drawn(text, Theme::PLAIN), text);
        // Each heading becomes bold, and no character is taken for one that hides something.
        let colored = drawn(text, Theme::COLORED);
        let headings = text.split("```").step_by(2).flat_map(str::lines).filter(|line| line.starts_with('#')).count();
        assert_eq!(colored.matches("\x1b[1m").count(), headings, "{}", topic.name());
        assert_eq!(colored.matches('\u{fffd}').count(), text.matches('\u{fffd}').count(), "{}", topic.name());
    }
}
