//! The errors that end `top`.

use std::io;

use thiserror::Error;

/// The reason why the view could not be shown or had to end.
#[derive(Debug, Error)]
pub(in crate::cli) enum TopError {
    #[error("`top` needs a terminal for input and output: `traffic-generator status` prints a table without one")]
    NoTerminal,
    #[error("the terminal cannot be used")]
    Terminal(#[source] io::Error),
    #[error("the view's connection to the supervisor could not be started")]
    Connection(#[source] io::Error),
    #[error("the task of the view's connection died, which is a defect of this program: start `top` again")]
    ConnectionDied,
}
