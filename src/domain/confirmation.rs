//! How an action is confirmed, and when a run that failed is tried again (RULES.md, "Sent is not done").

use chrono::{DateTime, Duration, Utc};

use super::action::{Action, ActionKind};
use super::budget::is_enough;
use super::failure::RemoteFault;
use super::policy::Policy;
use super::remote::{EndTime, RemoteCampaign, RemoteStatus};

/// An answered action that no read has confirmed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Awaiting {
    /// The last question asked before the answer arrived. That question and earlier ones prove nothing.
    pub(super) after: u64,
    /// A read that is sent at this time or later and does not show the result means that the action failed (UTC).
    pub(super) deadline: DateTime<Utc>,
    /// The time (UTC) of the next read-back.
    pub(super) read_back_at: DateTime<Utc>,
    delay: Duration,
}

impl Awaiting {
    /// Starts the read-backs. The first comes after a thirtieth of the time allowed (1 s of 30 s), each next one after
    /// twice as long.
    pub(super) fn new(now: DateTime<Utc>, after: u64, deadline: DateTime<Utc>, policy: &Policy) -> Self {
        let delay = (policy.confirm_within / 30).max(Duration::milliseconds(10));
        Self { after, deadline, read_back_at: (now + delay).min(deadline.max(now)), delay }
    }

    /// Moves times closer after a clock was set back, so that no time lies farther ahead than when it was set.
    pub(super) fn clamp_to_now(&mut self, now: DateTime<Utc>, policy: &Policy) {
        self.deadline = self.deadline.min(now + policy.confirm_within);
        self.read_back_at = self.read_back_at.min(now + policy.confirm_within.max(self.delay));
    }

    /// Returns the state after a read that did not show the result. The last read is sent at the deadline, not later.
    pub(super) fn again(self, now: DateTime<Utc>) -> Self {
        let delay = self.delay * 2;
        Self { read_back_at: (now + delay).min(self.deadline), delay, ..self }
    }
}

/// The verdict of a read about an action that waits for confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReadBackVerdict {
    /// The read shows the result.
    Shown,
    /// The read shows the old state, or could not tell. It is too early to call that a failure.
    NotYet,
    /// The action failed, with the reason.
    Failed(String),
}

/// Whether a read shows that the campaign does not run, even if it has other problems.
pub(super) fn is_stopped(remote: &Result<RemoteCampaign, RemoteFault>, status: &RemoteStatus) -> bool {
    let switched_off = remote.as_ref().is_ok_and(|campaign| campaign.active == Some(false));
    switched_off || matches!(status, RemoteStatus::Stopped(_))
}

/// Whether there is nothing to pause. A campaign that is gone cannot run and cost money. A single 404 proves nothing.
pub(super) fn is_stopped_or_gone(remote: &Result<RemoteCampaign, RemoteFault>, status: &RemoteStatus) -> bool {
    *remote == Err(RemoteFault::Gone) || is_stopped(remote, status)
}

/// Compares an action with a read that was sent at `asked_at`, after the action's answer.
pub(super) fn verdict(
    action: &Action,
    awaiting: &Awaiting,
    asked_at: DateTime<Utc>,
    remote: &Result<RemoteCampaign, RemoteFault>,
    status: &RemoteStatus,
) -> ReadBackVerdict {
    let shown = match action.kind {
        ActionKind::Activate => *status == RemoteStatus::Running,
        ActionKind::Pause => is_stopped(remote, status),
        ActionKind::SetEndTime => {
            remote.as_ref().is_ok_and(|campaign| campaign.end_time == EndTime::At(action.end_time))
        }
        ActionKind::TopUp | ActionKind::DailyBudget => shows_budget(action, remote),
    };
    if shown {
        return ReadBackVerdict::Shown;
    }
    if let (ActionKind::Activate, RemoteStatus::Blocked { reason, .. }) = (action.kind, status) {
        return ReadBackVerdict::Failed(format!("TrafficStars does not run it: {reason}"));
    }
    // A tick that ended before its answer arrived has no read that could be compared with the deadline.
    if asked_at < awaiting.deadline || *remote == Err(RemoteFault::Late) {
        return ReadBackVerdict::NotYet;
    }
    let seen = match status {
        _ if action.kind.changes_budget() && remote.is_ok() => {
            "its max_daily is still another one after the time allowed for an effect to show".to_owned()
        }
        RemoteStatus::Unknown { doubt, .. } => format!("the read-back failed: {doubt}"),
        RemoteStatus::Blocked { .. } | RemoteStatus::Stopped(_) | RemoteStatus::Running => {
            format!("it is still {} after the time allowed for an effect to show", status.word().as_str())
        }
    };
    ReadBackVerdict::Failed(match &action.error {
        Some(error) => format!("{seen} ({error})"),
        None => seen,
    })
}

/// Whether a read shows the budget that the action sets. More than a top-up is enough: a person may have raised it.
fn shows_budget(action: &Action, remote: &Result<RemoteCampaign, RemoteFault>) -> bool {
    let wanted = action.budget.as_ref().map(|change| change.after);
    let shown = remote.as_ref().ok().and_then(|campaign| campaign.max_daily);
    let is_top_up = action.kind == ActionKind::TopUp;
    let is_shown = |(wanted, shown)| is_enough(shown, wanted) && (is_top_up || is_enough(wanted, shown));
    wanted.zip(shown).is_some_and(is_shown)
}

/// The fields whose change makes another try of a failed run worthwhile at once. The end time is not among them,
/// because the failed try itself has set it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RunFields {
    active: Option<bool>,
    status: Option<String>,
    approved: Option<String>,
    stopped: Option<String>,
    no_funds: bool,
    archived: bool,
}

impl RunFields {
    fn of(campaign: &RemoteCampaign) -> Self {
        Self {
            active: campaign.active,
            status: campaign.status.clone(),
            approved: campaign.approved.clone(),
            stopped: campaign.stopped.clone(),
            no_funds: campaign.no_funds,
            archived: campaign.archived,
        }
    }
}

/// Delays the next try of a run that failed.
#[derive(Debug, Clone, Default)]
pub(super) struct RunBackoff {
    failures: usize,
    not_before: Option<DateTime<Utc>>,
    fields: Option<RunFields>,
}

/// The minutes until the next try, after each failure; the last number repeats.
const RETRY_MINUTES: [i64; 5] = [1, 2, 4, 8, 15];

impl RunBackoff {
    /// Records that a run is decided, with the campaign as read then. A read-back may fail, so that the fields are kept
    /// now.
    pub(super) fn tries(&mut self, seen: Option<&RemoteCampaign>) {
        self.fields = seen.map(RunFields::of);
    }

    /// Records that the run failed. `seen` is the campaign as last read, if it could be read: fields that the run
    /// itself has changed are not a change by others.
    pub(super) fn failed(&mut self, now: DateTime<Utc>, seen: Option<&RemoteCampaign>) {
        let minutes = RETRY_MINUTES.get(self.failures).or(RETRY_MINUTES.last()).copied().unwrap_or(15);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + Duration::minutes(minutes));
        self.fields = seen.map(RunFields::of).or(self.fields.take());
    }

    /// Records that the run failed because the campaign is blocked. The next try follows as soon as the campaign
    /// differs from `seen`, even if it then looks as it did before the run.
    pub(super) fn blocked(&mut self, seen: &RemoteCampaign) {
        self.fields = Some(RunFields::of(seen));
    }

    /// Moves the next try closer after a clock was set back: never farther ahead than the longest wait.
    pub(super) fn clamp_to_now(&mut self, now: DateTime<Utc>) {
        let longest = Duration::minutes(RETRY_MINUTES.last().copied().unwrap_or_default());
        self.not_before = self.not_before.map(|at| at.min(now + longest));
    }

    /// Records that a run succeeded.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Ends the wait if the campaign's fields have changed, or if it runs. The latter counts even after a restart,
    /// which forgets the fields: a run is only decided for a campaign that is stopped.
    pub(super) fn saw(&mut self, seen: &RemoteCampaign, status: &RemoteStatus) {
        let has_changed = self.fields.as_ref().is_some_and(|fields| *fields != RunFields::of(seen));
        if has_changed || *status == RemoteStatus::Running {
            self.not_before = None;
        }
    }

    /// Returns until when the next try waits.
    pub(super) fn waits_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.not_before.filter(|&at| at > now)
    }
}
