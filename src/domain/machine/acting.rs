//! From a judged observation to an action, and from an action's answer to the state.

use chrono::{DateTime, Duration, SubsecRound, Utc};

use super::{Machine, Question, Releasing};
use crate::domain::action::{Action, ActionId, ActionKind, Outcome, Step, Trigger};
use crate::domain::decided::Conclusion;
use crate::domain::decision::{self, ClickLevel, Judged, SpendLevel};
use crate::domain::event::{ActionNews, Effect, Note, OperationId, Record, Request};
use crate::domain::order::HoldChange;
use crate::domain::phase::{Phase, PhaseWord, Promise};
use crate::domain::policy::{Mode, Policy};
use crate::domain::progress::{Awaiting, Progress};
use crate::domain::remote::{EndTime, RemoteStatus, StopCause};

/// A forced activation may wait this long for its turn, however short the tick is.
const FORCE_LEAVES_WITHIN: Duration = Duration::seconds(10);

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
        // A tick that began before the end read facts from before the end.
        let cools_down = self.phase.cooling_down_until().is_some_and(|until| asked_at < until);
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
        let may_run = matches!(judged.status, RemoteStatus::Unknown { active: true, .. });
        if judged.status == RemoteStatus::Running || (paused_in_vain && may_run) {
            let (trigger, reason) = if paused_in_vain {
                (Trigger::Recovery, "it runs, since its last pause failed".to_owned())
            } else {
                (Trigger::Guard, "it runs while it cools down after a pause".to_owned())
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

    /// Whether the last action was of this kind, and failed.
    pub(super) fn has_failed(&self, kind: ActionKind) -> bool {
        self.action.as_ref().is_some_and(|action| action.kind == kind && action.step == Step::Failed)
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
        if self.is_setting_end_time() || !self.end_times_underway.is_empty() {
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
        if !self.end_time_owed || !self.end_times_underway.is_empty() || self.progress != Progress::Settled {
            return;
        }
        let promised_stopped = matches!(self.phase, Phase::PausedGuarded | Phase::CoolingDown { .. });
        let (trigger, reason, end_time) = match judged.status {
            RemoteStatus::Stopped(StopCause::SwitchedOff) if promised_stopped => {
                (Trigger::Recovery, "the end time of its last pause could not be set", now.trunc_subsecs(0))
            }
            RemoteStatus::Running if self.phase == Phase::ActiveGuarded && !policy.past_day_end(now) => {
                (Trigger::Tick, "it was adopted running without an end time", policy.day_end_on(now))
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

    /// Stores the action with the state that it leads to, then sends it.
    pub(super) fn send(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        judged: Option<&Judged>,
        due: Due,
        effects: &mut Vec<Effect>,
    ) -> ActionId {
        if self.is_setting_end_time() {
            self.finish(now, Err("overtaken by a pause".to_owned()), effects);
        }
        let next = due.next;
        let action = self.new_action(now, judged, due, Step::Requested);
        let (id, kind, end_time) = (action.id, action.kind, action.end_time);
        let news = ActionNews::Requested(action.reason.clone());
        effects.push(Effect::Note(Note::Action { kind, news }));
        let reason = action.reason.clone();
        self.enter(now, next, &reason, effects);
        self.action = Some(action);
        self.progress = Progress::InFlight;
        match kind {
            ActionKind::Activate => {
                self.pausing_since = None;
                self.contest.activated(now);
                self.end_time_owed = false;
            }
            ActionKind::Pause => {
                self.pausing_since.get_or_insert(now);
                // Owed from the request on: a crash or a lost answer must not leave it unset.
                self.end_time_owed = true;
                self.last_pause = Some(id);
            }
            ActionKind::SetEndTime => {}
        }
        self.store(effects, true);
        // What an operator forces at any moment is not a matter of the grid, which may be a blink away.
        let is_forced = self.action.as_ref().is_some_and(|action| action.trigger == Trigger::Force);
        let latest = if is_forced { now + policy.tick.max(FORCE_LEAVES_WITHIN) } else { policy.next_grid_point(now) };
        let valid_until = match kind {
            ActionKind::Activate => Some(latest.min(policy.day_end_on(now))),
            ActionKind::SetEndTime => Some(latest),
            ActionKind::Pause => None,
        };
        effects.push(Effect::Send(Request { action: id, kind, end_time, valid_until }));
        id
    }

    fn new_action(&mut self, now: DateTime<Utc>, judged: Option<&Judged>, due: Due, step: Step) -> Action {
        let status = judged.map(|judged| judged.status.word());
        self.orders.action_by = due.by;
        Action {
            id: ActionId(self.next_number()),
            kind: due.kind,
            trigger: due.trigger,
            reason: due.reason,
            spend: judged.and_then(|judged| judged.amount),
            remaining_clicks: judged.and_then(|judged| judged.remaining),
            remote_status: status.unwrap_or(crate::domain::remote::StatusWord::Unknown),
            state_before: self.phase.word(),
            state_after: if step == Step::ObservedOnly { self.phase.word() } else { due.next.word() },
            end_time: due.end_time,
            step,
            late: false,
            requested_at: now,
            accepted_at: None,
            confirmed_at: None,
            failed_at: None,
            error: None,
        }
    }

    /// The answer to an action's requests.
    pub(super) fn applied(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        id: ActionId,
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) {
        let Some(action) = self.action.as_mut().filter(|action| action.id == id && self.progress == Progress::InFlight)
        else {
            self.counters.stale_answers += 1;
            return;
        };
        let kind = action.kind;
        // The end time follows an accepted pause by itself; after an unclear one a later tick sets it.
        let was_accepted = outcome == Outcome::Accepted;
        let news = match outcome {
            Outcome::Accepted => {
                action.step = Step::Accepted;
                action.accepted_at = Some(now);
                if kind == ActionKind::SetEndTime {
                    // The answer to it is the campaign itself, with the end time as set.
                    self.end_time_owed = false;
                    self.finish(now, Ok(()), effects);
                    return;
                }
                ActionNews::Accepted
            }
            Outcome::Unclear(reason) if kind != ActionKind::SetEndTime => {
                action.error = Some(reason.clone());
                ActionNews::Unclear(reason)
            }
            Outcome::Unclear(reason) | Outcome::Failed(reason) => {
                self.finish(now, Err(reason), effects);
                return;
            }
            Outcome::NotSent(reason) => {
                self.finish_unsent(now, reason, effects);
                return;
            }
        };
        effects.push(Effect::Note(Note::Action { kind, news }));
        if kind == ActionKind::Pause {
            self.phase = Phase::CoolingDown { until: now + policy.cooldown };
            self.end_times_underway.extend(was_accepted.then_some(id));
            // A tick that is due already stays due.
            if self.next_tick_at > now {
                self.schedule(now, policy, now);
            }
        }
        self.changed_after = self.last_number;
        self.progress = Progress::Awaiting(Awaiting::new(now, self.last_number, now + policy.confirm_within, policy));
        self.store(effects, true);
    }

    /// It never left: TrafficStars has no part in it, so that no backoff follows, and no read has grown old by it.
    fn finish_unsent(&mut self, now: DateTime<Utc>, reason: String, effects: &mut Vec<Effect>) {
        let (backoff, changed_after) = (self.run_backoff.clone(), self.changed_after);
        self.finish(now, Err(reason), effects);
        (self.run_backoff, self.changed_after) = (backoff, changed_after);
    }

    /// The end time that followed a pause.
    pub(super) fn end_time_set(&mut self, id: ActionId, result: Result<(), String>, effects: &mut Vec<Effect>) {
        let Some(position) = self.end_times_underway.iter().position(|&underway| underway == id) else {
            self.counters.stale_answers += 1;
            return;
        };
        self.end_times_underway.swap_remove(position);
        match result {
            // Another pause followed, and owes its own.
            _ if self.last_pause != Some(id) => {}
            Ok(()) => {
                self.end_time_owed = false;
                self.store(effects, false);
            }
            Err(reason) => {
                let news = ActionNews::EndTimeOwed(reason);
                effects.push(Effect::Note(Note::Action { kind: ActionKind::Pause, news }));
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
        let failure = match releasing {
            Releasing::Settle | Releasing::Stopped => None,
            Releasing::Pause if policy.mode == Mode::Observe => {
                Some("it is in observe mode, in which nothing is sent: set its mode to act first".to_owned())
            }
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
        if !self.end_times_underway.is_empty() {
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
        let grid_point = policy.next_grid_point(now);
        let cooled_down_at = self.phase.cooling_down_until().filter(|&until| until > asked_at);
        self.next_tick_at = cooled_down_at.map_or(grid_point, |until| until.max(now).min(grid_point));
    }

    /// It runs, nothing is promised, and that costs money nobody watches.
    pub(super) fn raise_unguarded(&mut self, judged: &Judged, effects: &mut Vec<Effect>) {
        let spent = judged.clicks == ClickLevel::UsedUp || judged.spend == SpendLevel::Reached;
        let unguarded = judged.status == RemoteStatus::Running && self.phase == Phase::Idle && spent;
        if unguarded && !self.unguarded {
            effects.push(Effect::Note(Note::Unguarded));
        }
        self.unguarded = unguarded;
    }

    pub(super) fn ask(&mut self, now: DateTime<Utc>, reads_remote: bool) -> Question {
        Question { operation: OperationId(self.next_number()), asked_at: now, reads_remote }
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn remote_end_time(&self) -> Option<&EndTime> {
        self.observation.as_ref()?.remote.as_ref().ok().map(|campaign| &campaign.end_time)
    }
}
