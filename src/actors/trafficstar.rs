//! The one client actor of a TrafficStars account. It owns a mailbox and a timer around [`Client`], which decides the
//! requests that are sent and the answers that callers get.
//!
//! Deliberately absent: every rule (`trafficstar::client`), the requests themselves (`trafficstar::http`), and retries
//! (the next tick is the retry).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::answers::send_reply;
use super::database::ReserveRequests;
use super::progress::{CheckProgress, OpenWork, Stalled};
use crate::board::Board;
use crate::clock::Clock;
use crate::domain::action::Outcome;
use crate::domain::failure::{RemoteFault, SourceFailure};
use crate::domain::ids::RemoteId;
use crate::domain::read_priority::{ReadQuestion, Urgency};
use crate::domain::remote::RemoteCampaign;
use crate::domain::spend::SpendReading;
use crate::domain::status::RemoteClientStatus;
use crate::trafficstar::client::{Account, Change, Client, Departure, Limits, Now, Output, Requester};
use crate::trafficstar::http::HttpClient;
use crate::trafficstar::reservation::Reservation;

/// The answer to callers whose request was open when the actor panicked.
const DIED: &str = "the TrafficStar client failed during this request";

/// A request ends at its time-out. One that lasts this much longer will never end.
const MORE_THAN_THE_TIMEOUT: Duration = Duration::from_mins(1);
/// A reservation that takes longer has failed. The database's operations have time-outs, but a disk that hangs has none.
const RESERVED_WITHIN: Duration = Duration::from_secs(30);

/// Changes the length of a tick, and with it the points of the grid.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct SetTick(pub chrono::Duration);

/// Reads one campaign's status from TrafficStars. The request leaves after this message: no cached value is returned.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<RemoteCampaign, RemoteFault>")]
pub struct ReadStatus(pub ReadQuestion);

/// Reads one campaign's spend from the reports, for the UTC day on which the report is asked for.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "SpendReading")]
pub struct ReadSpend {
    /// The campaign's id at TrafficStars.
    pub remote: RemoteId,
    /// The urgency of the read.
    pub urgency: Urgency,
    /// The time (UTC) when the tick began. A report that was requested since then may be used.
    pub since: chrono::DateTime<chrono::Utc>,
}

/// Reads the list of all campaigns of the account; `Err` holds the reason for which that failed.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Account, String>")]
pub struct ReadAccount;

/// Changes one campaign at TrafficStars.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Outcome")]
pub struct MakeChange(pub Change);

/// Makes the client go on after all messages that came before. Otherwise it would go on after each of thousands of
/// messages at a tick.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
struct GoOn;

/// The reply slot of a request, by the kind of its answer.
#[derive(Debug)]
enum Reply {
    Status(oneshot::Sender<Result<RemoteCampaign, RemoteFault>>),
    Spend(oneshot::Sender<SpendReading>),
    Account(oneshot::Sender<Result<Account, String>>),
    Outcome(oneshot::Sender<Outcome>),
}

/// The TrafficStar client actor.
#[derive(Debug)]
pub struct TrafficStarActor {
    client: Client,
    http: Arc<HttpClient>,
    reserve: Recipient<ReserveRequests>,
    replies: BTreeMap<Requester, Reply>,
    timer: Option<(SpawnHandle, chrono::DateTime<chrono::Utc>)>,
    /// The requests that have begun and not ended.
    work: OpenWork,
    /// The longest time that a request takes: more than its time-out.
    longest_request: Duration,
    /// Whether [`GoOn`] is in the mailbox.
    goes_on: bool,
    board: Board,
    clock: Clock,
    started_at: chrono::DateTime<chrono::Utc>,
    started: Instant,
}

impl TrafficStarActor {
    /// Returns an actor that has sent nothing yet.
    #[must_use]
    pub fn new(
        http: HttpClient,
        limits: &Limits,
        reserve: Recipient<ReserveRequests>,
        board: Board,
        clock: Clock,
    ) -> Self {
        let started_at = clock.now();
        let now = Now { wall: started_at, steady: started_at };
        Self {
            client: Client::new(now, limits),
            http: Arc::new(http),
            reserve,
            replies: BTreeMap::new(),
            timer: None,
            work: OpenWork::default(),
            longest_request: limits.timeout + MORE_THAN_THE_TIMEOUT,
            goes_on: false,
            board,
            clock,
            started_at,
            started: Instant::now(),
        }
    }

    fn now(&self) -> Now {
        Now { wall: self.clock.now(), steady: self.started_at + self.started.elapsed() }
    }

    fn go_on(&mut self, ctx: &mut Context<Self>) {
        self.client.go_on(self.now());
        for output in self.client.take_outputs() {
            self.carry_out(ctx, output);
        }
        self.arm(ctx);
        self.publish();
    }

    fn go_on_soon(&mut self, ctx: &Context<Self>) {
        if !std::mem::replace(&mut self.goes_on, true) {
            ctx.address().do_send(GoOn);
        }
    }

    /// Sets the timer to the time at which the client wants to be woken.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let now = self.now();
        let wakes_at = self.client.wakes_at(now);
        if self.timer.as_ref().map(|(_, at)| *at) == wakes_at {
            return;
        }
        if let Some((timer, _)) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.timer = wakes_at.map(|at| {
            let wait = at.signed_duration_since(now.steady).to_std().unwrap_or_default();
            let timer = ctx.run_later(wait, |actor, ctx| {
                actor.timer = None;
                actor.go_on(ctx);
            });
            (timer, at)
        });
    }

    fn carry_out(&mut self, ctx: &mut Context<Self>, output: Output) {
        match output {
            Output::Send(departure) => self.send(ctx, departure),
            Output::Reserve(reservation) => self.reserve(ctx, reservation),
            Output::Status(requester, _, status) => {
                if let Some(Reply::Status(reply)) = self.replies.remove(&requester) {
                    send_reply(reply, *status);
                }
            }
            Output::Spend(requester, spend) => {
                if let Some(Reply::Spend(reply)) = self.replies.remove(&requester) {
                    send_reply(reply, spend);
                }
            }
            Output::Account(requester, account) => {
                if let Some(Reply::Account(reply)) = self.replies.remove(&requester) {
                    send_reply(reply, account);
                }
            }
            Output::Changed(requester, outcome) => {
                if let Some(Reply::Outcome(reply)) = self.replies.remove(&requester) {
                    send_reply(reply, outcome);
                }
            }
            Output::Failed => self.board.metrics().trafficstar_failed(),
            Output::Event(event) => self.board.publish_event(event),
            Output::Sign(sign) => self.board.publish_sign(self.clock.now(), sign),
            Output::Waits { request_id, urgency, call, .. } => {
                tracing::trace!(
                    request_id = request_id.0,
                    class = urgency.as_str(),
                    ?call,
                    "a request waits in the queue"
                );
            }
            Output::GivenUp(request_id) => tracing::trace!(request_id = request_id.0, "a request is cancelled"),
            Output::RateLimited(until) => {
                tracing::debug!(%until, "TrafficStars answered 429: no request is sent until then")
            }
        }
    }

    fn send(&self, ctx: &mut Context<Self>, departure: Departure) {
        let Departure { request_id, call, token, urgency, waited } = departure;
        let (http, left) = (Arc::clone(&self.http), Instant::now());
        self.board.metrics().request_sent(urgency.as_str());
        let begun = self.work.begin("a request to TrafficStars", self.longest_request);
        let exchange = async move {
            let _begun = begun;
            http.exchange(&call, token.as_ref().map(|token| &token.text)).await
        };
        ctx.spawn(exchange.into_actor(self).map(move |answer, actor, ctx| {
            let word = answer.as_ref().err().map_or_else(|| "200".into(), |error| error.answer_word().word());
            let waited = waited.to_std().unwrap_or_default();
            actor.board.metrics().request_ended(urgency.as_str(), word, waited, left.elapsed());
            actor.client.answered(actor.now(), request_id, answer);
            actor.go_on(ctx);
        }));
    }

    fn reserve(&self, ctx: &mut Context<Self>, reservation: Reservation) {
        let number = reservation.number;
        let reserved = tokio::time::timeout(RESERVED_WITHIN, self.reserve.send(ReserveRequests(reservation)));
        ctx.spawn(reserved.into_actor(self).map(move |reserved, actor, ctx| {
            // The database actor reports a failure itself.
            actor.client.reserved(actor.now(), number, matches!(reserved, Ok(Ok(Ok(())))));
            actor.go_on(ctx);
        }));
    }

    fn publish(&self) {
        let status = RemoteClientStatus {
            clock_ahead_seconds: self.http.seen_clock().difference().map(|clock| clock.0.num_seconds()),
            ..self.client.status(self.now())
        };
        self.board.publish_trafficstar(self.clock.now(), status, self.client.reads_failing().cloned());
    }
}

impl Actor for TrafficStarActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.client.fetch_token(self.now());
        self.go_on(ctx);
    }
}

impl Handler<CheckProgress> for TrafficStarActor {
    type Result = Result<(), Stalled>;

    fn handle(&mut self, CheckProgress: CheckProgress, _: &mut Self::Context) -> Self::Result {
        self.work.check()
    }
}

impl Handler<GoOn> for TrafficStarActor {
    type Result = ();

    fn handle(&mut self, GoOn: GoOn, ctx: &mut Self::Context) {
        self.goes_on = false;
        self.go_on(ctx);
    }
}

impl Handler<SetTick> for TrafficStarActor {
    type Result = ();

    fn handle(&mut self, SetTick(tick): SetTick, _: &mut Self::Context) {
        self.client.set_tick(tick);
    }
}

impl Handler<ReadStatus> for TrafficStarActor {
    type Result = ResponseFuture<Result<RemoteCampaign, RemoteFault>>;

    fn handle(&mut self, ReadStatus(question): ReadStatus, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        let requester = self.client.read_status(self.now(), question);
        self.replies.insert(requester, Reply::Status(reply));
        self.go_on_soon(ctx);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(RemoteFault::Failed(DIED.to_owned()))) })
    }
}

impl Handler<ReadSpend> for TrafficStarActor {
    type Result = ResponseFuture<SpendReading>;

    fn handle(&mut self, ReadSpend { remote, urgency, since }: ReadSpend, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        let requester = self.client.read_spend(self.now(), remote, urgency, since);
        self.replies.insert(requester, Reply::Spend(reply));
        self.go_on_soon(ctx);
        Box::pin(async move {
            answer.await.unwrap_or_else(|_| SpendReading::Failed(SourceFailure::Failed(DIED.to_owned())))
        })
    }
}

impl Handler<ReadAccount> for TrafficStarActor {
    type Result = ResponseFuture<Result<Account, String>>;

    fn handle(&mut self, ReadAccount: ReadAccount, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        let requester = self.client.read_account(self.now());
        self.replies.insert(requester, Reply::Account(reply));
        self.go_on_soon(ctx);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(DIED.to_owned())) })
    }
}

impl Handler<MakeChange> for TrafficStarActor {
    type Result = ResponseFuture<Outcome>;

    fn handle(&mut self, MakeChange(change): MakeChange, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        let requester = self.client.change(self.now(), change);
        self.replies.insert(requester, Reply::Outcome(reply));
        self.go_on_soon(ctx);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Outcome::Unclear(DIED.to_owned())) })
    }
}
