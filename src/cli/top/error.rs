//! Why `top` ends with something else than 0.

use std::io;

use thiserror::Error;

/// Why the view could not be shown, or had to end.
#[derive(Debug, Error)]
pub(in crate::cli) enum TopError {
    #[error(
        "`top` needs a terminal, and its output goes elsewhere: `traffic-generator status` prints a table anywhere"
    )]
    NoTerminal,
    #[error("the terminal cannot be used")]
    Terminal(#[source] io::Error),
    #[error("the view's connection to the supervisor could not be started")]
    Connection(#[source] io::Error),
    #[error("the view's connection to the supervisor died, which is a defect of this program: start `top` again")]
    ConnectionDied,
}
