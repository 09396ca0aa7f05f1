//! The first lines of `status` and `top`: whether the guard can keep its promises, what it guards, and what it spends.

use chrono::{DateTime, Utc};
use ratatui::text::{Line, Span};

use super::draw::bars::to_cents;
use super::draw::paper::Paper;
use super::draw::text::{both_ends, flow};
use super::draw::theme::Theme;
use super::render::{count_of, not_leading};
use crate::domain::health::{Health, HealthWord};
use crate::domain::money::Money;
use crate::domain::policy::Mode;
use crate::domain::status::{Dump, Role};
use crate::domain::text::clock;
use crate::domain::verdict::Verdict;

/// The word behind the number of campaigns of one verdict: `5 stopped`.
const COUNTED: [(Verdict, &str); 8] = [
    (Verdict::Running, "running"),
    (Verdict::Unguarded, "running unguarded"),
    (Verdict::Stopped, "stopped"),
    (Verdict::CoolingDown, "cooling down"),
    (Verdict::Queued, "queued to run"),
    (Verdict::OnHold, "on hold"),
    (Verdict::Blocked, "blocked"),
    (Verdict::Unknown, "unknown"),
];

/// Returns the lines at `now`: the counts, then each reason why the guard is degraded, then what applies to all
/// campaigns.
pub(super) fn lines(dump: &Dump, health: &Health, now: DateTime<Utc>, paper: Paper) -> Vec<Line<'static>> {
    let Paper { width, theme } = paper;
    let time = format!("{} UTC", clock(now));
    let room = width.map(|width| width.saturating_sub(time.len() + 2));
    let mut lines = flow(counts(dump, health, theme), " · ", room);
    if let Some(first) = lines.first_mut() {
        *first = match width.and_then(|width| u16::try_from(width).ok()) {
            Some(width) => both_ends(std::mem::take(first), time, width),
            None => {
                first.push_span(Span::raw(format!("  {time}")));
                std::mem::take(first)
            }
        };
    }
    let banners = banners(dump, health, theme).into_iter();
    let reasons = health.reasons.iter().map(|reason| Span::styled(format!("✗ {}", reason.reason), theme.bad()));
    for line in reasons.chain(banners) {
        lines.extend(flow(vec![line], "", width));
    }
    lines
}

fn counts(dump: &Dump, health: &Health, theme: Theme) -> Vec<Span<'static>> {
    let is_well = health.status == HealthWord::Ok;
    let (sign, style) = if is_well { ("●", theme.good()) } else { ("✗", theme.bad()) };
    let guarded = dump.campaigns.iter().filter(|campaign| campaign.ordered.generator_enabled).count();
    let does = match (dump.leadership.role, is_well) {
        (Role::Standby, _) => "standing by for",
        (Role::CutOff, _) => "CUT OFF, not guarding",
        (Role::Leader, true) => "guarding",
        (Role::Leader, false) => "DEGRADED, guarding",
    };
    let mut items = vec![Span::styled(format!("{sign} {does} {}", count_of(guarded, "campaign")), style)];
    let with = |verdict| dump.campaigns.iter().filter(|campaign| campaign.verdict == verdict).count();
    // A standby reads nothing, so it has no numbers to show.
    if dump.leadership.role != Role::Standby {
        let counted = COUNTED.into_iter().map(|(verdict, word)| (with(verdict), word)).filter(|(count, _)| *count > 0);
        items.extend(counted.map(|(count, word)| Span::raw(format!("{count} {word}"))));
        items.extend(spend_today(dump).map(|spend| Span::raw(format!("spend {} today", to_cents(spend)))));
        let remote = &dump.trafficstar;
        let requests = format!("{} of {} requests/min", remote.requests_last_minute, remote.requests_per_minute);
        items.push(Span::raw(requests));
    }
    items
}

/// Returns the sum of the spends that are known, or `None` if none is known.
fn spend_today(dump: &Dump) -> Option<Money> {
    let today = dump.captured_at.date_naive();
    let known = dump.campaigns.iter().filter_map(|campaign| campaign.observed.spend_on(today));
    known.reduce(|sum, spend| Money::from_micros(sum.micros().saturating_add(spend.micros())).unwrap_or(sum))
}

/// Whether a reason of `health` contains this error.
fn is_in_reasons(health: &Health, error: &str) -> bool {
    health.reasons.iter().any(|reason| reason.reason.contains(error))
}

/// Returns the lines about all campaigns, which are shown above the list.
fn banners(dump: &Dump, health: &Health, theme: Theme) -> Vec<Span<'static>> {
    let hold = dump.supervisor.hold.as_ref().map(|hold| {
        let kept = if hold.pause { ", and kept paused" } else { "" };
        format!("‖ ALL CAMPAIGNS ARE ON HOLD {}{kept}: `release-all` ends the hold", hold.in_words())
    });
    let guarded = || dump.campaigns.iter().filter(|campaign| campaign.ordered.generator_enabled);
    let observing = guarded().filter(|campaign| campaign.ordered.mode == Mode::Observe).count();
    let observe = (observing > 0).then(|| {
        let of =
            if observing == guarded().count() { "all campaigns".to_owned() } else { count_of(observing, "campaign") };
        format!("OBSERVE MODE for {of}: nothing is sent")
    });
    let again = dump.trafficstar.running_again_by.map(|by| {
        format!("activations wait for free requests (limit per minute): all run again by about {} UTC", clock(by))
    });
    let trafficstar = dump.trafficstar.last_error.as_ref().filter(|error| !is_in_reasons(health, error));
    let trafficstar = trafficstar.map(|error| format!("TrafficStars: {error}"));
    let troubles = [not_leading(&dump.leadership), trafficstar, hold, observe, again];
    troubles.into_iter().flatten().map(|text| Span::styled(text, theme.warning())).collect()
}
