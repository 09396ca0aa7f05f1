//! `health`: whether the guard can keep its promises and, if it cannot, why.

use ratatui::text::{Line, Span};

use super::draw::paper::Paper;
use super::draw::text::flow;
use super::{Arguments, CommandError};
use crate::domain::health::{Health, HealthWord};
use crate::domain::text::date;

/// Prints the health. Fails if the guard is degraded, so that scripts can test the exit status.
pub(super) async fn health(arguments: &Arguments) -> Result<(), CommandError> {
    let health = arguments.client()?.health().await?;
    arguments.draw(&health, |paper| lines(&health, paper))?;
    match health.status {
        HealthWord::Ok => Ok(()),
        HealthWord::Degraded => Err(CommandError::Degraded),
    }
}

fn lines(health: &Health, Paper { width, theme }: Paper) -> Vec<Line<'static>> {
    if health.reasons.is_empty() {
        return vec![Line::styled("● ok: every promise can be kept", theme.good())];
    }
    let mut lines = vec![Line::styled("✗ degraded: a promise may not be kept", theme.bad())];
    for reason in &health.reasons {
        let text = format!("- since {} UTC: {}", date(reason.since), reason.reason);
        lines.extend(flow(vec![Span::raw(text)], "", width));
    }
    lines
}
