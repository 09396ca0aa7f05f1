//! The names that a file uses: every path in its code, its macros and its imports, from the crate's root on.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, Token};

/// A path as the code writes it; an import with braces becomes one path for each item.
type Path = Named<Vec<String>>;

/// What a path refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// An item of the program, by its modules and its name.
    Here(Vec<String>),
    /// An item of a library, by its crate, modules and name.
    Library(Vec<String>),
}

/// A name that a file uses.
pub(crate) type Used = Named<Target>;

/// A path, or what it refers to.
#[derive(Debug, Clone)]
pub(crate) struct Named<T> {
    /// The line of its first word.
    pub(crate) line: usize,
    /// The path, or what it refers to.
    pub(crate) target: T,
    /// The name that an import gives it; `None` for a path in the code.
    pub(crate) name: Option<String>,
    /// Whether `pub use` re-exports it.
    pub(crate) passed_on: bool,
}

impl Used {
    /// Returns the path of an item of the program.
    pub(crate) fn here(&self) -> Option<&[String]> {
        if let Target::Here(path) = &self.target { Some(path) } else { None }
    }

    /// Returns the path of an item of a library.
    pub(crate) fn in_library(&self) -> Option<&[String]> {
        if let Target::Library(path) = &self.target { Some(path) } else { None }
    }
}

/// Returns every name from other files that the file uses, in full: after `use tokio::time`, `time::sleep` is
/// `tokio::time::sleep`.
pub(crate) fn used(source: &Source) -> Vec<Used> {
    let (imports, others): (Vec<Path>, Vec<Path>) =
        paths(&source.tokens).into_iter().partition(|path| path.name.is_some());
    let mut scope = Scope { module: source.module(), children: children(source), imported: BTreeMap::new() };
    let used = |scope: &Scope<'_>, Path { line, target, name, passed_on }: Path| {
        scope.resolve(&target).map(|target| Used { line, target, name, passed_on })
    };
    let mut found: Vec<Used> = imports.into_iter().filter_map(|path| used(&scope, path)).collect();
    scope.imported = found.iter().filter_map(|used| Some((used.name.clone()?, used.target.clone()))).collect();
    found.extend(others.into_iter().filter_map(|path| used(&scope, path)));
    found
}

/// Returns the modules that a file declares.
pub(crate) fn children(source: &Source) -> BTreeSet<&str> {
    let declared = source.tokens.windows(3).filter(|window| window[0].text == "mod" && window[2].text == ";");
    declared.map(|window| window[1].text.as_str()).collect()
}

/// The meanings of a path's first word in one file.
struct Scope<'s> {
    module: Vec<&'s str>,
    children: BTreeSet<&'s str>,
    imported: BTreeMap<String, Target>,
}

impl Scope<'_> {
    /// Returns what a path refers to; `None` for the file's own items, and for items from an import with `*`.
    fn resolve(&self, words: &[String]) -> Option<Target> {
        let (first, rest) = words.split_first()?;
        let below = |module: &[&str], rest: &[String]| {
            Some(Target::Here(module.iter().map(ToString::to_string).chain(rest.iter().cloned()).collect()))
        };
        match first.as_str() {
            "crate" | "traffic_generator" => below(&[], rest),
            "self" => below(&self.module, rest),
            "super" => {
                let up = words.iter().take_while(|word| *word == "super").count();
                below(self.module.get(..self.module.len().checked_sub(up)?)?, words.get(up..)?)
            }
            child if self.children.contains(child) => below(&self.module, words),
            name if self.imported.contains_key(name) => match &self.imported[name] {
                Target::Here(words) => Some(Target::Here([words, rest].concat())),
                Target::Library(words) => Some(Target::Library([words, rest].concat())),
            },
            // A type or a variant: crates have small letters.
            name if name.starts_with(char::is_uppercase) => None,
            // A lint's name begins with its tool.
            "char" | "str" | "clippy" => None,
            // `i64::MAX`, `f64::from`.
            number if number.starts_with(NUMBERS) && number[1..].parse::<u8>().is_ok() => None,
            "isize" | "usize" => None,
            _ => Some(Target::Library(words.to_vec())),
        }
    }
}

/// What the names of the types of numbers begin with.
const NUMBERS: [char; 3] = ['f', 'i', 'u'];

fn paths(tokens: &[Token]) -> Vec<Path> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.text == "use" && text(at + 1) != "<" {
            let passed_on = at > 0 && ["pub", ")"].contains(&text(at - 1));
            at = import(tokens, at + 1, &[], passed_on, &mut found);
            continue;
        }
        if token.is_word() && text(at + 1) == "::" {
            // `Vec::<T>::new`, `text.parse::<T>()`: neither `new` nor `parse` begins a path.
            let before = [at.checked_sub(2), at.checked_sub(1)].map(|at| at.map_or("", text));
            let goes_on = before == [">", "::"] || before[1] == ".";
            let mut words = vec![token.text.clone()];
            while text(at + 1) == "::" && tokens.get(at + 2).is_some_and(Token::is_word) {
                words.push(text(at + 2).to_owned());
                at += 2;
            }
            if !goes_on {
                found.push(Path { line: token.line, target: words, name: None, passed_on: false });
            }
        }
        at += 1;
    }
    found
}

/// Reads one tree of an import. Returns the position after it.
fn import(tokens: &[Token], mut at: usize, above: &[String], passed_on: bool, found: &mut Vec<Path>) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut words = above.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    loop {
        match text(at) {
            "::" => at += 1,
            "{" => {
                at += 1;
                while text(at) != "}" {
                    at = import(tokens, at, &words, passed_on, found);
                    at += usize::from(text(at) == ",");
                }
                return at + 1;
            }
            "," | ";" | "}" | "as" | "" => break,
            // `{self}` is the module itself.
            "self" if !words.is_empty() => at += 1,
            word => {
                words.push(word.to_owned());
                at += 1;
            }
        }
    }
    let mut name = words.last().cloned().unwrap_or_default();
    if text(at) == "as" {
        text(at + 1).clone_into(&mut name);
        at += 2;
    }
    found.push(Path { line, target: words, name: Some(name), passed_on });
    at
}
