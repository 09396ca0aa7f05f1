//! What the pages and the messages name, there is: keys, variables, metrics and files.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use chrono::DateTime;
use traffic_generator::board::Board;

use crate::assert_none;
use crate::source::{everything, files_below, in_backticks, program, read, root};

/// Every key of config.toml as `section.key`, those without a default included. `src/config/tests.rs` holds it to the code.
fn keys() -> BTreeSet<String> {
    let text = read("config.toml");
    let is_key = |line: &str| line.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '));
    let lines = text.lines().map(|line| line.strip_prefix("# ").filter(|line| is_key(line)).unwrap_or(line));
    let parsed: toml::Table = lines.collect::<Vec<_>>().join("\n").parse().unwrap();
    let keys = |(section, keys): (&String, &toml::Value)| {
        keys.as_table().unwrap().keys().map(|key| format!("{section}.{key}")).collect::<Vec<_>>()
    };
    parsed.iter().flat_map(keys).collect()
}

/// The keys that a text names: `[section] key`, on one line or two, and `TRAFFIC_GENERATOR__SECTION__KEY`.
fn keys_named_in(text: &str) -> Vec<String> {
    let word = |text: &str, also: char| {
        let ends = |letter: char| !(letter.is_ascii_lowercase() || letter == '_' || letter == also);
        text.split(ends).next().unwrap_or_default().trim_end_matches(also).to_owned()
    };
    let sections: BTreeSet<String> = keys().iter().map(|key| word(key, '_')).collect();
    let mut named = Vec::new();
    for section in sections {
        for rest in text.split(&format!("[{section}] ")).skip(1).chain(text.split(&format!("[{section}]\n")).skip(1)) {
            // In a message an escape may stand before the next line.
            let key = word(rest.trim_start_matches([' ', '\n', '\\', '/']), '_');
            if !key.is_empty() && !text.contains(&format!("[{section}]\n{key} =")) {
                named.push(format!("{section}.{key}"));
            }
        }
    }
    for variable in text.split("TRAFFIC_GENERATOR__").skip(1) {
        let ends = |letter: char| !(letter.is_ascii_uppercase() || letter == '_');
        let name = variable.split(ends).next().unwrap_or_default().to_lowercase();
        if !name.is_empty() && name != "section__key" {
            named.push(name.replacen("__", ".", 1));
        }
    }
    named
}

#[test]
fn every_key_that_a_page_or_a_message_names_is_one() {
    let keys = keys();
    let pages = ["README.md", "config.toml"].map(|file| (file.to_owned(), read(file)));
    let strings = program()
        .flat_map(|source| source.strings().map(|(line, text)| (format!("{}:{line}", source.file), text.to_owned())));
    let mut named = 0;
    let mut unknown = Vec::new();
    for (place, text) in pages.into_iter().chain(strings) {
        for key in keys_named_in(&text) {
            named += 1;
            if !keys.contains(&key) {
                unknown.push(format!("{place}: {key}"));
            }
        }
    }
    assert!(named > 20, "the search finds nothing any more");
    assert_none(unknown, "no key of config.toml");
}

/// The variables besides those of the keys: whatever is asked for by a name in the code.
#[test]
fn every_variable_that_the_program_reads_is_documented() {
    let pages = [read("README.md"), read("config.toml")].concat();
    let mut variables = BTreeSet::new();
    for source in program() {
        for call in source.tokens.windows(3).filter(|call| ["var", "var_os"].contains(&call[0].text.as_str())) {
            variables.extend(call[2].string());
        }
        for constant in
            source.tokens.windows(9).filter(|words| words[0].text == "const" && words[1].text.ends_with("_VARIABLE"))
        {
            variables.extend(constant.iter().find_map(|token| token.string()));
        }
    }
    let known = BTreeSet::from(["NO_COLOR", "PGPASSWORD", "TERM", "TRAFFICSTAR_API_KEY"]);
    assert_eq!(variables, known, "found in the code, and known");
    let undocumented = variables
        .into_iter()
        .filter(|variable| !pages.contains(&format!("`{variable}")) && !pages.contains(&format!("{variable} ")));
    assert_none(undocumented.map(str::to_owned), "say in README.md what it does");
}

/// The rows of METRICS.md: a metric's name, and what stands in backticks in its description.
fn documented_metrics() -> BTreeMap<String, BTreeSet<String>> {
    let page = read("src/metrics/METRICS.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let words = |text: &str| in_backticks(text).map(str::to_owned).collect();
    rows.map(|(name, description)| (name.to_owned(), words(description))).collect()
}

/// The labels of each exposed metric with their values, after something of each kind has happened.
fn exposed_labels() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let now = DateTime::UNIX_EPOCH;
    let board = Board::new(now);
    board.metrics().request_ended("sweep", Cow::Borrowed("200"), Duration::ZERO, Duration::ZERO);
    let text = board.metrics().text(&board.dump(now), &board.health(now));
    let mut metrics: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = sample.split_once('{').unwrap_or((sample.split(' ').next().unwrap(), ""));
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let metric = metrics.entry(name.to_owned()).or_default();
        for (label, value) in labels.split(',').filter_map(|label| label.split_once("=\"")) {
            if label != "le" {
                let value = value.split('"').next().unwrap().to_owned();
                metric.entry(label.to_owned()).or_default().insert(value);
            }
        }
    }
    metrics
}

/// Their names and types are held by `tests/it/explain.rs`, against the running program.
#[test]
fn every_label_of_a_metric_is_documented_and_every_documented_word_is_one() {
    let documented = documented_metrics();
    let exposed = exposed_labels();
    assert_eq!(documented.keys().collect::<Vec<_>>(), exposed.keys().collect::<Vec<_>>());
    let strings: BTreeSet<&str> = program().flat_map(|source| source.strings().map(|(_, text)| text)).collect();
    for (name, labels) in exposed {
        let words = &documented[&name];
        for (label, values) in &labels {
            assert!(words.contains(label), "{name} does not say that it is by `{label}`");
            // Where the values are told, all of them are.
            let told = values.iter().any(|value| words.contains(value));
            let missing: Vec<&String> = values.iter().filter(|value| told && !words.contains(*value)).collect();
            assert!(missing.is_empty(), "{name} does not tell the values {missing:?} of `{label}`");
        }
        let known = |word: &String| labels.contains_key(word) || strings.contains(word.as_str());
        let unknown: Vec<&String> = words.iter().filter(|word| !known(word) && !word.starts_with("GET ")).collect();
        assert!(unknown.is_empty(), "{name} has neither a label nor a value {unknown:?}");
    }
}

#[test]
fn every_metric_that_the_readme_names_is_one() {
    let documented = documented_metrics();
    let readme = read("README.md");
    let ends = |letter: char| !(letter.is_ascii_lowercase() || letter == '_');
    let names: BTreeSet<&str> = readme.split(ends).filter(|word| word.starts_with("traffic_generator_")).collect();
    assert!(!names.is_empty(), "the search finds nothing any more");
    let unknown = names.into_iter().filter(|name| !documented.contains_key(*name));
    assert_none(unknown.map(str::to_owned), "no metric of METRICS.md");
}

#[test]
fn every_link_between_pages_leads_to_a_file() {
    let pages = [vec![root().join("README.md")], files_below(&root().join("src"), "md")].concat();
    let mut broken = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = page.parent().unwrap_or(Path::new("")).join(target.split('#').next().unwrap_or_default());
            if !target.contains("://") && !file.exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert_none(broken, "there is no such file");
}

/// A citation such as RULES.md, "States" names a page by the end of its path, and a heading of it.
#[test]
fn every_page_and_heading_that_is_cited_is_there() {
    let pages = ["src", "tests"].map(|folder| files_below(&root().join(folder), "md")).concat();
    let sources = everything().iter().map(|source| root().join(&source.file));
    let mut cited = 0;
    let mut wrong = Vec::new();
    for file in pages.iter().cloned().chain(sources) {
        let text = std::fs::read_to_string(&file).unwrap();
        for name in ["behaviour", "contract", "trafficstars-api", "architecture"] {
            if text.contains(&format!("{name}.md")) {
                wrong.push(format!("{}: {name}", file.display()));
            }
        }
        let parts: Vec<&str> = text.split(".md, \"").collect();
        for pair in parts.windows(2) {
            cited += 1;
            let ends = |letter: char| !letter.is_alphanumeric() && letter != '/';
            let name = pair[0].rsplit(ends).next().unwrap_or_default();
            let heading = pair[1].split('"').next().unwrap_or_default();
            let mut named = pages.iter().filter(|page| page.ends_with(format!("{name}.md")));
            let (page, another) = (named.next(), named.next());
            let has_heading = page.is_some_and(|page| {
                let text = std::fs::read_to_string(page).unwrap();
                text.lines().any(|line| line.starts_with('#') && line.trim_start_matches('#').trim_start() == heading)
            });
            if another.is_some() || !has_heading {
                wrong.push(format!("{}: {name}.md, {heading}", file.display()));
            }
        }
    }
    assert!(cited > 10, "the search finds nothing any more");
    assert_none(wrong, "no page below src and tests, no heading of it, or more than one page of that name");
}

/// `cargo run -p sandbox`, `cargo test --test it`, `cargo bench --bench requests`.
#[test]
fn every_target_that_the_pages_run_with_cargo_is_there() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let named = |kind: &str| {
        let targets = manifest[kind].as_array().unwrap().iter();
        targets.map(|target| target["name"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let comments = everything().iter().map(|source| source.text.as_str());
    let pages = [read("README.md"), comments.collect::<Vec<_>>().join("\n")].concat();
    for (option, targets) in [
        ("--test ", named("test")),
        ("--bench ", named("bench")),
        ("cargo run -p ", BTreeSet::from(["sandbox".to_owned()])),
        ("--profile ", manifest["profile"].as_table().unwrap().keys().cloned().collect()),
    ] {
        let words = pages.split(option).skip(1).map(|rest| {
            rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default().to_owned()
        });
        let unknown = words.filter(|word| !word.is_empty() && !targets.contains(word));
        assert_none(unknown, &format!("nothing that `{option}` could mean"));
    }
}
