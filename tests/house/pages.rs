//! What the pages and the messages name, there is: keys, variables, metrics and files.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use chrono::DateTime;
use traffic_generator::board::Board;
use traffic_generator::domain::machine::Machine;
use traffic_generator::domain::policy::PolicyNumbers;

use crate::assert_none;
use crate::source::{everything, files_below, in_backticks, program, read, root};

/// Returns the pages that say what to type and what the program prints, by name: README.md, the manual's topics, and
/// the page on the tests.
fn pages() -> Vec<(String, String)> {
    let topics = files_below(&root().join("src/cli/manual"), "md");
    assert!(!topics.is_empty(), "the manual has no topic");
    let files = [vec![root().join("README.md"), root().join("tests/README.md")], topics].concat();
    let name = |file: &Path| file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    files.iter().map(|file| (name(file), read(&name(file)))).collect()
}

/// Returns the text of all these pages.
fn text_of_pages() -> String {
    pages().into_iter().map(|(_, text)| text + "\n").collect()
}

/// Returns every key of config.toml as `section.key`, also those without a default. `src/config/tests.rs` compares
/// config.toml with the code.
fn keys() -> BTreeSet<String> {
    let text = read("config.toml");
    let is_key =
        |line: &str| line.starts_with("[[") || line.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '));
    let lines = text.lines().map(|line| line.strip_prefix("# ").filter(|line| is_key(line)).unwrap_or(line));
    let parsed: toml::Table = lines.collect::<Vec<_>>().join("\n").parse().unwrap();
    let keys = |(section, keys): (&String, &toml::Value)| {
        let one = keys.as_array().and_then(|sections| sections.first()).unwrap_or(keys);
        one.as_table().unwrap().keys().map(|key| format!("{section}.{key}")).collect::<Vec<_>>()
    };
    parsed.iter().flat_map(keys).collect()
}

/// Returns the keys that a text names: `[section] key`, on one line or two, and `TRAFFIC_GENERATOR__SECTION__KEY`.
fn keys_named_in(text: &str) -> Vec<String> {
    let word = |text: &str, also: char| {
        let ends = |letter: char| !(letter.is_ascii_lowercase() || letter == '_' || letter == also);
        text.split(ends).next().unwrap_or_default().trim_end_matches(also).to_owned()
    };
    let sections: BTreeSet<String> = keys().iter().map(|key| word(key, '_')).collect();
    let mut named = Vec::new();
    for section in sections {
        for rest in text.split(&format!("[{section}] ")).skip(1).chain(text.split(&format!("[{section}]\n")).skip(1)) {
            // A message may have a `\` before the next line.
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
    let mut pages = pages();
    pages.push(("config.toml".to_owned(), read("config.toml")));
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
    assert!(named > 20, "the search no longer finds any keys");
    assert_none(unknown, "no key of config.toml: correct the key's name, or add the key to config.toml");
}

/// The variables besides those of the keys: each one that the code reads by its name.
#[test]
fn every_variable_that_the_program_reads_is_documented() {
    let pages = [text_of_pages(), read("config.toml")].concat();
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
    let known =
        BTreeSet::from(["JOURNAL_STREAM", "NOTIFY_SOCKET", "NO_COLOR", "PGPASSWORD", "TERM", "TRAFFICSTAR_API_KEY"]);
    assert_eq!(variables, known, "found in the code, and known");
    let undocumented = variables
        .into_iter()
        .filter(|variable| !pages.contains(&format!("`{variable}")) && !pages.contains(&format!("{variable} ")));
    assert_none(undocumented.map(str::to_owned), "say in README.md or in a topic of the manual what it does");
}

/// Returns the rows of METRICS.md: a metric's name, and the words in backticks in its description.
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
    let of_receiver = |count: u64| std::iter::once(("ops".to_owned(), count));
    board.metrics().alerts(&BTreeMap::new(), of_receiver(0), of_receiver(0));
    let campaign = serde_json::json!({
        "id": 1, "name": "shoes", "trafficstar_id": 1001, "state": "idle", "since": now,
        "high_spend": false, "contested": false, "unguarded": false,
        "limits": {"spend": "10", "activate_clicks": 15000, "pause_clicks": 5000, "cooldown_seconds": 120},
        "ordered": {"generator_enabled": true, "mode": "act"}, "observed": {"spend": "1", "remaining_clicks": 5},
        "actor": {"status": "running", "incarnation": 1, "restarts": 0, "ticks": 0, "skipped_ticks": 0},
    });
    let policy = PolicyNumbers::default().validate().unwrap();
    let snapshot = Machine::new(now, &policy, None, None).snapshot(now, &policy);
    board.publish_guarded(serde_json::from_value(campaign).unwrap(), snapshot);
    let text = board.metrics_text(now, true);
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
            // A row that names one value of a label has to name all of them.
            let named = values.iter().any(|value| words.contains(value));
            let missing: Vec<&String> = values.iter().filter(|value| named && !words.contains(*value)).collect();
            assert!(missing.is_empty(), "{name} does not name the values {missing:?} of `{label}`");
        }
        let known = |word: &String| labels.contains_key(word) || strings.contains(word.as_str());
        let unknown: Vec<&String> = words.iter().filter(|word| !known(word) && !word.starts_with("GET ")).collect();
        assert!(unknown.is_empty(), "{name} has neither a label nor a value {unknown:?}");
    }
}

#[test]
fn every_metric_that_the_pages_name_is_one() {
    let documented = documented_metrics();
    let pages = text_of_pages();
    let ends = |letter: char| !(letter.is_ascii_lowercase() || letter == '_');
    let names: BTreeSet<&str> = pages.split(ends).filter(|word| word.starts_with("traffic_generator_")).collect();
    assert!(!names.is_empty(), "the search no longer finds any metrics");
    let unknown = names.into_iter().filter(|name| !documented.contains_key(*name));
    let advice = "no metric of METRICS.md: correct the metric's name, or add the metric to METRICS.md";
    assert_none(unknown.map(str::to_owned), advice);
}

#[test]
fn every_link_between_pages_leads_to_a_file() {
    let below = ["src", "tests"].map(|folder| files_below(&root().join(folder), "md")).concat();
    let pages = [vec![root().join("README.md")], below].concat();
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
    assert_none(broken, "the link leads to no file: correct the path, or restore the file");
}

/// A printed topic has no links: it names files by their path in the source.
#[test]
fn every_file_that_a_page_names_in_backticks_is_there() {
    let mut named = 0;
    let mut missing = Vec::new();
    for (page, text) in pages() {
        let text: String = text.split("```").step_by(2).collect();
        for path in in_backticks(&text).filter(|span| ["src/", "tests/"].iter().any(|folder| span.starts_with(folder)))
        {
            named += 1;
            let path = path.split(['<', ' ', '*']).next().unwrap_or_default();
            if !root().join(path).exists() {
                missing.push(format!("{page}: {path}"));
            }
        }
    }
    assert!(named > 10, "the search finds {named} files only");
    assert_none(missing, "the page names a file that does not exist: correct the path, or restore the file");
}

/// Words of the shown outputs that no code has: names of examples, and words of shells. A narrow column cuts `funds`.
const NAMES: [&str; 12] =
    ["books", "fund", "games", "garden", "insurance", "music", "root", "shoes", "tools", "travel", "watches", "wrong"];

/// Returns the words of the names and strings of the program, the sandbox and the benches, without comments and tests.
fn words_of_the_code(words: impl Fn(&str) -> Vec<String>) -> BTreeSet<String> {
    let has_outputs = |file: &str| ["tests/sandbox/src/", "tests/bench/"].iter().any(|folder| file.starts_with(folder));
    let sources = program().chain(everything().iter().filter(|source| has_outputs(&source.file)));
    let mut known = BTreeSet::new();
    for source in sources {
        // As a token, a doc comment is an attribute `doc = …`.
        let is_comment =
            |at: usize| at >= 2 && source.tokens[at - 2].text == "doc" && source.tokens[at - 1].text == "=";
        let tokens = source.tokens.iter().enumerate().filter(|(at, _)| !is_comment(*at));
        known.extend(tokens.flat_map(|(_, token)| words(&token.text)));
    }
    known
}

/// An output with a word that the program no longer has is out of date.
#[test]
fn every_word_of_a_shown_output_is_one_that_the_code_has() {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|letter: char| !letter.is_alphabetic()).filter(|word| word.chars().count() > 3);
        words.map(str::to_lowercase).collect()
    };
    let known = words_of_the_code(words);
    let mut count = 0;
    let mut unknown = BTreeSet::new();
    for (page, text) in pages() {
        for block in text.split("```").filter_map(|block| block.strip_prefix("text\n")) {
            let mut command = String::new();
            for line in block.lines().map(str::trim_start) {
                if line.starts_with("$ ") {
                    command = line.to_owned();
                    continue;
                }
                count += 1;
                let strange = words(line).into_iter().filter(|word| {
                    // A word that a narrow column cuts, or that the operator typed.
                    let is_cut = line.to_lowercase().contains(&format!("{word}…"));
                    !known.contains(word)
                        && !NAMES.contains(&word.as_str())
                        && !is_cut
                        && !command.contains(word.as_str())
                });
                unknown.extend(strange.map(|word| format!("{page}: {word}: {line}")));
            }
        }
    }
    assert!(count > 100, "the search finds {count} lines only");
    assert_none(
        unknown,
        "no code has this word: run the command again and copy its present output; if the word is a name in an \
         example, add it to NAMES",
    );
}

/// Returns the rows of the table below a heading, without the table's head.
fn rows_below(page: &str, heading: &str) -> Vec<Vec<String>> {
    let text = read(page);
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).expect("the heading");
    let lines = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    lines.skip(2).map(cells).collect()
}

/// Words of README.md's column "at TrafficStars", and those of RULES.md's column "remote" with the same meaning.
const SAME_MEANING: [(&str, &str); 5] = [
    ("it may run", "may run"),
    ("blocked or unknown but it may run though we stopped it", "blocked or unknown may run in paused-guarded"),
    ("running though we stopped it", "running in paused-guarded"),
    ("stopped though we promised that it runs", "stopped in active-guarded"),
    // In `idle` there is no promise from which a campaign could differ.
    ("as promised", "as promised or idle"),
];

/// README.md says some things in other words than RULES.md: `unknown, or below 10.00`, and those of `SAME_MEANING`.
#[test]
fn the_decision_table_of_the_readme_is_that_of_the_rules() {
    let plain = |text: &str| text.replace([',', '`'], "");
    let action = |text: &str| text.split([':', ';', ' ']).next().unwrap_or_default().replace("adopted", "adopt");
    let row = |cells: &Vec<String>| {
        let [spend, clicks, remote, action_, next] = cells.as_slice() else { panic!("{cells:?} are not five cells") };
        let remote = plain(remote);
        let same = SAME_MEANING.iter().find(|(readme, _)| *readme == remote);
        let remote = same.map_or(remote, |(_, rules)| (*rules).to_owned());
        [plain(spend), plain(clicks), remote, action(action_), plain(next)]
    };
    let readme: Vec<_> = rows_below("README.md", "The rules").iter().map(row).collect();
    let rules: Vec<_> = rows_below("src/domain/RULES.md", "Decisions").iter().map(row).collect();
    assert!(readme.len() > 10, "the search finds {readme:?} only");
    assert_eq!(
        readme, rules,
        "README.md on the left, RULES.md on the right: make the tables say the same; if README.md says it in other \
         words, add them to SAME_MEANING"
    );
}

/// Of two state diagrams, somebody would change one and forget the other.
#[test]
fn the_state_diagram_is_in_one_page_to_which_the_readme_links() {
    let below = ["src", "tests"].map(|folder| files_below(&root().join(folder), "md")).concat();
    let all = [vec![root().join("README.md")], below].concat();
    let drawn = |page: &&std::path::PathBuf| std::fs::read_to_string(page).unwrap().contains("│ active-guarded │");
    let drawn: Vec<_> = all.iter().filter(drawn).map(|page| page.strip_prefix(root()).unwrap()).collect();
    assert_eq!(drawn, [Path::new("src/domain/LIFECYCLE.md")]);
    assert!(read("README.md").contains("](src/domain/LIFECYCLE.md)"));
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
    assert!(cited > 10, "the search no longer finds any citations");
    assert_none(
        wrong,
        "no page below src and tests, no heading of it, or more than one page of that name: correct the citation, or \
         write more of the page's path",
    );
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
    let pages = [text_of_pages(), comments.collect::<Vec<_>>().join("\n")].concat();
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
        assert_none(
            unknown,
            &format!("`{option}` has no such target: correct the name, or add the target to Cargo.toml"),
        );
    }
}
