//! What commands print: results on stdout, messages on stderr.

use std::io::Write;

use ratatui::text::Line;
use serde::Serialize;

use super::draw::paper::{Paper, written};
use super::{Arguments, CommandError};
use crate::printable::{escaped_json, printable};

impl Arguments {
    /// Prints a result: as JSON, or as `text` says it.
    pub(super) fn print(&self, result: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), CommandError> {
        // Where a line ends is ours to say: what came from outside has no line breaks any more.
        let lines = || text().split('\n').map(printable).collect::<Vec<_>>().join("\n");
        let printed = if self.json { to_json(result)? } else { lines() };
        put(&printed)
    }

    /// Prints a result: as JSON, or as `lines` draws it on what there is.
    pub(super) fn draw(
        &self,
        result: &impl Serialize,
        lines: impl FnOnce(Paper) -> Vec<Line<'static>>,
    ) -> Result<(), CommandError> {
        let paper = Paper::of_stdout();
        put(&if self.json { to_json(result)? } else { written(&lines(paper), paper.theme) })
    }
}

fn put(printed: &str) -> Result<(), CommandError> {
    writeln!(std::io::stdout().lock(), "{}", printed.trim_end()).map_err(CommandError::Print)
}

pub(super) fn to_json(result: &impl Serialize) -> Result<String, CommandError> {
    let json = serde_json::to_string_pretty(result).map_err(|error| CommandError::Print(error.into()))?;
    Ok(escaped_json(json))
}

/// The same on a line.
pub(super) fn to_line(result: &impl Serialize) -> Result<String, CommandError> {
    let json = serde_json::to_string(result).map_err(|error| CommandError::Print(error.into()))?;
    Ok(escaped_json(json))
}

/// An error or a warning for people.
pub(super) fn complain(kind: &str, message: &str) {
    remark(&format!("{kind}: {message}"));
}

/// A message for people. Where nobody can read it, nothing is left to do about it: `eprintln!` would panic.
pub(super) fn remark(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", printable(message));
}
