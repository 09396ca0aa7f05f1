//! Requests on their way: each needs a token, then passes the scheduler, and is counted for the next process before it leaves. One
//! whose token was refused is sent once more, with another.
//!
//! Deliberately absent: what a request is for (the files beside this one), and HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::tokens::{Needed, Token, Tokens};
use super::{Limits, Now, Output, Purpose, Requester};
use crate::domain::read_priority::Urgency;
use crate::trafficstar::budget::{Budget, RequestId};
use crate::trafficstar::call::{Answer, Call};
use crate::trafficstar::circuit::Ended;
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::reservation::Reservations;
use crate::trafficstar::scheduler::{Asking, NotAdmitted, RequestScheduler};

/// A request that leaves.
#[derive(Debug)]
pub struct Departure {
    /// Its name, for the answer.
    pub request_id: RequestId,
    /// What is sent.
    pub call: Call,
    /// What it carries; none where it asks for a token.
    pub token: Option<Arc<Token>>,
    /// Its class.
    pub urgency: Urgency,
    /// How long it waited for its turn.
    pub waited: Duration,
}

/// How a request ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) purpose: Purpose,
    /// When it left, if it did, by the steady clock.
    pub(super) sent_at: Option<DateTime<Utc>>,
    pub(super) result: Result<Answer, RemoteError>,
}

/// A request that has not come to the scheduler.
#[derive(Debug)]
struct Unsent {
    asking: Asking,
    call: Call,
    purpose: Purpose,
    /// Its token was refused once.
    again: bool,
}

/// A request that waits at the scheduler, or has left.
#[derive(Debug)]
struct Queued {
    request: Unsent,
    token: Option<Arc<Token>>,
    asked_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
pub(super) struct Requests {
    scheduler: RequestScheduler,
    tokens: Tokens,
    reservations: Reservations,
    without_token: Vec<Unsent>,
    queued_requests: BTreeMap<RequestId, Queued>,
    /// When each becomes too old to leave, by the steady clock.
    too_late: BTreeSet<(DateTime<Utc>, RequestId)>,
    last_request_id: u64,
    ended: Vec<Ending>,
    /// A request has come to the scheduler since this was last asked.
    has_asked: bool,
    /// It was told that the API key is refused.
    is_key_refused: bool,
    outputs: Vec<Output>,
}

impl Requests {
    pub(super) fn new(budget: Budget, limits: &Limits) -> Self {
        Self {
            scheduler: RequestScheduler::new(budget, limits.tick),
            tokens: Tokens::new(limits.token_rest),
            reservations: Reservations::new(limits.requests_per_minute),
            ..Self::default()
        }
    }

    pub(super) const fn set_tick(&mut self, tick: Duration) {
        self.scheduler.set_tick(tick);
    }

    pub(super) const fn scheduler(&self) -> &RequestScheduler {
        &self.scheduler
    }

    pub(super) const fn gate_mut(&mut self) -> &mut RequestScheduler {
        &mut self.scheduler
    }

    pub(super) fn token_expires_at(&self) -> Option<DateTime<Utc>> {
        self.tokens.expires_at()
    }

    /// A request wants to leave. It ends in [`Requests::take_ended`].
    pub(super) fn ask(&mut self, now: Now, asking: Asking, call: Call, purpose: Purpose) {
        self.send(now, Unsent { asking, call, purpose, again: false });
    }

    /// What those requests are for that have not left, in the order in which they leave as things stand.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Purpose> {
        let queued_requests = self.scheduler.waiting().filter_map(|request_id| self.queued_requests.get(&request_id));
        queued_requests.map(|waiting| &waiting.request).chain(&self.without_token).map(|request| &request.purpose)
    }

    /// The requests that have ended since this was last asked.
    pub(super) fn take_ended(&mut self) -> Vec<Ending> {
        std::mem::take(&mut self.ended)
    }

    pub(super) const fn has_asked(&mut self) -> bool {
        std::mem::replace(&mut self.has_asked, false)
    }

    /// A request that left has ended.
    pub(super) fn answered(&mut self, now: Now, request_id: RequestId, result: Result<Answer, RemoteError>) {
        let Some(Queued { request, token, sent_at, .. }) = self.queued_requests.remove(&request_id) else { return };
        if let Err(RemoteError::RateLimited { retry_at }) = &result {
            let retry_after = retry_at.map(|at| at.signed_duration_since(now.wall));
            let until = self.scheduler.rate_limited(now.steady, retry_after);
            self.outputs.push(Output::Silence(until));
        }
        let ended = result.as_ref().err().map_or(Ended::Answered, RemoteError::ended);
        self.scheduler.answered(now.steady, request_id, ended);
        match (request.purpose, result, token) {
            (Purpose::Token, result, _) => self.token_came(now, result),
            (purpose, Err(RemoteError::Unauthorized), Some(refused)) if !request.again => {
                self.tokens.forget(&refused);
                self.send(now, Unsent { purpose, again: true, ..request });
            }
            (purpose, result, _) => self.ended.push(Ending { purpose, sent_at, result }),
        }
    }

    /// The database has counted a reservation, or has not.
    pub(super) fn reserved(&mut self, now: Now, number: u64, is_durable: bool) {
        self.reservations.answered(now.steady, number, is_durable);
    }

    /// Looks at the time.
    pub(super) fn wake(&mut self, now: Now) {
        self.reservations.wake(now.steady);
        while let Some((at, request_id)) = self.too_late.first().copied().filter(|(at, _)| *at <= now.steady) {
            self.too_late.remove(&(at, request_id));
            let waits = self.queued_requests.get(&request_id).is_some_and(|waiting| waiting.sent_at.is_none());
            if waits {
                self.scheduler.give_up(now.steady, request_id);
                self.refuse(request_id, NotAdmitted::TooLate);
            }
        }
    }

    /// Sends what circuits, budget and count allow.
    pub(super) fn admit(&mut self, now: Now, outputs: &mut Vec<Output>) {
        if self.tokens.begins(now) {
            let fetch = Unsent { asking: Asking::token(), call: Call::Token, purpose: Purpose::Token, again: false };
            self.ask_gate(now, fetch, None);
        }
        let most = self.reservations.left(now.steady);
        let admitted = self.scheduler.admit(now.steady, most);
        for (request_id, reason) in self.scheduler.take_refused() {
            self.refuse(request_id, reason);
        }
        outputs.append(&mut self.outputs);
        self.reservations.take(admitted.len());
        for request_id in admitted {
            let Some(leaving) = self.queued_requests.get_mut(&request_id) else { continue };
            leaving.sent_at = Some(now.steady);
            let waited = now.steady.signed_duration_since(leaving.asked_at);
            let (call, token) = (leaving.request.call.clone(), leaving.token.clone());
            outputs.push(Output::Send(Departure {
                request_id,
                call,
                token,
                urgency: leaving.request.asking.urgency,
                waited,
            }));
        }
        // What is gathered leaves in a moment, as far as there are slots.
        let budget = self.scheduler.budget();
        let needed = budget.may_leave(now.steady) + self.scheduler.gathered().min(budget.free(now.steady));
        outputs.extend(self.reservations.ask(now.wall, now.steady, needed).map(Output::Reserve));
    }

    /// When to look at the time again.
    pub(super) fn wakes_at(&mut self, now: Now) -> Option<DateTime<Utc>> {
        let admission = self.scheduler.next_admission_at(now.steady);
        // A request that could leave already waits for the count alone, whose own time is below.
        let admission = admission.filter(|at| *at > now.steady || self.reservations.left(now.steady) > 0);
        let too_late = self.too_late.first().map(|(at, _)| *at);
        [admission, self.reservations.wakes_at(), self.tokens.wakes_at(), too_late].into_iter().flatten().min()
    }

    /// With a token; where there is none, it waits for one.
    fn send(&mut self, now: Now, request: Unsent) {
        match self.tokens.need(now, request.asking.urgency) {
            Needed::Token(token) => self.ask_gate(now, request, Some(token)),
            Needed::Failed(error) => self.end(request, Err(error)),
            Needed::Wait => {
                self.has_asked = true;
                self.without_token.push(request);
            }
        }
    }

    /// Has a token ready before anybody needs one, so that a key that is no good is told at once.
    pub(super) fn fetch_token(&mut self, now: Now) {
        // A request that needs it later waits for this fetch.
        let _ = self.tokens.need(now, Urgency::Read);
    }

    /// A key that is refused guards nothing until somebody replaces it. Any other failure is noted with those who wait.
    fn tell_of_token(&mut self, came: &Result<Arc<Token>, RemoteError>) {
        let is_refused = matches!(came, Err(RemoteError::BadApiKey));
        if is_refused && !self.is_key_refused {
            tracing::error!(
                "TrafficStars refuses the API key, and no campaign is guarded: put the key of your TrafficStars profile page \
                 into [trafficstar] api_key_file, or into TRAFFICSTAR_API_KEY, and restart"
            );
        } else if let Err(error) = came
            && !is_refused
            && self.without_token.is_empty()
        {
            tracing::warn!(reason = error.in_full(), "TrafficStars cannot be asked yet");
        }
        self.is_key_refused = is_refused || (self.is_key_refused && came.is_err());
    }

    fn token_came(&mut self, now: Now, result: Result<Answer, RemoteError>) {
        let came = self.tokens.came(now, result.and_then(Answer::into_token));
        self.tell_of_token(&came);
        for request in std::mem::take(&mut self.without_token) {
            match &came {
                Ok(token) => self.ask_gate(now, request, Some(Arc::clone(token))),
                Err(error) => self.end(request, Err(error.clone())),
            }
        }
    }

    fn ask_gate(&mut self, now: Now, request: Unsent, token: Option<Arc<Token>>) {
        self.last_request_id += 1;
        self.has_asked = true;
        let request_id = RequestId(self.last_request_id);
        let Unsent { asking, call, purpose, .. } = &request;
        let (asking, call, requesters) = (*asking, call.clone(), purpose.carries_out());
        self.outputs.push(Output::Waits { request_id, urgency: asking.urgency, call, requesters });
        self.queued_requests.insert(request_id, Queued { request, token, asked_at: now.steady, sent_at: None });
        if let Some(leave_by) = asking.leave_by {
            let patience = leave_by.signed_duration_since(now.wall);
            if patience < Duration::zero() {
                self.refuse(request_id, NotAdmitted::TooLate);
                return;
            }
            self.too_late.insert((now.steady + patience, request_id));
        }
        self.scheduler.ask(now.steady, request_id, asking);
    }

    fn refuse(&mut self, request_id: RequestId, reason: NotAdmitted) {
        if let Some(Queued { request, .. }) = self.queued_requests.remove(&request_id) {
            self.outputs.push(Output::GivenUp(request_id));
            self.end(request, Err(reason.into()));
        }
    }

    fn end(&mut self, request: Unsent, result: Result<Answer, RemoteError>) {
        self.ended.push(Ending { purpose: request.purpose, sent_at: None, result });
    }
}

impl Purpose {
    /// The requesters whose changes it carries out.
    fn carries_out(&self) -> Vec<Requester> {
        match self {
            Self::EndTime(job) => vec![job.requester],
            Self::Switch(job) => job.requesters.clone(),
            Self::Token | Self::Status(_) | Self::Spend(_) | Self::Account(_) => Vec::new(),
        }
    }
}
