//! `check`: one line per check, with advice below each problem.
//!
//! Deliberately absent: the checks themselves (`daemon::check`).

use ratatui::text::{Line, Span};
use serde::Serialize;

use super::draw::paper::Paper;
use super::{Arguments, CommandError};
use crate::config::process_environment;
use crate::daemon::check::{self, Check, CheckResult, Findings};

/// The object that `--json` prints.
#[derive(Debug, Serialize)]
struct Printed<'a> {
    problems: Vec<String>,
    notes: Vec<String>,
    checks: &'a [Check],
}

/// Prints the results; fails if there is a problem.
pub(super) async fn check(arguments: &Arguments, offline: bool) -> Result<(), CommandError> {
    let findings = check::check(arguments.load_to_guard(), &process_environment(), offline).await;
    let printed = Printed {
        problems: findings.that_are(CheckResult::Problem),
        notes: findings.that_are(CheckResult::Note),
        checks: findings.checks(),
    };
    let is_well = printed.problems.is_empty();
    arguments.draw(&printed, |paper| lines(&findings, is_well, paper))?;
    if is_well { Ok(()) } else { Err(CommandError::CheckFailed) }
}

fn lines(findings: &Findings, is_well: bool, Paper { theme, .. }: Paper) -> Vec<Line<'static>> {
    let width = findings.checks().iter().map(|check| check.what.len()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for Check { what, result, detail, advice } in findings.checks() {
        let (sign, style) = match result {
            CheckResult::Ok => ("✓", theme.good()),
            CheckResult::Note => ("!", theme.warning()),
            CheckResult::Problem => ("✗", theme.bad()),
        };
        lines.push(Line::from(vec![Span::styled(sign, style), Span::raw(format!(" {what:width$}  {detail}"))]));
        let advice = advice.iter().map(|advice| Line::from(format!("  {:width$}  → {advice}", "")));
        lines.extend(advice);
    }
    lines.extend(is_well.then(|| Line::styled("All is well.", theme.good())));
    lines
}
