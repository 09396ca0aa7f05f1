//! Whether the guard can keep its promises (RULES.md, "Degraded"): a pure function of what was published, and now.
//!
//! Deliberately absent: repairing anything; each tick tries anew by itself.

use std::fmt;

use chrono::{DateTime, Duration, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::action::ActionKind;
use super::another_guard::Signs;
use super::clock_difference::ClockDifference;
use super::explain::{ActionProgress, Snapshot};
use super::ids::{CampaignId, RemoteId};
use super::phase::Phase;
use super::policy::Mode;
use super::status::{ActorStatus, DatabaseStatus, LeadershipStatus, RemoteClientStatus, Role};

/// So many ticks without a completed one are too many.
const TICKS: i32 = 3;
/// An activation that waited for so many has waited too long.
const WAITING_TICKS: i32 = 2;
/// A pause that was not confirmed for this long is too late.
const PAUSE_WITHIN: Duration = Duration::minutes(2);
/// A campaign whose status or clicks could not be read for this long is not guarded.
const BLIND_FOR: Duration = Duration::minutes(15);
/// So many campaigns are named in words; all are in the list.
const NAMED: usize = 5;

/// The answer of `GET /v1/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// In a word.
    pub status: HealthWord,
    /// Who leads, where several supervisors may live on the database. One that stands by guards nothing, and is well while
    /// another one leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leadership: Option<LeadershipStatus>,
    /// What is wrong, if anything.
    pub reasons: Vec<Degradation>,
}

/// Health in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthWord {
    /// Every promise can be kept.
    Ok,
    /// Some promise may not be kept now.
    Degraded,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Degradation {
    /// In a word that never changes.
    pub kind: DegradationKind,
    /// Since when.
    pub since: DateTime<Utc>,
    /// In words.
    pub reason: String,
    /// Which campaigns; none where it is not about single ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub campaigns: Vec<CampaignId>,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DegradationKind {
    /// A guarded campaign has completed no tick in three.
    NoTick,
    /// A pause has not been confirmed for two minutes.
    PauseUnconfirmed,
    /// The lease on leadership has ended, and the database has not renewed it.
    CutOff,
    /// This supervisor stands by, and nobody leads, or it cannot see who does.
    NobodyLeads,
    /// The database fails.
    Database,
    /// Statuses could not be read for three ticks, or TrafficStars has told us to wait.
    TrafficStars,
    /// An operation of TrafficStars failed again and again, and is left alone but for probes.
    CircuitOpen,
    /// The limit of requests does not allow to read every campaign at every tick.
    BudgetTooSmall,
    /// A status or remaining clicks could not be read for fifteen minutes.
    Unreadable,
    /// A campaign that was promised to run is gone at TrafficStars.
    Gone,
    /// Our clock is a minute or more away from TrafficStars'.
    Clock,
    /// Another program like this one works on the account.
    AnotherGuard,
    /// A campaign runs with its clicks used up, and nothing pauses it: nothing is promised about it, or it is on hold.
    Unguarded,
    /// Activations have waited for two ticks to leave.
    ActivationsWaiting,
}

/// What is known of a guarded campaign.
#[derive(Debug, Clone, Copy)]
pub struct GuardedCampaign<'a> {
    /// Which.
    pub id: CampaignId,
    /// The campaign at TrafficStars.
    pub remote: RemoteId,
    /// Its actor.
    pub actor: &'a ActorStatus,
    /// What the actor has published.
    pub snapshot: &'a Snapshot,
    /// The actor died then, and none that was built since has completed a tick.
    pub tickless_since: Option<DateTime<Utc>>,
}

/// TrafficStars cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFailure {
    /// Since when every round of reads has had a failure in it.
    pub since: DateTime<Utc>,
    /// The last one, in words.
    pub reason: String,
}

/// Since when the parts that all share have been failing.
#[derive(Debug, Clone, Default)]
pub struct Failing {
    /// The lease on leadership: it is not renewed, or nobody holds it.
    pub lease_since: Option<DateTime<Utc>>,
    /// The database.
    pub database_since: Option<DateTime<Utc>>,
    /// Reads of statuses from TrafficStars.
    pub reads: Option<ReadFailure>,
    /// TrafficStars has told us to wait.
    pub blocked_since: Option<DateTime<Utc>>,
    /// The limit of requests does not reach for all campaigns.
    pub budget_too_small_since: Option<DateTime<Utc>>,
    /// Our clock is a minute or more away from TrafficStars'.
    pub clock_since: Option<DateTime<Utc>>,
    /// What looks like another program like this one.
    pub signs: Signs,
}

/// All that health is judged by.
#[derive(Debug, Clone)]
pub struct Vitals<'a> {
    /// Every guarded campaign.
    pub campaigns: Vec<GuardedCampaign<'a>>,
    /// Those whose generator is disabled, and that were seen running with their clicks used up, and when.
    pub left_unguarded: Vec<(CampaignId, DateTime<Utc>)>,
    /// Who leads.
    pub leadership: &'a LeadershipStatus,
    /// The database.
    pub database: &'a DatabaseStatus,
    /// The client of TrafficStars.
    pub trafficstar: &'a RemoteClientStatus,
    /// Since when they have been failing.
    pub failing: Failing,
}

/// Judges health as of `now`.
#[must_use]
pub fn health(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Health {
    let reasons: Vec<Degradation> = [
        no_tick(now, vitals),
        pause_unconfirmed(now, vitals),
        cut_off(vitals),
        nobody_leads(vitals),
        database(vitals),
        trafficstar(now, vitals),
        circuit_open(vitals),
        budget_too_small(now, vitals),
        unreadable(now, vitals),
        gone(vitals),
        clock(vitals),
        another_guard(now, vitals),
        unguarded(vitals),
        activations_waiting(now, vitals),
    ]
    .into_iter()
    .flatten()
    .collect();
    let status = if reasons.is_empty() { HealthWord::Ok } else { HealthWord::Degraded };
    let leadership = vitals.leadership.epoch.map(|_| vitals.leadership.clone());
    Health { status, leadership, reasons }
}

fn no_tick(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Option<Degradation> {
    let late = vitals.campaigns.iter().filter_map(|campaign| {
        let last = campaign.actor.last_tick_at.or(campaign.tickless_since).unwrap_or(campaign.snapshot.built_at);
        (now.signed_duration_since(last) > campaign.snapshot.policy.tick * TICKS).then_some((campaign.id, last))
    });
    about(DegradationKind::NoTick, late.collect(), "no tick has been completed in three by")
}

fn pause_unconfirmed(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Option<Degradation> {
    let late = vitals.campaigns.iter().filter_map(|campaign| {
        let since = campaign.snapshot.pausing_since?;
        (now.signed_duration_since(since) >= PAUSE_WITHIN).then_some((campaign.id, since))
    });
    about(DegradationKind::PauseUnconfirmed, late.collect(), "a pause has not been confirmed for two minutes of")
}

fn unreadable(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Option<Degradation> {
    let blind = vitals.campaigns.iter().filter_map(|campaign| {
        let snapshot = campaign.snapshot;
        let since = snapshot.status_unknown_since.into_iter().chain(snapshot.clicks_unknown_since).min()?;
        (now.signed_duration_since(since) >= BLIND_FOR).then_some((campaign.id, since))
    });
    let words = "the status or the remaining clicks could not be read for 15 minutes of";
    about(DegradationKind::Unreadable, blind.collect(), words)
}

/// A wrong `trafficstar_id` guards nothing, and a deleted campaign earns nothing.
fn gone(vitals: &Vitals<'_>) -> Option<Degradation> {
    let gone = vitals.campaigns.iter().filter_map(|campaign| {
        let since = campaign.snapshot.gone_since.filter(|_| campaign.snapshot.phase == Phase::ActiveGuarded)?;
        Some((campaign.id, since))
    });
    about(
        DegradationKind::Gone,
        gone.collect(),
        "TrafficStars has answered 404 for 15 minutes for what was promised to run:",
    )
}

/// Above the limit alone, and in observe mode, a campaign is left to itself on purpose.
fn unguarded(vitals: &Vitals<'_>) -> Option<Degradation> {
    let acting = vitals.campaigns.iter().filter(|campaign| campaign.snapshot.policy.mode == Mode::Act);
    let unguarded = acting.filter_map(|campaign| {
        let unguarded = campaign.snapshot.unguarded.as_ref().filter(|unguarded| unguarded.clicks_used_up)?;
        Some((campaign.id, unguarded.since))
    });
    let unguarded = unguarded.chain(vitals.left_unguarded.iter().copied());
    about(DegradationKind::Unguarded, unguarded.collect(), "nothing pauses what runs with its clicks used up:")
}

/// What was sent, and not answered yet, does not wait for its turn.
fn activations_waiting(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Option<Degradation> {
    let waiting = vitals.campaigns.iter().filter_map(|campaign| {
        let Snapshot { action, progress, policy, .. } = campaign.snapshot;
        let is_unsent = match progress {
            ActionProgress::Postponed | ActionProgress::Unstored => true,
            ActionProgress::InFlight => vitals.trafficstar.turns.contains_key(&(campaign.remote, ActionKind::Activate)),
            ActionProgress::Settled | ActionProgress::Awaiting => false,
        };
        let action = action.as_ref().filter(|action| is_unsent && action.kind == ActionKind::Activate)?;
        let waits = now.signed_duration_since(action.requested_at) > policy.tick * WAITING_TICKS;
        waits.then_some((campaign.id, action.requested_at))
    });
    let by =
        vitals.trafficstar.running_again_by.map(|by| format!(", which all leave by about {},", by.format("%H:%M")));
    let words = format!("activations have waited for two ticks{} of", by.unwrap_or_default());
    about(DegradationKind::ActivationsWaiting, waiting.collect(), &words)
}

/// Two programs that each undo what the other does keep no promise.
fn another_guard(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Option<Degradation> {
    let another = vitals.failing.signs.another_guard(now)?;
    let (kind, since, reason) = (DegradationKind::AnotherGuard, another.since, another.to_string());
    Some(Degradation { kind, since, reason, campaigns: Vec::new() })
}

fn cut_off(vitals: &Vitals<'_>) -> Option<Degradation> {
    let since = vitals.failing.lease_since.filter(|_| vitals.leadership.role == Role::CutOff)?;
    let reason = "the lease on leadership has ended and the database does not renew it: nothing is sent, and another \
                  supervisor may lead"
        .to_owned();
    Some(Degradation { kind: DegradationKind::CutOff, since, reason, campaigns: Vec::new() })
}

/// Whoever stands by beside nobody guards nothing, and nobody else does.
fn nobody_leads(vitals: &Vitals<'_>) -> Option<Degradation> {
    let (reason, since) = vitals.leadership.nobody_leads.as_ref().zip(vitals.failing.lease_since)?;
    let reason = format!("nobody leads, and no campaign is guarded: {reason}");
    Some(Degradation { kind: DegradationKind::NobodyLeads, since, reason, campaigns: Vec::new() })
}

fn database(vitals: &Vitals<'_>) -> Option<Degradation> {
    let (error, since) = vitals.database.last_error.as_ref().zip(vitals.failing.database_since)?;
    let reason = format!("the database fails: {error}");
    Some(Degradation { kind: DegradationKind::Database, since, reason, campaigns: Vec::new() })
}

/// One failure says little; one that outlasts three ticks means that nobody is guarded. After a 429 nothing may leave.
fn trafficstar(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Option<Degradation> {
    let kind = DegradationKind::TrafficStars;
    let blocked = vitals.trafficstar.blocked_until.filter(|&until| until > now);
    if let Some((until, since)) = blocked.zip(vitals.failing.blocked_since) {
        let reason = format!("TrafficStars has told us to wait until {}: nothing is sent", until.format("%H:%M:%S"));
        return Some(Degradation { kind, since, reason, campaigns: Vec::new() });
    }
    let ReadFailure { since, reason } = vitals.failing.reads.clone()?;
    let tick = vitals.campaigns.iter().map(|campaign| campaign.snapshot.policy.tick).min()?;
    let reason = format!("statuses cannot be read from TrafficStars: {reason}");
    (now.signed_duration_since(since) > tick * TICKS).then_some(Degradation {
        kind,
        since,
        reason,
        campaigns: Vec::new(),
    })
}

fn circuit_open(vitals: &Vitals<'_>) -> Option<Degradation> {
    let open = || vitals.trafficstar.circuits.iter().filter(|circuit| circuit.since.is_some());
    let since = open().filter_map(|circuit| circuit.since).min()?;
    let each: Vec<String> = open().map(|circuit| format!("{} ({})", circuit.operation, circuit.last_error)).collect();
    let reason = format!("TrafficStars fails again and again at: {}", each.join("; "));
    Some(Degradation { kind: DegradationKind::CircuitOpen, since, reason, campaigns: Vec::new() })
}

/// The day, its end and each end time are read from our clock.
fn clock(vitals: &Vitals<'_>) -> Option<Degradation> {
    let since = vitals.failing.clock_since?;
    let difference = ClockDifference(TimeDelta::seconds(vitals.trafficstar.clock_ahead_seconds?));
    let what = if difference.is_far_apart() { "; nothing is activated" } else { "" };
    let reason = format!("our clock is {difference}: set it right (NTP){what}");
    Some(Degradation { kind: DegradationKind::Clock, since, reason, campaigns: Vec::new() })
}

/// The bound within which each campaign is read is a promise, too; beyond one tick people should know.
fn budget_too_small(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Option<Degradation> {
    let reading = &vitals.trafficstar.reading;
    (!reading.reaches()).then(|| Degradation {
        kind: DegradationKind::BudgetTooSmall,
        since: vitals.failing.budget_too_small_since.unwrap_or(now),
        reason: reading.to_string(),
        campaigns: Vec::new(),
    })
}

/// One reason about several campaigns, since the first of them.
fn about(kind: DegradationKind, campaigns: Vec<(CampaignId, DateTime<Utc>)>, words: &str) -> Option<Degradation> {
    let since = campaigns.iter().map(|(_, since)| *since).min()?;
    let ids: Vec<CampaignId> = campaigns.into_iter().map(|(id, _)| id).collect();
    Some(Degradation { kind, since, reason: format!("{words} {}", Named(&ids)), campaigns: ids })
}

struct Named<'a>(&'a [CampaignId]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<String> = self.0.iter().take(NAMED).map(CampaignId::to_string).collect();
        let rest = self.0.len().saturating_sub(NAMED);
        let noun = if self.0.len() == 1 { "campaign" } else { "campaigns" };
        write!(f, "{noun} {}", named.join(", "))?;
        if rest > 0 { write!(f, " and {rest} more") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
