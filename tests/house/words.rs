//! Plain English: comments, messages, names and pages have none of the words below. Each comes with what to write
//! instead.
//!
//! Names are split into their words, and a phrase may go on in the next line of a comment. Deliberately absent: words
//! with a plain use as well, such as "stands" or "told".

use std::collections::BTreeMap;

use crate::assert_none;
use crate::source::{files_below, read, root};

/// What to write instead of a word for persons or programs.
const ACTOR: &str =
    "name the actor: the operator, the tracker, another program, the caller; or say \"only the … does\"";
const THING: &str = "name the thing, or write \"any\", \"every\", \"all\"";
const CHILD: &str = "is built, is started, is respawned";
const RELEASED: &str = "release (a hold, a slot), end, stop guarding, disable (a generator)";
const INVALID: &str = "is invalid, is implausible, contradicts itself";
const SENT: &str = "is in flight, is under way, is being sent";
const REQUESTER: &str = "requester, caller";
const READING: &str = "reading, snapshot, explanation";
const REQUEST_ID: &str = "request id";
const ENDED: &str = "succeeds, is confirmed, takes effect";

/// The words and phrases, in small letters, and what to write instead. A hyphen counts as a space.
const WORDS: [(&str, &str); 70] = [
    ("any more", "no longer, not … again; or say what is"),
    ("are born", CHILD),
    ("are told once", "are logged once, are reported once"),
    ("as ever", "as before, as always"),
    ("as it was then", "as of that moment, the old state"),
    ("asker", REQUESTER),
    ("askers", REQUESTER),
    ("buried", "is given up, is removed"),
    ("buries", "gives up, removes"),
    ("bury", "give up, remove"),
    ("came about", ENDED),
    ("come about", ENDED),
    ("comes about", ENDED),
    ("errand", "action, request; an actor for one action is a one-shot actor"),
    ("errands", "actions, requests; an actor for one action is a one-shot actor"),
    ("foreman", "supervisor"),
    ("foremen", "supervisors"),
    ("foretell", "forecast, say in advance"),
    ("foretells", "forecasts, says in advance"),
    ("foretold", "forecast, said in advance"),
    ("gives away", "reveals, shows"),
    ("heed", "obey, take into account; not heed: ignore"),
    ("heeded", "obeyed, taken into account"),
    ("heeds", "obeys, takes into account; heeds nothing: ignores all"),
    ("how manieth", "number, position"),
    ("in its turn", "leave it out, or write \"then\""),
    ("insight", READING),
    ("insights", READING),
    ("is born", CHILD),
    ("is none of", "is not one of, does not belong to"),
    ("is told once", "is logged once, is reported once"),
    ("let go", RELEASED),
    ("lets go", RELEASED),
    ("letting go", RELEASED),
    ("make no sense", INVALID),
    ("makes no sense", INVALID),
    ("manieth", "number, position"),
    ("nearness", "distance (to a threshold)"),
    ("nobody", ACTOR),
    ("nobodys", ACTOR),
    ("on its way", SENT),
    ("on their way", SENT),
    ("rebirth", "respawn, backoff"),
    ("rebirths", "respawns"),
    ("reborn", CHILD),
    ("reign", "leadership"),
    ("reigns", "leads; leaderships"),
    ("senseless", INVALID),
    ("so many of", "name the number: at most `most` campaigns"),
    ("such a one", "name it: such a request, this campaign"),
    ("such ones", "name them"),
    ("the desk", "the scheduler, the queue"),
    ("the living", "the running actors"),
    ("there is none of", "there is no …, … is missing"),
    ("thereafter", "afterwards, then"),
    ("thereby", "leave it out, or write \"so\""),
    ("thereof", "of it"),
    ("ticket", REQUEST_ID),
    ("tickets", REQUEST_ID),
    ("was born", CHILD),
    ("weigh", "compare, decide by"),
    ("weighs", "compares, decides by"),
    ("what is none", "what is not one"),
    ("whatever", THING),
    ("whereby", "by which, so that"),
    ("whereof", "of which"),
    ("wherever", "where, in each place where"),
    ("whichever", THING),
    ("whoever", ACTOR),
    ("whomever", ACTOR),
];

/// Lines that keep a word: the file, a part of the line, and the reason.
const KEPT: [(&str, &str, &str); 7] = [
    ("src/domain/timer.rs", "rebirth", "the dump and the control API have this word: clients read it"),
    ("src/domain/status.rs", "nobody_leads", "the dump has this word: clients read it"),
    ("src/domain/health.rs", "nobody-leads", "the control API has this word: clients read it"),
    ("src/domain/RULES.md", "`nobody-leads`", "the word of the control API"),
    ("src/cli/manual/two-machines.md", "`nobody-leads`", "the word of the control API"),
    ("tests/it/leadership.rs", "\"nobody-leads\"", "the word of the control API"),
    ("tests/postgres/mod.rs", "\"nobody\"", "the name of a user of the operating system"),
];

/// The endings of the files that are read below a folder.
const ENDINGS: [&str; 9] = ["rs", "md", "in", "sql", "sh", "bash", "fish", "zsh", "toml"];

/// A word in small letters.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    text: String,
    line: usize,
    /// Whether only spaces, or the joints of a name, are between it and the word before.
    follows: bool,
}

/// Returns a line without its indentation, its comment sign, and the sign by which a string goes on in the next line.
fn bare(line: &str) -> &str {
    let line = line.trim();
    let signs = ["///", "//!", "//", "--", "#", "*"];
    let line = signs.iter().find_map(|sign| line.strip_prefix(sign)).unwrap_or(line);
    line.trim_end_matches('\\').trim()
}

/// Splits a text into words. `snake_case` and `CamelCase` are two words each.
fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut follows = false;
    for (line, text) in (1..).zip(text.lines().map(bare)) {
        follows &= !text.is_empty();
        let mut word = String::new();
        let mut before = ' ';
        for letter in text.chars().chain([' ']) {
            let ends = !letter.is_alphabetic() || (letter.is_uppercase() && before.is_lowercase());
            if ends && !word.is_empty() {
                words.push(Word { text: std::mem::take(&mut word), line, follows });
                follows = true;
            }
            if letter.is_alphabetic() {
                word.extend(letter.to_lowercase());
            } else {
                follows &= [' ', '_', '-', '\''].contains(&letter);
            }
            before = letter;
        }
    }
    words
}

/// Returns the forbidden words of a text, each with its line and with what to write instead.
fn forbidden(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let mut by_first: BTreeMap<&str, Vec<(&'static str, &'static str)>> = BTreeMap::new();
    for (phrase, instead) in WORDS {
        by_first.entry(phrase.split(' ').next().unwrap_or_default()).or_default().push((phrase, instead));
    }
    let words = words(text);
    let mut found = Vec::new();
    for (at, first) in words.iter().enumerate() {
        for (phrase, instead) in by_first.get(first.text.as_str()).into_iter().flatten() {
            let rest = phrase.split(' ').skip(1);
            let fits = |(offset, wanted): (usize, &str)| {
                words.get(at + offset).is_some_and(|word| word.follows && word.text == wanted)
            };
            if (1..).zip(rest).all(fits) {
                found.push((first.line, *phrase, *instead));
            }
        }
    }
    found
}

/// Returns the files whose words are checked, as paths below the workspace.
fn checked() -> Vec<String> {
    let mut files = Vec::new();
    for folder in ["src", "tests", "migrations"] {
        for ending in ENDINGS {
            files.extend(files_below(&root().join(folder), ending));
        }
    }
    let files = files.iter().map(|file| file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
    let single = ["README.md", "config.toml", "Cargo.toml", ".ci/run", "build.rs"].map(str::to_owned);
    let is_input = |file: &str| file.starts_with("tests/fuzz/corpus/") || file.contains("/data/");
    files.chain(single).filter(|file| file != "tests/house/words.rs" && !is_input(file)).collect()
}

#[test]
fn no_file_has_a_word_that_is_not_plain() {
    let mut complaints = Vec::new();
    let mut kept = Vec::new();
    for file in checked() {
        let text = read(&file);
        let lines: Vec<&str> = text.lines().collect();
        for (line, phrase, instead) in forbidden(&text) {
            let exception = KEPT.iter().find(|(of, part, _)| *of == file && lines[line - 1].contains(part));
            match exception {
                Some(exception) => kept.push(exception),
                None => complaints.push(format!("{file}:{line}: \"{phrase}\": {instead}")),
            }
        }
    }
    assert_none(complaints, "say it in plain English (the table of tests/house/words.rs has what to write instead)");
    let needless = KEPT.iter().filter(|exception| !kept.contains(exception));
    assert_none(needless.map(|(file, part, _)| format!("{file}: {part}")), "no such line: delete it from KEPT");
}

#[test]
fn words_are_found_in_names_in_comments_and_across_two_lines() {
    let cases: [(&str, &[(usize, &str)]); 11] = [
        ("let found = by_whoever();", &[(1, "whoever")]),
        (
            "fn nobody_is_asked() {}\nstruct NobodyAsked;\nconst NOBODY: u8 = 0;",
            &[(1, "nobody"), (2, "nobody"), (3, "nobody")],
        ),
        ("/// It is not due any\n    /// more.", &[(1, "any more")]),
        ("//! as it\n//! was then", &[(1, "as it was then")]),
        ("-- not due any\n-- more", &[(1, "any more")]),
        ("# not due any\n# more", &[(1, "any more")]),
        (" * not due any\n * more", &[(1, "any more")]),
        ("\"not due any \\\n   more\"", &[(1, "any more")]),
        ("Whatever: the HOW-MANIETH", &[(1, "whatever"), (1, "how manieth"), (1, "manieth")]),
        ("any, more; any. More", &[]),
        ("any\n\nmore; anybody; somewhatever", &[]),
    ];
    for (text, expected) in cases {
        let found: Vec<(usize, &str)> = forbidden(text).into_iter().map(|(line, phrase, _)| (line, phrase)).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn the_table_is_sorted_and_in_small_letters() {
    let phrases = WORDS.map(|(phrase, _)| phrase);
    assert!(phrases.is_sorted(), "sort the table, so that a word is easy to find");
    assert!(phrases.iter().all(|phrase| phrase.chars().all(|letter| letter.is_lowercase() || letter == ' ')));
}
