//! Reads of statuses: hands questions to the plan, and the plan's requests to the client.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::round::DIED;
use super::{MOMENT, TrafficStarActor};
use crate::domain::ids::RemoteId;
use crate::domain::remote::{RemoteCampaign, RemoteFault};
use crate::domain::repeats::is_same_kind;
use crate::domain::status::ReadingStatus;
use crate::trafficstar::batch::reach;
use crate::trafficstar::batch::reads::{AskerId, PlannedRead, ReadAnswer, ReadId, ReadQuestion, ReadRequest, Reads};
use crate::trafficstar::circuit::Operation;
use crate::trafficstar::error::RemoteError;
use crate::trafficstar::gate::NotAdmitted;
use crate::trafficstar::wire::CampaignPage;

/// What a read of a status brings.
type Status = Result<RemoteCampaign, RemoteFault>;

/// Reads one campaign's status from TrafficStars. The request leaves after this was asked: no cached value.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<RemoteCampaign, RemoteFault>")]
pub struct ReadStatus(pub ReadQuestion);

/// Those who ask for statuses, and the plan by which they are served.
#[derive(Debug)]
pub(super) struct Statuses {
    tick: chrono::Duration,
    reads: Reads<Status>,
    askers: BTreeMap<AskerId, oneshot::Sender<Status>>,
    /// Set while more may ask within the same moment.
    gathering: bool,
    last_asked: Option<RemoteId>,
    reading: ReadingStatus,
}

impl Statuses {
    pub(super) fn new(tick: chrono::Duration) -> Self {
        Self {
            tick,
            reads: Reads::new(tick),
            askers: BTreeMap::new(),
            gathering: false,
            last_asked: None,
            reading: ReadingStatus::default(),
        }
    }

    pub(super) fn set_tick(&mut self, tick: chrono::Duration) {
        self.tick = tick;
        self.reads.set_tick(tick);
    }

    /// Somebody asks whom no request will serve yet.
    pub(super) fn waits_for_room(&self) -> bool {
        self.reads.waiting() > 0 && !self.gathering
    }

    pub(super) const fn last_asked(&self) -> Option<RemoteId> {
        self.last_asked
    }

    pub(super) fn status(&self) -> ReadingStatus {
        ReadingStatus { waiting: self.reads.waiting() as u64, ..self.reading.clone() }
    }

    fn answer(&mut self, answers: Vec<(AskerId, Status)>) {
        for (asker, status) in answers {
            if let Some(asker) = self.askers.remove(&asker) {
                // Whoever asked may be gone.
                let _ = asker.send(status);
            }
        }
    }
}

impl TrafficStarActor {
    /// Plans what is still to be read, unless more may ask within this moment.
    pub(super) fn plan_further_reads(&mut self, ctx: &mut Context<Self>) {
        if self.statuses.waits_for_room() {
            self.plan_reads(ctx);
        }
    }

    /// Plans when all who ask within this moment have asked.
    fn plan_soon(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.statuses.gathering, true) {
            return;
        }
        ctx.run_later(MOMENT, |actor, ctx| {
            actor.statuses.gathering = false;
            actor.weigh_reading();
            actor.plan_reads(ctx);
            actor.arm_gate(ctx);
            actor.publish();
        });
    }

    fn plan_reads(&mut self, ctx: &mut Context<Self>) {
        let now = self.gate_time();
        let list_works = self.keeper.circuits().is_closed(Operation::List);
        let at_the_gate = self.keeper.count(&[Operation::List, Operation::Campaign]);
        let room = reach::room(&self.statuses.reads, self.keeper.budget_mut(), now, at_the_gate);
        let planned = self.statuses.reads.plan(now, room, list_works);
        if !planned.is_empty() {
            tracing::debug!(
                requests = planned.len(),
                ?room,
                waiting = self.statuses.reads.waiting(),
                "reads are planned"
            );
        }
        for planned in planned {
            self.read(ctx, planned);
        }
    }

    /// How far the limit reaches: told where that has changed.
    fn weigh_reading(&mut self) {
        let list_works = self.keeper.circuits().is_closed(Operation::List);
        let reading = reach::weigh(&self.statuses.reads, self.keeper.budget_mut(), self.tick, list_works);
        let (reached, reaches) = (self.statuses.reading.reaches(), reading.reaches());
        if reached && !reaches {
            tracing::warn!("{reading}");
        } else if reaches && !reached {
            tracing::info!("the limit of requests is large enough again to read every campaign at every tick");
        }
        self.statuses.reading = reading;
    }

    /// Sends one request. Each who asked is answered as soon as it was read: an urgent one never waits for the others.
    fn read(&mut self, ctx: &mut Context<Self>, PlannedRead { id, read, urgency }: PlannedRead) {
        let client = Arc::clone(&self.client);
        match read {
            ReadRequest::Page(number) => {
                let page = async move { client.campaigns_page(number, urgency).await };
                ctx.spawn(page.into_actor(self).map(move |page, actor, ctx| {
                    let failure = page.as_ref().err().map(RemoteError::in_full);
                    let answer = page_answer(page, actor.client.has_no_list());
                    if !matches!(answer, ReadAnswer::NoList | ReadAnswer::NotSent) {
                        actor.note_reads(failure.as_deref());
                    }
                    actor.came(ctx, id, answer, failure);
                }));
            }
            ReadRequest::Single(remote) => {
                let campaign = async move { client.campaign(remote, urgency).await };
                ctx.spawn(campaign.into_actor(self).map(move |read, actor, ctx| {
                    // A campaign that is not there is no failure of the remote's.
                    let failure = read.as_ref().err().filter(|error| error.fault() != RemoteFault::NotFound);
                    let failure = failure.map(RemoteError::in_full);
                    actor.note_reads(failure.as_deref());
                    let answer = ReadAnswer::Single(read.map_err(|error| actor.fault_of(&error)));
                    actor.came(ctx, id, answer, failure);
                }));
            }
        }
    }

    /// What the read of one campaign that ended like this says. Where the request before it ended alike, it says nothing of
    /// this campaign.
    fn fault_of(&self, error: &RemoteError) -> RemoteFault {
        let fails_alike = |reason: &str| self.last_error.as_deref().is_some_and(|last| is_same_kind(last, reason));
        match error.fault() {
            RemoteFault::Failed(reason) if error.is_of_the_way() && fails_alike(&reason) => RemoteFault::Shared(reason),
            fault @ (RemoteFault::NotFound
            | RemoteFault::Gone
            | RemoteFault::Failed(_)
            | RemoteFault::Shared(_)
            | RemoteFault::Late) => fault,
        }
    }

    fn came(&mut self, ctx: &mut Context<Self>, id: ReadId, answer: ReadAnswer<Status>, failure: Option<String>) {
        let answers = self.statuses.reads.answered(id, answer);
        self.statuses.answer(answers);
        if self.statuses.reads.under_way() == 0 {
            self.weigh_reading();
        }
        self.note(failure);
        self.plan_further_reads(ctx);
        self.arm_gate(ctx);
    }
}

/// A list that is not there now may be back in a moment: only one that was missed for a while does not exist.
fn page_answer(page: Result<CampaignPage, RemoteError>, has_no_list: bool) -> ReadAnswer<Status> {
    match page {
        Ok(page) => ReadAnswer::Page { size: page.list_size(), campaigns: page.campaigns },
        Err(RemoteError::NotSent(NotAdmitted::CircuitOpen { .. })) => ReadAnswer::NotSent,
        Err(RemoteError::NoEndpoint { .. }) if has_no_list => ReadAnswer::NoList,
        Err(error) => ReadAnswer::PageFailed {
            answer: Err(RemoteFault::Shared(error.in_full())),
            of_the_page: error.is_of_this_request(),
        },
    }
}

impl Handler<ReadStatus> for TrafficStarActor {
    type Result = ResponseFuture<Status>;

    fn handle(&mut self, ReadStatus(question): ReadStatus, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        let asker = self.statuses.reads.ask(self.gate_time(), question);
        self.statuses.askers.insert(asker, reply);
        self.statuses.last_asked = Some(question.remote);
        self.plan_soon(ctx);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(RemoteFault::Failed(DIED.to_owned()))) })
    }
}
