//! What the command line and `top` print after an order: what was done, and what the operator should know.
//!
//! Deliberately absent: the words for each order. They are beside the order (`process`, `hold`, `pause_all`).

use serde::Serialize;

use super::{Arguments, CommandError, Complaint, complain};

/// The result of an order, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OrderReport {
    /// The report of what was done, in one or more sentences.
    pub(super) said: String,
    /// Warnings for the operator.
    pub(super) warnings: Vec<String>,
    /// Whether the order was not carried out as given, or its effect may not last.
    pub(super) is_problem: bool,
}

impl OrderReport {
    pub(super) fn new(said: String, warnings: Vec<String>) -> Self {
        let is_problem = !warnings.is_empty();
        Self { said, warnings, is_problem }
    }

    /// Prints the result as JSON, or the report in words; the warnings go to stderr.
    pub(super) fn print(self, arguments: &Arguments, result: &impl Serialize) -> Result<(), CommandError> {
        arguments.print(result, || self.said)?;
        warn(&self.warnings);
        Ok(())
    }
}

/// Prints each warning on stderr.
pub(super) fn warn(warnings: &[String]) {
    for warning in warnings {
        complain(Complaint::Warning, warning);
    }
}
