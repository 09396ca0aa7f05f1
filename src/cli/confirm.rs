//! The question before what cannot be taken back: on a terminal only, so that scripts are never kept waiting.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;

use super::CommandError;
use crate::printable::printable;

/// Whether to ask.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Confirmation {
    /// Do not ask first; in a pipe or a script nothing is asked anyway
    #[arg(long)]
    yes: bool,
}

impl Confirmation {
    /// Whether somebody is there to be asked, and wants to be.
    pub(super) fn is_asked(self) -> bool {
        !self.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Says what follows, and goes on where that is wanted.
    pub(super) fn ask(self, what_follows: &str) -> Result<(), CommandError> {
        if !self.is_asked() {
            return Ok(());
        }
        let mut stderr = std::io::stderr().lock();
        let asked = write!(stderr, "{} Go on? [y/N] ", printable(what_follows)).and_then(|()| stderr.flush());
        let mut answer = String::new();
        let read = asked.and_then(|()| std::io::stdin().lock().read_line(&mut answer));
        match read {
            Ok(_) if is_yes(&answer) => Ok(()),
            Ok(_) | Err(_) => Err(CommandError::NotConfirmed),
        }
    }
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_goes_on() {
        for (answer, goes_on) in
            [("y\n", true), (" YES \n", true), ("", false), ("\n", false), ("n\n", false), ("yess\n", false)]
        {
            assert_eq!(is_yes(answer), goes_on, "{answer:?}");
        }
    }
}
