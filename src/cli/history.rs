//! `history`: the journal, newest entry first, one line per entry.
//!
//! An order for many campaigns is one line. Deliberately absent: what is in the dump. A line shows what was requested
//! from TrafficStars, why, and the result.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::draw::columns::{Column, table};
use super::draw::paper::Paper;
use super::draw::text::flow;
use super::draw::theme::Theme;
use super::render::{count_of, step_word};
use super::target::Target;
use super::{Arguments, CommandError};
use crate::clock::Clock;
use crate::domain::action::Step;
use crate::domain::budget::BudgetChange;
use crate::domain::calendar::midnight_before;
use crate::domain::ids::CampaignId;
use crate::domain::journal::{JournalEntry, JournalQuery, MOST_ENTRIES};
use crate::domain::money::Clicks;
use crate::domain::text::{clock, date, word};

/// Entries with the same reason within this time belong to one order.
const SAME_ORDER_WITHIN: TimeDelta = TimeDelta::minutes(1);
/// An order for at least this many campaigns is one line.
const MANY: usize = 3;

/// The bound of `--since`: a time, or how long ago.
#[derive(Debug, Clone, Copy)]
pub(super) enum Since {
    At(DateTime<Utc>),
    Ago(TimeDelta),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(duration) = humantime::parse_duration(text) {
            // A duration that reaches beyond the calendar is no bound.
            return Ok(Self::Ago(TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)));
        }
        let day = text.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::MIN).and_utc());
        let time = day.or_else(|_| text.parse::<DateTime<Utc>>());
        time.map(Self::At).map_err(|_| format!("`{text}` is not a duration like 24h, nor a date like 2026-11-22 (UTC)"))
    }
}

impl Since {
    fn before(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::At(at) => Some(at),
            Self::Ago(ago) => now.checked_sub_signed(ago),
        }
    }
}

/// Returns a parser of `--step`.
pub(super) fn step() -> impl TypedValueParser<Value = Step> {
    const STEPS: [(&str, Step); 6] = [
        ("requested", Step::Requested),
        ("accepted", Step::Accepted),
        ("confirmed", Step::Confirmed),
        ("failed", Step::Failed),
        ("superseded", Step::Superseded),
        ("observed-only", Step::ObservedOnly),
    ];
    let of = |given: String| STEPS.into_iter().find(|(word, _)| *word == given).map(|(_, step)| step);
    PossibleValuesParser::new(STEPS.map(|(word, _)| word)).try_map(move |given| of(given).ok_or("it is no step"))
}

/// The filter of the shown entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Only entries that were requested at this time or later.
    pub(super) since: Option<Since>,
    /// The largest number of entries.
    pub(super) limit: u32,
    /// Only entries whose last step is this one.
    pub(super) step: Option<Step>,
    /// Whether to show spends and budgets instead of reasons, since midnight (UTC) if no other time is given.
    pub(super) money: bool,
}

pub(super) async fn history(arguments: &Arguments, target: Option<&Target>, asked: Asked) -> Result<(), CommandError> {
    let Asked { since, limit, step, money } = asked;
    let (client, now) = (arguments.client()?, Clock::system().now());
    let midnight = Since::At(midnight_before(now));
    let since = since.or(money.then_some(midnight)).and_then(|since| since.before(now));
    // Entries with the wanted step may be rare, so all are read.
    let most = if step.is_some() { MOST_ENTRIES } else { limit };
    let mut entries = match target {
        None => client.journal(JournalQuery { campaign: None, since, limit: most }).await?,
        Some(target) => {
            let of_one = async |id| {
                let entries = client.journal(JournalQuery { campaign: Some(id), since, limit: most }).await?;
                // A removed campaign still has entries. An unknown id must be an error, not an empty journal.
                if entries.is_empty() {
                    client.campaign(id).await?;
                }
                Ok(entries)
            };
            target.ask(&client, of_one).await?
        }
    };
    let is_all = u32::try_from(entries.len()).is_ok_and(|count| count < most);
    entries.retain(|entry| step.is_none_or(|step| entry.step == step));
    let is_all = is_all && entries.len() <= limit as usize;
    entries.truncate(limit as usize);
    if arguments.json {
        return arguments.print(&entries, String::new);
    }
    // A removed campaign has no name: its id is shown.
    let rows = client.campaigns().await.unwrap_or_default();
    let names: HashMap<CampaignId, String> = rows.into_iter().map(|campaign| (campaign.id, campaign.name)).collect();
    arguments.draw(&entries, |paper| {
        let mut lines =
            if money { money_lines(&entries, &names, now, paper) } else { lines(&entries, &names, now, paper) };
        if !is_all {
            let noun = if entries.len() == 1 { "entry" } else { "entries" };
            let count = Clicks(entries.len() as u64);
            let hint = format!("the newest {count} {noun}; there may be more: choose with `--limit` and `--since`");
            lines.extend([Line::default()].into_iter().chain(flow(
                vec![Span::styled(hint, paper.theme.label())],
                "",
                paper.width,
            )));
        }
        lines
    })
}

/// Returns the columns. The reason matters most: if room is short, the numbers are left out before it is cut.
fn columns(width: Option<usize>) -> [Column; 8] {
    let is_narrow = width.is_some_and(|width| width < 72);
    let (name, reason) = if is_narrow { (8, 12) } else { (12, 24) };
    [
        Column::new("WHEN (UTC)"),
        Column::new("CAMPAIGN").cut_to(name),
        Column::new("ACTION"),
        Column::new("STEP").cut_to(10),
        Column::new("BY").cut_to(6).leaves(4),
        Column::new("SPEND").right().leaves(3),
        Column::new("CLICKS").right().leaves(2),
        Column::new("WHY").cut_to(reason),
    ]
}

fn lines(
    entries: &[JournalEntry],
    names: &HashMap<CampaignId, String>,
    now: DateTime<Utc>,
    paper: Paper,
) -> Vec<Line<'static>> {
    if entries.is_empty() {
        return vec![Line::from("No entries.")];
    }
    let rows: Vec<_> = orders(entries)
        .into_iter()
        .flat_map(|order| {
            // An order for few campaigns has a line for each, with its name.
            let pieces = if order.len() < MANY { order.chunks(1) } else { order.chunks(order.len()) };
            pieces.filter_map(|piece| row(piece, names, now, paper.theme))
        })
        .collect();
    table(&columns(paper.width), &rows, paper.width, paper.theme.label())
}

/// The columns of `--money`: the spend at an action, and the daily budget that it set, with the parts of its sum.
const MONEY_COLUMNS: [Column; 7] = [
    Column::new("WHEN (UTC)"),
    Column::new("CAMPAIGN").cut_to(8),
    Column::new("ACTION"),
    Column::new("STEP").cut_to(10).leaves(1),
    Column::new("SPEND").right(),
    Column::new("BUDGET").right(),
    Column::new("SUM").cut_to(16),
];

/// Returns a line with spend and budget for each entry.
fn money_lines(
    entries: &[JournalEntry],
    names: &HashMap<CampaignId, String>,
    now: DateTime<Utc>,
    paper: Paper,
) -> Vec<Line<'static>> {
    let row = |entry: &JournalEntry| {
        let (step, style) = steps(std::slice::from_ref(entry), paper.theme);
        let budget = entry.budget.as_ref();
        [
            Line::from(when(entry.requested_at, now)),
            Line::from(campaign_of(entry, names)),
            Line::from(word(entry.kind)),
            Line::styled(step, style),
            Line::from(entry.spend.map_or_else(|| "?".to_owned(), |spend| spend.to_string())),
            Line::from(budget.map(|change| change.after.to_string()).unwrap_or_default()),
            Line::from(budget.map(BudgetChange::in_words).unwrap_or_default()),
        ]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    table(&MONEY_COLUMNS, &rows, paper.width, paper.theme.label())
}

/// Groups the entries by order: entries of several campaigns at about the same time, for the same reason. A campaign
/// that comes again belongs to another order.
fn orders(entries: &[JournalEntry]) -> Vec<&[JournalEntry]> {
    let (mut orders, mut rest) = (Vec::new(), entries);
    while let Some(first) = rest.first() {
        let mut seen = HashSet::new();
        let of_it = rest.iter().take_while(|entry| {
            (first.kind, &first.by, first.trigger, &first.reason)
                == (entry.kind, &entry.by, entry.trigger, &entry.reason)
                && first.requested_at.signed_duration_since(entry.requested_at) < SAME_ORDER_WITHIN
                && seen.insert(entry.campaign_id)
        });
        let count = of_it.count();
        let (order, others) = rest.split_at(count);
        orders.push(order);
        rest = others;
    }
    orders
}

/// Returns the campaign of an entry: its name and its id.
fn campaign_of(entry: &JournalEntry, names: &HashMap<CampaignId, String>) -> String {
    let id = entry.campaign_id;
    names.get(&id).map_or_else(|| format!("{id} (removed)"), |name| format!("{name} ({id})"))
}

/// Returns the line of one entry, or of an order for many campaigns.
fn row(
    entries: &[JournalEntry],
    names: &HashMap<CampaignId, String>,
    now: DateTime<Utc>,
    theme: Theme,
) -> Option<[Line<'static>; 8]> {
    let entry = entries.first()?;
    let is_one = entries.len() == 1;
    let at = entry.requested_at;
    let campaign = if is_one { campaign_of(entry, names) } else { count_of(entries.len(), "campaign") };
    let unknown = || "?".to_owned();
    let numbers = [
        entry.spend.map_or_else(unknown, |spend| spend.to_string()),
        entry.remaining_clicks.map_or_else(unknown, |clicks| clicks.to_string()),
    ];
    let [spend, clicks] = if is_one { numbers } else { Default::default() };
    let (step, style) = steps(entries, theme);
    let error = entries.iter().find_map(|entry| entry.error.clone()).map(|error| format!(" – {error}"));
    Some([
        Line::from(when(at, now)),
        Line::from(campaign),
        Line::from(entry.kind.to_string()),
        Line::styled(step, style),
        Line::from(entry.by.clone().unwrap_or_else(|| word(entry.trigger))),
        Line::from(spend),
        Line::from(clicks),
        Line::from(format!("{}{}", entry.reason, error.unwrap_or_default())),
    ])
}

/// Returns the time, with as much of the date as differs from today's.
fn when(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if at.date_naive() == now.date_naive() {
        clock(at)
    } else if at.year() == now.year() {
        at.format("%m-%d %H:%M:%S").to_string()
    } else {
        date(at)
    }
}

/// Returns the last step of the entries; if it differs, the number of entries for each step.
fn steps(entries: &[JournalEntry], theme: Theme) -> (String, Style) {
    let failed = entries.iter().any(|entry| entry.step == Step::Failed);
    let style = if failed { theme.bad() } else { Style::new() };
    let mut counted: Vec<(Step, u64)> = Vec::new();
    for entry in entries {
        match counted.iter_mut().find(|(step, _)| *step == entry.step) {
            Some((_, count)) => *count += 1,
            None => counted.push((entry.step, 1)),
        }
    }
    let late = if entries.iter().any(|entry| entry.late) { " (journalled late)" } else { "" };
    let words = counted.iter().map(|(step, count)| match counted.len() {
        1 => step_word(*step),
        _ => format!("{} {}", Clicks(*count), step_word(*step)),
    });
    (format!("{}{late}", words.collect::<Vec<_>>().join(", ")), style)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::draw::paper::written;
    use crate::cli::tests::assert_drawn;

    fn entry(id: i64, changes: &Value) -> Value {
        let mut entry = json!({
            "id": id, "campaign_id": 1, "trafficstar_id": 995_224, "kind": "pause", "trigger": "tick",
            "reason": "it runs with 4,134 clicks left", "spend": "1.66", "remaining_clicks": 4134,
            "remote_status": "running", "state_before": "active-guarded", "state_after": "cooling-down",
            "step": "confirmed", "by": null, "late": false, "requested_at": "2026-11-22T12:00:00.5Z",
            "accepted_at": null, "confirmed_at": null, "failed_at": null, "error": null,
        });
        entry.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        entry
    }

    fn drawn(entries: &[Value], paper: Paper) -> String {
        let entries: Vec<JournalEntry> = serde_json::from_value(json!(entries)).unwrap();
        let names = HashMap::from([(CampaignId(1), "travel".to_owned())]);
        let now = "2026-11-22T18:00:00Z".parse().unwrap();
        written(&lines(&entries, &names, now, paper), paper.theme)
    }

    fn text(entries: &[Value]) -> String {
        drawn(entries, Paper { width: None, theme: Theme::PLAIN })
    }

    #[test]
    fn an_entry_is_one_line_with_its_action_operator_reason_and_result() {
        let operator = json!({
            "campaign_id": 2, "kind": "activate", "trigger": "operator", "by": "1000 (anna)", "late": true,
            "step": "failed", "spend": null, "remaining_clicks": null, "error": "503", "requested_at": "2026-11-21T12:00:00Z",
        });
        let entries = [entry(7, &json!({})), entry(6, &operator)];
        let wide = "\
WHEN (UTC)      CAMPAIGN     ACTION    STEP                      BY           SPEND  CLICKS  WHY
12:00:00        travel (1)   pause     confirmed                 tick          1.66   4,134  it runs with 4,134 clicks left
11-21 12:00:00  2 (removed)  activate  failed (journalled late)  1000 (anna)      ?       ?  it runs with 4,134 clicks left – 503
";
        assert_eq!(text(&entries), wide);
        assert_eq!(text(&[]), "No entries.\n");
        for width in [60, 80, 120] {
            let of = |theme| drawn(&entries, Paper { width: Some(width), theme });
            let plain = of(Theme::PLAIN);
            assert!(plain.lines().count() == 3 && plain.lines().all(|line| line.chars().count() <= width), "{plain}");
            assert_drawn(&format!("history/plain_{width}"), &plain);
            assert_drawn(&format!("history/colored_{width}"), &of(Theme::COLORED));
        }
    }

    #[test]
    fn an_order_for_many_campaigns_is_one_line_that_counts_the_results() {
        let order = |id: i64, step: &str| {
            entry(
                id,
                &json!({"campaign_id": id, "trigger": "operator", "by": "0 (root)", "reason": "on hold", "step": step}),
            )
        };
        let again = [order(4, "confirmed"), order(3, "confirmed"), order(2, "confirmed")];
        let entries = [order(4, "confirmed"), order(3, "failed"), order(2, "confirmed"), entry(1, &json!({}))];
        let shown = text(&[again.as_slice(), &entries].concat());
        assert_eq!(shown.lines().count(), 4, "the same campaigns again are another order: {shown}");
        assert!(shown.contains("3 campaigns  pause   confirmed"), "{shown}");
        assert!(shown.contains("3 campaigns  pause   2 confirmed, 1 failed  0 (root)"), "{shown}");
    }

    #[test]
    fn since_is_a_duration_or_a_date() {
        let now: DateTime<Utc> = "2026-11-22T18:00:00Z".parse().unwrap();
        let cases = [
            ("2h", Some("2026-11-22T16:00:00Z")),
            ("2026-11-20", Some("2026-11-20T00:00:00Z")),
            ("2026-11-20T08:30:00Z", Some("2026-11-20T08:30:00Z")),
            ("900000y", None),
        ];
        for (text, wanted) in cases {
            let since: Since = text.parse().unwrap();
            assert_eq!(since.before(now), wanted.map(|at| at.parse().unwrap()), "{text}");
        }
        let refused = "yesterday".parse::<Since>().unwrap_err();
        assert_eq!(refused, "`yesterday` is not a duration like 24h, nor a date like 2026-11-22 (UTC)");
    }
}
