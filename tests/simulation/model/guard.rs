//! The guard against the models, on a clock of its own: no thread, no runtime, no socket, the same from the same seed.
//!
//! Events happen in the order of their time; each is followed by all that comes of it at that moment. The order of
//! things is the actors': a tick at the grid, clicks from the database, the status by the plan within the budget's room,
//! the spend, the decision, its request by class, and reading back. The database answers at once.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use traffic_generator::domain::action::{ActionKind, Outcome};
use traffic_generator::domain::event::{Effect, Event, OperationId, Request};
use traffic_generator::domain::phase::PhaseWord;
use traffic_generator::domain::policy::{Policy, PolicyNumbers};
use traffic_generator::domain::status::ReadingStatus;
use traffic_generator::trafficstar::batch::reads::ReadQuestion;
use traffic_generator::trafficstar::budget::{Rank, Ticket};

use super::agenda::Agenda;
use super::campaign::{Campaign, Next};
use super::client::{Change, ChangeKind, Client, Heard, Reader, Timer, Why};
use super::outside::Outside;
use super::remote::{Answer, Call, id_of};

/// What happens.
#[derive(Debug)]
enum Happening {
    Wake(usize),
    /// A point of the grid passes while a status is waited for.
    Remind(usize, OperationId),
    Client(Timer),
    Arrives(Ticket, Call, DateTime<Utc>),
    Answers(Ticket, Answer),
    /// What happens at TrafficStars and at the tracker by itself.
    Outside(super::outside::Happening),
}

#[derive(Debug)]
pub(crate) struct Guard {
    policy: Policy,
    agenda: Agenda<Happening>,
    pub(crate) outside: Outside,
    client: Client,
    campaigns: Vec<Campaign>,
    postponed: BTreeSet<usize>,
}

impl Guard {
    /// A guard of the campaigns that are outside, all promised to run.
    pub(crate) fn new(outside: Outside, requests_per_minute: u32, now: DateTime<Utc>) -> Result<Self, String> {
        let policy = PolicyNumbers::default().validate().map_err(|error| error.to_string())?;
        let campaigns = (0..outside.campaigns()).map(|row| Campaign::new(now, row, &policy)).collect();
        let client = Client::new(requests_per_minute, policy.tick);
        let agenda = Agenda::new(now);
        let mut guard = Self { policy, agenda, outside, client, campaigns, postponed: BTreeSet::new() };
        for row in 0..guard.campaigns.len() {
            guard.arm(row);
        }
        guard.note_outside();
        Ok(guard)
    }

    /// Lets everything happen up to `until`.
    pub(crate) fn run_until(&mut self, until: DateTime<Utc>) {
        while let Some(happening) = self.agenda.next(until) {
            self.happen(happening);
            self.follow();
        }
    }

    /// How far the limit reaches, as the dump would say.
    pub(crate) const fn reading(&self) -> &ReadingStatus {
        self.client.reading()
    }

    /// By when all end times that are due will have left, as the dump would say.
    pub(crate) fn running_again_by(&self) -> Option<DateTime<Utc>> {
        self.client.running_again_by(self.agenda.now(), self.postponed.len())
    }

    /// How many campaigns are in this state.
    pub(crate) fn in_phase(&self, phase: PhaseWord) -> usize {
        self.campaigns.iter().filter(|campaign| campaign.phase() == phase).count()
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.agenda.now();
        match happening {
            Happening::Wake(row) => {
                let due = self.campaigns.get_mut(row).and_then(|campaign| campaign.wakes_at.take_if(|at| *at == now));
                if due.is_some() {
                    self.step(row, Event::Wake);
                }
            }
            Happening::Remind(row, operation) => {
                let clicks = self.outside.tracker.clicks(now, row);
                let Some(campaign) = self.campaigns.get_mut(row) else { return };
                if let Some(question) = campaign.remind(now, &self.policy, operation, clicks) {
                    self.remind_later(row, operation);
                    self.client.remind(now, question);
                }
            }
            Happening::Client(timer) => self.client.wake(now, timer),
            Happening::Arrives(ticket, call, answered_at) => {
                let answer = self.outside.serve(now, &call);
                self.agenda.note(answered_at, Happening::Answers(ticket, answer));
            }
            Happening::Answers(ticket, answer) => self.client.answered(now, ticket, answer),
            Happening::Outside(happening) => self.outside.happen(now, happening),
        }
    }

    /// All that comes of it at this moment.
    fn follow(&mut self) {
        let now = self.agenda.now();
        loop {
            for (ticket, call) in self.client.take_departures() {
                let (arrives_at, answered_at) = self.outside.travel(now);
                self.agenda.note(arrives_at, Happening::Arrives(ticket, call, answered_at));
            }
            let heard = self.client.take_heard();
            if heard.is_empty() {
                break;
            }
            heard.into_iter().for_each(|heard| self.hear(heard));
        }
        for (at, timer) in self.client.take_timers() {
            self.agenda.note(at, Happening::Client(timer));
        }
        self.note_outside();
    }

    fn note_outside(&mut self) {
        for (at, happening) in self.outside.take_notes() {
            self.agenda.note(at, Happening::Outside(happening));
        }
    }

    fn hear(&mut self, heard: Heard) {
        let now = self.agenda.now();
        match heard {
            Heard::Status(reader, status) if reader.why == Why::ReadBack => {
                let remote = status.map(Box::new);
                self.step(reader.campaign, Event::ReadBack { operation: reader.operation, remote });
            }
            Heard::Status(reader, status) => {
                let clicks = self.outside.tracker.clicks(now, reader.campaign);
                let Some(campaign) = self.campaigns.get_mut(reader.campaign) else { return };
                let next = campaign.status_came(now, &self.policy, &reader, status, clicks);
                self.go_on(reader, next);
            }
            Heard::Spend(reader, answer) => {
                let Some(campaign) = self.campaigns.get_mut(reader.campaign) else { return };
                let next = campaign.decide(now, &self.policy, &answer);
                self.go_on(reader, next);
            }
            Heard::Applied(change, outcome) => self.applied(change, outcome),
            Heard::EndTimeSet(change, result) => {
                self.step(change.campaign, Event::EndTimeSet { action: change.action, result });
            }
        }
    }

    fn go_on(&mut self, reader: Reader, next: Next) {
        match next {
            Next::Nothing => {}
            Next::AskReport(urgency, since) => self.client.read_spend(self.agenda.now(), urgency, since, reader),
            Next::Decide(observation) => {
                self.step(reader.campaign, Event::Observed { operation: reader.operation, observation });
            }
        }
    }

    fn applied(&mut self, change: Change, outcome: Outcome) {
        if matches!(change.kind, ChangeKind::Activate { .. }) {
            if matches!(outcome, Outcome::Postponed(_)) {
                self.postponed.insert(change.campaign);
            } else {
                self.postponed.remove(&change.campaign);
            }
        }
        let accepted = outcome == Outcome::Accepted;
        self.step(change.campaign, Event::Applied { action: change.action, outcome });
        if let (ChangeKind::Pause { end_time }, true) = (change.kind, accepted) {
            let now = self.agenda.now();
            let kind = ChangeKind::EndTimeAfterPause { end_time };
            let valid_until = Some(now + self.policy.tick);
            self.client.change(now, Change { kind, valid_until, ..change });
        }
    }

    fn step(&mut self, row: usize, event: Event) {
        let now = self.agenda.now();
        let Some(campaign) = self.campaigns.get_mut(row) else { return };
        for effect in campaign.step(now, &self.policy, event) {
            match effect {
                Effect::Observe { operation, .. } => self.observe(row, operation),
                Effect::ReadBack { operation } => {
                    let reader = Reader { campaign: row, operation, why: Why::ReadBack };
                    self.client.read_status(now, ReadQuestion::of_read_back(id_of(row)), reader);
                }
                Effect::Send(request) => self.send(row, request),
                // The database stores at once, and nobody looks on.
                Effect::Store(_) | Effect::Note(_) => {}
                // No operator gives orders here.
                Effect::Released { .. }
                | Effect::ReleaseRefused(_)
                | Effect::Processed { .. }
                | Effect::ForceEnded { .. }
                | Effect::Held { .. } => {}
            }
        }
        self.arm(row);
    }

    fn observe(&mut self, row: usize, operation: OperationId) {
        let now = self.agenda.now();
        let clicks = self.outside.tracker.clicks(now, row);
        let Some(campaign) = self.campaigns.get_mut(row) else { return };
        let question = campaign.begin_tick(now, &self.policy, operation, clicks);
        self.client.read_status(now, question, Reader { campaign: row, operation, why: Why::Tick });
        self.remind_later(row, operation);
    }

    fn remind_later(&mut self, row: usize, operation: OperationId) {
        let at = self.policy.next_grid_point(self.agenda.now());
        self.agenda.note(at, Happening::Remind(row, operation));
    }

    fn send(&mut self, row: usize, request: Request) {
        let now = self.agenda.now();
        let Request { action, kind, end_time, valid_until, remaining_clicks, due_since } = request;
        let clicks = remaining_clicks.map_or(0, |clicks| clicks.0);
        let rank = Rank::of_activation(clicks, now.signed_duration_since(due_since));
        let kind = match kind {
            ActionKind::Activate => ChangeKind::Activate { end_time, rank },
            ActionKind::Pause => ChangeKind::Pause { end_time },
            ActionKind::SetEndTime => ChangeKind::SetEndTime { end_time, rank },
        };
        self.postponed.remove(&row);
        self.client.change(now, Change { campaign: row, action, kind, valid_until });
    }

    fn arm(&mut self, row: usize) {
        let now = self.agenda.now();
        let Some(campaign) = self.campaigns.get_mut(row) else { return };
        let at = campaign.next_wake(now, &self.policy).map(|at| at.max(now));
        if campaign.wakes_at != at {
            campaign.wakes_at = at;
            if let Some(at) = at {
                self.agenda.note(at, Happening::Wake(row));
            }
        }
    }
}
