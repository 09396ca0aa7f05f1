//! A command's failure as JSON: with `--json` every command prints an object on stdout, also when it fails.

use std::io::Write;

use serde::Serialize;

use super::{CommandError, to_line};
use crate::control::Problem;
use crate::control::client::ClientError;
use crate::error_chain::in_full;

/// A failure as RFC 9457 defines it.
#[derive(Debug, Serialize)]
struct Failure {
    /// Always `about:blank`: the title says the kind, and no page describes it further.
    r#type: &'static str,
    #[serde(flatten)]
    problem: Problem,
}

/// Prints the failure on one line, unless the command has printed its result.
pub(super) fn print(error: &CommandError) {
    if !error.follows_result() {
        print_problem(problem(error));
    }
}

/// Prints what is wrong with arguments that could not be parsed, if one of them is `--json`.
pub(super) fn print_misuse(error: &clap::Error) {
    if !std::env::args_os().any(|argument| argument == "--json") {
        return;
    }
    let text = error.render().to_string();
    let detail = text.split("\n\nUsage:").next().unwrap_or(&text).trim_start_matches("error: ").trim_end();
    print_problem(of_kind(BAD_USAGE, detail.to_owned()));
}

fn print_problem(problem: Problem) {
    if let Ok(line) = to_line(&Failure { r#type: "about:blank", problem }) {
        // If stdout is closed, the exit status remains.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

/// A title, and the HTTP status that the supervisor would answer.
type Kind = (&'static str, u16);

const BAD_USAGE: Kind = ("bad usage", 400);
const UNKNOWN_CAMPAIGN: Kind = ("unknown campaign", 404);
const FAILED: Kind = ("failed", 500);
const NO_SUPERVISOR: Kind = ("no supervisor", 503);

fn of_kind((title, status): Kind, detail: String) -> Problem {
    Problem { title: title.to_owned(), status, detail, ..Problem::default() }
}

/// Returns the error as a problem document: the supervisor's own document if the supervisor has refused.
fn problem(error: &CommandError) -> Problem {
    if let CommandError::Client(ClientError::Refused(problem)) = error {
        return (**problem).clone();
    }
    let kind = match (error, error.exit_code()) {
        (CommandError::Target(_), _) => UNKNOWN_CAMPAIGN,
        (_, 3) => NO_SUPERVISOR,
        (_, 2) => BAD_USAGE,
        (_, _) => FAILED,
    };
    let detail = if let CommandError::Config(errors) = error {
        errors.lines().collect::<Vec<_>>().join("\n")
    } else {
        in_full(error)
    };
    of_kind(kind, detail)
}
