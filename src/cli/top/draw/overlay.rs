//! What lies over the list: the question before an order, and the help.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph, Wrap};

use crate::cli::draw::theme::Theme;
use crate::cli::top::app::{Dialog, Order};

const WIDTH: u16 = 64;

/// Draws the question.
pub(super) fn dialog(frame: &mut Frame<'_>, dialog: &Dialog, theme: Theme, area: Rect) {
    let campaign = &dialog.campaign;
    let (title, question, reason) = match &dialog.order {
        Order::Process(_) => {
            ("process", format!("Let campaign {campaign} decide now, without waiting for its next tick?"), None)
        }
        Order::Hold(_, reason) => (
            "hold",
            format!("Hold campaign {campaign}? Nothing is sent for it until it is released: it is not paused either."),
            Some(reason),
        ),
        Order::Release(_) => ("release", format!("End the hold of campaign {campaign}, and guard it again?"), None),
        Order::Enable(_) => ("enable", format!("Guard campaign {campaign}? It decides at once."), None),
        Order::Disable(_) => (
            "disable",
            format!("Guard campaign {campaign} no more? One that runs is not let go: hold and pause it first."),
            None,
        ),
        Order::ReleaseAll => (
            "release all",
            "End the hold on all campaigns? Each is run again where its clicks and its spend allow that.".to_owned(),
            None,
        ),
        Order::PauseAll(reason) => (
            "PAUSE ALL",
            "Pause EVERY campaign now, and pause again whatever is seen running, until \
             `traffic-generator release-all`?"
                .to_owned(),
            Some(reason),
        ),
    };
    let style = if matches!(dialog.order, Order::PauseAll(_)) { theme.alarm() } else { theme.strong() };
    let mut lines = vec![Line::from(question), Line::default()];
    if let Some(reason) = reason {
        lines.push(Line::from(vec![Span::styled("Reason: ", theme.label()), Span::raw(format!("{reason}▏"))]));
        lines.push(Line::styled(if dialog.reason_missing { "Say why first." } else { "" }, theme.bad()));
        lines.push(Line::styled("⏎ do it   Esc leave it", theme.label()));
    } else {
        lines.push(Line::styled("⏎ or y do it   Esc or n leave it", theme.label()));
    }
    window(frame, title, style, lines, area);
}

/// Draws the help.
pub(super) fn help(frame: &mut Frame<'_>, theme: Theme, area: Rect) {
    let keys = [
        ("↑ ↓ j k", "select; PageUp, PageDown, Home, End go further"),
        ("⏎", "the details on the whole screen, and back"),
        ("/", "show only what has the typed text; Esc shows all"),
        ("!  s", "show only what needs attention; sort otherwise"),
        ("p", "process: let the selected campaign decide now"),
        ("h  r", "hold it (nothing is sent), release it"),
        ("e  d", "enable it (guard it), disable it"),
        ("P  R", "pause all campaigns and keep them paused; end that"),
        ("q Ctrl-C", "quit; nothing is changed by that"),
    ];
    let mut lines: Vec<Line<'_>> = keys
        .into_iter()
        .map(|(key, does)| Line::from(vec![Span::styled(format!("{key:9}"), theme.strong()), Span::raw(does)]))
        .collect();
    lines.extend([
        Line::default(),
        Line::from("Bars: spend of its limit; clicks of those that run it, ┊ is where it is paused."),
        Line::from(
            "✗ and the top of the list: it needs attention; then what is nearest to a limit. Sparklines begin \
                    with this view.",
        ),
        Line::styled("Any key closes this.", theme.label()),
    ]);
    window(frame, "help", theme.strong(), lines, area);
}

/// A window in the middle, as high as its lines need.
fn window(frame: &mut Frame<'_>, title: &str, style: ratatui::style::Style, lines: Vec<Line<'_>>, area: Rect) {
    let inner = usize::from(WIDTH.min(area.width)).saturating_sub(4).max(1);
    // Room for every line, broken as words demand.
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
