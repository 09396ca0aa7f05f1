//! The state machine of one campaign: told what happened, it answers what to do (the lifecycle below).
//!
//! Two enums are its contract: [`Event`] in, [`Effect`] out. `now` is an argument, and the policy too, since a row can
//! change it at any tick. A tick takes no hint of what changed, does the same work each time and retries nothing: the
//! next tick is the retry. Deliberately absent: the decision table (`decision`), what counts as confirmed (`progress`),
//! what counts as foreign (`contest`).
#![doc = include_str!("LIFECYCLE.md")]

mod acting;
mod insight;
mod orders;
mod sending;
mod view;

use chrono::{DateTime, NaiveDate, Utc};

use self::orders::Orders;
use super::absence::Absence;
use super::action::{Action, ActionId, ActionKind, Step};
use super::contest::Contest;
use super::decided::{Conclusion, DecisionLog};
use super::decision::{Judged, Row, SpendLevel};
use super::event::{ActionNews, Effect, Event, Note, OperationId};
use super::observation::Observation;
use super::phase::{Phase, Promise};
use super::policy::{Mode, Policy};
use super::progress::{Awaiting, Progress, RunBackoff, Verdict, is_stopped_or_gone, verdict};
use super::remote::{EndTime, RemoteCampaign, RemoteFault, RemoteStatus, judge};
use super::standing::StandingSpend;

/// A question that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Question {
    operation: OperationId,
    asked_at: DateTime<Utc>,
    reads_remote: bool,
}

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
    phase: Phase,
    since: DateTime<Utc>,
    end_time_owed: bool,
    /// The pauses whose end times are on their way: one may still be while the next pause is sent.
    end_times_underway: Vec<ActionId>,
    /// The end time that a pause has overtaken: its request may still wait for its turn, or be on its way.
    overtaken_end_time: Option<ActionId>,
    /// The pause whose end time is owed.
    last_pause: Option<ActionId>,
    /// The end time that we have set, or may have set, since the last activation.
    own_end_time: Option<DateTime<Utc>>,
    /// The day on which today's limit was seen reached.
    high_spend_on: Option<NaiveDate>,
    unguarded: bool,
    blocked: Option<String>,
    waiting: Option<String>,
    contest: Contest,
    standing: StandingSpend,
    run_backoff: RunBackoff,
    action: Option<Action>,
    progress: Progress,
    /// The kind of the last action that was begun, if it came to nothing, unsent ones included. What was only observed is
    /// none.
    came_to_nothing: Option<ActionKind>,
    /// The last action waits for its turn: stored, never sent, to be decided anew by the next tick. A pause never waits.
    postponed: bool,
    /// The last question asked before our last action was answered or settled: it and those before it say nothing about
    /// its effect. A number, not a time, since the clock may be set back.
    changed_after: u64,
    observing: Option<Question>,
    reading_back: Option<Question>,
    next_tick_at: DateTime<Utc>,
    absence: Absence,
    /// In observe mode: the action that was journalled last, so that only changes are.
    observed_only: Option<(ActionKind, Row)>,
    releasing: Option<Releasing>,
    orders: Orders,
    released: bool,
    last_number: u64,
    observation: Option<Observation>,
    decisions: DecisionLog,
    built_at: DateTime<Utc>,
    /// Since when no tick could tell the status.
    status_unknown_since: Option<DateTime<Utc>>,
    /// Since when no tick could tell the remaining clicks.
    clicks_unknown_since: Option<DateTime<Utc>>,
    /// When the first pause was decided of which none has been confirmed.
    pausing_since: Option<DateTime<Utc>>,
    counters: Counters,
}

/// How far a release has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Releasing {
    /// It is still to be read, and paused unless it is stopped.
    Pause,
    /// It is being read.
    Reading,
    /// The pause was sent.
    Pausing(ActionId),
    /// It was read, and is stopped.
    Stopped,
    /// Only what is in flight is waited for.
    Settle,
    /// It is still to be read, and stays unless it is stopped.
    IfStopped,
    /// It is being read for that.
    ReadingIfStopped,
}

impl Machine {
    /// A machine that stands where `promise` says, or idle; due to tick at once. `unfinished` is the journal's newest
    /// entry where it is neither confirmed nor failed: reading the remote settles it.
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
        let progress = unfinished.as_ref().map_or(Progress::Settled, |action| {
            let answered_at = action.accepted_at.unwrap_or(action.requested_at);
            Progress::Awaiting(Awaiting::new(now, 0, answered_at + policy.confirm_within, policy))
        });
        Self {
            phase: promise.phase,
            since: promise.since,
            end_time_owed: promise.end_time_owed,
            end_times_underway: Vec::new(),
            overtaken_end_time: None,
            last_pause: None,
            own_end_time: None,
            high_spend_on: None,
            unguarded: false,
            blocked: None,
            waiting: None,
            contest,
            standing: StandingSpend::default(),
            run_backoff: RunBackoff::default(),
            last_number: unfinished.as_ref().map_or(0, |action| action.id.0),
            pausing_since: unfinished
                .as_ref()
                .filter(|action| action.kind == ActionKind::Pause)
                .map(|action| action.requested_at),
            action: unfinished,
            progress,
            came_to_nothing: None,
            postponed: false,
            changed_after: 0,
            observing: None,
            reading_back: None,
            next_tick_at: now,
            absence: Absence::default(),
            observed_only: None,
            releasing: None,
            orders: Orders::default(),
            released: false,
            observation: None,
            decisions: DecisionLog::default(),
            built_at: now,
            status_unknown_since: None,
            clicks_unknown_since: None,
            counters: Counters::default(),
        }
    }

    /// The same, where an earlier life has set this end time.
    #[must_use]
    pub fn having_set(self, own_end_time: Option<DateTime<Utc>>) -> Self {
        Self { own_end_time, ..self }
    }

    /// Takes one event and answers what is to be done about it.
    pub fn step(&mut self, now: DateTime<Utc>, policy: &Policy, event: Event) -> Vec<Effect> {
        if self.released {
            return Vec::new();
        }
        let mut effects = Vec::new();
        self.heed_clock(now, policy, &mut effects);
        match event {
            Event::Wake => self.wake(now, &mut effects),
            Event::Observed { operation, observation } => {
                match self.observing.take_if(|question| question.operation == operation) {
                    Some(question) => self.observed(now, policy, question, *observation, &mut effects),
                    None => self.counters.stale_answers += 1,
                }
            }
            Event::ReadBack { operation, remote } => {
                match self.reading_back.take_if(|question| question.operation == operation) {
                    Some(question) => {
                        self.read_back(now, policy, question, remote.map(|campaign| *campaign), &mut effects);
                    }
                    None => self.counters.stale_answers += 1,
                }
            }
            Event::Applied { action, outcome } => self.applied(now, policy, action, outcome, &mut effects),
            Event::EndTimeSet { action, result } => self.end_time_set(action, result, &mut effects),
            Event::SentUnstored { action } => {
                if let Some(current) = self.action.as_mut().filter(|current| current.id == action) {
                    current.late = true;
                }
            }
            Event::Release { pause } => {
                let releasing = if pause { Releasing::Pause } else { Releasing::Settle };
                self.release_from_forcing(releasing, &mut effects);
            }
            Event::ReleaseStopped => {
                self.release_from_forcing(Releasing::IfStopped, &mut effects);
            }
            Event::Process { order } => self.process(order),
            Event::Force { order, force } => self.force(now, policy, order, *force, &mut effects),
            Event::Hold { order, hold } => self.set_hold(now, order, hold, &mut effects),
            Event::HoldAll(hold) => self.set_hold_on_all(now, hold),
        }
        self.go_on_forcing(now, policy, &mut effects);
        self.go_on_releasing(now, policy, &mut effects);
        self.answer_orders(now, &mut effects);
        effects
    }

    /// When [`Event::Wake`] is due: for the next tick, or to read back. Nothing is due while the answer is out.
    #[must_use]
    pub fn next_wake(&self) -> Option<DateTime<Utc>> {
        if self.released {
            return None;
        }
        let tick = (self.observing.is_none() && self.releasing.is_none()).then_some(self.next_tick_at);
        let read_back = match self.progress {
            Progress::Awaiting(awaiting) if self.observing.is_none() && self.reading_back.is_none() => {
                Some(awaiting.read_back_at)
            }
            Progress::Awaiting(_) | Progress::Settled | Progress::InFlight => None,
        };
        tick.into_iter().chain(read_back).min()
    }

    /// A clock that was set back must not put what is due out of reach: nothing is farther away than when it was set.
    fn heed_clock(&mut self, now: DateTime<Utc>, policy: &Policy, effects: &mut Vec<Effect>) {
        let longest = now + policy.cooldown;
        if self.phase.cooling_down_until().is_some_and(|until| until > longest) {
            self.phase = Phase::CoolingDown { until: longest };
            self.store(effects, false);
        }
        self.next_tick_at = self.next_tick_at.min(policy.next_grid_point(now));
        self.absence.heed_clock(now);
        self.run_backoff.heed_clock(now);
        self.contest.heed_clock(now);
        if let Progress::Awaiting(awaiting) = &mut self.progress {
            awaiting.heed_clock(now, policy);
        }
    }

    fn wake(&mut self, now: DateTime<Utc>, effects: &mut Vec<Effect>) {
        if self.observing.is_some() {
            return;
        }
        if self.releasing.is_none() && self.next_tick_at <= now {
            let (read_remote, is_gone) = (self.absence.is_read(now), self.absence.is_gone(now));
            let question = self.ask(now, read_remote);
            self.observing = Some(question);
            self.begin_ordered_tick();
            effects.push(Effect::Observe { operation: question.operation, read_remote, is_gone });
        } else if let Progress::Awaiting(awaiting) = self.progress
            && awaiting.read_back_at <= now
            && self.reading_back.is_none()
        {
            let question = self.ask(now, true);
            self.reading_back = Some(question);
            effects.push(Effect::ReadBack { operation: question.operation });
        }
    }

    fn observed(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        question: Question,
        observation: Observation,
        effects: &mut Vec<Effect>,
    ) {
        self.counters.ticks += 1;
        if question.reads_remote {
            self.absence.saw(question.asked_at, policy, &observation.remote);
        }
        let judged = Judged::new(&observation, policy, now);
        // An action that was answered while this tick read makes what it read old.
        let outdated = question.operation.0 <= self.changed_after;
        self.settle(now, question, &observation.remote, &judged.status, effects);
        if let Ok(campaign) = &observation.remote {
            self.run_backoff.saw(campaign, &judged.status);
        }
        self.watch_readings(now, policy, &observation, &judged.status);
        let may_decide = self.may_decide(policy) && !outdated;
        if may_decide {
            self.watch_others(now, policy, &observation.remote, &judged.status, effects);
        }
        if let Some(still) = self.standing.saw(now, &observation, &judged) {
            effects.push(Effect::Note(Note::SpendStandsStill(still)));
        }
        self.observation = Some(observation);
        self.raise_flags(now, &judged, effects);
        self.end_hold_in_time(now, effects);
        if may_decide && self.releasing.is_none() && self.is_forced_at(question) {
            self.force_at_tick(now, policy, &judged, effects);
        } else if may_decide && self.releasing.is_none() {
            self.conclude(now, policy, question.asked_at, &judged, effects);
            // What this tick has not sent again is not due any more.
            self.give_up_postponed(now, effects);
        } else {
            let reason = "an action is on its way, or was answered while this was read".to_owned();
            self.decisions.note(now, Conclusion::Nothing, None, reason);
        }
        self.raise_unguarded(&judged, effects);
        self.schedule(now, policy, question.asked_at);
    }

    /// Whether nothing is on its way that a decision has to wait for. For an end time alone nothing waits; in observe
    /// mode one that was sent before is still followed to its end.
    fn may_decide(&self, policy: &Policy) -> bool {
        self.progress == Progress::Settled || (self.is_setting_end_time() && policy.mode == Mode::Act)
    }

    /// Whether an end time is on its way that is no action of its own any more: that of a pause, or one that a pause has
    /// overtaken.
    pub(super) fn follows_an_end_time(&self) -> bool {
        !self.end_times_underway.is_empty() || self.overtaken_end_time.is_some()
    }

    /// Whether an end time alone is on its way, or waits to be shown.
    fn is_setting_end_time(&self) -> bool {
        let sets_end_time = self.action.as_ref().is_some_and(|action| action.kind == ActionKind::SetEndTime);
        sets_end_time && self.progress != Progress::Settled
    }

    fn read_back(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        question: Question,
        remote: Result<RemoteCampaign, RemoteFault>,
        effects: &mut Vec<Effect>,
    ) {
        let remote = self.absence.believe(question.asked_at, remote);
        self.absence.saw_back(&remote);
        let status = judge(&remote, now);
        let stopped = is_stopped_or_gone(&remote, &status);
        self.settle(now, question, &remote, &status, effects);
        if let Progress::Awaiting(awaiting) = self.progress {
            self.progress = Progress::Awaiting(awaiting.again(now));
        }
        if let Some(observation) = &mut self.observation {
            observation.remote = remote;
            observation.remote_at = now;
        }
        match self.releasing {
            Some(Releasing::Reading | Releasing::ReadingIfStopped) if stopped => {
                self.releasing = Some(Releasing::Stopped);
            }
            // Its mode may have changed while it was read.
            Some(Releasing::Reading) if policy.mode == Mode::Observe => {
                self.refuse_release(acting::OBSERVED_ONLY.to_owned(), effects);
            }
            Some(Releasing::Reading) => {
                self.releasing = Some(Releasing::Pausing(self.pause_to_release(now, policy, effects)));
            }
            Some(Releasing::ReadingIfStopped) => self.refuse_release(not_stopped(&status), effects),
            Some(
                Releasing::Pause
                | Releasing::Pausing(_)
                | Releasing::Stopped
                | Releasing::Settle
                | Releasing::IfStopped,
            )
            | None => {}
        }
    }

    /// Holds a read against the action that waits for one.
    fn settle(
        &mut self,
        now: DateTime<Utc>,
        question: Question,
        remote: &Result<RemoteCampaign, RemoteFault>,
        status: &RemoteStatus,
        effects: &mut Vec<Effect>,
    ) {
        let (Progress::Awaiting(awaiting), Some(action)) = (self.progress, self.action.as_ref()) else { return };
        if question.operation.0 <= awaiting.after {
            return;
        }
        match verdict(action, &awaiting, question.asked_at, remote, status) {
            Verdict::NotYet => {}
            Verdict::Shown => {
                if let (Ok(campaign), Some(running)) = (remote, action.kind.wants_running()) {
                    self.contest.caused(now, running, &campaign.end_time);
                }
                self.finish(now, Ok(()), effects);
            }
            Verdict::Failed(reason) => {
                let activates = action.kind == ActionKind::Activate;
                self.finish(now, Err(reason), effects);
                if let (true, RemoteStatus::Blocked { .. }, Ok(campaign)) = (activates, status, remote) {
                    self.run_backoff.blocked(campaign);
                }
            }
        }
    }

    /// The action is over: confirmed, or failed.
    fn finish(&mut self, now: DateTime<Utc>, result: Result<(), String>, effects: &mut Vec<Effect>) {
        self.progress = Progress::Settled;
        let seen = self.observation.as_ref().and_then(|observation| observation.remote.as_ref().ok());
        let Some(action) = self.action.as_mut() else { return };
        if action.kind != ActionKind::SetEndTime {
            self.changed_after = self.last_number;
        }
        let news = match result {
            Ok(()) => {
                self.came_to_nothing = None;
                action.step = Step::Confirmed;
                action.confirmed_at = Some(now);
                match action.kind {
                    ActionKind::Activate => self.run_backoff.reset(),
                    ActionKind::Pause => self.pausing_since = None,
                    // A read may show it before its answer does, or in place of an answer that a crash has lost.
                    ActionKind::SetEndTime => self.end_time_owed = false,
                }
                ActionNews::Confirmed
            }
            Err(reason) => {
                self.came_to_nothing = Some(action.kind);
                action.step = Step::Failed;
                action.failed_at = Some(now);
                action.error = Some(reason.clone());
                if action.kind == ActionKind::Activate {
                    self.run_backoff.failed(now, seen);
                }
                ActionNews::Failed(reason)
            }
        };
        effects.push(Effect::Note(Note::Action { kind: action.kind, news }));
        self.store(effects, true);
        self.end_force_with_action(effects);
    }

    /// Counts what others changed.
    fn watch_others(
        &mut self,
        now: DateTime<Utc>,
        policy: &Policy,
        remote: &Result<RemoteCampaign, RemoteFault>,
        status: &RemoteStatus,
        effects: &mut Vec<Effect>,
    ) {
        if let Ok(campaign) = remote {
            // An activation that failed halfway has set the end time, and that alone can start a campaign.
            let ours = self.action.as_ref().map(|action| EndTime::At(action.end_time));
            let waits =
                self.postponed && self.action.as_ref().is_some_and(|action| action.kind == ActionKind::Activate);
            let cut_short = self.has_failed(ActionKind::Activate) || waits;
            let half_done = cut_short && ours.as_ref() == Some(&campaign.end_time);
            if half_done && *status == RemoteStatus::Running {
                self.contest.caused(now, true, &campaign.end_time);
            }
            // Ours may stand there by now, though its answer is still out.
            if self.is_end_time_on_its_way() {
                self.contest.end_time_asked_for();
            }
            let change = self.contest.observe(now, policy, status, &campaign.end_time);
            if change.foreign {
                effects.push(Effect::Note(Note::ForeignChange { running: *status == RemoteStatus::Running }));
            }
            if change.began {
                effects.push(Effect::Note(Note::Contested { began: true }));
            }
            // What an activation of ours that failed halfway has left there is no sign of another guard.
            if let Some(sign) = change.sign.filter(|_| ours.as_ref() != Some(&campaign.end_time)) {
                effects.push(Effect::Sign(sign));
            }
        }
        if self.contest.lift(now) {
            effects.push(Effect::Note(Note::Contested { began: false }));
        }
    }

    /// Keeps `high_spend` and `blocked` up to date, whatever the state.
    fn raise_flags(&mut self, now: DateTime<Utc>, judged: &Judged, effects: &mut Vec<Effect>) {
        let today = now.date_naive();
        let was_high = self.high_spend();
        match judged.spend {
            SpendLevel::Reached => self.high_spend_on = Some(today),
            SpendLevel::Below => self.high_spend_on = None,
            // Yesterday's limit is not today's; within a day an unknown spend takes nothing back.
            SpendLevel::Unknown => self.high_spend_on = self.high_spend_on.filter(|&day| day == today),
        }
        if self.high_spend() != was_high {
            effects.push(Effect::Note(Note::HighSpend { began: !was_high }));
        }
        let blocked = match &judged.status {
            RemoteStatus::Blocked { reason, .. } => Some(reason.clone()),
            // A failed read says nothing new.
            RemoteStatus::Unknown { .. } => self.blocked.clone(),
            RemoteStatus::Stopped(_) | RemoteStatus::Running => None,
        };
        if self.blocked != blocked {
            self.blocked.clone_from(&blocked);
            effects.push(Effect::Note(Note::Blocked(blocked)));
        }
    }
}

/// Why a campaign that is not seen stopped must not be left alone.
fn not_stopped(status: &RemoteStatus) -> String {
    let seen = match status {
        RemoteStatus::Running | RemoteStatus::Stopped(_) => "it runs at TrafficStars".to_owned(),
        RemoteStatus::Blocked { reason, .. } => format!("it is switched on at TrafficStars ({reason})"),
        RemoteStatus::Unknown { reason, .. } => format!("it may run at TrafficStars ({reason})"),
    };
    let is_missing = matches!(status, RemoteStatus::Unknown { reason, .. } if reason == RemoteFault::NOT_FOUND);
    let or = if is_missing { "; if its trafficstar_id is wrong, disable its generator first" } else { "" };
    format!("{seen}, and nobody would watch it any more: say pause to have it paused first{or}")
}
