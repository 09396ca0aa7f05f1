//! An error and its causes in one line, for whoever handles it.

use std::error::Error;

use crate::printable::printable;

/// The message with all its causes: `what failed: why: why that`. It may quote a server or a file, so it is made fit to be
/// shown here, where it becomes a text.
#[must_use]
pub fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    printable(&text)
}
