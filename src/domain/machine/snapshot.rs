//! What the machine shows to the dump, `explain` and `health`. Nothing here changes the machine.

use chrono::{DateTime, Utc};

use super::{Counters, Machine};
use crate::domain::action::{Action, ActionKind};
use crate::domain::assessment::Assessment;
use crate::domain::decision::decide;
use crate::domain::decision_log::PastDecision;
use crate::domain::explain::{ActionProgress, Snapshot};
use crate::domain::outlook::Outlook;
use crate::domain::phase::{Phase, PhaseWord};
use crate::domain::policy::{Mode, Policy};
use crate::domain::remote::RemoteStatus;
use crate::domain::timer::{Timer, TimerKind};
use crate::domain::unguarded::Unguarded;

impl Machine {
    /// Returns the promise.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns since when it is promised.
    #[must_use]
    pub const fn since(&self) -> DateTime<Utc> {
        self.since
    }

    /// Returns when the next tick is due.
    #[must_use]
    pub const fn next_tick_at(&self) -> DateTime<Utc> {
        self.next_tick_at
    }

    /// Whether today's spend limit is reached.
    #[must_use]
    pub const fn high_spend(&self) -> bool {
        self.flags.high_spend_on.is_some()
    }

    /// Whether others change the campaign again and again.
    #[must_use]
    pub const fn contested(&self) -> bool {
        self.contest.is_contested()
    }

    /// Returns when somebody else last changed the campaign; `None` if no other did within the last hour.
    #[must_use]
    pub fn last_foreign_change_at(&self) -> Option<DateTime<Utc>> {
        self.contest.last_change_at()
    }

    /// Returns when the machine was built.
    #[must_use]
    pub const fn built_at(&self) -> DateTime<Utc> {
        self.built_at
    }

    /// Returns when the first unconfirmed pause was decided, while a pause is wanted.
    #[must_use]
    pub const fn pausing_since(&self) -> Option<DateTime<Utc>> {
        self.readings.pausing_since
    }

    /// Returns since when and why it runs past a threshold while no promise is in force.
    #[must_use]
    pub const fn unguarded_state(&self) -> Option<&Unguarded> {
        self.flags.unguarded.as_ref()
    }

    /// Whether it runs past a threshold while no promise is in force.
    #[must_use]
    pub const fn unguarded(&self) -> bool {
        self.flags.unguarded.is_some()
    }

    /// Returns why TrafficStars will not run the campaign; `None` if it can run.
    #[must_use]
    pub fn blocked(&self) -> Option<&str> {
        self.flags.blocked.as_deref()
    }

    /// Returns since when today's spend is unchanged, while the campaign runs.
    #[must_use]
    pub fn spend_unchanged_since(&self) -> Option<DateTime<Utc>> {
        self.unchanged_spend.since()
    }

    /// Returns why an activation that is due waits; `None` if none waits.
    #[must_use]
    pub fn waiting(&self) -> Option<&str> {
        self.flags.waiting.as_deref()
    }

    /// Returns the last action.
    #[must_use]
    pub const fn action(&self) -> Option<&Action> {
        self.last.action()
    }

    /// Whether it was seen stopped, is not promised to run, and has no action under way that could start it. A pause of
    /// all campaigns reads such a campaign first, so that no request is sent for a campaign that is stopped.
    #[must_use]
    pub fn is_seen_stopped(&self, now: DateTime<Utc>, policy: &Policy) -> bool {
        let status = self.readings.judged_at(now, policy).map(|judged| judged.status);
        let is_stopped = matches!(status, Some(RemoteStatus::Stopped(_)));
        is_stopped && self.phase != Phase::ActiveGuarded && !self.last.is_under_way() && self.forcing.is_none()
    }

    /// Returns what the table would make of it by the last reading, after a cool-down if there is one.
    #[must_use]
    pub fn outlook(&self, now: DateTime<Utc>, policy: &Policy) -> Outlook {
        let Some(judged) = self.readings.judged_at(now, policy) else { return Outlook::Unknown };
        let phase = match self.phase {
            Phase::CoolingDown { .. } => PhaseWord::PausedGuarded,
            phase @ (Phase::Idle | Phase::ActiveGuarded | Phase::PausedGuarded) => phase.word(),
        };
        match &judged.status {
            _ if self.hold(now).is_some() || policy.mode == Mode::Observe => Outlook::LeftAlone,
            status if status.may_run() => Outlook::Runs,
            RemoteStatus::Blocked { .. } | RemoteStatus::Unknown { .. } | RemoteStatus::Running => Outlook::Unknown,
            RemoteStatus::Stopped(_) if decide(&judged, phase).action == Some(ActionKind::Activate) => Outlook::Starts,
            RemoteStatus::Stopped(_) if judged.at_limit().is_some_and(|policy| !policy.guards_by_clicks()) => {
                Outlook::LimitReached
            }
            RemoteStatus::Stopped(_) => Outlook::StaysStopped,
        }
    }

    /// Whether a request that changes something is in flight.
    #[must_use]
    pub fn is_action_in_flight(&self) -> bool {
        self.last.in_flight().is_some() || self.end_times.are_under_way()
    }

    /// Returns the facts of the last tick, and how they were judged.
    #[must_use]
    pub fn assessment(&self) -> Option<&Assessment> {
        self.readings.last.as_deref()
    }

    /// Returns the reason of the last decision, including decisions to do nothing.
    #[must_use]
    pub fn last_decision(&self) -> Option<&str> {
        self.decisions.last().map(|decision| decision.reason.as_str())
    }

    /// Returns the last decision, including decisions to do nothing.
    #[must_use]
    pub fn newest_decision(&self) -> Option<&PastDecision> {
        self.decisions.last()
    }

    /// Returns the numbers that were counted since the machine was built.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Returns all that `explain` needs, as of `now`.
    #[must_use]
    pub fn snapshot(&self, now: DateTime<Utc>, policy: &Policy) -> Snapshot {
        Snapshot {
            policy: policy.clone(),
            phase: self.phase,
            built_at: self.built_at,
            assessment: self.readings.last.clone(),
            status_unknown_since: self.readings.status_unknown_since,
            clicks_unknown_since: self.readings.clicks_unknown_since,
            gone_since: self.absence.gone_since(),
            unguarded: self.flags.unguarded.clone(),
            pausing_since: self.readings.pausing_since,
            spend_unchanged_since: self.unchanged_spend.since(),
            spend_stands_still: self.unchanged_spend.is_reported(),
            disabling: self.disabling.is_some(),
            end_time_owed: self.end_times.is_owed(),
            action: self.last.action().cloned(),
            action_by: self.last.by.clone(),
            journal_id: None,
            unstored_records: 0,
            progress: match (self.last.in_flight(), self.last.awaiting()) {
                (Some(_), _) => ActionProgress::InFlight,
                (None, Some(_)) => ActionProgress::Awaiting,
                (None, None) if self.last.postponed().is_some() => ActionProgress::Postponed,
                (None, None) => ActionProgress::Settled,
            },
            decisions: self.decisions.newest_first(),
            timers: self.timers(now, policy),
        }
    }

    fn timers(&self, now: DateTime<Utc>, policy: &Policy) -> Vec<Timer> {
        let awaiting = self.last.awaiting().map(|(_, awaiting)| awaiting);
        let timers = [
            (TimerKind::NextTick, self.disabling.is_none().then_some(self.next_tick_at)),
            (TimerKind::CoolDownEnd, self.phase.cooling_down_until()),
            (TimerKind::ReadBack, awaiting.map(|awaiting| awaiting.read_back_at)),
            (TimerKind::ConfirmBy, awaiting.map(|awaiting| awaiting.deadline)),
            (TimerKind::RunBackoff, self.run_backoff.waits_until(now)),
            (TimerKind::ContestedBackoff, self.contest.activation_waits_until(policy)),
            (TimerKind::ContestedEnd, self.contest.ends_at()),
            (TimerKind::NotFoundPause, self.absence.read_again_at()),
            (TimerKind::TopUp, self.day_budget().and_then(|day| Some(day.gathering.as_ref()?.until))),
        ];
        timers.into_iter().filter_map(|(kind, at)| at.map(|at| Timer { kind, at })).collect()
    }
}
