//! Why is this campaign (not) running, and what happens next? One answer, for people and for programs.
//!
//! [`explain`] puts an [`Explanation`] together from what an actor has published: its status and its [`Snapshot`]. The
//! text for people is rendered from the same [`Explanation`] (`cli::explain`), so that both say the same. Deliberately
//! absent: asking an actor. A stuck one is explained, too.

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
use super::calendar::midnight_after;
use super::decision::Judgement;
use super::decision_log::PastDecision;
use super::ids::{CampaignId, RemoteId};
use super::lease::Leader;
use super::money::{Clicks, Money};
use super::observation::Observation;
use super::phase::{Phase, PhaseWord};
use super::policy::{Mode, Policy};
use super::queue_place::QueuePlace;
use super::remote::StatusWord;
use super::spend::SpendSource;
use super::status::{CampaignStatus, Liveness, RemoteClientStatus};
use super::timer::{Timer, TimerKind};
use super::unguarded::Unguarded;
use super::verdict::Verdict;

/// What a campaign actor publishes beside its status.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The numbers by which it decides.
    pub policy: Policy,
    /// What is promised.
    pub phase: Phase,
    /// When the actor was built.
    pub built_at: DateTime<Utc>,
    /// What the last tick found out, and what it was judged to be then.
    pub assessment: Option<Arc<Assessment>>,
    /// Since when no tick could tell the status.
    pub status_unknown_since: Option<DateTime<Utc>>,
    /// Since when no tick could tell the remaining clicks.
    pub clicks_unknown_since: Option<DateTime<Utc>>,
    /// Since when TrafficStars has answered 404, if it is gone by now.
    pub gone_since: Option<DateTime<Utc>>,
    /// It runs past a threshold, and no promise is in force.
    pub unguarded: Option<Unguarded>,
    /// When the first pause was decided of which none has been confirmed, while it is wanted.
    pub pausing_since: Option<DateTime<Utc>>,
    /// Since when today's spend is the same, while the campaign runs.
    pub spend_unchanged_since: Option<DateTime<Utc>>,
    /// It has been the same for so long, with clicks going on, that this was told.
    pub spend_stands_still: bool,
    /// Its generator is being disabled: the promise ends once nothing is on its way.
    pub disabling: bool,
    /// An end time is still to be set.
    pub end_time_owed: bool,
    /// The last action.
    pub action: Option<Action>,
    /// Whose order it was: uid and name.
    pub action_by: Option<String>,
    /// The key of the newest journal entry, which the machine does not know: whoever stores it says so.
    pub journal_id: Option<i64>,
    /// Where it stands.
    pub progress: ActionProgress,
    /// The last distinct decisions, the newest first.
    pub decisions: Vec<Arc<PastDecision>>,
    /// What runs.
    pub timers: Vec<Timer>,
}

/// Where the last action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionProgress {
    /// It is over, or there was none.
    Settled,
    /// Its turn did not come in time: the next tick decides anew.
    Postponed,
    /// It waits for its journal entry to be stored.
    Unstored,
    /// It waits for its turn, or was sent, and its answer is waited for.
    InFlight,
    /// It was answered; a read has to show it.
    Awaiting,
}

/// An actor that died, or could not be built, waits to be built anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActorBackoff {
    /// Since when there is no actor.
    pub since: DateTime<Utc>,
    /// When the next one is built.
    pub until: DateTime<Utc>,
}

/// The answer. Times are UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// Its row's key.
    pub id: CampaignId,
    /// Its name.
    pub name: String,
    /// Its id at TrafficStars.
    pub trafficstar_id: RemoteId,
    /// When this was explained.
    pub at: DateTime<Utc>,
    /// How it is, in one word.
    pub verdict: Verdict,
    /// Whether it runs and why, in a sentence or two.
    pub summary: String,
    /// What is promised about it.
    pub promise: PromiseExplained,
    /// What a person should know before anything else.
    pub attention: Vec<String>,
    /// What is known, by whom, and since when.
    pub facts: Facts,
    /// How far it is to each threshold; none while nobody guards it.
    pub thresholds: Option<Thresholds>,
    /// What runs, the next to end first.
    pub timers: Vec<Timer>,
    /// The last distinct decisions, the newest first, those to do nothing included.
    pub decisions: Vec<PastDecision>,
    /// The last action, with its steps. After a restart it is the journal's newest.
    pub action: Option<ActionExplained>,
    /// What happens next.
    pub next: NextStep,
}

/// What is promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PromiseExplained {
    /// The state.
    pub state: PhaseWord,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What the state promises, in words.
    pub meaning: String,
}

/// What is known, with its source and when it said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Facts {
    /// Whether it runs, read from TrafficStars.
    pub status: StatusFact,
    /// When it stops by itself, read from TrafficStars.
    pub end_time: EndTimeFact,
    /// Today's spend.
    pub spend: SpendFact,
    /// The remaining clicks, read from the database.
    pub clicks: ClicksFact,
}

/// Whether it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusFact {
    /// As judged; none before the first read.
    pub judged: Option<StatusWord>,
    /// Why it is blocked, unknown or stopped, in words.
    pub reason: Option<String>,
    /// TrafficStars' own word.
    pub remote_status: Option<String>,
    /// TrafficStars' `active`.
    pub remote_active: Option<bool>,
    /// TrafficStars' word of moderation.
    pub remote_approved: Option<String>,
    /// TrafficStars' word for why it is stopped.
    #[serde(default)]
    pub remote_stopped: Option<String>,
    /// When TrafficStars answered.
    pub at: Option<DateTime<Utc>>,
    /// Since when it has not been known, if so.
    pub unknown_since: Option<DateTime<Utc>>,
}

/// When it stops by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndTimeFact {
    /// TrafficStars' end time; none where none is set, or it is not known.
    pub end_time: Option<DateTime<Utc>>,
    /// It was read, and no end time is set.
    pub unset: bool,
    /// The program still has to set one.
    pub owed: bool,
    /// When TrafficStars answered.
    pub at: Option<DateTime<Utc>>,
}

/// Today's spend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpendFact {
    /// How much; none while unknown.
    pub amount: Option<Money>,
    /// Who says so.
    pub source: Option<SpendSource>,
    /// For which UTC day.
    pub day: Option<NaiveDate>,
    /// When the source said so.
    pub at: Option<DateTime<Utc>>,
    /// Why it is unknown, in words.
    pub doubt: Option<String>,
    /// Since when it is the same, while the campaign runs.
    #[serde(default)]
    pub unchanged_since: Option<DateTime<Utc>>,
}

/// The remaining clicks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClicksFact {
    /// How many; none where the database could not be read.
    pub remaining: Option<Clicks>,
    /// None remain, since there is no active URL to count them.
    #[serde(default)]
    pub has_no_urls: bool,
    /// When the database was read.
    pub at: Option<DateTime<Utc>>,
    /// Why they are unknown, or known too badly to start anything by them.
    pub doubt: Option<String>,
    /// Since when they have been in doubt, if so.
    pub unknown_since: Option<DateTime<Utc>>,
}

/// How far it is to each threshold: 0 where it is reached, none while it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Thresholds {
    /// With this many clicks or fewer it is paused.
    pub pause_clicks: Clicks,
    /// So many clicks are left until then.
    pub clicks_to_pause: Option<Clicks>,
    /// With this many clicks or more it is activated.
    pub activate_clicks: Clicks,
    /// So many clicks are missing.
    pub clicks_to_activation: Option<Clicks>,
    /// From this spend on it is left alone.
    pub spend_limit: Money,
    /// So much may be spent until then.
    pub spend_to_limit: Option<Money>,
}

/// The last action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionExplained {
    /// What was asked.
    pub kind: ActionKind,
    /// What made it due.
    pub trigger: Trigger,
    /// Why, in words.
    pub reason: String,
    /// How far it got.
    pub step: Step,
    /// When it was decided.
    pub requested_at: DateTime<Utc>,
    /// When TrafficStars accepted it.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When a read showed it.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// When it failed.
    pub failed_at: Option<DateTime<Utc>>,
    /// What went wrong, in words.
    pub error: Option<String>,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextStep {
    /// When; none where no time can be told.
    pub at: Option<DateTime<Utc>>,
    /// What, in words.
    pub then: String,
    /// What would make it otherwise, in words.
    pub unless: Vec<String>,
}

/// All that an answer is made of.
struct Case<'a> {
    now: DateTime<Utc>,
    status: &'a CampaignStatus,
    snapshot: &'a Snapshot,
    /// What the last tick found out.
    observation: Option<&'a Observation>,
    /// What that is now.
    judged: Option<Judgement>,
    trafficstar: &'a RemoteClientStatus,
}

impl Explanation {
    /// The same with one more thing that a person should know, before all others.
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

    /// When the turn comes of its change that has not left.
    fn turn(&self) -> Option<&QueuePlace> {
        let kind = self.snapshot.action.as_ref()?.kind;
        self.trafficstar.turns.get(&(self.status.trafficstar_id, kind))
    }

    fn is_to_be_activated(&self) -> bool {
        let action = self.snapshot.action.as_ref().filter(|_| self.snapshot.progress != ActionProgress::Settled);
        action.is_some_and(|action| action.kind == ActionKind::Activate)
    }

    fn observes(&self) -> bool {
        self.snapshot.policy.mode == Mode::Observe
    }

    /// Since when a tick has been overdue by more than a tick's length, if so: the actor, or what it waits for, is stuck.
    fn overdue_since(&self) -> Option<DateTime<Utc>> {
        // A campaign that is let go ticks no more.
        let due_at = self.timer(TimerKind::NextTick).filter(|_| !self.snapshot.disabling)?;
        (self.now.signed_duration_since(due_at) > self.snapshot.policy.tick).then_some(due_at)
    }
}

/// Explains one campaign as of `now`. Without an snapshot its generator is disabled, or its actor is not built yet.
#[must_use]
pub fn explain(
    now: DateTime<Utc>,
    status: &CampaignStatus,
    snapshot: Option<&Snapshot>,
    rest: Option<ActorBackoff>,
    trafficstar: &RemoteClientStatus,
) -> Explanation {
    let (Some(snapshot), Some(actor)) = (snapshot, &status.actor) else { return unguarded(now, status) };
    let assessment = snapshot.assessment.as_deref();
    let observation = assessment.map(|facts| &facts.observation);
    // It is judged anew: since the last tick a day or an end time may have passed.
    let judged = assessment.map(|facts| facts.judged_at(now, &snapshot.policy));
    let case = Case { now, status, snapshot, observation, judged, trafficstar };
    let resting = actor.status == Liveness::Restarting;
    Explanation {
        summary: if resting { summary::of_the_dead(rest) } else { summary::summary(&case) },
        promise: if status.ordered.generator_enabled {
            PromiseExplained { meaning: summary::promise(&case), ..promise(status) }
        } else {
            promise(status)
        },
        attention: summary::attention(&case),
        facts: facts::facts(&case),
        thresholds: Some(facts::thresholds(&case)),
        timers: timers(&case, rest, resting),
        decisions: snapshot.decisions.iter().map(|decision| (**decision).clone()).collect(),
        action: snapshot.action.as_ref().map(action),
        next: if resting { next::respawn(rest) } else { next::next(&case) },
        ..unguarded(now, status)
    }
}

/// Explains one campaign on a supervisor that stands by: it reads nothing at TrafficStars, and shows what the leader stored.
#[must_use]
pub fn explain_from_standby(now: DateTime<Utc>, status: &CampaignStatus, leader: Option<&Leader>) -> Explanation {
    let explanation = unguarded(now, status);
    if !status.ordered.generator_enabled {
        return explanation;
    }
    Explanation { summary: summary::from_standby(leader), next: next::from_standby(), ..explanation }
}

/// A campaign without an actor, whose generator is disabled above all: nothing is read, and what was seen last is known.
fn unguarded(now: DateTime<Utc>, status: &CampaignStatus) -> Explanation {
    let is_enabled = status.ordered.generator_enabled;
    // Nobody keeps a cool-down of a campaign that is not guarded.
    let cool_down_end = status.cooling_down_until.filter(|&at| at > now && is_enabled);
    Explanation {
        id: status.id,
        name: status.name.clone(),
        trafficstar_id: status.trafficstar_id,
        at: now,
        verdict: status.verdict,
        summary: summary::of_the_unguarded(now, status),
        promise: promise(status),
        attention: status.ordered.hold.as_ref().map(|hold| summary::on_hold(hold, is_enabled)).into_iter().collect(),
        facts: facts::last_seen(now, &status.observed),
        thresholds: None,
        timers: cool_down_end.map(|at| Timer { kind: TimerKind::CoolDownEnd, at }).into_iter().collect(),
        decisions: Vec::new(),
        action: None,
        next: next::of_the_unguarded(status),
    }
}

/// A campaign whose generator is disabled is promised nothing, whatever was before.
fn promise(status: &CampaignStatus) -> PromiseExplained {
    let is_enabled = status.ordered.generator_enabled;
    let meaning = if is_enabled { summary::meaning(status.state) } else { "none: its generator is disabled" };
    PromiseExplained { state: status.state, since: status.since, meaning: meaning.to_owned() }
}

/// What runs, the next to end first. A dead actor's ticks and reads do not; what was promised until a time does.
fn timers(case: &Case<'_>, rest: Option<ActorBackoff>, resting: bool) -> Vec<Timer> {
    let is_due = |kind| match kind {
        TimerKind::NextTick | TimerKind::ReadBack | TimerKind::ConfirmBy => !resting,
        TimerKind::CoolDownEnd
        | TimerKind::RunBackoff
        | TimerKind::ContestedBackoff
        | TimerKind::NotFoundPause
        | TimerKind::ContestedEnd
        | TimerKind::DayEnd
        | TimerKind::Midnight
        | TimerKind::HoldEnd
        | TimerKind::Respawn => false,
    };
    let mut timers: Vec<Timer> =
        case.snapshot.timers.iter().filter(|timer| timer.at > case.now || is_due(timer.kind)).copied().collect();
    if !case.status.ordered.generator_enabled {
        timers.retain(|timer| timer.kind != TimerKind::CoolDownEnd);
    }
    if resting {
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
    timers.extend(rest.filter(|_| resting).map(|rest| Timer { kind: TimerKind::Respawn, at: rest.until }));
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
