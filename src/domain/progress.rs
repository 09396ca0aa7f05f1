//! How far the last action got, and when a run that failed may be tried again (RULES.md, "Sent is not done").

use chrono::{DateTime, Duration, Utc};

use super::action::{Action, ActionKind};
use super::failure::RemoteFault;
use super::policy::Policy;
use super::remote::{EndTime, RemoteCampaign, RemoteStatus};

/// An answered action that no read has shown yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Awaiting {
    /// The last question asked before the answer came: it and those before it prove nothing.
    pub(super) after: u64,
    /// A read sent from then on that does not show it means that it failed.
    pub(super) deadline: DateTime<Utc>,
    /// When to read back next.
    pub(super) read_back_at: DateTime<Utc>,
    delay: Duration,
}

impl Awaiting {
    /// The first read back comes after a thirtieth of the time allowed (1 s of 30 s), each next one after twice as long.
    pub(super) fn new(now: DateTime<Utc>, after: u64, deadline: DateTime<Utc>, policy: &Policy) -> Self {
        let delay = (policy.confirm_within / 30).max(Duration::milliseconds(10));
        Self { after, deadline, read_back_at: (now + delay).min(deadline.max(now)), delay }
    }

    /// Never farther away than when it began, though the clock was set back meanwhile.
    pub(super) fn clamp_to_now(&mut self, now: DateTime<Utc>, policy: &Policy) {
        self.deadline = self.deadline.min(now + policy.confirm_within);
        self.read_back_at = self.read_back_at.min(now + policy.confirm_within.max(self.delay));
    }

    /// The same, after a read that did not show it yet. The last read is sent at the deadline, not past it.
    pub(super) fn again(self, now: DateTime<Utc>) -> Self {
        let delay = self.delay * 2;
        Self { read_back_at: (now + delay).min(self.deadline), delay, ..self }
    }
}

/// What a read says about an action that waits for confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReadBackVerdict {
    /// The read shows what was asked.
    Shown,
    /// The read shows the old state still, or could not tell; that is early enough to mean nothing.
    NotYet,
    /// It did not come about, in words.
    Failed(String),
}

/// Whether a read shows that it does not run, whatever else is wrong with it.
pub(super) fn is_stopped(remote: &Result<RemoteCampaign, RemoteFault>, status: &RemoteStatus) -> bool {
    let switched_off = remote.as_ref().is_ok_and(|campaign| campaign.active == Some(false));
    switched_off || matches!(status, RemoteStatus::Stopped(_))
}

/// Whether nothing is left to pause: a campaign that is gone has no run that could cost money. A single 404 shows nothing.
pub(super) fn is_stopped_or_gone(remote: &Result<RemoteCampaign, RemoteFault>, status: &RemoteStatus) -> bool {
    *remote == Err(RemoteFault::Gone) || is_stopped(remote, status)
}

/// Holds a read that was sent at `asked_at`, after the action's answer, against the action.
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
    };
    if shown {
        return ReadBackVerdict::Shown;
    }
    if let (ActionKind::Activate, RemoteStatus::Blocked { reason, .. }) = (action.kind, status) {
        return ReadBackVerdict::Failed(format!("TrafficStars does not run it: {reason}"));
    }
    // A tick that ended before its answer came has asked nothing that the deadline could be held against.
    if asked_at < awaiting.deadline || *remote == Err(RemoteFault::Late) {
        return ReadBackVerdict::NotYet;
    }
    let seen = match status {
        RemoteStatus::Unknown { doubt, .. } => format!("it could not be read back: {doubt}"),
        RemoteStatus::Blocked { .. } | RemoteStatus::Stopped(_) | RemoteStatus::Running => {
            format!("it is still {} after the time allowed for an effect to show", status.word().as_str())
        }
    };
    ReadBackVerdict::Failed(match &action.error {
        Some(error) => format!("{seen} ({error})"),
        None => seen,
    })
}

/// The fields whose change makes a failed run worth another try at once. The end time is not among them: the attempt
/// itself has set it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Looks {
    active: Option<bool>,
    status: Option<String>,
    approved: Option<String>,
    stopped: Option<String>,
    no_funds: bool,
    archived: bool,
}

impl Looks {
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

/// Spaces the attempts to run a campaign that fails to run.
#[derive(Debug, Clone, Default)]
pub(super) struct RunBackoff {
    failures: usize,
    not_before: Option<DateTime<Utc>>,
    looks: Option<Looks>,
}

/// Minutes until the next attempt; the last one repeats.
const RETRY_MINUTES: [i64; 5] = [1, 2, 4, 8, 15];

impl RunBackoff {
    /// A run is decided; `seen` is the campaign as it is then. Kept from here on, since what reads it back may fail.
    pub(super) fn tries(&mut self, seen: Option<&RemoteCampaign>) {
        self.looks = seen.map(Looks::of);
    }

    /// The run failed; `seen` is the campaign as it was read last, if that could be read: what the run itself has changed is
    /// no change of the remote.
    pub(super) fn failed(&mut self, now: DateTime<Utc>, seen: Option<&RemoteCampaign>) {
        let minutes = RETRY_MINUTES.get(self.failures).or(RETRY_MINUTES.last()).copied().unwrap_or(15);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + Duration::minutes(minutes));
        self.looks = seen.map(Looks::of).or(self.looks.take());
    }

    /// The run failed because the campaign is blocked. The next one is sent as soon as the campaign looks different from
    /// `seen`, even if it then looks as it did before the run.
    pub(super) fn blocked(&mut self, seen: &RemoteCampaign) {
        self.looks = Some(Looks::of(seen));
    }

    /// Never farther away than the longest wait, though the clock was set back meanwhile.
    pub(super) fn clamp_to_now(&mut self, now: DateTime<Utc>) {
        let longest = Duration::minutes(RETRY_MINUTES.last().copied().unwrap_or_default());
        self.not_before = self.not_before.map(|at| at.min(now + longest));
    }

    /// A run came about.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// A campaign that looks otherwise than it did is tried at once, even where it looks the same again by then. One that
    /// runs does, even where a restart has forgotten how it looked: a run is decided on for what is stopped.
    pub(super) fn saw(&mut self, seen: &RemoteCampaign, status: &RemoteStatus) {
        let looked_otherwise = self.looks.as_ref().is_some_and(|looks| *looks != Looks::of(seen));
        if looked_otherwise || *status == RemoteStatus::Running {
            self.not_before = None;
        }
    }

    /// Until when the next attempt waits.
    pub(super) fn waits_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.not_before.filter(|&at| at > now)
    }
}
