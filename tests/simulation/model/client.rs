//! The client actor's part without an actor: the real plan of reads and the real gatherings, in the order in which
//! `actors::trafficstar` asks them. Runs and pauses are in `switching`. What leaves, and how a request ends, is in `transport`.
//!
//! Deliberately absent: which endpoints exist (`trafficstar::candidates`): these do.

mod switching;

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use traffic_generator::domain::action::{ActionId, ActionKind, Outcome};
use traffic_generator::domain::event::OperationId;
use traffic_generator::domain::ids::RemoteId;
use traffic_generator::domain::remote::{EndTime, RemoteCampaign, RemoteFault};
use traffic_generator::domain::spend::SourceAnswer;
use traffic_generator::domain::status::ReadingStatus;
use traffic_generator::trafficstar::batch::reads::{
    AskerId, PlannedRead, ReadAnswer, ReadId, ReadQuestion, ReadRequest, Reads,
};
use traffic_generator::trafficstar::batch::split::{Attempt, SetAside};
use traffic_generator::trafficstar::batch::{Gathering, SMALLEST_PAGE, reach, serves};
use traffic_generator::trafficstar::budget::{Budget, Rank, Urgency};
use traffic_generator::trafficstar::circuit::{Operation, PROBE_INTERVAL};
use traffic_generator::trafficstar::gate::Asking;

use self::switching::{Switch, SwitchRound};
use super::campaign::Life;
use super::clock::Moment;
use super::log::Carried;
use super::remote::{Answer, Call, id_of};
use super::transport::{Ending, Failure, Transport};

pub(crate) type Status = Result<RemoteCampaign, RemoteFault>;

/// As in `actors::trafficstar`: whoever asks within this time is served together.
const MOMENT: Duration = Duration::milliseconds(50);
/// As in `trafficstar::endpoints`: how many rows of a report are asked for at once.
const REPORT_LIMIT: usize = 500;

/// A client that goes on for longer at one moment would never end.
const MOST_ROUNDS: u32 = 10_000;

/// Who reads a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reader {
    pub(crate) life: Life,
    pub(crate) operation: OperationId,
    pub(crate) why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Tick,
    ReadBack,
}

/// A change of one campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) life: Life,
    pub(crate) action: ActionId,
    pub(crate) kind: ChangeKind,
    pub(crate) valid_until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Activate {
        end_time: DateTime<Utc>,
        rank: Rank,
    },
    Pause,
    SetEndTime {
        end_time: DateTime<Utc>,
        rank: Rank,
    },
    /// What follows an accepted pause.
    EndTimeAfterPause {
        end_time: DateTime<Utc>,
    },
}

impl Change {
    const fn carried(&self) -> Carried {
        let kind = match self.kind {
            ChangeKind::Activate { .. } => ActionKind::Activate,
            ChangeKind::Pause | ChangeKind::EndTimeAfterPause { .. } => ActionKind::Pause,
            ChangeKind::SetEndTime { .. } => ActionKind::SetEndTime,
        };
        Carried { campaign: self.life.campaign, action: self.action, kind }
    }
}

/// What campaigns hear.
#[derive(Debug)]
pub(crate) enum Heard {
    /// By a request that left then.
    Status(Reader, Option<DateTime<Utc>>, Box<Status>),
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
    /// The last failed token request has rested.
    TokenRested,
    TooLate(traffic_generator::trafficstar::budget::Ticket),
}

/// What a request is for.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    Token,
    Read(ReadId, ReadRequest),
    /// A page of the report with this number.
    Report {
        number: u64,
        offset: usize,
        urgency: Urgency,
        spends: BTreeMap<RemoteId, SourceAnswer>,
    },
    EndTime(Change),
    /// A request of a round of runs or pauses, and what it is to carry out.
    Switch {
        round: u64,
        attempt: Attempt,
        carries: Vec<Carried>,
    },
    /// What it brings is for the circuit alone.
    Probe,
}

impl Purpose {
    pub(crate) fn carries(&self) -> Vec<Carried> {
        match self {
            Self::EndTime(change) => vec![change.carried()],
            Self::Switch { carries, .. } => carries.clone(),
            Self::Token | Self::Read(..) | Self::Report { .. } | Self::Probe => Vec::new(),
        }
    }
}

/// A report under way, and whom it is for.
#[derive(Debug)]
struct Report {
    sent_at: DateTime<Utc>,
    day: NaiveDate,
    readers: Vec<Reader>,
}

/// No row is no spend on record.
fn of(spends: &BTreeMap<RemoteId, SourceAnswer>, reader: &Reader) -> SourceAnswer {
    spends.get(&id_of(reader.life.campaign)).cloned().unwrap_or(SourceAnswer::NoValue)
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) transport: Transport,
    tick: Duration,
    reads: Reads<Status>,
    readers: BTreeMap<AskerId, Reader>,
    gathering: bool,
    last_asked: Option<RemoteId>,
    reading: ReadingStatus,
    spends: Gathering<(Reader, Urgency)>,
    reports: BTreeMap<u64, Report>,
    last_number: u64,
    last_report: Option<(DateTime<Utc>, NaiveDate, BTreeMap<RemoteId, SourceAnswer>)>,
    pauses: Gathering<Change>,
    runs: Gathering<Change>,
    rounds: BTreeMap<u64, SwitchRound>,
    /// Whom to ask by itself.
    aside: BTreeMap<Switch, SetAside>,
    /// When a probe of our own may be sent again, by operation.
    probed_until: BTreeMap<Operation, DateTime<Utc>>,
    heard: Vec<Heard>,
}

impl Client {
    pub(crate) fn new(budget: Budget, tick: Duration, needs_token: bool) -> Self {
        Self {
            transport: Transport::new(budget, tick, needs_token),
            tick,
            reads: Reads::new(tick),
            readers: BTreeMap::new(),
            gathering: false,
            last_asked: None,
            reading: ReadingStatus::default(),
            spends: Gathering::new(MOMENT),
            reports: BTreeMap::new(),
            last_number: 0,
            last_report: None,
            pauses: Gathering::new(MOMENT),
            runs: Gathering::new(MOMENT),
            rounds: BTreeMap::new(),
            aside: BTreeMap::new(),
            probed_until: BTreeMap::new(),
            heard: Vec::new(),
        }
    }

    /// How far the limit reaches, as the dump says.
    pub(crate) const fn reading(&self) -> &ReadingStatus {
        &self.reading
    }

    /// By when all end times that are due will have left, as the dump says.
    pub(crate) fn running_again_by(&self, now: Moment, postponed: usize) -> Option<DateTime<Utc>> {
        let reads_of_all = usize::try_from(self.reading.requests).unwrap_or(usize::MAX);
        let keeper = &self.transport.keeper;
        keeper.budget().activations_done_at(now.gate, postponed + keeper.held_back(), reads_of_all)
    }

    pub(crate) fn take_heard(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.heard)
    }

    pub(crate) fn read_status(&mut self, now: Moment, question: ReadQuestion, reader: Reader) {
        let asker = self.reads.ask(now.gate, question);
        self.readers.insert(asker, reader);
        self.last_asked = Some(question.remote);
        self.plan_soon();
    }

    fn plan_soon(&mut self) {
        if !std::mem::replace(&mut self.gathering, true) {
            self.transport.timers.push((MOMENT, Timer::ReadsGathered));
        }
    }

    /// For a tick that began at `since`.
    pub(crate) fn read_spend(&mut self, now: Moment, urgency: Urgency, since: DateTime<Utc>, reader: Reader) {
        let may_serve = |sent_at: DateTime<Utc>, day| serves(now.wall, since, sent_at, day);
        if let Some((_, _, spends)) = self.last_report.as_ref().filter(|(sent_at, day, _)| may_serve(*sent_at, *day)) {
            self.heard.push(Heard::Spend(reader, of(spends, &reader)));
            return;
        }
        if let Some(report) = self.reports.values_mut().rev().find(|report| may_serve(report.sent_at, report.day)) {
            report.readers.push(reader);
            return;
        }
        let due_in = self.spends.ask(now.wall, (reader, urgency));
        self.transport.timers.extend(due_in.map(|wait| (wait, Timer::SpendsDue)));
    }

    pub(crate) fn change(&mut self, now: Moment, change: Change) {
        let (end_time, rank) = match change.kind {
            ChangeKind::Pause => {
                let due_in = self.pauses.ask(now.wall, change);
                self.transport.timers.extend(due_in.map(|wait| (wait, Timer::PausesDue)));
                return;
            }
            ChangeKind::Activate { .. } if self.runs_fail(now) => {
                let reason = "runs fail at TrafficStars, and its turn to try one has not come".to_owned();
                self.heard.push(Heard::Applied(change, Outcome::Postponed(reason)));
                return;
            }
            ChangeKind::Activate { end_time, rank } | ChangeKind::SetEndTime { end_time, rank } => (end_time, rank),
            ChangeKind::EndTimeAfterPause { end_time } => (end_time, Rank::LAST),
        };
        let call = Call::EndTime { id: id_of(change.life.campaign), at: end_time };
        self.transport.ask(now, Asking::end_time(rank, change.valid_until), call, Purpose::EndTime(change));
    }

    /// Why an activation is not begun; one at a time goes all the same, and shows whether runs work again.
    fn runs_fail(&mut self, now: Moment) -> bool {
        let run = Operation::Run;
        if self.transport.keeper.circuits().is_closed(run) {
            return false;
        }
        let is_probe = self.is_own_probe_due(now, run);
        if is_probe {
            self.note_own_probe(now, run);
        }
        !is_probe
    }

    fn note_own_probe(&mut self, now: Moment, operation: Operation) {
        self.probed_until.insert(operation, now.gate + PROBE_INTERVAL.min(self.tick));
    }

    fn is_own_probe_due(&self, now: Moment, operation: Operation) -> bool {
        let rests = self.probed_until.get(&operation).is_some_and(|until| now.gate < *until);
        !rests && self.transport.keeper.circuits().is_probe_due(now.gate, operation)
    }

    /// A request that only reads is sent as a probe where nobody asks in time.
    fn probe_what_is_due(&mut self, now: Moment) {
        let Some(any) = self.last_asked else { return };
        for operation in Operation::ALL.into_iter().filter(|operation| operation.only_reads()) {
            if !self.is_own_probe_due(now, operation) {
                continue;
            }
            self.note_own_probe(now, operation);
            let (call, asking) = match operation {
                Operation::List => (Call::Page(1), Asking::read(operation, Urgency::Sweep)),
                Operation::Campaign => (Call::Campaign(any), Asking::read(operation, Urgency::Read)),
                Operation::Report => (Call::Report { offset: 0, limit: 10 }, Asking::report_of_all(Urgency::Read)),
                Operation::Token | Operation::Run | Operation::Pause | Operation::EndTime => continue,
            };
            self.transport.ask(now, asking, call, Purpose::Probe);
        }
    }

    pub(crate) fn wake(&mut self, now: Moment, timer: Timer) {
        match timer {
            Timer::ReadsGathered => {
                self.gathering = false;
                self.weigh_reading();
                self.plan_reads(now);
            }
            Timer::SpendsDue => {
                let askers = self.spends.take();
                let urgency = askers.iter().map(|(_, urgency)| *urgency).min().unwrap_or(Urgency::Read);
                let readers = askers.into_iter().map(|(reader, _)| reader).collect();
                self.last_number += 1;
                let number = self.last_number;
                self.reports.insert(number, Report { sent_at: now.wall, day: now.wall.date_naive(), readers });
                self.report(now, number, 0, urgency, BTreeMap::new());
            }
            Timer::PausesDue => {
                let changes = self.pauses.take();
                self.switch(now, Switch::Pause, changes, None);
            }
            Timer::RunsDue => {
                let keeper = &self.transport.keeper;
                if let Some(wait) = self.runs.wait_for_end_times(now.wall, keeper.budget()) {
                    self.transport.timers.push((wait, Timer::RunsDue));
                    return;
                }
                let changes = self.runs.take();
                let leave_by = changes.iter().filter_map(|change| change.valid_until).min();
                self.switch(now, Switch::Run, changes, leave_by);
            }
            Timer::Gate => self.transport.gate_timer_fired(now),
            Timer::TokenRested => self.transport.fetch_token(now),
            Timer::TooLate(ticket) => self.transport.too_late(now, ticket),
        }
    }

    /// Opens the gate, and hears what has ended, until there is nothing more to do at this moment.
    pub(crate) fn go_on(&mut self, now: Moment) {
        for rounds in 0.. {
            assert!(rounds < MOST_ROUNDS, "the client does not come to rest at {}", now.at);
            self.transport.open_gate(now);
            let ended = self.transport.take_ended();
            let is_quiet = ended.is_empty();
            for Ending { purpose, sent_at, result } in ended {
                self.ended(now, purpose, sent_at, result);
            }
            self.probe_what_is_due(now);
            let planned = self.waits_for_room() && self.plan_reads(now);
            if is_quiet && !planned && !self.transport.has_asked() {
                break;
            }
        }
        let waits_for_room = self.waits_for_room();
        let probe_at = self.next_probe_at();
        self.transport.arm_gate(now, waits_for_room, probe_at);
    }

    fn next_probe_at(&self) -> Option<DateTime<Utc>> {
        self.last_asked?;
        let probed = Operation::ALL.into_iter().filter(|operation| operation.only_reads());
        let at = |operation| {
            let probe_at = self.transport.keeper.circuits().probe_at(operation)?;
            Some(self.probed_until.get(&operation).map_or(probe_at, |until| probe_at.max(*until)))
        };
        probed.filter_map(at).min()
    }

    fn ended(
        &mut self,
        now: Moment,
        purpose: Purpose,
        sent_at: Option<DateTime<Utc>>,
        result: Result<Answer, Failure>,
    ) {
        match purpose {
            Purpose::Token | Purpose::Probe => {}
            Purpose::Read(id, read) => self.came(id, sent_at, read_answer(read, result)),
            Purpose::Report { number, offset, urgency, spends } => match result {
                Ok(Answer::Report(rows)) => self.report_came(now, number, offset, urgency, spends, rows),
                Ok(answer) => unreachable!("a report brought {answer:?}"),
                Err(failure) => {
                    let Some(report) = self.reports.remove(&number) else { return };
                    let failed = |reader| Heard::Spend(reader, SourceAnswer::Failed(failure.reason()));
                    self.heard.extend(report.readers.into_iter().map(failed));
                }
            },
            Purpose::EndTime(change) => {
                let outcome = match result {
                    Ok(Answer::EndTime(shown)) => end_time_outcome(&shown, change.kind),
                    Ok(answer) => unreachable!("an end time brought {answer:?}"),
                    Err(failure) => failure.outcome(),
                };
                self.end_time_ended(now, change, outcome);
            }
            Purpose::Switch { round, attempt, .. } => self.switch_ended(now, round, &attempt, result),
        }
    }

    fn end_time_ended(&mut self, now: Moment, change: Change, outcome: Outcome) {
        match change.kind {
            ChangeKind::Activate { .. } => match outcome {
                Outcome::Accepted => {
                    let due_in = self.runs.ask(now.wall, change);
                    self.transport.timers.extend(due_in.map(|wait| (wait, Timer::RunsDue)));
                }
                // The run was never sent, so that the campaign is as it was.
                Outcome::Unclear(reason) | Outcome::Failed(reason) => {
                    self.heard.push(Heard::Applied(change, Outcome::Failed(reason)));
                }
                unsent @ (Outcome::NotSent(_) | Outcome::Postponed(_)) => {
                    self.heard.push(Heard::Applied(change, unsent));
                }
            },
            ChangeKind::EndTimeAfterPause { .. } => {
                let result = match outcome {
                    Outcome::Accepted => Ok(()),
                    Outcome::Unclear(reason)
                    | Outcome::Failed(reason)
                    | Outcome::NotSent(reason)
                    | Outcome::Postponed(reason) => Err(reason),
                };
                self.heard.push(Heard::EndTimeSet(change, result));
            }
            ChangeKind::SetEndTime { .. } | ChangeKind::Pause => {
                self.heard.push(Heard::Applied(change, outcome));
            }
        }
    }

    /// One page of the report; the next one follows where it does not end here.
    fn report(
        &mut self,
        now: Moment,
        number: u64,
        offset: usize,
        urgency: Urgency,
        spends: BTreeMap<RemoteId, SourceAnswer>,
    ) {
        let call = Call::Report { offset, limit: REPORT_LIMIT };
        let purpose = Purpose::Report { number, offset, urgency, spends };
        self.transport.ask(now, Asking::report_of_all(urgency), call, purpose);
    }

    fn report_came(
        &mut self,
        now: Moment,
        number: u64,
        offset: usize,
        urgency: Urgency,
        mut spends: BTreeMap<RemoteId, SourceAnswer>,
        rows: Vec<(RemoteId, SourceAnswer)>,
    ) {
        let (count, known) = (rows.len(), spends.len());
        spends.extend(rows);
        // As `trafficstar::endpoints` does: a page that is merely short may have been cut.
        if (count as u64) >= SMALLEST_PAGE && spends.len() > known {
            self.report(now, number, offset + count, urgency, spends);
            return;
        }
        let Some(Report { sent_at, day, readers }) = self.reports.remove(&number) else { return };
        self.heard.extend(readers.iter().map(|reader| Heard::Spend(*reader, of(&spends, reader))));
        self.last_report = Some((sent_at, day, spends));
    }

    fn waits_for_room(&self) -> bool {
        self.reads.waiting() > 0 && !self.gathering
    }

    /// Answers whether anything more is read.
    fn plan_reads(&mut self, now: Moment) -> bool {
        let keeper = &mut self.transport.keeper;
        let list_works = keeper.circuits().is_closed(Operation::List);
        let at_the_gate = keeper.count(&[Operation::List, Operation::Campaign]);
        let room = reach::room(&self.reads, self.transport.keeper.budget_mut(), now.gate, at_the_gate);
        let planned = self.reads.plan(now.gate, room, list_works);
        for PlannedRead { id, read, urgency } in &planned {
            let (operation, call) = match read {
                ReadRequest::Page(page) => (Operation::List, Call::Page(*page)),
                ReadRequest::Single(remote) => (Operation::Campaign, Call::Campaign(*remote)),
            };
            self.transport.ask(now, Asking::read(operation, *urgency), call, Purpose::Read(*id, *read));
        }
        !planned.is_empty()
    }

    fn weigh_reading(&mut self) {
        let keeper = &mut self.transport.keeper;
        let list_works = keeper.circuits().is_closed(Operation::List);
        self.reading = reach::weigh(&self.reads, keeper.budget_mut(), self.tick, list_works);
    }

    fn came(&mut self, id: ReadId, sent_at: Option<DateTime<Utc>>, answer: ReadAnswer<Status>) {
        for (asker, status) in self.reads.answered(id, answer) {
            let reader = self.readers.remove(&asker);
            self.heard.extend(reader.map(|reader| Heard::Status(reader, sent_at, Box::new(status))));
        }
        if self.reads.under_way() == 0 {
            self.weigh_reading();
        }
    }
}

fn read_answer(read: ReadRequest, result: Result<Answer, Failure>) -> ReadAnswer<Status> {
    match (read, result) {
        (_, Ok(Answer::Page { campaigns, size })) => {
            let campaigns = campaigns.into_iter().map(|(id, campaign)| (id, Ok(campaign))).collect();
            ReadAnswer::Page { campaigns, size }
        }
        (_, Ok(Answer::Campaign(campaign))) => ReadAnswer::Single(Ok(*campaign)),
        (_, Ok(answer)) => unreachable!("a read brought {answer:?}"),
        (ReadRequest::Page(_), Err(Failure::CircuitOpen)) => ReadAnswer::NotSent,
        (ReadRequest::Page(_), Err(failure)) => ReadAnswer::PageFailed {
            answer: Err(RemoteFault::Failed(failure.reason())),
            of_the_page: failure.is_of_this_request(),
        },
        (ReadRequest::Single(_), Err(failure)) => ReadAnswer::Single(Err(failure.fault())),
    }
}

/// The answer to an end time is the campaign itself: it has to show what was set.
fn end_time_outcome(shown: &EndTime, kind: ChangeKind) -> Outcome {
    let asked_for = match kind {
        ChangeKind::Activate { end_time, .. }
        | ChangeKind::SetEndTime { end_time, .. }
        | ChangeKind::EndTimeAfterPause { end_time } => Some(end_time.timestamp()),
        ChangeKind::Pause => None,
    };
    match shown {
        EndTime::At(shown) if Some(shown.timestamp()) == asked_for => Outcome::Accepted,
        EndTime::At(_) | EndTime::Unset | EndTime::Unreadable(_) => {
            Outcome::Failed(format!("TrafficStars set {shown:?} instead"))
        }
    }
}
