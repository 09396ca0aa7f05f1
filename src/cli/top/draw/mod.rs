//! How the state looks on a frame. Pure: what is drawn depends on the arguments alone.

mod bars;
mod details;
mod list;
mod overlay;
mod text;
pub(super) mod theme;

use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

use self::bars::bar;
use self::text::{both_ends, wrap};
use self::theme::Theme;
use super::app::{App, Data, Focus};
use crate::cli::render::{not_leading, span, until};
use crate::domain::status::{QueueStatus, RemoteClientStatus};

/// The least that anything can be shown on.
const SMALLEST: (u16, u16) = (72, 16);
/// What the details have at least, with their title.
const DETAILS: u16 = 11;
/// What the list has at least, with its titles.
const LIST: u16 = 5;
/// A message of more lines than this is cut.
const MESSAGE: usize = 4;
const BUDGET_BAR: usize = 12;
const KEYS: &str = "↑↓ select  ⏎ details  / filter  p process  h hold  r release  P pause all  ? help  q quit";
const FEW_KEYS: &str = "↑↓ select ⏎ details / filter p process h hold r release P pause all ? help";

/// Draws the state, and answers how far the details can be scrolled.
pub(super) fn draw(frame: &mut Frame<'_>, app: &App, theme: Theme, now: DateTime<Utc>) -> usize {
    let area = frame.area();
    let (width, height) = SMALLEST;
    if area.width < width || area.height < height {
        let text = format!("`top` needs {width}×{height}; this terminal is {}×{}.", area.width, area.height);
        frame.render_widget(Paragraph::new(text), area);
        return 0;
    }
    let header = header(app, theme, now, area.width);
    let bottom = bottom(app, theme, area.width);
    let (header_height, bottom_height) =
        (Constraint::Length(length(header.len())), Constraint::Length(length(bottom.len())));
    let [above, body, below] = Layout::vertical([header_height, Constraint::Fill(1), bottom_height]).areas(area);
    frame.render_widget(Paragraph::new(header), above);
    let furthest = draw_body(frame, app, theme, now, body);
    frame.render_widget(Paragraph::new(bottom), below);
    match &app.focus {
        Focus::List | Focus::Filter => {}
        Focus::Dialog(dialog) => overlay::dialog(frame, dialog, theme, area),
        Focus::Help => overlay::help(frame, &app.limits, theme, area),
    }
    furthest
}

/// The list and, below it, the details: as much of them as there is, and no more than half.
fn draw_body(frame: &mut Frame<'_>, app: &App, theme: Theme, now: DateTime<Utc>, area: Rect) -> usize {
    let Some(campaign) = app.selected() else {
        let text = if app.filter.is_empty() { "No campaigns." } else { "No campaign fits the filter." };
        frame.render_widget(Paragraph::new(text), area);
        return 0;
    };
    let lines = details::lines(app, campaign, theme, now, usize::from(area.width));
    let wanted = length(lines.len()) + 1;
    let details_height = match app.details_enlarged {
        true => area.height,
        false => wanted.min((area.height / 2).max(DETAILS)).min(area.height.saturating_sub(LIST)),
    };
    let [above, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(details_height)]).areas(area);
    if !app.details_enlarged {
        list::draw(frame, app, theme, now, above);
    }
    let furthest = lines.len().saturating_sub(usize::from(below.height.saturating_sub(1)));
    let scroll = app.details_scroll.min(furthest);
    let title = format!(" {} {} (TrafficStars {}) ", campaign.id, campaign.name, campaign.trafficstar_id);
    let more = if furthest > scroll { " more below " } else { "" };
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(theme.label())
        .title(Span::styled(title, theme.strong()))
        .title(Line::from(more).right_aligned());
    frame.render_widget(Paragraph::new(lines).scroll((length(scroll), 0)).block(block), below);
    furthest
}

fn header(app: &App, theme: Theme, now: DateTime<Utc>, width: u16) -> Vec<Line<'static>> {
    let clock = now.format("%H:%M:%S UTC").to_string();
    let Some(data) = &app.data else {
        return vec![both_ends("Traffic Generator".into(), clock, width)];
    };
    let dump = &data.dump;
    let total = dump.campaigns.len();
    let noun = if total == 1 { "campaign" } else { "campaigns" };
    let mut first = vec![
        Span::styled(format!("Traffic Generator {}", dump.program), theme.strong()),
        Span::raw(format!("  {total} {noun}, ")),
    ];
    first.push(match app.attention_count() {
        0 => Span::styled("none needs attention", theme.good()),
        1 => Span::styled("1 needs attention", theme.bad()),
        count => Span::styled(format!("{count} need attention"), theme.bad()),
    });
    if app.listed_count() < total {
        first.push(Span::styled(format!(", {} shown", app.listed_count()), theme.warning()));
    }
    let mut lines =
        vec![both_ends(first.into(), clock, width), budget(&dump.trafficstar, theme), freshness(app, data, theme, now)];
    let troubles = trouble(data, now).map_or_else(Vec::new, |text| wrap(&text, usize::from(width)));
    lines.extend(troubles.into_iter().take(MESSAGE).map(|line| Line::styled(line, theme.bad())));
    lines
}

fn budget(remote: &RemoteClientStatus, theme: Theme) -> Line<'static> {
    let (used, limit) = (remote.requests_last_minute, u64::from(remote.requests_per_minute));
    let style = if used >= limit { theme.warning() } else { theme.good() };
    Line::from(vec![
        Span::raw(format!("requests {used} of {limit} a minute ")),
        Span::styled(bar(used, limit, None, BUDGET_BAR), style),
        Span::raw(format!("  {}", queues(&remote.queue))),
    ])
}

fn queues(queue: &QueueStatus) -> String {
    let waiting = queue.classes().into_iter().filter(|(_, count)| *count > 0);
    let words = |class: &str| match class {
        // The end time of a pause waits with those of activations.
        "activate" => "activate or end time".to_owned(),
        class => class.replace('_', "-"),
    };
    let waiting: Vec<String> = waiting.map(|(class, count)| format!("{count} {}", words(class))).collect();
    if waiting.is_empty() { "nothing waits".to_owned() } else { format!("waiting: {}", waiting.join(", ")) }
}

/// How old the data is, and what it is measured against.
fn freshness(app: &App, data: &Data, theme: Theme, now: DateTime<Utc>) -> Line<'static> {
    let age = span(data.received_at, now);
    if let Some(trouble) = &app.trouble {
        return Line::from(Span::styled(format!(" {trouble}, trying again: this is {age} old "), theme.alarm()));
    }
    let limits = &app.limits;
    let (spend, activate, pause) = (limits.spend, limits.activate, limits.pause);
    let origin = if limits.config.is_some() { "config" } else { "defaults" };
    let text = format!("data {age} old  limits {spend}, run {activate}, pause {pause} ({origin})");
    Line::styled(text, theme.label())
}

/// What is wrong with the supervisor's surroundings.
fn trouble(data: &Data, now: DateTime<Utc>) -> Option<String> {
    let remote = &data.dump.trafficstar;
    let mut troubles: Vec<String> = not_leading(&data.dump.leadership).into_iter().collect();
    if remote.circuit != "closed" && !remote.circuit.is_empty() {
        troubles.push(format!("TrafficStars: circuit {}", remote.circuit));
    }
    if let Some(until_then) = remote.blocked_until.filter(|end| *end > now) {
        troubles.push(format!("TrafficStars: told to wait, asked again {}", until(until_then, now)));
    }
    troubles.extend(remote.last_error.as_ref().map(|error| format!("TrafficStars: {error}")));
    troubles.extend(data.dump.database.last_error.as_ref().map(|error| format!("database: {error}")));
    (!troubles.is_empty()).then(|| troubles.join("; "))
}

/// What is typed, or what became of the last order, or the keys.
fn bottom(app: &App, theme: Theme, width: u16) -> Vec<Line<'static>> {
    if app.focus == Focus::Filter {
        return vec![Line::from(format!("/{}▏  ⏎ keep  Esc all", app.filter))];
    }
    if let Some(notice) = &app.notice {
        let style = if notice.is_problem { theme.bad() } else { theme.good() };
        let lines = wrap(&notice.text, usize::from(width)).into_iter().take(MESSAGE);
        return lines.map(|line| Line::styled(line, style)).collect();
    }
    let keys = if usize::from(width) >= Span::raw(KEYS).width() { KEYS } else { FEW_KEYS };
    let filter = if app.filter.is_empty() { String::new() } else { format!("/{}  Esc all  ", app.filter) };
    vec![Line::from(vec![Span::styled(filter, theme.warning()), Span::styled(keys, theme.label())])]
}

fn length(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}
