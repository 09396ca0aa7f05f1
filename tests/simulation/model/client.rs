//! The client actor's part without an actor: the real gate's keeper with its budget and circuits, the real plan of reads
//! and the real gatherings, in the order in which `actors::trafficstar` asks them.
//!
//! The gate lets go through channels of tokio's; they need no runtime, and none is here. Deliberately absent: the count
//! of requests in the database, tokens, and repeats.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use tokio::sync::oneshot::{self, error::TryRecvError};
use traffic_generator::domain::action::{ActionId, Outcome};
use traffic_generator::domain::event::OperationId;
use traffic_generator::domain::facts::RemoteId;
use traffic_generator::domain::remote::{RemoteCampaign, RemoteFault};
use traffic_generator::domain::spend::SourceAnswer;
use traffic_generator::domain::status::ReadingStatus;
use traffic_generator::trafficstar::batch::reads::{
    AskerId, PlannedRead, ReadAnswer, ReadId, ReadQuestion, ReadRequest, Reads,
};
use traffic_generator::trafficstar::batch::{Gathering, SMALLEST_PAGE, reach, serves};
use traffic_generator::trafficstar::budget::{Budget, Rank, Ticket, Urgency};
use traffic_generator::trafficstar::circuit::{Ended, Operation};
use traffic_generator::trafficstar::gate::{AnswerWord, Asking, Exchange, GateMessage, Gatekeeper, NotAdmitted};

use super::remote::{Answer, Call, id_of};

pub(crate) type Status = Result<RemoteCampaign, RemoteFault>;

/// As in `actors::trafficstar`: whoever asks within this time is served together.
const MOMENT: Duration = Duration::milliseconds(50);
/// As in `trafficstar::endpoints`: how many rows of a report are asked for at once.
const REPORT_LIMIT: usize = 500;

/// Who reads a status.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader {
    pub(crate) campaign: usize,
    pub(crate) operation: OperationId,
    pub(crate) why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Tick,
    ReadBack,
}

/// A change of one campaign.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) campaign: usize,
    pub(crate) action: ActionId,
    pub(crate) kind: ChangeKind,
    pub(crate) valid_until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum ChangeKind {
    Activate {
        end_time: DateTime<Utc>,
        rank: Rank,
    },
    Pause {
        end_time: DateTime<Utc>,
    },
    SetEndTime {
        end_time: DateTime<Utc>,
        rank: Rank,
    },
    /// What follows an accepted pause.
    EndTimeAfterPause {
        end_time: DateTime<Utc>,
    },
}

/// What campaigns hear.
#[derive(Debug)]
pub(crate) enum Heard {
    Status(Reader, Status),
    Spend(Reader, SourceAnswer),
    Applied(Change, Outcome),
    EndTimeSet(Change, Result<(), String>),
}

/// What the client is to be woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    ReadsGathered,
    SpendsDue,
    PausesDue,
    RunsDue,
    Gate,
    TooLate(Ticket),
}

/// What a request is for.
#[derive(Debug)]
enum Purpose {
    Read(ReadId),
    /// A page of the report with this number.
    Report {
        number: u64,
        offset: usize,
        urgency: Urgency,
        spends: BTreeMap<RemoteId, SourceAnswer>,
    },
    EndTime(Change),
    Run(Vec<Change>),
    Pause(Vec<Change>),
}

#[derive(Debug)]
struct AtTheGate {
    admitted: oneshot::Receiver<Result<(), NotAdmitted>>,
    urgency: Urgency,
    call: Call,
    purpose: Purpose,
}

/// Those who asked within one moment.
#[derive(Debug)]
struct Round<T> {
    gathering: Gathering,
    askers: Vec<T>,
}

impl<T> Round<T> {
    const fn new() -> Self {
        Self { gathering: Gathering::new(MOMENT), askers: Vec::new() }
    }

    /// The first of it is told when to take it.
    fn ask(&mut self, now: DateTime<Utc>, campaign: usize, asker: T) -> Option<DateTime<Utc>> {
        let is_first = self.askers.is_empty();
        let due_at = self.gathering.ask(now, id_of(campaign));
        self.askers.push(asker);
        is_first.then_some(due_at)
    }

    fn take(&mut self, now: DateTime<Utc>) -> (BTreeSet<RemoteId>, Vec<T>) {
        (self.gathering.take(now).unwrap_or_default(), std::mem::take(&mut self.askers))
    }
}

/// No row is no spend on record.
fn of(spends: &BTreeMap<RemoteId, SourceAnswer>, reader: &Reader) -> SourceAnswer {
    spends.get(&id_of(reader.campaign)).cloned().unwrap_or(SourceAnswer::NoValue)
}

#[derive(Debug)]
pub(crate) struct Client {
    keeper: Gatekeeper,
    tick: Duration,
    reads: Reads<Status>,
    readers: BTreeMap<AskerId, Reader>,
    gathering: bool,
    reading: ReadingStatus,
    spends: Round<(Reader, Urgency)>,
    /// By number: when it was sent, and whom it is for.
    reports: BTreeMap<u64, (DateTime<Utc>, Vec<Reader>)>,
    last_number: u64,
    last_report: Option<(DateTime<Utc>, BTreeMap<RemoteId, SourceAnswer>)>,
    pauses: Round<Change>,
    runs: Round<Change>,
    at_the_gate: BTreeMap<Ticket, AtTheGate>,
    last_ticket: u64,
    gate_at: Option<DateTime<Utc>>,
    departures: Vec<(Ticket, Call)>,
    heard: Vec<Heard>,
    timers: Vec<(DateTime<Utc>, Timer)>,
}

impl Client {
    pub(crate) fn new(requests_per_minute: u32, tick: Duration) -> Self {
        Self {
            keeper: Gatekeeper::new(Budget::new(requests_per_minute), tick),
            tick,
            reads: Reads::new(tick),
            readers: BTreeMap::new(),
            gathering: false,
            reading: ReadingStatus::default(),
            spends: Round::new(),
            reports: BTreeMap::new(),
            last_number: 0,
            last_report: None,
            pauses: Round::new(),
            runs: Round::new(),
            at_the_gate: BTreeMap::new(),
            last_ticket: 0,
            gate_at: None,
            departures: Vec::new(),
            heard: Vec::new(),
            timers: Vec::new(),
        }
    }

    /// How far the limit reaches, as the dump says.
    pub(crate) const fn reading(&self) -> &ReadingStatus {
        &self.reading
    }

    /// By when all end times that are due will have left, as the dump says.
    pub(crate) fn running_again_by(&self, now: DateTime<Utc>, postponed: usize) -> Option<DateTime<Utc>> {
        let reads_of_all = usize::try_from(self.reading.requests).unwrap_or(usize::MAX);
        self.keeper.budget().activations_done_at(now, postponed + self.keeper.held_back(), reads_of_all)
    }

    /// The requests that leave now.
    pub(crate) fn take_departures(&mut self) -> Vec<(Ticket, Call)> {
        std::mem::take(&mut self.departures)
    }

    pub(crate) fn take_heard(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.heard)
    }

    pub(crate) fn take_timers(&mut self) -> Vec<(DateTime<Utc>, Timer)> {
        std::mem::take(&mut self.timers)
    }

    pub(crate) fn read_status(&mut self, now: DateTime<Utc>, question: ReadQuestion, reader: Reader) {
        let asker = self.reads.ask(now, question);
        self.readers.insert(asker, reader);
        if !self.gathering {
            self.gathering = true;
            self.timers.push((now + MOMENT, Timer::ReadsGathered));
        }
    }

    pub(crate) fn remind(&mut self, now: DateTime<Utc>, question: ReadQuestion) {
        self.reads.remind(question);
        if question.urgency == Urgency::Pause {
            self.plan_further_reads(now);
            self.open_gate(now);
        }
    }

    /// For a tick that began at `since`.
    pub(crate) fn read_spend(&mut self, now: DateTime<Utc>, urgency: Urgency, since: DateTime<Utc>, reader: Reader) {
        let may_serve = |sent_at: DateTime<Utc>| serves(now, since, sent_at, sent_at.date_naive());
        if let Some((_, spends)) = self.last_report.as_ref().filter(|(sent_at, _)| may_serve(*sent_at)) {
            self.heard.push(Heard::Spend(reader, of(spends, &reader)));
            return;
        }
        if let Some((_, readers)) = self.reports.values_mut().rev().find(|(sent_at, _)| may_serve(*sent_at)) {
            readers.push(reader);
            return;
        }
        let due_at = self.spends.ask(now, reader.campaign, (reader, urgency));
        self.timers.extend(due_at.map(|at| (at, Timer::SpendsDue)));
    }

    pub(crate) fn change(&mut self, now: DateTime<Utc>, change: Change) {
        let (end_time, rank) = match change.kind {
            ChangeKind::Pause { .. } => {
                let due_at = self.pauses.ask(now, change.campaign, change);
                self.timers.extend(due_at.map(|at| (at, Timer::PausesDue)));
                return;
            }
            ChangeKind::Activate { end_time, rank } | ChangeKind::SetEndTime { end_time, rank } => (end_time, rank),
            ChangeKind::EndTimeAfterPause { end_time } => (end_time, Rank::LAST),
        };
        let call = Call::EndTime { id: id_of(change.campaign), at: end_time };
        self.ask(now, Asking::end_time(rank, change.valid_until), call, Purpose::EndTime(change));
        self.open_gate(now);
    }

    pub(crate) fn wake(&mut self, now: DateTime<Utc>, timer: Timer) {
        match timer {
            Timer::ReadsGathered => {
                self.gathering = false;
                self.weigh_reading();
                self.plan_reads(now);
            }
            Timer::SpendsDue => {
                let urgency = self.spends.askers.iter().map(|(_, urgency)| *urgency).min().unwrap_or(Urgency::Read);
                let (_, askers) = self.spends.take(now);
                let readers = askers.into_iter().map(|(reader, _)| reader).collect();
                self.last_number += 1;
                let number = self.last_number;
                self.reports.insert(number, (now, readers));
                self.report(now, Purpose::Report { number, offset: 0, urgency, spends: BTreeMap::new() });
            }
            Timer::PausesDue => {
                let (ids, changes) = self.pauses.take(now);
                self.ask(now, Asking::pause(), Call::Pause(ids), Purpose::Pause(changes));
            }
            Timer::RunsDue => {
                if self.runs.gathering.wait_for_end_times(now, self.keeper.budget()) {
                    self.timers.extend(self.runs.gathering.due_at().map(|at| (at, Timer::RunsDue)));
                    return;
                }
                let (ids, changes) = self.runs.take(now);
                let leave_by = changes.iter().filter_map(|change| change.valid_until).min();
                self.ask(now, Asking::run(leave_by), Call::Run(ids), Purpose::Run(changes));
            }
            Timer::Gate => {
                if self.gate_at.take_if(|at| *at <= now).is_none() {
                    return;
                }
            }
            Timer::TooLate(ticket) => {
                let waiting = self.at_the_gate.get_mut(&ticket);
                if waiting.is_none_or(|waiting| waiting.admitted.try_recv() != Err(TryRecvError::Empty)) {
                    return;
                }
                self.too_late(now, ticket);
            }
        }
        self.open_gate(now);
    }

    /// The answer to a request that left.
    pub(crate) fn answered(&mut self, now: DateTime<Utc>, ticket: Ticket, answer: Answer) {
        let Some(AtTheGate { urgency, call, purpose, .. }) = self.at_the_gate.remove(&ticket) else { return };
        let took = std::time::Duration::ZERO;
        let exchange = Exchange { urgency, waited: took, took, answer: AnswerWord::Status(200) };
        self.keeper.hear(now, GateMessage::Answered { ticket, ended: Ended::Answered, exchange });
        match (purpose, answer) {
            (Purpose::Read(id), Answer::Page { campaigns, size }) => {
                let campaigns = campaigns.into_iter().map(|(id, campaign)| (id, Ok(campaign))).collect();
                self.came(id, ReadAnswer::Page { campaigns, size });
            }
            (Purpose::Read(id), Answer::Campaign(campaign)) => self.came(id, ReadAnswer::Single(Ok(campaign))),
            (Purpose::Report { number, offset, urgency, mut spends }, Answer::Report(rows)) => {
                let (count, known) = (rows.len(), spends.len());
                spends.extend(rows);
                // As `trafficstar::endpoints` does: a page that is merely short may have been cut.
                if (count as u64) < SMALLEST_PAGE || spends.len() == known {
                    let Some((sent_at, readers)) = self.reports.remove(&number) else { return };
                    self.heard.extend(readers.iter().map(|reader| Heard::Spend(*reader, of(&spends, reader))));
                    self.last_report = Some((sent_at, spends));
                } else {
                    self.report(now, Purpose::Report { number, offset: offset + count, urgency, spends });
                }
            }
            (Purpose::EndTime(change), Answer::Done) => self.end_time_is_set(now, change),
            (Purpose::Run(changes) | Purpose::Pause(changes), Answer::Done) => {
                self.heard.extend(changes.into_iter().map(|change| Heard::Applied(change, Outcome::Accepted)));
            }
            (purpose, answer) => unreachable!("{call:?} for {purpose:?} brought {answer:?}"),
        }
        self.open_gate(now);
    }

    fn end_time_is_set(&mut self, now: DateTime<Utc>, change: Change) {
        match change.kind {
            ChangeKind::Activate { .. } => {
                let due_at = self.runs.ask(now, change.campaign, change);
                self.timers.extend(due_at.map(|at| (at, Timer::RunsDue)));
            }
            ChangeKind::EndTimeAfterPause { .. } => self.heard.push(Heard::EndTimeSet(change, Ok(()))),
            ChangeKind::SetEndTime { .. } | ChangeKind::Pause { .. } => {
                self.heard.push(Heard::Applied(change, Outcome::Accepted));
            }
        }
    }

    /// Its turn did not come before its facts were too old.
    fn too_late(&mut self, now: DateTime<Utc>, ticket: Ticket) {
        let Some(waiting) = self.at_the_gate.remove(&ticket) else { return };
        self.keeper.hear(now, GateMessage::GaveUp(ticket));
        let too_late = NotAdmitted::TooLate.to_string();
        match waiting.purpose {
            Purpose::EndTime(change) => self.heard.push(match change.kind {
                ChangeKind::EndTimeAfterPause { .. } => Heard::EndTimeSet(change, Err(too_late)),
                ChangeKind::Activate { .. } | ChangeKind::SetEndTime { .. } | ChangeKind::Pause { .. } => {
                    Heard::Applied(change, Outcome::Postponed(too_late))
                }
            }),
            Purpose::Run(changes) => {
                let applied = |change| Heard::Applied(change, Outcome::Postponed(too_late.clone()));
                self.heard.extend(changes.into_iter().map(applied));
            }
            // These wait for as long as it takes.
            Purpose::Read(_) | Purpose::Report { .. } | Purpose::Pause(_) => {}
        }
    }

    /// One page of the report; the next one follows where it does not end here.
    fn report(&mut self, now: DateTime<Utc>, purpose: Purpose) {
        if let Purpose::Report { offset, urgency, .. } = &purpose {
            let call = Call::Report { offset: *offset, limit: REPORT_LIMIT };
            self.ask(now, Asking::report_of_all(*urgency), call, purpose);
        }
    }

    fn ask(&mut self, now: DateTime<Utc>, asking: Asking, call: Call, purpose: Purpose) {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        let (admit, admitted) = oneshot::channel();
        self.at_the_gate.insert(ticket, AtTheGate { admitted, urgency: asking.urgency, call, purpose });
        self.timers.extend(asking.leave_by.map(|at| (at, Timer::TooLate(ticket))));
        self.keeper.hear(now, GateMessage::Ask { ticket, asking, admit });
    }

    fn open_gate(&mut self, now: DateTime<Utc>) {
        loop {
            let granted = self.keeper.grant(now);
            for (ticket, _) in self.keeper.let_go(granted) {
                let call = self.at_the_gate.get(&ticket).map(|waiting| waiting.call.clone());
                self.departures.extend(call.map(|call| (ticket, call)));
            }
            if !self.plan_further_reads(now) {
                break;
            }
        }
        let room_at = if self.waits_for_room() { self.keeper.budget_mut().next_free_at(now) } else { None };
        let next = [self.keeper.next_grant_at(now), room_at].into_iter().flatten().min();
        if let Some(at) = next.filter(|at| self.gate_at.is_none_or(|armed| *at < armed || armed <= now)) {
            self.gate_at = Some(at);
            self.timers.push((at, Timer::Gate));
        }
    }

    fn waits_for_room(&self) -> bool {
        self.reads.waiting() > 0 && !self.gathering
    }

    /// Answers whether anything more is read.
    fn plan_further_reads(&mut self, now: DateTime<Utc>) -> bool {
        self.waits_for_room() && self.plan_reads(now)
    }

    fn plan_reads(&mut self, now: DateTime<Utc>) -> bool {
        let list_works = self.keeper.circuits().is_closed(Operation::List);
        let at_the_gate = self.keeper.count(&[Operation::List, Operation::Campaign]);
        let room = reach::room(&self.reads, self.keeper.budget_mut(), now, at_the_gate);
        let planned = self.reads.plan(now, room, list_works);
        for PlannedRead { id, read, urgency } in &planned {
            let (operation, call) = match read {
                ReadRequest::Page(page) => (Operation::List, Call::Page(*page)),
                ReadRequest::Single(remote) => (Operation::Campaign, Call::Campaign(*remote)),
            };
            self.ask(now, Asking::read(operation, *urgency), call, Purpose::Read(*id));
        }
        !planned.is_empty()
    }

    fn weigh_reading(&mut self) {
        let list_works = self.keeper.circuits().is_closed(Operation::List);
        self.reading = reach::weigh(&self.reads, self.keeper.budget_mut(), self.tick, list_works);
    }

    fn came(&mut self, id: ReadId, answer: ReadAnswer<Status>) {
        for (asker, status) in self.reads.answered(id, answer) {
            let reader = self.readers.remove(&asker);
            self.heard.extend(reader.map(|reader| Heard::Status(reader, status)));
        }
        if self.reads.under_way() == 0 {
            self.weigh_reading();
        }
    }
}
