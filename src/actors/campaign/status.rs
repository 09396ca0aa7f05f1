//! The status that is published for one campaign, with or without an actor.

use chrono::{DateTime, Utc};

use super::CampaignActor;
use crate::domain::action::Action;
use crate::domain::assessment::Assessment;
use crate::domain::decision::Judgement;
use crate::domain::money::Clicks;
use crate::domain::observation::Observation;
use crate::domain::phase::Phase;
use crate::domain::policy::PolicyNumbers;
use crate::domain::remote::EndTime;
use crate::domain::status::{
    ActionStatus, ActorStatus, CampaignStatus, Handling, Hold, Limits, Liveness, Observed, Ordered, StoredStatus,
};
use crate::domain::verdict::Verdict;
use crate::store::{CampaignRow, StoredPromise};

impl CampaignActor {
    pub(super) fn status(&self) -> CampaignStatus {
        let (machine, policy) = (self.session.machine(), self.session.policy());
        let counters = machine.counters();
        // On an unknown spend the thresholds below the limit decide, although `high_spend` may stay marked.
        let judged = machine.assessment().map(|facts| &facts.judged);
        let at_limit = judged.and_then(Judgement::at_limit);
        let observed = machine.assessment().map(observed).unwrap_or_default();
        let observed = Observed { spend_unchanged_since: machine.spend_unchanged_since(), ..observed };
        let ordered = Ordered {
            generator_enabled: self.row.generator_enabled,
            mode: policy.mode,
            hold: machine.hold(self.surroundings.clock.now()).cloned(),
        };
        let status = CampaignStatus {
            next_tick_at: Some(machine.next_tick_at()),
            high_spend: machine.high_spend(),
            contested: machine.contested(),
            unguarded: machine.unguarded(),
            blocked: machine.blocked().map(str::to_owned),
            limits: Some(Limits::new(policy, at_limit)),
            shared_limits: judged.and_then(|judged| judged.shared.clone()).unwrap_or_default(),
            budget: machine.budget_status(self.surroundings.clock.now(), policy),
            observed,
            action: machine.action().or(self.earlier.action()).map(action),
            stored: self.stored.as_ref().map(stored),
            actor: Some(ActorStatus {
                status: Liveness::Running,
                incarnation: self.incarnation.number,
                restarts: self.incarnation.deaths,
                ticks: counters.ticks,
                skipped_ticks: counters.skipped_ticks,
                last_tick_at: self.last_tick.map(|tick| tick.at),
                last_tick_ms: self.last_tick.map(|tick| tick.took_ms),
                handling: self.session.ticking_since().map(|since| Handling { what: "tick".to_owned(), since }),
            }),
            last_error: self.last_error.clone(),
            ..unobserved(&self.row, machine.phase(), machine.since(), ordered)
        };
        status.judged()
    }
}

/// Returns the status of a campaign without an actor, by its row and its stored promise.
pub(crate) fn without_actor(
    row: &CampaignRow,
    defaults: &PolicyNumbers,
    promise: Option<&StoredPromise>,
    hold: Option<Hold>,
    now: DateTime<Utc>,
) -> CampaignStatus {
    let (phase, since) = promise.map_or((Phase::Idle, now), |stored| (stored.promise.phase, stored.promise.since));
    let ordered = Ordered { generator_enabled: row.generator_enabled, mode: row.mode(defaults.mode), hold };
    let status = CampaignStatus {
        limits: row.policy(defaults).ok().map(|policy| Limits::new(&policy, None)),
        stored: promise.map(stored),
        ..unobserved(row, phase, since, ordered)
    };
    status.judged()
}

/// Returns the status of a campaign of which nothing was observed. The caller adds the limits, and judges the verdict.
fn unobserved(row: &CampaignRow, phase: Phase, since: DateTime<Utc>, ordered: Ordered) -> CampaignStatus {
    CampaignStatus {
        id: row.id,
        name: row.name.clone(),
        trafficstar_id: row.trafficstar_id,
        verdict: Verdict::Unknown,
        state: phase.word(),
        since,
        cooling_down_until: phase.cooling_down_until(),
        next_tick_at: None,
        high_spend: false,
        contested: false,
        unguarded: false,
        blocked: None,
        limits: None,
        shared_limits: Vec::new(),
        budget: None,
        ordered,
        observed: Observed::default(),
        action: None,
        stored: None,
        actor: None,
        last_error: None,
    }
}

fn stored(stored: &StoredPromise) -> StoredStatus {
    StoredStatus { state: stored.promise.phase.word(), at: stored.stored_at }
}

fn observed(Assessment { observation, judged, .. }: &Assessment) -> Observed {
    let Observation { remote, remote_at, spend, stored_spend: _, shared: _, clicks, clock: _ } = observation;
    let campaign = remote.as_ref().ok();
    let spend = spend.as_ref().ok();
    Observed {
        status: Some(judged.status.word()),
        remote_status: campaign.and_then(|campaign| campaign.status.clone()),
        remote_active: campaign.and_then(|campaign| campaign.active),
        remote_stopped: campaign.and_then(|campaign| campaign.stopped.clone()),
        schedule_end_time: campaign.and_then(|campaign| match &campaign.end_time {
            EndTime::Unset => None,
            EndTime::At(at) => Some(at.format("%Y-%m-%d %H:%M:%S").to_string()),
            EndTime::Unreadable(text) => Some(text.clone()),
        }),
        status_at: Some(*remote_at),
        max_daily: campaign.and_then(|campaign| campaign.max_daily),
        spend: spend.map(|spend| spend.amount),
        spend_source: spend.map(|spend| spend.source),
        spend_day: spend.map(|spend| spend.day),
        spend_at: spend.map(|spend| spend.at),
        spend_unchanged_since: None,
        remaining_clicks: clicks.as_ref().ok().map(|clicks| Clicks(clicks.count.0)),
        clicks_at: clicks.as_ref().ok().map(|clicks| clicks.at),
    }
}

fn action(action: &Action) -> ActionStatus {
    ActionStatus {
        kind: action.kind,
        step: action.step,
        reason: action.reason.clone(),
        requested_at: action.requested_at,
        accepted_at: action.accepted_at,
        confirmed_at: action.confirmed_at,
        error: action.error.clone(),
    }
}
