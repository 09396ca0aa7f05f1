//! A campaign's condition in plain words, for `status` and `top`. The program's own names of states are in the dump.

use chrono::{DateTime, Utc};
use ratatui::style::Style;

use super::attention::{self, Attention};
use super::draw::theme::Theme;
use super::render::{span, until};
use crate::domain::phase::PhaseWord;
use crate::domain::policy::{HighSpend, Mode};
use crate::domain::remote::StatusWord;
use crate::domain::status::CampaignStatus;
use crate::domain::text::age;
use crate::domain::verdict::Verdict;

/// A campaign's condition at one moment.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    /// One sign for the condition.
    pub(super) sign: &'static str,
    /// The state in a few words.
    pub(super) state: String,
    /// The facts that need attention or, without such a fact, the next step.
    pub(super) note: String,
    /// The reasons why it needs attention.
    pub(super) reasons: Vec<(Attention, String)>,
    verdict: Verdict,
}

impl Condition {
    /// Returns the condition at `now`, the time of the dump. A standby shows a guarded campaign's state as the leader
    /// has stored it.
    pub(super) fn of(campaign: &CampaignStatus, now: DateTime<Utc>, stands_by: bool) -> Self {
        let reasons = attention::reasons(campaign, now);
        let is_known_here = !stands_by || !campaign.ordered.generator_enabled;
        let state = if is_known_here { state(campaign, now) } else { stored(campaign, now) };
        let verdict = campaign.verdict;
        Self { sign: sign(verdict, !reasons.is_empty()), state, note: note(campaign, &reasons, now), reasons, verdict }
    }

    /// Whether the campaign needs attention.
    pub(super) fn needs_attention(&self) -> bool {
        !self.reasons.is_empty()
    }

    /// Returns the colour: red if the campaign needs attention or may spend unguarded, yellow if it waits or is
    /// unknown, green if it runs as promised.
    pub(super) fn style(&self, theme: Theme) -> Style {
        if self.needs_attention() {
            return theme.bad();
        }
        match self.verdict {
            Verdict::Unguarded | Verdict::Blocked => theme.bad(),
            Verdict::Queued | Verdict::Unknown | Verdict::OnHold => theme.warning(),
            Verdict::Running => theme.good(),
            Verdict::CoolingDown => theme.waiting(),
            Verdict::Stopped => theme.stopped(),
            Verdict::NotGuarded => theme.label(),
        }
    }
}

const fn sign(verdict: Verdict, needs_attention: bool) -> &'static str {
    match verdict {
        Verdict::Unguarded | Verdict::Blocked => "✗",
        _ if needs_attention => "✗",
        Verdict::OnHold => "‖",
        Verdict::Queued | Verdict::Unknown => "?",
        Verdict::Running => "●",
        Verdict::Stopped | Verdict::CoolingDown => "○",
        Verdict::NotGuarded => "·",
    }
}

/// Returns the status that was read last, in words.
fn remote(campaign: &CampaignStatus) -> &'static str {
    match campaign.observed.status {
        Some(StatusWord::Running) => "runs",
        Some(StatusWord::Stopped) => "stopped",
        Some(StatusWord::Blocked) => "blocked",
        Some(StatusWord::Unknown) => "unknown",
        None => "not read yet",
    }
}

fn state(campaign: &CampaignStatus, now: DateTime<Utc>) -> String {
    let remote = remote(campaign);
    let state = match campaign.verdict {
        Verdict::NotGuarded if campaign.observed.status.is_none() => "not guarded".to_owned(),
        Verdict::NotGuarded => format!("not guarded ({remote})"),
        Verdict::Unguarded if !campaign.ordered.generator_enabled => "RUNS, not guarded".to_owned(),
        Verdict::Unguarded if campaign.ordered.hold.is_some() => "RUNS, on hold".to_owned(),
        Verdict::Unguarded => "RUNS, unguarded".to_owned(),
        Verdict::OnHold => format!("on hold ({remote})"),
        Verdict::Blocked => "blocked".to_owned(),
        Verdict::Queued => {
            let since = campaign.action.as_ref().map(|action| action.requested_at);
            format!("queued to run {}", span(since.unwrap_or(now), now))
        }
        Verdict::CoolingDown => {
            format!("cooling down {}", span(now, campaign.cooling_down_until.unwrap_or(now)))
        }
        Verdict::Stopped => stopped(campaign),
        Verdict::Running | Verdict::Unknown => remote.to_owned(),
    };
    if campaign.contested { format!("{state}, contested") } else { state }
}

fn stored(campaign: &CampaignStatus, now: DateTime<Utc>) -> String {
    format!("{} for {}", campaign.state, span(campaign.since, now))
}

fn stopped(campaign: &CampaignStatus) -> String {
    let why = match (is_stopped_by_limit(campaign), campaign.is_used_up()) {
        (true, _) => ", limit reached",
        (false, true) => ", used up",
        (false, false) => "",
    };
    format!("stopped{why}")
}

/// Whether the spend limit is reached, and under the policy there a stopped campaign stays stopped.
fn is_stopped_by_limit(campaign: &CampaignStatus) -> bool {
    campaign.high_spend && campaign.limits.is_none_or(|limits| !limits.high_spend.guards_by_clicks())
}

/// Whether the spend limit is reached, and the policy there is to leave the campaign alone.
fn is_left_alone(campaign: &CampaignStatus) -> bool {
    campaign.high_spend && campaign.limits.is_none_or(|limits| limits.high_spend == HighSpend::Observe)
}

fn note(campaign: &CampaignStatus, reasons: &[(Attention, String)], now: DateTime<Utc>) -> String {
    let hold = campaign.ordered.hold.as_ref().map(|hold| format!("on hold {}", hold.in_words()));
    let observe = (campaign.ordered.mode == Mode::Observe).then(|| "observe mode".to_owned());
    let stopped = campaign.observed.remote_stopped.as_ref().map(|word| format!("TrafficStars says: {word}"));
    // The state says already that the campaign is unguarded or blocked.
    let in_short = |reason: &str| {
        let rest = ["unguarded: ", "blocked: "].into_iter().find_map(|said| reason.strip_prefix(said));
        rest.unwrap_or(reason).to_owned()
    };
    let reasons = reasons.iter().map(|(_, reason)| in_short(reason));
    let seen = seen_last(campaign, now).filter(|_| campaign.unguarded);
    let notes: Vec<String> = reasons.chain(seen).chain(hold).chain(observe).chain(stopped).collect();
    if notes.is_empty() { next(campaign, now) } else { notes.join("; ") }
}

/// Returns the age of the last status of a campaign that is not guarded: its status is no longer read.
fn seen_last(campaign: &CampaignStatus, now: DateTime<Utc>) -> Option<String> {
    let seen_at = campaign.observed.status_at.filter(|_| !campaign.ordered.generator_enabled)?;
    Some(format!("as last seen {} ago", age(seen_at, now)))
}

/// Returns what happens next to a campaign about which there is no other note.
fn next(campaign: &CampaignStatus, now: DateTime<Utc>) -> String {
    if campaign.actor.is_none() {
        return seen_last(campaign, now).unwrap_or_default();
    }
    let limits = campaign.limits.filter(|_| campaign.observed.remaining_clicks.is_some());
    match (campaign.verdict, campaign.state, limits) {
        (Verdict::Stopped, _, _) if is_stopped_by_limit(campaign) => "until midnight UTC".to_owned(),
        (Verdict::Running, _, _) if is_left_alone(campaign) => "left alone until midnight UTC".to_owned(),
        (Verdict::Running, PhaseWord::ActiveGuarded, Some(limits)) => format!("pauses at {}", limits.pause_clicks),
        (Verdict::Stopped, PhaseWord::PausedGuarded, Some(limits)) => format!("starts at {}", limits.activate_clicks),
        (_, _, _) => campaign.next_tick_at.map_or_else(String::new, |at| format!("read again {}", until(at, now))),
    }
}
