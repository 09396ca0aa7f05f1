//! The list of campaigns: a row each, of which only those that fit on the screen are made.

use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table};

use super::bars::{bar, spark};
use super::theme::Theme;
use crate::cli::render::{last_action, until};
use crate::cli::top::app::App;
use crate::cli::top::attention;
use crate::cli::top::history::Series;
use crate::cli::top::limits::Limits;
use crate::domain::money::{Clicks, Money};
use crate::domain::status::CampaignStatus;

const BAR: usize = 8;
/// From this width on there are sparklines and notes.
const WIDE: u16 = 110;
/// From this width on there are the next tick and the last action, too.
const WIDEST: u16 = 160;

/// Draws the rows around the selected one.
pub(super) fn draw(frame: &mut Frame<'_>, app: &App, theme: Theme, now: DateTime<Utc>, area: Rect) {
    let visible = usize::from(area.height.saturating_sub(1));
    let selected = app.selected_place();
    // The selected row stays in the middle, except near both ends.
    let first = selected.saturating_sub(visible / 2).min(app.listed_count().saturating_sub(visible));
    let columns = Columns { width: area.width, app, theme, now };
    let rows = app.listed_from(first).take(visible).enumerate().map(|(row, campaign)| {
        let style = if first + row == selected { theme.selected() } else { Style::new() };
        Row::new(columns.cells(campaign, first + row == selected)).style(style)
    });
    let table = Table::new(rows, columns.widths()).header(Row::new(columns.titles()).style(theme.label()));
    frame.render_widget(table, area);
}

struct Columns<'a> {
    width: u16,
    app: &'a App,
    theme: Theme,
    now: DateTime<Utc>,
}

impl Columns<'_> {
    fn is_wide(&self) -> bool {
        self.width >= WIDE
    }

    fn is_widest(&self) -> bool {
        self.width >= WIDEST
    }

    fn widths(&self) -> Vec<Constraint> {
        let length = |width: usize| Constraint::Length(u16::try_from(width).unwrap_or(u16::MAX));
        let mut widths = vec![length(2), length(5), Constraint::Fill(2), length(14), length(7), length(8), length(BAR)];
        widths.extend(self.is_wide().then(|| length(BAR)));
        widths.extend([length(7), length(BAR)]);
        if self.is_wide() {
            widths.extend([length(BAR), Constraint::Fill(3)]);
        }
        if self.is_widest() {
            widths.extend([length(9), length(36)]);
        }
        widths
    }

    fn titles(&self) -> Vec<Line<'static>> {
        let left = |text: &'static str| Line::from(text);
        let mut titles: Vec<Line<'static>> = ["", "ID", "NAME", "STATE", "REMOTE"].map(left).into();
        titles.extend([Line::from("SPEND").right_aligned(), left("OF LIMIT")]);
        titles.extend(self.is_wide().then(|| left("SEEN")));
        titles.extend([Line::from("CLICKS").right_aligned(), left("TO RUN")]);
        if self.is_wide() {
            titles.extend([left("SEEN"), left("NOTE")]);
        }
        if self.is_widest() {
            titles.extend([left("NEXT TICK"), left("LAST ACTION")]);
        }
        titles
    }

    fn cells<'c>(&self, campaign: &'c CampaignStatus, selected: bool) -> Vec<Line<'c>> {
        let (theme, limits) = (self.theme, &self.app.limits);
        let reasons = attention::reasons(campaign, self.now);
        let history = self.app.history(campaign.id);
        let (spend, clicks) = (campaign.observed.spend, campaign.observed.remaining_clicks);
        let mark = if reasons.is_empty() { Span::raw(" ") } else { Span::styled("!", theme.bad()) };
        let remote = campaign.observed.status.map_or_else(
            || Span::styled("?", theme.warning()),
            |status| Span::styled(status.as_str(), theme.remote(status)),
        );
        let unknown = || Span::styled("?", theme.warning());
        let mut cells = vec![
            Line::from(vec![Span::raw(if selected { "▸" } else { " " }), mark]),
            Line::from(campaign.id.to_string()),
            Line::from(campaign.name.as_str()),
            Span::styled(campaign.state.as_str(), theme.state(campaign.state, campaign.actor.is_some())).into(),
            remote.into(),
            Line::from(spend.map_or_else(unknown, |spend| Span::raw(to_cents(spend)))).right_aligned(),
            spend.map_or_else(Line::default, |spend| spend_bar(spend, limits, theme, BAR).into()),
        ];
        let seen =
            |series: Option<&Series>| Line::from(series.map_or_else(String::new, |series| spark(series.last(BAR))));
        cells.extend(self.is_wide().then(|| seen(history.map(|history| &history.spend))));
        cells.push(Line::from(clicks.map_or_else(unknown, |clicks| Span::raw(clicks.to_string()))).right_aligned());
        cells.push(clicks.map_or_else(Line::default, |clicks| clicks_bar(clicks, limits, theme, BAR).into()));
        if self.is_wide() {
            cells.push(seen(history.map(|history| &history.clicks)));
            cells.push(note(campaign, reasons, theme));
        }
        if self.is_widest() {
            let next = campaign.next_tick_at.map_or_else(|| "-".to_owned(), |at| until(at, self.now));
            let last = campaign.action.as_ref().map_or_else(|| "-".to_owned(), |action| last_action(action, self.now));
            cells.extend([Line::from(next), Line::from(last)]);
        }
        cells
    }
}

fn note<'c>(campaign: &CampaignStatus, reasons: Vec<(attention::Attention, String)>, theme: Theme) -> Line<'c> {
    let style = if reasons.is_empty() { theme.warning() } else { theme.bad() };
    let remarks = attention::remarks(campaign).into_iter().map(ToOwned::to_owned);
    let text = reasons.into_iter().map(|(_, reason)| reason).chain(remarks).collect::<Vec<_>>().join("; ");
    Span::styled(text, style).into()
}

/// Cut, not rounded: `9.99` is below a limit of `10.00`.
pub(super) fn to_cents(amount: Money) -> String {
    let text = amount.to_string();
    text.split_once('.').map_or_else(
        || text.clone(),
        |(units, decimals)| format!("{units}.{}", decimals.chars().take(2).collect::<String>()),
    )
}

/// Today's spend of its limit.
pub(super) fn spend_bar<'c>(spend: Money, limits: &Limits, theme: Theme, width: usize) -> Span<'c> {
    let micros = |amount: Money| u64::try_from(amount.micros()).unwrap_or(0);
    let (spend, limit) = (micros(spend), micros(limits.spend));
    let style = if spend >= limit {
        theme.bad()
    } else if spend >= limit - limit / 5 {
        theme.warning()
    } else {
        theme.good()
    };
    Span::styled(bar(spend, limit, None, width), style)
}

/// The remaining clicks of those that run a campaign, with a mark where it is paused.
pub(super) fn clicks_bar<'c>(clicks: Clicks, limits: &Limits, theme: Theme, width: usize) -> Span<'c> {
    let style = if clicks <= limits.pause {
        theme.bad()
    } else if clicks < limits.activate {
        theme.warning()
    } else {
        theme.good()
    };
    Span::styled(bar(clicks.0, limits.activate.0, Some(limits.pause.0), width), style)
}
