//! The log of a run, in the order of time: the facts as they were read, each machine's events and effects, every
//! request, and every stored record. A checker knows nothing else of the guard.

use std::fmt;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use traffic_generator::domain::action::{Action, ActionId, ActionKind};
use traffic_generator::domain::budget::DayBudget;
use traffic_generator::domain::event::{Effect, Event, QuestionId, Record};
use traffic_generator::domain::failure::{DatabaseFailure, RemoteFault};
use traffic_generator::domain::money::{Clicks, Money, RemainingClicks};
use traffic_generator::domain::occasion::KnownOccasion;
use traffic_generator::domain::phase::{Phase, Promise};
use traffic_generator::domain::policy::Policy;
use traffic_generator::domain::read_priority::Urgency;
use traffic_generator::domain::remote::RemoteCampaign;
use traffic_generator::domain::spend::{Spend, SpendHistory, SpendReading, SpendUnknown};
use traffic_generator::domain::status::Hold;
use traffic_generator::trafficstar::budget::RequestId;

use super::remote::{Call, OldCounter};

/// One event of the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// The true time, by which TrafficStars counts and ends campaigns.
    pub(crate) at: DateTime<Utc>,
    /// The guard's wall clock then. It may be wrong, and may be set.
    pub(crate) wall: DateTime<Utc>,
    /// The number of the guard's process, from 1. Numbers of actions, questions and requests begin anew with each
    /// process.
    pub(crate) process: u64,
    pub(crate) what: What,
}

/// What happened. Campaigns are named by their place in the world, from 0.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// The first line.
    Begins {
        requests_per_minute: u32,
        page_size: usize,
        /// The campaigns' rows at the beginning.
        rows: Vec<Row>,
    },
    /// The campaign's row was changed.
    RowChanged { campaign: usize, row: Row },
    /// The guard starts, and its machines begin with what the database has.
    Started { campaigns: Vec<Restored> },
    /// `kill -9`, at any point.
    Crashed,
    /// A campaign whose generator was enabled has a machine from now on.
    Enabled(Restored),
    /// The machine ended its promise and no longer exists.
    Gone { campaign: usize },
    /// A tick has all its facts; the next line delivers them to the machine.
    Seen { campaign: usize, seen: Box<Seen> },
    /// A read-back has its answer; the next line delivers it to the machine. `sent_at` is the true time at which the
    /// request was sent, `None` if none was sent.
    SeenBack { campaign: usize, question_id: QuestionId, sent_at: Option<DateTime<Utc>> },
    /// An event was delivered to a machine.
    Delivered { campaign: usize, event: Event },
    /// An effect that the machine then requested, in this order.
    Asked { campaign: usize, effect: Effect },
    /// The machine's state after the event.
    StateAfter { campaign: usize, phase: Phase, high_spend: bool },
    /// A record was stored.
    Stored { campaign: usize, record: Record },
    /// A record could not be stored; it stays in the outbox.
    NotStored { campaign: usize },
    /// The hold on all campaigns was stored, or its end.
    HoldOnAllStored { hold: Option<Hold> },
    /// A request waits in the scheduler.
    Queued { request_id: RequestId, urgency: Urgency, call: Call, carries: Vec<Carried> },
    /// The request was cancelled.
    GaveUp { request_id: RequestId },
    /// The request is sent.
    Left { request_id: RequestId },
    /// TrafficStars counts the request, and carries it out unless it is refused.
    Arrived { request_id: RequestId, call: Call, refused: bool },
    /// The guard has the request's result.
    Ended { request_id: RequestId, how: How },
    /// TrafficStars answers with a counter of an earlier day.
    OldCounter(OldCounter),
    /// From now on TrafficStars refuses every run and pause that names this campaign, with this status; `None` ends
    /// that.
    RefusedId { campaign: usize, status: Option<u16> },
    /// Others have changed a campaign whose daily budget may be used up, so that it may not run all the same.
    Touched { campaign: usize },
    /// A spend was stored.
    SpendStored { campaign: usize, spend: Spend },
    /// Whether a campaign runs at TrafficStars has changed.
    Switched { campaign: usize, runs: bool, by: By },
    /// The database can be reached, or no longer can.
    Database { away: bool },
    /// A 429 blocks the guard's requests until this moment.
    Blocked { until: DateTime<Utc> },
    /// The guard's clock was set.
    ClockSet { by_ms: i64 },
    /// From now on there are no faults, and no others change anything.
    Calm,
    /// The last line: the true state of the world.
    Ends { truths: Vec<Truth> },
}

/// The part of a campaign's row that its machine needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) enabled: bool,
    /// The defaults with the row's overrides, its mode included.
    pub(crate) policy: Policy,
}

/// What a machine is built from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Restored {
    pub(crate) campaign: usize,
    pub(crate) promise: Option<Promise>,
    pub(crate) unfinished: Option<Action>,
    /// The newest journal entry, of any kind.
    pub(crate) newest: Option<Box<Action>>,
    pub(crate) hold: Option<Hold>,
    pub(crate) hold_on_all: Option<Hold>,
    /// What is remembered of the day's budget.
    pub(crate) budget: Option<DayBudget>,
    /// The end time of the newest journal entry that is not a pause.
    pub(crate) own_end_time: Option<DateTime<Utc>>,
    /// The occasions of alerts that are stored.
    pub(crate) occasions: Vec<KnownOccasion>,
}

/// All that a tick has read, before the guard judges it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) question_id: QuestionId,
    /// The true times when the tick began, when the request for its status was sent (`None` if the campaign still
    /// counts as gone), and when its answer came.
    pub(crate) began_at: DateTime<Utc>,
    pub(crate) sent_at: Option<DateTime<Utc>>,
    pub(crate) answered_at: DateTime<Utc>,
    /// The guard's clock at the first and the last of these times.
    pub(crate) began_at_wall: DateTime<Utc>,
    pub(crate) answered_at_wall: DateTime<Utc>,
    /// The day, by the guard's clock, whose spend was read.
    pub(crate) spend_day: Option<NaiveDate>,
    pub(crate) remote: Result<RemoteCampaign, RemoteFault>,
    /// The report's answer, if a report was requested.
    pub(crate) report: Option<SpendReading>,
    /// The campaign's counter as earlier ticks of this machine have read it, on the day of the last of them.
    pub(crate) counter: Option<CounterSeen>,
    pub(crate) stored: Result<SpendHistory, DatabaseFailure>,
    pub(crate) clicks: Result<RemainingClicks, DatabaseFailure>,
    /// The remaining clicks when the tick began, which decide how urgent its read is.
    pub(crate) first_clicks: Option<Clicks>,
    /// The spend that the guard found in its sources.
    pub(crate) spend: Result<Spend, SpendUnknown>,
    /// The policy by which it decides.
    pub(crate) policy: Policy,
    /// How far the guard's clock was ahead when TrafficStars last answered.
    pub(crate) clock_ahead_by: Option<Duration>,
}

/// The values of a campaign's counter on one day. `None` means absent, and is less than any amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CounterSeen {
    pub(crate) day: NaiveDate,
    pub(crate) least: Option<Money>,
    pub(crate) last: Option<Money>,
    /// The least value after a higher one.
    pub(crate) fell_to: Option<Option<Money>>,
}

/// An action that a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) campaign: usize,
    pub(crate) action: ActionId,
    /// The action's kind. An activation sends an end time and then a run; a pause sends a pause and then an end time.
    pub(crate) kind: ActionKind,
}

/// The result of a request, as the guard gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum How {
    Answered,
    /// An answer of success that refuses this many of its campaigns.
    Refused(usize),
    /// A status code other than success.
    Status(u16),
    TimedOut,
    Broke,
}

/// Who changed a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Guard,
    /// A request of the guard's that the network has sent twice.
    Again,
    Others,
    EndTime,
    /// TrafficStars itself: blocked, unblocked, deleted or restored.
    TrafficStars,
}

/// A campaign's true state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) campaign: usize,
    pub(crate) exists: bool,
    pub(crate) runs: bool,
    pub(crate) blocked: bool,
    /// Whether its daily budget is used up.
    pub(crate) is_used_up: bool,
    pub(crate) end_time: Option<DateTime<Utc>>,
    /// Today's spend, in millionths.
    pub(crate) spent_micros: i64,
    pub(crate) remaining_clicks: i64,
}

/// The lines of a run; without lines for runs that need no log.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Option<Vec<Line>>,
}

impl Log {
    pub(crate) const fn kept() -> Self {
        Self { lines: Some(Vec::new()) }
    }

    pub(crate) const fn not_kept() -> Self {
        Self { lines: None }
    }

    pub(crate) const fn is_kept(&self) -> bool {
        self.lines.is_some()
    }

    pub(crate) fn note(&mut self, line: Line) {
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    pub(crate) fn into_lines(self) -> Vec<Line> {
        self.lines.unwrap_or_default()
    }

    pub(crate) fn lines(&self) -> &[Line] {
        self.lines.as_deref().unwrap_or_default()
    }
}

impl What {
    /// Returns the campaigns that the line is about; empty if it is about all.
    pub(crate) fn campaigns(&self) -> Vec<usize> {
        match self {
            Self::RowChanged { campaign, .. }
            | Self::Gone { campaign }
            | Self::Seen { campaign, .. }
            | Self::SeenBack { campaign, .. }
            | Self::Delivered { campaign, .. }
            | Self::Asked { campaign, .. }
            | Self::StateAfter { campaign, .. }
            | Self::Stored { campaign, .. }
            | Self::NotStored { campaign }
            | Self::OldCounter(OldCounter { campaign, .. })
            | Self::SpendStored { campaign, .. }
            | Self::Touched { campaign }
            | Self::RefusedId { campaign, .. }
            | Self::Switched { campaign, .. } => vec![*campaign],
            Self::Enabled(restored) => vec![restored.campaign],
            Self::Queued { carries, .. } => carries.iter().map(|carried| carried.campaign).collect(),
            Self::Begins { .. }
            | Self::Started { .. }
            | Self::Crashed
            | Self::HoldOnAllStored { .. }
            | Self::GaveUp { .. }
            | Self::Left { .. }
            | Self::Arrived { .. }
            | Self::Ended { .. }
            | Self::Database { .. }
            | Self::Blocked { .. }
            | Self::ClockSet { .. }
            | Self::Calm
            | Self::Ends { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let off_ms = self.wall.signed_duration_since(self.at).num_milliseconds();
        write!(f, "{} ", self.at.format("%d %H:%M:%S%.3f"))?;
        if off_ms != 0 {
            write!(f, "(clock {off_ms:+} ms) ")?;
        }
        write!(f, "#{} {:?}", self.process, self.what)
    }
}
