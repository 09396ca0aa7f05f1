//! The one client actor of a TrafficStars account: gathers what is asked together, and keeps the gate that every request
//! passes.
//!
//! Deliberately absent: how many requests may leave (`trafficstar::budget`), what becomes one request
//! (`trafficstar::batch`), the requests themselves (`trafficstar::endpoints`), and retries: the next tick is the retry.

mod round;
mod work;

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use chrono::{DateTime, Utc};
use futures_util::stream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use self::round::{Askers, Round};
use crate::board::Board;
use crate::clock::Clock;
use crate::domain::action::Outcome;
use crate::domain::facts::RemoteId;
use crate::domain::health::ReadFailure;
use crate::domain::live::{LiveEvent, Part};
use crate::domain::remote::{RemoteCampaign, RemoteFault};
use crate::domain::spend::SourceAnswer;
use crate::domain::status::RemoteClientStatus;
use crate::trafficstar::batch::{ListSize, ReadPlan, plan_reads};
use crate::trafficstar::budget::{Budget, Start, Urgency};
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::gate::{GateMessage, Gatekeeper};
use crate::trafficstar::http::RemoteClient;

/// Whoever asks within this time is served together. All who tick at one point of the grid do.
const MOMENT: Duration = Duration::from_millis(50);

/// Reads one campaign's status from TrafficStars. The request leaves after this was asked: no cached value.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<RemoteCampaign, RemoteFault>")]
pub struct ReadStatus {
    /// Which campaign.
    pub remote: RemoteId,
    /// How urgent it is.
    pub urgency: Urgency,
}

/// Reads one campaign's spend from the reports, for the UTC day on which the report is asked for.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "SourceAnswer")]
pub struct ReadSpend {
    /// Which campaign.
    pub remote: RemoteId,
    /// How urgent it is.
    pub urgency: Urgency,
}

/// Changes one campaign at TrafficStars.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Outcome")]
pub struct Change {
    /// Which campaign.
    pub remote: RemoteId,
    /// How.
    pub kind: ChangeKind,
    /// From then on it is too late for it to leave.
    pub valid_until: Option<DateTime<Utc>>,
}

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// The end time is set, then the campaign is run: a fault in between leaves a stopped campaign.
    Activate {
        /// When it stops by itself.
        end_time: DateTime<Utc>,
    },
    /// The campaign is paused.
    Pause,
    /// The end time is set.
    SetEndTime {
        /// When it stops by itself.
        end_time: DateTime<Utc>,
    },
}

/// The actor.
#[derive(Debug)]
pub struct TrafficStarActor {
    client: Arc<RemoteClient>,
    keeper: Gatekeeper,
    messages: Option<UnboundedReceiver<GateMessage>>,
    gate_timer: Option<SpawnHandle>,
    requests_per_minute: u32,
    list: ListSize,
    statuses: Round<Result<RemoteCampaign, RemoteFault>>,
    spends: Round<SourceAnswer>,
    pauses: Round<Outcome>,
    runs: Round<Outcome>,
    last_error: Option<String>,
    /// The reads of statuses, which every tick needs.
    reads_failing: Option<ReadFailure>,
    board: Board,
    clock: Clock,
    started_at: DateTime<Utc>,
    started: Instant,
}

impl TrafficStarActor {
    /// An actor that keeps the gate of `client`, whose messages arrive at `messages`. What an earlier process sent is not
    /// known, so the first minute begins cautiously.
    #[must_use]
    pub fn new(
        client: RemoteClient,
        messages: UnboundedReceiver<GateMessage>,
        requests_per_minute: u32,
        board: Board,
        clock: Clock,
    ) -> Self {
        let now = clock.now();
        Self {
            client: Arc::new(client),
            keeper: Gatekeeper::new(Budget::new(requests_per_minute, Start::Cautious(now))),
            messages: Some(messages),
            gate_timer: None,
            requests_per_minute,
            list: ListSize::default(),
            statuses: Round::new(MOMENT),
            spends: Round::new(MOMENT),
            pauses: Round::new(MOMENT),
            runs: Round::new(MOMENT),
            last_error: None,
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

    /// Lets everybody leave whom the budget grants, and comes back when it grants more.
    fn open_gate(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.gate_timer.take() {
            ctx.cancel_future(timer);
        }
        let now = self.gate_time();
        let open_again_at = self.keeper.open(now);
        for (urgency, requests) in self.keeper.take_admitted() {
            self.board.metrics().requests_sent(urgency.as_str(), requests);
        }
        if let Some(at) = open_again_at {
            let wait = at.signed_duration_since(now).to_std().unwrap_or_default();
            self.gate_timer = Some(ctx.run_later(wait, |actor, ctx| {
                actor.gate_timer = None;
                actor.open_gate(ctx);
            }));
        }
        self.publish();
    }

    /// Remembers how an operation ended: the last failure is shown until one succeeds.
    fn note(&mut self, failure: Option<String>) {
        if let Some(reason) = failure.as_deref().filter(|reason| self.last_error.as_deref() != Some(*reason)) {
            tracing::warn!(reason, "a request to TrafficStars failed");
        }
        let news = match (&self.last_error, &failure) {
            (None, Some(reason)) => Some(LiveEvent::error(self.clock.now(), Part::TrafficStar, reason)),
            (Some(_), None) => Some(LiveEvent::recovery(self.clock.now(), Part::TrafficStar)),
            (None, None) | (Some(_), Some(_)) => None,
        };
        if failure.is_some() {
            self.board.metrics().trafficstar_failed();
        }
        self.last_error = failure;
        self.publish();
        if let Some(news) = news {
            self.board.tell(news);
        }
    }

    /// Other requests may succeed meanwhile; without statuses nobody is guarded.
    fn note_reads(&mut self, failure: Option<&str>) {
        let since = self.reads_failing.as_ref().map_or_else(|| self.clock.now(), |failing| failing.since);
        self.reads_failing = failure.map(|reason| ReadFailure { since, reason: reason.to_owned() });
    }

    fn publish(&self) {
        let now = self.gate_time();
        let budget = self.keeper.budget();
        let status = RemoteClientStatus {
            // Nothing ever opens it: what failed is asked again at the next tick, within the budget.
            circuit: "closed".to_owned(),
            token_expires_at: self.client.token_expires_at(),
            queue: budget.queue_lengths(),
            requests_last_minute: budget.used(now) as u64,
            requests_per_minute: self.requests_per_minute,
            blocked_until: budget.blocked_until(now),
            last_error: self.last_error.clone(),
            endpoints: self.client.endpoints(),
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

    fn serve_statuses(&mut self, ctx: &mut Context<Self>) {
        let askers = self.statuses.take(self.clock.now());
        match plan_reads(&askers.ids(), self.list) {
            ReadPlan::Single(_) => self.read_singly(ctx, askers),
            ReadPlan::Sweep { .. } => {
                let sweep = work::sweep(Arc::clone(&self.client), askers.urgency().min(Urgency::Sweep));
                ctx.spawn(sweep.into_actor(self).map(|sweep, actor, ctx| actor.swept(ctx, askers, sweep)));
            }
        }
    }

    fn swept(
        &mut self,
        ctx: &mut Context<Self>,
        askers: Askers<Result<RemoteCampaign, RemoteFault>>,
        sweep: work::Sweep,
    ) {
        let work::Sweep { campaigns, list, failure } = sweep;
        self.list = list;
        let missing = askers.answer_known(|id| campaigns.get(&id).cloned());
        let failure = failure.map(|error| error.in_full());
        self.note_reads(failure.as_deref());
        self.note(failure.clone());
        match failure {
            None => self.read_singly(ctx, missing),
            Some(reason) => missing.answer(|_| Err(RemoteFault::Failed(reason.clone()))),
        }
    }

    /// Reads each campaign by itself. Each is answered as soon as it was read: an urgent one never waits for the others.
    fn read_singly(&mut self, ctx: &mut Context<Self>, askers: Askers<Result<RemoteCampaign, RemoteFault>>) {
        for (id, askers) in askers.by_campaign() {
            let (client, urgency) = (Arc::clone(&self.client), askers.urgency());
            let read = async move { client.campaign(id, urgency).await };
            ctx.spawn(read.into_actor(self).map(|read, actor, _| {
                // A campaign that is not there is no failure of the remote's.
                let failure = read.as_ref().err().filter(|error| error.fault() != RemoteFault::NotFound);
                let failure = failure.map(RemoteError::in_full);
                actor.note_reads(failure.as_deref());
                actor.note(failure);
                let campaign = read.map_err(|error| error.fault());
                askers.answer(|_| campaign.clone());
            }));
        }
    }

    fn serve_spends(&mut self, ctx: &mut Context<Self>) {
        let askers = self.spends.take(self.clock.now());
        let (client, day) = (Arc::clone(&self.client), self.clock.now().date_naive());
        let (ids, urgency) = (askers.ids(), askers.urgency());
        let read = async move { client.spend_report(day, &ids, urgency).await };
        ctx.spawn(read.into_actor(self).map(|spends, actor, _| {
            actor.note(spends.values().find_map(work::failure_of));
            let missing = || SourceAnswer::Failed("the report did not answer for it".to_owned());
            askers.answer(|id| spends.get(&id).cloned().unwrap_or_else(missing));
        }));
    }

    fn serve_pauses(&mut self, ctx: &mut Context<Self>) {
        let askers = self.pauses.take(self.clock.now());
        let (client, ids) = (Arc::clone(&self.client), askers.ids());
        let pause = async move { client.pause(&ids).await };
        ctx.spawn(pause.into_actor(self).map(|outcomes, actor, _| {
            actor.note(outcomes.as_ref().err().map(RemoteError::in_full));
            askers.answer(|id| work::outcome_for(&outcomes, id));
        }));
    }

    fn serve_runs(&mut self, ctx: &mut Context<Self>) {
        let askers = self.runs.take(self.clock.now());
        let (client, ids, leave_by) = (Arc::clone(&self.client), askers.ids(), askers.leave_by());
        let run = async move { client.run(&ids, leave_by).await };
        ctx.spawn(run.into_actor(self).map(|outcomes, actor, _| {
            actor.note(outcomes.as_ref().err().map(RemoteError::in_full));
            askers.answer(|id| work::outcome_for(&outcomes, id));
        }));
    }
}

impl Actor for TrafficStarActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(messages) = self.messages.take() {
            ctx.add_stream(stream::unfold(messages, async |mut messages| {
                let message = messages.recv().await?;
                Some((message, messages))
            }));
        }
        self.publish();
    }
}

impl StreamHandler<GateMessage> for TrafficStarActor {
    fn handle(&mut self, message: GateMessage, ctx: &mut Self::Context) {
        self.keeper.hear(self.gate_time(), message);
        self.open_gate(ctx);
    }
}

impl Handler<ReadStatus> for TrafficStarActor {
    type Result = ResponseFuture<Result<RemoteCampaign, RemoteFault>>;

    fn handle(&mut self, ReadStatus { remote, urgency }: ReadStatus, ctx: &mut Self::Context) -> Self::Result {
        let (answer, wait) = self.statuses.ask(self.clock.now(), remote, urgency, None);
        Self::serve_later(ctx, wait, Self::serve_statuses);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(RemoteFault::Failed(round::DIED.to_owned()))) })
    }
}

impl Handler<ReadSpend> for TrafficStarActor {
    type Result = ResponseFuture<SourceAnswer>;

    fn handle(&mut self, ReadSpend { remote, urgency }: ReadSpend, ctx: &mut Self::Context) -> Self::Result {
        let (answer, wait) = self.spends.ask(self.clock.now(), remote, urgency, None);
        Self::serve_later(ctx, wait, Self::serve_spends);
        Box::pin(async move { answer.await.unwrap_or_else(|_| SourceAnswer::Failed(round::DIED.to_owned())) })
    }
}

impl Handler<Change> for TrafficStarActor {
    type Result = ResponseFuture<Outcome>;

    fn handle(&mut self, Change { remote, kind, valid_until }: Change, ctx: &mut Self::Context) -> Self::Result {
        match kind {
            ChangeKind::Pause => {
                let (answer, wait) = self.pauses.ask(self.clock.now(), remote, Urgency::Pause, valid_until);
                Self::serve_later(ctx, wait, Self::serve_pauses);
                Box::pin(async move { answer.await.unwrap_or_else(|_| Outcome::Unclear(round::DIED.to_owned())) })
            }
            ChangeKind::SetEndTime { end_time } => {
                let set = work::set_end_time(Arc::clone(&self.client), remote, end_time, valid_until);
                Box::pin(set)
            }
            ChangeKind::Activate { end_time } => {
                let set = work::set_end_time(Arc::clone(&self.client), remote, end_time, valid_until);
                let actor = ctx.address();
                Box::pin(async move {
                    match set.await {
                        Outcome::Accepted => match actor.send(RunNow { remote, valid_until }).await {
                            Ok(Outcome::NotSent(reason)) => {
                                Outcome::NotSent(format!("its end time is set, and the run was not sent: {reason}"))
                            }
                            Ok(outcome) => outcome,
                            Err(gone) => Outcome::Unclear(format!("the TrafficStar client is gone: {gone}")),
                        },
                        // The run was never sent, so that the campaign is as it was.
                        Outcome::Unclear(reason) | Outcome::Failed(reason) => {
                            Outcome::Failed(format!("its end time could not be set: {reason}"))
                        }
                        Outcome::NotSent(reason) => Outcome::NotSent(reason),
                    }
                })
            }
        }
    }
}

/// The second half of an activation: its end time is set. Runs are gathered here.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Outcome")]
struct RunNow {
    remote: RemoteId,
    valid_until: Option<DateTime<Utc>>,
}

impl Handler<RunNow> for TrafficStarActor {
    type Result = ResponseFuture<Outcome>;

    fn handle(&mut self, RunNow { remote, valid_until }: RunNow, ctx: &mut Self::Context) -> Self::Result {
        let (answer, wait) = self.runs.ask(self.clock.now(), remote, Urgency::Activate, valid_until);
        Self::serve_later(ctx, wait, Self::serve_runs);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Outcome::Unclear(round::DIED.to_owned())) })
    }
}
