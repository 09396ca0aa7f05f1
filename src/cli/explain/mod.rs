//! `explain`: why a campaign is (not) running, and what happens next.
//!
//! The page shows first the answer and the commands that may help, then the facts behind it. [`verbose`] adds the
//! details of `--verbose`. Both use the API's answers alone. All times are UTC.

mod facts;
#[cfg(test)]
mod tests;
mod verbose;

use std::time::Duration;

use chrono::{DateTime, Utc};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use tokio::time::timeout;

use super::draw::bars::{clicks_bar, spend_bar};
use super::draw::paper::Paper;
use super::draw::text::{flow, wrap};
use super::draw::theme::Theme;
use super::render::{count, step_word};
use super::target::Target;
use super::{Arguments, CommandError};
use crate::control::{Url, UrlStatus};
use crate::domain::explain::Explanation;
use crate::domain::journal::{JournalEntry, JournalQuery};
use crate::domain::remote::StatusWord;
use crate::domain::shared_limit::SharedSpend;
use crate::domain::text::{clock, date};
use crate::domain::verdict::Verdict;

/// The width of the label before each line's text.
const LABEL: usize = 9;
const BAR: usize = 16;
/// The longest time that the page waits for the URLs and the journal, which come from the database.
const STORED_WITHIN: Duration = Duration::from_secs(2);
/// The number of journal entries that are shown.
const ENTRIES: u32 = 3;
/// The number of URLs that are shown.
const URLS: usize = 5;

/// The contents of the page.
#[derive(Debug)]
struct Page<'a> {
    /// The supervisor's own explanation.
    explanation: &'a Explanation,
    /// The campaign's URLs.
    urls: &'a [Url],
    /// Its newest journal entries.
    entries: &'a [JournalEntry],
}

pub(super) async fn explain(arguments: &Arguments, target: &Target, verbose: bool) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let explanation = target.ask(&client, async |id| client.explain(id).await).await?;
    let id = explanation.id;
    if arguments.json {
        return arguments.print(&explanation, String::new);
    }
    // A database that does not answer delays the explanation only for this long.
    let query = JournalQuery { campaign: Some(id), limit: ENTRIES, ..JournalQuery::default() };
    let stored = async { tokio::join!(client.urls(id), client.journal(query)) };
    let (urls, entries) = match timeout(STORED_WITHIN, stored).await {
        Ok((urls, entries)) => (urls.unwrap_or_default(), entries.unwrap_or_default()),
        Err(_) => Default::default(),
    };
    arguments.draw(&explanation, |paper| {
        let page = Page { explanation: &explanation, urls: &urls, entries: &entries };
        let mut lines = page.lines(paper);
        if verbose {
            lines.extend(verbose::lines(&explanation, paper));
        }
        lines
    })
}

impl Page<'_> {
    fn lines(&self, paper: Paper) -> Vec<Line<'static>> {
        let explanation = self.explanation;
        let mut part = Part { paper, lines: heading(explanation, paper) };
        part.lines.extend(answer(explanation, paper));
        part.add_facts(explanation);
        part.add("URLs", &urls(self.urls), Style::new());
        for (label, entry) in ["Journal"].into_iter().chain(std::iter::repeat("")).zip(self.entries) {
            part.add(label, &event(entry, explanation.at), Style::new());
        }
        part.lines
    }
}

/// Returns why the campaign is as it is, what happens next, and which commands may help.
pub(super) fn answer(explanation: &Explanation, paper: Paper) -> Vec<Line<'static>> {
    let mut part = Part { paper, lines: Vec::new() };
    part.add("Why", &explanation.summary, Style::new());
    for line in &explanation.attention {
        part.add("", &format!("! {line}"), paper.theme.warning());
    }
    part.add("Next", &next(explanation), Style::new());
    for line in &explanation.next.unless {
        part.add("", &format!("- {line}"), paper.theme.label());
    }
    for (label, line) in ["Do"].into_iter().chain(std::iter::repeat("")).zip(advice(explanation)) {
        part.add(label, &line, paper.theme.strong());
    }
    part.lines
}

/// Returns the heading: the campaign, and its state in a few coloured words.
fn heading(explanation: &Explanation, Paper { width, theme }: Paper) -> Vec<Line<'static>> {
    let (sign, words, style) = verdict(explanation, theme);
    let Explanation { id, name, trafficstar_id, at, .. } = explanation;
    let named = format!("{sign} {name} ({id} · TrafficStars {trafficstar_id})");
    let time = Span::styled(format!("{} UTC", date(*at)), theme.label());
    flow(vec![Span::styled(named, theme.strong()), Span::styled(words, style), time], "  ", width)
}

fn verdict(explanation: &Explanation, theme: Theme) -> (&'static str, String, Style) {
    let remote = match explanation.facts.status.judged {
        Some(StatusWord::Running) => "it runs",
        Some(StatusWord::Stopped) => "it is stopped",
        Some(StatusWord::Blocked) => "it is blocked",
        Some(StatusWord::Unknown) | None => "whether it runs is unknown",
    };
    match explanation.verdict {
        Verdict::Unguarded => ("✗", "RUNS, and nothing pauses it".to_owned(), theme.bad()),
        Verdict::Blocked => ("✗", "blocked at TrafficStars".to_owned(), theme.bad()),
        Verdict::OnHold => ("‖", format!("on hold: {remote}"), theme.warning()),
        Verdict::Queued => ("?", "queued to run".to_owned(), theme.warning()),
        Verdict::CoolingDown => ("○", "cooling down".to_owned(), theme.waiting()),
        Verdict::Running => ("●", "runs".to_owned(), theme.good()),
        Verdict::Stopped => ("○", "stopped".to_owned(), theme.stopped()),
        Verdict::Unknown => ("?", "unknown".to_owned(), theme.warning()),
        Verdict::NotGuarded => ("·", "not guarded".to_owned(), theme.label()),
    }
}

fn next(explanation: &Explanation) -> String {
    let next = &explanation.next;
    next.at.map_or_else(|| next.then.clone(), |at| format!("{}: {}", verbose::when(at, explanation.at), next.then))
}

/// Returns the commands that may help, if any.
fn advice(explanation: &Explanation) -> Vec<String> {
    let id = explanation.id;
    // Under the policies guard and top-up the limit stops nothing.
    let stops_at_limit = explanation.thresholds.as_ref().filter(|limits| !limits.high_spend.guards_by_clicks());
    let spend = stops_at_limit.and_then(|thresholds| thresholds.spend_to_limit);
    let limit_is_reached = spend.is_some_and(|left| left.micros() == 0);
    let clicks = explanation.thresholds.as_ref().and_then(|thresholds| thresholds.clicks_to_pause);
    let is_used_up = clicks.is_some_and(|left| left.0 == 0);
    let stop = format!("stop it, and keep it stopped: traffic-generator hold {id} --pause --reason …");
    let raise = format!("let it spend more: traffic-generator campaign set {id} --spend-limit …");
    let is_shared = |sum: &&SharedSpend| sum.is_reached() && !sum.high_spend.guards_by_clicks();
    let shared = explanation.shared_limits.iter().find(is_shared).map(|sum| {
        let sharers = sum.sharers();
        format!("let {sharers} spend more: raise its spend_limit in config.toml, then: traffic-generator reload")
    });
    let clicks = format!("give it clicks: traffic-generator url list {id}, then url set URL_ID --click-limit …");
    let guard = format!("guard it: traffic-generator enable {id}");
    let mut advice = match explanation.verdict {
        // A campaign without thresholds has no actor that could keep it paused.
        Verdict::Unguarded if explanation.thresholds.is_none() => {
            vec![format!("stop it once: traffic-generator process {id} --force pause"), guard]
        }
        Verdict::Unguarded => vec![stop],
        Verdict::OnHold => {
            vec![format!("end the hold: traffic-generator release {id}, or release-all if all campaigns are on hold")]
        }
        Verdict::NotGuarded => vec![guard],
        Verdict::Stopped
        | Verdict::Running
        | Verdict::CoolingDown
        | Verdict::Queued
        | Verdict::Blocked
        | Verdict::Unknown => Vec::new(),
    };
    let is_stopped_or_unguarded = matches!(explanation.verdict, Verdict::Unguarded | Verdict::Stopped);
    advice.extend((is_stopped_or_unguarded && limit_is_reached).then_some(raise));
    advice.extend(shared.filter(|_| is_stopped_or_unguarded));
    advice.extend((is_stopped_or_unguarded && is_used_up).then_some(clicks));
    advice
}

/// The lines of the page so far.
struct Part {
    paper: Paper,
    lines: Vec<Line<'static>>,
}

impl Part {
    /// Adds a text in as many lines as it needs, each indented.
    fn add(&mut self, label: &'static str, text: &str, style: Style) {
        if text.is_empty() {
            return;
        }
        let room = self.paper.width.map_or(usize::MAX, |width| width.saturating_sub(LABEL + 2));
        let mut label = label;
        for line in wrap(text, room) {
            let indent = Span::styled(format!("  {label:LABEL$}"), self.paper.theme.label());
            self.lines.push(Line::from(vec![indent, Span::styled(line, style)]));
            label = "";
        }
    }

    /// Adds a fact beside its bar; without a bar if the fact is unknown.
    fn add_with_bar(&mut self, label: &'static str, text: &str, bar: Option<Span<'static>>) {
        let Some(bar) = bar else { return self.add(label, text, Style::new()) };
        let indent = LABEL + 2 + BAR + 2;
        let room = self.paper.width.map_or(usize::MAX, |width| width.saturating_sub(indent));
        let label = Span::styled(format!("  {label:LABEL$}"), self.paper.theme.label());
        let mut begin = vec![label, bar, Span::raw("  ")];
        for line in wrap(text, room) {
            begin.push(Span::raw(line));
            self.lines.push(Line::from(std::mem::replace(&mut begin, vec![Span::raw(" ".repeat(indent))])));
        }
    }

    fn add_facts(&mut self, explanation: &Explanation) {
        let Explanation { facts, thresholds, at, .. } = explanation;
        let (thresholds, now, theme) = (thresholds.as_ref(), *at, self.paper.theme);
        self.add("Status", &facts::status(&facts.status, now).unwrap_or_default(), Style::new());
        self.add("Ends", &facts::end_time(&facts.end_time, now).unwrap_or_default(), Style::new());
        let limit = thresholds.map(|thresholds| thresholds.spend_limit);
        let bar = facts.spend.amount.zip(limit).map(|(amount, limit)| spend_bar(amount, limit, theme, BAR));
        self.add_with_bar("Spend", &facts::spend(&facts.spend, thresholds, now).unwrap_or_default(), bar);
        for sum in &explanation.shared_limits {
            self.add("Shared", &sum.in_words(), Style::new());
        }
        let budget = explanation.budget.iter().flat_map(|budget| facts::budget(budget, facts.max_daily, now));
        for (label, line) in ["Budget"].into_iter().chain(std::iter::repeat("")).zip(budget) {
            self.add(label, &line, Style::new());
        }
        let clicks = thresholds.map(|thresholds| [thresholds.activate_clicks, thresholds.pause_clicks]);
        let bar = facts.clicks.remaining.zip(clicks).map(|(left, clicks)| clicks_bar(left, clicks, theme, BAR));
        self.add_with_bar("Clicks", &facts::clicks(&facts.clicks, thresholds, now).unwrap_or_default(), bar);
    }
}

/// Returns the URLs with their clicks, in words. A URL that is not active shows its status, since its clicks do not
/// count.
fn urls(urls: &[Url]) -> String {
    let named = urls.iter().take(URLS).map(|url| {
        let (clicks, limit) = (count(url.clicks), count(url.click_limit));
        let status = if url.status == UrlStatus::Active.as_str() { String::new() } else { format!(", {}", url.status) };
        format!("{} {clicks} of {limit} clicks used{status}", url.name)
    });
    let more = urls.len().checked_sub(URLS).filter(|&more| more > 0).map(|more| format!("and {more} more"));
    named.chain(more).collect::<Vec<_>>().join(" · ")
}

fn event(entry: &JournalEntry, now: DateTime<Utc>) -> String {
    let at = entry.requested_at;
    let written = if at.date_naive() == now.date_naive() { clock(at) } else { date(at) };
    let by = entry.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let error = entry.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
    format!("{written} {} {}{by}: {}{error}", entry.kind, step_word(entry.step), entry.reason)
}
