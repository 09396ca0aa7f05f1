//! Which campaigns need attention, why, and in which order campaigns are listed.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::render::span;
use crate::domain::action::{ActionKind, Step};
use crate::domain::phase::PhaseWord;
use crate::domain::policy::Mode;
use crate::domain::status::{ActionStatus, CampaignStatus, Liveness};

/// An actor that handles one message for longer than this is shown as stuck.
const STUCK_AFTER_SECONDS: i64 = 60;
/// An activation or an end time that waits for at most this long needs no attention.
const WAITS_LONG: TimeDelta = TimeDelta::minutes(2);

/// A reason why a campaign needs attention, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Attention {
    /// It runs past a threshold, and no promise stops it.
    Unguarded,
    /// A tick or an action failed.
    Error,
    /// Another program or person changes it again and again.
    Contested,
    /// TrafficStars does not let it run.
    Blocked,
    /// An action was sent, and no read shows it yet.
    Unconfirmed,
    /// Its actor died, or is stuck.
    Restarting,
}

/// Returns each reason why a campaign needs attention, in words.
pub(in crate::cli) fn reasons(campaign: &CampaignStatus, now: DateTime<Utc>) -> Vec<(Attention, String)> {
    let mut reasons = Vec::new();
    let is_the_block = |error: &&String| campaign.blocked.as_ref().is_some_and(|why| why.contains(error.as_str()));
    if let Some(error) = campaign.last_error.as_ref().filter(|error| !is_the_block(error)) {
        reasons.push((Attention::Error, error.clone()));
    }
    if let Some(action) = campaign.action.as_ref().filter(|action| action.step == Step::Failed) {
        let cause = action.error.as_deref().unwrap_or("see the journal");
        reasons.push((Attention::Error, format!("{} failed: {cause}", action.kind)));
    }
    if campaign.unguarded {
        reasons.push((Attention::Unguarded, unguarded(campaign)));
    }
    if campaign.contested {
        reasons.push((Attention::Contested, "contested".to_owned()));
    }
    if let Some(reason) = &campaign.blocked {
        reasons.push((Attention::Blocked, format!("blocked: {reason}")));
    }
    if let Some(action) = campaign.action.as_ref().filter(|action| is_late(action, now)) {
        let waiting = span(action.requested_at, now);
        let what = if action.step == Step::Requested { "waits to be sent" } else { "unconfirmed" };
        reasons.push((Attention::Unconfirmed, format!("{} {what} for {waiting}", action.kind)));
    }
    if let Some(actor) = &campaign.actor {
        let stuck = actor.handling.as_ref().filter(|at| (now - at.since).num_seconds() > STUCK_AFTER_SECONDS);
        match (actor.status, stuck) {
            (Liveness::Restarting, _) => reasons.push((Attention::Restarting, "its actor is restarting".to_owned())),
            (Liveness::Running, Some(at)) => {
                reasons.push((Attention::Restarting, format!("stuck at {} for {}", at.what, span(at.since, now))));
            }
            (Liveness::Running, None) => {}
        }
    }
    reasons
}

/// Whether an unconfirmed action needs attention: a pause at once, another action after [`WAITS_LONG`].
fn is_late(action: &ActionStatus, now: DateTime<Utc>) -> bool {
    let is_under_way = matches!(action.step, Step::Requested | Step::Accepted);
    is_under_way && (action.kind == ActionKind::Pause || now.signed_duration_since(action.requested_at) > WAITS_LONG)
}

/// Returns which threshold an unguarded campaign has passed, in words.
pub(in crate::cli) fn unguarded(campaign: &CampaignStatus) -> String {
    let observed = &campaign.observed;
    let clicks = campaign.limits.zip(observed.remaining_clicks).filter(|(limits, left)| *left <= limits.pause_clicks);
    let clicks = clicks.map(|(_, left)| format!("{left} clicks left"));
    let spend = campaign.limits.zip(observed.spend).filter(|(limits, spend)| limits.must_stop_at(*spend));
    let spend = spend.map(|(limits, _)| format!("its limit of {} is reached", limits.spend));
    let shared = campaign.shared_limits.iter().filter(|sum| sum.is_reached() && !sum.high_spend.guards_by_clicks());
    let shared = shared.map(|sum| format!("the limit of {} is reached", sum.sharers()));
    let passed: Vec<String> = clicks.into_iter().chain(spend).chain(shared).collect();
    if passed.is_empty() { "unguarded".to_owned() } else { format!("unguarded: {}", passed.join(", ")) }
}

/// Returns what is worth showing about a campaign without being urgent.
pub(in crate::cli) fn remarks(campaign: &CampaignStatus) -> Vec<&'static str> {
    let remarks = [
        ("on hold", campaign.ordered.hold.is_some()),
        ("high spend", campaign.high_spend),
        ("observe mode", campaign.ordered.mode == Mode::Observe),
        ("not guarded", campaign.actor.is_none()),
    ];
    remarks.into_iter().filter(|(_, applies)| *applies).map(|(remark, _)| remark).collect()
}

/// A campaign's place in the list: first the campaigns that need attention, then those nearest to a threshold, then
/// those that are not guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) struct Urgency {
    without_attention: bool,
    attention: Option<Attention>,
    not_guarded: bool,
    distance_per_mille: u64,
    id: i64,
}

impl Urgency {
    /// Returns the urgency at `now`, the time of the dump.
    pub(in crate::cli) fn of(campaign: &CampaignStatus, now: DateTime<Utc>) -> Self {
        let attention = reasons(campaign, now).into_iter().map(|(attention, _)| attention).min();
        Self {
            without_attention: attention.is_none(),
            attention,
            not_guarded: campaign.actor.is_none(),
            distance_per_mille: distance_per_mille(campaign, now.date_naive()),
            id: campaign.id.0,
        }
    }

    /// Whether the campaign needs attention.
    pub(in crate::cli) const fn needs_attention(&self) -> bool {
        !self.without_attention
    }
}

/// Returns the distance to the next threshold that would change something, in thousandths of that threshold.
fn distance_per_mille(campaign: &CampaignStatus, today: NaiveDate) -> u64 {
    let Some(limits) = &campaign.limits else { return u64::MAX };
    let per_mille = |distance: u64, whole: u64| {
        u64::try_from(u128::from(distance) * 1000 / u128::from(whole.max(1))).unwrap_or(u64::MAX)
    };
    let limit = u64::try_from(limits.spend.micros()).unwrap_or(0);
    // Once the limit is reached, more spend changes nothing until midnight.
    let by_spend = campaign.observed.spend_on(today).filter(|_| !campaign.high_spend).map(|spend| {
        let spend = u64::try_from(spend.micros()).unwrap_or(0);
        per_mille(limit.saturating_sub(spend), limit)
    });
    let by_clicks = campaign.observed.remaining_clicks.map(|clicks| match campaign.state {
        PhaseWord::ActiveGuarded => per_mille(clicks.0.saturating_sub(limits.pause_clicks.0), limits.activate_clicks.0),
        PhaseWord::Idle | PhaseWord::PausedGuarded | PhaseWord::CoolingDown => {
            per_mille(limits.activate_clicks.0.saturating_sub(clicks.0), limits.activate_clicks.0)
        }
    });
    by_spend.into_iter().chain(by_clicks).min().unwrap_or(u64::MAX)
}
