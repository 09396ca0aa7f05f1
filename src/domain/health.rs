//! Whether the guard can keep its promises (RULES.md, "Degraded"): a pure function of published data and the time.
//!
//! Deliberately absent: repairs. Each tick tries again by itself.

use std::fmt;

use chrono::{DateTime, Duration, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::action::ActionKind;
use super::alert::ReceiverTrouble;
use super::another_guard::Signs;
use super::clock_difference::ClockDifference;
use super::explain::{ActionProgress, Snapshot};
use super::ids::{CampaignId, RemoteId};
use super::phase::Phase;
use super::policy::Mode;
use super::status::{ActorStatus, DatabaseStatus, LeadershipStatus, RemoteClientStatus, Role};

/// A campaign that has not completed a tick for more than this many tick intervals degrades health.
const TICKS: i32 = 3;
/// An activation that has waited for more than this many tick intervals degrades health.
const WAITING_TICKS: i32 = 2;
/// A pause that is unconfirmed for this long degrades health.
const PAUSE_WITHIN: Duration = Duration::minutes(2);
/// A campaign whose status or clicks were unreadable for this long degrades health.
const BLIND_FOR: Duration = Duration::minutes(15);
/// A receiver of alerts that has failed for this long degrades health.
const RECEIVER_FAILS_FOR: Duration = Duration::minutes(5);
/// At most this many campaigns are named in the reason. The list has all of them.
const NAMED: usize = 5;

/// The answer of `GET /v1/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Health in one word.
    pub status: HealthWord,
    /// The leadership, if several supervisors can share the database. A standby guards nothing; its health is ok while
    /// another supervisor leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leadership: Option<LeadershipStatus>,
    /// The reasons for degraded health; empty if health is ok.
    pub reasons: Vec<Degradation>,
}

/// Health in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthWord {
    /// The guard can keep every promise.
    Ok,
    /// The guard may be unable to keep some promise now.
    Degraded,
}

/// One reason for degraded health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Degradation {
    /// The kind of the problem, a fixed word.
    pub kind: DegradationKind,
    /// The time (UTC) when it began.
    pub since: DateTime<Utc>,
    /// The reason, for operators.
    pub reason: String,
    /// The ids of the campaigns that have the problem; empty if it is not about single campaigns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub campaigns: Vec<CampaignId>,
}

/// The kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DegradationKind {
    /// A guarded campaign has not completed a tick for three tick intervals.
    NoTick,
    /// A pause has been unconfirmed for two minutes.
    PauseUnconfirmed,
    /// The lease has ended and the database does not renew it.
    CutOff,
    /// This supervisor is on standby and no supervisor leads, or this one cannot see which leads.
    #[serde(rename = "nobody-leads")]
    NoLeader,
    /// Database operations fail.
    Database,
    /// Statuses could not be read for three tick intervals, or TrafficStars has ordered a wait.
    TrafficStars,
    /// An operation of TrafficStars failed again and again; its circuit is open and only probes are sent.
    CircuitOpen,
    /// The request budget is too small to read every campaign at every tick.
    BudgetTooSmall,
    /// The status or the remaining clicks of a campaign could not be read for fifteen minutes.
    Unreadable,
    /// A campaign that is promised to run is gone at TrafficStars.
    Gone,
    /// Our clock differs from TrafficStars' clock by a minute or more.
    Clock,
    /// Another program like this one works on the account.
    AnotherGuard,
    /// A campaign runs with its clicks used up, and nothing pauses it: no promise is in force, or it is on hold.
    Unguarded,
    /// Activations have been queued for more than two tick intervals.
    ActivationsWaiting,
    /// A receiver of alerts has taken no message for five minutes, or wants none.
    Alerts,
}

/// The data about one guarded campaign.
#[derive(Debug, Clone, Copy)]
pub struct GuardedCampaign<'a> {
    /// The campaign's database id.
    pub id: CampaignId,
    /// The campaign's id at TrafficStars.
    pub remote: RemoteId,
    /// The status of its actor.
    pub actor: &'a ActorStatus,
    /// The snapshot that the actor published last.
    pub snapshot: &'a Snapshot,
    /// The time (UTC) when the actor died, if no actor built since then has completed a tick.
    pub tickless_since: Option<DateTime<Utc>>,
}

/// A continued failure to read from TrafficStars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFailure {
    /// The time (UTC) since which every round of reads has had a failure.
    pub since: DateTime<Utc>,
    /// The last failure, for operators.
    pub reason: String,
}

/// The times (UTC) since which the parts that all campaigns share have been failing.
#[derive(Debug, Clone, Default)]
pub struct Failing {
    /// The lease: it is not renewed, or no supervisor holds it.
    pub lease_since: Option<DateTime<Utc>>,
    /// The database.
    pub database_since: Option<DateTime<Utc>>,
    /// Reads of statuses from TrafficStars.
    pub reads: Option<ReadFailure>,
    /// The wait that TrafficStars ordered.
    pub blocked_since: Option<DateTime<Utc>>,
    /// The request budget: it is too small for all campaigns.
    pub budget_too_small_since: Option<DateTime<Utc>>,
    /// Our clock: it differs from TrafficStars' clock by a minute or more.
    pub clock_since: Option<DateTime<Utc>>,
    /// The signs of another program like this one.
    pub signs: Signs,
    /// The receivers of alerts that take no messages.
    pub receivers: Vec<ReceiverTrouble>,
}

/// All data that health is judged by.
#[derive(Debug, Clone)]
pub struct Vitals<'a> {
    /// Every guarded campaign.
    pub campaigns: Vec<GuardedCampaign<'a>>,
    /// The campaigns whose generator is disabled and that were last seen running with their clicks used up, and when.
    pub left_unguarded: Vec<(CampaignId, DateTime<Utc>)>,
    /// The state of leadership.
    pub leadership: &'a LeadershipStatus,
    /// The state of the database.
    pub database: &'a DatabaseStatus,
    /// The state of the TrafficStars client.
    pub trafficstar: &'a RemoteClientStatus,
    /// The times since which shared parts have been failing.
    pub failing: Failing,
}

/// Judges health as of `now`.
#[must_use]
pub fn health(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Health {
    let reasons: Vec<Degradation> = [
        no_tick(now, vitals),
        pause_unconfirmed(now, vitals),
        cut_off(vitals),
        no_leader(vitals),
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
        alerts(now, vitals),
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
    about(DegradationKind::NoTick, late.collect(), |named| {
        format!("{named} {} not completed a tick for three tick intervals", named.either("has", "have"))
    })
}

fn pause_unconfirmed(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Option<Degradation> {
    let late = vitals.campaigns.iter().filter_map(|campaign| {
        let since = campaign.snapshot.pausing_since?;
        (now.signed_duration_since(since) >= PAUSE_WITHIN).then_some((campaign.id, since))
    });
    about(DegradationKind::PauseUnconfirmed, late.collect(), |named| {
        let (pause, has) = named.either(("a pause", "has"), ("pauses", "have"));
        format!("{pause} of {named} {has} been unconfirmed for 2 minutes")
    })
}

fn unreadable(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Option<Degradation> {
    let blind = vitals.campaigns.iter().filter_map(|campaign| {
        let snapshot = campaign.snapshot;
        let since = snapshot.status_unknown_since.into_iter().chain(snapshot.clicks_unknown_since).min()?;
        (now.signed_duration_since(since) >= BLIND_FOR).then_some((campaign.id, since))
    });
    about(DegradationKind::Unreadable, blind.collect(), |named| {
        format!("the status or the clicks of {named} could not be read for 15 minutes")
    })
}

/// A wrong `trafficstar_id` guards nothing, and a deleted campaign earns nothing.
fn gone(vitals: &Vitals<'_>) -> Option<Degradation> {
    let gone = vitals.campaigns.iter().filter_map(|campaign| {
        let since = campaign.snapshot.gone_since.filter(|_| campaign.snapshot.phase == Phase::ActiveGuarded)?;
        Some((campaign.id, since))
    });
    about(DegradationKind::Gone, gone.collect(), |named| {
        let are = named.either("is", "are");
        format!("{named} {are} promised to run, but TrafficStars has answered 404 for 15 minutes")
    })
}

/// A campaign that is only above its limit, or in observe mode, is left alone on purpose.
fn unguarded(vitals: &Vitals<'_>) -> Option<Degradation> {
    let acting = vitals.campaigns.iter().filter(|campaign| campaign.snapshot.policy.mode == Mode::Act);
    let unguarded = acting.filter_map(|campaign| {
        let unguarded = campaign.snapshot.unguarded.as_ref().filter(|unguarded| unguarded.clicks_used_up)?;
        Some((campaign.id, unguarded.since))
    });
    let unguarded = unguarded.chain(vitals.left_unguarded.iter().copied());
    about(DegradationKind::Unguarded, unguarded.collect(), |named| {
        let (run, them) = named.either(("runs with its", "it"), ("run with their", "them"));
        format!("{named} {run} clicks used up, and the guard does not pause {them}")
    })
}

/// The operator does not hear of a trouble whose alert does not arrive.
fn alerts(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Option<Degradation> {
    let is_dead =
        |one: &&ReceiverTrouble| one.is_disabled || now.signed_duration_since(one.since) >= RECEIVER_FAILS_FOR;
    let dead: Vec<&ReceiverTrouble> = vitals.failing.receivers.iter().filter(is_dead).collect();
    let since = dead.iter().map(|one| one.since).min()?;
    let each: Vec<String> = dead.iter().map(|one| format!("{} ({})", one.name, one.reason)).collect();
    let reason = format!("no alert arrives at: {}", each.join("; "));
    Some(Degradation { kind: DegradationKind::Alerts, since, reason, campaigns: Vec::new() })
}

/// A request that was sent and is not answered yet is not queued.
fn activations_waiting(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Option<Degradation> {
    let waiting = vitals.campaigns.iter().filter_map(|campaign| {
        let Snapshot { action, progress, policy, .. } = campaign.snapshot;
        let is_unsent = match progress {
            ActionProgress::Postponed | ActionProgress::Unstored => true,
            ActionProgress::InFlight => {
                vitals.trafficstar.queue_places.contains_key(&(campaign.remote, ActionKind::Activate))
            }
            ActionProgress::Settled | ActionProgress::Awaiting => false,
        };
        let action = action.as_ref().filter(|action| is_unsent && action.kind == ActionKind::Activate)?;
        let waits = now.signed_duration_since(action.requested_at) > policy.tick * WAITING_TICKS;
        waits.then_some((campaign.id, action.requested_at))
    });
    let by = vitals.trafficstar.running_again_by;
    let by = by.map(|by| format!("; all are sent by about {}", by.format("%H:%M"))).unwrap_or_default();
    about(DegradationKind::ActivationsWaiting, waiting.collect(), |named| {
        let (activation, has) = named.either(("an activation", "has"), ("activations", "have"));
        format!("{activation} of {named} {has} been queued for more than two tick intervals{by}")
    })
}

/// If two programs undo each other's changes, neither keeps its promises.
fn another_guard(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Option<Degradation> {
    let another = vitals.failing.signs.another_guard(now)?;
    let (kind, since, reason) = (DegradationKind::AnotherGuard, another.since, another.to_string());
    Some(Degradation { kind, since, reason, campaigns: Vec::new() })
}

fn cut_off(vitals: &Vitals<'_>) -> Option<Degradation> {
    let since = vitals.failing.lease_since.filter(|_| vitals.leadership.role == Role::CutOff)?;
    let reason = "the lease has ended and the database does not renew it: this supervisor sends nothing, and another \
                  supervisor may lead"
        .to_owned();
    Some(Degradation { kind: DegradationKind::CutOff, since, reason, campaigns: Vec::new() })
}

/// A standby degrades health while no supervisor leads, because then no supervisor guards the campaigns.
fn no_leader(vitals: &Vitals<'_>) -> Option<Degradation> {
    let (reason, since) = vitals.leadership.no_leader.as_ref().zip(vitals.failing.lease_since)?;
    let reason = format!("no supervisor leads, and no campaign is guarded: {reason}");
    Some(Degradation { kind: DegradationKind::NoLeader, since, reason, campaigns: Vec::new() })
}

fn database(vitals: &Vitals<'_>) -> Option<Degradation> {
    let (error, since) = vitals.database.last_error.as_ref().zip(vitals.failing.database_since)?;
    let reason = format!("the database fails: {error}");
    Some(Degradation { kind: DegradationKind::Database, since, reason, campaigns: Vec::new() })
}

/// One failure means little; a failure for three tick intervals means that no campaign is guarded. After a 429 no
/// request may be sent.
fn trafficstar(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Option<Degradation> {
    let kind = DegradationKind::TrafficStars;
    let blocked = vitals.trafficstar.blocked_until.filter(|&until| until > now);
    if let Some((until, since)) = blocked.zip(vitals.failing.blocked_since) {
        let reason = format!("TrafficStars has asked us to wait until {}: nothing is sent", until.format("%H:%M:%S"));
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

/// The day, its end and each end time are computed from our clock.
fn clock(vitals: &Vitals<'_>) -> Option<Degradation> {
    let since = vitals.failing.clock_since?;
    let difference = ClockDifference(TimeDelta::seconds(vitals.trafficstar.clock_ahead_seconds?));
    let what = if difference.is_far_apart() { "; no campaign is activated" } else { "" };
    let reason = format!("our clock is {difference}: set it right (NTP){what}");
    Some(Degradation { kind: DegradationKind::Clock, since, reason, campaigns: Vec::new() })
}

/// Operators must know when a full read of all campaigns takes longer than one tick.
fn budget_too_small(now: DateTime<Utc>, vitals: &Vitals<'_>) -> Option<Degradation> {
    let reading = &vitals.trafficstar.reading;
    (!reading.reaches()).then(|| Degradation {
        kind: DegradationKind::BudgetTooSmall,
        since: vitals.failing.budget_too_small_since.unwrap_or(now),
        reason: reading.to_string(),
        campaigns: Vec::new(),
    })
}

/// Builds one degradation about several campaigns. It began with the first of them.
fn about(
    kind: DegradationKind,
    campaigns: Vec<(CampaignId, DateTime<Utc>)>,
    sentence: impl FnOnce(&Named<'_>) -> String,
) -> Option<Degradation> {
    let since = campaigns.iter().map(|(_, since)| *since).min()?;
    let ids: Vec<CampaignId> = campaigns.into_iter().map(|(id, _)| id).collect();
    Some(Degradation { kind, since, reason: sentence(&Named(&ids)), campaigns: ids })
}

/// The campaigns of a reason, in words.
struct Named<'a>(&'a [CampaignId]);

impl Named<'_> {
    /// Returns `one` for one campaign, otherwise `several`.
    const fn either<T: Copy>(&self, one: T, several: T) -> T {
        if self.0.len() == 1 { one } else { several }
    }
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<String> = self.0.iter().take(NAMED).map(CampaignId::to_string).collect();
        let rest = self.0.len().saturating_sub(NAMED);
        let noun = self.either("campaign", "campaigns");
        write!(f, "{noun} {}", named.join(", "))?;
        if rest > 0 { write!(f, " and {rest} more") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
