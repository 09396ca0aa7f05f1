//! The state machine of one campaign: told what happened, it answers what to do (the lifecycle below).
//!
//! Two enums are its contract: [`Event`] in, [`Effect`] out. `now` is an argument, and the policy too, since a row can
//! change it at any tick. A tick takes no hint of what changed, does the same work each time and retries nothing: the
//! next tick is the retry. Deliberately absent: the decision table (`decision`), what counts as confirmed (`progress`),
//! what counts as foreign (`contest`).
//!
//! Its files: what is known is in `readings`, `last_action`, `end_time`, `questions`, `flags`, each with what must be so of
//! it; what happens is in `tick` and `conclude` (a decision), `actions` and `readback` (from due to shown), `force`, `hold`,
//! `orders` and `disable` (what operators order). `invariants` is checked after each step, and `snapshot` is what is shown.
#![doc = include_str!("LIFECYCLE.md")]

mod actions;
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
use super::contest::Contest;
use super::decision_log::DecisionLog;
use super::event::{Effect, Event, Note, Record};
use super::order::HoldChange;
use super::phase::{Phase, Promise};
use super::policy::Policy;
use super::progress::{Awaiting, RunBackoff};
use super::unchanged_spend::UnchangedSpend;

/// What the machine has counted since it was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Completed ticks, failed ones included.
    pub ticks: u64,
    /// Points of the grid that passed while a tick still waited for answers.
    pub skipped_ticks: u64,
    /// Answers that nobody waits for any more.
    pub stale_answers: u64,
}

/// One campaign's state machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// What is promised.
    phase: Phase,
    since: DateTime<Utc>,
    end_times: EndTimes,
    last: LastAction,
    questions: Questions,
    next_tick_at: DateTime<Utc>,
    readings: Readings,
    absence: Absence,
    contest: Contest,
    standing: UnchangedSpend,
    run_backoff: RunBackoff,
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
    /// A machine that stands where `promise` says, or idle; due to tick at once. `unfinished` is the journal's newest
    /// entry where it has no end yet: reading the remote settles it.
    #[must_use]
    pub fn new(now: DateTime<Utc>, policy: &Policy, promise: Option<Promise>, unfinished: Option<Action>) -> Self {
        let promise = promise.unwrap_or(Promise { phase: Phase::Idle, since: now, end_time_owed: false });
        let mut contest = Contest::default();
        // What an unfinished action was to bring about may not have come about, and nobody else is to blame.
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
            standing: UnchangedSpend::default(),
            run_backoff: RunBackoff::default(),
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

    /// The same, where this was the last action of an earlier life. Where an activation came to nothing, the promise does not
    /// say that it ran: a campaign that is seen stopped was stopped by nobody.
    #[must_use]
    pub fn having_done(mut self, newest: Option<&Action>) -> Self {
        if newest.is_some_and(|action| action.kind == ActionKind::Activate && action.step.came_to_nothing()) {
            self.contest = Contest::default();
        }
        self
    }

    /// The same, where an earlier life has set this end time.
    #[must_use]
    pub fn having_set(mut self, own_end_time: Option<DateTime<Utc>>) -> Self {
        self.end_times.set_own(own_end_time);
        self
    }

    /// Takes one event and answers what is to be done about it.
    #[expect(clippy::disallowed_macros, reason = "every step of every simulation checks it; a release does not")]
    pub fn step(&mut self, now: DateTime<Utc>, policy: &Policy, event: Event) -> Vec<Effect> {
        if self.is_released() {
            return Vec::new();
        }
        let mut context = StepContext::new(now, policy);
        let step = &mut context;
        self.clamp_to_now(step);
        self.take(step, event);
        self.go_on_forcing(step);
        self.go_on_disabling(step);
        self.answer_orders(step);
        debug_assert_eq!(self.invariants(now, policy), Ok(()), "{self:#?}");
        context.effects
    }

    fn take(&mut self, step: &mut StepContext<'_>, event: Event) {
        match event {
            Event::Wake => self.wake(step),
            Event::Observed { operation, observation } => match self.questions.take_tick(operation) {
                Some(question) => self.observed(step, question, *observation),
                None => self.counters.stale_answers += 1,
            },
            Event::ReadBack { operation, remote } => match self.questions.take_read_back(operation) {
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

    /// A clock that was set back must not put what is due out of reach: nothing is farther away than when it was set.
    fn clamp_to_now(&mut self, step: &mut StepContext<'_>) {
        let (now, policy) = (step.now, step.policy);
        let longest = now + policy.cooldown;
        if self.phase.cooling_down_until().is_some_and(|until| until > longest) {
            self.phase = Phase::CoolingDown { until: longest };
            self.store(step);
        }
        self.next_tick_at = self.next_tick_at.min(policy.next_grid_point(now));
        self.absence.clamp_to_now(now);
        self.run_backoff.clamp_to_now(now);
        self.contest.clamp_to_now(now);
        if let Some(awaiting) = self.last.awaiting_mut() {
            awaiting.clamp_to_now(now, policy);
        }
    }

    /// The promise changes.
    fn enter(&mut self, step: &mut StepContext<'_>, phase: Phase, reason: &str) {
        let (from, to) = (self.phase.word(), phase.word());
        self.phase = phase;
        if matches!(phase, Phase::Idle | Phase::ActiveGuarded) {
            self.readings.pausing_since = None;
        }
        if from != to {
            self.since = step.now;
            step.tell(Note::Transition { from, to, reason: reason.to_owned() });
        }
    }

    /// Stores the promise alone.
    fn store(&self, step: &mut StepContext<'_>) {
        self.store_record(step, false, HoldChange::Keep);
    }

    /// Stores the promise, and the last action beside it.
    fn store_with_entry(&self, step: &mut StepContext<'_>) {
        self.store_record(step, true, HoldChange::Keep);
    }

    fn store_record(&self, step: &mut StepContext<'_>, with_entry: bool, hold: HoldChange) {
        let promise = Promise { phase: self.phase, since: self.since, end_time_owed: self.end_times.is_owed() };
        let entry = self.last.action().cloned().filter(|_| with_entry);
        let by = self.last.by.clone().filter(|_| with_entry);
        step.ask_for(Effect::Store(Box::new(Record { promise, entry, by, hold })));
    }
}
