//! Plain data for operators: the types of the dump (control/API.md, "The dump"), version 1.
//!
//! Each value shows where it comes from: `ordered` by an operator, promised by the actor (`state`), `observed` at
//! TrafficStars or in the database, or `stored`. Deliberately absent: gathering the data (`board`) and drawing it
//! (`cli::render`).

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::action::{ActionKind, Step};
use super::budget_status::BudgetStatus;
use super::ids::{CampaignId, RemoteId};
use super::lease::{Epoch, Leader};
use super::money::{Clicks, Money};
use super::phase::PhaseWord;
use super::policy::{ClickThresholds, HighSpend, Mode, Policy};
use super::queue_place::QueuePlaces;
use super::remote::StatusWord;
use super::shared_limit::SharedSpend;
use super::spend::SpendSource;
use super::verdict::Verdict;

/// The version of the dump's format.
pub const DUMP_VERSION: u32 = 1;

/// The status of the whole program at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dump {
    /// The version of the format, [`DUMP_VERSION`].
    pub version: u32,
    /// The program's version.
    pub program: String,
    /// The supervisor's process id.
    pub pid: u32,
    /// The number of this publication; a larger one is newer.
    pub sequence: u64,
    /// The time (UTC) when this dump was taken.
    pub captured_at: DateTime<Utc>,
    /// The time (UTC) when the supervisor started.
    pub started_at: DateTime<Utc>,
    /// The time since the supervisor started, in seconds.
    pub uptime_seconds: u64,
    /// The state of leadership.
    #[serde(default)]
    pub leadership: LeadershipStatus,
    /// The state of the supervisor.
    pub supervisor: SupervisorStatus,
    /// The state of the TrafficStars client.
    pub trafficstar: RemoteClientStatus,
    /// The state of the database.
    pub database: DatabaseStatus,
    /// Every campaign in the database, by id.
    pub campaigns: Vec<CampaignStatus>,
}

/// The state of the supervisor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SupervisorStatus {
    /// The number of campaign actors.
    pub campaigns: u64,
    /// The number of times that a campaign actor was respawned.
    pub restarts: u64,
    /// The time (UTC) when the actors were last compared with the database rows.
    pub last_sync_at: Option<DateTime<Utc>>,
    /// The hold on all campaigns; `None` if there is no such hold.
    #[serde(default)]
    pub hold: Option<Hold>,
}

/// The state of leadership among the supervisors on this database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeadershipStatus {
    /// The role of this supervisor.
    pub role: Role,
    /// The epoch of the present or last known leadership; `None` if the database allows only one supervisor.
    pub epoch: Option<Epoch>,
    /// The supervisor that leads, as far as this one knows.
    pub leader: Option<Leader>,
    /// Set while no supervisor leads, or this one cannot see which: why it does not lead itself, and what it waits for.
    #[serde(default, rename = "nobody_leads", skip_serializing_if = "Option::is_none")]
    pub no_leader: Option<String>,
}

/// The role of a supervisor among those on its database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It guards the campaigns.
    #[default]
    Leader,
    /// It watches the leader, and takes over when the leader's lease runs out.
    Standby,
    /// It led, and could not renew its lease in time. It sends nothing, because another supervisor may lead.
    CutOff,
}

/// The number of queued requests in each class of urgency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueStatus {
    /// Pauses.
    pub pause: u64,
    /// Reads that confirm an action.
    pub read_back: u64,
    /// Sweeps: reads of all campaigns.
    pub sweep: u64,
    /// Activations and their end times.
    pub activate: u64,
    /// Other reads.
    pub read: u64,
}

impl QueueStatus {
    /// Returns each class of urgency with the length of its queue.
    #[must_use]
    pub const fn classes(&self) -> [(&'static str, u64); 5] {
        let Self { pause, read_back, sweep, activate, read } = self;
        [("pause", *pause), ("read_back", *read_back), ("sweep", *sweep), ("activate", *activate), ("read", *read)]
    }
}

/// The circuit of one operation of TrafficStars' API. Circuits without failures are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CircuitStatus {
    /// The operation: `token`, `list`, `campaign`, `report`, `run`, `pause`, `end_time`.
    pub operation: String,
    /// `open`: only probes and pauses are sent; `closed`: it has failed, but not often enough to open.
    pub state: String,
    /// The number of failures in a row.
    pub failures: u32,
    /// The time (UTC) since which it is open; `None` if it is closed.
    pub since: Option<DateTime<Utc>>,
    /// The time (UTC) when the next probe may be sent; `None` while a probe is in flight.
    pub next_probe_at: Option<DateTime<Utc>>,
    /// The last failure, in words.
    pub last_error: String,
}

/// The number of requests that read every campaign, and whether the limit allows that at every tick.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadingStatus {
    /// The number of campaigns that are read.
    pub campaigns: u64,
    /// The number of requests that read each campaign once.
    pub requests: u64,
    /// The number of those requests that the limit allows in each tick.
    pub requests_per_tick: u64,
    /// The time within which each campaign is read, in seconds: one tick if the limit allows that.
    pub within_seconds: u64,
    /// The number of campaigns whose read is requested and not answered.
    pub waiting: u64,
}

impl ReadingStatus {
    /// Whether the limit allows a read of every campaign at every tick.
    #[must_use]
    pub const fn reaches(&self) -> bool {
        self.requests <= self.requests_per_tick
    }
}

impl fmt::Display for ReadingStatus {
    /// Explains with numbers why the limit is too small.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { campaigns, requests, requests_per_tick, within_seconds, waiting: _ } = self;
        let (minutes, seconds) = (within_seconds / 60, within_seconds % 60);
        let campaigns = Clicks(*campaigns);
        write!(
            f,
            "the request limit is too small: reading {campaigns} campaigns takes {requests} requests, and each tick \
             allows {requests_per_tick}; each campaign is read within "
        )?;
        match (minutes, seconds) {
            (0, seconds) => write!(f, "{seconds}s")?,
            (minutes, 0) => write!(f, "{minutes}m")?,
            (minutes, seconds) => write!(f, "{minutes}m {seconds}s")?,
        }
        f.write_str(", those near a threshold first")
    }
}

/// The state of the TrafficStars client.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RemoteClientStatus {
    /// `open` while the circuit of any operation is open; otherwise `closed`.
    pub circuit: String,
    /// The operations that fail.
    #[serde(default)]
    pub circuits: Vec<CircuitStatus>,
    /// The requests that read every campaign.
    #[serde(default)]
    pub reading: ReadingStatus,
    /// The time (UTC) when all campaigns whose activation is queued are expected to run again.
    #[serde(default)]
    pub running_again_by: Option<DateTime<Utc>>,
    /// The time (UTC) when the access token expires; `None` before the first token.
    pub token_expires_at: Option<DateTime<Utc>>,
    /// The lengths of the queues.
    pub queue: QueueStatus,
    /// The number of requests that count against the limit now.
    pub requests_last_minute: u64,
    /// The configured limit, in requests per minute.
    pub requests_per_minute: u32,
    /// The time (UTC) until which TrafficStars asked us to wait.
    pub blocked_until: Option<DateTime<Utc>>,
    /// The last failure, in words; `None` once a request has succeeded.
    pub last_error: Option<String>,
    /// The state of endpoint discovery for each operation that may have several paths and was used.
    #[serde(default)]
    pub endpoints: Vec<EndpointStatus>,
    /// The number of seconds by which our clock is ahead of TrafficStars' clock, by the `Date` of its last answer;
    /// negative if our clock is behind. Version 1 of the dump has no field for it; health shows it.
    #[serde(skip)]
    pub clock_ahead_seconds: Option<i64>,
    /// For each campaign with an unsent change: when its turn comes. It is not in the dump; `explain` shows it.
    #[serde(skip)]
    pub queue_places: Arc<QueuePlaces>,
}

/// The endpoint that works for one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointStatus {
    /// The operation: `list`, `run`, `pause`, `spend-by-campaign` or `spend-by-day`.
    pub operation: String,
    /// The endpoint that works, such as `PUT /v2/campaigns/run`; `None` if TrafficStars has no known one.
    pub path: Option<String>,
    /// The time (UTC) since which that is so, as far as this process knows.
    pub since: DateTime<Utc>,
    /// The time (UTC) when it may be tried again, if it is missing and the guard can work without it.
    pub asked_again_at: Option<DateTime<Utc>>,
}

/// The state of the database.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DatabaseStatus {
    /// The kind: `sqlite` or `postgres`.
    pub kind: String,
    /// The last failure, in words; `None` once an operation has succeeded.
    pub last_error: Option<String>,
}

/// The status of one campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CampaignStatus {
    /// The campaign's database id.
    pub id: CampaignId,
    /// The campaign's name.
    pub name: String,
    /// The campaign's id at TrafficStars.
    pub trafficstar_id: RemoteId,
    /// The campaign's condition in one word.
    #[serde(default)]
    pub verdict: Verdict,
    /// The promise.
    pub state: PhaseWord,
    /// The time (UTC) since which it is promised.
    pub since: DateTime<Utc>,
    /// The time (UTC) when the cool-down ends; `None` unless the campaign cools down.
    pub cooling_down_until: Option<DateTime<Utc>>,
    /// The time (UTC) when the next tick is due.
    pub next_tick_at: Option<DateTime<Utc>>,
    /// Whether today's spend has reached the limit.
    pub high_spend: bool,
    /// Whether others change the campaign again and again.
    pub contested: bool,
    /// Whether it runs with its clicks used up or its limit reached while no promise is in force. On a hold without a
    /// pause no promise is in force.
    pub unguarded: bool,
    /// The reason why TrafficStars will not run the campaign; `None` if it can run.
    pub blocked: Option<String>,
    /// The limits that decisions are made by; `None` if the campaign's row is invalid.
    #[serde(default)]
    pub limits: Option<Limits>,
    /// Today's sums under the limits that it shares with other campaigns.
    #[serde(default)]
    pub shared_limits: Vec<SharedSpend>,
    /// The day's budget; `None` unless the policy from the spend limit on is `top-up`.
    #[serde(default)]
    pub budget: Option<BudgetStatus>,
    /// The operators' orders.
    pub ordered: Ordered,
    /// The facts as last read.
    pub observed: Observed,
    /// The last action.
    pub action: Option<ActionStatus>,
    /// The promise as the database has stored it.
    pub stored: Option<StoredStatus>,
    /// The actor; `None` while the generator is disabled.
    pub actor: Option<ActorStatus>,
    /// The last error, in words; `None` once a tick has succeeded.
    pub last_error: Option<String>,
}

impl CampaignStatus {
    /// Returns the status with `verdict` computed from the other fields. For a campaign whose generator is disabled it
    /// also computes `unguarded`, from the facts as last read: no actor does that.
    #[must_use]
    pub fn judged(mut self) -> Self {
        if !self.ordered.generator_enabled {
            self.unguarded =
                self.observed.status == Some(StatusWord::Running) && (self.is_used_up() || self.is_past_limit());
        }
        self.verdict = self.verdict();
        self
    }

    /// Whether the remaining clicks, as last read, are at or below the pause threshold.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.limits.zip(self.observed.remaining_clicks).is_some_and(|(limits, left)| left <= limits.pause_clicks)
    }

    /// Whether the spend, as last read, is past the campaign's own limit or one that it shares, and the guard does not go
    /// on there.
    fn is_past_limit(&self) -> bool {
        let own = self.limits.zip(self.observed.spend).is_some_and(|(limits, spend)| limits.must_stop_at(spend));
        own || self.shared_limits.iter().any(|sum| sum.is_reached() && !sum.high_spend.guards_by_clicks())
    }

    fn verdict(&self) -> Verdict {
        let is_queued = self.action.as_ref().is_some_and(|action| {
            action.kind == ActionKind::Activate && action.step == Step::Requested && self.ordered.mode == Mode::Act
        });
        if self.unguarded {
            Verdict::Unguarded
        } else if !self.ordered.generator_enabled {
            Verdict::NotGuarded
        } else if self.ordered.hold.is_some() {
            Verdict::OnHold
        } else if self.blocked.is_some() {
            Verdict::Blocked
        } else if is_queued {
            Verdict::Queued
        } else if self.cooling_down_until.is_some() {
            Verdict::CoolingDown
        } else {
            match self.observed.status {
                Some(StatusWord::Running) => Verdict::Running,
                Some(StatusWord::Stopped) => Verdict::Stopped,
                Some(StatusWord::Blocked) => Verdict::Blocked,
                Some(StatusWord::Unknown) | None => Verdict::Unknown,
            }
        }
    }
}

/// The limits of one campaign that are in force at its spend: its own, and those of the config for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Limits {
    /// From this spend on `high_spend` decides.
    pub spend: Money,
    /// What the guard does at the limit that is reached and decides: the campaign's own, its group's or the account's.
    /// Below every limit, what it does from the campaign's own limit on.
    #[serde(default)]
    pub high_spend: HighSpend,
    /// At or above this number of remaining clicks the campaign is activated.
    pub activate_clicks: Clicks,
    /// At or below this number of remaining clicks the campaign is paused.
    pub pause_clicks: Clicks,
    /// The time for which the campaign is kept stopped after a pause, in seconds.
    pub cooldown_seconds: u64,
}

impl Limits {
    /// Whether this spend today is past the limit. With the policy `guard` it never is, because the guard goes on.
    #[must_use]
    pub fn must_stop_at(&self, spend: Money) -> bool {
        spend >= self.spend && !self.high_spend.guards_by_clicks()
    }

    /// Returns the activation threshold and the pause threshold.
    #[must_use]
    pub const fn thresholds(&self) -> [Clicks; 2] {
        [self.activate_clicks, self.pause_clicks]
    }

    /// Returns a policy's limits. `at_limit` is the policy of the spend limit that is reached; `None` below every limit.
    #[must_use]
    pub fn new(policy: &Policy, at_limit: Option<HighSpend>) -> Self {
        let ClickThresholds { activate, pause } = policy.thresholds(at_limit);
        Self {
            spend: policy.spend_limit,
            high_spend: at_limit.unwrap_or(policy.high_spend),
            activate_clicks: activate,
            pause_clicks: pause,
            cooldown_seconds: u64::try_from(policy.cooldown.num_seconds()).unwrap_or(0),
        }
    }
}

/// The operators' orders for a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ordered {
    /// Whether the campaign is guarded.
    pub generator_enabled: bool,
    /// Whether decisions are sent as requests.
    pub mode: Mode,
    /// The hold in force: the campaign's own, or the one on all campaigns.
    pub hold: Option<Hold>,
}

/// An operator's hold. The campaign is observed and shown, and nothing is sent for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hold {
    /// The reason that the operator gave.
    pub reason: Option<String>,
    /// The time (UTC) when it began.
    pub since: DateTime<Utc>,
    /// The time (UTC) when it ends; `None` if it lasts until it is released.
    pub until: Option<DateTime<Utc>>,
    /// The operator who ordered it: uid and name.
    pub by: Option<String>,
    /// Whether the campaign is kept paused during the hold.
    pub pause: bool,
}

/// The facts as last read at TrafficStars and in the database, with their times.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Observed {
    /// The status as judged.
    pub status: Option<StatusWord>,
    /// TrafficStars' `status`.
    pub remote_status: Option<String>,
    /// TrafficStars' `active`.
    pub remote_active: Option<bool>,
    /// TrafficStars' `stopped`, the reason why it is stopped; often absent.
    #[serde(default)]
    pub remote_stopped: Option<String>,
    /// TrafficStars' end time, `YYYY-MM-DD HH:MM:SS`.
    pub schedule_end_time: Option<String>,
    /// The time (UTC) when TrafficStars answered.
    pub status_at: Option<DateTime<Utc>>,
    /// `max_daily`, the daily budget at TrafficStars; `None` while unknown.
    #[serde(default)]
    pub max_daily: Option<Money>,
    /// Today's spend; `None` while unknown, and then the next three fields are `None`, too.
    pub spend: Option<Money>,
    /// The source of the spend.
    pub spend_source: Option<SpendSource>,
    /// The UTC day of the spend.
    pub spend_day: Option<NaiveDate>,
    /// The time (UTC) when the source gave this value.
    pub spend_at: Option<DateTime<Utc>>,
    /// The time (UTC) since which the spend is unchanged, while the campaign runs.
    #[serde(default)]
    pub spend_unchanged_since: Option<DateTime<Utc>>,
    /// The remaining clicks; `None` while unknown.
    pub remaining_clicks: Option<Clicks>,
    /// The time (UTC) when the clicks were read from the database.
    pub clicks_at: Option<DateTime<Utc>>,
}

impl Observed {
    /// Returns the spend if it is of `today`. A campaign that is not guarded shows its last spend, maybe of an earlier
    /// day.
    #[must_use]
    pub fn spend_on(&self, today: NaiveDate) -> Option<Money> {
        self.spend.filter(|_| self.spend_day.is_none_or(|day| day == today))
    }
}

/// The last action and its step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionStatus {
    /// The kind of the action.
    pub kind: ActionKind,
    /// The last step that it reached.
    pub step: Step,
    /// The reason, for operators.
    pub reason: String,
    /// The time (UTC) when it was decided.
    pub requested_at: DateTime<Utc>,
    /// The time (UTC) when TrafficStars accepted it.
    pub accepted_at: Option<DateTime<Utc>>,
    /// The time (UTC) when a read confirmed it.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// The reason of the failure, for operators.
    pub error: Option<String>,
}

/// The stored promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoredStatus {
    /// The promise.
    pub state: PhaseWord,
    /// The time (UTC) when it was stored.
    pub at: DateTime<Utc>,
}

/// Whether an actor is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Liveness {
    /// It handles messages, as far as is known. `handling` shows one that is stuck.
    Running,
    /// It died, and is respawned after its backoff.
    Restarting,
}

/// The state of one campaign's actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActorStatus {
    /// Whether it is running.
    pub status: Liveness,
    /// The number of this actor among all that this campaign has had, beginning with 1.
    pub incarnation: u64,
    /// The number of times that an actor of this campaign died.
    pub restarts: u64,
    /// The number of completed ticks, including failed ones.
    pub ticks: u64,
    /// The number of grid points that passed while an earlier tick waited for answers.
    pub skipped_ticks: u64,
    /// The time (UTC) when the last tick was completed.
    pub last_tick_at: Option<DateTime<Utc>>,
    /// The duration of the last tick, in milliseconds.
    pub last_tick_ms: Option<u64>,
    /// The message that it handles now, and the time since which it does so.
    pub handling: Option<Handling>,
}

/// The message that an actor handles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Handling {
    /// The kind of message that it handles.
    pub what: String,
    /// The time (UTC) when it began.
    pub since: DateTime<Utc>,
}
