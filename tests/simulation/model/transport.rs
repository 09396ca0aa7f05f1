//! Requests on their way out, without a socket: a token, the real gate's keeper with its budget and circuits, and what
//! the end of a request amounts to, in the order of `trafficstar::http` and of `actors::trafficstar`.
//!
//! The gate lets go through channels of tokio's; they need no runtime, and none is here.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use tokio::sync::oneshot::{self, error::TryRecvError};
use traffic_generator::domain::action::Outcome;
use traffic_generator::domain::remote::RemoteFault;
use traffic_generator::trafficstar::budget::{Budget, Ticket, Urgency, WINDOW};
use traffic_generator::trafficstar::circuit::{CircuitNews, Ended};
use traffic_generator::trafficstar::gate::{AnswerWord, Asking, Exchange, GateMessage, Gatekeeper, NotAdmitted};

use super::client::{Purpose, Timer};
use super::clock::Moment;
use super::log::{How, What};
use super::remote::{Answer, Call};

/// As `[trafficstar] timeout`.
pub(crate) const TIMEOUT: Duration = Duration::seconds(15);
/// As in `trafficstar::gate`: however long a 429 tells us to wait, TrafficStars is asked again after this.
const LONGEST_SILENCE: Duration = Duration::minutes(5);
/// For how long after a failure no other token is fetched.
const TOKEN_RESTS: Duration = Duration::seconds(15);
/// The same where a pause waits for it.
const TOKEN_RESTS_FOR_PAUSES: Duration = Duration::seconds(5);

/// Why a request did not bring what was asked for, as `trafficstar::error` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// 429, and for how long TrafficStars wants to hear nothing, if it said so.
    TooMany(Option<Duration>),
    Status(u16),
    TimedOut,
    /// The connection broke after the request was sent.
    Broke,
    /// No connection: it never left.
    NotMade,
    Unreadable,
    NoToken,
    TooLate,
    CircuitOpen,
}

impl Failure {
    pub(crate) fn reason(self) -> String {
        format!("{self:?}")
    }

    /// What became of an action whose request ended like this.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::TooMany(_) | Self::TooLate | Self::CircuitOpen => Outcome::Postponed(self.reason()),
            Self::Status(500..) | Self::TimedOut | Self::Broke | Self::Unreadable => Outcome::Unclear(self.reason()),
            Self::Status(_) | Self::NotMade | Self::NoToken => Outcome::Failed(self.reason()),
        }
    }

    pub(crate) fn fault(self) -> RemoteFault {
        if self == Self::Status(404) { RemoteFault::NotFound } else { RemoteFault::Failed(self.reason()) }
    }

    /// Whether another request might fare better now.
    pub(crate) const fn is_of_this_request(self) -> bool {
        !matches!(self, Self::TooMany(_) | Self::Status(401) | Self::NoToken | Self::TooLate | Self::CircuitOpen)
    }

    /// What it tells of the operation's health.
    fn ended(self) -> Ended {
        match self {
            Self::Status(500..) | Self::TimedOut | Self::Broke | Self::NotMade | Self::Unreadable | Self::NoToken => {
                Ended::Failed(self.reason())
            }
            Self::TooMany(_) | Self::TooLate | Self::CircuitOpen => Ended::Untold,
            Self::Status(_) => Ended::Answered,
        }
    }

    fn how(self) -> How {
        match self {
            Self::TooMany(_) => How::Status(429),
            Self::Status(status) => How::Status(status),
            Self::TimedOut => How::TimedOut,
            Self::Broke | Self::NotMade | Self::Unreadable | Self::NoToken | Self::TooLate | Self::CircuitOpen => {
                How::Broke
            }
        }
    }
}

/// How a request ended.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) purpose: Purpose,
    /// When it left, if it did: true time.
    pub(crate) sent_at: Option<DateTime<Utc>>,
    pub(crate) result: Result<Answer, Failure>,
}

/// A request that has not come to the gate.
#[derive(Debug)]
struct Unsent {
    asking: Asking,
    call: Call,
    purpose: Purpose,
    /// Its token was refused once.
    again: bool,
}

#[derive(Debug)]
struct AtTheGate {
    admitted: oneshot::Receiver<Result<(), NotAdmitted>>,
    request: Unsent,
    sent_at: Option<DateTime<Utc>>,
}

/// The access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Serves,
    Missing,
    /// It is being fetched.
    Coming,
}

/// Requests that hold a slot and are to be counted in the database before they leave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) granted: usize,
    /// With those that left uncounted before.
    pub(crate) requests: u32,
}

#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) keeper: Gatekeeper,
    at_the_gate: BTreeMap<Ticket, AtTheGate>,
    last_ticket: u64,
    gate_at: Option<DateTime<Utc>>,
    token: Token,
    token_failed_at: Option<DateTime<Utc>>,
    without_token: Vec<Unsent>,
    counting: bool,
    uncounted: u32,
    counts: Vec<Count>,
    departures: Vec<(Ticket, Call)>,
    ended: Vec<Ending>,
    has_asked: bool,
    pub(crate) timers: Vec<(Duration, Timer)>,
    notes: Vec<What>,
}

impl Transport {
    pub(crate) fn new(budget: Budget, tick: Duration, needs_token: bool) -> Self {
        Self {
            keeper: Gatekeeper::new(budget, tick),
            at_the_gate: BTreeMap::new(),
            last_ticket: 0,
            gate_at: None,
            token: if needs_token { Token::Missing } else { Token::Serves },
            token_failed_at: None,
            without_token: Vec::new(),
            counting: false,
            uncounted: 0,
            counts: Vec::new(),
            departures: Vec::new(),
            ended: Vec::new(),
            has_asked: false,
            timers: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The requests that leave now.
    pub(crate) fn take_departures(&mut self) -> Vec<(Ticket, Call)> {
        std::mem::take(&mut self.departures)
    }

    pub(crate) fn take_counts(&mut self) -> Vec<Count> {
        std::mem::take(&mut self.counts)
    }

    pub(crate) fn take_ended(&mut self) -> Vec<Ending> {
        std::mem::take(&mut self.ended)
    }

    pub(crate) fn take_timers(&mut self) -> Vec<(Duration, Timer)> {
        std::mem::take(&mut self.timers)
    }

    pub(crate) fn take_notes(&mut self) -> Vec<What> {
        std::mem::take(&mut self.notes)
    }

    /// Whether anything came to the gate since this was asked last.
    pub(crate) const fn has_asked(&mut self) -> bool {
        std::mem::replace(&mut self.has_asked, false)
    }

    pub(crate) fn ask(&mut self, now: Moment, asking: Asking, call: Call, purpose: Purpose) {
        self.send(now, Unsent { asking, call, purpose, again: false });
    }

    /// With a token; where there is none it is fetched first, one for all.
    fn send(&mut self, now: Moment, request: Unsent) {
        if self.token == Token::Serves {
            self.ask_gate(now, request);
            return;
        }
        let failed_ago = self.token_failed_at.map(|at| now.gate - at);
        let rests = failed_ago.is_some_and(|ago| ago < TOKEN_RESTS);
        if rests && request.asking.urgency != Urgency::Pause {
            self.end(request, None, Err(Failure::NoToken));
            return;
        }
        self.without_token.push(request);
        if self.token == Token::Missing {
            self.token = Token::Coming;
            let rest = failed_ago.map_or(Duration::zero(), |ago| TOKEN_RESTS_FOR_PAUSES - ago);
            if rest > Duration::zero() {
                self.timers.push((rest, Timer::TokenRested));
            } else {
                self.fetch_token(now);
            }
        }
    }

    pub(crate) fn fetch_token(&mut self, now: Moment) {
        let fetch = Unsent { asking: Asking::token(), call: Call::Token, purpose: Purpose::Token, again: false };
        self.ask_gate(now, fetch);
    }

    fn ask_gate(&mut self, now: Moment, request: Unsent) {
        self.last_ticket += 1;
        self.has_asked = true;
        let ticket = Ticket(self.last_ticket);
        let Unsent { asking, call, purpose, .. } = &request;
        let (call, carries) = (call.clone(), purpose.carries());
        self.notes.push(What::AtTheGate { ticket, urgency: asking.urgency, call, carries });
        let patience = asking.leave_by.map(|leave_by| leave_by.signed_duration_since(now.wall));
        if patience.is_some_and(|patience| patience < Duration::zero()) {
            self.notes.push(What::GaveUp { ticket });
            self.end(request, None, Err(Failure::TooLate));
            return;
        }
        self.timers.extend(patience.map(|patience| (patience, Timer::TooLate(ticket))));
        let (admit, admitted) = oneshot::channel();
        let asking = *asking;
        self.at_the_gate.insert(ticket, AtTheGate { admitted, request, sent_at: None });
        self.keeper.hear(now.gate, GateMessage::Ask { ticket, asking, admit });
        self.hear_refusal(ticket);
    }

    /// What an open circuit stops is refused at once if it reads.
    fn hear_refusal(&mut self, ticket: Ticket) {
        let waiting = self.at_the_gate.get_mut(&ticket).filter(|waiting| waiting.sent_at.is_none());
        if waiting.is_some_and(|waiting| matches!(waiting.admitted.try_recv(), Ok(Err(_)))) {
            let Some(AtTheGate { request, .. }) = self.at_the_gate.remove(&ticket) else { return };
            self.notes.push(What::GaveUp { ticket });
            self.end(request, None, Err(Failure::CircuitOpen));
        }
    }

    pub(crate) fn gate_timer_fired(&mut self, now: Moment) {
        self.gate_at.take_if(|at| *at <= now.gate);
    }

    /// Its turn did not come before its facts were too old.
    pub(crate) fn too_late(&mut self, now: Moment, ticket: Ticket) {
        let waits = |waiting: &mut AtTheGate| waiting.admitted.try_recv() == Err(TryRecvError::Empty);
        if !self.at_the_gate.get_mut(&ticket).is_some_and(|waiting| waiting.sent_at.is_none() && waits(waiting)) {
            return;
        }
        let Some(AtTheGate { request, .. }) = self.at_the_gate.remove(&ticket) else { return };
        self.keeper.hear(now.gate, GateMessage::GaveUp(ticket));
        self.notes.push(What::GaveUp { ticket });
        self.end(request, None, Err(Failure::TooLate));
    }

    /// Gives slots to whom circuits and budget let leave; they leave when they are counted.
    pub(crate) fn open_gate(&mut self, now: Moment) {
        let granted = self.keeper.grant(now.gate);
        if granted > 0 && !self.counting {
            self.counting = true;
            let requests = self.uncounted.saturating_add(u32::try_from(granted).unwrap_or(u32::MAX));
            self.counts.push(Count { granted, requests });
        }
        let opened = |news: &CircuitNews| matches!(news, CircuitNews::Opened(..));
        if self.keeper.take_circuit_news().iter().any(opened) {
            for ticket in self.at_the_gate.keys().copied().collect::<Vec<_>>() {
                self.hear_refusal(ticket);
            }
        }
    }

    /// The requests were counted, or were not in time.
    pub(crate) fn counted(&mut self, now: Moment, count: Count, durable: bool) {
        self.uncounted = if durable { 0 } else { count.requests };
        self.counting = false;
        for (ticket, _) in self.keeper.let_go(now.gate, count.granted) {
            if let Some(waiting) = self.at_the_gate.get_mut(&ticket) {
                waiting.sent_at = Some(now.at);
                self.notes.push(What::Left { ticket });
                self.departures.push((ticket, waiting.request.call.clone()));
            }
        }
    }

    /// The end of a request that left.
    pub(crate) fn answered(&mut self, now: Moment, ticket: Ticket, result: Result<Answer, Failure>) {
        let Some(AtTheGate { request, sent_at, .. }) = self.at_the_gate.remove(&ticket) else { return };
        self.notes.push(What::Ended { ticket, how: how(&result) });
        let took = std::time::Duration::ZERO;
        let exchange = Exchange { urgency: request.asking.urgency, waited: took, took, answer: AnswerWord::GivenUp };
        let ended = result.as_ref().err().map_or(Ended::Answered, |failure| failure.ended());
        if let Err(Failure::TooMany(retry_after)) = result {
            let lasts = retry_after.unwrap_or(WINDOW).clamp(Duration::zero(), LONGEST_SILENCE);
            self.notes.push(What::Silence { until: now.at + lasts });
            self.keeper.hear(now.gate, GateMessage::RateLimited { retry_after });
        }
        self.keeper.hear(now.gate, GateMessage::Answered { ticket, ended, exchange });
        match (&request.purpose, &result) {
            (Purpose::Token, _) => self.token_came(now, result.err()),
            (_, Err(Failure::Status(401))) if !request.again => {
                // Another one may have taken its place already.
                if self.token == Token::Serves {
                    self.token = Token::Missing;
                }
                self.send(now, Unsent { again: true, ..request });
            }
            (_, _) => self.end(request, sent_at, result),
        }
    }

    fn token_came(&mut self, now: Moment, failure: Option<Failure>) {
        let waiting = std::mem::take(&mut self.without_token);
        let Some(failure) = failure else {
            self.token = Token::Serves;
            self.token_failed_at = None;
            waiting.into_iter().for_each(|request| self.ask_gate(now, request));
            return;
        };
        self.token = Token::Missing;
        self.token_failed_at = Some(now.gate);
        let failure = if matches!(failure, Failure::TooMany(_)) { failure } else { Failure::NoToken };
        waiting.into_iter().for_each(|request| self.end(request, None, Err(failure)));
    }

    fn end(&mut self, request: Unsent, sent_at: Option<DateTime<Utc>>, result: Result<Answer, Failure>) {
        self.ended.push(Ending { purpose: request.purpose, sent_at, result });
    }

    pub(crate) fn arm_gate(&mut self, now: Moment, waits_for_room: bool, probe_at: Option<DateTime<Utc>>) {
        let room_at = if waits_for_room { self.keeper.budget_mut().next_free_at(now.gate) } else { None };
        let next = [self.keeper.next_grant_at(now.gate), room_at, probe_at].into_iter().flatten().min();
        if let Some(at) = next.filter(|at| self.gate_at.is_none_or(|armed| *at < armed || armed <= now.gate)) {
            self.gate_at = Some(at);
            self.timers.push((at.signed_duration_since(now.gate).max(Duration::zero()), Timer::Gate));
        }
    }
}

fn how(result: &Result<Answer, Failure>) -> How {
    match result {
        Ok(Answer::Named { refused, .. }) if !refused.is_empty() => How::Refused(refused.len()),
        Ok(_) => How::Answered,
        Err(failure) => failure.how(),
    }
}
