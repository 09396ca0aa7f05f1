//! The contract of the state machine: what it is told, and what it asks for.

use std::fmt;

use chrono::{DateTime, Utc};

use super::action::{Action, ActionId, ActionKind, Outcome};
use super::another_guard::EndTimeSign;
use super::failure::RemoteFault;
use super::money::Clicks;
use super::observation::Observation;
use super::order::{DisableRefusal, Force, ForceFailure, HoldChange, OrderId};
use super::phase::{PhaseWord, Promise};
use super::remote::RemoteCampaign;
use super::status::Hold;
use super::unchanged_spend::StandsStill;

/// Numbers a question, so that an answer to an older one is recognised and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(pub u64);

/// What the machine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The time that [`super::machine::Machine::next_wake`] named has come.
    Wake,
    /// The answer to [`Effect::Observe`].
    Observed {
        /// The question's number.
        operation: QuestionId,
        /// All that was found out.
        observation: Box<Observation>,
    },
    /// The answer to [`Effect::ReadBack`].
    ReadBack {
        /// The question's number.
        operation: QuestionId,
        /// The campaign object.
        remote: Result<Box<RemoteCampaign>, RemoteFault>,
    },
    /// The answer to [`Effect::Send`].
    Applied {
        /// The action's number.
        action: ActionId,
        /// What became of it.
        outcome: Outcome,
    },
    /// The end time that follows an accepted pause was set, or could not be.
    EndTimeSet {
        /// The pause's number.
        action: ActionId,
        /// What became of it.
        outcome: Outcome,
    },
    /// A pause was sent before its journal entry could be stored.
    SentUnstored {
        /// The action's number.
        action: ActionId,
    },
    /// Its generator was disabled: end the promise, once no action is on its way.
    Disable {
        /// Whether it is to be paused first.
        pause: bool,
    },
    /// Its row is about to go: end the promise as [`Event::Disable`] does, but only if it is seen stopped.
    DisableIfStopped,
    /// An operator wants a tick now; answered by [`Effect::Processed`].
    Process {
        /// The order's number.
        order: OrderId,
    },
    /// An operator wants an action now; answered by [`Effect::ForceEnded`].
    Force {
        /// The order's number.
        order: OrderId,
        /// What.
        force: Box<Force>,
    },
    /// An operator puts it on hold, or releases it; answered by [`Effect::Held`].
    Hold {
        /// The order's number.
        order: OrderId,
        /// The hold; none releases it.
        hold: Option<Hold>,
    },
    /// All campaigns are put on hold, or released. The supervisor keeps that hold.
    HoldAll(Option<Hold>),
}

/// What the machine asks for. Effects are to be carried out in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Find the facts of one tick; answered by [`Event::Observed`].
    Observe {
        /// The question's number.
        operation: QuestionId,
        /// Whether TrafficStars is to be asked. If not, the campaign counts as gone without a read.
        read_remote: bool,
        /// Whether one more 404 says that it is gone.
        is_gone: bool,
    },
    /// Read the campaign by itself, to see whether an action shows, whether a release has to pause it, or whether it may
    /// be released at all; answered by [`Event::ReadBack`].
    ReadBack {
        /// The question's number.
        operation: QuestionId,
    },
    /// Store the promise, and the journal entry if there is one, in one transaction.
    Store(Box<Record>),
    /// Send an action's requests; answered by [`Event::Applied`].
    Send(Request),
    /// Set the end time that follows an accepted pause; answered by [`Event::EndTimeSet`].
    SetEndTime(FollowingEndTime),
    /// Tell the operators.
    Note(Note),
    /// Its end time was changed by others, and as a guard does it. What that says is told once for the account.
    Sign(EndTimeSign),
    /// The promise has ended: this machine sends nothing any more.
    Disabled {
        /// The release asked for a pause, and the campaign is stopped.
        stopped: bool,
    },
    /// The pause that was to come before the release failed, or it runs and must not; the campaign stays guarded.
    DisableRefused(DisableRefusal),
    /// A tick that began after this order and those before it is over: its decision is taken and stored.
    Processed {
        /// The order's number.
        order: OrderId,
    },
    /// A forced action has come about, was refused, or failed.
    ForceEnded {
        /// The order's number.
        order: OrderId,
        /// Why nothing came of it, if so.
        result: Result<(), ForceFailure>,
    },
    /// This hold or release and those before it are in force, and nothing that was begun before is on its way any more.
    Held {
        /// The order's number.
        order: OrderId,
    },
}

/// What is stored in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The promise.
    pub promise: Promise,
    /// The action whose journal entry is written or brought up to date.
    pub entry: Option<Action>,
    /// Whose order the action is: uid and name.
    pub by: Option<String>,
    /// What becomes of the stored hold.
    pub hold: HoldChange,
}

/// What the TrafficStar client is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The action's number.
    pub action: ActionId,
    /// What.
    pub kind: ActionKind,
    /// The end time to set.
    pub end_time: DateTime<Utc>,
    /// Not to be sent from then on, since the facts it was decided on are too old by then. A pause is never too old.
    pub valid_until: Option<DateTime<Utc>>,
    /// The remaining clicks on which it was decided: where requests have to wait, the most go first.
    pub remaining_clicks: Option<Clicks>,
    /// When it became due; what has waited for long goes before more clicks.
    pub due_since: DateTime<Utc>,
}

/// The end time that follows an accepted pause, and is no action of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowingEndTime {
    /// The pause's number.
    pub action: ActionId,
    /// The end time to set.
    pub end_time: DateTime<Utc>,
    /// Not to be sent from then on: what was not sent is owed, and the ticks see to that.
    pub valid_until: DateTime<Utc>,
}

/// What operators are told. Its text is for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The state changed.
    Transition {
        /// From.
        from: PhaseWord,
        /// To.
        to: PhaseWord,
        /// Why.
        reason: String,
    },
    /// An action takes a step.
    Action {
        /// What.
        kind: ActionKind,
        /// What happened to it.
        news: ActionUpdate,
    },
    /// Somebody else changed the campaign.
    ForeignChange {
        /// What it is now.
        running: bool,
    },
    /// Others change it again and again.
    Contested {
        /// Whether it began; it ended otherwise.
        began: bool,
    },
    /// The spend limit was reached, or a new day has begun.
    HighSpend {
        /// Whether it began; it ended otherwise.
        began: bool,
    },
    /// It runs past a threshold, and no promise is in force, for this reason.
    Unguarded(String),
    /// Running it cannot help, for this reason; or, without one, it can again.
    Blocked(Option<String>),
    /// An activation is due and held back, for this reason.
    Waiting(String),
    /// An operator put it on hold, in words; or, without any, the hold has ended.
    Hold(Option<String>),
    /// It runs, its clicks go on, and its spend has been the same for long.
    SpendStandsStill(StandsStill),
}

/// What happened to an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionUpdate {
    /// It is due, for this reason.
    Requested(String),
    /// TrafficStars took it.
    Accepted,
    /// The answer was lost or unclear.
    Unclear(String),
    /// A read shows it.
    Confirmed,
    /// It failed, for this reason.
    Failed(String),
    /// It is not wanted any more, for this reason.
    Superseded(String),
    /// Observe mode: it would be due, for this reason, and is not sent.
    ObservedOnly(String),
    /// The end time that follows the pause could not be set; it is tried again at every tick.
    EndTimeOwed(String),
}

impl Note {
    /// Whether somebody should look at it.
    #[must_use]
    pub const fn is_warning(&self) -> bool {
        match self {
            Self::Action { news, .. } => {
                matches!(news, ActionUpdate::Unclear(_) | ActionUpdate::Failed(_) | ActionUpdate::EndTimeOwed(_))
            }
            Self::ForeignChange { .. } | Self::Unguarded(_) | Self::Blocked(Some(_)) | Self::SpendStandsStill(_) => {
                true
            }
            Self::Contested { began } => *began,
            Self::Transition { .. }
            | Self::HighSpend { .. }
            | Self::Blocked(None)
            | Self::Waiting(_)
            | Self::Hold(_) => false,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transition { from, to, reason } => write!(f, "{from} → {to}: {reason}"),
            Self::Action { kind, news } => write!(f, "{kind} {news}"),
            Self::ForeignChange { running: true } => f.write_str("somebody else started it"),
            Self::ForeignChange { running: false } => f.write_str("somebody else stopped it"),
            Self::Contested { began: true } => f.write_str("contested: others change it again and again"),
            Self::Contested { began: false } => f.write_str("no longer contested: an hour without a foreign change"),
            Self::HighSpend { began: true } => f.write_str("high spend: today's limit is reached"),
            Self::HighSpend { began: false } => f.write_str("no longer high spend"),
            Self::Unguarded(why) => write!(f, "unguarded: it runs, and nothing pauses it: {why}"),
            Self::Blocked(Some(reason)) => write!(f, "blocked: {reason}"),
            Self::Blocked(None) => f.write_str("no longer blocked"),
            Self::Waiting(reason) => write!(f, "should run, and waits: {reason}"),
            Self::SpendStandsStill(StandsStill { amount, since, clicks_used }) => write!(
                f,
                "its spend stands still at {amount} since {}, though it runs and {} clicks were used meanwhile",
                since.format("%H:%M:%S"),
                Clicks(*clicks_used)
            ),
            Self::Hold(Some(hold)) => write!(f, "on hold {hold}"),
            Self::Hold(None) => f.write_str("no longer on hold"),
        }
    }
}

impl fmt::Display for ActionUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested(reason) => write!(f, "requested: {reason}"),
            Self::Accepted => f.write_str("accepted by TrafficStars"),
            Self::Unclear(reason) => write!(f, "unclear, it will be read back: {reason}"),
            Self::Confirmed => f.write_str("confirmed"),
            Self::Failed(reason) => write!(f, "failed: {reason}"),
            Self::Superseded(reason) => write!(f, "superseded: {reason}"),
            Self::ObservedOnly(reason) => write!(f, "would be due, and is not sent in observe mode: {reason}"),
            Self::EndTimeOwed(reason) => write!(f, "is done, but its end time could not be set yet: {reason}"),
        }
    }
}
