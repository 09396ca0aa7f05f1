//! The window with the alerts, over the list.

use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Padding, Paragraph};

use crate::cli::draw::text::{shortened, wrap};
use crate::cli::draw::theme::Theme;
use crate::cli::render::span;
use crate::control::AlertView;
use crate::domain::occasion::Severity;
use crate::printable::printable;

/// The most rows for the text of the selected alert.
const TEXT: usize = 4;
const KEYS: &str = "↑↓ select  o take over  m mute campaign  M mute all  t test  Esc close";

/// Draws the alerts, and the whole text of the selected one.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    alerts: &[AlertView],
    selected: usize,
    theme: Theme,
    now: DateTime<Utc>,
    area: Rect,
) {
    let place = area
        .centered(Constraint::Length(area.width.saturating_sub(4)), Constraint::Length(area.height.saturating_sub(4)));
    let width = usize::from(place.width.saturating_sub(4));
    // The frame, the text, the keys, and an empty line above each of the two.
    let rows = usize::from(place.height).saturating_sub(2 + TEXT + 3).max(1);
    let selected = selected.min(alerts.len().saturating_sub(1));
    let first = selected.saturating_sub(rows - 1);
    let shown = alerts.iter().enumerate().skip(first).take(rows);
    let mut lines: Vec<Line<'static>> =
        shown.map(|(place, alert)| row(alert, place == selected, theme, now, width)).collect();
    if alerts.is_empty() {
        lines.push(Line::from("There are no alerts."));
    }
    lines.push(Line::default());
    if let Some(alert) = alerts.get(selected) {
        let text = wrap(&printable(&alert.text), width).into_iter().take(TEXT);
        lines.extend(text.map(Line::from));
    }
    lines.push(Line::default());
    lines.push(shortened(&Line::styled(KEYS, theme.label()), width));
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .title(Span::styled(" alerts ", theme.strong()))
        .padding(Padding::horizontal(1));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block), place);
}

fn row(alert: &AlertView, is_selected: bool, theme: Theme, now: DateTime<Utc>, width: usize) -> Line<'static> {
    let style = match (alert.is_open(), alert.severity) {
        (false, _) => theme.label(),
        (true, Severity::Critical) => theme.bad(),
        (true, Severity::Warning) => theme.warning(),
        (true, Severity::Info) => Style::default(),
    };
    let id = alert.id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let about = alert.campaign.as_ref().map(|campaign| format!(" {}", printable(&campaign.name)));
    let state = match (alert.is_open(), &alert.acked) {
        (false, _) => "over",
        (true, Some(_)) => "taken over",
        (true, None) => "open",
    };
    let text = format!(
        "{id:>5} {:<8} {state:<10} {:>12} {}{}",
        alert.severity,
        span(alert.since, now),
        alert.occasion,
        about.unwrap_or_default()
    );
    let style = if is_selected { style.add_modifier(Modifier::REVERSED) } else { style };
    shortened(&Line::styled(text, style), width)
}
