//! The state machine of one campaign: it takes an event and returns the effects to carry out (the lifecycle below).
//!
//! Its interface is two enums: [`Event`] and [`Effect`]. `now` is an argument, and so is the policy, since the
//! campaign's row may change at any tick. A tick gets no hint about what changed, does the same work each time and
//! retries nothing: the next tick is the retry. Deliberately absent: the decision table (`decision`), what counts as
//! confirmed (`confirmation`), what counts as foreign (`contest`).
//!
//! Its files: `readings`, `last_action`, `end_time`, `questions` and `flags` hold the data, each with its invariants.
//! `tick` and `conclude` decide; `actions` and `readback` follow an action from its decision to its confirmation;
//! `budget` changes the day's budget; `force`, `hold`, `orders` and `disable` carry out what operators order. `invariants` is checked after each step, and
//! `snapshot` is what the machine shows.
#![doc = include_str!("LIFECYCLE.md")]

mod actions;
mod budget;
mod conclude;
mod context;
mod disable;
mod end_time;
mod flags;
mod force;
mod hold;
mod invariants;
mod last_action;
mod orders;
mod questions;
mod readback;
mod readings;
mod snapshot;
mod tick;

use chrono::{DateTime, Utc};

use self::budget::Budget;
use self::context::StepContext;
use self::disable::{Disabling, Otherwise};
use self::end_time::EndTimes;
use self::flags::Flags;
use self::force::Forcing;
use self::hold::Holds;
use self::last_action::LastAction;
use self::orders::TickOrders;
use self::questions::Questions;
use self::readings::Readings;
use super::absence::Absence;
use super::action::{Action, ActionKind};
use super::confirmation::{Awaiting, RunBackoff};
use super::contest::Contest;
use super::decision_log::DecisionLog;
use super::event::{Effect, Event, Note, Record};
use super::order::HoldChange;
use super::phase::{Phase, Promise};
use super::policy::Policy;
use super::unchanged_spend::UnchangedSpend;

/// Numbers that the machine has counted since it was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// The number of completed ticks, including failed ones.
    pub ticks: u64,
    /// The number of grid points that passed while an earlier tick waited for answers.
    pub skipped_ticks: u64,
    /// The number of answers that came after the machine had stopped waiting for them.
    pub stale_answers: u64,
}

/// One campaign's state machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The promise.
    phase: Phase,
    since: DateTime<Utc>,
    end_times: EndTimes,
    last: LastAction,
    questions: Questions,
    next_tick_at: DateTime<Utc>,
    readings: Readings,
    absence: Absence,
    contest: Contest,
    unchanged_spend: UnchangedSpend,
    run_backoff: RunBackoff,
    budget: Budget,
    flags: Flags,
    holds: Holds,
    tick_orders: TickOrders,
    forcing: Option<Forcing>,
    disabling: Option<Disabling>,
    decisions: DecisionLog,
    built_at: DateTime<Utc>,
    counters: Counters,
}

impl Machine {
    /// Builds a machine with this promise, or idle. Its first tick is due at once. `unfinished` is the newest journal
    /// entry if its action has not ended; a read of the campaign settles it.
    #[must_use]
    pub fn new(now: DateTime<Utc>, policy: &Policy, promise: Option<Promise>, unfinished: Option<Action>) -> Self {
        let promise = promise.unwrap_or(Promise { phase: Phase::Idle, since: now, end_time_owed: false });
        let mut contest = Contest::default();
        // An unfinished action may have had no effect. Then the campaign's state is not a foreign change.
        if unfinished.is_none() {
            match promise.phase {
                Phase::ActiveGuarded => contest.expect(now, true),
                Phase::PausedGuarded | Phase::CoolingDown { .. } => contest.expect(now, false),
                Phase::Idle => {}
            }
        }
        let last_number = unfinished.as_ref().map_or(0, |action| action.id.0);
        let pause = unfinished.as_ref().filter(|action| action.kind == ActionKind::Pause);
        let pausing_since = pause.map(|action| action.requested_at);
        let unfinished = unfinished.map(|action| {
            let answered_at = action.accepted_at.unwrap_or(action.requested_at);
            (action, Awaiting::new(now, 0, answered_at + policy.confirm_within, policy))
        });
        Self {
            phase: promise.phase,
            since: promise.since,
            end_times: EndTimes::new(promise.end_time_owed),
            last: LastAction::new(unfinished),
            questions: Questions::after(last_number),
            next_tick_at: now,
            readings: Readings { pausing_since, ..Readings::default() },
            absence: Absence::default(),
            contest,
            unchanged_spend: UnchangedSpend::default(),
            run_backoff: RunBackoff::default(),
            budget: Budget::default(),
            flags: Flags::default(),
            holds: Holds::default(),
            tick_orders: TickOrders::default(),
            forcing: None,
            disabling: None,
            decisions: DecisionLog::default(),
            built_at: now,
            counters: Counters::default(),
        }
    }

    /// Returns the machine with the newest journal entry of an earlier process. If that was an activation without
    /// effect, the promise does not prove that the campaign ran, so that a stop is no foreign change.
    #[must_use]
    pub fn having_done(mut self, newest: Option<&Action>) -> Self {
        if newest.is_some_and(|action| action.kind == ActionKind::Activate && action.step.came_to_nothing()) {
            self.contest = Contest::default();
        }
        self
    }

    /// Returns the machine with the end time that an earlier process has set.
    #[must_use]
    pub fn having_set(mut self, own_end_time: Option<DateTime<Utc>>) -> Self {
        self.end_times.set_own(own_end_time);
        self
    }

    /// Handles one event and returns the effects to carry out.
    #[expect(clippy::disallowed_macros, reason = "every step of every simulation checks it; a release does not")]
    pub fn step(&mut self, now: DateTime<Utc>, policy: &Policy, event: Event) -> Vec<Effect> {
        if self.is_disabled() {
            return Vec::new();
        }
        let mut context = StepContext::new(now, policy);
        let step = &mut context;
        self.clamp_to_now(step);
        self.take(step, event);
        self.go_on_forcing(step);
        self.go_on_disabling(step);
        if self.budget.is_unstored() {
            self.store(step);
        }
        self.answer_orders(step);
        debug_assert_eq!(self.invariants(now, policy), Ok(()), "{self:#?}");
        context.effects
    }

    fn take(&mut self, step: &mut StepContext<'_>, event: Event) {
        match event {
            Event::Wake => self.wake(step),
            Event::Observed { question_id, observation } => match self.questions.take_tick(question_id) {
                Some(question) => self.observed(step, question, *observation),
                None => self.counters.stale_answers += 1,
            },
            Event::ReadBack { question_id, remote } => match self.questions.take_read_back(question_id) {
                Some(question) => self.read_back(step, question, remote.map(|campaign| *campaign)),
                None => self.counters.stale_answers += 1,
            },
            Event::Applied { action, outcome } => self.applied(step, action, outcome),
            Event::EndTimeSet { action, outcome } => self.end_time_set(step, action, &outcome),
            Event::SentUnstored { action } => self.last.mark_late(action),
            Event::Disable { pause: true } => {
                self.disable_after_force(step, Disabling::unless_stopped(Otherwise::Pause));
            }
            Event::Disable { pause: false } => self.disable_after_force(step, Disabling::Settle),
            Event::DisableIfStopped => self.disable_after_force(step, Disabling::unless_stopped(Otherwise::Refuse)),
            Event::Process { order } => self.process(order),
            Event::Force { order, force } => self.force(step, order, *force),
            Event::Hold { order, hold } => self.set_hold(step, order, hold),
            Event::HoldAll(hold) => self.set_hold_on_all(step.now, hold),
        }
    }

    /// Moves times closer after a clock was set back, so that no time lies farther ahead than when it was set.
    fn clamp_to_now(&mut self, step: &mut StepContext<'_>) {
        let (now, policy) = (step.now, step.policy);
        let longest = now + self.longest_cool_down(policy);
        if self.phase.cooling_down_until().is_some_and(|until| until > longest) {
            self.phase = Phase::CoolingDown { until: longest };
            self.store(step);
        }
        self.next_tick_at = self.next_tick_at.min(policy.next_grid_point(now));
        self.absence.clamp_to_now(now);
        self.run_backoff.clamp_to_now(now);
        self.budget.clamp_to_now(now, policy);
        self.contest.clamp_to_now(now);
        if let Some(awaiting) = self.last.awaiting_mut() {
            awaiting.clamp_to_now(now, policy);
        }
    }

    /// Changes the promise.
    fn enter(&mut self, step: &mut StepContext<'_>, phase: Phase, reason: &str) {
        let (from, to) = (self.phase.word(), phase.word());
        self.phase = phase;
        if matches!(phase, Phase::Idle | Phase::ActiveGuarded) {
            self.readings.pausing_since = None;
        }
        if from != to {
            self.since = step.now;
            step.report(Note::Transition { from, to, reason: reason.to_owned() });
        }
    }

    /// Returns the promise as it is stored.
    #[must_use]
    pub fn promise(&self) -> Promise {
        Promise { phase: self.phase, since: self.since, end_time_owed: self.end_times.is_owed() }
    }

    /// Stores the promise without a journal entry.
    fn store(&mut self, step: &mut StepContext<'_>) {
        self.store_record(step, false, HoldChange::Keep);
    }

    /// Stores the promise together with the last action.
    fn store_with_entry(&mut self, step: &mut StepContext<'_>) {
        self.store_record(step, true, HoldChange::Keep);
    }

    fn store_record(&mut self, step: &mut StepContext<'_>, with_entry: bool, hold: HoldChange) {
        let entry = self.last.action().cloned().filter(|_| with_entry);
        let by = self.last.by.clone().filter(|_| with_entry);
        let budget = self.budget.take_unstored();
        step.ask_for(Effect::Store(Box::new(Record { entry, by, hold, budget, ..Record::of(self.promise()) })));
    }
}
