//! The guard against the models, on a clock of its own: no thread, no runtime, no socket, the same from the same seed.
//!
//! Events happen in the order of their time; each is followed by all that comes of it at that moment. The order of
//! things is the actors': a tick at the grid, clicks from the database, the status by the plan within the budget's room,
//! the spend, the decision, its record, its request by class, and reading back. A process can be killed between any two
//! events: what left it goes on its way, what the database has taken stays.

mod questions;

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::{DateTime, Duration, Utc};
use traffic_generator::domain::action::{ActionKind, Outcome};
use traffic_generator::domain::clock_difference::ClockDifference;
use traffic_generator::domain::event::{Event, FollowingEndTime, OperationId, Request};
use traffic_generator::domain::journal::JournalId;
use traffic_generator::domain::phase::{Phase, PhaseWord, Promise};
use traffic_generator::domain::policy::{Policy, PolicyNumbers};
use traffic_generator::domain::remote::RemoteCampaign;
use traffic_generator::domain::status::{Hold, ReadingStatus};
use traffic_generator::guard::session::{Output, Step};
use traffic_generator::guard::tick::StoredFacts;
use traffic_generator::trafficstar::batch::reads::ReadQuestion;
use traffic_generator::trafficstar::budget::{Budget, Rank, Ticket, WINDOW};

use self::questions::Question;
use super::agenda::Agenda;
use super::campaign::{Campaign, Life};
use super::client::{Change, ChangeKind, Client, Heard, Reader, Timer, Why};
use super::clock::{Clock, Moment};
use super::database::Database;
use super::log::{By, Line, Log, Row, What};
use super::outside::{self, Outside};
use super::remote::{Answer, Call};
use super::storm::{Storm, Trouble};
use super::transport::{Count, Failure, TIMEOUT};
use super::weather::Fate;

/// What happens.
#[derive(Debug)]
enum Happening {
    /// To the process with this number; to no later one.
    Own(u64, Own),
    /// A question comes to the database, whatever has become of the process that asked.
    Database(u64, Question),
    Arrives(u64, Ticket, Call, Fate),
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
    TickEnds(Life, OperationId, bool),
    Client(Timer),
    Ends(Ticket, Result<Answer, Failure>),
    Read(Life, OperationId, Result<StoredFacts, String>),
    Saved(Life, Result<Option<JournalId>, String>),
    SaveAgain(Life),
    Counted(u64, Count, bool),
    /// An answer comes a second time.
    Twice(Life, Event),
}

/// What dies with the process.
#[derive(Debug)]
struct Process {
    client: Client,
    campaigns: Vec<Option<Campaign>>,
    postponed: BTreeSet<usize>,
    last_count: u64,
    counting: Option<u64>,
    /// Something came to the client since the gate was opened last.
    is_stirred: bool,
}

#[derive(Debug)]
pub(crate) struct Guard {
    policy: Policy,
    requests_per_minute: u32,
    needs_token: bool,
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
            needs_token: false,
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
            needs_token: true,
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
        while let Some(happening) = self.agenda.next(until) {
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
        self.process.as_ref().map(|process| process.client.reading().clone()).unwrap_or_default()
    }

    /// By when all end times that are due will have left, as the dump would say.
    pub(crate) fn running_again_by(&self) -> Option<DateTime<Utc>> {
        let process = self.process.as_ref()?;
        process.client.running_again_by(self.now(), process.postponed.len())
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
        let mut budget = Budget::new(self.requests_per_minute);
        // As `actors::trafficstar::Limits`: not from the future, since the clock may have been set back.
        for (by, requests) in self.database.requests_sent() {
            let free_at = by.min(now.wall) + WINDOW + TIMEOUT;
            (0..requests).take_while(|_| free_at > now.wall).for_each(|_| budget.remember(free_at));
        }
        let client = Client::new(budget, self.policy.tick, self.needs_token);
        let campaigns: Vec<_> = (0..self.outside.campaigns()).map(|_| None).collect();
        let postponed = BTreeSet::new();
        self.process = Some(Process { client, campaigns, postponed, last_count: 0, counting: None, is_stirred: false });
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
            Happening::Arrives(process, ticket, call, fate) => {
                self.note(What::Arrived { ticket, call: call.clone(), refused: fate.refused.is_some() });
                let result = self.outside.serve(at, &call, &fate);
                let result = fate.lost.map_or(result, Err);
                self.agenda.note(fate.ends_at, Happening::Own(process, Own::Ends(ticket, result)));
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
            Own::Client(timer) => {
                process.client.wake(now, timer);
                process.is_stirred = true;
            }
            Own::Ends(ticket, result) => {
                process.client.transport.answered(now, ticket, result);
                process.is_stirred = true;
            }
            Own::Read(life, operation, answer) => {
                self.with(life, |found| found.session.database_said(now.wall, operation, answer));
            }
            Own::Saved(life, answer) => self.with(life, |found| found.session.saved(now.wall, answer)),
            Own::SaveAgain(life) => self.with(life, |found| found.session.save_again()),
            Own::Counted(number, count, durable) => {
                if process.counting.take_if(|counting| *counting == number).is_some() {
                    process.client.transport.counted(now, count, durable);
                    process.is_stirred = true;
                }
            }
            Own::Twice(life, event) => self.with(life, |found| found.session.step(now.wall, event)),
        }
    }

    /// All that comes of it at this moment.
    fn follow(&mut self) {
        let now = self.now();
        self.note_outside();
        while let Some(process) = self.process.as_mut().filter(|process| process.is_stirred) {
            process.is_stirred = false;
            process.client.go_on(now);
            let transport = &mut process.client.transport;
            let (counts, departures) = (transport.take_counts(), transport.take_departures());
            let (timers, notes) = (transport.take_timers(), transport.take_notes());
            let heard = process.client.take_heard();
            notes.into_iter().for_each(|note| self.note(note));
            timers.into_iter().for_each(|(wait, timer)| self.own(wait, Own::Client(timer)));
            departures.into_iter().for_each(|(ticket, call)| self.depart(ticket, call));
            counts.into_iter().for_each(|count| self.count(count));
            heard.into_iter().for_each(|heard| self.hear(heard));
        }
        // What was asked of the client without stirring it has its timers, too.
        let timers = self.process.as_mut().map(|process| process.client.transport.take_timers());
        timers.into_iter().flatten().for_each(|(wait, timer)| self.own(wait, Own::Client(timer)));
        self.note_outside();
    }

    fn note_outside(&mut self) {
        for (at, happening) in self.outside.take_notes() {
            self.agenda.note(at, Happening::Outside(happening));
        }
        self.outside.take_lines().into_iter().for_each(|what| self.note(what));
    }

    fn depart(&mut self, ticket: Ticket, call: Call) {
        let fate = self.outside.fate(self.agenda.now(), &call);
        match (fate.arrives_at, fate.lost) {
            (Some(arrives_at), _) => {
                self.agenda.note(arrives_at, Happening::Arrives(self.processes, ticket, call, fate));
            }
            (None, lost) => {
                let result = Err(lost.unwrap_or(Failure::TimedOut));
                self.agenda.note(fate.ends_at, Happening::Own(self.processes, Own::Ends(ticket, result)));
            }
        }
    }

    fn hear(&mut self, heard: Heard) {
        let now = self.now();
        match heard {
            Heard::Status(Reader { life, operation, why: Why::ReadBack }, sent_at, status) if self.lives(life) => {
                self.note(What::SeenBack { campaign: life.campaign, operation, sent_at });
                let clock = sent_at.map(|_| ClockDifference(now.ahead_by()));
                let remote =
                    (*status).clone().map(|campaign| Box::new(RemoteCampaign { our_clock: clock, ..campaign }));
                self.perhaps_tell_again(life, &Event::ReadBack { operation, remote });
                self.with(life, |found| found.session.read_back_came(now.wall, operation, *status, clock));
            }
            Heard::Status(Reader { why: Why::ReadBack, .. }, ..) => {}
            Heard::Status(Reader { life, operation, why: Why::Tick }, sent_at, status) => {
                self.with(life, |found| found.status_came(now, operation, sent_at, *status));
            }
            Heard::Spend(Reader { life, operation, .. }, answer) => {
                self.with(life, |found| found.session.spend_came(now.wall, operation, answer));
            }
            Heard::Applied(change, outcome) => self.applied(change, outcome),
            Heard::EndTimeSet(change, result) => {
                self.tell_once_or_twice(change.life, Event::EndTimeSet { action: change.action, result });
            }
        }
    }

    fn applied(&mut self, change: Change, outcome: Outcome) {
        if let Some(process) = self.process.as_mut().filter(|_| matches!(change.kind, ChangeKind::Activate { .. })) {
            if matches!(outcome, Outcome::Postponed(_)) {
                process.postponed.insert(change.life.campaign);
            } else {
                process.postponed.remove(&change.life.campaign);
            }
        }
        self.tell_once_or_twice(change.life, Event::Applied { action: change.action, outcome });
    }

    fn change(&mut self, change: Change) {
        let now = self.now();
        if let Some(process) = self.process.as_mut() {
            process.client.change(now, change);
            process.is_stirred = true;
        }
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
            Output::ReadStatus(operation, question) => self.read_status(life, operation, question, Why::Tick),
            Output::ReadBack(operation, question) => self.read_status(life, operation, question, Why::ReadBack),
            Output::ReadSpend(operation, question, since) => {
                if let Some(process) = self.process.as_mut() {
                    process.client.read_spend(now, question.urgency, since, Reader { life, operation, why: Why::Tick });
                    process.is_stirred = true;
                }
            }
            Output::Send(request, rank) => self.send(life, request, rank),
            Output::SetEndTime(FollowingEndTime { action, end_time, valid_until }) => {
                let kind = ChangeKind::EndTimeAfterPause { end_time };
                self.change(Change { life, action, kind, valid_until: Some(valid_until) });
            }
            Output::Read(reading) => {
                if let Some(found) = self.found(campaign) {
                    let seen = Box::new(found.seen(now, &reading));
                    self.note(What::Seen { campaign, seen });
                }
            }
            Output::Step(step) => self.note_step(life, *step),
            Output::NotStored { .. } => self.note(What::NotStored { campaign }),
            Output::Released(_) => {
                self.note(What::Gone { campaign });
                if let Some(process) = self.process.as_mut() {
                    process.campaigns.get_mut(campaign).into_iter().for_each(|slot| *slot = None);
                }
            }
            Output::Stored { .. }
            | Output::ReleaseRefused(_)
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
        self.note(What::Told { campaign, event: event.clone() });
        effects.into_iter().for_each(|effect| self.note(What::Asked { campaign, effect }));
        self.note(What::Stands { campaign, phase, high_spend });
        if self.found(campaign).is_some_and(|found| found.is_news(&event)) {
            self.perhaps_tell_again(life, &event);
        }
    }

    fn read_status(&mut self, life: Life, operation: OperationId, question: ReadQuestion, why: Why) {
        let now = self.now();
        if let Some(process) = self.process.as_mut() {
            process.client.read_status(now, question, Reader { life, operation, why });
        }
    }

    fn send(&mut self, life: Life, request: Request, rank: Rank) {
        let Request { action, kind, end_time, valid_until, .. } = request;
        let kind = match kind {
            ActionKind::Activate => ChangeKind::Activate { end_time, rank },
            ActionKind::Pause => ChangeKind::Pause,
            ActionKind::SetEndTime => ChangeKind::SetEndTime { end_time, rank },
        };
        if let Some(process) = self.process.as_mut() {
            process.postponed.remove(&life.campaign);
        }
        self.change(Change { life, action, kind, valid_until });
    }
}
