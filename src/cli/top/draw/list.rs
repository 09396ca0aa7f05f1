//! The list of campaigns, one row each. Only the rows that fit on the screen are built.

use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table};

use crate::cli::condition::Condition;
use crate::cli::draw::bars::{clicks_bar, spark, spend_bar, to_cents};
use crate::cli::draw::theme::Theme;
use crate::cli::render::{last_action, until};
use crate::cli::top::app::App;
use crate::cli::top::history::Series;
use crate::domain::status::CampaignStatus;

const BAR: usize = 8;
/// From this width on, the list has sparklines and notes.
const WIDE: u16 = 110;
/// From this width on, the list also has the next tick and the last action.
const WIDEST: u16 = 160;

/// Draws the rows around the selected one.
pub(super) fn draw(frame: &mut Frame<'_>, app: &App, theme: Theme, now: DateTime<Utc>, area: Rect) {
    let visible = usize::from(area.height.saturating_sub(1));
    let selected = app.selected_place();
    // The selected row stays in the middle, except near both ends.
    let first = selected.saturating_sub(visible / 2).min(app.listed_count().saturating_sub(visible));
    let has_budgets = area.width >= WIDE && app.listed_from(0).any(|campaign| campaign.budget.is_some());
    let columns = Columns { width: area.width, has_budgets, app, theme, now };
    let rows = app.listed_from(first).take(visible).enumerate().map(|(row, campaign)| {
        let style = if first + row == selected { theme.selected() } else { Style::new() };
        Row::new(columns.cells(campaign, first + row == selected)).style(style)
    });
    let table = Table::new(rows, columns.widths()).header(Row::new(columns.titles()).style(theme.label()));
    frame.render_widget(table, area);
}

struct Columns<'a> {
    width: u16,
    /// Whether the daily budgets are shown: the list has room, and a campaign has the policy `top-up`.
    has_budgets: bool,
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
        let mut widths = vec![length(2), length(5), Constraint::Fill(2), Constraint::Fill(3), length(8), length(BAR)];
        widths.extend(self.has_budgets.then(|| length(8)));
        widths.extend(self.is_wide().then(|| length(BAR)));
        widths.extend([length(9), length(BAR)]);
        if self.is_wide() {
            widths.extend([length(BAR), Constraint::Fill(4)]);
        }
        if self.is_widest() {
            widths.extend([length(9), length(9), length(36)]);
        }
        widths
    }

    fn titles(&self) -> Vec<Line<'static>> {
        let left = |text: &'static str| Line::from(text);
        let mut titles: Vec<Line<'static>> = ["", "ID", "NAME", "STATE"].map(left).into();
        titles.extend([Line::from("SPEND").right_aligned(), left("OF LIMIT")]);
        titles.extend(self.has_budgets.then(|| Line::from("BUDGET").right_aligned()));
        titles.extend(self.is_wide().then(|| left("SEEN")));
        titles.extend([Line::from("CLICKS").right_aligned(), left("TO RUN")]);
        if self.is_wide() {
            titles.extend([left("SEEN"), left("NOTE")]);
        }
        if self.is_widest() {
            titles.extend([left("TS ID"), left("NEXT TICK"), left("LAST ACTION")]);
        }
        titles
    }

    fn cells<'c>(&self, campaign: &'c CampaignStatus, selected: bool) -> Vec<Line<'c>> {
        let theme = self.theme;
        let condition = Condition::of(campaign, self.now, self.app.stands_by());
        let style = condition.style(theme);
        let history = self.app.history(campaign.id);
        let spend = campaign.observed.spend_on(self.now.date_naive());
        let (clicks, limits) = (campaign.observed.remaining_clicks, campaign.limits);
        let unknown = || Span::styled("?", theme.warning());
        // Without a column for the note, trouble replaces the state.
        let state = match condition.reasons.first() {
            Some((_, reason)) if !self.is_wide() => reason.clone(),
            Some(_) | None => condition.state.clone(),
        };
        let mut cells = vec![
            Line::from(vec![Span::raw(if selected { "▸" } else { " " }), Span::styled(condition.sign, style)]),
            Line::from(campaign.id.to_string()),
            Line::from(campaign.name.as_str()),
            Line::styled(state, style),
            Line::from(spend.map_or_else(unknown, |spend| Span::raw(to_cents(spend)))).right_aligned(),
            spend
                .zip(limits)
                .map_or_else(Line::default, |(spend, limits)| spend_bar(spend, limits.spend, theme, BAR).into()),
        ];
        let budget = campaign.budget.as_ref().map(|_| campaign.observed.max_daily);
        let budget =
            budget.map_or_else(Span::default, |amount| amount.map_or_else(unknown, |amount| to_cents(amount).into()));
        cells.extend(self.has_budgets.then(|| Line::from(budget).right_aligned()));
        let seen =
            |series: Option<&Series>| Line::from(series.map_or_else(String::new, |series| spark(series.last(BAR))));
        cells.extend(self.is_wide().then(|| seen(history.map(|history| &history.spend))));
        cells.push(Line::from(clicks.map_or_else(unknown, |clicks| Span::raw(clicks.to_string()))).right_aligned());
        let bar = clicks.zip(limits).map(|(clicks, limits)| clicks_bar(clicks, limits.thresholds(), theme, BAR));
        cells.push(bar.map_or_else(Line::default, Line::from));
        if self.is_wide() {
            cells.push(seen(history.map(|history| &history.clicks)));
            let style = if condition.needs_attention() { theme.bad() } else { theme.label() };
            cells.push(Line::styled(condition.note, style));
        }
        if self.is_widest() {
            let next = campaign.next_tick_at.map_or_else(|| "-".to_owned(), |at| until(at, self.now));
            let last = campaign.action.as_ref().map_or_else(|| "-".to_owned(), |action| last_action(action, self.now));
            cells.extend([Line::from(campaign.trafficstar_id.to_string()), Line::from(next), Line::from(last)]);
        }
        cells
    }
}
