//! The project's own Rust files as tokens. So comments, strings and layout can neither hide anything from a rule nor
//! set one off.
//!
//! Deliberately absent: types. Rules that need types are clippy's lints (see `Cargo.toml` and `.clippy.toml`).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

use crate::paths::{Used, used};

/// A token as text: a word, a literal with its quotes, a sign, one of `(){}[]`, or `::`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The line in the file, from 1.
    pub(crate) line: usize,
    /// The text, as the file has it.
    pub(crate) text: String,
}

impl Token {
    /// Whether it is a keyword or a name.
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_') && !self.text.contains('"')
    }

    /// Returns what is inside a string's quotes, escapes included; `None` for other tokens.
    pub(crate) fn string(&self) -> Option<&str> {
        self.text.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"')).map(|(inside, _)| inside)
    }
}

/// A Rust file of the workspace.
#[derive(Debug)]
pub(crate) struct Source {
    /// The path below the workspace, such as `src/cli/mod.rs`.
    pub(crate) file: String,
    /// The whole text.
    pub(crate) text: String,
    /// All tokens, tests included. Comments are no tokens.
    pub(crate) with_tests: Vec<Token>,
    /// The tokens of the program: without the items behind `#[cfg(test)]`.
    pub(crate) tokens: Vec<Token>,
    /// The first word of each item behind a `#[cfg(test)]`, with its line.
    pub(crate) for_tests: Vec<Token>,
    used: OnceLock<Vec<Used>>,
}

/// Every Rust file of the workspace.
static ALL: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let mut files = ["src", "tests"].map(|folder| files_below(&root().join(folder), "rs")).concat();
    files.push(root().join("build.rs"));
    // In one thread, reading the files would take longer than all rules together.
    let half = files.len() / 2;
    std::thread::scope(|scope| {
        let parts = [&files[..half], &files[half..]];
        let threads = parts.map(|part| scope.spawn(|| part.iter().map(|file| Source::read(file)).collect::<Vec<_>>()));
        threads.into_iter().flat_map(|thread| thread.join().expect("each file can be read")).collect()
    })
});

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Returns the files with this ending below a folder, sorted, so that a failing test names the same file first each
/// time.
pub(crate) fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let below = |path: PathBuf| if path.is_dir() { files_below(&path, ending) } else { vec![path] };
    entries.into_iter().flat_map(below).filter(|file| file.extension().is_some_and(|end| end == ending)).collect()
}

/// Returns every file of the workspace, tests included.
pub(crate) fn everything() -> &'static [Source] {
    &ALL
}

/// Returns the files that become the program.
pub(crate) fn program() -> impl Iterator<Item = &'static Source> {
    ALL.iter().filter(|source| source.file.starts_with("src/") && !source.is_test())
}

/// Returns the program's files in a room, given as a path such as `trafficstar::batch`.
pub(crate) fn room(path: &'static str) -> impl Iterator<Item = &'static Source> {
    let found = move |source: &&Source| is_below(&source.module().join("::"), path);
    assert!(program().any(|source| found(&source)), "there is no room {path}: the table in tests/house names it");
    program().filter(found)
}

/// Whether `name` is `item`, or an item inside it.
pub(crate) fn is_below(name: &str, item: &str) -> bool {
    name.strip_prefix(item).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Returns the parts of a text that are in backticks.
pub(crate) fn in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

impl Source {
    fn read(file: &Path) -> Self {
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(file).unwrap();
        let stream: TokenStream = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut with_tests = Vec::new();
        flatten(stream, &mut with_tests);
        let (tokens, for_tests) = without_tests(&with_tests);
        Self { file: name, text, with_tests, tokens, for_tests, used: OnceLock::new() }
    }

    /// Whether the file is part of tests alone. The rule `each_test_file_is_left_out_of_the_program` checks the names.
    pub(crate) fn is_test(&self) -> bool {
        self.file.starts_with("tests/") || self.file.contains("/tests/") || self.file.ends_with("tests.rs")
    }

    /// Returns its module: `["cli", "top"]` for `src/cli/top/mod.rs`, empty for `src/lib.rs`.
    pub(crate) fn module(&self) -> Vec<&str> {
        let path = self.file.trim_start_matches("src/").trim_end_matches(".rs");
        let mut module: Vec<&str> = path.split('/').collect();
        if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(last)) {
            module.pop();
        }
        module
    }

    /// Returns every name from other files that the program's part of the file uses.
    pub(crate) fn used(&self) -> &[Used] {
        self.used.get_or_init(|| used(self))
    }

    /// Returns the strings in the program's part of the file, with their lines.
    pub(crate) fn strings(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tokens.iter().filter_map(|token| Some((token.line, token.string()?)))
    }
}

/// Returns the lines where these texts follow each other; `…` matches any token.
pub(crate) fn lines_with(tokens: &[Token], texts: &[&str]) -> Vec<usize> {
    let fits = |window: &&[Token]| window.iter().zip(texts).all(|(token, text)| *text == "…" || token.text == *text);
    tokens.windows(texts.len()).filter(fits).map(|found| found[0].line).collect()
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut joint = false;
    for tree in stream {
        let line = tree.span().start().line;
        let mut push = |text: String| tokens.push(Token { line, text });
        let joined = joint;
        joint = false;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                push(open.to_owned());
                flatten(group.stream(), tokens);
                tokens.push(Token { line: group.span_close().start().line, text: close.to_owned() });
            }
            TokenTree::Punct(sign) => {
                let first = sign.as_char() == ':' && !joined;
                joint = first && sign.spacing() == Spacing::Joint;
                match tokens.last_mut() {
                    Some(last) if joined && sign.as_char() == ':' => last.text.push(':'),
                    _ => tokens.push(Token { line, text: sign.to_string() }),
                }
            }
            TokenTree::Ident(word) => push(word.to_string().trim_start_matches("r#").to_owned()),
            TokenTree::Literal(literal) => push(literal.to_string()),
        }
    }
}

/// Splits the tokens: those of the program, and the first token of each item behind `#[cfg(test)]`.
fn without_tests(all: &[Token]) -> (Vec<Token>, Vec<Token>) {
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(token) = all.get(at) {
        if texts(all, at, 7) == ["#", "[", "cfg", "(", "test", ")", "]"] {
            at += 7;
            while texts(all, at, 2) == ["#", "["] {
                at = end_of_group(all, at + 1);
            }
            let mut item = all[at].clone();
            if item.text == "pub" {
                item = all[if all[at + 1].text == "(" { end_of_group(all, at + 1) } else { at + 1 }].clone();
            }
            left_out.push(item);
            at = end_of_item(all, at);
        } else {
            kept.push(token.clone());
            at += 1;
        }
    }
    (kept, left_out)
}

fn texts(tokens: &[Token], at: usize, count: usize) -> Vec<&str> {
    tokens.iter().skip(at).take(count).map(|token| token.text.as_str()).collect()
}

/// Returns the position after the group that opens at `at`.
pub(crate) fn end_of_group(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (position, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return position + 1;
        }
    }
    tokens.len()
}

/// Returns the position after the `;` or the block that ends the item at `at`.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    let is_use = tokens[at].text == "use";
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            ";" => return at + 1,
            "{" if !is_use => return end_of_group(tokens, at),
            "(" | "[" | "{" => at = end_of_group(tokens, at),
            _ => at += 1,
        }
    }
    at
}
