//! Plain data for operators: the types of the dump (control/API.md, "The dump"), version 1.
//!
//! Every value says who claims it: `ordered` by an operator, `promised` by the actor (the state), `observed` at the
//! remote or in the database, `stored`. Deliberately absent: how it is gathered (`board`) and drawn (`cli::render`).

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::action::{ActionKind, Step};
use super::ids::{CampaignId, RemoteId};
use super::lease::{Epoch, Leader};
use super::money::{Clicks, Money};
use super::phase::PhaseWord;
use super::policy::{Mode, Policy};
use super::queue_place::QueuePlaces;
use super::remote::StatusWord;
use super::spend::SpendSource;
use super::verdict::Verdict;

/// The version of the dump's format.
pub const DUMP_VERSION: u32 = 1;

/// All that the program knows of itself at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dump {
    /// [`DUMP_VERSION`].
    pub version: u32,
    /// The program's version.
    pub program: String,
    /// The supervisor's process id.
    pub pid: u32,
    /// Counts the publications; a larger one is newer.
    pub sequence: u64,
    /// When this was put together.
    pub captured_at: DateTime<Utc>,
    /// When the supervisor started.
    pub started_at: DateTime<Utc>,
    /// For how long it has been up.
    pub uptime_seconds: u64,
    /// Who leads among the supervisors on this database.
    #[serde(default)]
    pub leadership: LeadershipStatus,
    /// The supervisor.
    pub supervisor: SupervisorStatus,
    /// The client of TrafficStars' API.
    pub trafficstar: RemoteClientStatus,
    /// The database.
    pub database: DatabaseStatus,
    /// Every campaign in the database, by id.
    pub campaigns: Vec<CampaignStatus>,
}

/// The supervisor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SupervisorStatus {
    /// How many campaign actors it keeps.
    pub campaigns: u64,
    /// How many times a campaign actor died and was built anew.
    pub restarts: u64,
    /// When the rows were last compared with the actors.
    pub last_sync_at: Option<DateTime<Utc>>,
    /// The hold on all campaigns.
    #[serde(default)]
    pub hold: Option<Hold>,
}

/// Who leads among the supervisors on this database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeadershipStatus {
    /// What this supervisor is.
    pub role: Role,
    /// The leadership that lasts, or the last one that was seen; none where the database can have one supervisor only.
    pub epoch: Option<Epoch>,
    /// Who leads, as far as this supervisor knows.
    pub leader: Option<Leader>,
    /// Nobody leads, as far as this supervisor knows, or it cannot tell: why it does not lead itself, and what it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nobody_leads: Option<String>,
}

/// What a supervisor is among those on its database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It guards the campaigns.
    #[default]
    Leader,
    /// It watches the leader, and takes over when that one falls silent.
    Standby,
    /// It led, could not renew its lease in time, and sends nothing: another one may lead.
    CutOff,
}

/// How many requests wait, by class of urgency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueStatus {
    /// Pauses.
    pub pause: u64,
    /// Reads that confirm an action.
    pub read_back: u64,
    /// Reads of all campaigns.
    pub sweep: u64,
    /// Activations and their end times.
    pub activate: u64,
    /// Other reads.
    pub read: u64,
}

impl QueueStatus {
    /// The classes of urgency with their queues' lengths.
    #[must_use]
    pub const fn classes(&self) -> [(&'static str, u64); 5] {
        let Self { pause, read_back, sweep, activate, read } = self;
        [("pause", *pause), ("read_back", *read_back), ("sweep", *sweep), ("activate", *activate), ("read", *read)]
    }
}

/// The circuit of one operation of TrafficStars' API, while it is not closed and untroubled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CircuitStatus {
    /// Which: `token`, `list`, `campaign`, `report`, `run`, `pause`, `end_time`.
    pub operation: String,
    /// `open`: it is left alone but for probes, pauses excepted; `closed`: it has failed, not yet often enough.
    pub state: String,
    /// Failures in a row.
    pub failures: u32,
    /// Since when it is open.
    pub since: Option<DateTime<Utc>>,
    /// When one request is let through next, to see whether it works again; none while one is under way.
    pub next_probe_at: Option<DateTime<Utc>>,
    /// The last failure.
    pub last_error: String,
}

/// What it takes to read every campaign, and whether the limit allows it at every tick.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadingStatus {
    /// How many campaigns are read.
    pub campaigns: u64,
    /// How many requests it takes to read each of them once.
    pub requests: u64,
    /// How many of them the limit allows in each tick.
    pub requests_per_tick: u64,
    /// Within which time each of them is read: one tick where the limit allows it.
    pub within_seconds: u64,
    /// How many are asked for now, and not read yet.
    pub waiting: u64,
}

impl ReadingStatus {
    /// Whether the limit allows to read every campaign at every tick.
    #[must_use]
    pub const fn reaches(&self) -> bool {
        self.requests <= self.requests_per_tick
    }
}

impl fmt::Display for ReadingStatus {
    /// Why it does not reach, with the figures.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { campaigns, requests, requests_per_tick, within_seconds, waiting: _ } = self;
        let (minutes, seconds) = (within_seconds / 60, within_seconds % 60);
        let campaigns = Clicks(*campaigns);
        write!(
            f,
            "the limit of requests is too small: to read {campaigns} campaigns takes {requests} requests, and \
             {requests_per_tick} are to be had in each tick; each campaign is read within "
        )?;
        match (minutes, seconds) {
            (0, seconds) => write!(f, "{seconds}s")?,
            (minutes, 0) => write!(f, "{minutes}m")?,
            (minutes, seconds) => write!(f, "{minutes}m {seconds}s")?,
        }
        f.write_str(", those nearest to a threshold first")
    }
}

/// The client of TrafficStars' API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RemoteClientStatus {
    /// `closed` while requests flow; `open` while any operation's circuit is.
    pub circuit: String,
    /// The operations that fail.
    #[serde(default)]
    pub circuits: Vec<CircuitStatus>,
    /// What it takes to read every campaign.
    #[serde(default)]
    pub reading: ReadingStatus,
    /// By when all campaigns that wait for their turn to be activated will run again, as far as can be foreseen.
    #[serde(default)]
    pub running_again_by: Option<DateTime<Utc>>,
    /// When the access token expires; none before the first.
    pub token_expires_at: Option<DateTime<Utc>>,
    /// What waits.
    pub queue: QueueStatus,
    /// Requests that count against the limit now.
    pub requests_last_minute: u64,
    /// The configured limit.
    pub requests_per_minute: u32,
    /// Until when TrafficStars told us to wait.
    pub blocked_until: Option<DateTime<Utc>>,
    /// The last failure, until a request succeeds.
    pub last_error: Option<String>,
    /// Of the operations for which TrafficStars may have one path or another, those that were asked for.
    #[serde(default)]
    pub endpoints: Vec<EndpointStatus>,
    /// By how many seconds our clock is ahead of TrafficStars', by the `Date` of its last answer; negative where it is
    /// behind. Not in the dump, whose version 1 has no place for it: health tells it.
    #[serde(skip)]
    pub clock_ahead_seconds: Option<i64>,
    /// Of the campaigns with a change that has not left: when its turn comes. Not in the dump either: `explain` tells it.
    #[serde(skip)]
    pub turns: Arc<QueuePlaces>,
}

/// Which of the paths known for an operation TrafficStars has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointStatus {
    /// `list`, `run`, `pause`, `spend-by-campaign` or `spend-by-day`.
    pub operation: String,
    /// The one that works, like `PUT /v2/campaigns/run`; none where TrafficStars has none of them.
    pub path: Option<String>,
    /// Since when that has been so, as far as this process knows.
    pub since: DateTime<Utc>,
    /// Where none exists, and nothing depends on it: when it is asked for again, if it is needed then.
    pub asked_again_at: Option<DateTime<Utc>>,
}

/// The database.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DatabaseStatus {
    /// `sqlite` or `postgres`.
    pub kind: String,
    /// The last failure, until an operation succeeds.
    pub last_error: Option<String>,
}

/// One campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CampaignStatus {
    /// Its row's key.
    pub id: CampaignId,
    /// Its name.
    pub name: String,
    /// Its id at TrafficStars.
    pub trafficstar_id: RemoteId,
    /// How it is, in one word.
    #[serde(default)]
    pub verdict: Verdict,
    /// The promise.
    pub state: PhaseWord,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When the cool-down ends, while there is one.
    pub cooling_down_until: Option<DateTime<Utc>>,
    /// When it decides next.
    pub next_tick_at: Option<DateTime<Utc>>,
    /// Today's spend has reached the limit.
    pub high_spend: bool,
    /// Others change it again and again.
    pub contested: bool,
    /// It runs with its clicks used up or the limit reached, and no promise is in force: on hold none is, unless it is kept paused.
    pub unguarded: bool,
    /// Why running it cannot help, if so.
    pub blocked: Option<String>,
    /// The numbers by which it decides; none where its row makes no sense.
    #[serde(default)]
    pub limits: Option<Limits>,
    /// What operators ordered.
    pub ordered: Ordered,
    /// What was seen.
    pub observed: Observed,
    /// The last action.
    pub action: Option<ActionStatus>,
    /// What the database holds.
    pub stored: Option<StoredStatus>,
    /// The actor; none while the generator is disabled.
    pub actor: Option<ActorStatus>,
    /// The last error, until a tick goes well.
    pub last_error: Option<String>,
}

impl CampaignStatus {
    /// The same with the verdict that the rest of it demands. A campaign whose generator is disabled is unguarded by what was
    /// seen of it last: nobody looks any more.
    #[must_use]
    pub fn judged(mut self) -> Self {
        if !self.ordered.generator_enabled {
            self.unguarded = self.observed.status == Some(StatusWord::Running)
                && (self.is_used_up()
                    || self.limits.zip(self.observed.spend).is_some_and(|(limits, spend)| spend >= limits.spend));
        }
        self.verdict = self.verdict();
        self
    }

    /// Its clicks, as last read, are no more than those with which it is paused.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.limits.zip(self.observed.remaining_clicks).is_some_and(|(limits, left)| left <= limits.pause_clicks)
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

/// The limits in force for one campaign: its own, and the config's for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Limits {
    /// From this spend on it is left alone.
    pub spend: Money,
    /// With this many remaining clicks or more it is run.
    pub activate_clicks: Clicks,
    /// With this many remaining clicks or fewer it is paused.
    pub pause_clicks: Clicks,
    /// For so long after a pause it is kept stopped.
    pub cooldown_seconds: u64,
}

impl Limits {
    /// With how many clicks it is run, and with how many it is paused.
    #[must_use]
    pub const fn thresholds(&self) -> [Clicks; 2] {
        [self.activate_clicks, self.pause_clicks]
    }
}

impl From<&Policy> for Limits {
    fn from(policy: &Policy) -> Self {
        Self {
            spend: policy.spend_limit,
            activate_clicks: policy.activate_clicks,
            pause_clicks: policy.pause_clicks,
            cooldown_seconds: u64::try_from(policy.cooldown.num_seconds()).unwrap_or(0),
        }
    }
}

/// What operators ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ordered {
    /// Whether the campaign is guarded.
    pub generator_enabled: bool,
    /// Whether decisions become requests.
    pub mode: Mode,
    /// The operator's hold that is in force: its own, or the one on all campaigns.
    pub hold: Option<Hold>,
}

/// An operator's hold: observe and show, send nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hold {
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when; none: until released.
    pub until: Option<DateTime<Utc>>,
    /// Whose order.
    pub by: Option<String>,
    /// Whether it is kept paused meanwhile.
    pub pause: bool,
}

/// What was seen at the remote and in the database, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Observed {
    /// The judged status.
    pub status: Option<StatusWord>,
    /// TrafficStars' own word.
    pub remote_status: Option<String>,
    /// TrafficStars' `active`.
    pub remote_active: Option<bool>,
    /// TrafficStars' word for why it is stopped; mostly absent.
    #[serde(default)]
    pub remote_stopped: Option<String>,
    /// TrafficStars' end time, `YYYY-MM-DD HH:MM:SS`.
    pub schedule_end_time: Option<String>,
    /// When TrafficStars answered.
    pub status_at: Option<DateTime<Utc>>,
    /// Today's spend; none while unknown, and so are the next three.
    pub spend: Option<Money>,
    /// Who says so.
    pub spend_source: Option<SpendSource>,
    /// For which UTC day.
    pub spend_day: Option<NaiveDate>,
    /// When the source said so.
    pub spend_at: Option<DateTime<Utc>>,
    /// Since when the spend is the same, while the campaign runs.
    #[serde(default)]
    pub spend_unchanged_since: Option<DateTime<Utc>>,
    /// Remaining clicks; none while unknown.
    pub remaining_clicks: Option<Clicks>,
    /// When the database was read.
    pub clicks_at: Option<DateTime<Utc>>,
}

impl Observed {
    /// The spend, if it is of this day: a campaign that nobody reads any more shows what was seen last.
    #[must_use]
    pub fn spend_on(&self, today: NaiveDate) -> Option<Money> {
        self.spend.filter(|_| self.spend_day.is_none_or(|day| day == today))
    }
}

/// The last action and how far it got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionStatus {
    /// What was asked.
    pub kind: ActionKind,
    /// How far it got.
    pub step: Step,
    /// Why, in words.
    pub reason: String,
    /// When it was decided.
    pub requested_at: DateTime<Utc>,
    /// When TrafficStars accepted it.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When a read showed it.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// What went wrong, in words.
    pub error: Option<String>,
}

/// What the database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoredStatus {
    /// The stored promise.
    pub state: PhaseWord,
    /// When it was stored.
    pub at: DateTime<Utc>,
}

/// Whether an actor lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Liveness {
    /// It handles messages, as far as anyone knows; `handling` shows one that is stuck.
    Running,
    /// It died and is built anew after its backoff.
    Restarting,
}

/// One campaign's actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActorStatus {
    /// Whether it lives.
    pub status: Liveness,
    /// The how-manieth actor of this campaign this is.
    pub incarnation: u64,
    /// How many times one died.
    pub restarts: u64,
    /// Completed ticks, failed ones included.
    pub ticks: u64,
    /// Points of the grid that passed while a tick still waited for answers.
    pub skipped_ticks: u64,
    /// When the last tick was completed.
    pub last_tick_at: Option<DateTime<Utc>>,
    /// How long it took.
    pub last_tick_ms: Option<u64>,
    /// What it is at, and since when.
    pub handling: Option<Handling>,
}

/// What an actor is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Handling {
    /// In a word.
    pub what: String,
    /// Since when.
    pub since: DateTime<Utc>,
}
