//! What the machine remembers for `explain` and `health`, beyond what the dump has. Nothing is decided by it.

use chrono::{DateTime, Utc};

use super::Machine;
use crate::domain::action::ActionKind;
use crate::domain::decided::Conclusion;
use crate::domain::decision::Decision;
use crate::domain::explain::{ActionProgress, Insight};
use crate::domain::observation::Observation;
use crate::domain::policy::{Mode, Policy};
use crate::domain::progress::{Progress, is_stopped_or_gone};
use crate::domain::remote::RemoteStatus;
use crate::domain::timer::{Timer, TimerKind};

impl Machine {
    /// All that `explain` needs to know of it, as of `now`.
    #[must_use]
    pub fn insight(&self, now: DateTime<Utc>, policy: &Policy) -> Insight {
        Insight {
            policy: policy.clone(),
            phase: self.phase,
            built_at: self.built_at,
            observation: self.observation.clone(),
            status_unknown_since: self.status_unknown_since,
            clicks_unknown_since: self.clicks_unknown_since,
            gone_since: self.absence.gone_since(),
            pausing_since: self.pausing_since,
            spend_unchanged_since: self.standing.since(),
            spend_stands_still: self.standing.is_told(),
            releasing: self.releasing.is_some(),
            end_time_owed: self.end_time_owed,
            action: self.action.clone(),
            journal_id: None,
            progress: match self.progress {
                Progress::Settled => ActionProgress::Settled,
                Progress::InFlight => ActionProgress::InFlight,
                Progress::Awaiting(_) => ActionProgress::Awaiting,
            },
            decisions: self.decisions.newest_first(),
            timers: self.timers(now, policy),
        }
    }

    fn timers(&self, now: DateTime<Utc>, policy: &Policy) -> Vec<Timer> {
        let (read_back, confirm_by) = match self.progress {
            Progress::Awaiting(awaiting) => (Some(awaiting.read_back_at), Some(awaiting.deadline)),
            Progress::Settled | Progress::InFlight => (None, None),
        };
        let timers = [
            (TimerKind::NextTick, self.releasing.is_none().then_some(self.next_tick_at)),
            (TimerKind::CoolDownEnd, self.phase.cooling_down_until()),
            (TimerKind::ReadBack, read_back),
            (TimerKind::ConfirmBy, confirm_by),
            (TimerKind::RunBackoff, self.run_backoff.waits_until(now)),
            (TimerKind::ContestedBackoff, self.contest.activation_waits_until(policy)),
            (TimerKind::ContestedEnd, self.contest.ends_at()),
            (TimerKind::NotFoundPause, self.absence.read_again_at()),
        ];
        timers.into_iter().filter_map(|(kind, at)| at.map(|at| Timer { kind, at })).collect()
    }

    /// Keeps up to date since when a fact cannot be told, and sees that a pause came about after all.
    pub(super) fn watch_readings(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        observation: &Observation,
        status: &RemoteStatus,
    ) {
        let unknown = |is_unknown: bool, since: Option<DateTime<Utc>>| is_unknown.then(|| since.unwrap_or(now));
        self.status_unknown_since = unknown(matches!(status, RemoteStatus::Unknown { .. }), self.status_unknown_since);
        let clicks_known = observation.clicks.as_ref().is_ok_and(|clicks| policy.clicks_doubt(clicks).is_none());
        self.clicks_unknown_since = unknown(!clicks_known, self.clicks_unknown_since);
        if is_stopped_or_gone(&observation.remote, status) {
            self.pausing_since = None;
        }
    }
    /// Remembers what the decision table said, and what comes of it.
    pub(super) fn note_decision(&mut self, now: DateTime<Utc>, policy: &Policy, decision: &Decision, reason: &str) {
        let act = policy.mode == Mode::Act;
        let held_back = match decision.action {
            Some(ActionKind::Activate) => self.activation_waits(now, policy),
            Some(ActionKind::Pause | ActionKind::SetEndTime) | None => None,
        };
        let conclusion = match decision.action {
            Some(ActionKind::Activate) if held_back.is_some() => Conclusion::HeldBack,
            Some(ActionKind::Activate) if act => Conclusion::Activate,
            Some(ActionKind::Activate) => Conclusion::WouldActivate,
            Some(ActionKind::Pause | ActionKind::SetEndTime) if act => Conclusion::Pause,
            Some(ActionKind::Pause | ActionKind::SetEndTime) => Conclusion::WouldPause,
            None if act && decision.next.is_some_and(|next| next != self.phase.word()) => Conclusion::Adopt,
            None => Conclusion::Nothing,
        };
        let reason = held_back.map_or_else(|| reason.to_owned(), |why| format!("{reason}; it waits: {why}"));
        self.decisions.note(now, conclusion, Some(decision.row), reason);
    }
}
