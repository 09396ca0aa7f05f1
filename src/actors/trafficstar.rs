//! The one client actor of a TrafficStars account: gathers what is asked together, and keeps the gate that every request
//! passes.
//!
//! Reads of statuses are in `statuses`, everything that changes a campaign in `changes`, open circuits in `probes`.
//! Deliberately absent: how many requests may leave (`trafficstar::budget`), what becomes one request
//! (`trafficstar::batch`), which operation is left alone (`trafficstar::circuit`), the requests themselves
//! (`trafficstar::endpoints`), and retries: the next tick is the retry.

mod changes;
mod probes;
mod round;
mod spends;
mod statuses;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use chrono::{DateTime, Utc};
use futures_util::stream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

pub use self::changes::{Change, ChangeKind};
use self::round::Round;
pub use self::spends::ReadSpend;
use self::spends::Spends;
pub use self::statuses::ReadStatus;
use self::statuses::Statuses;
use super::database::CountRequests;
use crate::board::Board;
use crate::clock::Clock;
use crate::domain::action::Outcome;
use crate::domain::another_guard::Sign;
use crate::domain::health::ReadFailure;
use crate::domain::ids::RemoteId;
use crate::domain::live::{LiveEvent, Part};
use crate::domain::repeats::Repeats;
use crate::domain::status::RemoteClientStatus;
use crate::store::RequestsSent;
use crate::trafficstar::budget::{Budget, WINDOW};
use crate::trafficstar::circuit::Operation;
use crate::trafficstar::gate::{GateMessage, Gatekeeper};
use crate::trafficstar::http::RemoteClient;

/// Whoever asks within this time is served together. All who tick at one point of the grid do.
const MOMENT: Duration = Duration::from_millis(50);
/// So many messages of the gate are heard before it is opened.
const MOST_HEARD_AT_ONCE: usize = 1_000;
/// A count that is not durable by then lets the requests go all the same: a pause waits for no database.
const COUNT_WITHIN: Duration = Duration::from_millis(100);

/// The grid has other points from now on.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct SetTick(pub chrono::Duration);

/// What bounds the requests.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `[trafficstar] requests_per_minute`.
    pub requests_per_minute: u32,
    /// `[trafficstar] timeout`.
    pub timeout: Duration,
    /// `[generator] tick`.
    pub tick: chrono::Duration,
    /// What earlier processes sent within the last [`Limits::counts_for`].
    pub sent: Vec<RequestsSent>,
}

impl Limits {
    /// For how long a request counts that was sent by another process: until a window after its answer or time-out.
    #[must_use]
    pub fn counts_for(timeout: Duration) -> chrono::Duration {
        WINDOW + chrono::Duration::from_std(timeout).unwrap_or(WINDOW)
    }

    /// A budget of them, in which what was sent holds its slots.
    #[must_use]
    pub fn budget(&self, now: DateTime<Utc>) -> Budget {
        let mut budget = Budget::new(self.requests_per_minute);
        let counts_for = Self::counts_for(self.timeout);
        for sent in &self.sent {
            // Not from the future: the clock may have been set back.
            let free_at = sent.by.min(now) + counts_for;
            for _ in (0..sent.requests).take_while(|_| free_at > now) {
                budget.remember(free_at);
            }
        }
        budget
    }
}

/// The actor.
#[derive(Debug)]
pub struct TrafficStarActor {
    client: Arc<RemoteClient>,
    keeper: Gatekeeper,
    messages: Option<UnboundedReceiver<GateMessage>>,
    gate_timer: Option<SpawnHandle>,
    count_requests: Recipient<CountRequests>,
    /// A count is under way.
    counting: bool,
    /// So many left without being counted, since the database was away: the next count has them, too.
    uncounted: u64,
    requests_per_minute: u32,
    tick: chrono::Duration,
    statuses: Statuses,
    spends: Spends,
    pauses: Round<Outcome>,
    runs: Round<Outcome>,
    /// Activations whose turn did not come, until they are asked for again or forgotten.
    postponed: BTreeMap<RemoteId, DateTime<Utc>>,
    /// When a probe of our own may be sent again, by operation.
    probed_until: BTreeMap<Operation, DateTime<Utc>>,
    last_error: Option<String>,
    /// What has failed since all went well.
    repeats: Repeats,
    /// The reads of statuses, which every tick needs.
    reads_failing: Option<ReadFailure>,
    board: Board,
    clock: Clock,
    started_at: DateTime<Utc>,
    started: Instant,
}

impl TrafficStarActor {
    /// An actor that keeps the gate of `client`, whose messages arrive at `messages`.
    #[must_use]
    pub fn new(
        client: RemoteClient,
        messages: UnboundedReceiver<GateMessage>,
        limits: &Limits,
        count_requests: Recipient<CountRequests>,
        board: Board,
        clock: Clock,
    ) -> Self {
        let now = clock.now();
        Self {
            client: Arc::new(client),
            keeper: Gatekeeper::new(limits.budget(now), limits.tick),
            messages: Some(messages),
            gate_timer: None,
            count_requests,
            counting: false,
            uncounted: 0,
            requests_per_minute: limits.requests_per_minute,
            tick: limits.tick,
            statuses: Statuses::new(limits.tick),
            spends: Spends::new(),
            pauses: Round::new(MOMENT),
            runs: Round::new(MOMENT),
            postponed: BTreeMap::new(),
            probed_until: BTreeMap::new(),
            last_error: None,
            repeats: Repeats::default(),
            reads_failing: None,
            board,
            clock,
            started_at: now,
            started: Instant::now(),
        }
    }

    /// The time by which the budget counts: it never steps, whatever becomes of the wall clock.
    fn gate_time(&self) -> DateTime<Utc> {
        self.started_at + self.started.elapsed()
    }

    /// Lets everybody leave whom circuits and budget let, and comes back when they let more.
    fn open_gate(&mut self, ctx: &mut Context<Self>) {
        self.let_go(ctx);
        self.forget_postponed();
        for news in self.keeper.take_circuit_news() {
            self.tell_of_circuit(news);
        }
        self.plan_further_reads(ctx);
        self.probe_what_is_due(ctx);
        self.arm_gate(ctx);
        self.publish();
    }

    fn arm_gate(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.gate_timer.take() {
            ctx.cancel_future(timer);
        }
        let now = self.gate_time();
        let room_at = if self.statuses.waits_for_room() { self.keeper.budget_mut().next_free_at(now) } else { None };
        let next = [self.keeper.next_grant_at(now), self.next_probe_at(), room_at].into_iter().flatten().min();
        if let Some(at) = next {
            let wait = at.signed_duration_since(now).to_std().unwrap_or_default();
            self.gate_timer = Some(ctx.run_later(wait, |actor, ctx| {
                actor.gate_timer = None;
                actor.open_gate(ctx);
            }));
        }
    }

    /// Counts those who hold a slot in the database before they leave, so that a process that starts within a minute of
    /// this one's end knows of them.
    fn let_go(&mut self, ctx: &mut Context<Self>) {
        let now = self.gate_time();
        let granted = self.keeper.grant(now);
        if granted == 0 || self.counting {
            return;
        }
        self.counting = true;
        let count = self.uncounted.saturating_add(granted as u64);
        let counted = tokio::time::timeout(COUNT_WITHIN, self.count_requests.send(CountRequests(count)));
        ctx.spawn(counted.into_actor(self).map(move |counted, actor, ctx| {
            // A count that failed is the database actor's to tell. One that comes late counts twice, which is safe.
            let durable = matches!(counted, Ok(Ok(Ok(()))));
            actor.uncounted = if durable { 0 } else { count };
            actor.counting = false;
            actor.admit(granted);
            actor.open_gate(ctx);
        }));
    }

    fn admit(&mut self, requests: usize) {
        for (_, urgency) in self.keeper.let_go(self.gate_time(), requests) {
            self.board.metrics().request_sent(urgency.as_str());
        }
    }

    /// Remembers how an operation ended: the last failure is shown until one succeeds.
    fn note(&mut self, failure: Option<String>) {
        if let Some(reason) = &failure
            && let Some(times) = self.repeats.heed(self.clock.now(), reason)
        {
            tracing::warn!(reason, times, "a request to TrafficStars failed");
        }
        let news = match (&self.last_error, &failure) {
            (None, Some(reason)) => Some(LiveEvent::error(self.clock.now(), Part::TrafficStar, reason)),
            (Some(_), None) => Some(LiveEvent::recovery(self.clock.now(), Part::TrafficStar)),
            (None, None) | (Some(_), Some(_)) => None,
        };
        if failure.is_some() {
            self.board.metrics().trafficstar_failed();
        } else {
            self.repeats.clear();
        }
        self.last_error = failure;
        self.publish();
        if let Some(news) = news {
            self.board.tell(news);
        }
    }

    /// A 429 where this program has sent fewer requests than it may: another program sends requests for the account, too.
    /// The requests that were under way beside that one are answered with 429 as well, and say nothing more.
    fn note_rate_limited(&self, now: DateTime<Utc>) {
        let (sent, limit) = (self.keeper.budget().used(now), self.requests_per_minute);
        let is_first = self.keeper.budget().blocked_until(now).is_none();
        if is_first && sent < usize::try_from(limit).unwrap_or(usize::MAX) {
            self.board.publish_sign(self.clock.now(), Sign::RateLimited { sent, limit });
        }
    }

    /// Other requests may succeed meanwhile; without statuses nobody is guarded.
    fn note_reads(&mut self, failure: Option<&str>) {
        let since = self.reads_failing.as_ref().map_or_else(|| self.clock.now(), |failing| failing.since);
        self.reads_failing = failure.map(|reason| ReadFailure { since, reason: reason.to_owned() });
    }

    fn publish(&self) {
        let now = self.gate_time();
        let (budget, circuits) = (self.keeper.budget(), self.keeper.circuits().status());
        let open = circuits.iter().any(|circuit| circuit.since.is_some());
        let reading = self.statuses.status();
        let reads_of_all = usize::try_from(reading.requests).unwrap_or(usize::MAX);
        let more = self.postponed.len() + self.keeper.held_back();
        let running_again_by = budget.activations_done_at(now, more, reads_of_all);
        let status = RemoteClientStatus {
            circuit: if open { "open" } else { "closed" }.to_owned(),
            circuits,
            reading,
            running_again_by: running_again_by.filter(|at| *at > now),
            token_expires_at: self.client.token_expires_at(),
            queue: budget.queue_lengths(),
            requests_last_minute: budget.used(now) as u64,
            requests_per_minute: self.requests_per_minute,
            blocked_until: budget.blocked_until(now),
            last_error: self.last_error.clone(),
            endpoints: self.client.endpoints(),
            clock_ahead_seconds: self.client.seen_clock().difference().map(|clock| clock.0.num_seconds()),
        };
        self.board.publish_trafficstar(self.clock.now(), status, self.reads_failing.clone());
        self.client.take_endpoint_news().into_iter().for_each(|news| self.board.tell(news));
    }

    /// Serves a round when it is due.
    fn serve_later(ctx: &mut Context<Self>, wait: Option<Duration>, serve: fn(&mut Self, &mut Context<Self>)) {
        if let Some(wait) = wait {
            ctx.run_later(wait, serve);
        }
    }
}

impl Actor for TrafficStarActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(messages) = self.messages.take() {
            ctx.add_stream(stream::unfold(messages, async |mut messages| {
                let mut heard = Vec::new();
                let count = messages.recv_many(&mut heard, MOST_HEARD_AT_ONCE).await;
                (count > 0).then_some((heard, messages))
            }));
        }
        self.publish();
    }
}

/// All that has come at once is heard before the gate is opened: at a tick of thousands it would be opened for each.
impl StreamHandler<Vec<GateMessage>> for TrafficStarActor {
    fn handle(&mut self, messages: Vec<GateMessage>, ctx: &mut Self::Context) {
        let now = self.gate_time();
        for message in messages {
            if let GateMessage::Answered { exchange, .. } = &message {
                let (class, answer) = (exchange.urgency.as_str(), exchange.answer.word());
                self.board.metrics().request_ended(class, answer, exchange.waited, exchange.took);
            }
            if let GateMessage::RateLimited { .. } = &message {
                self.note_rate_limited(now);
            }
            self.keeper.hear(now, message);
        }
        self.open_gate(ctx);
    }
}

impl Handler<SetTick> for TrafficStarActor {
    type Result = ();

    fn handle(&mut self, SetTick(tick): SetTick, _: &mut Self::Context) {
        self.tick = tick;
        self.keeper.set_tick(tick);
        self.statuses.set_tick(tick);
    }
}
