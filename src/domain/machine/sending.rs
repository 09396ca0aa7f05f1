//! An action on its way: stored, sent, answered, or postponed until its turn comes.

use chrono::{DateTime, Duration, Utc};

use super::Machine;
use super::acting::Due;
use crate::domain::action::{Action, ActionId, ActionKind, Outcome, Step, Trigger};
use crate::domain::decision::Judged;
use crate::domain::event::{ActionNews, Effect, FollowingEndTime, Note, Request};
use crate::domain::phase::Phase;
use crate::domain::policy::Policy;
use crate::domain::progress::{Awaiting, Progress};

/// A forced activation, and the end time after a pause, may wait this long for their turn, however short the tick is.
const LEAVES_WITHIN: Duration = Duration::seconds(10);

impl Machine {
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
            let leaves_still = self.action.as_ref().filter(|_| self.progress == Progress::InFlight);
            self.overtaken_end_time = leaves_still.map(|action| action.id).or(self.overtaken_end_time);
            self.finish(now, Err("overtaken by a pause".to_owned()), effects);
        }
        let next = due.next;
        let reason = due.reason.clone();
        let action = self.take_postponed(judged, &due).unwrap_or_else(|| {
            self.give_up_postponed(now, effects);
            let news = ActionNews::Requested(due.reason.clone());
            effects.push(Effect::Note(Note::Action { kind: due.kind, news }));
            self.new_action(now, judged, due, Step::Requested)
        });
        let (id, kind, end_time) = (action.id, action.kind, action.end_time);
        let (remaining_clicks, due_since) = (action.remaining_clicks, action.requested_at);
        self.enter(now, next, &reason, effects);
        self.action = Some(action);
        (self.progress, self.came_to_nothing) = (Progress::InFlight, None);
        match kind {
            ActionKind::Activate => {
                self.own_end_time = Some(end_time);
                self.pausing_since = None;
                self.contest.activated(now);
                let seen = self.observation.as_ref().and_then(|observation| observation.remote.as_ref().ok());
                self.run_backoff.tries(seen);
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
        let latest = if is_forced { now + policy.tick.max(LEAVES_WITHIN) } else { policy.next_grid_point(now) };
        let valid_until = match kind {
            ActionKind::Activate => Some(latest.min(policy.day_end_on(now))),
            ActionKind::SetEndTime => Some(latest),
            ActionKind::Pause => None,
        };
        effects.push(Effect::Send(Request { action: id, kind, end_time, valid_until, remaining_clicks, due_since }));
        id
    }

    pub(super) fn new_action(&mut self, now: DateTime<Utc>, judged: Option<&Judged>, due: Due, step: Step) -> Action {
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
            self.overtaken_applied(id, &outcome);
            return;
        };
        let (kind, end_time) = (action.kind, action.end_time);
        // The end time follows an accepted pause by itself; after an unclear one a later tick sets it.
        let was_accepted = outcome == Outcome::Accepted;
        if kind == ActionKind::SetEndTime && matches!(outcome, Outcome::Accepted | Outcome::Unclear(_)) {
            self.own_end_time = Some(action.end_time);
            self.contest.end_time_asked_for();
        }
        let news = match outcome {
            Outcome::Accepted => {
                action.error = None;
                action.step = Step::Accepted;
                action.accepted_at = Some(now);
                if kind == ActionKind::SetEndTime {
                    // The answer to it is the campaign itself, with the end time as set.
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
            Outcome::Postponed(reason) if kind != ActionKind::Pause && action.trigger != Trigger::Force => {
                self.postpone(reason, effects);
                return;
            }
            Outcome::NotSent(reason) | Outcome::Postponed(reason) => {
                self.finish_unsent(now, reason, effects);
                return;
            }
        };
        effects.push(Effect::Note(Note::Action { kind, news }));
        if kind == ActionKind::Pause {
            self.phase = Phase::CoolingDown { until: now + policy.cooldown };
            if was_accepted {
                self.end_times_underway.push(id);
                // Nothing is activated while it is on its way, so that a point of the grid that is a blink away need not end it.
                let valid_until = now + policy.tick.max(LEAVES_WITHIN);
                effects.push(Effect::SetEndTime(FollowingEndTime { action: id, end_time, valid_until }));
            }
            // A tick that is due already stays due.
            if self.next_tick_at > now {
                self.schedule(now, policy, now);
            }
        }
        self.changed_after = self.last_number;
        self.progress = Progress::Awaiting(Awaiting::new(now, self.last_number, now + policy.confirm_within, policy));
        self.store(effects, true);
    }

    /// The answer to what is no action any more: to an end time that a pause has overtaken, or to something older.
    fn overtaken_applied(&mut self, id: ActionId, outcome: &Outcome) {
        if self.overtaken_end_time.take_if(|overtaken| *overtaken == id).is_none() {
            self.counters.stale_answers += 1;
        } else if matches!(outcome, Outcome::Accepted | Outcome::Unclear(_)) {
            self.contest.end_time_asked_for();
        }
    }

    /// It waits for its turn: the entry stays open, since nothing was tried, and the next tick decides anew.
    fn postpone(&mut self, reason: String, effects: &mut Vec<Effect>) {
        self.progress = Progress::Settled;
        self.postponed = true;
        let Some(action) = self.action.as_mut().filter(|action| action.error.is_none()) else { return };
        action.error = Some(reason.clone());
        if action.kind == ActionKind::Activate {
            effects.push(Effect::Note(Note::Waiting(reason)));
        }
        self.store(effects, true);
    }

    /// The action that waits for its turn, if that is what is due, on the facts of this tick.
    fn take_postponed(&mut self, judged: Option<&Judged>, due: &Due) -> Option<Action> {
        let same_kind = self.action.as_ref().is_some_and(|action| action.kind == due.kind);
        let same = self.postponed && same_kind && due.trigger != Trigger::Force;
        let waiting = self.action.take_if(|_| same)?;
        self.postponed = false;
        Some(Action {
            reason: due.reason.clone(),
            spend: judged.and_then(|judged| judged.amount),
            remaining_clicks: judged.and_then(|judged| judged.remaining),
            end_time: due.end_time,
            ..waiting
        })
    }

    /// What waited for its turn is not due any more.
    pub(super) fn give_up_postponed(&mut self, now: DateTime<Utc>, effects: &mut Vec<Effect>) {
        if std::mem::take(&mut self.postponed) {
            let reason = self.action.as_ref().and_then(|action| action.error.clone()).unwrap_or_default();
            self.finish_unsent(now, format!("it is not due any more, and was never sent: {reason}"), effects);
        }
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
        // Whatever the answer, it may stand there.
        self.contest.end_time_asked_for();
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
}
