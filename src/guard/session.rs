//! The session of one campaign: its machine, the tick that is under way, the effects and records that wait.
//!
//! Each input is followed by [`Session::take_outputs`]. Deliberately absent: orders' reply slots, log lines and the board,
//! which are the actor's.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Duration, Utc};

use super::outbox::{Outbox, Saved};
use super::tick::{Next, Reading, StoredFacts, Tick};
use crate::domain::action::{ActionId, ActionKind, Outcome};
use crate::domain::another_guard::EndTimeSign;
use crate::domain::assessment::Assessment;
use crate::domain::clock_difference::ClockDifference;
use crate::domain::event::{Effect, Event, FollowingEndTime, Note, QuestionId, Record, Request};
use crate::domain::explain::{ActionProgress, Snapshot};
use crate::domain::failure::{DatabaseFailure, RemoteFault};
use crate::domain::ids::RemoteId;
use crate::domain::journal::JournalId;
use crate::domain::machine::Machine;
use crate::domain::order::{DisableRefusal, ForceFailure, OrderId};
use crate::domain::phase::{Phase, Promise};
use crate::domain::policy::Policy;
use crate::domain::read_priority::ReadQuestion;
use crate::domain::remote::RemoteCampaign;
use crate::domain::spend::{Sightings, Spend, SpendReading, SpendSource, of_late_report};
use crate::domain::trend::Trend;
use crate::trafficstar::budget::Rank;
use crate::trafficstar::client::{Change, ChangeKind};

/// What is to be done next. Outputs are to be carried out in their order.
#[derive(Debug)]
pub enum Output {
    /// Ask the database for the facts of a tick; answered by [`Session::database_said`].
    ReadDatabase(QuestionId),
    /// Call [`Session::tick_ends`] after this time, with the flag.
    EndTickAfter(Duration, QuestionId, bool),
    /// Ask for the status; answered by [`Session::status_came`].
    ReadStatus(QuestionId, ReadQuestion),
    /// Ask for today's spend, for a tick that began then; answered by [`Session::spend_came`], however late.
    ReadSpend(QuestionId, ReadQuestion, DateTime<Utc>),
    /// Ask for the status, to see whether an action shows; answered by [`Session::read_back_came`].
    ReadBack(QuestionId, ReadQuestion),
    /// Store a spend. Nobody waits for it, and one that is lost is replaced by the next tick's.
    SaveSpend(Spend),
    /// Store a record, with its journal entry if that is there already; answered by [`Session::saved`].
    Save(Box<Record>, Option<JournalId>),
    /// Call [`Session::save_again`] after this time, though [`Session::saved`] may come before.
    SaveAgainAfter(Duration),
    /// This promise is stored.
    Stored {
        /// The promise.
        promise: Promise,
        /// Records before it could not be stored at first.
        is_again: bool,
    },
    /// A record could not be stored. It is kept.
    NotStored {
        /// Why.
        failure: DatabaseFailure,
        /// The record before it was stored.
        is_first: bool,
    },
    /// Send an action; answered by [`Event::Applied`].
    Send(ActionId, Change),
    /// Set the end time that follows a pause; answered by [`Event::EndTimeSet`].
    SetEndTime(ActionId, Change),
    /// A tick has read this. What is decided by it follows.
    Read(Box<Reading>),
    /// Tell the operators.
    Note(Note),
    /// Tell the account what others did.
    Sign(EndTimeSign),
    /// An order for a tick, and those before it, are answered.
    Processed(OrderId),
    /// A forced action has ended.
    ForceEnded(OrderId, Result<(), ForceFailure>),
    /// A change of the hold, and those before it, are in force.
    Held {
        /// The order.
        order: OrderId,
        /// Whether a restart would find it.
        is_stored: bool,
    },
    /// The promise has ended; the campaign was seen stopped where the flag says so.
    Disabled(bool),
    /// The promise goes on, for this reason.
    DisableRefused(DisableRefusal),
    /// What the machine was told, and what it asks for: for a log that shows everything.
    Step(Box<Step>),
}

/// One step of the machine.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it was told.
    pub event: Event,
    /// What it asks for.
    pub effects: Vec<Effect>,
    /// Where that leaves it.
    pub phase: Phase,
    /// Whether today's limit was seen reached.
    pub high_spend: bool,
}

/// What a session goes on from.
#[derive(Debug)]
pub struct Beginning {
    /// The campaign at TrafficStars.
    pub remote: RemoteId,
    /// The policy of its row.
    pub policy: Policy,
    /// The machine, standing where the stored promise says.
    pub machine: Machine,
    /// The journal entry of the action that is not finished.
    pub entry: Option<(ActionId, JournalId)>,
    /// Each step of the machine is an output.
    pub shows_steps: bool,
}

/// One campaign's session.
#[derive(Debug)]
pub struct Session {
    remote: RemoteId,
    policy: Policy,
    machine: Machine,
    trend: Trend,
    /// What the campaign's own counters of spend have shown since midnight.
    sightings: Sightings,
    /// How far our clock was from TrafficStars' at the last answer.
    clock: Option<ClockDifference>,
    tick: Option<Tick>,
    /// When the ticks began that ended without the report that they had asked for.
    late_reports: BTreeMap<QuestionId, DateTime<Utc>>,
    /// Effects that wait for a record to be stored.
    waiting: VecDeque<Effect>,
    outbox: Outbox,
    is_finishing: bool,
    has_changed: bool,
    shows_steps: bool,
    outputs: Vec<Output>,
}

impl Session {
    /// A session that is due to tick at once.
    #[must_use]
    pub fn new(beginning: Beginning) -> Self {
        let Beginning { remote, policy, machine, entry, shows_steps } = beginning;
        Self {
            remote,
            policy,
            machine,
            trend: Trend::default(),
            sightings: Sightings::default(),
            clock: None,
            tick: None,
            late_reports: BTreeMap::new(),
            waiting: VecDeque::new(),
            outbox: Outbox::new(entry),
            is_finishing: false,
            shows_steps,
            has_changed: true,
            outputs: Vec::new(),
        }
    }

    /// What is to be done since this was last asked.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Whether its status may be another one since this was last asked. What a tick still gathers shows nowhere.
    pub const fn take_change(&mut self) -> bool {
        std::mem::replace(&mut self.has_changed, false)
    }

    /// Tells the machine what has happened, and goes on.
    pub fn step(&mut self, now: DateTime<Utc>, event: Event) {
        self.tell(now, event);
        self.go_on(now);
    }

    fn tell(&mut self, now: DateTime<Utc>, event: Event) {
        self.has_changed = true;
        let shown = self.shows_steps.then(|| event.clone());
        let effects = self.machine.step(now, &self.policy, event);
        if let Some(event) = shown {
            let (phase, high_spend) = (self.machine.phase(), self.machine.high_spend());
            self.outputs.push(Output::Step(Box::new(Step { event, effects: effects.clone(), phase, high_spend })));
        }
        self.waiting.extend(effects);
    }

    /// All that `explain` needs to know of it, as of `now`, but for the journal entry.
    #[must_use]
    pub fn snapshot(&self, now: DateTime<Utc>) -> Snapshot {
        let mut snapshot = self.machine.snapshot(now, &self.policy);
        let is_unsent = self.waiting.iter().any(|effect| matches!(effect, Effect::Send(_)));
        if is_unsent && snapshot.progress == ActionProgress::InFlight {
            snapshot.progress = ActionProgress::Unstored;
        }
        snapshot
    }

    /// Carries effects out until one has to be waited for.
    fn go_on(&mut self, now: DateTime<Utc>) {
        while !self.outbox.is_storing()
            && let Some(effect) = self.waiting.pop_front()
        {
            match effect {
                Effect::Store(record) => {
                    self.outbox.remember(*record);
                    self.save_next();
                }
                Effect::Send(request) if self.outbox.awaits_storing(request.action) => {
                    self.cannot_store_first(now, request);
                }
                Effect::Send(request) => {
                    let change = self.change_of(now, &request);
                    self.outputs.push(Output::Send(request.action, change));
                }
                Effect::SetEndTime(FollowingEndTime { action, end_time, valid_until }) => {
                    let (kind, valid_until) = (ChangeKind::SetEndTime { end_time }, Some(valid_until));
                    let change = Change { remote: self.remote, kind, rank: Rank::LAST, valid_until };
                    self.outputs.push(Output::SetEndTime(action, change));
                }
                Effect::Observe { operation, read_remote, is_gone } => {
                    self.begin_tick(now, operation, (read_remote, is_gone));
                }
                Effect::ReadBack { operation } => {
                    self.outputs.push(Output::ReadBack(operation, ReadQuestion::of_read_back(self.remote)));
                }
                Effect::Sign(sign) => self.outputs.push(Output::Sign(sign)),
                Effect::Note(note) => self.outputs.push(Output::Note(note)),
                Effect::Processed { order } => self.outputs.push(Output::Processed(order)),
                Effect::ForceEnded { order, result } => self.outputs.push(Output::ForceEnded(order, result)),
                Effect::Held { order } => {
                    self.outputs.push(Output::Held { order, is_stored: !self.outbox.has_unstored() });
                }
                Effect::Disabled { .. } if self.outbox.has_unstored() => {
                    // What was sent must be in the journal before nobody knows of it any more.
                    self.waiting.push_front(effect);
                    break;
                }
                Effect::Disabled { stopped } => self.outputs.push(Output::Disabled(stopped)),
                Effect::DisableRefused(refusal) => self.outputs.push(Output::DisableRefused(refusal)),
            }
        }
    }

    /// Stores the oldest record that is not stored yet; the effects behind it wait for it.
    fn save_next(&mut self) {
        if let Some((record, entry)) = self.outbox.next_save() {
            self.outputs.push(Output::Save(Box::new(record), entry));
        }
    }

    /// Tries again to store what could not be stored.
    pub fn save_again(&mut self) {
        self.save_next();
    }

    /// The answer to [`Output::Save`].
    pub fn saved(&mut self, now: DateTime<Utc>, answer: Result<Option<JournalId>, DatabaseFailure>) {
        self.has_changed = true;
        match self.outbox.saved(answer) {
            Some(Saved::Stored { promise, is_again }) => {
                self.outputs.push(Output::Stored { promise, is_again });
                self.save_next();
            }
            Some(Saved::Failed { failure, is_first, retry_after }) => {
                self.outputs.push(Output::NotStored { failure, is_first });
                self.outputs.push(Output::SaveAgainAfter(retry_after));
            }
            None => {}
        }
        self.go_on(now);
    }

    fn change_of(&self, now: DateTime<Utc>, request: &Request) -> Change {
        let end_time = request.end_time;
        let kind = match request.kind {
            ActionKind::Activate => ChangeKind::Activate { end_time },
            ActionKind::Pause => ChangeKind::Pause,
            ActionKind::SetEndTime => ChangeKind::SetEndTime { end_time },
        };
        let clicks = request.remaining_clicks.map_or(0, |clicks| clicks.0);
        let rank = Rank::of_activation(clicks, now.signed_duration_since(request.due_since));
        Change { remote: self.remote, kind, rank, valid_until: request.valid_until }
    }

    /// The database is away. A pause goes out all the same and is journalled late; nothing else does.
    fn cannot_store_first(&mut self, now: DateTime<Utc>, request: Request) {
        let event = if request.kind == ActionKind::Pause {
            self.outbox.is_sent_unstored(request.action);
            self.waiting.push_front(Effect::Send(request));
            Event::SentUnstored { action: request.action }
        } else {
            let why = self.outbox.failure().map_or("the database is away".to_owned(), ToString::to_string);
            let outcome = Outcome::NotSent(format!("its journal entry could not be stored: {why}"));
            Event::Applied { action: request.action, outcome }
        };
        self.tell(now, event);
        // What follows is stored when that is tried again: asking a database that is away again at once would not end. A
        // pause in it leaves late, untried. What was decided earlier goes first: stored later, it would take back what
        // this step promises.
        for effect in std::mem::take(&mut self.waiting) {
            if let Effect::Store(record) = effect {
                self.outbox.remember(*record);
            } else {
                self.waiting.push_back(effect);
            }
        }
    }

    fn begin_tick(&mut self, now: DateTime<Utc>, operation: QuestionId, reads: (bool, bool)) {
        let tick = Tick::new(now, operation, self.remote, reads, self.policy.clone());
        self.outputs.push(Output::EndTickAfter(tick.ends_after(), operation, false));
        self.outputs.push(Output::ReadDatabase(operation));
        self.tick = Some(tick);
    }

    /// The answer to [`Output::ReadDatabase`].
    pub fn database_said(
        &mut self,
        now: DateTime<Utc>,
        operation: QuestionId,
        answer: Result<StoredFacts, DatabaseFailure>,
    ) {
        let intent = self.machine.intent(now);
        let Some(tick) = self.tick.as_mut().filter(|tick| tick.operation == operation) else { return };
        let next = tick.database_said(now, answer, &self.trend, intent, &mut self.sightings);
        self.ask(now, operation, next);
    }

    /// The answer to [`Output::ReadStatus`], and how far our clock was from TrafficStars' then.
    pub fn status_came(
        &mut self,
        now: DateTime<Utc>,
        operation: QuestionId,
        answer: Result<RemoteCampaign, RemoteFault>,
        clock: Option<ClockDifference>,
    ) {
        let Some(tick) = self.tick.as_mut().filter(|tick| tick.operation == operation) else { return };
        self.clock = clock;
        let answer = answer.map(|campaign| RemoteCampaign { our_clock: clock, ..campaign });
        let next = tick.status_came(now, answer, &mut self.sightings);
        self.ask(now, operation, next);
    }

    /// The answer to [`Output::ReadBack`].
    pub fn read_back_came(
        &mut self,
        now: DateTime<Utc>,
        operation: QuestionId,
        answer: Result<RemoteCampaign, RemoteFault>,
        clock: Option<ClockDifference>,
    ) {
        let remote = answer.map(|campaign| Box::new(RemoteCampaign { our_clock: clock, ..campaign }));
        self.step(now, Event::ReadBack { operation, remote });
    }

    /// The answer to [`Output::ReadSpend`]. Where each campaign has a report of its own and the limit does not reach for all,
    /// each comes late: the next tick finds it stored.
    pub fn spend_came(&mut self, now: DateTime<Utc>, operation: QuestionId, answer: SpendReading) {
        if let Some(asked_at) = self.late_reports.remove(&operation) {
            self.outputs.extend(of_late_report(&answer, asked_at, now).map(Output::SaveSpend));
            return;
        }
        let Some(tick) = self.tick.as_mut().filter(|tick| tick.operation == operation) else { return };
        let next = tick.spend_came(now, answer);
        self.ask(now, operation, next);
    }

    /// The time that [`Output::EndTickAfter`] named is over.
    pub fn tick_ends(&mut self, now: DateTime<Utc>, operation: QuestionId, is_again: bool) {
        // At the most the status is late, and then the report that follows it.
        for _ in 0..2 {
            let Some(tick) = self.tick.as_mut().filter(|tick| tick.operation == operation) else { return };
            if !is_again && tick.awaits_spend() {
                self.late_reports.insert(operation, tick.began_at);
            }
            let next = tick.ends(now, is_again, &mut self.sightings);
            let asks_for_spend = matches!(next, Next::Spend(_));
            self.ask(now, operation, next);
            if !asks_for_spend {
                return;
            }
        }
    }

    fn ask(&mut self, now: DateTime<Utc>, operation: QuestionId, next: Next) {
        match next {
            Next::Wait => {}
            Next::Status(question) => self.outputs.push(Output::ReadStatus(operation, question)),
            Next::Spend(question) => {
                let since = self.tick.as_ref().map_or(now, |tick| tick.began_at);
                self.outputs.push(Output::ReadSpend(operation, question, since));
            }
            Next::DatabaseAgain(ends_after) => {
                self.outputs.push(Output::EndTickAfter(ends_after, operation, true));
                self.outputs.push(Output::ReadDatabase(operation));
            }
            Next::Done => self.conclude(now),
        }
    }

    /// All facts are there, or will not come.
    fn conclude(&mut self, now: DateTime<Utc>) {
        let Some(tick) = self.tick.take().filter(|_| !self.is_finishing) else { return };
        let reading = tick.reading(now, &self.sightings, self.clock);
        self.store_spend(&reading);
        let (operation, observation) = (reading.operation, Box::new(reading.observation.clone()));
        let (is_guarded, policy) = (reading.is_guarded, reading.policy.clone());
        self.outputs.push(Output::Read(Box::new(reading)));
        if !is_guarded {
            // The supervisor sees it too, a moment later; nothing may be sent until then.
            self.step(now, Event::Disable { pause: false });
        }
        self.policy = policy;
        // What could not be stored while the database was away may be storable now.
        self.save_next();
        self.step(now, Event::Observed { operation, observation });
        if let Some(Assessment { observation, judged }) = self.machine.assessment() {
            let spend = observation.spend.as_ref().ok().map(|spend| spend.amount);
            self.trend.saw(now, judged.remaining, spend, &judged.status);
        }
    }

    fn store_spend(&mut self, reading: &Reading) {
        let Ok(spend) = &reading.observation.spend else { return };
        let max_age = reading.policy.stored_spend_max_age;
        let is_new = reading.history.as_ref().map_or(true, |history| history.lacks(spend, max_age));
        if is_new && matches!(spend.source, SpendSource::Campaign | SpendSource::Report) {
            self.outputs.push(Output::SaveSpend(*spend));
        }
    }

    /// Begins nothing new any more. What is on its way goes on to its end.
    pub const fn finish(&mut self) {
        self.is_finishing = true;
    }

    /// Whether something is on its way, or not stored yet.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.machine.is_action_in_flight() || !self.outbox.is_empty() || !self.waiting.is_empty()
    }

    /// How long it is until [`Event::Wake`] is due, a tick at the most: the wall clock may be set back meanwhile, and the
    /// machine sees that when it is woken. `None` where nothing is due.
    #[must_use]
    pub fn wakes_after(&self, now: DateTime<Utc>) -> Option<Wakes> {
        let at = self.machine.next_wake().filter(|_| !self.is_finishing)?;
        let wait = at.signed_duration_since(now);
        let after = wait.clamp(Duration::zero(), self.policy.tick);
        Some(Wakes { after, unless_armed: wait > self.policy.tick })
    }

    /// The machine.
    #[must_use]
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The newest policy that made sense.
    #[must_use]
    pub fn last_good_policy(&self) -> &Policy {
        self.tick.as_ref().map_or(&self.policy, |tick| &tick.policy)
    }

    /// When the tick under way began.
    #[must_use]
    pub fn ticking_since(&self) -> Option<DateTime<Utc>> {
        self.tick.as_ref().map(|tick| tick.began_at)
    }

    /// What is not stored yet.
    #[must_use]
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }
}

/// When a session is to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wakes {
    /// After this time.
    pub after: Duration,
    /// A wake that is set already stays: the clock was set back, and what is heard meanwhile, as from a database that is
    /// away, must not put it off.
    pub unless_armed: bool,
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
