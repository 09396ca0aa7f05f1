//! Draws the state on a frame. Pure: the result depends on the arguments alone.

mod alerts;
mod details;
mod list;
mod overlay;

use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

use super::app::{App, Data, Focus, Sorting};
use crate::cli::condition::Condition;
use crate::cli::draw::bars::bar;
use crate::cli::draw::paper::Paper;
use crate::cli::draw::text::{both_ends, flow, wrap};
use crate::cli::draw::theme::Theme;
use crate::cli::heading;
use crate::cli::render::{count_of, span, until};
use crate::control::AlertView;
use crate::domain::occasion::Severity;
use crate::domain::status::{QueueStatus, RemoteClientStatus};
use crate::domain::text::clock;

/// The smallest terminal, columns and rows, that has room for details and questions.
const SMALLEST: (u16, u16) = (72, 16);
/// The smallest number of rows for the details, with their title.
const DETAILS: u16 = 11;
/// The smallest number of rows for the list, with its titles.
const LIST: u16 = 5;
/// The largest number of rows for a message; a longer one is cut.
const MESSAGE: usize = 4;
const BUDGET_BAR: usize = 12;
const KEYS: &str =
    "↑↓ select  ⏎ details  / filter  ! trouble  s sort  p process  h hold  r release  P pause all  ? help  q quit";
const FEW_KEYS: &str = "↑↓ select ⏎ details / filter p process h hold r release P pause all ? help";

/// Draws the state. Returns how far the details can be scrolled; `None` if the terminal is too small for details.
pub(super) fn draw(frame: &mut Frame<'_>, app: &App, theme: Theme, now: DateTime<Utc>) -> Option<usize> {
    let area = frame.area();
    let (width, height) = SMALLEST;
    if area.width < width || area.height < height {
        draw_small(frame, app, theme, now, area);
        return None;
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
        Focus::Help => overlay::help(frame, theme, area),
        Focus::Alerts(place) => alerts::draw(frame, app.alerts(), *place, theme, now, area),
    }
    Some(furthest)
}

/// Draws the view for a small terminal: the first line of the heading, and the campaigns' names and states.
fn draw_small(frame: &mut Frame<'_>, app: &App, theme: Theme, now: DateTime<Utc>, area: Rect) {
    let mut lines = header(app, theme, now, area.width);
    lines.truncate(1);
    let stands_by = app.stands_by();
    lines.extend(app.listed_from(0).take(usize::from(area.height)).map(|campaign| {
        let condition = Condition::of(campaign, now, stands_by);
        let style = condition.style(theme);
        Line::styled(format!("{} {} {}", condition.sign, campaign.name, condition.state), style)
    }));
    frame.render_widget(Paragraph::new(lines), area);
}

/// Draws the list and, below it, the details. Each gets the rows that it needs; if there are too few, each gets half.
fn draw_body(frame: &mut Frame<'_>, app: &App, theme: Theme, now: DateTime<Utc>, area: Rect) -> usize {
    let Some(campaign) = app.selected() else {
        let text = match (app.filter.is_empty(), app.only_attention) {
            (true, false) => "No campaigns: `traffic-generator campaign add` adds one.",
            (true, true) => "No campaign needs attention: ! shows all.",
            (false, _) => "No campaign fits the filter.",
        };
        frame.render_widget(Paragraph::new(text), area);
        return 0;
    };
    let lines = details::lines(app, campaign, theme, now, usize::from(area.width));
    let wanted = length(lines.len()) + 1;
    let details_height = match app.details_enlarged {
        true => area.height,
        false => {
            let beside_list = area.height.saturating_sub(length(app.listed_count()) + 1);
            wanted.min(beside_list.max(area.height / 2).max(DETAILS)).min(area.height.saturating_sub(LIST))
        }
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
    let Some(data) = &app.data else {
        return vec![both_ends("Traffic Generator".into(), format!("{} UTC", clock(now)), width)];
    };
    if let Some(trouble) = &app.trouble {
        // The old data may be wrong now, so it does not show whether the guard works.
        let since = format!("{trouble} since {} UTC: probably NOTHING IS GUARDED", clock(data.received_at));
        let age = format!("this screen is {} old; trying again", span(data.received_at, now));
        let items = [since, age].map(|text| Span::styled(text, theme.alarm()));
        return flow(items.into(), "  ", Some(usize::from(width)));
    }
    let paper = Paper { width: Some(usize::from(width)), theme };
    let mut lines = heading::lines(&data.dump, &data.health, now, paper);
    lines.truncate(MESSAGE);
    lines.push(budget(&data.dump.trafficstar, theme));
    lines.extend(flow(view(app, data, theme, now), "  ", Some(usize::from(width))));
    lines
}

/// Returns the age of the data, which part of it is listed, and the sorting.
fn view(app: &App, data: &Data, theme: Theme, now: DateTime<Utc>) -> Vec<Span<'static>> {
    let total = data.dump.campaigns.len();
    let mut items = vec![match app.attention_count() {
        0 => Span::styled("no campaign needs attention", theme.good()),
        1 => Span::styled("1 needs attention", theme.bad()),
        count => Span::styled(format!("{count} need attention"), theme.bad()),
    }];
    items.extend(open_alerts(app.alerts(), theme));
    let is_listed_in_part = app.listed_count() < total;
    items.extend(
        is_listed_in_part.then(|| Span::styled(format!("{} of {total} shown", app.listed_count()), theme.warning())),
    );
    let is_sorted = app.sorting != Sorting::Urgency;
    items.extend(is_sorted.then(|| Span::styled(format!("sorted {}", app.sorting.words()), theme.warning())));
    items.push(Span::styled(format!("data {} old", span(data.received_at, now)), theme.label()));
    items.extend(blocked(data, now).map(|text| Span::styled(text, theme.bad())));
    items
}

/// Returns how many alerts are open, and the key that shows them.
fn open_alerts(alerts: &[AlertView], theme: Theme) -> Option<Span<'static>> {
    let open = || alerts.iter().filter(|alert| alert.is_open());
    let count = open().count();
    let style = if open().any(|alert| alert.severity == Severity::Critical) { theme.bad() } else { theme.warning() };
    (count > 0).then(|| Span::styled(format!("{} open (a)", count_of(count, "alert")), style))
}

/// Returns until when TrafficStars accepts no requests, if it has said so.
fn blocked(data: &Data, now: DateTime<Utc>) -> Option<String> {
    let end = data.dump.trafficstar.blocked_until.filter(|end| *end > now)?;
    Some(format!("TrafficStars refuses requests, next request {}", until(end, now)))
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
        // The end times of pauses wait in the queue of activations.
        "activate" => "activate or end time".to_owned(),
        class => class.replace('_', "-"),
    };
    let waiting: Vec<String> = waiting.map(|(class, count)| format!("{count} {}", words(class))).collect();
    if waiting.is_empty() { "no request waits".to_owned() } else { format!("waiting: {}", waiting.join(", ")) }
}

/// Returns the lowest lines: the filter that is typed, or the message about the last order, or the keys.
fn bottom(app: &App, theme: Theme, width: u16) -> Vec<Line<'static>> {
    if app.focus == Focus::Filter {
        return vec![Line::from(format!("/{}▏  ⏎ keep  Esc show all", app.filter))];
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
