//! The interface of the state machine: the events that it handles, and the effects that it requests.

use std::fmt;

use chrono::{DateTime, Utc};

use super::action::{Action, ActionId, ActionKind, Outcome};
use super::another_guard::EndTimeSign;
use super::budget::DayBudget;
use super::failure::RemoteFault;
use super::money::{Clicks, Money};
use super::observation::Observation;
use super::occasion::OccasionChange;
use super::order::{DisableRefusal, Force, ForceFailure, HoldChange, OrderId};
use super::phase::{PhaseWord, Promise};
use super::remote::RemoteCampaign;
use super::shared_limit::SharedLimitReport;
use super::status::Hold;
use super::unchanged_spend::StandsStill;

/// The number of a question. By it, an answer to an older question is recognised and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(pub u64);

/// An event that the machine handles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The time that [`super::machine::Machine::next_wake`] returned has come.
    Wake,
    /// The answer to [`Effect::Observe`].
    Observed {
        /// The question's number.
        question_id: QuestionId,
        /// The facts that were found.
        observation: Box<Observation>,
    },
    /// The answer to [`Effect::ReadBack`].
    ReadBack {
        /// The question's number.
        question_id: QuestionId,
        /// The campaign object.
        remote: Result<Box<RemoteCampaign>, RemoteFault>,
    },
    /// The answer to [`Effect::Send`].
    Applied {
        /// The action's number.
        action: ActionId,
        /// The result of the request.
        outcome: Outcome,
    },
    /// The end time that follows an accepted pause was set, or could not be set.
    EndTimeSet {
        /// The pause's number.
        action: ActionId,
        /// The result of the request.
        outcome: Outcome,
    },
    /// A pause was sent before its journal entry could be stored.
    SentUnstored {
        /// The action's number.
        action: ActionId,
    },
    /// The generator was disabled: end the promise as soon as no action is in flight.
    Disable {
        /// Whether to pause the campaign first.
        pause: bool,
    },
    /// The campaign's row is about to be deleted. Disable the generator only if the campaign is seen stopped.
    DisableIfStopped,
    /// An operator orders a tick now. [`Effect::Processed`] answers it.
    Process {
        /// The order's number.
        order: OrderId,
    },
    /// An operator orders an action now. [`Effect::ForceEnded`] answers it.
    Force {
        /// The order's number.
        order: OrderId,
        /// The action to force.
        force: Box<Force>,
    },
    /// An operator puts the campaign on hold or releases it. [`Effect::Held`] answers it.
    Hold {
        /// The order's number.
        order: OrderId,
        /// The new hold; `None` releases the present one.
        hold: Option<Hold>,
    },
    /// All campaigns are put on hold or released. The supervisor keeps that hold.
    HoldAll(Option<Hold>),
}

/// A request of the machine. The caller carries the effects out in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Find the facts of one tick. [`Event::Observed`] answers it.
    Observe {
        /// The question's number.
        question_id: QuestionId,
        /// Whether to read the campaign at TrafficStars. If not, the campaign counts as gone without a read.
        read_remote: bool,
        /// Whether one more 404 means that the campaign is gone.
        is_gone: bool,
        /// Whether to read the campaign's URLs one by one.
        counts_urls: bool,
    },
    /// Read this one campaign. The read shows whether an action took effect, or whether a campaign that is being
    /// disabled must be paused first, or may be disabled at all. [`Event::ReadBack`] answers it.
    ReadBack {
        /// The question's number.
        question_id: QuestionId,
    },
    /// Store the promise and, if there is one, the journal entry, in one transaction.
    Store(Box<Record>),
    /// Send an action's requests. [`Event::Applied`] answers it.
    Send(Request),
    /// Set the end time that follows an accepted pause. [`Event::EndTimeSet`] answers it.
    SetEndTime(FollowingEndTime),
    /// Report something to the operators.
    Note(Note),
    /// Others changed the campaign's end time as a guard does. The supervisor reports that once for the account.
    Sign(EndTimeSign),
    /// A limit that campaigns share is reached, or is near, with this sum. The supervisor reports that once for all.
    SharedLimit(SharedLimitReport, Money),
    /// The promise has ended: this machine sends nothing from now on.
    Disabled {
        /// Whether the campaign was read stopped for the order, or was paused by it.
        stopped: bool,
    },
    /// The generator stays enabled: the pause that had to come first failed, or the campaign runs and must not. The
    /// campaign stays guarded.
    DisableRefused(DisableRefusal),
    /// A tick that began after this order and all orders before it has ended. Its decision is stored.
    Processed {
        /// The order's number.
        order: OrderId,
    },
    /// A forced action succeeded, was refused, or failed.
    ForceEnded {
        /// The order's number.
        order: OrderId,
        /// Success, or why the action had no effect.
        result: Result<(), ForceFailure>,
    },
    /// This hold or release, and all before it, are in force. No request from before them is in flight.
    Held {
        /// The order's number.
        order: OrderId,
    },
}

/// The data that one transaction stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The promise.
    pub promise: Promise,
    /// The action whose journal entry is written or brought up to date.
    pub entry: Option<Action>,
    /// The operator who gave the order for the action: uid and name.
    pub by: Option<String>,
    /// The change of the stored hold.
    pub hold: HoldChange,
    /// The day's budget, if it has changed; `None` leaves the stored one.
    pub budget: Option<DayBudget>,
    /// The occasions that began or ended, for alerts. The session adds them.
    pub occasions: Vec<OccasionChange>,
}

impl Record {
    /// Returns a record that stores only this promise.
    #[must_use]
    pub const fn of(promise: Promise) -> Self {
        Self { promise, entry: None, by: None, hold: HoldChange::Keep, budget: None, occasions: Vec::new() }
    }
}

/// A request to the TrafficStars client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The action's number.
    pub action: ActionId,
    /// The kind of the action.
    pub kind: ActionKind,
    /// The end time to set.
    pub end_time: DateTime<Utc>,
    /// The `max_daily` to set, for the kinds that set one.
    pub max_daily: Money,
    /// From this time on the request is not sent, because its facts are too old. `None` for a pause: it never expires.
    pub valid_until: Option<DateTime<Utc>>,
    /// The remaining clicks at the decision. When requests are queued, the campaign with the most clicks goes first.
    pub remaining_clicks: Option<Clicks>,
    /// The time (UTC) when the request became due. A request that waited long goes before one with more clicks.
    pub due_since: DateTime<Utc>,
}

/// The end time that follows an accepted pause. It is not an action of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowingEndTime {
    /// The pause's number.
    pub action: ActionId,
    /// The end time to set.
    pub end_time: DateTime<Utc>,
    /// From this time on it is not sent: the end time is then owed, and the ticks set it.
    pub valid_until: DateTime<Utc>,
}

/// A message for operators. Its `Display` is the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The state changed.
    Transition {
        /// The state before.
        from: PhaseWord,
        /// The state after.
        to: PhaseWord,
        /// The reason, for operators.
        reason: String,
    },
    /// An action reached a step.
    Action {
        /// The kind of the action.
        kind: ActionKind,
        /// The step, with its reason.
        update: ActionUpdate,
    },
    /// Somebody else changed the campaign.
    ForeignChange {
        /// Whether the campaign runs since then.
        running: bool,
    },
    /// Others change the campaign again and again.
    Contested {
        /// `true` at the beginning, `false` at the end.
        began: bool,
    },
    /// The spend has reached the part of its limit from which on it is reported.
    Warned {
        /// Today's spend.
        spend: Money,
        /// The spend limit.
        limit: Money,
    },
    /// The spend limit was reached; or it no longer is, such as on a new day.
    HighSpend {
        /// `true` at the beginning, `false` at the end.
        began: bool,
    },
    /// The campaign runs past a threshold and no promise is in force, for this reason.
    Unguarded(String),
    /// TrafficStars will not run the campaign, for this reason; `None`: it can run again.
    Blocked(Option<String>),
    /// An activation is due and waits, for this reason.
    Waiting(String),
    /// An operator put the campaign on hold, described in words; `None`: the hold has ended.
    Hold(Option<String>),
    /// The campaign runs and its clicks go down, but its spend has not changed for long.
    SpendStandsStill(StandsStill),
    /// The day's budget is not raised, since what stands there is enough.
    BudgetLeft(String),
    /// The day's budget should be raised and cannot be, for this reason.
    TopUpRefused(String),
}

/// A change in an action's progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionUpdate {
    /// The action is due, for this reason.
    Requested(String),
    /// TrafficStars accepted it.
    Accepted,
    /// The answer was lost or unclear, as described.
    Unclear(String),
    /// A read shows its result.
    Confirmed,
    /// It failed, for this reason.
    Failed(String),
    /// It is no longer needed, for this reason.
    Superseded(String),
    /// Observe mode: it would be due, for this reason, and is not sent.
    ObservedOnly(String),
    /// The end time that follows the pause could not be set, for this reason. Every tick tries again.
    EndTimeOwed(String),
}

impl Note {
    /// Whether an operator should look at it.
    #[must_use]
    pub const fn is_warning(&self) -> bool {
        match self {
            Self::Action { update, .. } => {
                matches!(update, ActionUpdate::Unclear(_) | ActionUpdate::Failed(_) | ActionUpdate::EndTimeOwed(_))
            }
            Self::ForeignChange { .. }
            | Self::Unguarded(_)
            | Self::Blocked(Some(_))
            | Self::SpendStandsStill(_)
            | Self::Warned { .. }
            | Self::TopUpRefused(_) => true,
            Self::Contested { began } => *began,
            Self::Transition { .. }
            | Self::HighSpend { .. }
            | Self::Blocked(None)
            | Self::Waiting(_)
            | Self::BudgetLeft(_)
            | Self::Hold(_) => false,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transition { from, to, reason } => write!(f, "{from} → {to}: {reason}"),
            Self::Action { kind, update } => write!(f, "{kind} {update}"),
            Self::ForeignChange { running: true } => f.write_str("somebody else started it"),
            Self::ForeignChange { running: false } => f.write_str("somebody else stopped it"),
            Self::Contested { began: true } => f.write_str("contested: others change it again and again"),
            Self::Contested { began: false } => f.write_str("no longer contested: an hour without a foreign change"),
            Self::Warned { spend, limit } => write!(f, "{spend} of its limit of {limit} is spent today"),
            Self::HighSpend { began: true } => {
                f.write_str("high spend: its limit, or one that it shares, is reached today")
            }
            Self::HighSpend { began: false } => f.write_str("no longer high spend"),
            Self::Unguarded(why) => write!(f, "unguarded: it runs, and nothing pauses it: {why}"),
            Self::Blocked(Some(reason)) => write!(f, "blocked: {reason}"),
            Self::Blocked(None) => f.write_str("no longer blocked"),
            Self::Waiting(reason) => write!(f, "should run, but waits: {reason}"),
            Self::SpendStandsStill(StandsStill { amount, since, clicks_used }) => write!(
                f,
                "its spend has been {amount} since {}, although it runs and {} clicks were used since then",
                since.format("%H:%M:%S"),
                Clicks(*clicks_used)
            ),
            Self::BudgetLeft(reason) => f.write_str(reason),
            Self::TopUpRefused(reason) => write!(f, "not topped up: {reason}"),
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
            Self::Unclear(reason) => write!(f, "unclear, a read will show whether it worked: {reason}"),
            Self::Confirmed => f.write_str("confirmed"),
            Self::Failed(reason) => write!(f, "failed: {reason}"),
            Self::Superseded(reason) => write!(f, "superseded: {reason}"),
            Self::ObservedOnly(reason) => write!(f, "would be due, but observe mode sends nothing: {reason}"),
            Self::EndTimeOwed(reason) => write!(f, "is done, but its end time is not set yet: {reason}"),
        }
    }
}
