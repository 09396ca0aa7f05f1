//! Writes faults into a file's text.
//!
//! A fault's `original` occurs once in its file. The piece between `«` and `»` is replaced, or the whole where there
//! are no marks; `«»` inserts. Several faults may replace the same piece, but pieces that differ may not overlap.

use std::collections::BTreeMap;
use std::ops::Range;

use super::list::Fault;

/// Returns the text with these faults in it. Faults of other files are left out.
///
/// # Errors
/// One sentence for each fault that no longer fits.
pub fn apply<'a>(file: &str, text: &str, faults: impl Iterator<Item = &'a Fault>) -> Result<String, Vec<String>> {
    let mut pieces: BTreeMap<(usize, usize), Vec<&Fault>> = BTreeMap::new();
    let mut misfits = Vec::new();
    for fault in faults.filter(|fault| fault.file == file) {
        match find(text, fault) {
            Ok(piece) => pieces.entry((piece.start, piece.end)).or_default().push(fault),
            Err(why) => misfits.push(format!("{}: {why} in {file}", fault.name)),
        }
    }
    let mut end = 0;
    let mut copy = String::with_capacity(text.len() * 2);
    for ((from, to), faults) in pieces {
        let (Some(between), Some(original)) = (text.get(end..from), text.get(from..to)) else {
            misfits.extend(faults.iter().map(|fault| format!("{}: it overlaps another fault in {file}", fault.name)));
            continue;
        };
        copy.push_str(between);
        copy.push_str(&either(original, &faults));
        end = to;
    }
    copy.push_str(text.get(end..).unwrap_or_default());
    if misfits.is_empty() { Ok(copy) } else { Err(misfits) }
}

/// Returns the range of the piece that the fault replaces.
fn find(text: &str, fault: &Fault) -> Result<Range<usize>, String> {
    let (before, rest) = fault.original.split_once('«').unwrap_or(("", fault.original));
    let (piece, after) = rest.split_once('»').unwrap_or((rest, ""));
    let whole = format!("{before}{piece}{after}");
    let mut found = text.match_indices(&whole);
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at + before.len()..at + before.len() + piece.len()),
        (None, _) => Err(format!("`{whole}` does not occur")),
        (Some(_), Some(_)) => Err(format!("`{whole}` occurs more than once")),
    }
}

/// Returns the original and each of its faulty forms, chosen by the switch. A piece of an expression is put in
/// parentheses; a statement or a block is not.
fn either(original: &str, faults: &[&Fault]) -> String {
    let mut text = String::new();
    for fault in faults {
        text += &format!("if faulty::faults::is_on(\"{}\") {{ {} }} else ", fault.name, fault.faulty);
    }
    text += &format!("{{ {original} }}");
    let stands_alone = original.is_empty() || original.ends_with([';', '}']);
    if stands_alone { text } else { format!("({text})") }
}
