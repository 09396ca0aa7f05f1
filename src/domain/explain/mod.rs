//! Explains why a campaign is or is not running, and what happens next, for people and for programs.
//!
//! [`explain`] builds an [`Explanation`] from what an actor has published: its status and its [`Snapshot`]. The text
//! for people is rendered from the same [`Explanation`] (`cli::explain`), so that both have the same content.
//! Deliberately absent: messages to an actor. That is why an actor that is stuck can be explained, too.

pub mod earlier;
mod facts;
mod next;
mod summary;
mod words;

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::action::{Action, ActionKind, Step, Trigger};
use super::assessment::Assessment;
use super::budget_status::BudgetStatus;
use super::calendar::midnight_after;
use super::decision::Judgement;
use super::decision_log::PastDecision;
use super::ids::{CampaignId, RemoteId};
use super::lease::Leader;
use super::money::{Clicks, Money};
use super::observation::Observation;
use super::phase::{Phase, PhaseWord};
use super::policy::{HighSpend, Mode, Policy};
use super::queue_place::QueuePlace;
use super::remote::StatusWord;
use super::shared_limit::SharedSpend;
use super::spend::SpendSource;
use super::status::{CampaignStatus, Liveness, RemoteClientStatus};
use super::timer::{Timer, TimerKind};
use super::unguarded::Unguarded;
use super::verdict::Verdict;

/// The facts that a campaign actor publishes besides its status.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The policy that it decides by.
    pub policy: Policy,
    /// The promise.
    pub phase: Phase,
    /// The time (UTC) when the actor was built.
    pub built_at: DateTime<Utc>,
    /// The facts of the last tick, and how they were judged then.
    pub assessment: Option<Arc<Assessment>>,
    /// The time (UTC) since which no tick could read the status.
    pub status_unknown_since: Option<DateTime<Utc>>,
    /// The time (UTC) since which no tick could read the remaining clicks.
    pub clicks_unknown_since: Option<DateTime<Utc>>,
    /// The time (UTC) since which TrafficStars has answered 404, if the campaign counts as gone.
    pub gone_since: Option<DateTime<Utc>>,
    /// Set if the campaign runs past a threshold while no promise is in force.
    pub unguarded: Option<Unguarded>,
    /// The time (UTC) when the first unconfirmed pause was decided, while a pause is wanted.
    pub pausing_since: Option<DateTime<Utc>>,
    /// The time (UTC) since which today's spend is unchanged, while the campaign runs.
    pub spend_unchanged_since: Option<DateTime<Utc>>,
    /// Whether the unchanged spend was reported: it lasted long enough, and clicks were used meanwhile.
    pub spend_stands_still: bool,
    /// Whether the generator is being disabled. The promise ends as soon as no action is in flight.
    pub disabling: bool,
    /// Whether an end time must still be set.
    pub end_time_owed: bool,
    /// The last action.
    pub action: Option<Action>,
    /// The operator who ordered it: uid and name.
    pub action_by: Option<String>,
    /// The key of the newest journal entry. The machine does not know it; the actor that stores the entry fills it in.
    pub journal_id: Option<i64>,
    /// The number of records that wait to be stored. The actor that stores them fills it in, too.
    pub unstored_records: usize,
    /// The progress of the last action.
    pub progress: ActionProgress,
    /// The last distinct decisions, the newest first.
    pub decisions: Vec<Arc<PastDecision>>,
    /// The timers that are set.
    pub timers: Vec<Timer>,
}

/// The progress of the last action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionProgress {
    /// It is over, or there was no action.
    Settled,
    /// It was queued for too long and not sent: the next tick decides again.
    Postponed,
    /// It waits for its journal entry to be stored.
    Unstored,
    /// It is queued, or was sent and is not answered.
    InFlight,
    /// It was answered, and a read must still show its result.
    Awaiting,
}

/// The backoff of an actor that died or could not be built, until it is respawned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActorBackoff {
    /// The time (UTC) since which there is no actor.
    pub since: DateTime<Utc>,
    /// The time (UTC) when the actor is respawned.
    pub until: DateTime<Utc>,
}

/// The explanation of one campaign. All times are UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The campaign's database id.
    pub id: CampaignId,
    /// The campaign's name.
    pub name: String,
    /// The campaign's id at TrafficStars.
    pub trafficstar_id: RemoteId,
    /// The time (UTC) when the explanation was made.
    pub at: DateTime<Utc>,
    /// The campaign's condition in one word.
    pub verdict: Verdict,
    /// Whether it runs and why, in one or two sentences.
    pub summary: String,
    /// The promise about it.
    pub promise: PromiseExplained,
    /// The facts that operators should know first.
    pub attention: Vec<String>,
    /// The known facts, with their sources and times.
    pub facts: Facts,
    /// The distance to each threshold; `None` if the campaign is not guarded.
    pub thresholds: Option<Thresholds>,
    /// Today's sums under the limits that it shares with other campaigns.
    #[serde(default)]
    pub shared_limits: Vec<SharedSpend>,
    /// The day's budget; `None` unless the policy from the spend limit on is `top-up`.
    #[serde(default)]
    pub budget: Option<BudgetStatus>,
    /// The timers that are set, the next one first.
    pub timers: Vec<Timer>,
    /// The last distinct decisions, the newest first, including decisions to do nothing.
    pub decisions: Vec<PastDecision>,
    /// The last action, with its steps. After a restart it is the newest of the journal.
    pub action: Option<ActionExplained>,
    /// The next step.
    pub next: NextStep,
}

/// The promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PromiseExplained {
    /// The state.
    pub state: PhaseWord,
    /// The time (UTC) since which it is promised.
    pub since: DateTime<Utc>,
    /// The meaning of the state, for operators.
    pub meaning: String,
}

/// The known facts, with their sources and times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Facts {
    /// The status, read from TrafficStars.
    pub status: StatusFact,
    /// The end time, read from TrafficStars.
    pub end_time: EndTimeFact,
    /// Today's spend.
    pub spend: SpendFact,
    /// `max_daily`, the daily budget at TrafficStars; `None` while unknown.
    #[serde(default)]
    pub max_daily: Option<Money>,
    /// The remaining clicks, read from the database.
    pub clicks: ClicksFact,
}

/// The status of a campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusFact {
    /// The status as judged; `None` before the first read.
    pub judged: Option<StatusWord>,
    /// The reason why the campaign is blocked, unknown or stopped, for operators.
    pub reason: Option<String>,
    /// TrafficStars' `status`.
    pub remote_status: Option<String>,
    /// TrafficStars' `active`.
    pub remote_active: Option<bool>,
    /// TrafficStars' `approved`, the result of its moderation.
    pub remote_approved: Option<String>,
    /// TrafficStars' `stopped`, the reason why it is stopped.
    #[serde(default)]
    pub remote_stopped: Option<String>,
    /// The time (UTC) when TrafficStars answered.
    pub at: Option<DateTime<Utc>>,
    /// The time (UTC) since which the status is unknown; `None` if it is known.
    pub unknown_since: Option<DateTime<Utc>>,
}

/// The end time of a campaign, at which it stops by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndTimeFact {
    /// TrafficStars' end time; `None` if it is unset or unknown.
    pub end_time: Option<DateTime<Utc>>,
    /// Whether it was read and no end time is set.
    pub unset: bool,
    /// Whether the program must still set one.
    pub owed: bool,
    /// The time (UTC) when TrafficStars answered.
    pub at: Option<DateTime<Utc>>,
}

/// Today's spend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpendFact {
    /// The amount; `None` while unknown.
    pub amount: Option<Money>,
    /// The source of the amount.
    pub source: Option<SpendSource>,
    /// The UTC day of the amount.
    pub day: Option<NaiveDate>,
    /// The time (UTC) when the source gave this amount.
    pub at: Option<DateTime<Utc>>,
    /// The reason why the amount is unknown, for operators.
    pub doubt: Option<String>,
    /// The time (UTC) since which the amount is unchanged, while the campaign runs.
    #[serde(default)]
    pub unchanged_since: Option<DateTime<Utc>>,
}

/// The remaining clicks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClicksFact {
    /// The number of clicks; `None` if the database could not be read.
    pub remaining: Option<Clicks>,
    /// Whether none remain because the campaign has no active URL.
    #[serde(default)]
    pub has_no_urls: bool,
    /// The time (UTC) when the database was read.
    pub at: Option<DateTime<Utc>>,
    /// The reason why the clicks are unknown, or too doubtful to activate by.
    pub doubt: Option<String>,
    /// The time (UTC) since which they are in doubt; `None` if they are not.
    pub unknown_since: Option<DateTime<Utc>>,
}

/// The distance to each threshold: 0 if it is reached, `None` while it is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Thresholds {
    /// At or below this number of clicks the campaign is paused.
    pub pause_clicks: Clicks,
    /// The number of clicks left until then.
    pub clicks_to_pause: Option<Clicks>,
    /// At or above this number of clicks the campaign is activated.
    pub activate_clicks: Clicks,
    /// The number of clicks missing until then.
    pub clicks_to_activation: Option<Clicks>,
    /// From this spend on the policy `high_spend` decides.
    pub spend_limit: Money,
    /// The money that may be spent until then.
    pub spend_to_limit: Option<Money>,
    /// The policy from the spend limit on.
    #[serde(default)]
    pub high_spend: HighSpend,
}

/// The last action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionExplained {
    /// The kind of the action.
    pub kind: ActionKind,
    /// The trigger.
    pub trigger: Trigger,
    /// The reason, for operators.
    pub reason: String,
    /// The last step that it reached.
    pub step: Step,
    /// The time (UTC) when it was decided.
    pub requested_at: DateTime<Utc>,
    /// The time (UTC) when TrafficStars accepted it.
    pub accepted_at: Option<DateTime<Utc>>,
    /// The time (UTC) when a read confirmed it.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// The time (UTC) when it failed or was superseded.
    pub failed_at: Option<DateTime<Utc>>,
    /// The reason of the failure, for operators.
    pub error: Option<String>,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextStep {
    /// The time (UTC) when it happens; `None` if that cannot be predicted.
    pub at: Option<DateTime<Utc>>,
    /// The next event, for operators.
    pub then: String,
    /// The facts that would change that, for operators.
    pub unless: Vec<String>,
}

/// The inputs of an explanation.
struct Case<'a> {
    now: DateTime<Utc>,
    status: &'a CampaignStatus,
    snapshot: &'a Snapshot,
    /// The facts of the last tick.
    observation: Option<&'a Observation>,
    /// The judgement of the observed facts by the present policy.
    judged: Option<Judgement>,
    trafficstar: &'a RemoteClientStatus,
}

impl Explanation {
    /// Returns the explanation with one more line that operators should know, before all others.
    #[must_use]
    pub fn with_attention(mut self, line: Option<String>) -> Self {
        self.attention.splice(0..0, line);
        self
    }
}

impl Case<'_> {
    fn timer(&self, kind: TimerKind) -> Option<DateTime<Utc>> {
        self.snapshot.timers.iter().find(|timer| timer.kind == kind).map(|timer| timer.at)
    }

    /// Returns the queue place of its unsent change, if it has one.
    fn turn(&self) -> Option<&QueuePlace> {
        let kind = self.snapshot.action.as_ref()?.kind;
        self.trafficstar.queue_places.get(&(self.status.trafficstar_id, kind))
    }

    fn is_to_be_activated(&self) -> bool {
        let action = self.snapshot.action.as_ref().filter(|_| self.snapshot.progress != ActionProgress::Settled);
        action.is_some_and(|action| action.kind == ActionKind::Activate)
    }

    fn observes(&self) -> bool {
        self.snapshot.policy.mode == Mode::Observe
    }

    /// Returns when the overdue tick was due, if it is overdue by more than one tick interval: then the actor, or what
    /// it waits for, is stuck.
    fn overdue_since(&self) -> Option<DateTime<Utc>> {
        // A campaign whose generator is being disabled does not tick.
        let due_at = self.timer(TimerKind::NextTick).filter(|_| !self.snapshot.disabling)?;
        (self.now.signed_duration_since(due_at) > self.snapshot.policy.tick).then_some(due_at)
    }
}

/// Explains one campaign as of `now`. Without a snapshot its generator is disabled, or its actor is not built yet.
#[must_use]
pub fn explain(
    now: DateTime<Utc>,
    status: &CampaignStatus,
    snapshot: Option<&Snapshot>,
    backoff: Option<ActorBackoff>,
    trafficstar: &RemoteClientStatus,
) -> Explanation {
    let (Some(snapshot), Some(actor)) = (snapshot, &status.actor) else { return unguarded(now, status) };
    let assessment = snapshot.assessment.as_deref();
    let observation = assessment.map(|facts| &facts.observation);
    // The facts are judged again: since the last tick midnight or an end time may have passed.
    let judged = assessment.map(|facts| facts.judged_at(now, &snapshot.policy));
    let case = Case { now, status, snapshot, observation, judged, trafficstar };
    let is_respawning = actor.status == Liveness::Restarting;
    Explanation {
        summary: if is_respawning { summary::without_actor(backoff) } else { summary::summary(&case) },
        promise: if status.ordered.generator_enabled {
            PromiseExplained { meaning: summary::promise(&case), ..promise(status) }
        } else {
            promise(status)
        },
        attention: summary::attention(&case),
        facts: facts::facts(&case),
        thresholds: Some(facts::thresholds(&case)),
        timers: timers(&case, backoff, is_respawning),
        decisions: snapshot.decisions.iter().map(|decision| (**decision).clone()).collect(),
        action: snapshot.action.as_ref().map(action),
        next: if is_respawning { next::respawn(backoff) } else { next::next(&case) },
        ..unguarded(now, status)
    }
}

/// Explains one campaign on a standby. It reads nothing at TrafficStars, and shows what the leader stored.
#[must_use]
pub fn explain_from_standby(now: DateTime<Utc>, status: &CampaignStatus, leader: Option<&Leader>) -> Explanation {
    let explanation = unguarded(now, status);
    if !status.ordered.generator_enabled {
        return explanation;
    }
    Explanation { summary: summary::from_standby(leader), next: next::from_standby(), ..explanation }
}

/// Explains a campaign without an actor, mostly one whose generator is disabled. It shows the facts as last read.
fn unguarded(now: DateTime<Utc>, status: &CampaignStatus) -> Explanation {
    let is_enabled = status.ordered.generator_enabled;
    // The cool-down of a campaign that is not guarded has no effect.
    let cool_down_end = status.cooling_down_until.filter(|&at| at > now && is_enabled);
    Explanation {
        id: status.id,
        name: status.name.clone(),
        trafficstar_id: status.trafficstar_id,
        at: now,
        verdict: status.verdict,
        summary: summary::of_unguarded(now, status),
        promise: promise(status),
        attention: status.ordered.hold.as_ref().map(|hold| summary::on_hold(hold, is_enabled)).into_iter().collect(),
        facts: facts::last_seen(now, &status.observed),
        thresholds: None,
        shared_limits: status.shared_limits.clone(),
        budget: status.budget.clone(),
        timers: cool_down_end.map(|at| Timer { kind: TimerKind::CoolDownEnd, at }).into_iter().collect(),
        decisions: Vec::new(),
        action: None,
        next: next::of_unguarded(status),
    }
}

/// Returns the promise. A campaign whose generator is disabled has none, regardless of its stored state.
fn promise(status: &CampaignStatus) -> PromiseExplained {
    let is_enabled = status.ordered.generator_enabled;
    let meaning = if is_enabled { summary::meaning(status.state) } else { "none while its generator is disabled" };
    PromiseExplained { state: status.state, since: status.since, meaning: meaning.to_owned() }
}

/// Returns the timers, the next one first. An actor that died does not tick or read; its other timers still count.
fn timers(case: &Case<'_>, backoff: Option<ActorBackoff>, is_respawning: bool) -> Vec<Timer> {
    let is_due = |kind| match kind {
        TimerKind::NextTick | TimerKind::ReadBack | TimerKind::ConfirmBy => !is_respawning,
        TimerKind::CoolDownEnd
        | TimerKind::RunBackoff
        | TimerKind::ContestedBackoff
        | TimerKind::NotFoundPause
        | TimerKind::ContestedEnd
        | TimerKind::DayEnd
        | TimerKind::Midnight
        | TimerKind::HoldEnd
        | TimerKind::TopUp
        | TimerKind::Respawn => false,
    };
    let mut timers: Vec<Timer> =
        case.snapshot.timers.iter().filter(|timer| timer.at > case.now || is_due(timer.kind)).copied().collect();
    if !case.status.ordered.generator_enabled {
        timers.retain(|timer| timer.kind != TimerKind::CoolDownEnd);
    }
    if is_respawning {
        timers.retain(|timer| !matches!(timer.kind, TimerKind::NextTick | TimerKind::ReadBack | TimerKind::ConfirmBy));
    }
    let policy = &case.snapshot.policy;
    let of_the_day = if policy.past_day_end(case.now) {
        Timer { kind: TimerKind::Midnight, at: midnight_after(case.now) }
    } else {
        Timer { kind: TimerKind::DayEnd, at: policy.day_end_on(case.now) }
    };
    timers.push(of_the_day);
    let hold_end = case.status.ordered.hold.as_ref().and_then(|hold| hold.until);
    timers.extend(hold_end.map(|at| Timer { kind: TimerKind::HoldEnd, at }));
    timers
        .extend(backoff.filter(|_| is_respawning).map(|backoff| Timer { kind: TimerKind::Respawn, at: backoff.until }));
    timers.sort_by_key(|timer| timer.at);
    timers
}

fn action(action: &Action) -> ActionExplained {
    ActionExplained {
        kind: action.kind,
        trigger: action.trigger,
        reason: action.reason.clone(),
        step: action.step,
        requested_at: action.requested_at,
        accepted_at: action.accepted_at,
        confirmed_at: action.confirmed_at,
        failed_at: action.failed_at,
        error: action.error.clone(),
    }
}
