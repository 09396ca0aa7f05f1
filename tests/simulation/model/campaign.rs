//! One campaign's actor without an actor: the real machine and the real trend, and what `actors::campaign` does beside
//! them. It answers what is to be asked of the others ([`Errand`]); the guard runs the errands.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use traffic_generator::domain::action::{ActionId, ActionKind, Outcome};
use traffic_generator::domain::clock_difference::ClockDifference;
use traffic_generator::domain::event::{Effect, Event, OperationId, Record, Request};
use traffic_generator::domain::facts::{Clicks, Observation, RemainingClicks, Spend, SpendSource};
use traffic_generator::domain::machine::Machine;
use traffic_generator::domain::nearness::Trend;
use traffic_generator::domain::order::HoldChange;
use traffic_generator::domain::phase::{Phase, PhaseWord};
use traffic_generator::domain::policy::Policy;
use traffic_generator::domain::remote::{RemoteCampaign, RemoteFault, judge};
use traffic_generator::domain::spend::{
    Counters, Sightings, SourceAnswer, SpendHistory, SpendQuestion, of_late_report,
};
use traffic_generator::trafficstar::batch::reads::ReadQuestion;
use traffic_generator::trafficstar::budget::Urgency;

use super::client::Status;
use super::clock::Moment;
use super::log::{CounterSeen, Restored, Row, Seen, What};
use super::remote::id_of;

/// As in `actors::campaign::observe`: clicks that were read longer ago are read again before they are decided on.
const OLD_CLICKS: Duration = Duration::seconds(1);
/// As in `actors::campaign::storing`: how soon what could not be stored is tried again.
pub(crate) const STORE_RETRY: Duration = Duration::seconds(1);

/// What a reading of the database brought.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) row: Row,
    pub(crate) clicks: RemainingClicks,
    pub(crate) history: SpendHistory,
}

/// What is to be asked of the others.
#[derive(Debug)]
pub(crate) enum Errand {
    ReadDatabase(OperationId),
    /// The tick ends then, with what has come.
    EndIn(Duration, OperationId),
    ReadStatus(OperationId, ReadQuestion),
    ReadBack(OperationId, ReadQuestion),
    /// The tick began then.
    ReadSpend(OperationId, Urgency, DateTime<Utc>),
    SaveSpend(Spend),
    Save(Box<Record>, Option<u64>),
    RetrySaveIn(Duration),
    Send(Request),
    WakeIn(Duration),
    /// It was told this: a storm may tell it once more.
    Told(Box<Event>),
}

/// How far a tick has come.
#[derive(Debug)]
enum Stage {
    ReadingDatabase,
    AwaitingStatus,
    AwaitingSpend,
    /// Everything is there, and the clicks had grown old.
    ReadingAgain,
}

/// The tick that is under way.
#[derive(Debug)]
struct Tick {
    operation: OperationId,
    began: Moment,
    read_remote: bool,
    is_gone: bool,
    stage: Stage,
    question: ReadQuestion,
    policy: Policy,
    /// When the database was asked last.
    stored_at: DateTime<Utc>,
    row: Option<Row>,
    first_clicks: Option<Clicks>,
    clicks: Result<RemainingClicks, String>,
    history: Result<SpendHistory, String>,
    remote: Option<(Status, Option<DateTime<Utc>>, Moment)>,
    report: Option<SourceAnswer>,
    /// The day on which the spend was asked for.
    day: Option<NaiveDate>,
}

/// One machine of a campaign: what was asked for it is no answer for a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) campaign: usize,
    pub(crate) number: u64,
}

#[derive(Debug)]
pub(crate) struct Campaign {
    pub(crate) life: Life,
    machine: Machine,
    policy: Policy,
    trend: Trend,
    sightings: Sightings,
    /// What its counter has shown, for the log.
    counter: Option<CounterSeen>,
    tick: Option<Tick>,
    /// When the ticks began that ended without the report that they had asked for.
    late_reports: BTreeMap<OperationId, DateTime<Utc>>,
    /// By how much the clock was ahead when the last status was answered: an answer has a `Date`.
    clock_ahead_by: Option<Duration>,
    outbox: VecDeque<Effect>,
    /// Records that are not stored yet, the oldest first.
    unstored: VecDeque<Record>,
    storing: bool,
    retrying: bool,
    /// The journal entry of the newest stored action.
    entry: Option<(ActionId, u64)>,
    /// When it is woken next; an earlier or later wake is none of its.
    pub(crate) wakes_at: Option<DateTime<Utc>>,
    errands: Vec<Errand>,
    notes: Vec<What>,
    last_stand: Option<(Phase, bool)>,
    logs: bool,
}

impl Campaign {
    pub(crate) fn new(
        now: Moment,
        policy: &Policy,
        restored: Restored,
        entry: Option<u64>,
        life: Life,
        logs: bool,
    ) -> Self {
        let unfinished = restored.unfinished.clone();
        let entry = unfinished.as_ref().map(|action| action.id).zip(entry);
        let machine =
            Machine::new(now.wall, policy, restored.promise, unfinished).on_hold(restored.hold, restored.hold_on_all);
        let mut campaign = Self {
            life,
            machine,
            policy: policy.clone(),
            trend: Trend::default(),
            sightings: Sightings::default(),
            counter: None,
            tick: None,
            late_reports: BTreeMap::new(),
            clock_ahead_by: None,
            outbox: VecDeque::new(),
            unstored: VecDeque::new(),
            storing: false,
            retrying: false,
            entry,
            wakes_at: None,
            errands: Vec::new(),
            notes: Vec::new(),
            last_stand: None,
            logs,
        };
        campaign.arm(now);
        campaign
    }

    pub(crate) fn phase(&self) -> PhaseWord {
        self.machine.phase().word()
    }

    pub(crate) fn take_errands(&mut self) -> Vec<Errand> {
        std::mem::take(&mut self.errands)
    }

    pub(crate) fn take_notes(&mut self) -> Vec<What> {
        std::mem::take(&mut self.notes)
    }

    /// Whether nobody asks for anything any more, and all is stored: the actor stops.
    pub(crate) fn is_gone(&self) -> bool {
        self.notes.iter().any(|note| matches!(note, What::Gone { .. }))
    }

    pub(crate) fn step(&mut self, now: Moment, event: Event) {
        if self.logs {
            self.notes.push(What::Told { campaign: self.life.campaign, event: event.clone() });
        }
        let effects = self.machine.step(now.wall, &self.policy, event);
        self.ask(effects.iter());
        self.outbox.extend(effects);
        self.go_on(now);
    }

    fn ask<'a>(&mut self, effects: impl Iterator<Item = &'a Effect>) {
        if !self.logs {
            return;
        }
        let asked = effects.map(|effect| What::Asked { campaign: self.life.campaign, effect: effect.clone() });
        self.notes.extend(asked);
        let stands = (self.machine.phase(), self.machine.high_spend());
        self.last_stand = Some(stands);
        self.notes.push(What::Stands { campaign: self.life.campaign, phase: stands.0, high_spend: stands.1 });
    }

    /// Carries effects out until one has to be waited for.
    fn go_on(&mut self, now: Moment) {
        while !self.storing
            && let Some(effect) = self.outbox.pop_front()
        {
            match effect {
                Effect::Store(record) => {
                    self.remember(*record);
                    self.store_next();
                }
                Effect::Send(request) if self.awaits_storing(request.action) => self.cannot_store_first(now, request),
                Effect::Send(request) => self.errands.push(Errand::Send(request)),
                Effect::Observe { operation, read_remote, is_gone } => {
                    self.begin_tick(now, operation, read_remote, is_gone);
                }
                Effect::ReadBack { operation } => {
                    let question = ReadQuestion::of_read_back(id_of(self.life.campaign));
                    self.errands.push(Errand::ReadBack(operation, question));
                }
                Effect::Released { .. } if !self.unstored.is_empty() => {
                    self.outbox.push_front(effect);
                    break;
                }
                Effect::Released { .. } => self.notes.push(What::Gone { campaign: self.life.campaign }),
                Effect::ReleaseRefused(_)
                | Effect::Note(_)
                | Effect::Sign(_)
                | Effect::Processed { .. }
                | Effect::ForceEnded { .. }
                | Effect::Held { .. } => {}
            }
        }
        self.arm(now);
    }

    /// As the actor does: a tick away at the most.
    fn arm(&mut self, now: Moment) {
        let wait = self.machine.next_wake().map(|at| at.signed_duration_since(now.wall));
        if self.wakes_at.is_some() && wait.is_some_and(|wait| wait > self.policy.tick) {
            return;
        }
        let wait = wait.map(|wait| wait.min(self.policy.tick).max(Duration::zero()));
        let wakes_at = wait.map(|wait| now.at + wait);
        if self.wakes_at != wakes_at {
            self.wakes_at = wakes_at;
            self.errands.extend(wait.map(Errand::WakeIn));
        }
    }

    fn remember(&mut self, mut record: Record) {
        let action = |record: &Record| record.entry.as_ref().map(|action| action.id);
        if let Some(last) = self.unstored.pop_back_if(|last| action(last) == action(&record))
            && record.hold == HoldChange::Keep
        {
            record.hold = last.hold;
        }
        self.unstored.push_back(record);
    }

    pub(crate) fn store_next(&mut self) {
        if self.storing {
            return;
        }
        let Some(record) = self.unstored.front() else { return };
        let action = record.entry.as_ref().map(|action| action.id);
        let entry = self.entry.filter(|(stored, _)| Some(*stored) == action).map(|(_, entry)| entry);
        self.storing = true;
        self.errands.push(Errand::Save(Box::new(record.clone()), entry));
    }

    /// The answer to [`Errand::Save`]: the entry's number, if there is an entry.
    pub(crate) fn saved(&mut self, now: Moment, answer: Result<Option<u64>, String>) {
        self.storing = false;
        match answer {
            Ok(entry) => {
                let stored = self.unstored.pop_front();
                let action = stored.and_then(|record| record.entry).map(|action| action.id);
                self.entry = action.zip(entry).or(self.entry);
                self.retrying = false;
                self.store_next();
            }
            Err(_) => self.not_stored(),
        }
        self.go_on(now);
    }

    fn not_stored(&mut self) {
        self.notes.push(What::NotStored { campaign: self.life.campaign });
        self.retrying = true;
        self.errands.push(Errand::RetrySaveIn(STORE_RETRY));
    }

    fn awaits_storing(&self, action: ActionId) -> bool {
        let entries = self.unstored.iter().filter_map(|record| record.entry.as_ref());
        entries.filter(|entry| entry.id == action).any(|entry| !entry.late)
    }

    /// The database is away. A pause goes out all the same and is journalled late; nothing else does.
    fn cannot_store_first(&mut self, now: Moment, request: Request) {
        let event = if request.kind == ActionKind::Pause {
            for action in self.unstored.iter_mut().filter_map(|record| record.entry.as_mut()) {
                action.late |= action.id == request.action;
            }
            self.outbox.push_front(Effect::Send(request));
            Event::SentUnstored { action: request.action }
        } else {
            let outcome = Outcome::NotSent("its journal entry could not be stored".to_owned());
            Event::Applied { action: request.action, outcome }
        };
        if self.logs {
            self.notes.push(What::Told { campaign: self.life.campaign, event: event.clone() });
        }
        let effects = self.machine.step(now.wall, &self.policy, event);
        self.ask(effects.iter());
        self.outbox.extend(effects);
        for effect in std::mem::take(&mut self.outbox) {
            if let Effect::Store(record) = effect {
                self.remember(*record);
            } else {
                self.outbox.push_back(effect);
            }
        }
    }

    pub(crate) const fn retries(&self) -> bool {
        self.retrying
    }

    // What follows is `actors::campaign::observe`, question by question.

    fn begin_tick(&mut self, now: Moment, operation: OperationId, read_remote: bool, is_gone: bool) {
        self.tick = Some(Tick {
            operation,
            began: now,
            read_remote,
            is_gone,
            stage: Stage::ReadingDatabase,
            question: ReadQuestion::of_read_back(id_of(self.life.campaign)),
            policy: self.policy.clone(),
            stored_at: now.wall,
            row: None,
            first_clicks: None,
            clicks: Err("not read yet".to_owned()),
            history: Err("not read yet".to_owned()),
            remote: None,
            report: None,
            day: None,
        });
        let wait = self.policy.tick_ends_by(now.wall).signed_duration_since(now.wall);
        self.errands.push(Errand::EndIn(wait, operation));
        self.errands.push(Errand::ReadDatabase(operation));
    }

    /// "What has not come by the next point of the grid has failed".
    pub(crate) fn tick_ends(&mut self, now: Moment, operation: OperationId) {
        let Some(tick) = self.tick.as_mut().filter(|tick| tick.operation == operation) else { return };
        match tick.stage {
            // The database answers, or fails, within seconds.
            Stage::ReadingDatabase | Stage::ReadingAgain => {}
            Stage::AwaitingStatus => {
                tick.remote = Some((Err(RemoteFault::Late), None, now));
                self.find_spend(now);
                self.report_is_late(now);
            }
            Stage::AwaitingSpend => self.report_is_late(now),
        }
    }

    fn report_is_late(&mut self, now: Moment) {
        let Some(tick) = self.tick.as_mut().filter(|tick| matches!(tick.stage, Stage::AwaitingSpend)) else { return };
        self.late_reports.insert(tick.operation, tick.began.wall);
        tick.report = Some(SourceAnswer::Failed(RemoteFault::LATE.to_owned()));
        self.all_came(now);
    }

    /// What the database said.
    pub(crate) fn database_said(&mut self, now: Moment, operation: OperationId, answer: Result<Reading, String>) {
        let stance = self.machine.stance(now.wall);
        let Some(tick) = self.tick.as_mut().filter(|tick| tick.operation == operation) else { return };
        // Whether a report is needed is judged by the history that was read first.
        let is_first = matches!(tick.stage, Stage::ReadingDatabase);
        match answer {
            Ok(Reading { row, clicks, history }) => {
                tick.policy = row.policy.clone();
                (tick.row, tick.clicks) = (Some(row), Ok(clicks));
                if is_first {
                    tick.history = Ok(history);
                }
            }
            Err(reason) => {
                tick.row = None;
                // Clicks that were used up at first are enough for a pause where they cannot be read again.
                if !tick.clicks.as_ref().is_ok_and(|first| tick.policy.are_used_up(first.count)) {
                    tick.clicks = Err(reason.clone());
                }
                if is_first {
                    tick.history = Err(reason);
                }
            }
        }
        let clicks = tick.clicks.as_ref().ok().map(|clicks| clicks.count);
        let id = id_of(self.life.campaign);
        tick.question = ReadQuestion::of_tick(tick.stored_at, id, &tick.policy, &self.trend, clicks, stance);
        match tick.stage {
            Stage::ReadingDatabase if tick.read_remote => {
                tick.first_clicks = clicks;
                tick.stage = Stage::AwaitingStatus;
                self.errands.push(Errand::ReadStatus(operation, tick.question));
            }
            Stage::ReadingDatabase => {
                tick.remote = Some((Err(RemoteFault::Gone), None, tick.began));
                self.find_spend(now);
            }
            Stage::ReadingAgain => self.conclude(now),
            Stage::AwaitingStatus | Stage::AwaitingSpend => {}
        }
    }

    /// The status came, by a request that left then.
    pub(crate) fn status_came(
        &mut self,
        now: Moment,
        operation: OperationId,
        sent_at: Option<DateTime<Utc>>,
        status: Status,
    ) {
        let awaits = |tick: &&mut Tick| tick.operation == operation && matches!(tick.stage, Stage::AwaitingStatus);
        let Some(tick) = self.tick.as_mut().filter(awaits) else { return };
        if sent_at.is_some() {
            self.clock_ahead_by = Some(now.ahead_by());
        }
        let our_clock = self.clock_ahead_by.map(ClockDifference);
        let status = status.map(|campaign| RemoteCampaign { our_clock, ..campaign });
        let status = status.map_err(|fault| fault.of_campaign(tick.is_gone));
        tick.remote = Some((status, sent_at, now));
        self.find_spend(now);
    }

    fn find_spend(&mut self, now: Moment) {
        let Some(tick) = self.tick.as_mut() else { return };
        let day = now.wall.date_naive();
        (tick.stage, tick.day) = (Stage::AwaitingSpend, Some(day));
        let counters = tick.counters(day);
        self.sightings.saw(day, &counters);
        let is_gone = matches!(tick.remote, Some((Err(RemoteFault::Gone), ..)));
        let needs_report =
            !is_gone && tick.spend_question(now, &counters, &self.sightings, |question| question.needs_report());
        if needs_report {
            self.errands.push(Errand::ReadSpend(tick.operation, tick.question.urgency, tick.began.wall));
        } else {
            self.all_came(now);
        }
    }

    /// The report's answer.
    pub(crate) fn spend_came(&mut self, now: Moment, operation: OperationId, answer: SourceAnswer) {
        if let Some(asked_at) = self.late_reports.remove(&operation) {
            self.errands.extend(of_late_report(&answer, asked_at, now.wall).map(Errand::SaveSpend));
            return;
        }
        let awaits = |tick: &&mut Tick| tick.operation == operation && matches!(tick.stage, Stage::AwaitingSpend);
        if let Some(tick) = self.tick.as_mut().filter(awaits) {
            tick.report = Some(answer);
            self.all_came(now);
        }
    }

    /// Clicks that were read a while ago are read again before they are decided on.
    fn all_came(&mut self, now: Moment) {
        let Some(tick) = self.tick.as_mut() else { return };
        if now.wall.signed_duration_since(tick.stored_at) > OLD_CLICKS {
            tick.stored_at = now.wall;
            tick.stage = Stage::ReadingAgain;
            self.errands.push(Errand::ReadDatabase(tick.operation));
        } else {
            self.conclude(now);
        }
    }

    /// What the log says of the counter before the next tick: raw, for checkers that judge by themselves.
    fn note_counter(&mut self, tick: &Tick) {
        let Some((Ok(campaign), _, answered)) = &tick.remote else { return };
        let day = answered.wall.date_naive();
        if tick.began.wall.date_naive() != day || tick.day != Some(day) {
            return;
        }
        let shown = match campaign.spent_today {
            SourceAnswer::Value(amount) => Some(amount),
            SourceAnswer::NoValue => None,
            SourceAnswer::NoSource | SourceAnswer::Failed(_) => return,
        };
        let new = CounterSeen { day, least: shown, last: shown, fell_to: None };
        let seen = self.counter.filter(|known| known.day == day).unwrap_or(new);
        let falls = (shown < seen.last).then(|| seen.fell_to.map_or(shown, |least| least.min(shown)));
        let fell_to = falls.or(seen.fell_to);
        self.counter = Some(CounterSeen { day, least: seen.least.min(shown), last: shown, fell_to });
    }

    /// All facts are there.
    fn conclude(&mut self, now: Moment) {
        let Some(tick) = self.tick.take() else { return };
        let report = tick.report.clone().unwrap_or(SourceAnswer::NoSource);
        let Some((remote, sent_at, answered)) = tick.remote.clone() else { return };
        let spend = match tick.day.filter(|day| *day == now.wall.date_naive()) {
            Some(day) => {
                let counters = tick.counters(day);
                tick.spend_question(now, &counters, &self.sightings, |question| question.resolve(&report))
            }
            None => Err("it was read across midnight".to_owned()),
        };
        let counter = self.counter;
        self.note_counter(&tick);
        if let Ok(spend) = &spend
            && matches!(spend.source, SpendSource::Campaign | SpendSource::Report)
        {
            self.errands.push(Errand::SaveSpend(*spend));
        }
        let operation = tick.operation;
        let observation = Observation {
            remote,
            remote_at: answered.wall,
            spend: spend.clone(),
            clicks: tick.clicks.clone(),
            clock: self.clock_ahead_by.map(ClockDifference),
        };
        if self.logs {
            let seen = Seen {
                operation,
                began_at: tick.began.at,
                sent_at,
                answered_at: answered.at,
                began_at_wall: tick.began.wall,
                answered_at_wall: answered.wall,
                spend_day: tick.day,
                remote: observation.remote.clone(),
                report: tick.report,
                counter,
                stored: tick.history,
                clicks: tick.clicks,
                first_clicks: tick.first_clicks,
                spend,
                policy: tick.policy.clone(),
                clock_ahead_by: self.clock_ahead_by,
            };
            self.notes.push(What::Seen { campaign: self.life.campaign, seen: Box::new(seen) });
        }
        if tick.row.is_some_and(|row| !row.enabled) {
            self.step(now, Event::Release { pause: false });
        }
        self.policy = tick.policy;
        let (clicks, spend) = (observation.clicks.as_ref(), observation.spend.as_ref());
        let status = judge(&observation.remote, now.wall);
        self.trend.saw(now.wall, clicks.ok().map(|clicks| clicks.count), spend.ok().map(|spend| spend.amount), &status);
        self.store_next();
        let observed = Event::Observed { operation, observation: Box::new(observation) };
        if self.logs {
            self.errands.push(Errand::Told(Box::new(observed.clone())));
        }
        self.step(now, observed);
    }
}

impl Tick {
    fn counters(&self, day: NaiveDate) -> Counters {
        let none = (Err(RemoteFault::NotFound), None, self.began);
        let (remote, _, answered) = self.remote.as_ref().unwrap_or(&none);
        Counters::of(remote, day, self.began.wall, answered.wall)
    }

    fn spend_question<T>(
        &self,
        now: Moment,
        counters: &Counters,
        sightings: &Sightings,
        ask: impl FnOnce(&SpendQuestion<'_>) -> T,
    ) -> T {
        ask(&SpendQuestion {
            counters,
            sightings,
            history: &self.history,
            limit: self.policy.spend_limit,
            stored_max_age: self.policy.stored_spend_max_age,
            midnight_doubt: self.policy.midnight_doubt,
            now: now.wall,
        })
    }
}
