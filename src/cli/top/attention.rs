//! Which campaigns need somebody's attention, why, and in which order they are listed.

use chrono::{DateTime, Utc};

use super::limits::Limits;
use crate::cli::render::span;
use crate::domain::action::Step;
use crate::domain::phase::PhaseWord;
use crate::domain::policy::Mode;
use crate::domain::status::{CampaignStatus, Liveness};

/// An actor that is at one message for longer than this is shown as stuck.
const STUCK_AFTER_SECONDS: i64 = 60;

/// Why a campaign needs attention, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attention {
    /// A tick or an action failed.
    Error,
    /// It runs past a threshold, and no promise is in force.
    Unguarded,
    /// Others change it again and again.
    Contested,
    /// Running it cannot help.
    Blocked,
    /// An action was sent, and no read shows it yet.
    Unconfirmed,
    /// Its actor died, or hangs.
    Restarting,
}

/// Everything that needs attention about a campaign, the most urgent first, in words.
pub(super) fn reasons(campaign: &CampaignStatus, now: DateTime<Utc>) -> Vec<(Attention, String)> {
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
        reasons.push((Attention::Unguarded, "unguarded".to_owned()));
    }
    if campaign.contested {
        reasons.push((Attention::Contested, "contested".to_owned()));
    }
    if let Some(reason) = &campaign.blocked {
        reasons.push((Attention::Blocked, format!("blocked: {reason}")));
    }
    if let Some(action) =
        campaign.action.as_ref().filter(|action| matches!(action.step, Step::Requested | Step::Accepted))
    {
        let waiting = span(action.requested_at, now);
        reasons.push((Attention::Unconfirmed, format!("{} unconfirmed for {waiting}", action.kind)));
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

/// What is worth saying about a campaign without being urgent.
pub(super) fn remarks(campaign: &CampaignStatus) -> Vec<&'static str> {
    let remarks = [
        ("on hold", campaign.ordered.hold.is_some()),
        ("high spend", campaign.high_spend),
        ("observe mode", campaign.ordered.mode == Mode::Observe),
        ("not guarded", campaign.actor.is_none()),
    ];
    remarks.into_iter().filter(|(_, applies)| *applies).map(|(remark, _)| remark).collect()
}

/// A campaign's place in the list: what needs attention, then what is nearest to a threshold, then what is not guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Urgency {
    without_attention: bool,
    attention: Option<Attention>,
    not_guarded: bool,
    distance_per_mille: u64,
    id: i64,
}

impl Urgency {
    /// The urgency at `now`, which should be the moment that the dump was captured at.
    pub(super) fn of(campaign: &CampaignStatus, limits: &Limits, now: DateTime<Utc>) -> Self {
        let attention = reasons(campaign, now).into_iter().map(|(attention, _)| attention).min();
        Self {
            without_attention: attention.is_none(),
            attention,
            not_guarded: campaign.actor.is_none(),
            distance_per_mille: distance_per_mille(campaign, limits),
            id: campaign.id.0,
        }
    }

    /// Whether it needs attention at all.
    pub(super) const fn needs_attention(&self) -> bool {
        !self.without_attention
    }
}

/// How far it is to the next threshold that would change something, in thousandths of that threshold.
fn distance_per_mille(campaign: &CampaignStatus, limits: &Limits) -> u64 {
    let per_mille = |distance: u64, whole: u64| {
        u64::try_from(u128::from(distance) * 1000 / u128::from(whole.max(1))).unwrap_or(u64::MAX)
    };
    let limit = u64::try_from(limits.spend.micros()).unwrap_or(0);
    // From the limit on nothing more happens by spend until midnight.
    let by_spend = campaign.observed.spend.filter(|_| !campaign.high_spend).map(|spend| {
        let spend = u64::try_from(spend.micros()).unwrap_or(0);
        per_mille(limit.saturating_sub(spend), limit)
    });
    let by_clicks = campaign.observed.remaining_clicks.map(|clicks| match campaign.state {
        PhaseWord::ActiveGuarded => per_mille(clicks.0.saturating_sub(limits.pause.0), limits.activate.0),
        PhaseWord::Idle | PhaseWord::PausedGuarded | PhaseWord::CoolingDown => {
            per_mille(limits.activate.0.saturating_sub(clicks.0), limits.activate.0)
        }
    });
    by_spend.into_iter().chain(by_clicks).min().unwrap_or(u64::MAX)
}
