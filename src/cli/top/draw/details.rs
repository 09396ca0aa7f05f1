//! The details of the selected campaign, as lines.

use chrono::{DateTime, Utc};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::cli::attention;
use crate::cli::draw::bars::{clicks_bar, spark, spend_bar};
use crate::cli::draw::paper::Paper;
use crate::cli::draw::text::wrap;
use crate::cli::draw::theme::Theme;
use crate::cli::explain::answer;
use crate::cli::render::{span, step_word, until};
use crate::cli::top::app::App;
use crate::cli::top::history::Series;
use crate::domain::policy::Mode;
use crate::domain::status::{ActionStatus, CampaignStatus, Liveness};
use crate::domain::text::word;

/// The width of the label before each line's text.
const LABEL: usize = 9;
const BAR: usize = 16;
/// The number of readings that a sparkline shows.
const READINGS: usize = 24;

/// Returns the lines, none longer than `width`.
pub(super) fn lines<'a>(
    app: &App,
    campaign: &'a CampaignStatus,
    theme: Theme,
    now: DateTime<Utc>,
    width: usize,
) -> Vec<Line<'a>> {
    let mut details = Details { theme, width, lines: Vec::new() };
    let reasons: Vec<String> = attention::reasons(campaign, now).into_iter().map(|(_, reason)| reason).collect();
    if !reasons.is_empty() {
        details.add("trouble", &reasons.join("; "), theme.bad());
    }
    // The supervisor's explanation, if there is one, replaces the state.
    let explanation = app.explanation(campaign.id);
    if let Some(explanation) = explanation {
        details.lines.extend(answer(explanation, Paper { width: Some(width), theme }));
        details.lines.push(Line::default());
    } else {
        details.add("state", &state(campaign, now), Style::new());
    }
    details.add_spend(app, campaign, now);
    details.add_clicks(app, campaign, now);
    details.add("remote", &remote(campaign, now), Style::new());
    details.add("action", &campaign.action.as_ref().map_or("none".to_owned(), |last| action(last, now)), Style::new());
    details.add("ordered", &ordered(campaign, now), Style::new());
    details.add("actor", &actor(campaign, now), Style::new());
    details.lines
}

struct Details<'a> {
    theme: Theme,
    width: usize,
    lines: Vec<Line<'a>>,
}

impl Details<'_> {
    fn add(&mut self, label: &'static str, text: &str, style: Style) {
        self.add_wrapped(label, LABEL, text, style);
    }

    /// Adds a text in as many lines as it needs, each indented.
    fn add_wrapped(&mut self, label: &'static str, indent: usize, text: &str, style: Style) {
        let mut label = label;
        for line in wrap(text, self.width.saturating_sub(indent)) {
            self.lines.push(Line::from(vec![
                Span::styled(format!("{label:indent$}"), self.theme.label()),
                Span::styled(line, style),
            ]));
            label = "";
        }
    }

    fn add_spend(&mut self, app: &App, campaign: &CampaignStatus, now: DateTime<Utc>) {
        let observed = &campaign.observed;
        let Some(amount) = observed.spend_on(now.date_naive()) else {
            return self.add("spend", "unknown", self.theme.warning());
        };
        let source = observed.spend_source.map_or_else(|| "?".to_owned(), word);
        let day = observed.spend_day.map_or_else(String::new, |day| format!(" for {day}"));
        let of = campaign.limits.map_or_else(String::new, |limits| format!(" of {}", limits.spend));
        let text = format!("{amount}{of} ({source}{day}, {})", ago(observed.spend_at, now));
        self.add("spend", &text, Style::new());
        for sum in &campaign.shared_limits {
            self.add("shared", &sum.in_words(), Style::new());
        }
        if let (Some(budget), Some(max_daily)) = (&campaign.budget, campaign.observed.max_daily) {
            let refused = budget.refused.as_ref().map(|why| format!("; not raised: {why}")).unwrap_or_default();
            self.add("budget", &format!("{max_daily} a day{refused}"), Style::new());
        }
        let bar = campaign.limits.map_or_else(Span::default, |limits| spend_bar(amount, limits.spend, self.theme, BAR));
        self.add_graph(bar, app.history(campaign.id).map(|history| &history.spend));
    }

    fn add_clicks(&mut self, app: &App, campaign: &CampaignStatus, now: DateTime<Utc>) {
        let observed = &campaign.observed;
        let Some(clicks) = observed.remaining_clicks else {
            return self.add("clicks", "unknown", self.theme.warning());
        };
        let thresholds = campaign.limits.map_or_else(String::new, |limits| {
            format!("; {} run it, {} pause it", limits.activate_clicks, limits.pause_clicks)
        });
        let text = format!("{clicks} left{thresholds} ({})", ago(observed.clicks_at, now));
        self.add("clicks", &text, Style::new());
        let bar = campaign
            .limits
            .map_or_else(Span::default, |limits| clicks_bar(clicks, limits.thresholds(), self.theme, BAR));
        self.add_graph(bar, app.history(campaign.id).map(|history| &history.clicks));
    }

    /// Adds a bar, and after it a sparkline of the readings.
    fn add_graph(&mut self, bar: Span<'static>, series: Option<&Series>) {
        let mut spans = vec![Span::raw(" ".repeat(LABEL)), bar];
        if let Some(series) = series {
            let covers = span(DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + series.covers(READINGS));
            spans.push(Span::raw(format!("  {} ", spark(series.last(READINGS)))));
            spans.push(Span::styled(format!("seen over {covers}"), self.theme.label()));
        }
        self.lines.push(Line::from(spans));
    }
}

fn ago(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
    at.map_or_else(|| "never read".to_owned(), |at| format!("{} ago", span(at, now)))
}

fn state(campaign: &CampaignStatus, now: DateTime<Utc>) -> String {
    let mut text = format!("{} for {}", campaign.state, span(campaign.since, now));
    if let Some(end) = campaign.cooling_down_until {
        text += &format!(", {} to go", span(now, end));
    }
    if let Some(next) = campaign.next_tick_at {
        text += &format!("; next tick {}", until(next, now));
    }
    attention::remarks(campaign).into_iter().fold(text, |text, remark| text + "; " + remark)
}

fn remote(campaign: &CampaignStatus, now: DateTime<Utc>) -> String {
    let observed = &campaign.observed;
    let status = observed.status.map_or("unknown", |status| status.as_str());
    let word = observed.remote_status.as_deref().map_or_else(String::new, |word| format!(" \"{word}\""));
    let active = observed.remote_active.map_or_else(String::new, |active| format!(" active: {active}"));
    let end = observed.schedule_end_time.as_deref().map_or_else(String::new, |end| format!(", ends {end}"));
    let said = if word.is_empty() && active.is_empty() { String::new() } else { format!(" ({}{active})", word.trim()) };
    format!("{status}{said}{end}, {}", ago(observed.status_at, now))
}

fn action(action: &ActionStatus, now: DateTime<Utc>) -> String {
    let mut text =
        format!("{} {}: requested {} ago", action.kind, step_word(action.step), span(action.requested_at, now));
    let later = [("accepted", action.accepted_at), ("confirmed", action.confirmed_at)];
    for (step, at) in later {
        if let Some(at) = at {
            text += &format!(", {step} {} later", span(action.requested_at, at));
        }
    }
    text += &format!("; {}", action.reason);
    if let Some(error) = &action.error {
        text += &format!("; {error}");
    }
    text
}

fn ordered(campaign: &CampaignStatus, now: DateTime<Utc>) -> String {
    let ordered = &campaign.ordered;
    let generator = if ordered.generator_enabled { "guard it" } else { "do not guard it" };
    let mode = match ordered.mode {
        Mode::Act => "act",
        Mode::Observe => "observe only",
    };
    let Some(hold) = &ordered.hold else { return format!("{generator}, {mode}, no hold") };
    let end = hold.until.map_or_else(|| "until released".to_owned(), |end| format!("for another {}", span(now, end)));
    let paused = if hold.pause { ", kept paused" } else { "" };
    let by = hold.by.as_deref().map_or_else(String::new, |by| format!(" by {by}"));
    let reason = hold.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!("{generator}, {mode}, on hold {end}{paused}, since {} ago{by}{reason}", span(hold.since, now))
}

fn actor(campaign: &CampaignStatus, now: DateTime<Utc>) -> String {
    let Some(actor) = &campaign.actor else { return "none".to_owned() };
    let status = match actor.status {
        Liveness::Running => "running",
        Liveness::Restarting => "restarting",
    };
    let last = match (actor.last_tick_at, actor.last_tick_ms) {
        (Some(at), Some(took_ms)) => format!("the last {} ago in {took_ms} ms", span(at, now)),
        (Some(_) | None, _) => "none completed".to_owned(),
    };
    let handling =
        actor.handling.as_ref().map_or_else(String::new, |at| format!("; at {} for {}", at.what, span(at.since, now)));
    format!(
        "{status}, {} ticks ({} skipped), {last}; incarnation {}, {} restarts{handling}",
        actor.ticks, actor.skipped_ticks, actor.incarnation, actor.restarts
    )
}
