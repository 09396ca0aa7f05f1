//! What happened in a run: the facts as they were read, what the machines were told and asked for, every request, and what
//! became durable, in the order of its time. A checker knows nothing else of the guard.

use std::fmt;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use traffic_generator::domain::action::{Action, ActionId, ActionKind};
use traffic_generator::domain::event::{Effect, Event, QuestionId, Record};
use traffic_generator::domain::failure::{DatabaseFailure, RemoteFault};
use traffic_generator::domain::money::{Clicks, Money, RemainingClicks};
use traffic_generator::domain::phase::{Phase, Promise};
use traffic_generator::domain::policy::Policy;
use traffic_generator::domain::read_priority::Urgency;
use traffic_generator::domain::remote::RemoteCampaign;
use traffic_generator::domain::spend::{Spend, SpendHistory, SpendReading, SpendUnknown};
use traffic_generator::domain::status::Hold;
use traffic_generator::trafficstar::budget::RequestId;

use super::remote::{Call, OldCounter};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// The true time, by which TrafficStars counts and ends campaigns.
    pub(crate) at: DateTime<Utc>,
    /// What the guard's clock says then: it may be off, and be set.
    pub(crate) wall: DateTime<Utc>,
    /// Counts the guard's processes from 1. Numbers of actions, operations and request_ids begin anew with each.
    pub(crate) process: u64,
    pub(crate) what: What,
}

/// Campaigns are named by their place in the world, from 0.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// The first line.
    Begins {
        requests_per_minute: u32,
        page_size: usize,
        /// From now on in the campaign's row.
        rows: Vec<Row>,
    },
    /// Its row was changed.
    RowChanged { campaign: usize, row: Row },
    /// The guard starts, and its machines stand where the database says.
    Started { campaigns: Vec<Restored> },
    /// `kill -9`, at any point.
    Crashed,
    /// A campaign whose generator was enabled has a machine from now on.
    Enabled(Restored),
    /// The machine ended its promise and is gone.
    Gone { campaign: usize },
    /// A tick has all its facts; the machine is told of them in the next line.
    Seen { campaign: usize, seen: Box<Seen> },
    /// A read-back has its answer; the machine is told of it in the next line. The true time at which the request left
    /// that brought it, none where none did.
    SeenBack { campaign: usize, operation: QuestionId, sent_at: Option<DateTime<Utc>> },
    /// What a machine was told.
    OrderReport { campaign: usize, event: Event },
    /// What it asked for then, in this order.
    Asked { campaign: usize, effect: Effect },
    /// The state in which that left it.
    Stands { campaign: usize, phase: Phase, high_spend: bool },
    /// A record is durable.
    Stored { campaign: usize, record: Record },
    /// A record could not be stored; it is kept in memory.
    NotStored { campaign: usize },
    /// The hold on all campaigns is durable, or its end is; the supervisor keeps it.
    HoldOnAllStored { hold: Option<Hold> },
    /// A request asks to leave.
    Queued { request_id: RequestId, urgency: Urgency, call: Call, carries: Vec<Carried> },
    /// It will not leave.
    GaveUp { request_id: RequestId },
    /// It leaves the guard.
    Left { request_id: RequestId },
    /// TrafficStars counts it; it takes effect, unless it is refused.
    Arrived { request_id: RequestId, call: Call, refused: bool },
    /// The guard hears how it ended.
    Ended { request_id: RequestId, how: How },
    /// TrafficStars answers with a counter of the day that is of an earlier day.
    OldCounter(OldCounter),
    /// From now on TrafficStars refuses every run and pause that names this campaign, with this status; or no more.
    RefusedId { campaign: usize, status: Option<u16> },
    /// The database has taken a spend.
    SpendStored { campaign: usize, spend: Spend },
    /// Whether a campaign runs at TrafficStars has changed.
    Switched { campaign: usize, runs: bool, by: By },
    /// The database can be reached, or cannot.
    Database { away: bool },
    /// TrafficStars wants to hear nothing until then.
    Silence { until: DateTime<Utc> },
    /// The guard's clock was set.
    ClockSet { by_ms: i64 },
    /// From now on nothing goes wrong any more, and nobody interferes.
    Calm,
    /// The last line: how the world is.
    Ends { truths: Vec<Truth> },
}

/// A campaign's row, as far as its machine is concerned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) enabled: bool,
    /// The defaults with the row's overrides, its mode included.
    pub(crate) policy: Policy,
}

/// From what a machine was built.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Restored {
    pub(crate) campaign: usize,
    pub(crate) promise: Option<Promise>,
    pub(crate) unfinished: Option<Action>,
    /// The newest journal entry, whatever it is of.
    pub(crate) newest: Option<Box<Action>>,
    pub(crate) hold: Option<Hold>,
    pub(crate) hold_on_all: Option<Hold>,
    /// The end time of the newest journal entry that is no pause.
    pub(crate) own_end_time: Option<DateTime<Utc>>,
}

/// All that a tick has read, before anybody made anything of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) operation: QuestionId,
    /// True times: when the tick began, when the request left that brought the status (none was sent where a campaign is
    /// still taken for gone), and when its answer came.
    pub(crate) began_at: DateTime<Utc>,
    pub(crate) sent_at: Option<DateTime<Utc>>,
    pub(crate) answered_at: DateTime<Utc>,
    /// The guard's clock at these two.
    pub(crate) began_at_wall: DateTime<Utc>,
    pub(crate) answered_at_wall: DateTime<Utc>,
    /// The day by the guard's clock when the spend was looked for.
    pub(crate) spend_day: Option<NaiveDate>,
    pub(crate) remote: Result<RemoteCampaign, RemoteFault>,
    /// The report's answer, where one was asked for.
    pub(crate) report: Option<SpendReading>,
    /// What the campaign's counter has shown to earlier ticks of this machine, on the day of the last of them.
    pub(crate) counter: Option<CounterSeen>,
    pub(crate) stored: Result<SpendHistory, DatabaseFailure>,
    pub(crate) clicks: Result<RemainingClicks, DatabaseFailure>,
    /// How many clicks remained when the tick began, which says how urgent its read is.
    pub(crate) first_clicks: Option<Clicks>,
    /// What the guard made of the sources.
    pub(crate) spend: Result<Spend, SpendUnknown>,
    /// The policy by which it decides.
    pub(crate) policy: Policy,
    /// By how much the guard's clock was ahead when TrafficStars answered last.
    pub(crate) clock_ahead_by: Option<Duration>,
}

/// What a campaign's counter has shown on one day. Absent is less than any amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CounterSeen {
    pub(crate) day: NaiveDate,
    pub(crate) least: Option<Money>,
    pub(crate) last: Option<Money>,
    /// The least that it showed after it had shown more.
    pub(crate) fell_to: Option<Option<Money>>,
}

/// An action that a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) campaign: usize,
    pub(crate) action: ActionId,
    /// The action's kind. An activation is carried by an end time first, then by a run; a pause by a pause, then by an end
    /// time.
    pub(crate) kind: ActionKind,
}

/// How a request ended for the guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum How {
    Answered,
    /// So many of the campaigns that it names were refused by an answer of success.
    Refused(usize),
    /// A status code that is none of success.
    Status(u16),
    TimedOut,
    Broke,
}

/// Who changed a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Guard,
    /// The guard's request, which something on the way has sent twice.
    Again,
    Others,
    EndTime,
    /// Blocked or unblocked, deleted or restored there.
    TrafficStars,
}

/// How a campaign really is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) campaign: usize,
    pub(crate) exists: bool,
    pub(crate) runs: bool,
    pub(crate) blocked: bool,
    pub(crate) end_time: Option<DateTime<Utc>>,
    /// Today's, in millionths.
    pub(crate) spent_micros: i64,
    pub(crate) remaining_clicks: i64,
}

/// A run's lines. One that is not kept costs nothing.
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
    /// The campaigns that it is about; none where it is about all.
    pub(crate) fn campaigns(&self) -> Vec<usize> {
        match self {
            Self::RowChanged { campaign, .. }
            | Self::Gone { campaign }
            | Self::Seen { campaign, .. }
            | Self::SeenBack { campaign, .. }
            | Self::OrderReport { campaign, .. }
            | Self::Asked { campaign, .. }
            | Self::Stands { campaign, .. }
            | Self::Stored { campaign, .. }
            | Self::NotStored { campaign }
            | Self::OldCounter(OldCounter { campaign, .. })
            | Self::SpendStored { campaign, .. }
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
            | Self::Silence { .. }
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
