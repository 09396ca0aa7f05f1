//! The guard with the models, on a virtual clock: no threads, no runtime, no sockets, and the same run from the same
//! seed.
//!
//! Events happen in the order of their time, each followed by all that it causes at that moment. The steps have the
//! same order as with the actors. A tick at the grid reads the clicks from the database, the status as the request
//! budget permits, and the spend. Then come the decision, its record, its request by urgency, and reading back. A
//! process can be killed between any two events: its requests in flight still arrive, and the database keeps what it
//! has stored.

mod exchanges;
mod questions;

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::action::{ActionId, ActionKind, Outcome};
use traffic_generator::domain::event::{Event, QuestionId};
use traffic_generator::domain::failure::DatabaseFailure;
use traffic_generator::domain::journal::JournalId;
use traffic_generator::domain::phase::{Phase, PhaseWord, Promise};
use traffic_generator::domain::policy::{Policy, PolicyNumbers};
use traffic_generator::domain::read_priority::ReadQuestion;
use traffic_generator::domain::status::{Hold, ReadingStatus};
use traffic_generator::guard::session::{Output, Step};
use traffic_generator::guard::tick::StoredFacts;
use traffic_generator::trafficstar::budget::RequestId;
use traffic_generator::trafficstar::call;
use traffic_generator::trafficstar::circuit::PROBE_INTERVAL;
use traffic_generator::trafficstar::client::{ChangeKind, Client, Limits, Requester};

use self::questions::Question;
use super::agenda::Agenda;
use super::campaign::{Campaign, Life};
use super::clock::{Clock, Moment};
use super::database::Database;
use super::log::{By, Line, Log, Row, What};
use super::outside::{self, Outside};
use super::remote::{Answer, Call};
use super::storm::{Storm, Trouble};
use super::weather::Fate;
use super::wire::{self, Failure, TIMEOUT};

/// The most events at one moment; more mean that the guard repeats something without end.
const MOST_AT_ONE_MOMENT: u32 = 200_000;

/// An event of the simulation.
#[derive(Debug)]
enum Happening {
    /// An event for the process with this number; later processes ignore it.
    Own(u64, Own),
    /// A question reaches the database, even if the process that asked has ended.
    Database(u64, Question),
    Arrives(u64, RequestId, call::Call, Fate),
    /// A request arrives again, since the network has sent it twice.
    Again(Call),
    Outside(outside::Happening),
    Trouble(Trouble),
}

/// An event for a process.
#[derive(Debug)]
enum Own {
    Wake(Life),
    /// A tick ends with the answers that it has.
    TickEnds(Life, QuestionId, bool),
    ClientWakes,
    Ends(RequestId, call::Call, Result<Answer, Failure>),
    Read(Life, QuestionId, Box<Result<StoredFacts, DatabaseFailure>>),
    Saved(Life, Result<Option<JournalId>, DatabaseFailure>),
    SaveAgain(Life),
    Reserved(u64, bool),
    /// An answer arrives a second time.
    Twice(Life, Event),
}

/// A requester of the client.
#[derive(Debug, Clone, Copy)]
enum Asks {
    Status(Life, QuestionId),
    ReadBack(Life, QuestionId),
    Spend(Life, QuestionId),
    Change(Life, ActionId, ActionKind),
    /// The end time that follows a pause.
    EndTime(Life, ActionId),
}

/// The state that a crash loses.
#[derive(Debug)]
struct Process {
    client: Client,
    /// When the client is woken next; wakes at other times are out of date.
    client_wakes_at: Option<DateTime<Utc>>,
    asks: BTreeMap<Requester, Asks>,
    campaigns: Vec<Option<Campaign>>,
}

#[derive(Debug)]
pub(crate) struct Guard {
    policy: Policy,
    requests_per_minute: u32,
    agenda: Agenda<Happening>,
    pub(crate) outside: Outside,
    pub(crate) database: Database,
    /// How long the database takes to answer.
    database_ms: Range<i64>,
    pub(crate) clock: Clock,
    /// The hold on all campaigns, which the supervisor keeps.
    pub(crate) hold_on_all: Option<Hold>,
    process: Option<Process>,
    processes: u64,
    /// How many machines were built.
    lives: u64,
    storm: Option<Storm>,
    pub(crate) log: Log,
}

impl Guard {
    /// Returns a guard without troubles; all campaigns are promised to run.
    pub(crate) fn new(outside: Outside, requests_per_minute: u32, now: DateTime<Utc>) -> Result<Self, String> {
        let policy = PolicyNumbers::default().validate().map_err(|error| error.to_string())?;
        let mut database = Database::new();
        for _ in 0..outside.campaigns() {
            let promise = Promise { phase: Phase::ActiveGuarded, since: now, end_time_owed: false };
            database.add(Row { enabled: true, policy: policy.clone() }, Some(promise));
        }
        let mut guard = Self {
            policy,
            requests_per_minute,
            agenda: Agenda::new(now),
            outside,
            database,
            database_ms: 0..1,
            clock: Clock::right(now),
            hold_on_all: None,
            process: None,
            processes: 0,
            lives: 0,
            storm: None,
            log: Log::not_kept(),
        };
        guard.start();
        guard.follow();
        Ok(guard)
    }

    /// Returns a guard in a storm, with a log.
    pub(crate) fn in_a_storm(mut storm: Storm) -> Self {
        let now = storm.begins_at;
        let (outside, database) = storm.build();
        let mut guard = Self {
            policy: storm.policy.clone(),
            requests_per_minute: storm.requests_per_minute,
            agenda: Agenda::new(now),
            outside,
            database,
            database_ms: storm.database_ms.clone(),
            clock: storm.clock(),
            hold_on_all: None,
            process: None,
            processes: 0,
            lives: 0,
            storm: None,
            log: Log::kept(),
        };
        guard.note(What::Begins {
            requests_per_minute: storm.requests_per_minute,
            page_size: storm.known_on_a_page(),
            rows: guard.database.rows(),
        });
        for (at, trouble) in storm.take_troubles() {
            guard.agenda.note(at, Happening::Trouble(trouble));
        }
        guard.storm = Some(storm);
        guard.start();
        guard.follow();
        guard
    }

    /// Runs all events up to `until`.
    pub(crate) fn run_until(&mut self, until: DateTime<Utc>) {
        let (mut at, mut events) = (self.agenda.now(), 0_u32);
        while let Some(happening) = self.agenda.next(until) {
            events = if at == self.agenda.now() { events + 1 } else { 0 };
            at = self.agenda.now();
            assert!(events < MOST_AT_ONE_MOMENT, "the guard repeats something without end at {at}");
            self.happen(happening);
            self.follow();
        }
    }

    /// Runs all events up to the storm's end, and logs the true state of the world.
    pub(crate) fn run(&mut self) {
        let Some(until) = self.storm.as_ref().map(|storm| storm.ends_at) else { return };
        self.run_until(until);
        let truths = (0..self.outside.campaigns()).filter_map(|campaign| {
            let clicks = self.outside.tracker.clicks(until, campaign);
            self.outside.remote.truth(until, campaign, clicks)
        });
        let truths = truths.collect();
        self.note(What::Ends { truths });
    }

    /// Returns how the campaigns are read, as the dump shows it.
    pub(crate) fn reading(&self) -> ReadingStatus {
        self.process.as_ref().map(|process| process.client.reading()).unwrap_or_default()
    }

    /// Returns when all end times that are due will have been sent, as the dump shows it.
    pub(crate) fn running_again_by(&self) -> Option<DateTime<Utc>> {
        self.process.as_ref()?.client.running_again_by(self.now().clocks())
    }

    /// Returns the number of campaigns in this state.
    pub(crate) fn in_phase(&self, phase: PhaseWord) -> usize {
        let campaigns = self.process.iter().flat_map(|process| process.campaigns.iter().flatten());
        campaigns.filter(|campaign| campaign.phase() == phase).count()
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.moment(self.agenda.now())
    }

    pub(crate) fn note(&mut self, what: What) {
        if self.log.is_kept() {
            let Moment { at, wall, .. } = self.now();
            self.log.note(Line { at, wall, process: self.processes, what });
        }
    }

    fn own(&mut self, after: Duration, own: Own) {
        self.agenda.note(self.agenda.now() + after, Happening::Own(self.processes, own));
    }

    /// Starts a process from what the database has.
    pub(crate) fn start(&mut self) {
        let at = self.agenda.now();
        self.clock.start(at);
        self.processes += 1;
        let now = self.now();
        let limits = Limits {
            requests_per_minute: self.requests_per_minute,
            timeout: TIMEOUT.to_std().unwrap_or_default(),
            tick: self.policy.tick,
            token_backoff: PROBE_INTERVAL.min(self.policy.tick),
            sent: self.database.requests_sent(),
        };
        let client = Client::new(now.clocks(), &limits);
        let campaigns: Vec<_> = (0..self.outside.campaigns()).map(|_| None).collect();
        self.process = Some(Process { client, client_wakes_at: None, asks: BTreeMap::new(), campaigns });
        for campaign in 0..self.outside.campaigns() {
            if let Some(record) = self.database.end_promise(campaign, now.wall) {
                self.note(What::Stored { campaign, record });
            }
        }
        let enabled = |campaign: &usize| self.database.row(*campaign).is_some_and(|row| row.enabled);
        let enabled: Vec<usize> = (0..self.outside.campaigns()).filter(enabled).collect();
        let restored = enabled.iter().map(|campaign| self.database.restore(*campaign, now.wall).0).collect();
        self.note(What::Started { campaigns: restored });
        enabled.into_iter().for_each(|campaign| self.build(campaign));
    }

    /// Builds a campaign's machine from what the database has.
    fn build(&mut self, campaign: usize) {
        let now = self.now();
        let (restored, entry) = self.database.restore(campaign, now.wall);
        let policy = self.database.row(campaign).map_or(&self.policy, |row| &row.policy);
        self.lives += 1;
        let life = Life { campaign, number: self.lives };
        let built = Campaign::new(now, policy, restored, entry, life, self.log.is_kept());
        if let Some(slot) = self.process.as_mut().and_then(|process| process.campaigns.get_mut(campaign)) {
            *slot = Some(built);
        }
        self.go_on(campaign);
    }

    /// Builds the machine of a campaign whose generator was enabled.
    pub(crate) fn enable(&mut self, campaign: usize) {
        let has_machine = self.has_machine(campaign);
        if self.process.is_some() && !has_machine {
            let (restored, _) = self.database.restore(campaign, self.now().wall);
            self.note(What::Enabled(restored));
            self.build(campaign);
        }
    }

    /// Returns the number of the campaign's present machine.
    pub(crate) fn machine_of(&self, campaign: usize) -> Option<u64> {
        let slot = self.process.as_ref().and_then(|process| process.campaigns.get(campaign));
        slot.and_then(Option::as_ref).map(|found| found.life.number)
    }

    pub(crate) fn has_machine(&self, campaign: usize) -> bool {
        self.machine_of(campaign).is_some()
    }

    /// Kills the process, like `kill -9`.
    pub(crate) fn crash(&mut self) {
        if self.process.take().is_some() {
            self.note(What::Crashed);
        }
    }

    pub(crate) const fn is_alive(&self) -> bool {
        self.process.is_some()
    }

    fn happen(&mut self, happening: Happening) {
        let at = self.agenda.now();
        match happening {
            Happening::Own(process, own) if process == self.processes && self.process.is_some() => {
                self.own_happens(own)
            }
            Happening::Own(..) => {}
            Happening::Database(process, question) => self.database_hears(process, question),
            Happening::Arrives(process, request_id, sent, fate) => {
                let call = wire::understood(&sent);
                self.note(What::Arrived { request_id, call: call.clone(), refused: fate.refused.is_some() });
                let result = self.outside.serve(at, &call, &fate);
                let result = wire::as_sent(&sent, fate.lost.map_or(result, Err));
                self.agenda.note(fate.ends_at, Happening::Own(process, Own::Ends(request_id, sent, result)));
                self.agenda_again(fate.again_at, call);
            }
            Happening::Again(call) => self.outside.take_effect(at, &call, By::Again),
            Happening::Outside(happening) => self.outside.happen(at, happening),
            Happening::Trouble(trouble) => {
                if let Some(mut storm) = self.storm.take() {
                    storm.strike(self, trouble);
                    for (at, trouble) in storm.take_troubles() {
                        self.agenda.note(at, Happening::Trouble(trouble));
                    }
                    self.storm = Some(storm);
                }
            }
        }
    }

    fn agenda_again(&mut self, at: Option<DateTime<Utc>>, call: Call) {
        if let Some(at) = at.filter(|_| call.is_write()) {
            self.agenda.note(at, Happening::Again(call));
        }
    }

    fn own_happens(&mut self, own: Own) {
        let now = self.now();
        let Some(process) = self.process.as_mut() else { return };
        match own {
            Own::Wake(life) => self.with(life, |found| {
                if found.wakes_at.take_if(|at| *at == now.at).is_some() {
                    found.session.step(now.wall, Event::Wake);
                }
            }),
            Own::TickEnds(life, question_id, is_again) => {
                self.with(life, |found| found.session.tick_ends(now.wall, question_id, is_again));
            }
            Own::ClientWakes => {
                if process.client_wakes_at.take_if(|at| *at == now.at).is_some() {
                    process.client.go_on(now.clocks());
                }
            }
            Own::Ends(request_id, call, result) => {
                let heard = wire::translated(now.wall, &call, result.clone());
                process.client.answered(now.clocks(), request_id, heard);
                self.note(What::Ended { request_id, how: wire::how(&result) });
            }
            Own::Read(life, question_id, answer) => {
                self.with(life, |found| found.session.database_said(now.wall, question_id, *answer));
            }
            Own::Saved(life, answer) => self.with(life, |found| found.session.saved(now.wall, answer)),
            Own::SaveAgain(life) => self.with(life, |found| found.session.save_again()),
            Own::Reserved(number, is_durable) => process.client.reserved(now.clocks(), number, is_durable),
            Own::Twice(life, event) => self.with(life, |found| found.session.step(now.wall, event)),
        }
    }

    /// Runs all that follows at this moment.
    fn follow(&mut self) {
        let now = self.now();
        self.note_outside();
        while let Some(process) = self.process.as_mut() {
            if process.client.wakes_at(now.clocks()).is_some_and(|at| at <= now.scheduler) {
                process.client.go_on(now.clocks());
            }
            let outputs = process.client.take_outputs();
            if outputs.is_empty() {
                break;
            }
            outputs.into_iter().for_each(|output| self.hear(output));
        }
        if let Some(process) = self.process.as_mut()
            && let Some(wakes_at) = process.client.wakes_at(now.clocks())
        {
            let wait = wakes_at.signed_duration_since(now.scheduler).max(Duration::zero());
            if process.client_wakes_at.replace(now.at + wait) != Some(now.at + wait) {
                self.own(wait, Own::ClientWakes);
            }
        }
        self.note_outside();
    }

    fn note_outside(&mut self) {
        for (at, happening) in self.outside.take_notes() {
            self.agenda.note(at, Happening::Outside(happening));
        }
        self.outside.take_lines().into_iter().for_each(|what| self.note(what));
    }

    fn deliver_once_or_twice(&mut self, life: Life, event: Event) {
        let now = self.now();
        self.perhaps_deliver_again(life, &event);
        self.with(life, |found| found.session.step(now.wall, event));
    }

    /// TrafficStars' answers may arrive twice. That a request was not sent is known within the process, and arrives
    /// once.
    fn perhaps_deliver_again(&mut self, life: Life, event: &Event) {
        if matches!(event, Event::Applied { outcome: Outcome::Postponed(_) | Outcome::NotSent(_), .. }) {
            return;
        }
        if let Some(again_in) = self.storm.as_mut().and_then(Storm::hears_twice) {
            self.own(again_in, Own::Twice(life, event.clone()));
        }
    }

    /// Delivers an event to the campaign's present machine.
    pub(crate) fn deliver(&mut self, campaign: usize, event: Event) {
        let now = self.now();
        let slot = self.process.as_ref().and_then(|process| process.campaigns.get(campaign));
        if let Some(life) = slot.and_then(Option::as_ref).map(|found| found.life) {
            self.with(life, |found| found.session.step(now.wall, event));
        }
    }

    fn lives(&self, life: Life) -> bool {
        let slot = self.process.as_ref().and_then(|process| process.campaigns.get(life.campaign));
        slot.and_then(Option::as_ref).is_some_and(|found| found.life == life)
    }

    /// Does something with this machine if it still exists, and carries out its outputs.
    fn with(&mut self, life: Life, act: impl FnOnce(&mut Campaign)) {
        let slot = self.process.as_mut().and_then(|process| process.campaigns.get_mut(life.campaign));
        if let Some(found) = slot.and_then(Option::as_mut).filter(|found| found.life == life) {
            act(found);
            self.go_on(life.campaign);
        }
    }

    fn go_on(&mut self, campaign: usize) {
        loop {
            let now = self.now();
            let Some(found) = self.found(campaign) else { return };
            let life = found.life;
            let (outputs, wakes_after) = found.go_on(now);
            if let Some(wait) = wakes_after {
                self.own(wait, Own::Wake(life));
            }
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                self.carry_out(life, output);
            }
        }
    }

    fn found(&mut self, campaign: usize) -> Option<&mut Campaign> {
        self.process.as_mut()?.campaigns.get_mut(campaign)?.as_mut()
    }

    fn carry_out(&mut self, life: Life, output: Output) {
        let now = self.now();
        let campaign = life.campaign;
        match output {
            Output::ReadDatabase(question_id, counts_urls) => {
                self.found(campaign).into_iter().for_each(|found| found.asks_database(now));
                self.ask_database(Question::ReadTick(life, question_id, counts_urls));
            }
            Output::Save(record, entry) => self.ask_database(Question::Save(life, record, entry)),
            Output::SaveSpend(spend) => self.ask_database(Question::SaveSpend(campaign, spend)),
            Output::EndTickAfter(wait, question_id, is_again) => {
                self.own(wait, Own::TickEnds(life, question_id, is_again));
            }
            Output::SaveAgainAfter(wait) => self.own(wait, Own::SaveAgain(life)),
            Output::ReadStatus(question_id, question) => {
                self.ask_client(Asks::Status(life, question_id), |client, now| client.read_status(now, question));
            }
            Output::ReadBack(question_id, question) => {
                self.ask_client(Asks::ReadBack(life, question_id), |client, now| client.read_status(now, question));
            }
            Output::ReadSpend(question_id, ReadQuestion { remote, urgency, .. }, since) => {
                self.ask_client(Asks::Spend(life, question_id), |client, now| {
                    client.read_spend(now, remote, urgency, since)
                });
            }
            Output::Send(action, change) => {
                let kind = match change.kind {
                    ChangeKind::Activate { .. } => ActionKind::Activate,
                    ChangeKind::Pause => ActionKind::Pause,
                    ChangeKind::SetEndTime { .. } => ActionKind::SetEndTime,
                    ChangeKind::SetBudget { action, .. } => action,
                };
                self.ask_client(Asks::Change(life, action, kind), |client, now| client.change(now, change));
            }
            Output::SetEndTime(action, change) => {
                self.ask_client(Asks::EndTime(life, action), |client, now| client.change(now, change));
            }
            Output::Read(reading) => {
                if let Some(found) = self.found(campaign) {
                    let seen = Box::new(found.seen(now, &reading));
                    self.note(What::Seen { campaign, seen });
                }
            }
            Output::Step(step) => self.note_step(life, *step),
            Output::NotStored { .. } => self.note(What::NotStored { campaign }),
            Output::Disabled(_) => {
                self.note(What::Gone { campaign });
                if let Some(process) = self.process.as_mut() {
                    process.campaigns.get_mut(campaign).into_iter().for_each(|slot| *slot = None);
                }
            }
            Output::Stored { .. }
            | Output::DisableRefused(_)
            | Output::Note(_)
            | Output::Sign(_)
            | Output::SharedLimit(..)
            | Output::Processed(_)
            | Output::ForceEnded(..)
            | Output::Held { .. } => {}
        }
    }

    fn note_step(&mut self, life: Life, step: Step) {
        let Step { event, effects, phase, high_spend } = step;
        let campaign = life.campaign;
        self.note(What::Delivered { campaign, event: event.clone() });
        effects.into_iter().for_each(|effect| self.note(What::Asked { campaign, effect }));
        self.note(What::StateAfter { campaign, phase, high_spend });
        if self.found(campaign).is_some_and(|found| found.is_first_delivery(&event)) {
            self.perhaps_deliver_again(life, &event);
        }
    }
}
