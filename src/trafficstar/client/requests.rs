//! The way of each request: it gets a token, waits in the scheduler's queue, and is counted in the database before it
//! leaves. A request whose token was refused is sent once more, with a new token.
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
use crate::trafficstar::scheduler::{NotAdmitted, RequestScheduler, RequestTerms};

/// A request to send now.
#[derive(Debug)]
pub struct Departure {
    /// The request's id, for the answer.
    pub request_id: RequestId,
    /// The call to send.
    pub call: Call,
    /// The access token to send with it; `None` if it fetches a token.
    pub token: Option<Arc<Token>>,
    /// The request's class.
    pub urgency: Urgency,
    /// The time that it waited in the queue.
    pub waited: Duration,
}

/// The end of a request.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) purpose: Purpose,
    /// The time (steady clock) when it left; `None` if it did not leave.
    pub(super) sent_at: Option<DateTime<Utc>>,
    pub(super) result: Result<Answer, RemoteError>,
}

/// A request: what to send, under which terms, and for what purpose.
#[derive(Debug)]
struct Request {
    terms: RequestTerms,
    call: Call,
    purpose: Purpose,
    /// Whether its token was refused once. It is not sent a third time.
    is_second_try: bool,
}

/// A request that waits in the scheduler's queue or is in flight.
#[derive(Debug)]
struct TrackedRequest {
    request: Request,
    token: Option<Arc<Token>>,
    /// The time (steady clock) when it joined the queue.
    queued_at: DateTime<Utc>,
    /// The time (steady clock) when it left; `None` while it waits.
    sent_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
pub(super) struct Requests {
    scheduler: RequestScheduler,
    tokens: Tokens,
    reservations: Reservations,
    /// The requests that wait for a token.
    without_token: Vec<Request>,
    tracked: BTreeMap<RequestId, TrackedRequest>,
    /// For each request, the time (steady clock) when it becomes too old to leave.
    too_late: BTreeSet<(DateTime<Utc>, RequestId)>,
    last_request_id: u64,
    ended: Vec<Ending>,
    /// Whether a request has been queued since the last call of [`Requests::take_has_queued`].
    has_queued: bool,
    /// Whether the refused API key was logged. It is logged once.
    is_key_refused: bool,
    outputs: Vec<Output>,
}

impl Requests {
    pub(super) fn new(budget: Budget, limits: &Limits) -> Self {
        Self {
            scheduler: RequestScheduler::new(budget, limits.tick),
            tokens: Tokens::new(limits.token_backoff),
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

    pub(super) const fn scheduler_mut(&mut self) -> &mut RequestScheduler {
        &mut self.scheduler
    }

    pub(super) fn token_expires_at(&self) -> Option<DateTime<Utc>> {
        self.tokens.expires_at()
    }

    /// Takes a request to send. [`Requests::take_ended`] returns how it ended.
    pub(super) fn ask(&mut self, now: Now, terms: RequestTerms, call: Call, purpose: Purpose) {
        self.send(now, Request { terms, call, purpose, is_second_try: false });
    }

    /// Returns the purposes of the requests that have not left, in the order in which they would leave now.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Purpose> {
        let queued = self.scheduler.waiting().filter_map(|request_id| self.tracked.get(&request_id));
        queued.map(|waiting| &waiting.request).chain(&self.without_token).map(|request| &request.purpose)
    }

    /// Returns the requests that ended since the last call.
    pub(super) fn take_ended(&mut self) -> Vec<Ending> {
        std::mem::take(&mut self.ended)
    }

    /// Whether a request has been queued since the last call.
    pub(super) const fn take_has_queued(&mut self) -> bool {
        std::mem::replace(&mut self.has_queued, false)
    }

    /// Takes the answer to a request that left.
    pub(super) fn answered(&mut self, now: Now, request_id: RequestId, result: Result<Answer, RemoteError>) {
        let Some(TrackedRequest { request, token, sent_at, .. }) = self.tracked.remove(&request_id) else { return };
        if let Err(RemoteError::RateLimited { retry_at }) = &result {
            let retry_after = retry_at.map(|at| at.signed_duration_since(now.wall));
            let until = self.scheduler.rate_limited(now.steady, retry_after);
            self.outputs.push(Output::RateLimited(until));
        }
        let ended = result.as_ref().err().map_or(Ended::Answered, RemoteError::ended);
        self.scheduler.answered(now.steady, request_id, ended);
        match (request.purpose, result, token) {
            (Purpose::Token, result, _) => self.token_came(now, result),
            (purpose, Err(RemoteError::Unauthorized), Some(refused)) if !request.is_second_try => {
                self.tokens.forget(&refused);
                self.send(now, Request { purpose, is_second_try: true, ..request });
            }
            (purpose, result, _) => self.ended.push(Ending { purpose, sent_at, result }),
        }
    }

    /// Notes whether the database has counted a reservation.
    pub(super) fn reserved(&mut self, now: Now, number: u64, is_durable: bool) {
        self.reservations.answered(now.steady, number, is_durable);
    }

    /// Gives up what takes too long: a reservation that is not answered, and requests that are too old to leave.
    pub(super) fn wake(&mut self, now: Now) {
        self.reservations.wake(now.steady);
        while let Some((at, request_id)) = self.too_late.first().copied().filter(|(at, _)| *at <= now.steady) {
            self.too_late.remove(&(at, request_id));
            let waits = self.tracked.get(&request_id).is_some_and(|waiting| waiting.sent_at.is_none());
            if waits {
                self.scheduler.give_up(now.steady, request_id);
                self.refuse(request_id, NotAdmitted::TooLate);
            }
        }
    }

    /// Sends the requests that the circuits, the budget and the count allow.
    pub(super) fn admit(&mut self, now: Now, outputs: &mut Vec<Output>) {
        if self.tokens.begins(now) {
            let (terms, purpose) = (RequestTerms::token(), Purpose::Token);
            self.enqueue(now, Request { terms, call: Call::Token, purpose, is_second_try: false }, None);
        }
        let most = self.reservations.left(now.steady);
        let admitted = self.scheduler.admit(now.steady, most);
        for (request_id, reason) in self.scheduler.take_refused() {
            self.refuse(request_id, reason);
        }
        outputs.append(&mut self.outputs);
        self.reservations.take(admitted.len());
        for request_id in admitted {
            let Some(leaving) = self.tracked.get_mut(&request_id) else { continue };
            leaving.sent_at = Some(now.steady);
            let waited = now.steady.signed_duration_since(leaving.queued_at);
            let (call, token) = (leaving.request.call.clone(), leaving.token.clone());
            outputs.push(Output::Send(Departure {
                request_id,
                call,
                token,
                urgency: leaving.request.terms.urgency,
                waited,
            }));
        }
        // Gathered end times leave in a moment, as far as slots are free. They are counted now.
        let budget = self.scheduler.budget();
        let needed = budget.may_leave(now.steady) + self.scheduler.gathered().min(budget.free(now.steady));
        outputs.extend(self.reservations.ask(now.wall, now.steady, needed).map(Output::Reserve));
    }

    /// Returns when the client has to be woken next for its requests.
    pub(super) fn wakes_at(&mut self, now: Now) -> Option<DateTime<Utc>> {
        let admission = self.scheduler.next_admission_at(now.steady);
        // A request that could leave now waits only for its reservation, which wakes the client by itself.
        let admission = admission.filter(|at| *at > now.steady || self.reservations.left(now.steady) > 0);
        let too_late = self.too_late.first().map(|(at, _)| *at);
        [admission, self.reservations.wakes_at(), self.tokens.wakes_at(), too_late].into_iter().flatten().min()
    }

    /// Queues a request with a token. Without a token the request waits for one.
    fn send(&mut self, now: Now, request: Request) {
        match self.tokens.need(now, request.terms.urgency) {
            Needed::Token(token) => self.enqueue(now, request, Some(token)),
            Needed::Failed(error) => self.end(request, Err(error)),
            Needed::Wait => {
                self.has_queued = true;
                self.without_token.push(request);
            }
        }
    }

    /// Fetches a token before a request needs one, so that a bad API key is logged at once.
    pub(super) fn fetch_token(&mut self, now: Now) {
        // A later request that needs the token waits for this fetch.
        let _ = self.tokens.need(now, Urgency::Read);
    }

    /// Logs a failed fetch of a token. With a refused key no campaign is guarded until the operator replaces the key.
    /// Any other failure is noted with the requests that wait for the token; it is logged here only if none waits.
    fn log_token_failure(&mut self, came: &Result<Arc<Token>, RemoteError>) {
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
            tracing::warn!(reason = error.in_full(), "no request can be sent to TrafficStars yet");
        }
        self.is_key_refused = is_refused || (self.is_key_refused && came.is_err());
    }

    fn token_came(&mut self, now: Now, result: Result<Answer, RemoteError>) {
        let came = self.tokens.came(now, result.and_then(Answer::into_token));
        self.log_token_failure(&came);
        for request in std::mem::take(&mut self.without_token) {
            match &came {
                Ok(token) => self.enqueue(now, request, Some(Arc::clone(token))),
                Err(error) => self.end(request, Err(error.clone())),
            }
        }
    }

    fn enqueue(&mut self, now: Now, request: Request, token: Option<Arc<Token>>) {
        self.last_request_id += 1;
        self.has_queued = true;
        let request_id = RequestId(self.last_request_id);
        let Request { terms, call, purpose, .. } = &request;
        let (terms, call, requesters) = (*terms, call.clone(), purpose.carries_out());
        self.outputs.push(Output::Waits { request_id, urgency: terms.urgency, call, requesters });
        self.tracked.insert(request_id, TrackedRequest { request, token, queued_at: now.steady, sent_at: None });
        if let Some(leave_by) = terms.leave_by {
            let patience = leave_by.signed_duration_since(now.wall);
            if patience < Duration::zero() {
                self.refuse(request_id, NotAdmitted::TooLate);
                return;
            }
            self.too_late.insert((now.steady + patience, request_id));
        }
        self.scheduler.ask(now.steady, request_id, terms);
    }

    fn refuse(&mut self, request_id: RequestId, reason: NotAdmitted) {
        if let Some(TrackedRequest { request, .. }) = self.tracked.remove(&request_id) {
            self.outputs.push(Output::GivenUp(request_id));
            self.end(request, Err(reason.into()));
        }
    }

    fn end(&mut self, request: Request, result: Result<Answer, RemoteError>) {
        self.ended.push(Ending { purpose: request.purpose, sent_at: None, result });
    }
}

impl Purpose {
    /// Returns the requesters whose changes the request carries out.
    fn carries_out(&self) -> Vec<Requester> {
        match self {
            Self::Edit(job) => vec![job.requester],
            Self::Switch(job) => job.requesters.clone(),
            Self::Token | Self::Status(_) | Self::Spend(_) | Self::Account(_) => Vec::new(),
        }
    }
}
