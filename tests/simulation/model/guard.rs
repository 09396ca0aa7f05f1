//! The guard against the models, on a clock of its own: no thread, no runtime, no socket, the same from the same seed.
//!
//! Events happen in the order of their time; each is followed by all that comes of it at that moment. The order of
//! things is the actors': a tick at the grid, clicks from the database, the status by the plan within the budget's room,
//! the spend, the decision, its record, its request by class, and reading back. A process can be killed between any two
//! events: what left it goes on its way, what the database has taken stays.

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

/// A guard to which more happens at one moment never comes to rest.
const MOST_AT_ONE_MOMENT: u32 = 200_000;

/// What happens.
#[derive(Debug)]
enum Happening {
    /// To the process with this number; to no later one.
    Own(u64, Own),
    /// A question comes to the database, whatever has become of the process that asked.
    Database(u64, Question),
    Arrives(u64, RequestId, call::Call, Fate),
    /// Something on the way has sent it twice.
    Again(Call),
    Outside(outside::Happening),
    Trouble(Trouble),
}

/// What happens to a process.
#[derive(Debug)]
enum Own {
    Wake(Life),
    /// A tick ends with what has come.
    TickEnds(Life, QuestionId, bool),
    ClientWakes,
    Ends(RequestId, call::Call, Result<Answer, Failure>),
    Read(Life, QuestionId, Result<StoredFacts, DatabaseFailure>),
    Saved(Life, Result<Option<JournalId>, DatabaseFailure>),
    SaveAgain(Life),
    Reserved(u64, bool),
    /// An answer comes a second time.
    Twice(Life, Event),
}

/// One who asks the client.
#[derive(Debug, Clone, Copy)]
enum Asks {
    Status(Life, QuestionId),
    ReadBack(Life, QuestionId),
    Spend(Life, QuestionId),
    Change(Life, ActionId, ActionKind),
    /// The end time that follows a pause.
    EndTime(Life, ActionId),
}

/// What dies with the process.
#[derive(Debug)]
struct Process {
    client: Client,
    /// When the client is woken next; an earlier or later waking is none of its.
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
    /// How long the database takes.
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
    /// A guard of the campaigns that are outside, all promised to run, in a quiet world.
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

    /// A guard in a storm; its log is kept.
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
            page_size: storm.page_size,
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

    /// Lets everything happen up to `until`.
    pub(crate) fn run_until(&mut self, until: DateTime<Utc>) {
        let (mut at, mut events) = (self.agenda.now(), 0_u32);
        while let Some(happening) = self.agenda.next(until) {
            events = if at == self.agenda.now() { events + 1 } else { 0 };
            at = self.agenda.now();
            assert!(events < MOST_AT_ONE_MOMENT, "the guard does not come to rest at {at}");
            self.happen(happening);
            self.follow();
        }
    }

    /// Lets everything happen up to the storm's end, and says how the world is then.
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

    /// How far the limit reaches, as the dump would say.
    pub(crate) fn reading(&self) -> ReadingStatus {
        self.process.as_ref().map(|process| process.client.reading()).unwrap_or_default()
    }

    /// By when all end times that are due will have left, as the dump would say.
    pub(crate) fn running_again_by(&self) -> Option<DateTime<Utc>> {
        self.process.as_ref()?.client.running_again_by(self.now().clocks())
    }

    /// How many campaigns are in this state.
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

    /// A process starts from what the database has.
    pub(crate) fn start(&mut self) {
        let at = self.agenda.now();
        self.clock.start(at);
        self.processes += 1;
        let now = self.now();
        let limits = Limits {
            requests_per_minute: self.requests_per_minute,
            timeout: TIMEOUT.to_std().unwrap_or_default(),
            tick: self.policy.tick,
            token_rest: PROBE_INTERVAL.min(self.policy.tick),
            sent: self.database.requests_sent(),
        };
        let client = Client::new(now.clocks(), &limits);
        let campaigns: Vec<_> = (0..self.outside.campaigns()).map(|_| None).collect();
        self.process = Some(Process { client, client_wakes_at: None, asks: BTreeMap::new(), campaigns });
        for campaign in 0..self.outside.campaigns() {
            if let Some(record) = self.database.let_go(campaign, now.wall) {
                self.note(What::Stored { campaign, record });
            }
        }
        let enabled = |campaign: &usize| self.database.row(*campaign).is_some_and(|row| row.enabled);
        let enabled: Vec<usize> = (0..self.outside.campaigns()).filter(enabled).collect();
        let restored = enabled.iter().map(|campaign| self.database.restore(*campaign, now.wall).0).collect();
        self.note(What::Started { campaigns: restored });
        enabled.into_iter().for_each(|campaign| self.build(campaign));
    }

    /// A machine for a campaign, from what the database has.
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

    /// Somebody's generator was enabled.
    pub(crate) fn enable(&mut self, campaign: usize) {
        let has_machine = self.has_machine(campaign);
        if self.process.is_some() && !has_machine {
            let (restored, _) = self.database.restore(campaign, self.now().wall);
            self.note(What::Enabled(restored));
            self.build(campaign);
        }
    }

    /// The number of the machine that the campaign has now.
    pub(crate) fn machine_of(&self, campaign: usize) -> Option<u64> {
        let slot = self.process.as_ref().and_then(|process| process.campaigns.get(campaign));
        slot.and_then(Option::as_ref).map(|found| found.life.number)
    }

    pub(crate) fn has_machine(&self, campaign: usize) -> bool {
        self.machine_of(campaign).is_some()
    }

    /// `kill -9`.
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
            Own::TickEnds(life, operation, is_again) => {
                self.with(life, |found| found.session.tick_ends(now.wall, operation, is_again));
            }
            Own::ClientWakes => {
                if process.client_wakes_at.take_if(|at| *at == now.at).is_some() {
                    process.client.go_on(now.clocks());
                }
            }
            Own::Ends(request_id, call, result) => {
                let heard = wire::heard(now.wall, &call, result.clone());
                process.client.answered(now.clocks(), request_id, heard);
                self.note(What::Ended { request_id, how: wire::how(&result) });
            }
            Own::Read(life, operation, answer) => {
                self.with(life, |found| found.session.database_said(now.wall, operation, answer));
            }
            Own::Saved(life, answer) => self.with(life, |found| found.session.saved(now.wall, answer)),
            Own::SaveAgain(life) => self.with(life, |found| found.session.save_again()),
            Own::Reserved(number, is_durable) => process.client.reserved(now.clocks(), number, is_durable),
            Own::Twice(life, event) => self.with(life, |found| found.session.step(now.wall, event)),
        }
    }

    /// All that comes of it at this moment.
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

    fn tell_once_or_twice(&mut self, life: Life, event: Event) {
        let now = self.now();
        self.perhaps_tell_again(life, &event);
        self.with(life, |found| found.session.step(now.wall, event));
    }

    /// TrafficStars' answers may come twice; that a request never left is our own word, and is said once.
    fn perhaps_tell_again(&mut self, life: Life, event: &Event) {
        if matches!(event, Event::Applied { outcome: Outcome::Postponed(_) | Outcome::NotSent(_), .. }) {
            return;
        }
        if let Some(again_in) = self.storm.as_mut().and_then(Storm::hears_twice) {
            self.own(again_in, Own::Twice(life, event.clone()));
        }
    }

    /// Tells whichever machine the campaign has now.
    pub(crate) fn tell(&mut self, campaign: usize, event: Event) {
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

    /// Does something with this machine, if it is still there, and carries out what it asks for.
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
            Output::ReadDatabase(operation) => {
                self.found(campaign).into_iter().for_each(|found| found.asks_database(now));
                self.ask_database(Question::ReadTick(life, operation));
            }
            Output::Save(record, entry) => self.ask_database(Question::Save(life, record, entry)),
            Output::SaveSpend(spend) => self.ask_database(Question::SaveSpend(campaign, spend)),
            Output::EndTickAfter(wait, operation, is_again) => {
                self.own(wait, Own::TickEnds(life, operation, is_again));
            }
            Output::SaveAgainAfter(wait) => self.own(wait, Own::SaveAgain(life)),
            Output::ReadStatus(operation, question) => {
                self.ask_client(Asks::Status(life, operation), |client, now| client.read_status(now, question));
            }
            Output::ReadBack(operation, question) => {
                self.ask_client(Asks::ReadBack(life, operation), |client, now| client.read_status(now, question));
            }
            Output::ReadSpend(operation, ReadQuestion { remote, urgency, .. }, since) => {
                self.ask_client(Asks::Spend(life, operation), |client, now| {
                    client.read_spend(now, remote, urgency, since)
                });
            }
            Output::Send(action, change) => {
                let kind = match change.kind {
                    ChangeKind::Activate { .. } => ActionKind::Activate,
                    ChangeKind::Pause => ActionKind::Pause,
                    ChangeKind::SetEndTime { .. } => ActionKind::SetEndTime,
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
            | Output::Processed(_)
            | Output::ForceEnded(..)
            | Output::Held { .. } => {}
        }
    }

    fn note_step(&mut self, life: Life, step: Step) {
        let Step { event, effects, phase, high_spend } = step;
        let campaign = life.campaign;
        self.note(What::OrderReport { campaign, event: event.clone() });
        effects.into_iter().for_each(|effect| self.note(What::Asked { campaign, effect }));
        self.note(What::Stands { campaign, phase, high_spend });
        if self.found(campaign).is_some_and(|found| found.is_news(&event)) {
            self.perhaps_tell_again(life, &event);
        }
    }
}
