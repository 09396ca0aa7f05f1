//! The client against scripted answers: what is sent for each operation, and the results of the answers. Time passes
//! only when the client waits.

mod by_id;
mod endpoints;
mod switching;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration as StdDuration;

use chrono::TimeDelta;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::switch_batches::Switching;
use super::*;
use crate::domain::ids::RemoteId;
use crate::domain::read_priority::{ReadQuestion, Urgency};
use crate::trafficstar::budget::Rank;
use crate::trafficstar::call::Switch;
use crate::trafficstar::tests::campaign;

/// The time after a failed token request in which no token is fetched. A pause waits for a third of it.
const TOKEN_BACKOFF: TimeDelta = TimeDelta::seconds(3);
/// The longest time that a test waits for an answer.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// A request as TrafficStars sees it.
#[derive(Debug, Clone)]
struct Seen {
    method: Method,
    path: String,
    query: String,
    body: String,
    token: Option<String>,
    urgency: Urgency,
}

impl Seen {
    fn of(departure: &Departure) -> Self {
        let (method, path, query, body) = departure.call.sent();
        let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let token = departure.token.as_ref().map(|token| token.text.expose_secret().to_owned());
        let (query, body) = (query.join("&"), body.map(|body| body.to_string()).unwrap_or_default());
        Self { method, path, query, body, token, urgency: departure.urgency }
    }

    /// `GET /path?query`
    fn line(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{} {}{mark}{}", self.method, self.path, self.query)
    }

    fn is_token_request(&self) -> bool {
        self.path == "/v1/auth/token"
    }
}

type Said = Result<Value, RemoteError>;

/// A scripted TrafficStars, its client, and what both have done.
struct Remote {
    client: Client,
    now: Now,
    answer: Box<dyn FnMut(&Seen) -> Said>,
    seen: Vec<Seen>,
    statuses: BTreeMap<Requester, Result<RemoteCampaign, RemoteFault>>,
    spends: BTreeMap<Requester, SpendReading>,
    outcomes: BTreeMap<Requester, Outcome>,
    events: Vec<OperatorEvent>,
}

/// The outcome of each campaign of a run or a pause, and the reason of the last failed request.
#[derive(Debug)]
struct Switched {
    outcomes: BTreeMap<RemoteId, Outcome>,
    failure: Option<String>,
}

impl Switched {
    /// Returns the outcome of the only campaign.
    fn outcome(&self) -> &Outcome {
        assert_eq!(self.outcomes.len(), 1, "{self:?}");
        self.outcomes.values().next().unwrap()
    }
}

impl Remote {
    /// Returns a remote that gives out the tokens `token-1`, `token-2` and so on, and answers all other requests by
    /// `answer`.
    fn answering(mut answer: impl FnMut(&Seen) -> Said + 'static) -> Self {
        let mut issued = 0;
        Self::answering_tokens_too(move |seen| {
            if !seen.is_token_request() {
                return answer(seen);
            }
            issued += 1;
            Ok(json!({"access_token": format!("token-{issued}"), "expires_in": 36000, "id_token": "long"}))
        })
    }

    fn answering_tokens_too(answer: impl FnMut(&Seen) -> Said + 'static) -> Self {
        let at: DateTime<Utc> = "2025-05-08T12:00:00Z".parse().unwrap();
        let now = Now { wall: at, steady: at };
        let limits = Limits {
            requests_per_minute: 1_000,
            timeout: StdDuration::from_secs(15),
            tick: TimeDelta::minutes(1),
            token_backoff: TOKEN_BACKOFF,
            sent: Vec::new(),
        };
        Self {
            client: Client::new(now, &limits),
            now,
            answer: Box::new(answer),
            seen: Vec::new(),
            statuses: BTreeMap::new(),
            spends: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    fn pass(&mut self, time: TimeDelta) {
        self.now = Now { wall: self.now.wall + time, steady: self.now.steady + time };
    }

    /// Runs the client until all these requesters are answered.
    fn settle(&mut self, requesters: &BTreeSet<Requester>) {
        let until = self.now.steady + PATIENCE;
        loop {
            self.client.go_on(self.now);
            let outputs = self.client.take_outputs();
            let is_quiet = outputs.is_empty();
            outputs.into_iter().for_each(|output| self.carry_out(output));
            let is_answered = |requester: &Requester| {
                self.statuses.contains_key(requester)
                    || self.spends.contains_key(requester)
                    || self.outcomes.contains_key(requester)
            };
            if is_quiet && requesters.iter().all(is_answered) {
                return;
            }
            if is_quiet {
                let wakes_at = self.client.wakes_at(self.now).expect("a requester waits");
                assert!(wakes_at <= until, "waited in vain for {requesters:?}");
                self.pass(wakes_at - self.now.steady);
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send(departure) => {
                let seen = Seen::of(&departure);
                let answer = (self.answer)(&seen).and_then(|answer| departure.call.read(answer));
                let is_token = departure.call == Call::Token;
                let answer = if is_token { answer.map_err(RemoteError::of_token_request) } else { answer };
                self.seen.push(seen);
                self.client.answered(self.now, departure.request_id, answer);
            }
            Output::Reserve(reservation) => self.client.reserved(self.now, reservation.number, true),
            Output::Status(requester, _, status) => drop(self.statuses.insert(requester, *status)),
            Output::Spend(requester, spend) => drop(self.spends.insert(requester, spend)),
            Output::Changed(requester, outcome) => drop(self.outcomes.insert(requester, outcome)),
            Output::Event(event) => self.events.push(event),
            Output::Account(..)
            | Output::Failed
            | Output::Sign(_)
            | Output::Waits { .. }
            | Output::GivenUp(_)
            | Output::RateLimited(_) => {}
        }
    }

    /// Pauses campaigns, and waits for all outcomes.
    fn pause(&mut self, ids: &BTreeSet<RemoteId>) -> Switched {
        self.switch(Switch::Pause, ids, None)
    }

    /// Runs campaigns whose end times are set, and waits for all outcomes.
    fn run(&mut self, ids: &BTreeSet<RemoteId>) -> Switched {
        self.switch(Switch::Run, ids, None)
    }

    fn switch(&mut self, switch: Switch, ids: &BTreeSet<RemoteId>, valid_until: Option<DateTime<Utc>>) -> Switched {
        let asked: BTreeMap<Requester, RemoteId> = ids.iter().map(|id| (self.client.next_requester(), *id)).collect();
        let requesters =
            asked.iter().map(|(requester, remote)| Switching { requester: *requester, remote: *remote, valid_until });
        self.client.begin_batch(self.now, switch, requesters.collect());
        self.settle(&asked.keys().copied().collect());
        let outcomes = asked.iter().map(|(requester, id)| (*id, self.outcomes.remove(requester).unwrap())).collect();
        Switched { outcomes, failure: self.client.last_error.clone() }
    }

    fn change(&mut self, remote: RemoteId, kind: ChangeKind) -> Outcome {
        let change = Change { remote, kind, rank: Rank::ANY, valid_until: None };
        let requester = self.client.change(self.now, change);
        self.settle(&[requester].into());
        self.outcomes.remove(&requester).unwrap()
    }

    /// Reads the statuses of campaigns that tick together.
    fn read(&mut self, ids: &BTreeSet<RemoteId>) -> BTreeMap<RemoteId, Result<RemoteCampaign, RemoteFault>> {
        let question = |remote| ReadQuestion { remote, urgency: Urgency::Read, threshold_in: TimeDelta::zero() };
        let now = self.now;
        let asked: BTreeMap<Requester, RemoteId> =
            ids.iter().map(|id| (self.client.read_status(now, question(*id)), *id)).collect();
        self.settle(&asked.keys().copied().collect());
        asked.iter().map(|(requester, id)| (*id, self.statuses.remove(requester).unwrap())).collect()
    }

    /// Reads the status of one campaign that ticks alone.
    fn read_one(&mut self) -> Result<RemoteCampaign, RemoteFault> {
        self.read(&ids([7])).remove(&RemoteId(7)).unwrap()
    }

    /// Reads the spends of campaigns that tick together.
    fn spends_of(&mut self, ids: &BTreeSet<RemoteId>) -> BTreeMap<RemoteId, SpendReading> {
        self.pass(TimeDelta::seconds(1));
        let now = self.now;
        let asked: BTreeMap<Requester, RemoteId> =
            ids.iter().map(|id| (self.client.read_spend(now, *id, Urgency::Sweep, now.wall), *id)).collect();
        self.settle(&asked.keys().copied().collect());
        asked.iter().map(|(requester, id)| (*id, self.spends.remove(requester).unwrap())).collect()
    }

    /// Returns the request lines, those of token requests left out.
    fn lines(&self) -> Vec<String> {
        self.seen.iter().filter(|seen| !seen.is_token_request()).map(Seen::line).collect()
    }

    fn token_requests(&self) -> usize {
        self.seen.iter().filter(|seen| seen.is_token_request()).count()
    }

    /// Returns the endpoints that the dump shows.
    fn endpoints(&self) -> Vec<(String, Option<String>)> {
        let endpoints = self.client.status(self.now).endpoints.into_iter();
        endpoints.map(|endpoint| (endpoint.operation, endpoint.path)).collect()
    }

    /// Returns the events about endpoints since the last call.
    fn endpoint_events(&mut self) -> Vec<OperatorEvent> {
        let events = std::mem::take(&mut self.events);
        events.into_iter().filter(|event| event.text.contains("endpoint")).collect()
    }
}

/// Returns an answer with this status code, as `http` reads it.
fn status(code: u16) -> Said {
    refusal(code, "")
}

fn refusal(code: u16, body: &str) -> Said {
    Err(match code {
        401 => RemoteError::Unauthorized,
        404 => RemoteError::NotFound,
        429 => RemoteError::RateLimited { retry_at: None },
        500..=599 => RemoteError::Unavailable { status: code },
        _ => RemoteError::Rejected { status: code, excerpt: body.to_owned() },
    })
}

fn ids(numbers: impl IntoIterator<Item = i64>) -> BTreeSet<RemoteId> {
    numbers.into_iter().map(RemoteId).collect()
}

/// The answer of a path.
type Answers = fn(&Seen) -> Value;

/// Returns a remote that has only these paths, and answers 404 to all others.
fn having(paths: &'static [(&'static str, Answers)]) -> Remote {
    Remote::answering(|seen| {
        let known = paths.iter().find(|(line, _)| seen.line().starts_with(line));
        known.map_or_else(|| status(404), |(_, answer)| Ok(answer(seen)))
    })
}

fn all_succeed(seen: &Seen) -> Value {
    let asked: Value = serde_json::from_str(&seen.body).unwrap();
    json!({"success": asked["campaign_ids"], "failed": [], "total": 1})
}
