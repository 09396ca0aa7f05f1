//! The pages that lead through the code name files that exist, and functions that are in these files.
//!
//! A page writes `domain/machine/tick.rs`, `wake`: a file below `src` or of the project, and perhaps an item of it.

use crate::assert_none;
use crate::source::{files_below, read, root};

/// Returns the spans in backticks of a line, each with whether only a comma stands between it and the one before.
fn spans(line: &str) -> Vec<(&str, bool)> {
    let parts: Vec<&str> = line.split('`').collect();
    let inside = (1..parts.len()).step_by(2);
    inside.map(|at| (parts[at], at > 1 && parts[at - 1] == ", ")).collect()
}

/// Returns the files that a span names: `control/{client,server}/hold.rs` names two.
fn files_named(span: &str) -> Vec<String> {
    let Some((before, rest)) = span.split_once('{') else { return vec![span.to_owned()] };
    let Some((choices, after)) = rest.split_once('}') else { return vec![span.to_owned()] };
    choices.split(',').map(|choice| format!("{before}{choice}{after}")).collect()
}

/// Returns the text of a file, named from the project's root or from `src`.
fn text_of(file: &str) -> Option<String> {
    let found = [root().join(file), root().join("src").join(file)].into_iter().find(|path| path.is_file())?;
    std::fs::read_to_string(found).ok()
}

fn has_item(text: &str, name: &str) -> bool {
    let begins = ["fn ", "const ", "struct ", "enum ", "mod "].map(|kind| format!("{kind}{name}"));
    begins.iter().any(|begin| {
        text.match_indices(begin.as_str()).any(|(at, _)| {
            let after = text[at + begin.len()..].chars().next().unwrap_or(' ');
            !(after.is_alphanumeric() || after == '_')
        })
    })
}

#[test]
fn every_file_and_function_of_a_walk_exists() {
    let mut pages = ["src", "tests"].map(|folder| files_below(&root().join(folder), "md")).concat();
    pages.extend([root().join("README.md"), root().join("src/lib.rs")]);
    let (mut files, mut items, mut wrong) = (0, 0, Vec::new());
    for page in pages {
        let name = page.strip_prefix(root()).unwrap().display().to_string();
        for (number, line) in (1..).zip(read(&name).lines()) {
            let mut last_text: Option<(String, String)> = None;
            for (span, follows) in spans(line) {
                if span.ends_with(".rs") && span.contains('/') && !span.contains(['*', ' ']) {
                    for file in files_named(span) {
                        files += 1;
                        match text_of(&file) {
                            Some(text) => last_text = Some((file, text)),
                            None => wrong.push(format!("{name}:{number}: there is no file {file}")),
                        }
                    }
                } else if follows && let Some((file, text)) = &last_text {
                    items += 1;
                    if !has_item(text, span) {
                        wrong.push(format!("{name}:{number}: {file} has no `{span}`"));
                    }
                } else {
                    last_text = None;
                }
            }
        }
    }
    assert!(files > 20 && items > 15, "the search finds too little: {files} files, {items} items");
    assert_none(wrong, "name the file and the function where this happens now");
}
