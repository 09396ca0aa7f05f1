//! The windows over the list: the question before an order, and the help.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph, Wrap};

use crate::cli::draw::theme::Theme;
use crate::cli::top::app::{Dialog, Order};
use crate::cli::top::connection::MUTE_FOR;

const WIDTH: u16 = 64;

/// Draws the question.
pub(super) fn dialog(frame: &mut Frame<'_>, dialog: &Dialog, theme: Theme, area: Rect) {
    let campaign = &dialog.campaign;
    let (title, question, reason) = match &dialog.order {
        Order::Process(_) => {
            ("process", format!("Run a tick of campaign {campaign} now, without waiting for the next one?"), None)
        }
        Order::Hold(_, reason) => (
            "hold",
            format!(
                "Put campaign {campaign} on hold? The guard changes nothing until its release, and does not pause it."
            ),
            Some(reason),
        ),
        Order::Release(_) => ("release", format!("End the hold of campaign {campaign}, and guard it again?"), None),
        Order::Enable(_) => ("enable", format!("Guard campaign {campaign}? Its first tick runs at once."), None),
        Order::Disable(_) => (
            "disable",
            format!("Stop guarding campaign {campaign}? This is refused while it runs: hold and pause it first."),
            None,
        ),
        Order::Ack(_) => {
            ("take over", format!("Take this alert over, so that no reminder of it is sent? {campaign}"), None)
        }
        Order::Mute(Some(_)) => (
            "mute",
            format!("Send no alerts of campaign {campaign} for {MUTE_FOR}? What is still the case then is sent."),
            None,
        ),
        Order::Mute(None) => {
            ("MUTE ALL", format!("Send no alerts at all for {MUTE_FOR}? What is still the case then is sent."), None)
        }
        Order::TestAlerts => ("test", "Send a test message to every receiver of alerts?".to_owned(), None),
        Order::ReleaseAll => (
            "release all",
            "End the hold on all campaigns? The guard activates those whose clicks and spend allow it.".to_owned(),
            None,
        ),
        Order::PauseAll(reason) => (
            "PAUSE ALL",
            "Pause EVERY campaign now, and pause each one again that starts, until `traffic-generator release-all`?"
                .to_owned(),
            Some(reason),
        ),
    };
    let style = if matches!(dialog.order, Order::PauseAll(_)) { theme.alarm() } else { theme.strong() };
    let mut lines = vec![Line::from(question), Line::default()];
    if let Some(reason) = reason {
        lines.push(Line::from(vec![Span::styled("Reason: ", theme.label()), Span::raw(format!("{reason}▏"))]));
        lines.push(Line::styled(if dialog.reason_missing { "Give a reason first." } else { "" }, theme.bad()));
        lines.push(Line::styled("⏎ yes   Esc cancel", theme.label()));
    } else {
        lines.push(Line::styled("⏎ or y yes   Esc or n cancel", theme.label()));
    }
    window(frame, title, style, lines, area);
}

/// Draws the help.
pub(super) fn help(frame: &mut Frame<'_>, theme: Theme, area: Rect) {
    let keys = [
        ("↑ ↓ j k", "select; PageUp, PageDown, Home, End go further"),
        ("⏎", "the details on the whole screen, and back"),
        ("/", "filter the campaigns by a text; Esc shows all"),
        ("!  s", "only campaigns that need attention; another sorting"),
        ("p", "process: run a tick of the selected campaign now"),
        ("h  r", "hold it (the guard changes nothing), release it"),
        ("e  d", "enable its guard, disable its guard"),
        ("P  R", "pause all and keep them paused; release all"),
        ("a", "the alerts: take one over, mute them, send a test"),
        ("q Ctrl-C", "quit; the guard continues"),
    ];
    let mut lines: Vec<Line<'_>> = keys
        .into_iter()
        .map(|(key, does)| Line::from(vec![Span::styled(format!("{key:9}"), theme.strong()), Span::raw(does)]))
        .collect();
    lines.extend([
        Line::default(),
        Line::from("Bars: spend of its limit; clicks of the activation threshold, ┊ marks the pause threshold."),
        Line::from(
            "✗ at the top of the list: it needs attention. Then come the campaigns nearest to a threshold. \
                    Sparklines begin when this view is opened.",
        ),
        Line::styled("Any key closes this.", theme.label()),
    ]);
    window(frame, "help", theme.strong(), lines, area);
}

/// Draws a window in the middle, as high as its lines need.
pub(super) fn window(
    frame: &mut Frame<'_>,
    title: &str,
    style: ratatui::style::Style,
    lines: Vec<Line<'_>>,
    area: Rect,
) {
    let inner = usize::from(WIDTH.min(area.width)).saturating_sub(4).max(1);
    // Lines are wrapped between words, so the height is computed before.
    let rows: usize = lines.iter().map(|line| line.width().div_ceil(inner).max(1)).sum();
    let height = u16::try_from(rows + 3).unwrap_or(u16::MAX).min(area.height);
    let place = area.centered(Constraint::Length(WIDTH.min(area.width)), Constraint::Length(height));
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .title(Span::styled(format!(" {title} "), style))
        .padding(ratatui::widgets::Padding::horizontal(1));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }).block(block), place);
}
