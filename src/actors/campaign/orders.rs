//! Operators' orders to one campaign. Each goes to the machine as an event, and is answered when the machine reports
//! that it has taken effect, was refused or failed.

use actix::prelude::*;
use tokio::sync::oneshot;

use super::super::answers::send_reply;
use super::CampaignActor;
use crate::control::{Processed, Refusal, Reply};
use crate::domain::event::Event;
use crate::domain::order::{Force, ForceFailure, OrderId};
use crate::domain::outlook::Outlook;
use crate::domain::policy::Mode;
use crate::domain::remote::RemoteStatus;
use crate::domain::status::Hold;

/// Ticks now. The actor answers when the decision is taken and stored.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Processed, Refusal>")]
pub struct ProcessNow;

/// Acts now, against the table of decisions if need be. The actor answers when the action is confirmed, was refused, or
/// failed.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Processed, Refusal>")]
pub struct ForceNow(pub Force);

/// Pauses now, as `pause-all` does: a campaign that was seen stopped is read first, and gets no request if it is still
/// stopped. The `unless_stopped` of the force is ignored: the actor decides it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Processed, Refusal>")]
pub struct PauseAllNow(pub Force);

/// Asks for the outlook: what the guard will do with the campaign, by what was read last.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "OutlookAnswer")]
pub struct AskOutlook;

/// The answer to [`AskOutlook`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, MessageResponse)]
pub struct OutlookAnswer(pub Outlook);

/// Puts the campaign on hold; `None` releases it. The actor answers when nothing is in flight that began before.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<HoldChanged, Refusal>")]
pub struct ChangeHold(pub Option<Hold>);

/// Announces the new hold on all campaigns; `None` if it was released.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct HoldOnAll(pub Option<Hold>);

/// The answer to [`ChangeHold`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldChanged {
    /// The hold that was in force before; `None` if there was none.
    pub before: Option<Hold>,
    /// Warnings for the operator, each a sentence.
    pub warnings: Vec<String>,
}

/// The orders that wait for their answers.
#[derive(Debug, Default)]
pub(super) struct OrderBook {
    last: u64,
    processing: Vec<(OrderId, oneshot::Sender<Processed>)>,
    forcing: Vec<(OrderId, Force, Reply<Processed>)>,
    holding: Vec<(OrderId, Option<Hold>, oneshot::Sender<HoldChanged>)>,
}

impl OrderBook {
    fn number(&mut self) -> OrderId {
        self.last += 1;
        OrderId(self.last)
    }
}

impl CampaignActor {
    /// Answers this order for a tick, and every earlier one.
    pub(super) fn answer_processed(&mut self, order: OrderId) {
        for (_, reply) in self.orders.processing.extract_if(.., |(waiting, _)| *waiting <= order).collect::<Vec<_>>() {
            send_reply(reply, self.processed(Vec::new()));
        }
    }

    pub(super) fn answer_forced(&mut self, order: OrderId, result: &Result<(), ForceFailure>) {
        for (_, force, reply) in
            self.orders.forcing.extract_if(.., |(waiting, ..)| *waiting == order).collect::<Vec<_>>()
        {
            let answer = match result {
                Ok(()) => Ok(self.processed(self.force_warnings(&force))),
                Err(failure) => Err(failure.clone().into()),
            };
            send_reply(reply, answer);
        }
    }

    pub(super) fn answer_held(&mut self, order: OrderId, is_stored: bool) {
        let answered: Vec<_> = self.orders.holding.extract_if(.., |(waiting, ..)| *waiting <= order).collect();
        let warnings = self.hold_warnings(is_stored);
        for (_, before, reply) in answered {
            send_reply(reply, HoldChanged { before, warnings: warnings.clone() });
        }
    }

    fn hold_warnings(&self, is_stored: bool) -> Vec<String> {
        let (machine, policy, now) = (self.session.machine(), self.session.policy(), self.surroundings.clock.now());
        let runs =
            machine.assessment().is_some_and(|facts| facts.judged_at(now, policy).status == RemoteStatus::Running);
        let runs_on = runs && policy.mode == Mode::Act && machine.hold(now).is_some_and(|hold| !hold.pause);
        let runs_on = runs_on
            .then_some("the campaign runs, and nothing pauses it while it is on hold: add --pause to stop it first");
        let unstored = (!is_stored).then_some(
            "the hold is in force, but the database could not store it yet: a restart before that would lose it",
        );
        runs_on.into_iter().chain(unstored).map(str::to_owned).collect()
    }

    fn processed(&self, warnings: Vec<String>) -> Processed {
        let status = self.status();
        Processed {
            id: status.id,
            name: status.name,
            trafficstar_id: status.trafficstar_id,
            state: Some(status.state),
            decision: self.session.machine().last_decision().map(str::to_owned),
            action: status.action,
            warnings,
            error: status.last_error,
        }
    }

    fn force_warnings(&self, force: &Force) -> Vec<String> {
        if force.once {
            return vec!["its generator is disabled: nothing guards the campaign after this action".to_owned()];
        }
        let now = self.surroundings.clock.now();
        self.session.machine().force_warning(now, self.session.policy(), force.kind).into_iter().collect()
    }
}

impl Handler<ProcessNow> for CampaignActor {
    type Result = ResponseFuture<Result<Processed, Refusal>>;

    fn handle(&mut self, ProcessNow: ProcessNow, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        let order = self.orders.number();
        self.orders.processing.push((order, reply));
        self.step(ctx, Event::Process { order });
        Box::pin(async move { answer.await.map_err(|_| Refusal::ActorDied) })
    }
}

impl Handler<ForceNow> for CampaignActor {
    type Result = ResponseFuture<Result<Processed, Refusal>>;

    fn handle(&mut self, ForceNow(force): ForceNow, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        let order = self.orders.number();
        self.orders.forcing.push((order, force.clone(), reply));
        self.step(ctx, Event::Force { order, force: Box::new(force) });
        Box::pin(async move { answer.await.unwrap_or(Err(Refusal::ActorDied)) })
    }
}

impl Handler<PauseAllNow> for CampaignActor {
    type Result = ResponseFuture<Result<Processed, Refusal>>;

    fn handle(&mut self, PauseAllNow(force): PauseAllNow, ctx: &mut Self::Context) -> Self::Result {
        let (machine, now) = (self.session.machine(), self.surroundings.clock.now());
        let unless_stopped = machine.is_seen_stopped(now, self.session.policy());
        self.handle(ForceNow(Force { unless_stopped, ..force }), ctx)
    }
}

impl Handler<AskOutlook> for CampaignActor {
    type Result = OutlookAnswer;

    fn handle(&mut self, AskOutlook: AskOutlook, _: &mut Self::Context) -> Self::Result {
        OutlookAnswer(self.session.machine().outlook(self.surroundings.clock.now(), self.session.policy()))
    }
}

impl Handler<ChangeHold> for CampaignActor {
    type Result = ResponseFuture<Result<HoldChanged, Refusal>>;

    fn handle(&mut self, ChangeHold(hold): ChangeHold, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        let order = self.orders.number();
        self.orders.holding.push((order, self.session.machine().own_hold().cloned(), reply));
        self.step(ctx, Event::Hold { order, hold });
        Box::pin(async move { answer.await.map_err(|_| Refusal::ActorDied) })
    }
}

impl Handler<HoldOnAll> for CampaignActor {
    type Result = ();

    fn handle(&mut self, HoldOnAll(hold): HoldOnAll, ctx: &mut Self::Context) {
        self.step(ctx, Event::HoldAll(hold));
    }
}
