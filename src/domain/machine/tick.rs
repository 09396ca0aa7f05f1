//! A tick: when it is due, how its observation changes what is known, and what it leads to.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Machine;
use super::context::StepContext;
use super::questions::Question;
use crate::domain::action::ActionKind;
use crate::domain::assessment::Assessment;
use crate::domain::decision_log::Conclusion;
use crate::domain::event::{Effect, Note};
use crate::domain::observation::Observation;
use crate::domain::phase::Phase;
use crate::domain::policy::{Mode, Policy};
use crate::domain::remote::{EndTime, RemoteStatus, judge};
use crate::domain::text::clock;

impl Machine {
    /// Returns when [`crate::domain::event::Event::Wake`] is due, for the next tick or a read-back. Nothing is due
    /// while an answer is awaited.
    #[must_use]
    pub fn next_wake(&self) -> Option<DateTime<Utc>> {
        if self.is_disabled() {
            return None;
        }
        let tick = (!self.questions.is_ticking() && self.disabling.is_none()).then_some(self.next_tick_at);
        let is_asking = self.questions.is_ticking() || self.questions.is_reading_back();
        let read_back = self.last.awaiting().filter(|_| !is_asking).map(|(_, awaiting)| awaiting.read_back_at);
        tick.into_iter().chain(read_back).min()
    }

    pub(super) fn wake(&mut self, step: &mut StepContext<'_>) {
        let now = step.now;
        if self.questions.is_ticking() {
            return;
        }
        let must_read_back = self.last.awaiting().is_some_and(|(_, awaiting)| awaiting.read_back_at <= now);
        if self.disabling.is_none() && self.next_tick_at <= now {
            let (read_remote, is_gone) = (self.absence.is_read(now), self.absence.is_gone(now));
            let question_id = self.questions.tick(now, read_remote);
            self.tick_orders.begin();
            let counts_urls = self.counts_urls(step.policy);
            step.ask_for(Effect::Observe { question_id, read_remote, is_gone, counts_urls });
        } else if must_read_back && !self.questions.is_reading_back() {
            let question_id = self.questions.read_back(now);
            step.ask_for(Effect::ReadBack { question_id });
        }
    }

    pub(super) fn observed(&mut self, step: &mut StepContext<'_>, question: Question, observation: Observation) {
        self.counters.ticks += 1;
        if question.reads_remote {
            self.absence.saw(question.asked_at, step.policy, &observation.remote);
        }
        self.follow_budget(step, &observation);
        // If an action was answered during this tick, the tick has read older facts.
        let outdated = self.last.outdates(question.question_id.0);
        let status = judge(&observation.remote, step.now);
        self.settle(step, question, &observation.remote, &status);
        // A budget that this read confirms counts in this tick.
        let facts = Arc::new(Assessment::new(observation, self.budget.day.clone(), step.policy, step.now));
        let judged = &facts.judged;
        if let Ok(campaign) = &facts.observation.remote {
            self.run_backoff.saw(campaign, &judged.status);
        }
        self.readings.saw(step, &facts);
        let may_decide = self.may_decide(step.policy) && !outdated;
        if may_decide {
            self.watch_others(step, &facts);
        }
        if let Some(still) = self.unchanged_spend.saw(step.now, &facts.observation, judged) {
            step.report(Note::SpendStandsStill(still));
        }
        self.flags.warn(step, judged, facts.observation.stored_spend);
        self.flags.warn_of_shared(step, judged);
        self.flags.raise(step, judged);
        self.end_hold_in_time(step);
        if may_decide && self.disabling.is_none() && self.is_forced_at(question) {
            self.force_at_tick(step, &facts);
        } else if may_decide && self.disabling.is_none() {
            self.conclude(step, question.asked_at, judged);
            // A postponed action that this tick has not sent again is no longer due.
            self.give_up_postponed(step);
        } else {
            let under_way = self.last.action().filter(|_| self.last.is_under_way());
            let reason = under_way.map_or_else(
                || "it was read before its last action was answered: the next tick decides".to_owned(),
                |action| {
                    format!(
                        "{} was requested at {}, and its result is awaited",
                        action.kind,
                        clock(action.requested_at)
                    )
                },
            );
            self.decisions.note(step.now, Conclusion::Nothing, None, reason);
        }
        let hold = self.holds.in_force(step.now).filter(|hold| !hold.pause);
        let is_promised = self.phase != Phase::Idle && hold.is_none();
        self.flags.raise_unguarded(step, is_promised, judged, hold);
        self.schedule(step, question.asked_at);
    }

    /// Whether this tick may decide. It may not while an action is under way. An end time alone is no obstacle, except
    /// in observe mode, where an end time that was sent before is followed to its end.
    fn may_decide(&self, policy: &Policy) -> bool {
        !self.last.is_under_way() || (self.last.gives_way_to_pause() && policy.mode == Mode::Act)
    }

    /// Counts what others changed.
    fn watch_others(&mut self, step: &mut StepContext<'_>, facts: &Assessment) {
        let (now, status) = (step.now, &facts.judged.status);
        if let Ok(campaign) = &facts.observation.remote {
            // An activation that failed halfway has set the end time, and that alone can start a campaign.
            let ours = self.last.action().map(|action| EndTime::At(action.end_time));
            let waits = self.last.postponed().is_some_and(|action| action.kind == ActionKind::Activate);
            let cut_short = self.last.has_failed(ActionKind::Activate) || waits;
            let half_done = cut_short && ours.as_ref() == Some(&campaign.end_time);
            if half_done && *status == RemoteStatus::Running {
                self.contest.caused(now, true, &campaign.end_time);
            }
            // Our end time may be set already, although its answer has not arrived.
            if self.is_end_time_in_flight() {
                self.contest.end_time_asked_for();
            }
            let change = self.contest.observe(now, step.policy, status, campaign);
            if change.foreign {
                step.report(Note::ForeignChange { running: *status == RemoteStatus::Running });
            }
            if change.began {
                step.report(Note::Contested { began: true });
            }
            // An end time that our own failed activation has left behind is no sign of another guard.
            if let Some(sign) = change.sign.filter(|_| ours.as_ref() != Some(&campaign.end_time)) {
                step.ask_for(Effect::Sign(sign));
            }
        }
        if self.contest.lift(now) {
            step.report(Note::Contested { began: false });
        }
    }

    /// Sets the next tick: at the next grid point, or at the very end of the cool-down. If the tick began at `asked_at`
    /// after that end, it has handled the end already.
    pub(super) fn schedule(&mut self, step: &StepContext<'_>, asked_at: DateTime<Utc>) {
        let (now, policy) = (step.now, step.policy);
        let points = policy.grid_points_between(asked_at, now);
        // A tick that waited until its latest end is followed at once by the tick of that grid point, which is not
        // skipped.
        let waited = now >= policy.tick_ends_by(asked_at);
        self.counters.skipped_ticks += points.saturating_sub(u64::from(waited));
        let grid_point = if waited { now } else { policy.next_grid_point(now) };
        let cooled_down_at = self.phase.cooling_down_until().filter(|&until| until > asked_at);
        self.next_tick_at = cooled_down_at.map_or(grid_point, |until| until.max(now).min(grid_point));
    }

    /// Makes a tick due now.
    pub(super) fn hasten_tick(&mut self, now: DateTime<Utc>) {
        self.next_tick_at = self.next_tick_at.min(now);
    }
}
