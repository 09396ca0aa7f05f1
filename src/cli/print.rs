//! Prints results on stdout and messages on stderr.

use std::io::Write;

use ratatui::text::Line;
use serde::Serialize;
use tracing::Level;

use super::draw::paper::{Paper, written};
use super::{Arguments, CommandError};
use crate::printable::{escaped_json, printable};
use crate::telemetry::journal;

impl Arguments {
    /// Prints a result as JSON, or as the text that `text` returns.
    pub(super) fn print(&self, result: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), CommandError> {
        // Only the program's own line breaks are left: texts from outside have lost theirs.
        let lines = || text().split('\n').map(printable).collect::<Vec<_>>().join("\n");
        let printed = if self.json { to_json(result)? } else { lines() };
        put(&printed)
    }

    /// Prints a result as JSON, or as the lines that `lines` draws for this terminal or pipe.
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

/// Returns JSON with indentation.
pub(super) fn to_json(result: &impl Serialize) -> Result<String, CommandError> {
    let json = serde_json::to_string_pretty(result).map_err(|error| CommandError::Print(error.into()))?;
    Ok(escaped_json(json))
}

/// Returns JSON on one line.
pub(super) fn to_line(result: &impl Serialize) -> Result<String, CommandError> {
    let json = serde_json::to_string(result).map_err(|error| CommandError::Print(error.into()))?;
    Ok(escaped_json(json))
}

/// The kinds of complaints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Complaint {
    /// The command has failed.
    Error,
    /// The command goes on, or has succeeded.
    Warning,
}

/// Prints an error or a warning on stderr. The service manager's journal learns which of the two it is.
pub(super) fn complain(kind: Complaint, message: &str) {
    let (word, level) = match kind {
        Complaint::Error => ("error", Level::ERROR),
        Complaint::Warning => ("warning", Level::WARN),
    };
    let priority = if journal::reads_stderr() { journal::priority(level) } else { "" };
    remark(&format!("{priority}{word}: {message}"));
}

/// Prints a message on stderr. If stderr is closed, the message is lost: `eprintln!` would panic.
pub(super) fn remark(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", printable(message));
}
