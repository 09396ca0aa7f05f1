//! Everything that changes a campaign: pauses and runs are gathered, end times go one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::prelude::*;
use chrono::{DateTime, Utc};

use super::TrafficStarActor;
use super::round::{Askers, DIED};
use super::work;
use crate::domain::action::Outcome;
use crate::domain::ids::RemoteId;
use crate::trafficstar::budget::{Rank, Urgency};
use crate::trafficstar::circuit::Operation;

/// An activation whose turn did not come is counted as one that waits for so many ticks.
const POSTPONED_FOR_TICKS: i32 = 2;

/// Changes one campaign at TrafficStars.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Outcome")]
pub struct Change {
    /// Which campaign.
    pub remote: RemoteId,
    /// How.
    pub kind: ChangeKind,
    /// Who goes first where requests have to wait.
    pub rank: Rank,
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

/// The second half of an activation: its end time is set. Runs are gathered here.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Outcome")]
struct RunNow {
    remote: RemoteId,
    valid_until: Option<DateTime<Utc>>,
}

/// An activation has ended, one way or the other.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
struct ActivationEnded {
    remote: RemoteId,
    postponed: bool,
}

impl TrafficStarActor {
    /// What is still due is asked for again at the next tick.
    pub(super) fn forget_postponed(&mut self) {
        let forgotten = self.gate_time() - self.tick * POSTPONED_FOR_TICKS;
        self.postponed.retain(|_, since| *since > forgotten);
    }

    /// Why an activation is not begun: an end time without a run would cost a request at every tick and change nothing.
    /// One at a time goes all the same, and shows whether runs work again.
    fn runs_fail(&mut self) -> Option<String> {
        let (now, run) = (self.gate_time(), Operation::Run);
        if self.keeper.circuits().is_closed(run) {
            return None;
        }
        if self.is_own_probe_due(now, run) {
            self.note_own_probe(now, run);
            return None;
        }
        Some("runs fail at TrafficStars, and its turn to try one has not come".to_owned())
    }

    fn serve_pauses(&mut self, ctx: &mut Context<Self>) {
        let askers = self.pauses.take();
        let (client, ids, mut askers) = (Arc::clone(&self.client), askers.ids(), askers.by_campaign());
        let pause = async move { client.pause(&ids, |id, outcome| answer(&mut askers, id, &outcome)).await };
        ctx.spawn(pause.into_actor(self).map(|failure, actor, _| actor.note(failure)));
    }

    /// One request for all whose end times are set; those that are about to be are waited for a little.
    fn serve_runs(&mut self, ctx: &mut Context<Self>) {
        let now = self.clock.now();
        if let Some(wait) = self.runs.wait_for_end_times(now, self.keeper.budget()) {
            Self::serve_later(ctx, Some(wait), Self::serve_runs);
            return;
        }
        let askers = self.runs.take();
        let (client, ids, leave_by) = (Arc::clone(&self.client), askers.ids(), askers.leave_by());
        let mut askers = askers.by_campaign();
        let run = async move { client.run(&ids, leave_by, |id, outcome| answer(&mut askers, id, &outcome)).await };
        ctx.spawn(run.into_actor(self).map(|failure, actor, _| actor.note(failure)));
    }
}

/// Answers as soon as the outcome is known: no campaign waits for the others of the round.
fn answer(askers: &mut BTreeMap<RemoteId, Askers<Outcome>>, id: RemoteId, outcome: &Outcome) {
    if let Some(askers) = askers.remove(&id) {
        askers.answer(|_| outcome.clone());
    }
}

impl Handler<Change> for TrafficStarActor {
    type Result = ResponseFuture<Outcome>;

    fn handle(&mut self, change: Change, ctx: &mut Self::Context) -> Self::Result {
        let Change { remote, kind, rank, valid_until } = change;
        let client = Arc::clone(&self.client);
        match kind {
            ChangeKind::Pause => {
                let (answer, wait) = self.pauses.ask(self.clock.now(), remote, Urgency::Pause, valid_until);
                Self::serve_later(ctx, wait, Self::serve_pauses);
                Box::pin(async move { answer.await.unwrap_or_else(|_| Outcome::Unclear(DIED.to_owned())) })
            }
            ChangeKind::SetEndTime { end_time } => {
                Box::pin(work::set_end_time(client, remote, end_time, rank, valid_until))
            }
            ChangeKind::Activate { end_time } => {
                self.postponed.remove(&remote);
                if let Some(reason) = self.runs_fail() {
                    self.postponed.insert(remote, self.gate_time());
                    return Box::pin(std::future::ready(Outcome::Postponed(reason)));
                }
                let set = work::set_end_time(client, remote, end_time, rank, valid_until);
                let actor = ctx.address();
                Box::pin(async move {
                    let outcome = match set.await {
                        Outcome::Accepted => run(&actor, RunNow { remote, valid_until }).await,
                        // The run was never sent, so that the campaign is as it was.
                        Outcome::Unclear(reason) | Outcome::Failed(reason) => {
                            Outcome::Failed(format!("its end time could not be set: {reason}"))
                        }
                        unsent @ (Outcome::NotSent(_) | Outcome::Postponed(_)) => unsent,
                    };
                    let postponed = matches!(outcome, Outcome::Postponed(_));
                    actor.do_send(ActivationEnded { remote, postponed });
                    outcome
                })
            }
        }
    }
}

async fn run(actor: &Addr<TrafficStarActor>, run: RunNow) -> Outcome {
    let unsent = |reason| format!("its end time is set, and the run was not sent: {reason}");
    match actor.send(run).await {
        Ok(Outcome::NotSent(reason)) => Outcome::NotSent(unsent(reason)),
        Ok(Outcome::Postponed(reason)) => Outcome::Postponed(unsent(reason)),
        Ok(outcome @ (Outcome::Accepted | Outcome::Unclear(_) | Outcome::Failed(_))) => outcome,
        Err(gone) => Outcome::Unclear(format!("the TrafficStar client is gone: {gone}")),
    }
}

impl Handler<RunNow> for TrafficStarActor {
    type Result = ResponseFuture<Outcome>;

    fn handle(&mut self, RunNow { remote, valid_until }: RunNow, ctx: &mut Self::Context) -> Self::Result {
        let (answer, wait) = self.runs.ask(self.clock.now(), remote, Urgency::Activate, valid_until);
        Self::serve_later(ctx, wait, Self::serve_runs);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Outcome::Unclear(DIED.to_owned())) })
    }
}

impl Handler<ActivationEnded> for TrafficStarActor {
    type Result = ();

    fn handle(&mut self, ActivationEnded { remote, postponed }: ActivationEnded, _: &mut Self::Context) {
        if postponed {
            self.postponed.insert(remote, self.gate_time());
        }
    }
}
