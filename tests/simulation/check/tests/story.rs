//! Writes the log of one campaign.

use chrono::{DateTime, Duration, SubsecRound, Utc};
use traffic_generator::domain::action::{Action, ActionId, ActionKind, Outcome, Step, Trigger};
use traffic_generator::domain::clock_difference::ClockDifference;
use traffic_generator::domain::event::{Effect, Event, Note, OperationId, Record, Request};
use traffic_generator::domain::ids::RemoteId;
use traffic_generator::domain::money::{Clicks, Money, RemainingClicks};
use traffic_generator::domain::observation::Observation;
use traffic_generator::domain::order::{Force, ForceFailure, ForceKind, HoldChange, OrderId};
use traffic_generator::domain::phase::{Phase, Promise};
use traffic_generator::domain::policy::{Policy, PolicyNumbers};
use traffic_generator::domain::remote::{EndTime, RemoteCampaign, RemoteFault, StatusWord};
use traffic_generator::domain::spend::{SourceAnswer, Spend, SpendHistory, SpendSource};
use traffic_generator::domain::status::Hold;
use traffic_generator::trafficstar::budget::{Ticket, Urgency};

use crate::check::{Violation, check};
use crate::model::log::{Carried, How, Line, Restored, Row, Seen, Truth, What};
use crate::model::remote::Call;

/// The campaign at TrafficStars.
pub(super) const REMOTE: RemoteId = RemoteId(1);

/// A moment of the day on which the stories play, or of another one.
pub(super) fn at(text: &str) -> DateTime<Utc> {
    let text = if text.contains(' ') { text.to_owned() } else { format!("2026-11-22 {text}") };
    chrono::NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").unwrap().and_utc()
}

pub(super) fn cooling_until(text: &str) -> Phase {
    Phase::CoolingDown { until: at(text) }
}

/// What a tick reads.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) remote: Result<RemoteCampaign, RemoteFault>,
    pub(super) spend: Result<i64, String>,
    pub(super) report: Option<SourceAnswer>,
    pub(super) clicks: Result<u64, String>,
    pub(super) stored: SpendHistory,
    /// What the guard made of the sources, where that is not right.
    pub(super) made: Option<Result<i64, String>>,
    /// The status was asked for that much earlier than the tick began; not at all, where there is none.
    pub(super) cached: Option<Duration>,
}

impl Facts {
    fn new(remote: RemoteCampaign) -> Self {
        Self {
            remote: Ok(remote),
            spend: Ok(3_210_000),
            report: None,
            clicks: Ok(10_000),
            stored: SpendHistory::default(),
            made: None,
            cached: Some(Duration::zero()),
        }
    }

    pub(super) fn clicks(self, count: u64) -> Self {
        Self { clicks: Ok(count), ..self }
    }

    pub(super) fn unasked(self) -> Self {
        Self { cached: None, ..self }
    }

    pub(super) fn clicks_unknown(self) -> Self {
        Self { clicks: Err("the database is away".to_owned()), ..self }
    }

    pub(super) fn spent(self, micros: i64) -> Self {
        Self { spend: Ok(micros), ..self }
    }

    pub(super) fn spend_unknown(self) -> Self {
        let failed = || "timed out".to_owned();
        Self { spend: Err(failed()), report: Some(SourceAnswer::Failed(failed())), ..self }
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut RemoteCampaign)) -> Self {
        change(self.remote.as_mut().unwrap());
        self
    }
}

pub(super) fn running() -> Facts {
    Facts::new(RemoteCampaign {
        id: REMOTE,
        name: None,
        active: Some(true),
        status: Some("enabled".to_owned()),
        approved: Some("approved".to_owned()),
        stopped: None,
        no_funds: false,
        archived: false,
        end_time: EndTime::Unset,
        schedule_timezone: Some(0),
        account_timezone: Some(0),
        spent_today: SourceAnswer::NoValue,
        spent: SourceAnswer::NoValue,
        odd_fields: Vec::new(),
        our_clock: None,
    })
}

pub(super) fn stopped() -> Facts {
    running().with(|campaign| (campaign.active, campaign.status) = (Some(false), Some("paused".to_owned())))
}

pub(super) fn blocked() -> Facts {
    running().with(|campaign| campaign.no_funds = true)
}

pub(super) fn unread() -> Facts {
    let failed = RemoteFault::Failed("502".to_owned());
    Facts { remote: Err(failed), ..running() }.spend_unknown()
}

pub(super) fn missing() -> Facts {
    Facts { remote: Err(RemoteFault::NotFound), ..running() }.spend_unknown()
}

pub(super) fn gone() -> Facts {
    Facts { remote: Err(RemoteFault::Gone), ..running() }.spent(0)
}

pub(super) fn blocked_note() -> Vec<Effect> {
    vec![Effect::Note(Note::Blocked(Some("404".to_owned())))]
}

pub(super) const fn foreign_note(running: bool) -> Effect {
    Effect::Note(Note::ForeignChange { running })
}

pub(super) const fn contested_note() -> Effect {
    Effect::Note(Note::Contested { began: true })
}

#[derive(Debug, Clone)]
pub(super) struct Story {
    pub(super) lines: Vec<Line>,
    pub(super) now: DateTime<Utc>,
    pub(super) ahead: Duration,
    pub(super) process: u64,
    pub(super) policy: Policy,
    pub(super) phase: Phase,
    since: DateTime<Utc>,
    owed: bool,
    pub(super) action: Option<Action>,
    number: u64,
    ticket: u64,
}

impl Story {
    /// At noon, in this state.
    pub(super) fn new(phase: Phase) -> Self {
        Self::with(phase, |_| {})
    }

    pub(super) fn with(phase: Phase, change: impl FnOnce(&mut PolicyNumbers)) -> Self {
        let mut numbers = PolicyNumbers::default();
        change(&mut numbers);
        let policy = numbers.validate().unwrap();
        let now = at("12:00:00");
        let since = at("11:00:00");
        let mut story = Self {
            lines: Vec::new(),
            now,
            ahead: Duration::zero(),
            process: 1,
            policy,
            phase,
            since,
            owed: false,
            action: None,
            number: 0,
            ticket: 0,
        };
        story.say(What::Begins { requests_per_minute: 5, page_size: 10, rows: vec![story.row()] });
        story.say(What::Started { campaigns: vec![story.restored()] });
        story
    }

    pub(super) fn row(&self) -> Row {
        Row { enabled: true, policy: self.policy.clone() }
    }

    pub(super) fn promise(&self) -> Promise {
        Promise { phase: self.phase, since: self.since, end_time_owed: self.owed }
    }

    pub(super) fn restored(&self) -> Restored {
        let promise = Some(self.promise());
        Restored { campaign: 0, promise, unfinished: None, hold: None, hold_on_all: None, own_end_time: None }
    }

    pub(super) fn say(&mut self, what: What) -> &mut Self {
        self.lines.push(Line { at: self.now, wall: self.now + self.ahead, process: self.process, what });
        self
    }

    pub(super) fn at(&mut self, time: &str) -> &mut Self {
        self.now = at(time);
        self
    }

    pub(super) fn later(&mut self, milliseconds: i64) -> &mut Self {
        self.now += Duration::milliseconds(milliseconds);
        self
    }

    pub(super) fn wall(&self) -> DateTime<Utc> {
        self.now + self.ahead
    }

    /// A whole step; what it stores is durable at once.
    pub(super) fn step(&mut self, event: Event, effects: Vec<Effect>, phase: Phase) -> &mut Self {
        self.step_unstored(event, effects.clone(), phase);
        for effect in effects {
            if let Effect::Store(record) = effect {
                self.say(What::Stored { campaign: 0, record: *record });
            }
        }
        self
    }

    pub(super) fn step_unstored(&mut self, event: Event, effects: Vec<Effect>, phase: Phase) -> &mut Self {
        self.say(What::Told { campaign: 0, event });
        for effect in effects {
            self.say(What::Asked { campaign: 0, effect });
        }
        self.phase = phase;
        self.stands(false)
    }

    fn stands(&mut self, high_spend: bool) -> &mut Self {
        self.say(What::Stands { campaign: 0, phase: self.phase, high_spend })
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    pub(super) fn begin_tick(&mut self) -> OperationId {
        self.begin_tick_reading(true)
    }

    /// One that takes the campaign for gone.
    pub(super) fn begin_tick_unread(&mut self) -> OperationId {
        self.begin_tick_reading(false)
    }

    fn begin_tick_reading(&mut self, read_remote: bool) -> OperationId {
        let operation = OperationId(self.next_number());
        self.step(Event::Wake, vec![Effect::Observe { operation, read_remote, is_gone: !read_remote }], self.phase);
        operation
    }

    pub(super) fn force(&mut self, kind: ForceKind) -> Event {
        let (trigger, reason) = (Trigger::Force, "a test".to_owned());
        let force = Force { kind, trigger, reason, by: None, unless_stopped: false, once: false };
        Event::Force { order: OrderId(1), force: Box::new(force) }
    }

    pub(super) fn force_ended(&self, result: Result<(), ForceFailure>) -> Effect {
        Effect::ForceEnded { order: OrderId(1), result }
    }

    /// Journalled, and not sent.
    pub(super) fn observed_only(&mut self, kind: ActionKind) -> Effect {
        self.send(kind, Trigger::Tick, self.phase);
        self.goes(Step::ObservedOnly, self.phase)
    }

    /// The last line marks the limit as reached.
    pub(super) fn marks_high_spend(&mut self) -> &mut Self {
        let last = self.lines.iter_mut().rev().find_map(|line| match &mut line.what {
            What::Stands { high_spend, .. } => Some(high_spend),
            _ => None,
        });
        *last.unwrap() = true;
        self
    }

    /// The facts are there.
    pub(super) fn seen(&mut self, operation: OperationId, facts: &Facts) -> Event {
        let mut remote = facts.remote.clone();
        if let (Ok(campaign), Ok(spend)) = (&mut remote, &facts.spend) {
            campaign.spent_today = SourceAnswer::Value(Money::from_micros(*spend).unwrap());
        }
        let wall = self.wall();
        let spend = facts.made.clone().unwrap_or_else(|| facts.spend.clone()).map(|micros| Spend {
            amount: Money::from_micros(micros).unwrap(),
            source: SpendSource::Campaign,
            day: wall.date_naive(),
            at: wall,
        });
        let clicks = facts.clicks.clone().map(|count| RemainingClicks { count: Clicks(count), defect: None, at: wall });
        let ahead_by = wall.signed_duration_since(self.now);
        let seen = Seen {
            operation,
            began_at: self.now,
            sent_at: facts.cached.map(|cached| self.now - cached),
            answered_at: self.now,
            began_at_wall: wall,
            answered_at_wall: wall,
            spend_day: Some(wall.date_naive()),
            remote: remote.clone(),
            report: facts.report.clone(),
            counter: None,
            stored: Ok(facts.stored),
            first_clicks: clicks.as_ref().ok().map(|clicks| clicks.count),
            clicks: clicks.clone(),
            spend: spend.clone(),
            policy: self.policy.clone(),
            clock_ahead_by: Some(ahead_by),
        };
        self.say(What::Seen { campaign: 0, seen: Box::new(seen) });
        let observation =
            Box::new(Observation { remote, remote_at: wall, spend, clicks, clock: Some(ClockDifference(ahead_by)) });
        Event::Observed { operation, observation }
    }

    pub(super) fn answer_tick(
        &mut self,
        operation: OperationId,
        facts: &Facts,
        effects: Vec<Effect>,
        phase: Phase,
    ) -> &mut Self {
        let event = self.seen(operation, facts);
        self.step(event, effects, phase)
    }

    /// A whole tick at this time.
    pub(super) fn tick(&mut self, time: &str, facts: &Facts, effects: Vec<Effect>, phase: Phase) -> &mut Self {
        self.at(time);
        let operation = self.begin_tick();
        self.answer_tick(operation, facts, effects, phase)
    }

    pub(super) fn record(&self, phase: Phase, entry: Option<Action>) -> Effect {
        let promise = Promise { phase, since: self.since, end_time_owed: self.owed };
        Effect::Store(Box::new(Record { promise, entry, by: None, hold: HoldChange::Keep }))
    }

    pub(super) fn record_hold(&self, hold: HoldChange) -> Effect {
        Effect::Store(Box::new(Record { promise: self.promise(), entry: None, by: None, hold }))
    }

    /// An action, stored and sent, with the state that it leads to.
    pub(super) fn send(&mut self, kind: ActionKind, trigger: Trigger, phase: Phase) -> Vec<Effect> {
        let now = self.wall();
        match kind {
            ActionKind::Activate => self.owed = false,
            ActionKind::Pause => self.owed = true,
            ActionKind::SetEndTime => {}
        }
        let end_time = match kind {
            ActionKind::Activate => now.date_naive().and_time(self.policy.day_end).and_utc(),
            ActionKind::Pause | ActionKind::SetEndTime => now.trunc_subsecs(0),
        };
        let action = Action {
            id: ActionId(self.next_number()),
            kind,
            trigger,
            reason: "a test".to_owned(),
            spend: None,
            remaining_clicks: None,
            remote_status: StatusWord::Unknown,
            state_before: self.phase.word(),
            state_after: phase.word(),
            end_time,
            step: Step::Requested,
            late: false,
            requested_at: now,
            accepted_at: None,
            confirmed_at: None,
            failed_at: None,
            error: None,
        };
        let valid_until = (kind == ActionKind::Activate).then(|| now + Duration::minutes(1));
        let request =
            Request { action: action.id, kind, end_time, valid_until, remaining_clicks: None, due_since: now };
        self.action = Some(action.clone());
        vec![self.record(phase, Some(action)), Effect::Send(request)]
    }

    /// The entry of the last action, a step further.
    pub(super) fn goes(&mut self, step: Step, phase: Phase) -> Effect {
        let now = self.wall();
        let action = self.action.as_mut().unwrap();
        action.step = step;
        match step {
            Step::Accepted => action.accepted_at = Some(now),
            Step::Confirmed => action.confirmed_at = Some(now),
            Step::Failed => (action.failed_at, action.error) = (Some(now), Some("a test".to_owned())),
            Step::Requested | Step::ObservedOnly => {}
        }
        let entry = self.action.clone();
        self.record(phase, entry)
    }

    pub(super) fn carried(&self) -> Carried {
        let action = self.action.as_ref().unwrap();
        Carried { campaign: 0, action: action.id, kind: action.kind }
    }

    pub(super) fn queue(&mut self, call: Call) -> Ticket {
        self.ticket += 1;
        let ticket = Ticket(self.ticket);
        let carries = if call.is_write() { vec![self.carried()] } else { Vec::new() };
        let urgency = if matches!(call, Call::Pause(_)) { Urgency::Pause } else { Urgency::Activate };
        self.say(What::AtTheGate { ticket, urgency, call, carries });
        ticket
    }

    pub(super) fn leave(&mut self, ticket: Ticket) -> &mut Self {
        self.say(What::Left { ticket })
    }

    /// A request, from the gate to its answer.
    pub(super) fn request(&mut self, call: Call) -> &mut Self {
        let ticket = self.queue(call.clone());
        self.leave(ticket).later(50).say(What::Arrived { ticket, call, refused: false });
        self.later(50).say(What::Ended { ticket, how: How::Answered })
    }

    pub(super) fn end_time(&self) -> Call {
        Call::EndTime { id: REMOTE, at: self.action.as_ref().unwrap().end_time }
    }

    pub(super) fn applied(&mut self, outcome: Outcome, phase: Phase) -> &mut Self {
        let step = if outcome == Outcome::Accepted { Step::Accepted } else { Step::Failed };
        let effect = self.goes(step, phase);
        let action = self.action.as_ref().unwrap().id;
        self.step(Event::Applied { action, outcome }, vec![effect], phase)
    }

    pub(super) fn ask_back(&mut self) -> OperationId {
        let operation = OperationId(self.next_number());
        self.step(Event::Wake, vec![Effect::ReadBack { operation }], self.phase);
        operation
    }

    /// It is read back, and that leaves the action so.
    pub(super) fn read_back(&mut self, facts: &Facts, step: Option<Step>) -> &mut Self {
        let operation = self.ask_back();
        self.say(What::SeenBack { campaign: 0, operation, sent_at: Some(self.now) });
        let effects = step.map(|step| self.goes(step, self.phase)).into_iter().collect();
        let remote = facts.remote.clone().map(Box::new);
        self.step(Event::ReadBack { operation, remote }, effects, self.phase)
    }

    /// A tick at this time activates it, and all goes well.
    pub(super) fn activates(&mut self, time: &str) -> &mut Self {
        self.at(time);
        let effects = self.send(ActionKind::Activate, Trigger::Tick, Phase::ActiveGuarded);
        self.tick(time, &stopped().clicks(20_000), effects, Phase::ActiveGuarded);
        let (end_time, run) = (self.end_time(), Call::Run([REMOTE].into()));
        self.request(end_time).request(run).applied(Outcome::Accepted, Phase::ActiveGuarded).later(1_000);
        self.read_back(&running(), Some(Step::Confirmed))
    }

    /// A tick at this time pauses it, and all goes well but the read that shows it.
    pub(super) fn pauses(&mut self, time: &str) -> &mut Self {
        self.at(time);
        let requested = Phase::CoolingDown { until: self.wall() + self.policy.cooldown };
        let effects = self.send(ActionKind::Pause, Trigger::Tick, requested);
        self.tick(time, &running().clicks(5_000), effects, requested);
        self.request(Call::Pause([REMOTE].into()));
        let accepted = Phase::CoolingDown { until: self.wall() + self.policy.cooldown };
        self.applied(Outcome::Accepted, accepted);
        let (end_time, action) = (self.end_time(), self.action.as_ref().unwrap().id);
        self.request(end_time);
        self.step(Event::EndTimeSet { action, result: Ok(()) }, vec![self.record(accepted, None)], accepted)
    }

    pub(super) fn hold(&self, pause: bool) -> Hold {
        Hold { reason: None, since: self.wall(), until: None, by: None, pause }
    }

    pub(super) fn ends(&mut self, runs: bool, remaining_clicks: i64) -> &mut Self {
        let truth = Truth {
            campaign: 0,
            exists: true,
            runs,
            blocked: false,
            end_time: None,
            spent_micros: 3_210_000,
            remaining_clicks,
        };
        self.say(What::Ends { truths: vec![truth] })
    }

    pub(super) fn found(&self) -> Vec<Violation> {
        check(&self.lines)
    }

    #[track_caller]
    pub(super) fn holds(&self) {
        let found = self.found();
        assert!(found.is_empty(), "{found:#?}\n{}", self.tell());
    }

    /// It breaks these rules and no other.
    #[track_caller]
    pub(super) fn breaks(&self, checkers: &[&str]) {
        let mut found: Vec<&str> = self.found().iter().map(|violation| violation.checker).collect();
        found.sort_unstable();
        found.dedup();
        let mut expected = checkers.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{:#?}\n{}", self.found(), self.tell());
    }

    fn tell(&self) -> String {
        self.lines.iter().enumerate().map(|(index, line)| format!("{index} {line}\n")).collect()
    }
}
