//! The session of one campaign: its machine, the tick under way, the effects that wait, and the outbox.
//!
//! After each input the caller carries out [`Session::take_outputs`]. Deliberately absent: the replies to orders, log
//! lines and the board, which belong to the actor.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Duration, Utc};

use super::outbox::{Outbox, Saved};
use super::tick::{Next, Reading, StoredFacts, Tick};
use crate::domain::action::{ActionId, ActionKind, Outcome};
use crate::domain::another_guard::EndTimeSign;
use crate::domain::assessment::Assessment;
use crate::domain::campaign_occasions::CampaignOccasions;
use crate::domain::clock_difference::ClockDifference;
use crate::domain::event::{Effect, Event, FollowingEndTime, Note, QuestionId, Record, Request};
use crate::domain::explain::{ActionProgress, Snapshot};
use crate::domain::failure::{DatabaseFailure, RemoteFault};
use crate::domain::ids::RemoteId;
use crate::domain::journal::JournalId;
use crate::domain::machine::Machine;
use crate::domain::money::Money;
use crate::domain::observation::SharedSpends;
use crate::domain::order::{DisableRefusal, ForceFailure, OrderId};
use crate::domain::phase::{Phase, Promise};
use crate::domain::policy::Policy;
use crate::domain::read_priority::ReadQuestion;
use crate::domain::remote::RemoteCampaign;
use crate::domain::shared_limit::SharedLimitReport;
use crate::domain::spend::{Sightings, Spend, SpendReading, SpendSource, of_late_report};
use crate::domain::trend::Trend;
use crate::trafficstar::budget::Rank;
use crate::trafficstar::client::{Change, ChangeKind};

/// A task for the caller. The caller carries the outputs out in their order.
#[derive(Debug)]
pub enum Output {
    /// Read the facts of a tick from the database, with each URL if the flag is set; answered by
    /// [`Session::database_said`].
    ReadDatabase(QuestionId, bool),
    /// Call [`Session::tick_ends`] after this time, with the flag.
    EndTickAfter(Duration, QuestionId, bool),
    /// Read the status; answered by [`Session::status_came`].
    ReadStatus(QuestionId, ReadQuestion),
    /// Read today's spend for a tick that began at this time (UTC); answered by [`Session::spend_came`], even if it is
    /// late.
    ReadSpend(QuestionId, ReadQuestion, DateTime<Utc>),
    /// Read the status to see whether an action took effect; answered by [`Session::read_back_came`].
    ReadBack(QuestionId, ReadQuestion),
    /// Store a spend. The session does not wait for it. If it is lost, the next tick's spend replaces it.
    SaveSpend(Spend),
    /// Store a record. The journal entry is given if the record has one already. Answered by [`Session::saved`].
    Save(Box<Record>, Option<JournalId>),
    /// Call [`Session::save_again`] after this time. [`Session::saved`] may be called earlier.
    SaveAgainAfter(Duration),
    /// Note that this promise is stored.
    Stored {
        /// The stored promise.
        promise: Promise,
        /// Whether storing failed before.
        is_again: bool,
    },
    /// Note that a record could not be stored. It is kept in the outbox.
    NotStored {
        /// The failure.
        failure: DatabaseFailure,
        /// Whether the last try before this one succeeded.
        is_first: bool,
    },
    /// Send an action; answered by [`Event::Applied`].
    Send(ActionId, Change),
    /// Set the end time that follows a pause; answered by [`Event::EndTimeSet`].
    SetEndTime(ActionId, Change),
    /// Note what a tick has read. The decision follows as further outputs.
    Read(Box<Reading>),
    /// Show this note to the operators.
    Note(Note),
    /// Give the account a sign of another guard.
    Sign(EndTimeSign),
    /// Report a limit that campaigns share, with the sum of their spends.
    SharedLimit(SharedLimitReport, Money),
    /// Answer this order for a tick, and all earlier ones.
    Processed(OrderId),
    /// Answer the order for a forced action, which has ended.
    ForceEnded(OrderId, Result<(), ForceFailure>),
    /// Answer this change of the hold, and all earlier ones: they are in force.
    Held {
        /// The order's id.
        order: OrderId,
        /// Whether it is stored, so that it outlives a restart.
        is_stored: bool,
    },
    /// Note that the promise has ended. The flag says whether the campaign was seen stopped.
    Disabled(bool),
    /// Note that the generator is not disabled, for this reason, and the promise stays in force.
    DisableRefused(DisableRefusal),
    /// Log this step of the machine.
    Step(Box<Step>),
}

/// One step of the machine.
#[derive(Debug, Clone)]
pub struct Step {
    /// The machine's input.
    pub event: Event,
    /// The machine's output.
    pub effects: Vec<Effect>,
    /// The phase after the step.
    pub phase: Phase,
    /// Whether `high_spend` is set after the step.
    pub high_spend: bool,
}

/// The state from which a session starts.
#[derive(Debug)]
pub struct Beginning {
    /// The campaign's id at TrafficStars.
    pub remote: RemoteId,
    /// The policy of the campaign's row.
    pub policy: Policy,
    /// The machine, in the state of the stored promise.
    pub machine: Machine,
    /// The occasions for alerts that are stored.
    pub occasions: CampaignOccasions,
    /// The unfinished action and its journal entry; `None` if no action is unfinished.
    pub entry: Option<(ActionId, JournalId)>,
    /// Whether each step of the machine is an output.
    pub shows_steps: bool,
}

/// One campaign's session.
#[derive(Debug)]
pub struct Session {
    remote: RemoteId,
    policy: Policy,
    machine: Machine,
    /// The occasions for alerts that are stored, or are about to be.
    occasions: CampaignOccasions,
    trend: Trend,
    /// The values of the campaign's own spend counters since midnight.
    sightings: Sightings,
    /// The difference between our clock and TrafficStars' at the last answer; `None` if it is not known.
    clock: Option<ClockDifference>,
    tick: Option<Tick>,
    /// The ticks that ended before their report came, each with the time (UTC) of its beginning.
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
    /// Returns a session that ticks at once.
    #[must_use]
    pub fn new(beginning: Beginning) -> Self {
        let Beginning { remote, policy, machine, occasions, entry, shows_steps } = beginning;
        Self {
            remote,
            policy,
            machine,
            occasions,
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

    /// Returns what to do since the last call.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Whether the session's status may have changed since the last call. Answers to a tick under way are no change.
    pub const fn take_change(&mut self) -> bool {
        std::mem::replace(&mut self.has_changed, false)
    }

    /// Gives the machine an event, and carries out its effects.
    pub fn step(&mut self, now: DateTime<Utc>, event: Event) {
        self.feed(now, event);
        self.go_on(now);
    }

    fn feed(&mut self, now: DateTime<Utc>, event: Event) {
        self.has_changed = true;
        let shown = self.shows_steps.then(|| event.clone());
        let mut effects = self.machine.step(now, &self.policy, event);
        self.store_occasions(now, &mut effects);
        if let Some(event) = shown {
            let (phase, high_spend) = (self.machine.phase(), self.machine.high_spend());
            self.outputs.push(Output::Step(Box::new(Step { event, effects: effects.clone(), phase, high_spend })));
        }
        self.waiting.extend(effects);
    }

    /// Puts the occasions that began or ended with a step into its last record, so that one transaction stores both. A
    /// step without a record gets one.
    fn store_occasions(&mut self, now: DateTime<Utc>, effects: &mut Vec<Effect>) {
        let disabled_at = effects.iter().position(|effect| matches!(effect, Effect::Disabled { .. }));
        let changes = match disabled_at {
            None => self.occasions.after_step(now, &self.machine, &self.policy),
            Some(_) => self.occasions.end_all(now),
        };
        if changes.is_empty() {
            return;
        }
        let records = effects
            .iter_mut()
            .filter_map(|effect| if let Effect::Store(record) = effect { Some(record) } else { None });
        if let Some(record) = records.last() {
            record.occasions = changes;
            return;
        }
        let record = Record { occasions: changes, ..Record::of(self.machine.promise()) };
        effects.insert(disabled_at.unwrap_or(effects.len()), Effect::Store(Box::new(record)));
    }

    /// Returns the snapshot that `explain` needs, as of `now`, without the journal entry.
    #[must_use]
    pub fn snapshot(&self, now: DateTime<Utc>) -> Snapshot {
        let mut snapshot = self.machine.snapshot(now, &self.policy);
        let is_unsent = self.waiting.iter().any(|effect| matches!(effect, Effect::Send(_)));
        if is_unsent && snapshot.progress == ActionProgress::InFlight {
            snapshot.progress = ActionProgress::Unstored;
        }
        snapshot
    }

    /// Carries out effects until one has to wait for the database.
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
                Effect::Observe { question_id, read_remote, is_gone, counts_urls } => {
                    self.begin_tick(now, question_id, (read_remote, is_gone), counts_urls);
                }
                Effect::ReadBack { question_id } => {
                    self.outputs.push(Output::ReadBack(question_id, ReadQuestion::of_read_back(self.remote)));
                }
                Effect::Sign(sign) => self.outputs.push(Output::Sign(sign)),
                Effect::SharedLimit(report, spend) => self.outputs.push(Output::SharedLimit(report, spend)),
                Effect::Note(note) => self.outputs.push(Output::Note(note)),
                Effect::Processed { order } => self.outputs.push(Output::Processed(order)),
                Effect::ForceEnded { order, result } => self.outputs.push(Output::ForceEnded(order, result)),
                Effect::Held { order } => {
                    self.outputs.push(Output::Held { order, is_stored: !self.outbox.has_unstored() });
                }
                Effect::Disabled { .. } if self.outbox.has_unstored() => {
                    // The records must be stored first, because the session and its outbox end after this.
                    self.waiting.push_front(effect);
                    break;
                }
                Effect::Disabled { stopped } => self.outputs.push(Output::Disabled(stopped)),
                Effect::DisableRefused(refusal) => self.outputs.push(Output::DisableRefused(refusal)),
            }
        }
    }

    /// Stores the oldest record that is not stored yet. The effects behind it wait.
    fn save_next(&mut self) {
        if let Some((record, entry)) = self.outbox.next_save() {
            self.outputs.push(Output::Save(Box::new(record), entry));
        }
    }

    /// Tries again to store the oldest record.
    pub fn save_again(&mut self) {
        self.save_next();
    }

    /// Takes the answer to [`Output::Save`].
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
            action @ (ActionKind::TopUp | ActionKind::DailyBudget) => {
                ChangeKind::SetBudget { max_daily: request.max_daily, action }
            }
        };
        let clicks = request.remaining_clicks.map_or(0, |clicks| clicks.0);
        let rank = Rank::of_activation(clicks, now.signed_duration_since(request.due_since));
        Change { remote: self.remote, kind, rank, valid_until: request.valid_until }
    }

    /// Handles a request whose journal entry cannot be stored. A pause is sent anyway and marked late. Every other
    /// request is not sent.
    fn cannot_store_first(&mut self, now: DateTime<Utc>, request: Request) {
        let event = if request.kind == ActionKind::Pause {
            self.outbox.mark_sent_unstored(request.action);
            self.waiting.push_front(Effect::Send(request));
            Event::SentUnstored { action: request.action }
        } else {
            let why = self.outbox.failure().map_or("the database does not answer".to_owned(), ToString::to_string);
            let outcome = Outcome::NotSent(format!("its journal entry could not be stored: {why}"));
            Event::Applied { action: request.action, outcome }
        };
        self.feed(now, event);
        // The new records are not tried now, only at the next retry: trying a failing database again at once would
        // loop. A pause among the effects leaves unstored, without a try. Records from earlier steps stay ahead in the
        // outbox: stored later, they would overwrite the newer promise.
        for effect in std::mem::take(&mut self.waiting) {
            if let Effect::Store(record) = effect {
                self.outbox.remember(*record);
            } else {
                self.waiting.push_back(effect);
            }
        }
    }

    fn begin_tick(&mut self, now: DateTime<Utc>, question_id: QuestionId, reads: (bool, bool), counts_urls: bool) {
        let tick = Tick::new(now, question_id, self.remote, reads, self.policy.clone());
        let tick = tick.counting_urls(counts_urls).knowing(self.last_shared());
        self.outputs.push(Output::EndTickAfter(tick.ends_after(), question_id, false));
        self.outputs.push(Output::ReadDatabase(question_id, counts_urls));
        self.tick = Some(tick);
    }

    /// Takes the answer to [`Output::ReadDatabase`].
    pub fn database_said(
        &mut self,
        now: DateTime<Utc>,
        question_id: QuestionId,
        answer: Result<StoredFacts, DatabaseFailure>,
    ) {
        let intent = self.machine.intent(now);
        let Some(tick) = self.tick.as_mut().filter(|tick| tick.question_id == question_id) else { return };
        let next = tick.database_said(now, answer, &self.trend, intent, &mut self.sightings);
        self.ask(now, question_id, next);
    }

    /// Takes the answer to [`Output::ReadStatus`], and the clock difference at that time.
    pub fn status_came(
        &mut self,
        now: DateTime<Utc>,
        question_id: QuestionId,
        answer: Result<RemoteCampaign, RemoteFault>,
        clock: Option<ClockDifference>,
    ) {
        let Some(tick) = self.tick.as_mut().filter(|tick| tick.question_id == question_id) else { return };
        self.clock = clock;
        let answer = answer.map(|campaign| RemoteCampaign { our_clock: clock, ..campaign });
        let next = tick.status_came(now, answer, &mut self.sightings);
        self.ask(now, question_id, next);
    }

    /// Takes the answer to [`Output::ReadBack`], and the clock difference at that time.
    pub fn read_back_came(
        &mut self,
        now: DateTime<Utc>,
        question_id: QuestionId,
        answer: Result<RemoteCampaign, RemoteFault>,
        clock: Option<ClockDifference>,
    ) {
        let remote = answer.map(|campaign| Box::new(RemoteCampaign { our_clock: clock, ..campaign }));
        self.step(now, Event::ReadBack { question_id, remote });
    }

    /// Takes the answer to [`Output::ReadSpend`]. A report that comes after its tick is stored for the next tick. This
    /// happens if each campaign has a report of its own and the request limit is too small for all.
    pub fn spend_came(&mut self, now: DateTime<Utc>, question_id: QuestionId, answer: SpendReading) {
        if let Some(asked_at) = self.late_reports.remove(&question_id) {
            self.outputs.extend(of_late_report(&answer, asked_at, now).map(Output::SaveSpend));
            return;
        }
        let Some(tick) = self.tick.as_mut().filter(|tick| tick.question_id == question_id) else { return };
        let next = tick.spend_came(now, answer);
        self.ask(now, question_id, next);
    }

    /// Ends the tick: the time of [`Output::EndTickAfter`] is over.
    pub fn tick_ends(&mut self, now: DateTime<Utc>, question_id: QuestionId, is_again: bool) {
        // At most two answers are late: the status, and then the report that follows it.
        for _ in 0..2 {
            let Some(tick) = self.tick.as_mut().filter(|tick| tick.question_id == question_id) else { return };
            if !is_again && tick.awaits_spend() {
                self.late_reports.insert(question_id, tick.began_at);
            }
            let next = tick.ends(now, is_again, &mut self.sightings);
            let asks_for_spend = matches!(next, Next::Spend(_));
            self.ask(now, question_id, next);
            if !asks_for_spend {
                return;
            }
        }
    }

    fn ask(&mut self, now: DateTime<Utc>, question_id: QuestionId, next: Next) {
        match next {
            Next::Wait => {}
            Next::Status(question) => self.outputs.push(Output::ReadStatus(question_id, question)),
            Next::Spend(question) => {
                let since = self.tick.as_ref().map_or(now, |tick| tick.began_at);
                self.outputs.push(Output::ReadSpend(question_id, question, since));
            }
            Next::DatabaseAgain(ends_after) => {
                self.outputs.push(Output::EndTickAfter(ends_after, question_id, true));
                let counts_urls = self.tick.as_ref().is_some_and(|tick| tick.counts_urls);
                self.outputs.push(Output::ReadDatabase(question_id, counts_urls));
            }
            Next::Done => self.conclude(now),
        }
    }

    /// Ends the reads of a tick: all facts are there, or will not come.
    fn conclude(&mut self, now: DateTime<Utc>) {
        let Some(tick) = self.tick.take().filter(|_| !self.is_finishing) else { return };
        let reading = tick.reading(now, &self.sightings, self.clock);
        self.store_spend(&reading);
        let (question_id, observation) = (reading.question_id, Box::new(reading.observation.clone()));
        let (is_guarded, policy) = (reading.is_guarded, reading.policy.clone());
        self.outputs.push(Output::Read(Box::new(reading)));
        if !is_guarded {
            // The supervisor sees this a moment later. Nothing may be sent until then.
            self.step(now, Event::Disable { pause: false });
        }
        self.policy = policy;
        // The database may work again: try the records that could not be stored.
        self.save_next();
        self.step(now, Event::Observed { question_id, observation });
        if let Some(Assessment { observation, judged, .. }) = self.machine.assessment() {
            let spend = observation.spend.as_ref().ok().map(|spend| spend.amount);
            self.trend.saw(now, judged.remaining, spend, &judged.status);
            self.trend.saw_shared_limit(now, judged);
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

    /// Stops new ticks and wakes. Actions and records under way are finished.
    pub const fn finish(&mut self) {
        self.is_finishing = true;
    }

    /// Whether an action is in flight, an effect waits, or a record is not stored.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.machine.is_action_in_flight() || !self.outbox.is_empty() || !self.waiting.is_empty()
    }

    /// Returns after which time [`Event::Wake`] is due; `None` if it is not due. The time is at most one tick: the wall
    /// clock may be set back meanwhile, and the machine notices it only when it is woken.
    #[must_use]
    pub fn wakes_after(&self, now: DateTime<Utc>) -> Option<Wakes> {
        let at = self.machine.next_wake().filter(|_| !self.is_finishing)?;
        let wait = at.signed_duration_since(now);
        let after = wait.clamp(Duration::zero(), self.policy.tick);
        Some(Wakes { after, unless_armed: wait > self.policy.tick })
    }

    /// Returns the machine.
    #[must_use]
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Returns the policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns the spends of the campaigns that share limits with it, as read last.
    #[must_use]
    pub fn last_shared(&self) -> Option<SharedSpends> {
        self.machine.assessment().and_then(|facts| facts.observation.shared)
    }

    /// Returns the newest valid policy.
    #[must_use]
    pub fn last_good_policy(&self) -> &Policy {
        self.tick.as_ref().map_or(&self.policy, |tick| &tick.policy)
    }

    /// Returns when the tick under way began; `None` if no tick is under way.
    #[must_use]
    pub fn ticking_since(&self) -> Option<DateTime<Utc>> {
        self.tick.as_ref().map(|tick| tick.began_at)
    }

    /// Returns the outbox.
    #[must_use]
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }
}

/// The times when a session must be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wakes {
    /// The time until the wake.
    pub after: Duration,
    /// Whether a wake that is set already must stay. The clock was set back, and each event, such as a failed write to
    /// the database, would otherwise postpone the wake again.
    pub unless_armed: bool,
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
