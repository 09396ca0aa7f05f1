//! The question before an order that cannot be undone. It is asked on a terminal only, so that scripts never wait for
//! it.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;

use super::CommandError;
use crate::printable::printable;

/// Whether to ask.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Confirmation {
    /// Do not ask for confirmation; without a terminal nothing is asked
    #[arg(long)]
    yes: bool,
}

impl Confirmation {
    /// Whether the question is asked: stdin and stderr are terminals, and `--yes` was not given.
    pub(super) fn is_asked(self) -> bool {
        !self.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Prints what the order does and asks for a yes. Returns at once if nothing is asked.
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
    fn only_y_and_yes_confirm() {
        for (answer, goes_on) in
            [("y\n", true), (" YES \n", true), ("", false), ("\n", false), ("n\n", false), ("yess\n", false)]
        {
            assert_eq!(is_yes(answer), goes_on, "{answer:?}");
        }
    }
}
