//! The table of `status`: one line per campaign, trouble first, never wrapped.

use chrono::{DateTime, Utc};
use ratatui::text::{Line, Span};

use crate::cli::attention::Urgency;
use crate::cli::condition::Condition;
use crate::cli::draw::bars::to_cents;
use crate::cli::draw::columns::{Column, table};
use crate::cli::draw::paper::Paper;
use crate::cli::draw::text::{flow, shortened};
use crate::cli::draw::theme::Theme;
use crate::cli::render::{count_of, last_action, span, stands_still, until};
use crate::domain::status::{CampaignStatus, Dump, Observed, Role};
use crate::domain::text::word;

/// The campaigns and the columns that a table shows.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(in crate::cli) struct Shown {
    /// Show only campaigns that need attention
    #[arg(long)]
    pub(super) attention: bool,
    /// Show every column, uncut: also the promise, the source of the spend, the next tick and the last action
    #[arg(long)]
    pub(super) wide: bool,
}

/// Without `--wide`, longer names are cut to this, also in a pipe, which has no width.
const LONGEST_NAME: usize = 32;

/// The number of columns without `--wide`.
const FEW: usize = 10;

/// The place of the budget, which is shown if a campaign has the policy `top-up`.
const BUDGET: usize = 7;

const COLUMNS: [Column; 14] = [
    Column::new(""),
    Column::new("ID").right(),
    Column::new("NAME").cut_to(10),
    Column::new("TS ID").leaves(7),
    Column::new("STATE").cut_to(20),
    Column::new("SPEND").right(),
    Column::new("OF LIMIT").leaves(6),
    Column::new("BUDGET").right().leaves(8),
    Column::new("CLICKS").right(),
    Column::new("NOTE").cut_to(16).leaves(5),
    Column::new("PROMISE"),
    Column::new("SPEND FROM"),
    Column::new("NEXT TICK"),
    Column::new("LAST ACTION"),
];

/// Returns the lines: the titles, one line per campaign, and hints.
pub(super) fn lines(dump: &Dump, is_well: bool, shown: Shown, paper: Paper) -> Vec<Line<'static>> {
    if dump.campaigns.is_empty() {
        return vec![Line::from("No campaigns: `traffic-generator campaign add` adds one.")];
    }
    let (now, stands_by) = (dump.captured_at, dump.leadership.role == Role::Standby);
    let mut rows: Vec<_> = dump
        .campaigns
        .iter()
        .map(|campaign| (Urgency::of(campaign, now), campaign, Condition::of(campaign, now, stands_by)))
        .collect();
    rows.sort_by_key(|(urgency, ..)| *urgency);
    let total = rows.len();
    let in_need = rows.iter().filter(|(.., condition)| condition.needs_attention()).count();
    rows.retain(|(.., condition)| !shown.attention || condition.needs_attention());
    if rows.is_empty() {
        return vec![Line::styled("No campaign needs attention.", paper.theme.good())];
    }
    let mut cells: Vec<_> =
        rows.iter().map(|(_, campaign, condition)| row(campaign, condition, now, shown.wide, paper.theme)).collect();
    // With `--wide`, lines may have any length.
    let mut columns = if shown.wide { COLUMNS.to_vec() } else { COLUMNS.split_at(FEW).0.to_vec() };
    let width = if shown.wide { None } else { paper.width };
    if rows.iter().all(|(_, campaign, _)| campaign.budget.is_none()) {
        columns.remove(BUDGET);
        cells.iter_mut().for_each(|cells| drop(cells.remove(BUDGET)));
    }
    let mut lines = table(&columns, &cells, width, paper.theme.label());
    lines.push(Line::default());
    lines.extend(footer(total, in_need, is_well, paper));
    lines
}

fn footer(total: usize, in_need: usize, is_well: bool, Paper { width, theme }: Paper) -> Vec<Line<'static>> {
    let first = match in_need {
        0 if is_well => Span::styled("no campaign needs attention", theme.good()),
        0 => Span::styled("the first lines say what is wrong", theme.bad()),
        1 => Span::styled(format!("1 of {} needs attention", count_of(total, "campaign")), theme.bad()),
        _ => Span::styled(format!("{in_need} of {} need attention", count_of(total, "campaign")), theme.bad()),
    };
    let hints = ["`explain ID` says why", "`--wide` shows more"].map(|hint| Span::styled(hint, theme.label()));
    flow(std::iter::once(first).chain(hints).collect(), " · ", width)
}

fn row(
    campaign: &CampaignStatus,
    condition: &Condition,
    now: DateTime<Utc>,
    is_wide: bool,
    theme: Theme,
) -> Vec<Line<'static>> {
    let name = Line::from(campaign.name.clone());
    let style = condition.style(theme);
    let unknown = || Line::styled("?", theme.warning());
    let observed = &campaign.observed;
    let limit = campaign.limits.map_or_else(String::new, |limits| format!("/ {}", to_cents(limits.spend)));
    let note = if condition.needs_attention() { theme.bad() } else { theme.label() };
    let stored = campaign.state;
    vec![
        Line::styled(condition.sign, style),
        Line::from(campaign.id.to_string()),
        if is_wide { name } else { shortened(&name, LONGEST_NAME) },
        Line::styled(campaign.trafficstar_id.to_string(), theme.label()),
        Line::styled(condition.state.clone(), style),
        observed.spend_on(now.date_naive()).map_or_else(unknown, |spend| Line::from(to_cents(spend))),
        Line::styled(limit, theme.label()),
        observed.max_daily.map_or_else(|| Line::from("?"), |budget| Line::from(to_cents(budget))),
        observed.remaining_clicks.map_or_else(unknown, |clicks| Line::from(clicks.to_string())),
        Line::styled(condition.note.clone(), note),
        Line::from(format!("{stored} for {}", span(campaign.since, now))),
        Line::from(spend_source(observed, now)),
        Line::from(campaign.next_tick_at.map_or_else(|| "-".to_owned(), |at| until(at, now))),
        Line::from(campaign.action.as_ref().map_or_else(|| "-".to_owned(), |action| last_action(action, now))),
    ]
}

fn spend_source(observed: &Observed, now: DateTime<Utc>) -> String {
    let unchanged = observed.spend_unchanged_since.filter(|since| stands_still(*since, now));
    let unchanged = unchanged.map(|since| format!(", unchanged for {}", span(since, now))).unwrap_or_default();
    observed.spend_source.map_or_else(|| "-".to_owned(), |source| word(source) + &unchanged)
}
