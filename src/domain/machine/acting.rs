//! From a judged observation to an action, and from an action's answer to the state.

use chrono::{DateTime, SubsecRound, Utc};

use super::{Machine, Question, Releasing};
use crate::domain::action::{ActionId, ActionKind, Step, Trigger};
use crate::domain::clock_difference::ClockDifference;
use crate::domain::decided::Conclusion;
use crate::domain::decision::{self, ClickLevel, Judged, SpendLevel};
use crate::domain::event::{ActionNews, Effect, Note, OperationId, Record};
use crate::domain::order::HoldChange;
use crate::domain::phase::{Phase, PhaseWord, Promise};
use crate::domain::policy::{Mode, Policy};
use crate::domain::progress::Progress;
use crate::domain::remote::{EndTime, RemoteStatus, StopCause};

/// Why a release that would have to pause is refused.
pub(super) const OBSERVED_ONLY: &str = "it is in observe mode, in which nothing is sent: set its mode to act first";

/// An action that a decision asks for.
pub(super) struct Due {
    pub(super) kind: ActionKind,
    pub(super) trigger: Trigger,
    pub(super) reason: String,
    pub(super) end_time: DateTime<Utc>,
    pub(super) next: Phase,
    /// Whose order it is.
    pub(super) by: Option<String>,
}

impl Machine {
    /// Decides by one complete reading, and begins what is due.
    pub(super) fn conclude(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        asked_at: DateTime<Utc>,
        judged: &Judged,
        effects: &mut Vec<Effect>,
    ) {
        // A tick that began before the end read facts from before the end; and a clock that was set back meanwhile has not
        // come to the end yet.
        let cools_down = self.phase.cooling_down_until().is_some_and(|until| asked_at.min(now) < until);
        if !cools_down && self.phase.cooling_down_until().is_some() {
            self.enter(now, Phase::PausedGuarded, "the cool-down has ended", effects);
            self.store(effects, false);
        }
        if let Some(hold) = self.hold(now).cloned() {
            self.conclude_on_hold(now, policy, judged, &hold, effects);
            return;
        }
        if cools_down {
            self.conclude_cooling_down(now, policy, judged, effects);
            return;
        }
        let decision = decision::decide(judged, self.phase.word());
        let mut reason = decision::reason(&decision, judged, policy);
        if decision.action == Some(ActionKind::Activate) {
            let (_, cause) = self.activation_cause(judged);
            reason.insert_str(0, cause);
        }
        self.note_decision(now, policy, &decision, &reason);
        match (decision.action, decision.next) {
            (Some(ActionKind::Activate), _) => {
                self.conclude_activate(now, policy, judged, decision.row, reason, effects)
            }
            (Some(ActionKind::Pause | ActionKind::SetEndTime), _) => {
                self.stop_waiting();
                let due = self.pause_due(now, policy, reason);
                self.begin(now, policy, judged, decision.row, due, effects);
            }
            (None, next) => {
                self.stop_waiting();
                self.observed_only = None;
                if policy.mode == Mode::Act {
                    self.adopt(now, policy, judged, next, &reason, effects);
                }
            }
        }
    }

    fn conclude_cooling_down(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        judged: &Judged,
        effects: &mut Vec<Effect>,
    ) {
        let paused_in_vain = self.has_failed(ActionKind::Pause);
        if judged.status.may_run() {
            let runs = if judged.status == RemoteStatus::Running { "it runs" } else { "it may run" };
            let (trigger, reason) = if paused_in_vain {
                (Trigger::Recovery, format!("{runs}, since its last pause failed"))
            } else {
                (Trigger::Guard, format!("{runs} while it cools down after a pause"))
            };
            let conclusion = if policy.mode == Mode::Observe { Conclusion::WouldPause } else { Conclusion::Pause };
            self.decisions.note(now, conclusion, None, reason.clone());
            let due = Due { trigger, ..self.pause_due(now, policy, reason) };
            self.begin(now, policy, judged, decision::Row::GuardPause, due, effects);
        } else {
            let reason = "it cools down after a pause: nothing else is decided until then".to_owned();
            self.decisions.note(now, Conclusion::Nothing, None, reason);
            self.observed_only = None;
            if policy.mode == Mode::Act {
                self.pay_end_time(now, policy, judged, effects);
            }
        }
    }

    /// Whether the last action that was begun was of this kind, and came to nothing.
    pub(super) fn has_failed(&self, kind: ActionKind) -> bool {
        self.came_to_nothing == Some(kind)
    }

    pub(super) fn pause_due(&self, now: DateTime<Utc>, policy: &Policy, reason: String) -> Due {
        let promised_stopped = matches!(self.phase, Phase::PausedGuarded | Phase::CoolingDown { .. });
        Due {
            kind: ActionKind::Pause,
            trigger: if promised_stopped { Trigger::Guard } else { Trigger::Tick },
            reason,
            end_time: now.trunc_subsecs(0),
            next: Phase::CoolingDown { until: now + policy.cooldown },
            by: None,
        }
    }

    fn conclude_activate(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        judged: &Judged,
        row: decision::Row,
        reason: String,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(why) = self.activation_waits(now, policy) {
            if self.waiting.as_ref() != Some(&why) {
                effects.push(Effect::Note(Note::Waiting(why.clone())));
                self.waiting = Some(why);
            }
            if policy.mode == Mode::Act {
                self.observed_only = None;
                self.pay_end_time(now, policy, judged, effects);
            }
            return;
        }
        self.stop_waiting();
        let (trigger, _) = self.activation_cause(judged);
        let due = Due {
            kind: ActionKind::Activate,
            trigger,
            reason,
            end_time: policy.day_end_on(now),
            next: Phase::ActiveGuarded,
            by: None,
        };
        self.begin(now, policy, judged, row, due, effects);
    }

    /// What made an activation due, and how to say it before its reason.
    fn activation_cause(&self, judged: &Judged) -> (Trigger, &'static str) {
        let ended = judged.status == RemoteStatus::Stopped(StopCause::EndTimePassed);
        match self.phase {
            Phase::ActiveGuarded if self.has_failed(ActionKind::Activate) => {
                (Trigger::Recovery, "its last activation failed: ")
            }
            Phase::ActiveGuarded if ended => (Trigger::Tick, "its end time has passed: "),
            Phase::ActiveGuarded => (Trigger::Guard, "somebody else stopped it: "),
            Phase::Idle | Phase::PausedGuarded | Phase::CoolingDown { .. } => (Trigger::Tick, ""),
        }
    }

    /// Why an activation that is due may not be sent now, if so.
    pub(super) fn activation_waits(&self, now: DateTime<Utc>, policy: &Policy) -> Option<String> {
        if policy.past_day_end(now) {
            return Some(format!("for the next day, since its end time would be {} and is past", policy.day_end));
        }
        if self.is_clock_far_apart() {
            return Some(ClockDifference::ACTIVATES_NOTHING.to_owned());
        }
        if self.is_end_time_on_its_way() {
            return Some("for the answer to an end time that is on its way, which would end it".to_owned());
        }
        if let Some(until) = self.run_backoff.waits_until(now) {
            return Some(format!("the last run failed, the next attempt is at {}", until.format("%H:%M:%S")));
        }
        let contested_until = self.contest.activation_waits_until(policy).filter(|&until| until > now);
        contested_until.map(|until| format!("it is contested, the next attempt is at {}", until.format("%H:%M:%S")))
    }

    pub(super) fn stop_waiting(&mut self) {
        self.waiting = None;
    }

    /// A row without a request: the state follows what is there already.
    fn adopt(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        judged: &Judged,
        next: Option<PhaseWord>,
        reason: &str,
        effects: &mut Vec<Effect>,
    ) {
        let phase = match next {
            Some(PhaseWord::Idle) => Phase::Idle,
            Some(PhaseWord::ActiveGuarded) => Phase::ActiveGuarded,
            Some(PhaseWord::PausedGuarded) => Phase::PausedGuarded,
            Some(PhaseWord::CoolingDown) | None => self.phase,
        };
        if phase == self.phase {
            self.pay_end_time(now, policy, judged, effects);
            return;
        }
        self.adopt_as(now, policy, phase, reason, effects);
        self.pay_end_time(now, policy, judged, effects);
    }

    /// What is there already is promised from now on.
    pub(super) fn adopt_as(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        phase: Phase,
        reason: &str,
        effects: &mut Vec<Effect>,
    ) {
        self.enter(now, phase, reason, effects);
        if phase == Phase::ActiveGuarded {
            self.end_time_owed = policy.adopt_sets_end_time && self.remote_end_time() == Some(&EndTime::Unset);
        }
        self.store(effects, false);
    }

    /// Sets the end time that is owed, again at every tick until it is set. Nothing else waits for it.
    pub(super) fn pay_end_time(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        judged: &Judged,
        effects: &mut Vec<Effect>,
    ) {
        let is_too_late = self.has_set_too_late_an_end_time(now, policy, judged);
        let is_owed = self.end_time_owed || is_too_late;
        if !is_owed || self.follows_an_end_time() || self.progress != Progress::Settled {
            return;
        }
        let promised_stopped = matches!(self.phase, Phase::PausedGuarded | Phase::CoolingDown { .. });
        let (trigger, reason, end_time) = match judged.status {
            RemoteStatus::Stopped(StopCause::SwitchedOff) if promised_stopped => {
                (Trigger::Recovery, "the end time of its last pause could not be set", now.trunc_subsecs(0))
            }
            RemoteStatus::Running
                if self.phase == Phase::ActiveGuarded && !policy.past_day_end(now) && !self.is_clock_far_apart() =>
            {
                let reason = if is_too_late {
                    "the end time that we set is later than today's end: our clock was ahead, or day_end was later"
                } else {
                    "it was adopted running without an end time"
                };
                (Trigger::Tick, reason, policy.day_end_on(now))
            }
            RemoteStatus::Stopped(StopCause::EndTimePassed) if promised_stopped => {
                // It is set: the answer was lost, or a crash came before it was stored.
                self.end_time_owed = false;
                self.store(effects, false);
                return;
            }
            RemoteStatus::Running
            | RemoteStatus::Stopped(_)
            | RemoteStatus::Blocked { .. }
            | RemoteStatus::Unknown { .. } => return,
        };
        let due = Due {
            kind: ActionKind::SetEndTime,
            trigger,
            reason: reason.to_owned(),
            end_time,
            next: self.phase,
            by: None,
        };
        self.send(now, policy, Some(judged), due, effects);
    }

    pub(super) fn is_clock_far_apart(&self) -> bool {
        let clock = self.observation.as_ref().and_then(|observation| observation.clock);
        clock.is_some_and(ClockDifference::is_far_apart)
    }

    /// Nothing that we activate runs beyond the day's end, unless our clock was ahead then, or `day_end` was later. The end
    /// time of somebody else stays.
    fn has_set_too_late_an_end_time(&self, now: DateTime<Utc>, policy: &Policy, judged: &Judged) -> bool {
        let runs = self.phase == Phase::ActiveGuarded && judged.status == RemoteStatus::Running;
        let shown = self.own_end_time.filter(|own| self.remote_end_time() == Some(&EndTime::At(*own)));
        runs && shown.is_some_and(|shown| shown > policy.day_end_on(now))
    }

    /// Begins an action; in observe mode journals it, where it differs from the last.
    pub(super) fn begin(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        judged: &Judged,
        row: decision::Row,
        due: Due,
        effects: &mut Vec<Effect>,
    ) {
        match policy.mode {
            Mode::Act => {
                self.observed_only = None;
                self.send(now, policy, Some(judged), due, effects);
            }
            Mode::Observe => {
                self.give_up_postponed(now, effects);
                if self.observed_only.replace((due.kind, row)) == Some((due.kind, row)) {
                    return;
                }
                let news = ActionNews::ObservedOnly(due.reason.clone());
                effects.push(Effect::Note(Note::Action { kind: due.kind, news }));
                let action = self.new_action(now, Some(judged), due, Step::ObservedOnly);
                self.action = Some(action);
                self.store(effects, true);
            }
        }
    }

    /// The pause that comes before a release, to a campaign that was just seen not to be stopped.
    pub(super) fn pause_to_release(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        effects: &mut Vec<Effect>,
    ) -> ActionId {
        let due = Due { trigger: Trigger::Operator, ..self.pause_due(now, policy, "an operator's order".to_owned()) };
        let judged = self.observation.as_ref().map(|observation| Judged::new(observation, policy, now));
        self.send(now, policy, judged.as_ref(), due, effects)
    }

    /// Ends the promise as soon as no action is on its way.
    pub(super) fn go_on_releasing(&mut self, now: DateTime<Utc>, policy: &Policy, effects: &mut Vec<Effect>) {
        let Some(releasing) = self.releasing.filter(|_| self.progress == Progress::Settled) else { return };
        self.give_up_postponed(now, effects);
        let failure = match releasing {
            Releasing::Settle | Releasing::Stopped => None,
            Releasing::Pause if policy.mode == Mode::Observe => Some(OBSERVED_ONLY.to_owned()),
            Releasing::Pause => return self.read_to_release(now, Releasing::Reading, effects),
            Releasing::IfStopped => return self.read_to_release(now, Releasing::ReadingIfStopped, effects),
            Releasing::Reading | Releasing::ReadingIfStopped => return,
            Releasing::Pausing(id) => {
                let action = self.action.as_ref().filter(|action| action.id == id && action.step == Step::Failed);
                action.map(|action| format!("its pause failed: {}", action.error.as_deref().unwrap_or_default()))
            }
        };
        if let Some(reason) = failure {
            return self.refuse_release(reason, effects);
        }
        if self.follows_an_end_time() {
            return;
        }
        if self.phase.cooling_down_until().is_none_or(|until| until <= now) {
            self.enter(now, Phase::Idle, "its generator was disabled", effects);
        }
        self.released = true;
        self.store(effects, false);
        let stopped = matches!(releasing, Releasing::Stopped | Releasing::Pausing(_));
        effects.push(Effect::Released { stopped });
    }

    fn read_to_release(&mut self, now: DateTime<Utc>, releasing: Releasing, effects: &mut Vec<Effect>) {
        let question = self.ask(now, true);
        self.reading_back = Some(question);
        self.releasing = Some(releasing);
        effects.push(Effect::ReadBack { operation: question.operation });
    }

    /// It stays guarded, as if nothing had been asked.
    pub(super) fn refuse_release(&mut self, reason: String, effects: &mut Vec<Effect>) {
        self.releasing = None;
        effects.push(Effect::ReleaseRefused(reason));
    }

    pub(super) fn enter(&mut self, now: DateTime<Utc>, phase: Phase, reason: &str, effects: &mut Vec<Effect>) {
        let (from, to) = (self.phase.word(), phase.word());
        self.phase = phase;
        if matches!(phase, Phase::Idle | Phase::ActiveGuarded) {
            self.pausing_since = None;
        }
        if from != to {
            self.since = now;
            effects.push(Effect::Note(Note::Transition { from, to, reason: reason.to_owned() }));
        }
    }

    pub(super) fn store(&self, effects: &mut Vec<Effect>, with_entry: bool) {
        self.store_with(effects, with_entry, HoldChange::Keep);
    }

    pub(super) fn store_with(&self, effects: &mut Vec<Effect>, with_entry: bool, hold: HoldChange) {
        let promise = Promise { phase: self.phase, since: self.since, end_time_owed: self.end_time_owed };
        let entry = self.action.clone().filter(|_| with_entry);
        let by = self.orders.action_by.clone().filter(|_| with_entry);
        effects.push(Effect::Store(Box::new(Record { promise, entry, by, hold })));
    }

    /// The next tick: at the next point of the grid, or at the very end of the cool-down. A tick that began at
    /// `asked_at` after that end has looked at it already.
    pub(super) fn schedule(&mut self, now: DateTime<Utc>, policy: &Policy, asked_at: DateTime<Utc>) {
        let points = policy.grid_points_between(asked_at, now);
        // A tick that waited up to its end is followed by the tick of that point, which is not skipped.
        let waited = now >= policy.tick_ends_by(asked_at);
        self.counters.skipped_ticks += points.saturating_sub(u64::from(waited));
        let grid_point = if waited { now } else { policy.next_grid_point(now) };
        let cooled_down_at = self.phase.cooling_down_until().filter(|&until| until > asked_at);
        self.next_tick_at = cooled_down_at.map_or(grid_point, |until| until.max(now).min(grid_point));
    }

    /// It runs, nothing is promised, and that costs money nobody watches.
    pub(super) fn raise_unguarded(&mut self, judged: &Judged, effects: &mut Vec<Effect>) {
        let spent = judged.clicks == ClickLevel::UsedUp || judged.spend == SpendLevel::Reached;
        let unguarded = match judged.status {
            RemoteStatus::Running => self.phase == Phase::Idle && spent,
            // A failed read says nothing new: where requests are short, it would be told anew at every other tick.
            RemoteStatus::Unknown { .. } => self.phase == Phase::Idle && self.unguarded,
            RemoteStatus::Stopped(_) | RemoteStatus::Blocked { .. } => false,
        };
        if unguarded && !self.unguarded {
            effects.push(Effect::Note(Note::Unguarded));
        }
        self.unguarded = unguarded;
    }

    pub(super) fn ask(&mut self, now: DateTime<Utc>, reads_remote: bool) -> Question {
        Question { operation: OperationId(self.next_number()), asked_at: now, reads_remote }
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn remote_end_time(&self) -> Option<&EndTime> {
        self.observation.as_ref()?.remote.as_ref().ok().map(|campaign| &campaign.end_time)
    }
}
